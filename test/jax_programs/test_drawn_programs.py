"""Drawn JAX programs in weft and in JAX; more: tools/fuzz_programs --kind jax."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft

jax = pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402
from jax_drawing import Call, draw, enabled  # noqa: E402
from jax_hunt import JaxHunt, arrays_of, fault  # noqa: E402
from jax_regions import SOME  # noqa: E402

CHUNKS = 4
PROGRAMS = int(os.environ.get("WEFT_TEST_EXAMPLES", "24"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_drawn_programs_are_those_of_jax(chunk: int) -> None:
    hunt = JaxHunt()
    assert [each for _, _, found in hunt(range(chunk, PROGRAMS, CHUNKS)) for each in found] == []


def test_a_number_is_one_program() -> None:
    names = []
    for seed in (5, 5, 7):
        with enabled(seed):
            names.append([call.name for call in draw(seed, 6).calls])
    assert names[0] == names[1] != names[2]


# ---- Sizes that each call chooses ---------------------------------------------------------------

#: Functions of matrices of any sizes.
SYMBOLIC: dict[str, Callable[[Any], Any]] = {
    "softmax": lambda x: jax.nn.softmax(x, axis=0),
    "transpose": lambda x: x.T * 0.5,
    "product": lambda x: x @ x.T @ x / 8,
    "einsum": lambda x: jnp.einsum("ij,ik->jk", x, x) / 4,
    "running": lambda x: jnp.cumsum(x, axis=1) / 2,
    "sorted": lambda x: jnp.sort(x, axis=1),
    "joined": lambda x: jnp.concatenate([x, -x], axis=0),
    "padded": lambda x: lax.pad(x, np.float32(0.5), [(1, 0, 0), (0, 2, 0)]),
    "rows": lambda x: x + jnp.arange(x.shape[0], dtype=np.float32)[:, None],
    "mean": lambda x: x - jnp.mean(x, axis=1, keepdims=True),
    "flat": lambda x: jnp.sin(x.reshape(-1)).reshape(x.shape),
    "masked": lambda x: jnp.where(jnp.tri(x.shape[0], x.shape[1], dtype=bool), x, 0),
    "taken": lambda x: jnp.take(x, jnp.array([0, 1, 0]), axis=0, mode="clip"),
    "window": lambda x: lax.reduce_window(x, np.float32(0), lax.add, (2, 1), (1, 1), "SAME"),
    "scan": lambda x: lax.scan(lambda c, r: (jnp.tanh(c + r), c * r), x[0] * 0, x)[1],
    "mapped": lambda x: jax.vmap(lambda r: r * jnp.max(r, initial=0))(x),
    "reversed": lambda x: x[::-1, 1:],
    "slope": lambda x: jax.grad(lambda y: jnp.sum(jnp.tanh(y) ** 2))(x),
    "place": lambda x: x + jnp.argmax(x, axis=0).astype(np.float32),
}


@pytest.mark.parametrize("seed", range(8))
def test_programs_of_open_sizes(seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [str(name) for name in random.permutation(list(SYMBOLIC))[:3]]

    def function(x: Any) -> Any:
        for name in names:
            x = SYMBOLIC[name](x)
        return x

    program = weft.from_jax(function, weft.spec(("rows", "columns")))
    compiled = weft.jit(lambda x: program(x))
    for rows, columns in ((2, 3), (1, 1), (5, 2), (3, 7)):
        x = random.standard_normal((rows, columns)).astype(np.float32)
        (want,) = arrays_of(jax.jit(function)(x))
        made = [np.asarray(run(x)) for run in (program, compiled)]
        call = Call(" ".join(names), function, (0,), (1,), SOME)
        assert fault(call, [x], made[0], want, want) == ""
        assert np.array_equal(made[0], made[1])


# ---- What was found ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3), (3, 3), (2, 4, 4)])
def test_factors_of_all_dtypes_and_of_nothing(dtype: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(len(shape))
    x = random.standard_normal(shape).astype(dtype)
    x = x + np.asarray(1j * random.standard_normal(shape)).astype(dtype) if dtype[0] == "c" else x
    made = weft.from_jax(jnp.linalg.det, x)(x)
    want = np.asarray(jnp.linalg.det(x))
    assert np.allclose(np.asarray(made), want, rtol=1e-4, atol=1e-4)
    factors = weft.from_jax(lax.linalg.lu, x)(x)
    for a, b in zip(factors, lax.linalg.lu(x), strict=True):
        assert np.asarray(a).shape == b.shape
        assert np.allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("between", [0, 2])
@pytest.mark.parametrize("size", range(3))
def test_padding_may_be_taken_away_on_the_other_side(size: int, between: int) -> None:
    full = size + max(size - 1, 0) * between
    rows = [(a, b, between) for a in range(-2, 3) for b in range(-2, 3) if full + a + b >= 0]

    def function(x: Any) -> Any:
        return tuple(lax.pad(x, np.float32(9), [row]) for row in rows)

    x = np.arange(size, dtype=np.float32)
    made = arrays_of(weft.from_jax(function, x)(x))
    assert [y.tolist() for y in made] == [y.tolist() for y in arrays_of(jax.jit(function)(x))]


#: What indexes a dimension of any size by a number that is computed.
_INDEXED: dict[str, Callable[[Any], Any]] = {
    "scan": lambda x: lax.scan(lambda c, r: (jnp.tanh(c + r), c * r), x[0] * 0, x)[1],
    "backwards": lambda x: lax.scan(lambda c, r: (c + r, c), x[0] * 0, x, reverse=True)[1],
    "slope of a scan": jax.grad(
        lambda x: jnp.sum(lax.scan(lambda c, r: (jnp.tanh(c + r), c * r), x[0] * 0, x)[1])
    ),
    "map": lambda x: lax.map(jnp.sin, x),
    "row": lambda x: x[jnp.argmax(x[:, 0])],
    "rows": lambda x: lax.dynamic_slice_in_dim(x, jnp.argmax(x[:, 0]), x.shape[0] - 1, 0),
    "a row outside": lambda x: lax.dynamic_slice_in_dim(x, 9 + jnp.argmax(x[:, 0]), 1, 0),
}


@pytest.mark.parametrize("name", _INDEXED)
def test_open_dimensions_are_indexed_by_what_is_computed(name: str) -> None:
    function = _INDEXED[name]
    program = weft.from_jax(function, weft.spec(("rows", "columns")))
    exported = weft.export(lambda x: program(x), weft.spec(("rows", "columns")))
    random = np.random.default_rng(1)
    for shape in ((5, 3), (1, 1), (2, 4)):
        x = random.standard_normal(shape).astype(np.float32)
        made, want = np.asarray(program(x)), np.asarray(jax.jit(function)(x))
        assert made.shape == want.shape
        assert np.abs(made - want).max(initial=0) <= 64 * np.finfo(np.float32).eps
        assert np.array_equal(made, np.asarray(exported(x)))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize(
    "shape", [(3, 3), (5, 3), (3, 5), (2, 4, 3), (1, 3), (3, 1), (0, 3), (3, 0)]
)
def test_orthogonal_factors_are_those_of_lapack(dtype: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(7)
    x = random.standard_normal(shape).astype(dtype)
    x = x + np.asarray(1j * random.standard_normal(shape)).astype(dtype) if dtype[0] == "c" else x
    if shape == (5, 3):
        x[:, 1] = 0
    for mode in ("reduced", "complete"):
        made = weft.from_jax(lambda x: tuple(jnp.linalg.qr(x, mode=mode)), x)(x)
        for a, b in zip(made, jnp.linalg.qr(x, mode=mode), strict=True):
            assert (a.shape, np.asarray(a).dtype) == (b.shape, b.dtype)
            limit = 64 * np.finfo(dtype).eps * max(float(jnp.abs(b).max(initial=0)), 1)
            assert np.abs(np.asarray(a) - b).max(initial=0) <= limit


def test_an_op_without_a_rule_is_named_with_place_and_number() -> None:
    def function(x: Any, key: Any) -> Any:
        return jnp.linalg.eig(x)[0], lax.rng_bit_generator(key, (3,)), jnp.linalg.eig(x + 1)[1]

    with pytest.raises(weft.UnsupportedError) as caught:
        weft.from_jax(function, np.eye(3, dtype=np.float32), np.zeros(4, np.uint32))
    lines = str(caught.value).splitlines()
    assert any("stablehlo.rng_bit_generator: once, at " in line for line in lines)
    assert any("geev_ffi: 2 times, first at " in line for line in lines)
