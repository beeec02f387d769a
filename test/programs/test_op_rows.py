"""Every op of the dialect in every mode: a row for each pair, or the reason that its record gives.

Eager mode is the reference for the others, to the bit; test_op_table.py and its kin say what NumPy
and PyTorch give. A gradient is compared with differences. One object has all ops.
"""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
import weft
from modes import call, difference_of, differences, run_object
from numerics import assert_same_bits, to_numpy
from op_calls import CALLS, OpCall
from op_row import OpRecord
from op_table import RECORDS

#: Central differences: the third derivative times h^2 / 6, and a rounding divided by h.
STEP = 2.0**-17
TOLERANCE = 1000 * STEP**2

#: What objects can't call: libraries on the host, other processes.
_OUTSIDE = {"library", "collective"}

rows = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)


def _tuple(function: functools.partial | object) -> object:
    return lambda *tensors: (function(*tensors),)


def _exported(call: OpCall) -> weft.Exported:
    specs = [
        weft.spec(("n", *x.shape[1:]), x.dtype.name) if call.symbolic else x for x in call.arrays
    ]
    return weft.export(call.function, *specs)


def test_every_op_has_a_call() -> None:
    names = [record.name for record in RECORDS]
    assert sorted(CALLS) == sorted(names), "add the op to _OTHERS in op_calls.py"


@rows
def test_the_op_is_in_the_program_of_its_call(record: OpRecord) -> None:
    call = CALLS[record.name]
    word = re.compile(rf"{re.escape(record.name)}\b")
    text = _exported(call).mlir()
    if any("the examples are batched" in who for who in record.computed_by):
        assert word.search(text) is None
    elif word.search(text) is None:
        # What only passes make is in the kernels, or, as a composite's part, on the way to them.
        tensors = [weft.asarray(x) for x in call.arrays]
        assert word.search(weft.jit(call.function).lower(*tensors).ir("kernels"))


@rows
def test_compiled_and_exported_rows_have_the_bits_of_eager_ones(record: OpRecord) -> None:
    row = CALLS[record.name]
    found = list(differences(_tuple(row.function), row.arrays, ("jit", "shapes", "export", "file")))
    assert not found
    assert call(_tuple(row.function), row.arrays).error is None


def _wide(x: np.ndarray) -> np.ndarray:
    """The array in the widest dtype of its kind, for differences."""
    return x.astype({"f": "float64", "c": "complex128"}.get(x.dtype.kind, x.dtype))


def _sum(row: OpCall, *tensors: weft.Tensor) -> weft.Tensor:
    """A number that each element of the result has a share of its own in."""
    result = row.function(*tensors)
    if result.dtype.name.startswith("complex"):
        result = weft.real(result) + 2.0 * weft.imag(result)
    shares = weft.asarray(np.random.default_rng(1).uniform(0.5, 1.5, tuple(result.shape)))
    return weft.sum(result.astype("float64") * shares)


@rows
def test_gradients_are_the_slopes_or_the_record_says_why_there_are_none(record: OpRecord) -> None:
    row = CALLS[record.name]
    arrays = [_wide(x) for x in row.arrays]
    places = [i for i in range(row.differentiated) if arrays[i].dtype.kind in "fc"]
    if record.not_differentiable_reason or not places:
        assert record.not_differentiable_reason
        return
    number = functools.partial(_sum, row)
    gradients = weft.grad(number, argnums=tuple(places))
    tensors = [weft.asarray(x) for x in arrays]
    slopes = gradients(*tensors)
    assert_same_bits(weft.jit(gradients)(*tensors), slopes, "eager and jit differ")
    random, compiled = np.random.default_rng(2), weft.jit(number)
    way = {i: random.uniform(-1, 1, arrays[i].shape).astype(arrays[i].dtype) for i in places}

    def moved(step: float) -> float:
        there = [x + step * way[i] if i in way else x for i, x in enumerate(arrays)]
        return float(compiled(*map(weft.asarray, there)))

    slope = (moved(STEP) - moved(-STEP)) / (2 * STEP)
    exact = sum(
        float(np.sum(np.real(to_numpy(g) * np.conj(way[i])))) for g, i in zip(slopes, places)
    )
    size = sum(float(np.sum(np.abs(to_numpy(g) * way[i]))) for g, i in zip(slopes, places))
    assert abs(slope - exact) <= TOLERANCE * (1 + size)


@rows
def test_vmap_is_a_loop_over_the_examples(record: OpRecord) -> None:
    row = CALLS[record.name]
    tensors = [weft.asarray(x) for x in row.examples]
    mapped = weft.vmap(row.function)(*tensors)
    looped = [row.function(*(x[i] for x in tensors)) for i in range(tensors[0].shape[0])]
    assert_same_bits(mapped, weft.stack(looped), "vmap and a loop differ")
    assert_same_bits(weft.jit(weft.vmap(row.function))(*tensors), mapped, "eager and jit differ")


def test_objects_have_the_bits_of_eager_rows() -> None:
    fit = [record.name for record in RECORDS if not _OUTSIDE & {*record.computed_by}]
    calls = [CALLS[name] for name in fit]
    results = run_object([(_tuple(row.function), row.arrays) for row in calls])
    for name, row, have in zip(fit, calls, results, strict=True):
        want = call(_tuple(row.function), row.arrays).values[:1]
        assert difference_of(have, want) is None, name


@pytest.mark.parametrize("record", [r for r in RECORDS if _OUTSIDE & {*r.computed_by}])
def test_objects_refuse_what_others_compute(record: OpRecord) -> None:
    row = CALLS[record.name]
    with pytest.raises(weft.WeftError, match="object"):
        weft.export(row.function, *row.arrays).compile_object("unwritten.o")
