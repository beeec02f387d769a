"""What NumPy gives for a statement, and how near eager mode has to be.

Each statement is compared by itself, from the operands that eager mode had, so that a bound is that
of one operation: exact, some units in the last place, or the rounding of a sum of n terms.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numerics import UNIT_ROUNDOFF, as_bits
from op_row import OpRow
from op_table import OPS
from program import Check

_ROWS = {row.python: row for row in OPS}
# Roundings of a sum of n terms in any order, relative to the sum of their sizes (Higham, Accuracy
# and Stability of Numerical Algorithms, section 4.2), in float32 for half precision.
_ACCUMULATED = {"float16": "float32", "bfloat16": "float32"}
#: Where the largest errors of the table are promised; beyond, an ulp of the operand counts more.
_DOMAINS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "real": lambda x: np.abs(x) <= 300,
    "positive": lambda x: (x >= 1e-4) & (x <= 300),
    "nonzero": lambda x: (np.abs(x) >= 1e-4) & (np.abs(x) <= 300),
    "unit": lambda x: np.abs(x) <= 1,
    "above_one": lambda x: (x >= 1) & (x <= 300),
    "shift": lambda x: (x >= 0) & (x < 8 * x.dtype.itemsize),
}


def check_statement(check: Check, operands: Sequence[np.ndarray], have: np.ndarray) -> str | None:
    """How a result differs from NumPy's; None where it does not, or NumPy has no such value."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _WAYS[check.kind](check.code, operands, have)


def _exact(code: str, operands: Sequence[np.ndarray], have: np.ndarray) -> str | None:
    """`code` is an expression over `a`, the list of operands, in NumPy."""
    want = np.asarray(eval(code, {"np": np}, {"a": list(operands)}))
    return _same(have, want.astype(have.dtype) if want.dtype.kind == "i" else want)


def _changed(code: str, operands: Sequence[np.ndarray], have: np.ndarray) -> str | None:
    """`code` are statements that change the first of `a`."""
    copies = [np.array(x) for x in operands]
    exec(code, {"np": np, "a": copies})
    return _same(have, copies[0])


def _value(code: str, operands: Sequence[np.ndarray], have: np.ndarray) -> str | None:
    """As exact, but zeros of both signs are one number, as they are to an order."""
    want = np.asarray(eval(code, {"np": np}, {"a": list(operands)}))
    plain = [x + x.dtype.type(0) if x.dtype.kind in "fV" else x for x in (have, want)]
    return _same(*plain)


def _like_operand(code: str, operands: Sequence[np.ndarray], have: np.ndarray) -> str | None:
    """The same as another value of the program, which takes another way to it."""
    return _same(have, operands[0])


def _same(have: np.ndarray, want: np.ndarray) -> str | None:
    if (have.dtype, have.shape) != (want.dtype, want.shape):
        return f"{have.dtype}{have.shape} is not {want.dtype}{want.shape}"
    if (as_bits(have) != as_bits(want)).any():
        return f"{have!r} is not {want!r}"
    return None


def _row(code: str, operands: Sequence[np.ndarray], have: np.ndarray) -> str | None:
    """`code` is the Python name of an op of the table; its operands have been promoted."""
    row = _ROWS[code]
    if have.dtype.kind == "c" or any(x.dtype.kind == "c" for x in operands):
        return None  # test_complex.py has the bounds
    operands = np.broadcast_arrays(*operands)
    fit = np.ones(operands[0].shape, bool)
    for x in operands[-1:] if row.domain == "shift" else operands:
        if x.dtype.kind != "b":
            fit = fit & (np.isfinite(x) & _DOMAINS[row.domain](x))
    if not fit.any() or not row.reference:
        return None
    operands, have = [np.asarray(x[fit]) for x in operands], have[fit]
    wide = [x.astype(_wider(x.dtype)) if x.dtype.kind in "fV" else x for x in operands]
    if row.max_ulp == 0 and operands[-1].dtype == np.float64:
        wide = operands
    try:
        want = np.asarray(row.reference_function()(*wide))
    except TypeError:
        return None  # a function without long doubles
    largest = np.max([np.abs(x.astype(np.float64)) for x in operands], axis=0)
    return _near(row, have, want, largest)


def _wider(dtype: np.dtype) -> type:
    return np.longdouble if dtype == np.float64 else np.float64


def _near(row: OpRow, have: np.ndarray, want: np.ndarray, largest: np.ndarray) -> str | None:
    if have.dtype.kind not in "fV":
        wrong = have != want.astype(have.dtype)
        return f"{have[wrong][0]} is not NumPy's {want[wrong][0]}" if wrong.any() else None
    rounded = want.astype(have.dtype)
    # Half precision is the float32 result rounded once more: half a unit, beside the rounding.
    allowed = max(row.max_ulp, 0.5) + (0.5 if have.dtype.itemsize == 2 else 0.001)
    unit = np.abs(np.spacing(rounded)).astype(want.dtype)
    wrong = ~(np.abs(have.astype(want.dtype) - want) <= allowed * unit)
    # Nothing is promised of results that have underflowed, or in which an operand is multiplied by
    # what has: x * sigmoid(x) is 0 below -88.7.
    lost = float(np.finfo(np.float32).tiny) * np.maximum(largest, 1.0)
    wrong &= np.isfinite(rounded) & (np.abs(want) >= lost)
    return f"{have[wrong][0]!r} is not NumPy's {want[wrong][0]!r}" if wrong.any() else None


def _sum(code: str, operands: Sequence[np.ndarray], have: np.ndarray) -> str | None:
    """`code` is an expression linear in each of `a`, so of their sizes a bound on its terms."""
    if any(x.dtype.kind == "c" for x in operands):
        return None
    name = str(have.dtype)
    if have.dtype.kind not in "fV":
        want = np.asarray(eval(code, {"np": np}, {"a": list(operands)}))
        return _same(have, want.astype(have.dtype))
    wide = [x.astype(np.float64) for x in operands]
    want = np.asarray(eval(code, {"np": np}, {"a": wide}))
    if want.shape != have.shape:
        return f"the shape {have.shape} is not NumPy's {want.shape}"
    if not all(np.isfinite(x).all() and (np.abs(x) < 1e9).all() for x in wide):
        return None
    size = np.asarray(eval(code, {"np": np}, {"a": [np.abs(x) for x in wide]}))
    terms = 2 + sum(x.size for x in operands)
    unit = terms * UNIT_ROUNDOFF[_ACCUMULATED.get(name, name)] + UNIT_ROUNDOFF[name]
    limit = float(np.finfo(np.float16).max) if name == "float16" else 1e38
    # What underflow loses of each term.
    lost = terms * float(np.finfo(np.float32 if name != "float16" else np.float16).tiny)
    wrong = ~(np.abs(have.astype(np.float64) - want) <= 2 * unit * size + lost)
    wrong &= size < limit
    return f"{have[wrong]!r} is not NumPy's {want[wrong]!r}" if wrong.any() else None


_WAYS: dict[str, Callable[[str, Sequence[np.ndarray], np.ndarray], str | None]] = {
    "exact": _exact,
    "value": _value,
    "same": _like_operand,
    "changed": _changed,
    "row": _row,
    "sum": _sum,
}
