"""The rules of the house, each a function from a source tree to the places that break it.

A place is "path:line: what is wrong and what to do instead". test_house_rules.py applies all rules
to this tree, and shows for each that it finds what it is there for.
"""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from source_files import source_files

CPP_SUFFIXES = (".cpp", ".h", ".c")
LONGEST_FILE = 800
LONGEST_FUNCTION = 60

# The rooms whose headers each room may include, besides its own.
_COMPILER_SIDE = ("include/", "lib/Support/")
INCLUDABLE_ROOMS: dict[str, tuple[str, ...]] = {
    "include/": (),
    "lib/Support/": ("include/",),
    "lib/Runtime/": ("include/", "lib/Support/"),
    "dialects/": _COMPILER_SIDE,
    "passes/": (*_COMPILER_SIDE, "dialects/"),
    "codegen/Emulator/": _COMPILER_SIDE,
    "codegen/": (*_COMPILER_SIDE, "dialects/", "passes/"),
    "lib/Compiler/": (
        *_COMPILER_SIDE,
        *("dialects/", "passes/", "codegen/", "codegen/Emulator/", "lib/Runtime/"),
    ),
    "lib/Trace/": (*_COMPILER_SIDE, "dialects/", "passes/", "lib/Runtime/", "lib/Compiler/"),
    "python/": (
        *_COMPILER_SIDE,
        *("dialects/", "passes/", "codegen/", "lib/Runtime/", "lib/Compiler/", "lib/Trace/"),
    ),
    "tools/": (
        *_COMPILER_SIDE,
        *("dialects/", "passes/", "codegen/", "lib/Runtime/", "lib/Compiler/"),
    ),
}
_LLVM_HEADERS = ("mlir/", "mlir-c/", "llvm/", "llvm-c/", "clang/", "lld/")
_PYTHON_HEADERS = ("Python.h", "pybind11/")
_ROOMS_WITHOUT_LLVM = ("include/", "lib/Support/", "lib/Runtime/")

# The operations that hold kernels and plans together, with constants and what names memory.
# Every other one is for interfaces and traits.
STRUCTURAL_OPERATIONS = frozenset(
    {"ConstantOp", "KernelOp", "LaunchOp", "PrepareOp", "ReshapeOp", "ReturnOp", "YieldOp"}
    | {"CaseOp", "WhileOp", "ScanOp", "BranchOp", "LoopOp"}
    | {"CheckpointOp", "CustomDerivativeOp"}
)


def include_directions(root: Path) -> Iterator[str]:
    """Rooms include only rooms below them; only some know LLVM, and only one Python."""
    for path in source_files(root, *CPP_SUFFIXES):
        name = str(path.relative_to(root))
        room = _room_of(name)
        if room is None:
            continue
        for number, line in _lines(path):
            match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            problem = match and _include_problem(root, path, room, match[1] == '"', match[2])
            if problem:
                yield f"{name}:{number}: {problem}"


def _include_problem(root: Path, path: Path, room: str, quoted: bool, header: str) -> str | None:
    if header.startswith(_PYTHON_HEADERS) and room != "python/":
        return f"{room} must not include {header}: Python is for python/ alone"
    if header.startswith(_LLVM_HEADERS):
        if room in _ROOMS_WITHOUT_LLVM:
            return f"{room} must not include {header}: it does without LLVM"
        return None
    if quoted and (path.parent / header).exists() and not (root / header).exists():
        return f'"{header}" must be named from the repository root'
    target = "include/" if header.startswith("weft/") else _room_of(header)
    if target is None or target == room or target in INCLUDABLE_ROOMS[room]:
        return None
    return f"{room} must not include {header}: {target} is not below it"


def _room_of(name: str) -> str | None:
    """The room of a file; rooms inside of others are named before them."""
    return next((room for room in INCLUDABLE_ROOMS if name.startswith(room)), None)


# The rooms in which a header and its source count as one file, and files never include each other.
ROOMS_IN_LAYERS = ("python/src/", "passes/", "lib/Trace/", "lib/Support/")


def layers(root: Path) -> Iterator[str]:
    """No file of a room in layers includes itself by way of others.

    So that each can be read, and changed, with what is below it alone.
    """
    for room in ROOMS_IN_LAYERS:
        included: dict[str, set[str]] = {}
        for path in source_files(root, *CPP_SUFFIXES):
            stem = str(path.relative_to(root).with_suffix(""))
            if stem.startswith(room):
                names = re.findall(rf'^#include "({room}[^"]+)\.h"', path.read_text(), re.MULTILINE)
                included.setdefault(stem, set()).update(set(names) - {stem})
        try:
            graphlib.TopologicalSorter(included).prepare()
        except graphlib.CycleError as error:
            circle = error.args[1][::-1]
            yield f"{circle[0]}: is in a circle: {' includes '.join(circle)}"


