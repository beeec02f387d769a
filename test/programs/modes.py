"""Runs a program in each mode and says how one differs from the eager one."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import weft
from aot_models import WEFTC, Library, run
from numerics import as_bits, to_numpy
from program import Program
from references import check_statement

#: What a program may answer: a mistake in it, which every mode has to find.
ERRORS = (weft.WeftError, TypeError, ValueError, IndexError, NotImplementedError)
NOT_IN_OBJECTS = ("not compiled to an object yet", "which an object file can't call")
#: What a compiled body can't have: shapes that depend on values.
UNKNOWN = "known in what is exported, lowered"
#: Of values that are not allowed, found by looking at them: compiled functions give NaN there.
OF_VALUES = (weft.OutOfRangeError, weft.OutOfBoundsError)
#: What a whole program can't have, by design: shapes that depend on values, changed arguments.
REFUSALS = ("the function changes one of its arguments", UNKNOWN)
#: What runs one of several functions, or none, or iterations of which the next ones may read
#: nothing: see docs/control-flow.md on gradients of zeros.
CHOICES = {"cond", "switch", "while_loop", "scan", "fori_loop"}
#: A compiled while loop keeps what has no bound; and the history of a value is not to change.
WITHOUT_GRADIENT = (
    "cannot be differentiated: how many iterations there are is not known",
    "of a tensor that was computed with gradients, in a compiled function; clone() it before",
)
MODES = (
    *("reference", "jit", "shapes", "aliases", "gradient", "threads"),
    *("export", "file", "object"),
)
DEFAULT_MODES = ("reference", "jit", "export", "gradient", "aliases")
#: Modes that this part of programs runs as well, as they take long.
FRACTIONS = {"file": 20, "threads": 20, "shapes": 5, "aliases": 4, "gradient": 2}


@dataclass(frozen=True)
class Difference:
    """The mode that differs, and how."""

    mode: str
    message: str
    #: Which of several programs.
    number: int = 0


def function_of(program: Program) -> Callable[..., Any]:
    """The program as a function of tensors."""
    namespace: dict[str, Any] = {"weft": weft, "np": np}
    exec(compile(program.text(), "<program>", "exec", dont_inherit=True), namespace)
    return namespace["program"]


def difference_of(have: Sequence[Any], want: Sequence[Any]) -> str | None:
    """How arrays differ in dtype, shape or bits, NaN being one number."""
    for number, (first, second) in enumerate(zip(have, want, strict=True)):
        first, second = to_numpy(first), to_numpy(second)
        if (first.dtype, first.shape) != (second.dtype, second.shape):
            return f"{number}: {first.dtype}{first.shape} is not {second.dtype}{second.shape}"
        different = as_bits(first) != as_bits(second)
        if different.any():
            if first.dtype.kind == "c":
                different = different.reshape(*first.shape, 2).any(axis=-1)
            place = np.unravel_index(int(np.argmax(different)), np.shape(different))
            return f"{number}: {first[place]!r} is not {second[place]!r} at {place}"
    return None


@dataclass
class Ran:
    """What a call gave: results and what is in the arguments then, or the error."""

    values: list[np.ndarray]
    error: Exception | None = None


def call(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> Ran:
    """The results and the arguments after the call."""
    tensors = [weft.asarray(x, copy=True) for x in arrays]
    try:
        results = function(*tensors)
        return Ran([np.array(to_numpy(x)) for x in [*results, *tensors]])
    except ERRORS as error:
        return Ran([], error)


def compare(mode: str, have: Ran, want: Ran) -> Difference | None:
    """Equal to the bit, or errors of one type."""
    if want.error is None and have.error is not None and UNKNOWN in str(have.error):
        return None
    if (have.error is None) != (want.error is None):
        return Difference(mode, f"{have.error!r} where eager gives {want.error or 'a result'!r}")
    if have.error is not None and type(have.error) is not type(want.error):
        return Difference(mode, f"{have.error!r} is not eager's {want.error!r}")
    message = difference_of(have.values, want.values)
    return None if message is None else Difference(mode, message)


def _reference(program: Program, arrays: Sequence[np.ndarray]) -> Iterator[Difference]:
    """Statement by statement; NumPy computes each from what eager mode gave for its operands."""
    namespace: dict[str, Any] = {"weft": weft, "np": np}
    namespace.update(
        (name, weft.asarray(x, copy=True)) for name, x in zip(program.inputs, arrays, strict=True)
    )
    for statement in program.statements:
        check = statement.check
        operands = [np.array(to_numpy(namespace[name])) for name in check.operands] if check else []
        try:
            exec(statement.text(), namespace)
        except ERRORS:
            return
        if check is not None:
            message = check_statement(check, operands, to_numpy(namespace[check.target]))
            if message is not None:
                yield Difference("reference", f"{statement.lines[-1].strip()}: {message}")


def _jit(function: Callable, arrays: Sequence[np.ndarray], eager: Ran) -> Iterator[Difference]:
    compiled = weft.jit(function)
    for turn in ("jit", "jit"):
        found = compare(turn, call(compiled, arrays), eager)
        if found is not None:
            yield found


def _shapes(function: Callable, arrays: Sequence[np.ndarray], eager: Ran) -> Iterator[Difference]:
    """The compiled function again with one more along the first dimension of all arguments."""
    larger = [np.concatenate([x, x[:1]]) if x.ndim and len(x) else x for x in arrays]
    compiled = weft.jit(function)
    call(compiled, arrays)
    have, want = call(compiled, larger), call(function, larger)
    if have.error is not None and want.error is None:
        # The sizes that a program names may not fit a body which does not run, but is traced.
        want = call(weft.jit(function), larger)
    if have.error is None and isinstance(want.error, OF_VALUES):
        return
    found = compare("shapes", have, want)
    found = found or compare("shapes", call(compiled, arrays), eager)
    if found is not None:
        yield found


def _aliases(function: Callable, arrays: Sequence[np.ndarray], eager: Ran) -> Iterator[Difference]:
    """Arguments that are one tensor where they are alike, and views of larger ones."""

    def tied(called: Callable) -> Callable[..., Any]:
        def program(*tensors: weft.Tensor) -> list[weft.Tensor]:
            first: dict[Any, weft.Tensor] = {}
            roots = [weft.stack([x, x]) for x in tensors]
            given = []
            for place, x in enumerate(tensors):
                one = first.setdefault((x.dtype.name, tuple(x.shape)), x)
                given.append(one if one is not x or place % 2 else roots[place][1])
            return [*called(*given), *roots]

        return program

    found = compare("aliases", call(tied(weft.jit(function)), arrays), call(tied(function), arrays))
    if found is not None:
        yield found


def training_step(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradients of the sum of all floating results by all floating arguments."""

    def step(*tensors: weft.Tensor) -> list[weft.Tensor]:
        leaves = [x.detach().clone() for x in tensors]
        for leaf in leaves:
            leaf.requires_grad = leaf.dtype.is_floating_point or leaf.dtype.is_complex
        # Not the leaves themselves, which nothing may change in place while gradients are recorded.
        results = function(*(x * 1 if x.requires_grad else x for x in leaves))
        parts = [
            part
            for x in results
            if x.requires_grad
            for part in ((weft.real(x), weft.imag(x)) if x.dtype.is_complex else (x,))
        ]
        sums = [weft.sum(x.astype("float32")) for x in parts]
        if sums:
            sum(sums[1:], sums[0]).backward()
        # A compiled loop has a gradient, of zeros, for all that it reads, and one of its slices
        # that was not added to the zeros of the others, which have no sign.
        grads = [
            weft.zeros_like(x) if x.grad is None else x.grad for x in leaves if x.requires_grad
        ]
        return [x + 0.0 for x in grads]

    return step


