"""The rules by which calls of JAX that compute element by element are drawn, and reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax_drawing import (
    ALL,
    COMPLEX,
    FLOATS,
    INTEGERS,
    REAL,
    SIGNED,
    Bound,
    Drawer,
    NotDrawnError,
    is_float,
    rule,
)

#: Polynomials of other makers: some units in the last place.
NEAR = Bound(32)
#: Sums of some hundreds of terms in other orders.
SUM = Bound(64, "terms")

_NEAR_ONES = (
    *("exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "rsqrt", "cbrt", "logistic"),
    *("erf", "erfc", "erf_inv", "lgamma", "digamma", "bessel_i0e", "bessel_i1e"),
)
_EXACT_ONES = ("sqrt", "floor", "ceil", "is_finite", "abs", "neg", "sign", "square")
_BITS = ("population_count", "clz", "bitwise_not")
_OF_COMPLEX = ("real", "imag", "conj", "neg", "exp", "log", "sin", "tanh", "sqrt", "sign", "square")


@rule(14)
def unary(d: Drawer) -> None:
    """A function of one operand."""
    kind = d.pick("near", "near", "exact", "bits", "complex")
    if kind == "near":
        name = d.pick(*_NEAR_ONES)
        d.call(name, getattr(lax, name), d.of(FLOATS), bound=NEAR)
    elif kind == "exact":
        name = d.pick(*_EXACT_ONES)
        d.call(name, getattr(lax, name), d.of(REAL))
    elif kind == "bits":
        name = d.pick(*_BITS)
        d.call(name, getattr(lax, name), d.of(INTEGERS))
    else:
        name = d.pick(*_OF_COMPLEX)
        exact = name in ("real", "imag", "conj", "neg")
        function = getattr(lax, name)
        d.call(name, function, d.of(COMPLEX), bound=Bound(0 if exact else 32, "largest"))


@rule(4)
def rounds(d: Drawer) -> None:
    """Rounding, powers by numbers, and fewer bits."""
    x = d.of(FLOATS)
    kind = d.pick("round", "power", "precision")
    if kind == "round":
        how = d.pick(*lax.RoundingMethod)
        d.call(f"round {how.name}", lambda x: lax.round(x, how), x)
    elif kind == "power":
        n = d.pick(-3, -1, 0, 1, 2, 3, 7)
        d.call(f"integer_pow {n}", lambda x: lax.integer_pow(x, n), x, bound=NEAR)
    else:
        bits = d.pick((8, 7), (5, 10), (5, 2), (4, 3))
        d.call(f"reduce_precision {bits}", lambda x: lax.reduce_precision(x, *bits), x)


_BINARY: dict[str, tuple[tuple[str, ...], Bound]] = {
    **{name: ((*REAL, *COMPLEX), Bound(0)) for name in ("add", "sub")},
    "mul": (REAL, Bound(0)),
    "div": (REAL, Bound(0)),
    "rem": (REAL, Bound(0)),
    "max": ((*REAL, "bool"), Bound(0)),
    "min": ((*REAL, "bool"), Bound(0)),
    "pow": (FLOATS, NEAR),
    "atan2": (FLOATS, NEAR),
    "nextafter": (FLOATS, Bound(0)),
    **{name: ((*INTEGERS, "bool"), Bound(0)) for name in ("bitwise_and", "bitwise_or")},
    "bitwise_xor": ((*INTEGERS, "bool"), Bound(0)),
    **{name: (INTEGERS, Bound(0)) for name in ("shift_left", "shift_right_logical")},
    "shift_right_arithmetic": (INTEGERS, Bound(0)),
    **{name: (ALL, Bound(0)) for name in ("eq", "ne")},
    **{name: ((*REAL, "bool"), Bound(0)) for name in ("lt", "le", "gt", "ge")},
    "complex": (("float32", "float64"), Bound(0)),
}


@rule(16)
def binary(d: Drawer) -> None:
    """A function of two operands of one shape, or of which one is a scalar."""
    name = d.pick(*_BINARY)
    dtypes, bound = _BINARY[name]
    a = d.of(dtypes)
    b = d.like(a)
    if name.startswith("shift") and d.chance(0.4):
        x = d.values[a]
        counts = d.random.integers(0, 8 * x.dtype.itemsize + 3, x.shape)
        b = d.give(np.asarray(counts).astype(x.dtype))
    d.call(name, getattr(lax, name), a, b, bound=bound)


_NUMPY = (
    *("add", "multiply", "floor_divide", "remainder", "fmod", "maximum", "minimum", "where"),
    *("fmax", "fmin", "copysign", "hypot", "logaddexp", "heaviside", "gcd", "lcm", "divmod"),
)


@rule(6)
def broadcast(d: Drawer) -> None:
    """A function of jax.numpy, whose operands broadcast."""
    name = d.pick(*_NUMPY)
    a = d.of(SIGNED if name in ("gcd", "lcm") else REAL)
    x = d.values[a]
    shape = tuple(1 if d.chance(0.3) else size for size in x.shape)
    b = d.fresh((x.dtype.name,), shape[int(d.random.integers(0, len(shape) + 1)) :])
    if name == "where":
        d.call(name, lambda x, y: jnp.where(x > y, x, y), a, b)
        return
    if name in ("gcd", "lcm"):
        # Of the lowest number, which is its own magnitude, JAX's loop has no end.
        d.call(f"jnp.{name}", lambda x, y: getattr(jnp, name)(x % 97, y % 97), a, b)
        return
    near = name in ("hypot", "logaddexp")
    d.call(f"jnp.{name}", getattr(jnp, name), a, b, bound=NEAR if near else Bound(0))


@rule(4)
def chosen(d: Drawer) -> None:
    """clamp and select_n."""
    a = d.of((*REAL, *COMPLEX, "bool"))
    x = d.values[a]
    if d.chance(0.5) and x.dtype.kind != "c":
        scalar = () if d.chance(0.5) else x.shape
        low, high = (d.fresh((x.dtype.name,), scalar) for _ in range(2))
        d.call("clamp", lax.clamp, low, a, high)
        return
    count = d.pick(2, 2, 3)
    shape = () if d.chance(0.3) else x.shape
    which = d.random.integers(0, count, shape)
    index = d.give(np.asarray(which != 0 if count == 2 else which.astype(np.int32)))
    d.call("select_n", lax.select_n, index, *[a, *(d.like(a) for _ in range(count - 1))])


@rule(7)
def converted(d: Drawer) -> None:
    """Other dtypes, and other readings of the same bits."""
    a = d.of(ALL)
    x = d.values[a]
    if d.chance(0.6):
        to = d.dtype(ALL)
        if x.dtype.kind == "c" and to not in COMPLEX:
            raise NotDrawnError
        d.call(f"to {to}", lambda x: lax.convert_element_type(x, to), a)
        return
    to = d.dtype(REAL)
    d.call(f"bits as {to}", lambda x: lax.bitcast_convert_type(x, to), a)


@rule(3)
def special(d: Drawer) -> None:
    """Functions that JAX makes of loops and polynomials."""
    x = d.give(np.abs(d.array(d.dtype(("float32", "float64")), d.shape())) + 0.25)
    y = d.give(np.abs(d.array(d.values[x].dtype.name, d.values[x].shape)) + 0.25)
    name = d.pick("igamma", "igammac", "zeta", "polygamma", "random_gamma_grad", "betainc")
    scale = Bound(512, "largest")
    if not (finite(d.values[x]) and finite(d.values[y])):
        raise NotDrawnError
    if name == "betainc":
        d.call(name, lambda a, b: lax.betainc(a, b, jnp.full_like(a, 0.3)), x, y, bound=scale)
    elif name == "polygamma":
        d.call(name, lambda x: lax.polygamma(jnp.ones_like(x), x), x, bound=scale)
    elif name == "zeta":
        d.call(name, lambda x, y: lax.zeta(x + 1.5, y), x, y, bound=scale)
    else:
        d.call(name, getattr(lax, name), x, y, bound=scale)


_REDUCTIONS: dict[str, tuple[tuple[str, ...], Bound]] = {
    "sum": ((*REAL, *COMPLEX), SUM),
    "prod": ((*FLOATS, *INTEGERS), Bound(64, "terms")),
    "max": ((*REAL, "bool"), Bound(0)),
    "min": ((*REAL, "bool"), Bound(0)),
    "and": (("bool", "int32", "uint8"), Bound(0)),
    "or": (("bool", "int32", "uint8"), Bound(0)),
    "xor": (("bool", "int32", "int64"), Bound(0)),
}


@rule(8)
def reduction(d: Drawer) -> None:
    """A reduction along some dimensions, by one op."""
    name = d.pick(*_REDUCTIONS)
    dtypes, bound = _REDUCTIONS[name]
    x = d.of(dtypes)
    axes = d.axes(d.values[x])
    d.call(f"reduce_{name} {axes}", lambda x: getattr(lax, f"reduce_{name}")(x, axes), x,
           bound=bound)  # fmt: skip


@rule(3)
def place(d: Drawer) -> None:
    """Where the extremum stands."""
    x = d.of((*REAL, "bool"), 1)
    axis, name = d.axis(d.values[x]), d.pick("argmax", "argmin")
    if not d.values[x].shape[axis]:
        raise NotDrawnError
    dtype = d.dtype(("int32", "int64", "uint8"))
    d.call(f"{name} {axis}", lambda x: getattr(lax, name)(x, axis, dtype), x)


_REDUCERS: dict[str, tuple[float, Callable[[Any, Any], Any]]] = {
    "distances": (0.0, lambda a, b: jnp.sqrt(a * a + b * b)),
    "log-sum": (-np.inf, jnp.logaddexp),
    "nan-ignoring maximum": (-np.inf, jnp.fmax),
}


@rule(2)
def reducer(d: Drawer) -> None:
    """A reduction by another function, or of two operands at once."""
    x = d.of(("float32", "float64"))
    axes = d.axes(d.values[x])
    dtype = d.values[x].dtype
    if d.chance(0.5):
        name = d.pick(*_REDUCERS)
        first, function = _REDUCERS[name]
        start = np.asarray(first, dtype)
        # How often the start is a term is open: of magnitudes it changes nothing, and XLA leaves
        # it out where there is nothing to combine.
        if np.prod([d.values[x].shape[axis] for axis in axes]) <= 1:
            raise NotDrawnError
        d.call(f"reduce by {name} {axes}", lambda x: lax.reduce(abs(x), start, function, axes), x,
               bound=Bound(64, "largest"))  # fmt: skip
        return
    starts = (np.asarray(-np.inf, dtype), np.asarray(0, np.int32))

    def extremum(a: Any, b: Any) -> Any:
        first = (a[0] > b[0]) | ((a[0] == b[0]) & (a[1] < b[1]))
        return jnp.where(first, a[0], b[0]), jnp.where(first, a[1], b[1])

    if np.isnan(d.values[x]).any():
        raise NotDrawnError
    size = d.values[x].size

    def both(x: Any) -> Any:
        numbers = jnp.arange(size, dtype=np.int32).reshape(x.shape)
        return lax.reduce((x, numbers), starts, extremum, axes)

    d.call(f"reduce of a pair {axes}", both, x)


@rule(5)
def running(d: Drawer) -> None:
    """Sums, products and extrema so far."""
    name = d.pick("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
    x = d.of(FLOATS if name == "cumlogsumexp" else REAL, 1)
    axis, reverse = d.axis(d.values[x]), d.chance(0.5)
    exact = name in ("cummax", "cummin")
    bound = Bound(0) if exact else NEAR if name == "cumlogsumexp" else SUM
    d.call(f"{name} {axis} {reverse}",
           lambda x: getattr(lax, name)(x, axis=axis, reverse=reverse), x, bound=bound)  # fmt: skip


@rule(2)
def scored(d: Drawer) -> None:
    """Functions of jax.nn along a dimension."""
    x = d.of(FLOATS, 1, lambda x: bool(np.isfinite(x.astype(np.float64)).all()))
    axis = d.axis(d.values[x])
    if not d.values[x].shape[axis]:
        raise NotDrawnError
    name = d.pick("softmax", "log_softmax", "logsumexp", "standardize")
    d.call(f"{name} {axis}", lambda x: getattr(jax.nn, name)(x, axis=axis), x,
           bound=Bound(64, "largest"))  # fmt: skip


@rule(2)
def statistics(d: Drawer) -> None:
    """Means, deviations and medians."""
    x = d.of(("float32", "float64"), 1, lambda x: bool(np.isfinite(x).all()) and x.size > 0)
    axis = d.axis(d.values[x])
    name = d.pick("mean", "var", "std", "median", "ptp", "nanmax", "any", "count_nonzero")
    d.call(f"jnp.{name} {axis}", lambda x: getattr(jnp, name)(x, axis=axis), x,
           bound=Bound(64, "largest"))  # fmt: skip


def finite(x: np.ndarray) -> bool:
    """Whether a value has neither NaN nor infinities."""
    return not is_float(x.dtype) or bool(np.isfinite(x.astype(np.float64)).all())
