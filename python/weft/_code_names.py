"""What a function's code names: the variables, attributes and modules that it can read."""

from __future__ import annotations

import dis
import functools
import re
import types
from collections.abc import Iterator, Mapping
from typing import NamedTuple

#: Functions and attributes through which code reads attributes that it does not name.
_DYNAMIC = frozenset(
    {"vars", "__dict__", "globals", "locals", "eval", "exec", "dir", "attrgetter", "methodcaller"}
    | {"__getattribute__", "__slots__", "__reduce_ex__", "__getstate__", "format_map"}
)
#: Functions that read variables that code does not name.
_READS_GLOBALS = frozenset({"globals", "eval", "exec", "__globals__"})
#: Functions that take the name of an attribute, which code mostly gives as a constant.
_BY_NAME = frozenset({"getattr", "hasattr", "setattr", "delattr"})

#: Where the arguments of a call are complete; 3.11 has an instruction before the call itself.
_CALLS = ("PRECALL",) if "PRECALL" in dis.opmap else ("CALL", "CALL_FUNCTION")


class NamesOfCode(NamedTuple):
    """Names in a piece of code and in the code nested in it."""

    variables: frozenset[str]
    #: Names of attributes, and strings that may be such.
    attributes: frozenset[str]
    #: Level and name of each import.
    imports: frozenset[tuple[int, str]]
    #: The code reads attributes by names that it computes.
    dynamic: bool
    #: The code may read any global of its module.
    reads_all_globals: bool
    #: The line of the first mention of a name.
    lines: Mapping[str, int]


#: The attributes that "{0.name}" and "{.name}" ask for.
_FORMATTED = re.compile(r"\{[^{}]*\}")


def _strings(constant: object) -> Iterator[str]:
    if isinstance(constant, str):
        yield constant
        for field in _FORMATTED.findall(constant):
            yield from re.findall(r"\.(\w+)", field)
    elif isinstance(constant, (tuple, frozenset)):
        for item in constant:
            yield from _strings(item)


def _computes_name(instructions: list[dis.Instruction], start: int) -> bool:
    """Whether the second argument of the call of `getattr` loaded at `start` is no constant."""
    depth = 0
    constant = False
    for instruction in instructions[start + 1 :]:
        if instruction.opname in _CALLS and instruction.arg == depth:
            return not constant
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            return True
        argument = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
        depth += dis.stack_effect(instruction.opcode, argument, jump=False)
        # The name is what stands at depth 2; whatever comes back to that depth made it anew.
        if depth <= 2:
            constant = depth == 2 and instruction.opname == "LOAD_CONST"
        if depth < 0:
            return True
    return True


def _is_dynamic(instructions: list[dis.Instruction]) -> bool:
    for number, instruction in enumerate(instructions):
        name = instruction.argval
        if instruction.opname.startswith("LOAD_") and isinstance(name, str):
            if instruction.opname == "LOAD_CONST":
                continue
            if name in _DYNAMIC or (name in _BY_NAME and _computes_name(instructions, number)):
                return True
        elif instruction.opname == "MATCH_CLASS":
            return True
    return False


def _lines(instructions: list[dis.Instruction], first: int) -> dict[str, int]:
    lines: dict[str, int] = {}
    line = first
    for instruction in instructions:
        starts = instruction.starts_line
        if isinstance(starts, int) and not isinstance(starts, bool):
            line = starts
        elif starts:
            line = getattr(instruction, "line_number", None) or line
        if isinstance(instruction.argval, str):
            lines.setdefault(instruction.argval, line)
    return lines


@functools.lru_cache(maxsize=8192)
def attributes_of(code: types.CodeType) -> frozenset[str]:
    """Names of attributes in `code` and in the code nested in it, and strings that may be such."""
    found = set(code.co_names)
    for constant in code.co_consts:
        found.update(_strings(constant))
        if isinstance(constant, types.CodeType):
            found |= attributes_of(constant)
    return frozenset(found)


@functools.lru_cache(maxsize=8192)
def names_of(code: types.CodeType) -> NamesOfCode:
    """The names in `code`."""
    instructions = [
        instruction
        for instruction in dis.get_instructions(code)
        if instruction.opname not in ("CACHE", "EXTENDED_ARG")
    ]
    variables = {
        instruction.argval
        for instruction in instructions
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF")
    }
    imports: set[tuple[int, str]] = set()
    lines = _lines(instructions, code.co_firstlineno)
    dynamic = _is_dynamic(instructions)
    everywhere = not _READS_GLOBALS.isdisjoint(code.co_names)
    for number, instruction in enumerate(instructions):
        if instruction.opname == "IMPORT_NAME":
            level = instructions[number - 2].argval
            imports.add((level if isinstance(level, int) else 0, instruction.argval))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = names_of(constant)
            variables |= inner.variables
            imports |= inner.imports
            dynamic |= inner.dynamic
            everywhere |= inner.reads_all_globals
            lines = {**inner.lines, **lines}
    return NamesOfCode(
        frozenset(variables),
        attributes_of(code),
        frozenset(imports),
        dynamic,
        everywhere,
        lines,
    )