def one_test_per_pass(root: Path) -> Iterator[str]:
    """passes/<group>/OnePass.cpp defines one pass, which test/passes/one-pass.mlir tests."""
    for path in source_files(root, ".cpp"):
        name = str(path.relative_to(root))
        if not re.fullmatch(r"passes/\w+/\w+\.cpp", name):
            continue
        passes = _passes_defined_in(path)
        for number, pass_name in passes[1:]:
            yield f"{name}:{number}: {pass_name} is a second pass; each has a file of its own"
        if passes:
            number, pass_name = passes[0]
            if pass_name not in (path.stem, f"{path.stem}Pass"):
                yield f"{name}:{number}: the pass {pass_name} should be in {pass_name}.cpp"
            test = f"test/passes/{_kebab(path.stem)}.mlir"
            if not (root / test).is_file():
                yield f"{name}:{number}: there is no {test}"


def _passes_defined_in(path: Path) -> list[tuple[int, str]]:
    definition = re.compile(
        r"\b(?:struct|class)\s+(\w+)\s*(?:final\s*)?:[^;{]*?"
        r"\b(?:impl::\w+Base|PassWrapper|OperationPass)\s*<"
    )
    text = path.read_text()
    return [(_line_of(text, match.start()), match[1]) for match in definition.finditer(text)]


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def no_operation_names(root: Path) -> Iterator[str]:
    """Passes and templates ask interfaces and traits: they name no operation.

    A pass that rewrites one operation may name it: its first comment shows it, as `weft.transpose`.
    Any may be built. What is an operation, the records say.
    """
    operations = _operation_classes(root)
    names = {mnemonic: name for name, mnemonic in operations.items()}
    for path in source_files(root, ".cpp", ".h"):
        file = str(path.relative_to(root))
        if not file.startswith(("passes/", "codegen/")):
            continue
        text = path.read_text()
        shown = {names.get(word) for word in re.findall(r"weft\.(\w+)", _first_comment(text))}
        code = _without_comments(text)
        for match in re.finditer(r'"weft\.(\w+)"', code):
            if names.get(match[1], "KernelOp") not in STRUCTURAL_OPERATIONS:
                line = _line_of(code, match.start())
                yield f"{file}:{line}: the name {match[0]}: ask an interface or trait"
        for match in re.finditer(r"(?:(?<![\w:])|(?<=weft::))(\w+Op)\b(?!\s*::\s*create\b)", code):
            if match[1] in operations.keys() - STRUCTURAL_OPERATIONS - shown:
                line = _line_of(code, match.start())
                yield f"{file}:{line}: {match[1]} by name: ask an interface or trait"


def _first_comment(text: str) -> str:
    return re.match(r"(?://[^\n]*\n)*", text)[0]  # type: ignore[index]


def _operation_classes(root: Path) -> dict[str, str]:
    """Class and mnemonic of each operation record in dialects/."""
    operations = {}
    record = re.compile(r'\bdef\s+Weft_(\w+Op)\s*:\s*\w+\s*<\s*"(\w+)"')
    for path in source_files(root, ".td"):
        if str(path.relative_to(root)).startswith("dialects/"):
            operations.update(dict(record.findall(path.read_text())))
    return operations


