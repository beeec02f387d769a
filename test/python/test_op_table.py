"""Every op with a generated function against its reference, row by row of the op table.

Floats are compared in units in the last place (ulp) of the exact result, which the reference gives
in a wider type; half precision must be the float32 result, rounded; integers must be exact. Eager
and jit must agree to the bit everywhere.
"""

from __future__ import annotations

import itertools
import warnings
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import weft
from numerics import as_bits, assert_same_bits, eager_and_jit, numpy_dtype, to_numpy
from op_row import OpRow
from op_table import OPS

# A column, a row, sizes 0 and 1, ranks 0 to 4; pairs are broadcast, and a third operand follows.
SHAPES: list[tuple[tuple[int, ...], ...]] = [
    ((), (), ()),
    ((0,), (1,), (0,)),
    ((67,), (67,), ()),
    ((5, 1), (1, 19), (19,)),
    ((3, 0, 2), (3, 1, 1), (2,)),
    ((2, 3, 1, 5), (4, 1), (2, 1, 4, 5)),
]

_INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

# scipy.special's functions that exist in float64 only are off by an ulp themselves.
REFERENCE_ULP = 1


def _cases() -> list:
    return [
        pytest.param(row, dtype, id=f"{row.python}-{dtype}")
        for row in OPS
        for dtype in row.operands[-1].dtypes()
    ]


def _generator(*names: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(" ".join(names).encode()))


def _floats(random: np.random.Generator, shape: tuple[int, ...], domain: str) -> np.ndarray:
    """Half of them of ordinary size, half spread over many powers of two."""
    spread = np.exp2(random.uniform(-20, 8, shape)) * random.choice([-1.0, 1.0], shape)
    x = np.where(random.random(shape) < 0.5, random.normal(0, 3, shape), spread)
    if domain in ("positive", "nonzero"):
        x = np.abs(x) + 1e-4 if domain == "positive" else np.where(np.abs(x) < 1e-4, 1.0, x)
    elif domain == "unit":
        x = random.uniform(-1, 1, shape)
    elif domain == "above_one":
        x = 1 + np.abs(x)
    return x


def _draw(
    random: np.random.Generator, shape: tuple[int, ...], dtype: str, domain: str
) -> np.ndarray:
    if dtype == "bool":
        return random.random(shape) < 0.5
    if "float" in dtype:
        return _floats(random, shape, domain).astype(numpy_dtype(dtype))
    limits = np.iinfo(dtype)
    if domain == "shift":
        return random.integers(0, limits.bits, shape).astype(dtype)
    if domain == "positive":
        return random.integers(0, 8, shape).astype(dtype)
    x = random.integers(limits.min, limits.max, shape, endpoint=True, dtype=dtype)
    return np.where(x == 0, 1, x).astype(dtype) if domain == "nonzero" else x


def _strided(array: np.ndarray, way: int) -> np.ndarray:
    """The same values as a dense array, a transposed one, a slice, or read backwards."""
    if way == 1:
        return np.ascontiguousarray(array.T).T
    if way == 2 and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
        wide[..., 1::2] = array
        return wide[..., 1::2]
    if way == 3 and array.ndim:
        return np.ascontiguousarray(array[::-1])[::-1]
    return array


def _inputs(row: OpRow, dtype: str, shapes: tuple, way: int = 0) -> list[np.ndarray]:
    random = _generator(row.name, dtype)
    result = []
    for operand, shape in zip(row.operands, shapes, strict=False):
        its_dtype = dtype if dtype in operand.dtypes() else operand.dtypes()[0]
        result.append(_strided(_draw(random, shape, its_dtype, row.domain), way))
    return result


