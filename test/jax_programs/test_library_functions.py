"""Functions of JAX's libraries that are made of many calls, loops and random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft

jax = pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402
from jax.experimental.ode import odeint  # noqa: E402
from jax_hunt import QUICKLY, same_bits, widened  # noqa: E402

_RANDOM = np.random.default_rng(5)
_SCIPY = jax.scipy


def floats(*shape: int) -> np.ndarray:
    return _RANDOM.standard_normal(shape).astype(np.float32)


KEY = np.array([0, 3], np.uint32)
MATRIX, ROW, WHOLE = floats(3, 4), floats(5), np.array([3, 1, 2, 1, 0], np.int32)
POSITIVE = (MATRIX @ MATRIX.T + 3 * np.eye(3)).astype(np.float32)
ABOVE = np.array([0.3, 1.2, 2.5], np.float32)

#: The function, its arguments, and how far results may be off, of the largest one.
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], float]] = {
    "bits": (lambda k: [jax.random.bits(k, (3,)), jax.random.randint(k, (5,), 0, 9)], (KEY,), 0),
    "order": (
        lambda k: [jax.random.permutation(k, 7), jax.random.choice(k, 9, (3,), replace=False)],
        (KEY,),
        0,
    ),
    "fold_in": (
        lambda n: jax.random.bits(jax.random.fold_in(jax.random.key(5), n)),
        (WHOLE[0],),
        0,
    ),
    "normal": (lambda k: [jax.random.normal(k, (4,)), jax.random.gumbel(k, (3,))], (KEY,), 1e-5),
    "counts": (
        lambda k: [jax.random.poisson(k, 4.0, (3,)), jax.random.categorical(k, jnp.zeros(5))],
        (KEY,),
        0,
    ),
    "gamma": (
        lambda k: [jax.random.gamma(k, 2.5, (3,)), jax.random.dirichlet(k, jnp.ones(3))],
        (KEY,),
        1e-4,
    ),
    "truncated": (lambda k: jax.random.truncated_normal(k, -1, 1, (3,)), (KEY,), 1e-5),
    "orthogonal": (lambda k: jax.random.orthogonal(k, 3), (KEY,), 1e-5),
    "resize": (
        lambda x: [jax.image.resize(x, (6, 3), how) for how in ("linear", "cubic", "lanczos3")],
        (MATRIX,),
        1e-5,
    ),
    "coordinates": (
        lambda x, y: _SCIPY.ndimage.map_coordinates(x, [y, y], order=1, mode="reflect"),
        (MATRIX, ROW),
        1e-5,
    ),
    "ragged_dot": (lax.ragged_dot, (floats(6, 4), floats(2, 4, 3), WHOLE[[2, 0]] + 1), 1e-5),
    "local": (
        lambda x, w: lax.conv_general_dilated_local(x, w, (1,), "VALID", (2,)),
        (floats(1, 2, 5), floats(3, 4, 4)),
        1e-5,
    ),
    "expm": (lambda x: _SCIPY.linalg.expm(0.3 * x), (POSITIVE,), 1e-4),
    "pinv": (jnp.linalg.pinv, (MATRIX,), 1e-4),
    "slope of cholesky": (jax.grad(lambda a: jnp.sum(jnp.linalg.cholesky(a))), (POSITIVE,), 1e-4),
    "slope of eigvalsh": (
        jax.grad(lambda a: jnp.sum(jnp.linalg.eigvalsh(a) ** 3)),
        (POSITIVE,),
        1e-4,
    ),
    "conjugate gradients": (
        jax.grad(lambda b: _SCIPY.sparse.linalg.cg(lambda v: 3 * v, b)[0].sum()),
        (ROW,),
        1e-5,
    ),
    "odeint": (lambda y: odeint(lambda y, t: -y, y, jnp.array([0.0, 1.0])), (ROW,), 1e-4),
    "unique": (
        lambda x: jnp.unique(x, size=4, return_inverse=True, return_counts=True),
        (WHOLE,),
        0,
    ),
    "counted": (
        lambda x: [
            jnp.bincount(x, length=5),
            jnp.nonzero(x, size=3)[0],
            jnp.isin(x, jnp.array([1])),
        ],
        (WHOLE,),
        0,
    ),
    "segments": (
        lambda x: [getattr(jax.ops, f"segment_{n}")(x, WHOLE[:3], 3) for n in ("sum", "max")],
        (MATRIX,),
        1e-5,
    ),
    "polynomials": (lambda x: [jnp.polyfit(x, x**2, 1), jnp.convolve(x, x)], (ROW,), 1e-3),
    "interpolated": (
        lambda x: [jnp.interp(x, jnp.arange(3.0), jnp.arange(3.0) ** 2), jnp.quantile(x, 0.3)],
        (ROW,),
        1e-5,
    ),
    "special": (
        lambda x: [
            getattr(_SCIPY.special, name)(x)
            for name in ("ndtr", "log_ndtr", "i0", "i1e", "spence", "expi", "exp1", "entr", "gamma")
        ],
        (ABOVE,),
        2e-4,
    ),
    "few bits": (
        lambda x: [x.astype(t).astype(np.int32) for t in (jnp.int4, jnp.uint4, jnp.int2)],
        (np.arange(-9, 10, dtype=np.int32),),
        0,
    ),
    "float8": (
        lambda x: [x.astype(t).astype(jnp.float32) for t in (jnp.float8_e4m3fn, jnp.float8_e5m2)],
        (50 * MATRIX,),
        0,
    ),
    "packed": (lambda x: [jnp.packbits(x > 0), x.view(jnp.int16), jnp.signbit(x)], (MATRIX,), 0),
    "along a name": (
        lambda x: jax.vmap(lambda y: lax.psum(y, "i") - lax.pmax(y, "i"), axis_name="i")(x),
        (MATRIX,),
        1e-5,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_functions_of_libraries(name: str) -> None:
    function, given, bound = CASES[name]
    flat = lambda *values: jax.tree_util.tree_leaves(function(*values))  # noqa: E731
    want = [np.asarray(x) for x in jax.jit(flat, compiler_options=QUICKLY)(*given)]
    program = weft.from_jax(flat, *given)
    made = [np.asarray(x) for x in program(*given)]
    compiled = weft.jit(lambda *values: program(*values))(*given)
    for have, expected, again in zip(made, want, compiled, strict=True):
        assert (have.dtype, have.shape) == (expected.dtype, expected.shape)
        assert same_bits(np.asarray(again), have)
        if not bound:
            assert np.array_equal(have, expected)
            continue
        a, b = widened(have), widened(expected)
        finite = np.isfinite(b)
        assert np.array_equal(a[~finite], b[~finite], equal_nan=True)
        limit = bound * max(1.0, np.abs(b[finite]).max(initial=0.0))
        assert np.abs(a[finite] - b[finite]).max(initial=0.0) <= limit