def docstrings(root: Path) -> Iterator[str]:
    """Each public Python name of the package has a docstring.

    Public is what a public module defines or takes over from a private one (`_x.py`).
    """
    package = root / "python" / "weft"
    modules = [path for path in source_files(root, ".py") if package in path.parents]
    trees = {path: ast.parse(path.read_text()) for path in modules}
    public = {path for path in modules if not _is_private_module(path.relative_to(package))}
    taken_over = {
        (_imported_module(package, path, node), name.name)
        for path in public
        for node in trees[path].body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    for path, tree in trees.items():
        name = str(path.relative_to(root))
        if path in public and ast.get_docstring(tree) is None:
            yield f"{name}:1: the module has no docstring"
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            module = path.parent if path.name == "__init__.py" else path.with_suffix("")
            if path in public or (module, node.name) in taken_over:
                yield from (f"{name}:{place}" for place in _without_docstring(node))


def _is_private_module(path: Path) -> bool:
    return any(part.startswith("_") and part != "__init__.py" for part in path.parts)


def _imported_module(package: Path, path: Path, node: ast.ImportFrom) -> Path:
    """The module that `node` imports from, as a path without suffix."""
    words = (node.module or "").split(".") if node.module else []
    if node.level == 0:
        return package.joinpath(*words[1:]) if words[:1] == ["weft"] else Path(*words)
    folder = path.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    return folder.joinpath(*words)


def _without_docstring(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, owner: str = ""
) -> Iterator[str]:
    if node.name.startswith("_"):
        return
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    is_variant = any(
        text.rpartition(".")[2] in ("overload", "setter", "deleter", "override")
        for text in decorators
    )
    if ast.get_docstring(node) is None and not is_variant:
        yield f"{node.lineno}: {owner}{node.name} has no docstring"
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _without_docstring(member, f"{owner}{node.name}.")


def file_lengths(root: Path) -> Iterator[str]:
    """No file of code has more than 800 lines."""
    for path in source_files(root, *CPP_SUFFIXES, ".py", ".td"):
        count = sum(1 for _ in _lines(path))
        if count > LONGEST_FILE:
            yield f"{path.relative_to(root)}:{count}: over {LONGEST_FILE} lines: split it"


def function_lengths(root: Path) -> Iterator[str]:
    """No function has more than 60 lines, a Python docstring not counted."""
    for path in source_files(root, *CPP_SUFFIXES, ".py"):
        functions = _python_functions if path.suffix == ".py" else _cpp_functions
        for line, name, length in functions(path.read_text()):
            if length > LONGEST_FUNCTION:
                yield f"{path.relative_to(root)}:{line}: {name} has {length} lines: split it"


def _python_functions(text: str) -> Iterator[tuple[int, str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                length -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield node.lineno, node.name, length


_CONTAINER = re.compile(r"\b(?:namespace|class|struct|enum|union|extern)\b[^(]*$")
_TEMPLATE_PARAMETER = re.compile(r"\b(?:class|typename)\b(?=[^<>{]*>)")


def _cpp_functions(text: str) -> Iterator[tuple[int, str, int]]:
    """Line, name and length of each function definition, by the layout that clang-format gives.

    A definition's head begins after the line that ends the statement before and ends with "{"; its
    last line is the next one of the head's indentation that begins with "}".
    """
    lines = text.splitlines()
    number = head = 0
    while number < len(lines):
        line = lines[number].rstrip()
        if line.endswith("{"):
            statement = " ".join(lines[head : number + 1])
            before_arguments = _TEMPLATE_PARAMETER.sub("", statement.partition("(")[0])
            is_function = "(" in statement and not _CONTAINER.search(before_arguments)
            if is_function and not re.search(r"=\s*\{$", statement):
                end = _closing_line(lines, head, number)
                name = re.search(r"([\w:~]+|operator\W+)\s*$", before_arguments)
                yield head + 1, name[1] if name else "a function", end - head + 1
                number = end
            head = number + 1
        elif (
            not line
            or line.endswith((";", "}", ":", "*/"))
            or line.lstrip().startswith(("#", "//"))
        ):
            head = number + 1
        number += 1


def _closing_line(lines: list[str], head: int, opening: int) -> int:
    indentation = len(lines[head]) - len(lines[head].lstrip())
    closing = " " * indentation + "}"
    following = range(opening + 1, len(lines))
    return next((number for number in following if lines[number].startswith(closing)), opening)


# Written in parts, so that this file keeps its own rule.
FORBIDDEN_TEXTS = (
    *(rf"\b{word}s?\b" for word in ("ass" + "istant", "ag" + "ent", "chat" + "bot")),
    r"(?<!scope=\")\bses" + r"sions?\b",
    *("cla" + "ude", "anthr" + "opic", "open" + "ai", "chat" + "gpt", "co" + "pilot"),
    *(
        rf"(?<![\w./~]){folder}/"
        for folder in ("/ro" + "ot", "/ho" + "me", "/wo" + "rk", "/tm" + "p")
    ),
    *(r"pypi\." + "org", "python" + "hosted", r"download\.py" + "torch", r"deb\.deb" + "ian"),
    *("anaconda" + r"\.org", r"registry\.npm" + "js", r"ghcr\." + "io", r"docker\." + "io"),
)


def clean_texts(root: Path) -> Iterator[str]:
    """No file names a folder of one machine, a package registry, or who typed it."""
    pattern = re.compile("|".join(FORBIDDEN_TEXTS), re.IGNORECASE)
    for path in source_files(root):
        if b"\0" in path.read_bytes():
            continue
        for number, line in _lines(path):
            match = pattern.search(line)
            if match:
                yield f"{path.relative_to(root)}:{number}: {match[0]!r} does not belong here"


def visible_symbols(library: Path) -> list[str]:
    """The symbols that a shared library defines for others."""
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", "--format=posix", str(library)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(line.split()[0] for line in listing.splitlines())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    return enumerate(path.read_text(errors="replace").splitlines(), start=1)


def _line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _without_comments(code: str) -> str:
    """The code with // and /* */ comments taken out, line breaks and strings left."""
    token = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    return token.sub(
        lambda match: match[0] if match[0].startswith('"') else "\n" * match[0].count("\n"), code
    )


RULES: tuple[Callable[[Path], Iterator[str]], ...] = (
    include_directions,
    layers,
    one_test_per_pass,
    no_operation_names,
    docstrings,
    file_lengths,
    function_lengths,
    clean_texts,
)