def _reference(row: OpRow, inputs: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """The exact result, in a wider type where there is one, and how many ulp it may be off."""
    function = row.reference_function()
    dtype = inputs[-1].dtype
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if dtype != np.float64:
            wide = [x.astype(np.float64) if x.dtype.kind in "fV" else x for x in inputs]
            return np.asarray(function(*wide)), 0
        # An op of 0 ulp is correctly rounded; through 80 bits it would be rounded twice.
        if row.max_ulp == 0:
            return np.asarray(function(*inputs)), 0
        try:
            wide = [x.astype(np.longdouble) if x.dtype == np.float64 else x for x in inputs]
            return np.asarray(function(*wide)), 0
        except TypeError:
            return np.asarray(function(*inputs)), REFERENCE_ULP


def _ulp_errors(actual: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """|actual - exact| in units in the last place of the exact value in actual's dtype."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(actual.dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(actual.dtype).max))
        error = np.abs(actual.astype(exact.dtype) - exact) / unit.astype(exact.dtype)
        same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    return np.where(same, 0, np.where(np.isnan(error), np.inf, error))


def _check(row: OpRow, inputs: list[np.ndarray], actual: np.ndarray) -> None:
    exact, allowance = _reference(row, inputs)
    assert actual.shape == exact.shape
    if actual.dtype.kind not in "fV":
        np.testing.assert_array_equal(actual, exact)
        return
    errors = _ulp_errors(actual, exact)
    worst = errors.max(initial=0)
    if worst > row.max_ulp + allowance:
        place = np.unravel_index(int(errors.argmax()), errors.shape)
        values = [np.broadcast_to(x, errors.shape)[place] for x in inputs]
        raise AssertionError(
            f"{row.python}({', '.join(map(repr, values))}) is {actual[place]!r}, but "
            f"{exact[place]!r} is right: {worst} ulp"
        )


def _check_half(row: OpRow, inputs: list[np.ndarray], actual: weft.Tensor) -> None:
    """Half precision is the result in float32, rounded once."""
    function = getattr(weft, row.python)
    wide = [weft.asarray(x) for x in inputs]
    wide = [x.astype("float32") if x.dtype.is_floating_point else x for x in wide]
    assert_same_bits(actual, function(*wide).astype(actual.dtype))


def _run(row: OpRow, inputs: list[np.ndarray]) -> None:
    function = getattr(weft, row.python)
    actual = eager_and_jit(function, *[weft.asarray(x) for x in inputs])
    exact, _ = _reference(row, inputs)
    assert actual.dtype == ("bool" if exact.dtype == bool else weft.asarray(inputs[-1]).dtype)
    if inputs[-1].dtype.itemsize == 2 and actual.dtype.is_floating_point:
        _check_half(row, inputs, actual)
    else:
        _check(row, inputs, to_numpy(actual))


@pytest.mark.parametrize(("row", "dtype"), _cases())
def test_random_values(row: OpRow, dtype: str) -> None:
    for number, shapes in enumerate(SHAPES):
        _run(row, _inputs(row, dtype, shapes, way=number % 4))


# Ends of each range, and numbers around which rules change.
_SPECIAL_FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 3.0, np.inf, -np.inf, np.nan]


def _special_values(dtype: str) -> np.ndarray:
    if dtype == "bool":
        return np.array([False, True])
    if "float" not in dtype:
        limits = np.iinfo(dtype)
        values = {limits.min, limits.min + 1, -1, 0, 1, 2, 7, limits.max - 1, limits.max}
        return np.array(sorted(value for value in values if value >= limits.min), dtype)
    limits = weft.finfo(dtype)
    smallest = limits.smallest_normal
    ends = [smallest * limits.eps, smallest * 0.5, smallest, limits.max, 1 + limits.eps]
    values = [*_SPECIAL_FLOATS, *ends, *(-end for end in ends)]
    return np.array(values).astype(numpy_dtype(dtype))


def _accepts(row: OpRow, inputs: tuple) -> bool:
    """False for what NumPy leaves open: integers to negative powers, shifts by too many bits."""
    if inputs[-1].dtype.kind in "fVb":
        return True
    if row.domain == "shift":
        return bool(0 <= inputs[1] < 8 * inputs[1].itemsize)
    return row.python != "pow" or bool(inputs[1] >= 0)


def _special_inputs(row: OpRow, dtype: str) -> list[np.ndarray]:
    """All combinations; long enough for whole vectors and a rest."""
    values = []
    for operand in row.operands:
        values.append(_special_values(dtype if dtype in operand.dtypes() else "bool"))
    rows = [combination for combination in itertools.product(*values) if _accepts(row, combination)]
    return [
        np.array([combination[i] for combination in rows], values[i].dtype)
        for i in range(len(values))
    ]


@pytest.mark.parametrize(("row", "dtype"), _cases())
def test_special_values(row: OpRow, dtype: str) -> None:
    _run(row, _special_inputs(row, dtype))


def _signs(function: Callable, *inputs: float) -> list[bool]:
    result = function(*[weft.asarray(np.full(19, x, np.float32)) for x in inputs])
    return np.signbit(np.asarray(result)).tolist()


@pytest.mark.parametrize(
    "name", ["negative", "abs", "floor", "ceil", "trunc", "round", "sqrt", "sin", "tanh", "asinh"]
)
def test_the_sign_of_zero_is_kept(name: str) -> None:
    expected = {"negative": False, "abs": False}.get(name, True)
    assert _signs(getattr(weft, name), -0.0) == [expected] * 19


def test_the_sign_of_zero_in_arithmetic() -> None:
    assert _signs(weft.add, -0.0, -0.0) == [True] * 19
    assert _signs(weft.add, -0.0, 0.0) == [False] * 19
    assert _signs(weft.multiply, -0.0, 3.0) == [True] * 19
    assert _signs(weft.divide, 1.0, -np.inf) == [True] * 19
    # Adding 0 and subtracting from 0 are no identities for -0.
    assert _signs(lambda x: x + 0.0, -0.0) == [False] * 19
    assert _signs(lambda x: 0.0 - x, 0.0) == [False] * 19
    assert _signs(lambda x: x * -1.0, 0.0) == [True] * 19


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [(a, b) for a in ("float16", "bfloat16", "float32") for b in ("float32", "float64") if a != b],
)
@pytest.mark.parametrize("compare", ["greater", "greater_equal", "less", "less_equal", "equal"])
def test_selections_of_widened_numbers_keep_the_signs_of_zeros(
    narrow: str, wide: str, compare: str
) -> None:
    function = getattr(weft, compare)
    x = weft.asarray(np.array([0.0, -0.0, 1.5, -1.5, np.nan] * 9).astype(numpy_dtype(narrow)))
    for zero in (0.0, -0.0):
        for select in (
            lambda chosen, y, zero: weft.where(chosen, zero, y) * 0.5,
            lambda chosen, y, zero: weft.where(chosen, y, zero) * 0.5,
            lambda chosen, y, zero: weft.where(chosen, y, weft.where(chosen, zero, y) * 0.5),
        ):

            def program(
                x: weft.Tensor, zero: float = zero, select: Callable = select
            ) -> weft.Tensor:
                y = x.astype(wide)
                return select(function(y, zero), y, zero)

            eager_and_jit(program, x)


@pytest.mark.parametrize("row", [row for row in OPS if row.operands[0].dtype_classes == ("float",)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "uint64"])
def test_integers_become_float32(row: OpRow, dtype: str) -> None:
    inputs = [weft.asarray(np.array([1, 0, 1, 3], dtype)) for _ in row.operands]
    function = getattr(weft, row.python)
    wide = [x.astype("float32") for x in inputs]
    assert_same_bits(eager_and_jit(function, *inputs), function(*wide))


@pytest.mark.parametrize("source", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("target", _INTEGERS)
def test_floats_become_integers_towards_zero_and_saturate(source: str, target: str) -> None:
    limits = np.iinfo(target)
    values = [0.0, -0.0, 0.9, -0.9, 1.5, -1.5, 127.5, 300.0, -300.0, 6e4, -6e4]
    values += [np.inf, -np.inf, np.nan, 2.0**31, -(2.0**31), 2.0**63, -(2.0**63)]
    values += [2.0**32, 2.0**32 - 256, 2.0**64, 2.0**64 - 2.0**40]
    x = np.array(values).astype(numpy_dtype(source))
    actual = to_numpy(eager_and_jit(lambda t: t.astype(target), weft.asarray(x)))
    expected = []
    for value in x.astype(np.float64).tolist():
        if value != value:
            expected.append(0)
        else:
            clamped = min(max(value, -(2.0**70)), 2.0**70)
            expected.append(min(max(int(clamped), limits.min), limits.max))
    assert actual.tolist() == expected


_ALL = ["bool", *_INTEGERS, "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("target", _ALL)
@pytest.mark.parametrize("source", _ALL)
def test_other_conversions_are_numpys(source: str, target: str) -> None:
    if "float" in source and "int" in target:
        return  # Saturates, as tested above.
    x = _special_values(source)
    with np.errstate(all="ignore"):
        # To bfloat16 through float32 would be rounded twice, from 64-bit integers also to float32.
        expected = x.astype(numpy_dtype(target))
    actual = to_numpy(eager_and_jit(lambda t: t.astype(target), weft.asarray(x)))
    np.testing.assert_array_equal(as_bits(actual), as_bits(expected))


@pytest.mark.parametrize("left", _ALL)
@pytest.mark.parametrize("right", _ALL)
def test_operands_are_promoted(left: str, right: str) -> None:
    x = weft.asarray(np.array([1, 0, 1], numpy_dtype(left)))
    y = weft.asarray(np.array([1, 1, 0], numpy_dtype(right)))
    if {left, right} in [{"uint64", name} for name in _INTEGERS if name.startswith("i")]:
        for function in (weft.maximum, weft.jit(weft.maximum)):
            with pytest.raises(weft.DTypeError, match=r"maximum: .* have no common dtype"):
                function(x, y)
        return
    dtype = weft.promote_types(left, right)
    assert weft.result_type(x, y) is dtype
    assert_same_bits(
        eager_and_jit(weft.maximum if dtype != "bool" else weft.logical_or, x, y),
        weft.asarray(np.array([1, 1, 1])).astype(dtype),
    )
