"""Numbers among the arguments: a trace that is used again gives what Python's arithmetic gives."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from numerics import numpy_dtype

BINARY: dict[str, Callable] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": lambda a, b: a ** (b if abs(b) < 70 else 2),
    "<<": lambda a, b: a << (b if b < 70 else 1),
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "<": operator.lt,
    "==": operator.eq,
}
UNARY: list[Callable] = [operator.neg, operator.pos, abs, operator.invert]
INTEGERS = [0, 1, 2, 3, 7, 64, -1, -2, -7, 10**9, 2**31, 2**32, 2**62, -(2**63), 2**63 - 1]
FLOATS = [0.0, -0.0, 0.5, -1.5, 3.0, 1e10, -1e300, 1e-300]
FAILURES = (ArithmeticError, TypeError, ValueError, weft.WeftError)


def expression(generator: random.Random, depth: int) -> Callable[[Any, Any], Any]:
    """Arithmetic of two numbers."""
    if depth == 0:
        constant = generator.choice([1, 2, 3, -1, 0.5])
        return generator.choice([lambda a, b: a, lambda a, b: b, lambda a, b: constant])
    inner = expression(generator, depth - 1)
    if generator.randrange(4) == 0:
        unary = generator.choice(UNARY)
        return lambda a, b: unary(inner(a, b))
    other, binary = expression(generator, depth - 1), generator.choice(list(BINARY.values()))
    return lambda a, b: binary(inner(a, b), other(a, b))


def outcome(function: Callable, *arguments: Any) -> Any:
    try:
        return np.asarray(function(*arguments)).tolist()
    except FAILURES as error:
        # Weft's own errors derive from Python's.
        return "an error" if not isinstance(error, TypeError) else "a TypeError"


@pytest.mark.parametrize("seed", range(150))
def test_arithmetic_is_pythons_at_each_call(seed: int) -> None:
    generator = random.Random(seed)
    formula = expression(generator, generator.choice([1, 1, 2, 3]))

    def function(x: weft.Tensor, a: Any, b: Any) -> weft.Tensor:
        return x * formula(a, b)

    compiled = weft.jit(function)
    values = generator.choice([INTEGERS, INTEGERS, FLOATS, [*INTEGERS, *FLOATS], [True, False, 2]])
    x = weft.asarray([1.0, -2.0], dtype="float64")
    for _ in range(12):
        a, b = generator.choice(values), generator.choice(values)
        if generator.randrange(3):
            a, b = generator.choice([0, 1, 2, 3, -1]), generator.choice([0, 1, 2, -2])
        expected, found = outcome(function, x, a, b), outcome(compiled, x, a, b)
        if isinstance(expected, str) or isinstance(found, str):
            assert found == expected, (a, b)
        else:
            # Powers of floats may differ from those of the C library by their last digit.
            np.testing.assert_allclose(found, expected, rtol=1e-15, err_msg=f"{a}, {b}")


def test_a_trace_is_used_again_where_it_is_right() -> None:
    compiled = weft.jit(lambda x, n, r: x * (n * 2 + 1) * (r - 0.5))
    for n in range(-5, 5):
        compiled(weft.ones(1), n, n / 3)
    assert compiled.stats()["traces"] == 1
    power = weft.jit(lambda x, n: x * 2**n)
    results = [power(weft.ones(1), n).item() for n in (3, -1, 64, 5, -1, 10)]
    assert results == [8.0, 0.5, 2.0**64, 32.0, 0.5, 1024.0]


INTO: dict[str, Callable[[weft.Tensor, Any], weft.Tensor]] = {
    "item": lambda x, n: _set(x, 0, n),
    "slice": lambda x, n: _set(x, slice(None), n),
    "mask": lambda x, n: _set(x, x == 0, n),
    "fill_": lambda x, n: x.fill_(n),
    "full": lambda x, n: weft.full((2,), n, dtype=x.dtype),
    "full_like": lambda x, n: weft.full_like(x, n),
    "asarray": lambda x, n: weft.asarray(n, dtype=x.dtype),
    "tensor": lambda x, n: weft.tensor([n, n], dtype=x.dtype),
    "derived": lambda x, n: _set(x, 1, n + 1),
    "where": lambda x, n: weft.where(x == 0, n, x),
    "add": lambda x, n: x + n,
    "assign": lambda x, n: _assigned(x, n),
    "assign to a view": lambda x, n: _assigned_first(x, n),
}


def _set(x: weft.Tensor, key: Any, n: Any) -> weft.Tensor:
    x[key] = n
    return x


def _assigned(x: weft.Tensor, n: Any) -> weft.Tensor:
    x = x[0].clone()
    return x.assign(n) + x


def _assigned_first(x: weft.Tensor, n: Any) -> weft.Tensor:
    x[1].assign(n)
    return x


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", INTO)
def test_numbers_become_elements_with_one_rounding(name: str, dtype: str) -> None:
    draw = random.Random(name + dtype)
    compiled = weft.jit(INTO[name])
    # As many digits as a double has, ties of narrower dtypes, and what they can't hold.
    numbers = [draw.uniform(-2, 2) for _ in range(20)] + [0.1, -0.0, 1e300, 1e-310, 2.0**-1074]
    numbers += [1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-24 + 2.0**-50, 2.0**53 + 2, 65519.99999, 3]
    for n in numbers:
        zeros = weft.zeros((2,), dtype=dtype)
        expected = np.asarray(INTO[name](zeros.clone(), n).astype(weft.float64)).ravel().tolist()
        found = np.asarray(compiled(zeros.clone(), n).astype(weft.float64)).ravel().tolist()
        number = n + 1 if name == "derived" else n
        with np.errstate(over="ignore"):
            once = np.asarray(number).astype(numpy_dtype(dtype))
            once = float(once + once if name == "assign" else once)
        assert set(expected) <= {once, 0.0}, n
        assert once in expected, n
        assert str(found) == str(expected), n


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "bool", "float16"])
@pytest.mark.parametrize("name", INTO)
def test_numbers_fit_into_dtypes_or_are_refused(name: str, dtype: str) -> None:
    compiled = weft.jit(INTO[name])
    for n in (1, 300, -1, 2, 2**31, 127, 255, 0, 2.5, 1e10, float("nan"), True, -129):
        if name == "tensor" and isinstance(n, float):
            continue  # elements of lists are converted as those of arrays are: saturated
        zeros = weft.zeros((2,), dtype=dtype)
        expected = outcome(INTO[name], zeros.clone(), n)
        found = outcome(compiled, zeros.clone(), n)
        assert np.array_equal(found, expected, equal_nan=not isinstance(found, str)), (n, expected)