#: What these modes call, made of the program.
STEPS = {"gradient": training_step}


def names_of(code: CodeType) -> set[str]:
    """The names of attributes and variables that a function uses, and those within it."""
    inner = [names_of(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


def _gradient(function: Callable, arrays: Sequence[np.ndarray], eager: Ran) -> Iterator[Difference]:
    """backward(), eager and compiled."""
    step = training_step(function)
    have, want = call(weft.jit(step), arrays), call(step, arrays)
    if names_of(function.__code__) & CHOICES:
        for values, others in zip(have.values, want.values, strict=False):
            if values.shape == others.shape:
                # Zeros times an infinite derivative, perhaps added to what eager mode has alone.
                values[np.isnan(values)] = others[np.isnan(values)]
    found = compare("gradient", have, want)
    if found is not None and not any(reason in str(have.error) for reason in WITHOUT_GRADIENT):
        yield found


def _threads(function: Callable, arrays: Sequence[np.ndarray], eager: Ran) -> Iterator[Difference]:
    """One thread and three."""
    before = weft.get_num_threads()
    try:
        for count in (1, 3):
            weft.set_num_threads(count)
            found = compare("threads", call(weft.jit(function), arrays), eager)
            found = found or compare("threads", call(function, arrays), eager)
            if found is not None:
                yield found
    finally:
        weft.set_num_threads(before)


def _export(
    function: Callable, arrays: Sequence[np.ndarray], eager: Ran, file: bool = False
) -> Iterator[Difference]:
    """As a program, perhaps by way of a file. One that changes its arguments is refused."""
    mode = "file" if file else "export"
    try:
        program = weft.export(function, *arrays)
    except ERRORS as error:
        refused = any(reason in str(error) for reason in REFUSALS)
        if eager.error is None and not refused:
            yield Difference(mode, f"{error!r} where eager gives a result")
        return
    if file:
        with tempfile.TemporaryDirectory() as folder:
            program.save(Path(folder) / "program.weft")
            program = weft.load(Path(folder) / "program.weft")
    have = call(program, arrays)
    results = eager.values[: len(eager.values) - len(arrays)]
    found = compare(mode, Ran(have.values[: len(results)], have.error), Ran(results, eager.error))
    if found is not None:
        yield found


_MODES: dict[str, Callable[[Callable, Sequence[np.ndarray], Ran], Iterator[Difference]]] = {
    "jit": _jit,
    "shapes": _shapes,
    "aliases": _aliases,
    "gradient": _gradient,
    "threads": _threads,
    "export": _export,
    "file": functools.partial(_export, file=True),
}


def differences(
    function: Callable[..., Any], arrays: Sequence[np.ndarray], modes: Sequence[str]
) -> Iterator[Difference]:
    """How the modes differ from the eager one; nothing where all are as they should be."""
    eager = call(function, arrays)
    for mode in modes:
        if mode in _MODES:
            yield from _MODES[mode](function, arrays, eager)


def first_difference(program: Program, modes: Sequence[str]) -> Difference | None:
    """The first, or None; what no user should see (an internal error) is one."""
    arrays = [x.array() for x in program.inputs.values()]
    try:
        if "reference" in modes:
            found = next(_reference(program, arrays), None)
            if found is not None:
                return found
        found = next(differences(function_of(program), arrays, modes), None)
        return found or object_difference([program], modes)
    except Exception as error:
        return Difference("crash", f"{type(error).__name__}: {error}")


def object_difference(programs: Sequence[Program], modes: Sequence[str]) -> Difference | None:
    """How one object of all programs differs, if objects are among the modes.

    What can't be exported is left out, which export mode tells; and what weftc says it can't hold.
    """
    if "object" not in modes:
        return None
    fit = []
    for number, program in enumerate(programs):
        function, arrays = function_of(program), [x.array() for x in program.inputs.values()]
        eager = call(function, arrays)
        if eager.error is None and _is_exported(function, arrays):
            fit.append((number, function, arrays, eager.values[: -len(arrays)]))
    return _objects_of(fit)


def _objects_of(calls: list[tuple]) -> Difference | None:
    """One object of all; where weftc refuses one of them, of each half."""
    if not calls:
        return None
    try:
        have = run_object([(function, arrays) for _, function, arrays, _ in calls])
    except AssertionError as error:
        if not any(reason in str(error) for reason in NOT_IN_OBJECTS):
            raise
        half = len(calls) // 2
        return (_objects_of(calls[:half]) or _objects_of(calls[half:])) if half else None
    for (number, _, _, want), values in zip(calls, have, strict=True):
        message = difference_of(values, want)
        if message is not None:
            return Difference("object", message, number)
    return None


def _is_exported(function: Callable, arrays: Sequence[np.ndarray]) -> bool:
    try:
        weft.export(function, *arrays)
    except ERRORS:
        return False
    return True


def run_object(calls: Sequence[tuple[Callable, Sequence[np.ndarray]]]) -> list[list[np.ndarray]]:
    """The results of functions that are compiled to one object, and called as from C."""

    def program(*tensors: weft.Tensor) -> tuple:
        rest, results = list(tensors), []
        for function, arrays in calls:
            results += function(*rest[: len(arrays)])
            del rest[: len(arrays)]
        return tuple(results)

    counts = [len(function(*map(weft.asarray, arrays))) for function, arrays in calls]
    inputs = [np.array(x, order="C") for _, arrays in calls for x in arrays]
    exported = weft.export(program, *inputs)
    expected = [to_numpy(x) for x in exported(*inputs)]
    with tempfile.TemporaryDirectory() as folder:
        exported.save(Path(folder) / "case.weft")
        library = Path(folder) / "libcase.so"
        run([WEFTC, Path(folder) / "case.weft", "-o", library, "--emit=shared", "--name=case"])
        outputs = Library(library, "case")(inputs, expected)
    return [[outputs.pop(0) for _ in range(count)] for count in counts]
