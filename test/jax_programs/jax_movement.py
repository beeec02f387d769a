"""The rules by which calls of JAX that move elements are drawn: gathers, scatters, sorts, pads."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax_drawing import ALL, COMPLEX, FLOATS, REAL, Bound, Drawer, NotDrawnError, rule
from jax_elements import SUM, finite

_MODES = ("clip", "fill", "promise_in_bounds")


@rule(5)
def shapes(d: Drawer) -> None:
    """reshape, transpose, rev, expand_dims and squeeze."""
    a = d.of()
    x = d.values[a]
    kind = d.pick("reshape", "transpose", "rev", "squeeze", "broadcast")
    order = tuple(int(i) for i in d.random.permutation(x.ndim))
    if kind == "reshape":
        sizes = [x.size, *x.shape, 1]
        shape = d.pick((x.size,), (1, x.size), tuple(x.shape[::-1]), tuple(sizes[1:]))
        d.call(f"reshape {shape}", lambda x: lax.reshape(x, shape), a)
    elif kind == "transpose":
        d.call(f"transpose {order}", lambda x: lax.transpose(x, order), a)
    elif kind == "rev":
        axes = d.axes(x)
        d.call(f"rev {axes}", lambda x: lax.rev(x, axes), a)
    elif kind == "squeeze":
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1)
        d.call(f"squeeze {axes}", lambda x: lax.squeeze(x, axes), a)
    else:
        total = x.ndim + d.pick(0, 1, 2)
        places = sorted(int(i) for i in d.random.permutation(total)[: x.ndim])
        shape = list(d.shape(total))
        for size, at in zip(x.shape, places, strict=True):
            shape[at] = size if size != 1 or d.chance(0.5) else d.pick(1, 2, 3)
        d.call(f"broadcast_in_dim {shape} {places}",
               lambda x: lax.broadcast_in_dim(x, shape, places), a)  # fmt: skip


@rule(5)
def pad(d: Drawer) -> None:
    """Padding, negative and between the elements too."""
    a = d.of()
    x = d.values[a]
    rows = []
    for size in x.shape:
        inner = d.pick(0, 0, 1, 2)
        full = size + max(size - 1, 0) * inner
        low = int(d.random.integers(-min(full, 2), 3))
        high = int(d.random.integers(-max(min(full + low, 2), 0), 3))
        rows.append((low, high, inner))
    value = d.fresh((x.dtype.name,), ())
    d.call(f"pad {rows}", lambda x, v: lax.pad(x, v, rows), a, value)


@rule(4)
def slices(d: Drawer) -> None:
    """slice, and the dynamic ones with starts that lie outside."""
    a = d.of(ALL, 1)
    x = d.values[a]
    kind = d.pick("slice", "dynamic", "update")
    if kind == "slice":
        starts = [int(d.random.integers(0, n + 1)) for n in x.shape]
        ends = [int(d.random.integers(s, n + 1)) for s, n in zip(starts, x.shape, strict=True)]
        steps = [d.pick(1, 1, 2, 3) for _ in x.shape]
        d.call(f"slice {starts} {ends} {steps}", lambda x: lax.slice(x, starts, ends, steps), a)
        return
    dtype = d.dtype(("int32", "int64", "uint8", "int8", "uint32"))
    low = 0 if dtype.startswith("u") else -7
    starts = [d.give(np.asarray(d.random.integers(low, 8)).astype(dtype)) for _ in x.shape]
    sizes = tuple(int(d.random.integers(0, n + 1)) for n in x.shape)
    if kind == "dynamic":
        d.call(f"dynamic_slice {sizes}", lambda x, *s: lax.dynamic_slice(x, s, sizes), a, *starts)
    else:
        part = d.fresh((x.dtype.name,), sizes)
        d.call("dynamic_update_slice", lambda x, p, *s: lax.dynamic_update_slice(x, p, s),
               a, part, *starts)  # fmt: skip


@rule(3)
def joined(d: Drawer) -> None:
    """concatenate, stack, tile, roll and repeat."""
    a = d.of(ALL, 1)
    x = d.values[a]
    axis = d.axis(x)
    kind = d.pick("concatenate", "stack", "tile", "roll", "repeat", "tri")
    if kind == "concatenate":
        shape = list(x.shape)
        shape[axis] = d.pick(0, 1, 2)
        b = d.fresh((x.dtype.name,), tuple(shape))
        d.call(f"concatenate {axis}", lambda *xs: lax.concatenate(xs, axis), a, b, a)
    elif kind == "stack":
        d.call(f"stack {axis}", lambda *xs: jnp.stack(xs, axis), a, d.like(a))
    elif kind == "tri":
        k = int(d.random.integers(-3, 4))
        name = d.pick("tril", "triu")
        d.call(f"{name} {k}", lambda x: getattr(jnp, name)(x, k), a)
    else:
        n = d.pick(0, 1, 2, 3) if kind != "roll" else int(d.random.integers(-9, 9))
        options: dict[str, Any] = {} if kind == "tile" else {"axis": axis}
        d.call(f"{kind} {n} {options}", lambda x: getattr(jnp, kind)(x, n, **options), a)


def _indices(d: Drawer, size: int, shape: tuple[int, ...], unique: bool = False) -> np.ndarray:
    dtype = d.dtype(("int32", "int64", "uint8", "int8", "uint32"))
    low = 0 if dtype.startswith("u") else -2
    if unique:
        return d.random.permutation(size + 4)[: math.prod(shape)].reshape(shape).astype(dtype)
    return np.asarray(d.random.integers(low, size + 3, shape)).astype(dtype)


@rule(4)
def taken(d: Drawer) -> None:
    """take and take_along_axis, with all modes."""
    a = d.of(ALL, 1)
    x = d.values[a]
    axis, mode = d.axis(x), d.pick("clip", "fill", "wrap")
    if not x.shape[axis]:
        raise NotDrawnError
    if d.chance(0.5):
        index = d.give(_indices(d, x.shape[axis], d.shape(d.pick(0, 1, 2))))
        d.call(f"take {axis} {mode}", lambda x, i: jnp.take(x, i, axis, mode=mode), a, index)
        return
    shape = list(x.shape)
    shape[axis] = d.pick(1, 2, 3)
    index = d.give(_indices(d, x.shape[axis], tuple(shape)))
    mode = d.pick("clip", "fill")
    d.call(f"take_along_axis {axis} {mode}",
           lambda x, i: jnp.take_along_axis(x, i, axis, mode=mode), a, index)  # fmt: skip


def _numbers(d: Drawer, x: np.ndarray) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """Dimension numbers of a gather, the sizes of the slices, and the shape of the indices."""
    depth = int(d.random.integers(1, x.ndim + 1))
    mapped = tuple(int(i) for i in d.random.permutation(x.ndim)[:depth])
    collapsed = tuple(sorted(i for i in range(x.ndim) if d.chance(0.4) and x.shape[i]))
    sizes = tuple(
        1 if i in collapsed else int(d.random.integers(0, n + 1)) for i, n in enumerate(x.shape)
    )
    batch = d.shape(d.pick(0, 1, 2))
    window = x.ndim - len(collapsed)
    offsets = tuple(sorted(int(i) for i in d.random.permutation(window + len(batch))[:window]))
    numbers = {"offset": offsets, "collapsed": collapsed, "mapped": mapped}
    return numbers, sizes, (*batch, depth)


@rule(5)
def gather(d: Drawer) -> None:
    """lax.gather with any dimension numbers and all modes."""
    a = d.of(ALL, 1)
    x = d.values[a]
    numbers, sizes, shape = _numbers(d, x)
    index = d.give(_indices(d, max(x.shape), shape))
    mode = d.pick(*_MODES[:2])
    names = lax.GatherDimensionNumbers(numbers["offset"], numbers["collapsed"], numbers["mapped"])
    d.call(f"gather {numbers} {sizes} {mode}",
           lambda x, i: lax.gather(x, i, names, sizes, mode=mode), a, index)  # fmt: skip


_SCATTERS = {
    "scatter_add": (*REAL, *COMPLEX),
    "scatter_mul": REAL,
    "scatter_min": REAL,
    "scatter_max": REAL,
    "scatter": ALL,
}


@rule(5)
def scatter(d: Drawer) -> None:
    """lax.scatter and its kin with any dimension numbers and all modes."""
    name = d.pick(*_SCATTERS)
    a = d.of(_SCATTERS[name], 1, finite)
    x = d.values[a]
    numbers, sizes, shape = _numbers(d, x)
    single = name == "scatter"
    if single:
        # Which one of two updates of a place wins is open.
        shape = (1,) * (len(shape) - 1) + shape[-1:]
    index = d.give(_indices(d, max(x.shape), shape))
    window = [n for i, n in enumerate(sizes) if i not in numbers["collapsed"]]
    batch = list(shape[:-1])
    total = len(window) + len(batch)
    sizes_of = [window.pop(0) if i in numbers["offset"] else batch.pop(0) for i in range(total)]
    updates = d.give(d.array(x.dtype.name, tuple(sizes_of)))
    if not finite(d.values[updates]):
        raise NotDrawnError
    names = lax.ScatterDimensionNumbers(numbers["offset"], numbers["collapsed"], numbers["mapped"])
    # XLA drops windows that reach beyond the end, the definition of StableHLO only their parts.
    single_places = all(sizes[i] == 1 for i in numbers["mapped"])
    mode = d.pick(*_MODES[:2]) if single_places else "clip"
    bound = SUM if name in ("scatter_add", "scatter_mul") else Bound(0)
    d.call(f"{name} {numbers} {mode}",
           lambda x, i, u: getattr(lax, name)(x, i, u, names, mode=mode),
           a, index, updates, bound=bound)  # fmt: skip


@rule(4)
def at(d: Drawer) -> None:
    """x.at[i].op(y) and x[i], as users write them."""
    a = d.of(ALL, 1, finite)
    x = d.values[a]
    if not x.shape[0]:
        raise NotDrawnError
    index = d.give(_indices(d, x.shape[0], d.shape(1, least=1), unique=True))
    count = d.values[index].shape[0]
    name = d.pick("set", "add", "multiply", "min", "max", "get")
    mode = d.pick("clip", "drop", "fill") if name == "get" else d.pick("drop", None)
    if name == "get":
        mode = d.pick("clip", "fill")
        d.call(f"at.get {mode}", lambda x, i: x_at(x, i).get(mode=mode), a, index)
        return
    y = d.give(d.array(x.dtype.name, (count, *x.shape[1:])))
    d.call(f"at.{name} {mode}", lambda x, i, y: getattr(x_at(x, i), name)(y, mode=mode),
           a, index, y, bound=SUM if name in ("add", "multiply") else Bound(0))  # fmt: skip


def x_at(x: Any, i: Any) -> Any:
    """What x.at[i] is, of arrays of NumPy too."""
    return jnp.asarray(x).at[i]


@rule(5)
def sort(d: Drawer) -> None:
    """Sorts by one key or several, with what is carried along."""
    a = d.of(ALL, 1)
    x = d.values[a]
    axis = d.axis(x)
    kind = d.pick("sort", "several", "argsort", "top_k", "searchsorted")
    if kind == "sort":
        d.call(f"sort {axis}", lambda x: lax.sort(x, axis), a)
    elif kind == "several":
        keys = d.pick(1, 2)
        others = [d.like(a), d.fresh(REAL, x.shape)]
        d.call(f"sort {axis} {keys} keys",
               lambda *xs: lax.sort(xs, axis, is_stable=True, num_keys=keys),
               a, *others)  # fmt: skip
    elif kind == "argsort":
        down = d.chance(0.5)
        d.call(f"argsort {axis} {down}", lambda x: jnp.argsort(x, axis, descending=down), a)
    elif kind == "top_k":
        k = int(d.random.integers(0, x.shape[-1] + 1))
        d.call(f"top_k {k}", lambda x: lax.top_k(x, k), a)
    else:
        x = d.give(np.sort(d.array("float32", d.shape(1))))
        side = d.pick("left", "right")
        d.call(f"searchsorted {side}", lambda x, v: jnp.searchsorted(x, v, side=side),
               x, d.fresh(("float32",)))  # fmt: skip


@rule(2)
def numbers_of(d: Drawer) -> None:
    """iota, linspace, one-hot and eye, within sums with what is there."""
    a = d.of(FLOATS, 1)
    x = d.values[a]
    axis, shape, dtype = d.axis(x), x.shape, x.dtype
    d.call(f"iota {axis}", lambda x: x + lax.broadcasted_iota(dtype, shape, axis), a)


@rule(2)
def random_bits(d: Drawer) -> None:
    """Random numbers of a key."""
    key = d.give(d.random.integers(0, 2**32, 2).astype(np.uint32))
    kind = d.pick("bits", "uniform", "normal", "randint", "permutation", "split", "generator")
    shape = d.shape(d.pick(0, 1, 2))
    if kind == "generator":
        four = d.give(d.random.integers(0, 2**32, 4).astype(np.uint32))
        d.call(f"rng_bit_generator {shape}", lambda k: lax.rng_bit_generator(k, shape), four)
        return
    functions: dict[str, Any] = {
        "bits": lambda k: jax.random.bits(k, shape, d_bits),
        "uniform": lambda k: jax.random.uniform(k, shape, np.float32),
        "normal": lambda k: jax.random.normal(k, shape, np.float32),
        "randint": lambda k: jax.random.randint(k, shape, -3, 17, np.int32),
        "permutation": lambda k: jax.random.permutation(k, 7),
        "split": lambda k: jax.random.split(k, 3),
    }
    d_bits = d.pick(np.uint8, np.uint16, np.uint32)
    d.call(f"random.{kind} {shape}", functions[kind], key, bound=Bound(32))
