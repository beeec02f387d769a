"""The node tests that the package onnx carries: their models, operands and results."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import weft
from weft.onnx._reading import held


@dataclass(frozen=True)
class Case:
    """One model, with operands and the results that they have to give."""

    name: str
    model: Any
    pairs: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float


def _protos(values: Any, rows: Any) -> list[Any]:
    """Operands as weft takes them: of narrow types the wider ones."""
    return [_array(value, row.type) for value, row in zip(values, rows, strict=True)]


def _array(value: Any, kind: Any) -> Any:
    import onnx

    if isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.to_array(value)
    elif isinstance(value, onnx.SequenceProto):
        value = onnx.numpy_helper.to_list(value)
    elif isinstance(value, onnx.OptionalProto):
        value = onnx.numpy_helper.to_optional(value)
    if value is None:
        return None
    case = kind.WhichOneof("value")
    if case == "sequence_type":
        return [_array(item, kind.sequence_type.elem_type) for item in value]
    if case == "optional_type":
        return _array(value, kind.optional_type.elem_type)
    return np.array(held(np.asarray(value), kind.tensor_type.elem_type))


@functools.cache
def node_cases() -> dict[str, Case]:
    """All node tests by name."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        tests = load_model_tests(kind="node")
    cases = {}
    for test in tests:
        graph = test.model.graph
        pairs = [
            (Lazy(inputs, graph.input), Lazy(outputs, graph.output))
            for inputs, outputs in test.data_sets
        ]
        cases[test.name] = Case(test.name, test.model, pairs, test.rtol, test.atol)
    return cases


@dataclass
class Lazy:
    """Values that are converted when they are asked for, as strings can't be."""

    values: Any
    rows: Any

    def arrays(self) -> list[Any]:
        """The arrays."""
        return _protos(self.values, self.rows)


def different(have: Any, want: Any, rtol: float, atol: float) -> str | None:
    """How a result is not what it should be; None if it is."""
    if isinstance(want, list):
        if not isinstance(have, (list, tuple)) or len(have) != len(want):
            return f"{have!r} is no sequence of {len(want)}"
        found = [different(x, y, rtol, atol) for x, y in zip(have, want, strict=True)]
        return next((x for x in found if x), None)
    if want is None or have is None:
        return None if want is have else f"{have!r} is not {want!r}"
    have = np.asarray(have)
    if have.shape != want.shape or have.dtype != want.dtype:
        return f"{have.dtype}{have.shape} is not {want.dtype}{want.shape}"
    if want.dtype.kind not in "iub" and want.size:
        # Sums of another order differ by some units in the last place of the largest element, and
        # what is computed in float32 and rounded by one of its own.
        eps = float(weft.finfo(weft.asarray(want).dtype).eps)
        finite = np.abs(want.astype(np.complex128))
        atol = max(atol, 2 * eps * finite[np.isfinite(finite)].max(initial=0))
        rtol = max(rtol, 2 * eps)
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    if want.dtype.kind in "iub":
        same = np.array_equal(have, want)
    else:
        with np.errstate(all="ignore"):
            same = np.allclose(have.astype(wide), want.astype(wide), rtol, atol, equal_nan=True)
    return None if same else f"{have} is not {want}"


def results_of(made: Any) -> list[Any]:
    """What a model gave, as a list of its outputs."""
    return list(made) if isinstance(made, tuple) else [made]


def run(case: Case, mode: str) -> str | None:
    """How a case's results differ, compiled by jit or at once; None if they are right."""
    model = weft.onnx.load(case.model)
    call: Any = weft.jit(model) if mode == "jit" else model
    for inputs, outputs in case.pairs:
        made = results_of(call(*inputs.arrays()))
        want = outputs.arrays()
        if len(made) != len(want):
            return f"{len(made)} outputs instead of {len(want)}"
        for have, expected in zip(made, want, strict=True):
            found = different(have, expected, case.rtol, case.atol)
            if found:
                return found
    return None


# Object files --------------------------------------------------------------------------------


@dataclass
class Flat:
    """A case as a function of arrays that gives arrays, as C calls it."""

    case: Case
    function: Any
    arrays: list[np.ndarray]
    want: list[np.ndarray]


def flat(case: Case) -> Flat:
    """The case with the inputs that shapes follow from bound to their values."""
    inputs, outputs = case.pairs[0]
    given = inputs.arrays()
    names = weft.onnx.load(case.model).input_names
    bound = dict(zip(names, given, strict=True))
    wanted = weft.onnx.load(case.model).shape_inputs
    known = {name: bound[name] for name in wanted if isinstance(bound[name], np.ndarray)}
    model = weft.onnx.load(case.model, known=known)
    free = [bound[name] for name in model.input_names]
    leaves: list[np.ndarray] = []

    def place(value: Any) -> Any:
        if isinstance(value, list):
            return [place(item) for item in value]
        if value is None:
            return None
        leaves.append(value)
        return len(leaves) - 1

    places = [place(value) for value in free]

    def function(*tensors: Any) -> tuple:
        def take(spot: Any) -> Any:
            if isinstance(spot, list):
                return [take(item) for item in spot]
            return None if spot is None else tensors[spot]

        made = results_of(model(*map(take, places)))
        return tuple(_leaves(made))

    return Flat(case, function, leaves, list(_leaves(outputs.arrays())))


def _leaves(values: Any) -> Any:
    for value in values:
        if isinstance(value, list):
            yield from _leaves(value)
        elif value is not None:
            yield value


def run_object(flats: list[Flat], folder: Any) -> list[str | None]:
    """How the results of cases differ that are compiled to one object file and called from C."""
    from aot_models import Library

    def program(*tensors: Any) -> tuple:
        rest, made = list(tensors), []
        for each in flats:
            made += each.function(*rest[: len(each.arrays)])
            del rest[: len(each.arrays)]
        return tuple(made)

    inputs = [np.array(x, order="C") for each in flats for x in each.arrays]
    exported = weft.export(program, *inputs)
    library = folder / "libcases.so"
    exported.compile_object(library, name="cases", emit="shared")
    like = [x for each in flats for x in each.want]
    shapes = [tuple(x.shape) for x in exported.outputs]
    if shapes != [x.shape for x in like]:
        raise AssertionError(f"{shapes} is not {[x.shape for x in like]}")
    made = Library(library, "cases")(inputs, like)
    found = []
    for each in flats:
        differences = [different(made.pop(0), x, each.case.rtol, each.case.atol) for x in each.want]
        found.append(next((x for x in differences if x), None))
    return found
