"""The rules by which products, convolutions, windows, transforms and factorizations are drawn."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax_drawing import COMPLEX, FLOATS, Bound, Drawer, NotDrawnError, rule
from jax_elements import SUM, finite

_PRODUCTS = (*FLOATS, *COMPLEX, "int32", "int8", "uint8", "int64")


@rule(6)
def dot_general(d: Drawer) -> None:
    """A product with any dimension numbers."""
    batch, contracted, left, right = (d.shape(d.pick(0, 1, 1, 2)) for _ in range(4))
    dtype = d.dtype(_PRODUCTS)
    groups = (len(batch), len(contracted))
    orders = [d.random.permutation(sum(groups) + len(free)) for free in (left, right)]
    numbers, operands = [], []
    for free, order in zip((left, right), orders, strict=True):
        sizes = np.array((*batch, *contracted, *free), np.int64)
        places = np.argsort(order)
        numbers.append([int(i) for i in places])
        operands.append(d.give(d.array(dtype, tuple(int(n) for n in sizes[order]))))
    if not all(finite(d.values[x]) for x in operands):
        raise NotDrawnError
    dims = (
        tuple(tuple(n[groups[0] : sum(groups)]) for n in numbers),
        tuple(tuple(n[: groups[0]]) for n in numbers),
    )
    wide = None
    if d.chance(0.3):
        wide = {"int8": "int32", "uint8": "uint32", "float16": "float32", "bfloat16": "float32"}
        wide = wide.get(dtype)
    d.call(f"dot_general {dims} {wide}",
           lambda a, b: lax.dot_general(a, b, dims, preferred_element_type=wide),
           *operands, bound=SUM)  # fmt: skip


@rule(3)
def einsum(d: Drawer) -> None:
    """einsum, matmul, tensordot and outer of jax.numpy."""
    m, n, k = (d.pick(0, 1, 2, 3, 5) for _ in range(3))
    dtype = d.dtype(_PRODUCTS)
    text, *sizes = d.pick(
        ("ij,jk->ik", (m, k), (k, n)),
        ("bij,bkj->bik", (2, m, k), (2, n, k)),
        ("...ij,jk->...ki", (2, m, k), (k, n)),
        ("ii->i", (m, m)),
        ("ij->j", (m, n)),
        ("i,j->ji", (m,), (n,)),
        ("ij,ij,jk->k", (m, k), (m, k), (k, n)),
    )
    operands = [d.give(d.array(dtype, size)) for size in sizes]
    if not all(finite(d.values[x]) for x in operands):
        raise NotDrawnError
    d.call(f"einsum {text}", lambda *xs: jnp.einsum(text, *xs), *operands, bound=SUM)


@rule(6)
def convolution(d: Drawer) -> None:
    """A convolution with all its settings."""
    rank = d.pick(0, 1, 1, 2, 2, 3)
    groups, batches = d.pick((1, 1), (1, 1), (2, 1), (1, 2), (3, 1))
    channels, filters, batch = d.pick(1, 2), d.pick(1, 2), d.pick(1, 2, 0)
    dtype = d.dtype(("float32", "float32", "float64", "bfloat16", "float16", "int32", "complex64"))
    window = [d.pick(1, 2, 3) for _ in range(rank)]
    sizes = [d.pick(1, 3, 4, 6) for _ in range(rank)]
    strides, holes, spread = ([d.pick(1, 1, 2, 3) for _ in range(rank)] for _ in range(3))
    pads: Any = [tuple(int(p) for p in d.random.integers(-1, 3, 2)) for _ in range(rank)]
    if d.chance(0.3) and max(spread, default=1) == 1:
        pads = d.pick("SAME", "VALID", "SAME_LOWER")
    lhs = np.array([batch * batches, groups * channels, *sizes])
    rhs = np.array([groups * filters * batches, channels, *window])
    specs, operands = [], []
    for shape in (lhs, rhs):
        order = d.random.permutation(rank + 2)
        specs.append(tuple(int(i) for i in np.argsort(order)))
        operands.append(d.give(d.array(dtype, tuple(int(n) for n in shape[order]))))
    specs.append(tuple(int(i) for i in d.random.permutation(rank + 2)))
    if not all(finite(d.values[x]) for x in operands):
        raise NotDrawnError
    numbers = lax.ConvDimensionNumbers(*specs)
    flip = tuple(d.chance(0.3) for _ in range(rank)) if d.chance(0.2) else None
    name = f"conv {strides} {pads} {spread} {holes} {specs} {groups} {batches}"

    def convolved(x: Any, w: Any) -> Any:
        w = lax.rev(w, [specs[1][2 + i] for i in range(rank) if flip[i]]) if flip else w
        return lax.conv_general_dilated(
            x, w, strides, pads, spread, holes, numbers,
            feature_group_count=groups, batch_group_count=batches,
        )  # fmt: skip

    d.call(name, convolved, *operands, bound=SUM)


def _window(d: Drawer, x: np.ndarray) -> dict[str, Any]:
    rank = x.ndim
    return {
        "window_dimensions": tuple(d.pick(1, 1, 2, 3) for _ in range(rank)),
        "window_strides": tuple(d.pick(1, 1, 2) for _ in range(rank)),
        "padding": [tuple(int(p) for p in d.random.integers(0, 2, 2)) for _ in range(rank)],
    }


_MONOIDS = {"add": 0.0, "max": -np.inf, "min": np.inf, "mul": 1.0}


@rule(5)
def windows(d: Drawer) -> None:
    """reduce_window with all its settings."""
    a = d.of((*FLOATS, "int32", "int8", "uint16", "int64"), 1, finite)
    x = d.values[a]
    name = d.pick(*_MONOIDS)
    options = _window(d, x)
    if d.chance(0.3):
        options["padding"] = d.pick("SAME", "VALID")
    else:
        options["base_dilation"] = tuple(d.pick(1, 1, 2) for _ in range(x.ndim))
        options["window_dilation"] = tuple(d.pick(1, 1, 2) for _ in range(x.ndim))
    first = _MONOIDS[name]
    if x.dtype.name not in FLOATS and not np.isfinite(first):
        first = np.iinfo(x.dtype).min if first < 0 else np.iinfo(x.dtype).max
    start = np.asarray(first).astype(x.dtype)
    function = getattr(lax, name)
    d.call(f"reduce_window {name} {options}",
           lambda x: lax.reduce_window(x, start, function, **options),
           a, bound=SUM if name in ("add", "mul") else Bound(0))  # fmt: skip


@rule(3)
def select_and_scatter(d: Drawer) -> None:
    """The gradient of a pooling, which is select_and_scatter, and others of windows."""
    a = d.of(("float32", "float64"), 1, finite)
    x = d.values[a]
    options = _window(d, x)
    kind = d.pick("max", "min", "add")
    first = {"max": -np.inf, "min": np.inf, "add": 0.0}[kind]
    start = np.asarray(first, x.dtype)
    function = getattr(lax, kind)

    def pooled(x: Any) -> Any:
        return jnp.sum(jnp.sin(lax.reduce_window(x, start, function, **options)))

    if not x.size:
        raise NotDrawnError
    d.call(f"grad of reduce_window {kind} {options}", jax.grad(pooled), a,
           bound=Bound(64, "largest"))  # fmt: skip


@rule(3)
def transform(d: Drawer) -> None:
    """Fourier transforms."""
    name = d.pick("fft", "ifft", "rfft", "irfft", "fftn", "ifft2", "fftshift")
    real = name == "rfft"
    dtypes = ("float32", "float64") if real else COMPLEX
    a = d.of(dtypes, 2 if name == "ifft2" else 1, lambda x: bool(np.isfinite(x).all() and x.size))
    options: dict[str, Any] = {}
    if name in ("fft", "ifft", "rfft", "irfft"):
        options = {"axis": d.axis(d.values[a]), "norm": d.pick(None, "ortho", "forward")}
    if name == "irfft" and d.values[a].shape[options["axis"]] < 2:
        raise NotDrawnError
    d.call(f"{name} {options}", lambda x: getattr(jnp.fft, name)(x, **options), a,
           bound=Bound(64, "largest"))  # fmt: skip


@rule(4)
def factorization(d: Drawer) -> None:
    """cholesky, triangular_solve, solves, determinants, eigenvalues and singular values."""
    dtype = d.dtype(("float32", "float64", "complex64"))
    n, batch = d.pick(0, 1, 2, 3, 5), d.shape(d.pick(0, 0, 1))
    x = d.array(dtype, (*batch, n, n))
    if not np.isfinite(x).all():
        raise NotDrawnError
    positive = d.give((x @ np.swapaxes(x.conj(), -1, -2) + np.eye(n)).astype(dtype))
    b = d.give(d.array(dtype, (*batch, n, d.pick(0, 1, 2))))
    settings = {key: d.chance(0.5) for key in ("lower", "transpose_a", "unit_diagonal")}
    settings |= {"left_side": True, "conjugate_a": d.chance(0.3)}
    kind = d.pick("cholesky", "triangular", "solve", "det", "eigh", "svd", "inv", "slogdet", "qr")
    functions: dict[str, Any] = {
        "cholesky": (lambda a: jnp.linalg.cholesky(a), positive),
        "solve": (jnp.linalg.solve, positive, b),
        "det": (jnp.linalg.det, positive),
        "inv": (jnp.linalg.inv, positive),
        "slogdet": (lambda a: tuple(jnp.linalg.slogdet(a)), positive),
        "eigh": (lambda a: jnp.linalg.eigvalsh(a), positive),
        "svd": (lambda a: jnp.linalg.svd(a, compute_uv=False), positive),
        "qr": (lambda a: jnp.abs(jnp.linalg.qr(a, mode="r")), positive),
    }
    bound = Bound(4096, "largest")
    if kind == "triangular":
        triangle = d.give((d.values[positive] / (1 + n)).astype(dtype))
        d.call(f"triangular_solve {settings}",
               lambda a, b: lax.linalg.triangular_solve(a, b, **settings),
               triangle, b, bound=Bound(2**16, "largest"))  # fmt: skip
        return
    function, *operands = functions[kind]
    d.call(f"linalg.{kind}", function, *operands, bound=bound)


@rule(2)
def attention(d: Drawer) -> None:
    """jax.nn.dot_product_attention and layers that are made of many calls."""
    # JAX computes the weights in float32, whatever the operands are of.
    dtype = "float32"
    b, t, s, heads, size = (d.pick(1, 2, 3) for _ in range(5))
    q, k, v = (d.give(d.array(dtype, (b, n, heads, size))) for n in (t, s, s))
    if not all(finite(d.values[x]) for x in (q, k, v)):
        raise NotDrawnError
    causal = d.chance(0.5) and t == s
    d.call(f"attention {causal}",
           lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=causal),
           q, k, v, bound=Bound(64, "largest"))  # fmt: skip
