"""Programs of JAX are programs of weft: five of them, their gradients, symbolic sizes, objects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

jax = pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")
import jax.numpy as jnp  # noqa: E402
from jax import export, lax  # noqa: E402

jax.config.update("jax_platforms", "cpu")

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def loss(weights: Any, x: Any, labels: Any) -> Any:
    for weight, bias in weights[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    scores = jax.nn.log_softmax(x @ weights[-1][0] + weights[-1][1])
    return -jnp.mean(scores[jnp.arange(x.shape[0]), labels])


def train(weights: Any, x: Any, labels: Any) -> Any:
    value, slopes = jax.value_and_grad(loss)(weights, x, labels)
    return value, jax.tree_util.tree_map(lambda w, g: w - 0.1 * g, weights, slopes)


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)), v)


def recurrence(weight: Any, state: Any, inputs: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        state = jnp.tanh(state @ weight + x)
        return state, state

    return lax.scan(step, state, inputs)


def slopes_of_each(weight: Any, x: Any) -> Any:
    slope = jax.grad(lambda w, x: jnp.sum(jnp.sin(w @ x) ** 2))
    return jax.vmap(slope, in_axes=(None, 0))(weight, x)


def network(weights: Any, x: Any) -> Any:
    order = ("NHWC", "HWIO", "NHWC")
    x = jax.nn.relu(lax.conv_general_dilated(x, weights[0], (1, 1), "SAME", None, None, order))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = lax.conv_general_dilated(x, weights[1], (2, 2), "VALID", None, None, order)
    return jax.nn.gelu(x).reshape(x.shape[0], -1) @ weights[2]


LAYERS = [(floats(8, 16) / 4, floats(16)), (floats(16, 4) / 4, floats(4))]
FILTERS = [floats(3, 3, 3, 8) / 5, floats(3, 3, 8, 4) / 8, floats(36, 10) / 6]
HEADS = (2, 3, 5, 4)
PROGRAMS: dict[str, tuple[Any, tuple]] = {
    "a training step": (train, (LAYERS, floats(5, 8), RNG.integers(0, 4, 5).astype(np.int32))),
    "attention": (attention, (floats(*HEADS), floats(*HEADS), floats(*HEADS))),
    "a recurrence": (recurrence, (floats(4, 4) / 2, floats(2, 4), floats(7, 2, 4))),
    "vmap of grad": (slopes_of_each, (floats(3, 4), floats(6, 4))),
    "a convolution network": (network, (FILTERS, floats(2, 16, 16, 3))),
}


def assert_near(made: Any, wanted: Any, steps: int = 64) -> None:
    """Equal trees but for the order of sums, of some dozens of terms of about one."""
    for a, b in zip(*map(jax.tree_util.tree_leaves, (made, wanted)), strict=True):
        scale = max(float(np.abs(np.asarray(b)).max(initial=0)), 1.0)
        limit = steps * np.finfo(np.float32).eps * scale
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=limit)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_equal_jax(name: str) -> None:
    function, arguments = PROGRAMS[name]
    program = weft.from_jax(function, *arguments)
    wanted = jax.jit(function)(*arguments)
    assert_near(program(*arguments), wanted)
    compiled = weft.jit(lambda *values: program(*values))(*arguments)
    assert_near(compiled, wanted)
    # Eager and compiled agree to the bit.
    for a, b in zip(*map(jax.tree_util.tree_leaves, (program(*arguments), compiled))):
        assert np.array_equal(np.asarray(a), np.asarray(b))
    assert_near(weft.export(lambda *values: program(*values), *arguments)(*arguments), wanted)


@pytest.mark.parametrize("name", ["attention", "a recurrence", "a convolution network"])
def test_gradients_of_weft_are_those_of_jax(name: str) -> None:
    function, arguments = PROGRAMS[name]
    total = lambda *values: jnp.sum(jax.tree_util.tree_leaves(function(*values))[-1] ** 2)  # noqa: E731
    program = weft.from_jax(total, *arguments)
    mine = weft.grad(lambda *values: program(*values))(
        *jax.tree_util.tree_map(weft.asarray, arguments)
    )
    assert_near(mine, jax.grad(total)(*arguments), steps=512)


def test_vmap_of_a_program() -> None:
    program = weft.from_jax(lambda x: jnp.sort(x)[::-1].cumsum(), weft.spec(4))
    x = floats(3, 4)
    wanted = np.cumsum(np.sort(x)[:, ::-1], axis=1)
    assert_near(weft.vmap(lambda row: program(row))(weft.asarray(x)), wanted)


def reports(x: Any) -> Any:
    y = jnp.dot(x, jnp.ones((3, 4))) + jnp.arange(x.shape[0])[:, None]
    both = jnp.concatenate([y, 2 * y]).reshape(-1)
    running = {"sum": jnp.cumsum(y, 0), "sorted": jnp.sort(y, 0), "pairs": y[:, None] + y[None]}
    total = lax.fori_loop(0, x.shape[0], lambda i, c: c + x[i], jnp.zeros(3))
    return running, both, jax.nn.softmax(y, axis=0), y.mean(), jnp.argmax(y, 0), x[::2], total


def test_symbolic_sizes() -> None:
    shape = weft.spec(("batch", 3))
    program = weft.from_jax(reports, shape)
    exported = weft.export(program, shape)
    for batch in (1, 2, 5):
        x = floats(batch, 3)
        assert_near(program(x), jax.jit(reports)(x))
        assert_near(exported(x), jax.jit(reports)(x))


def test_arguments_keep_their_structure() -> None:
    program = weft.from_jax(
        lambda d, *, k: {"sum": d["a"] + d["b"][0] * k}, {"a": floats(2), "b": [floats(2)]}, k=1.0
    )
    one = weft.ones(2)
    assert program({"a": one, "b": [one]}, k=3.0)["sum"].tolist() == [4.0, 4.0]
    with pytest.raises(weft.ShapeError, match="the arguments have the structure"):
        program({"a": one}, k=3.0)
    unused = weft.from_jax(lambda a, b: b, floats(2), floats(3))
    assert unused(one, weft.ones(3)).tolist() == [1.0, 1.0, 1.0]


def test_a_compiled_program_is_traced_once_and_watches_nothing_of_jax() -> None:
    for name in ("a training step", "a recurrence"):
        function, arguments = PROGRAMS[name]
        compiled = weft.jit(weft.from_jax(function, *arguments))
        for _ in range(3):
            compiled(*arguments)
        statistics = compiled.stats()
        assert statistics["traces"] == 1
        assert not statistics["not_watched"]


def test_other_containers_are_refused() -> None:
    class Pair:
        def __init__(self, a: Any, b: Any) -> None:
            self.parts = a, b

    jax.tree_util.register_pytree_node(Pair, lambda p: (p.parts, None), lambda _, c: Pair(*c))
    with pytest.raises(weft.UnsupportedError, match="trees of tuples"):
        weft.from_jax(lambda p: p.parts[0], Pair(floats(2), floats(2)))


def test_what_jax_calls_outside_is_refused_by_name() -> None:
    with pytest.raises(weft.UnsupportedError, match=r"lapack_sgeev_ffi: once, at .*eig"):
        weft.from_jax(jnp.linalg.eig, floats(3, 3))
    with pytest.raises(weft.UnsupportedError, match=r"lapack_sgeqp3_ffi: once, at .*geqp3"):
        weft.from_jax(lambda x: lax.linalg.qr(x, pivoting=True)[0], floats(3, 3))


def test_what_is_no_spec_is_named() -> None:
    with pytest.raises(weft.DTypeError, match="a str is no spec of an argument"):
        weft.from_jax(lambda x, how: x, floats(2), "sum")


def test_calls_of_python_are_refused_with_their_lines() -> None:
    kind = jax.ShapeDtypeStruct((3,), np.float32)

    def turn(state: Any, x: Any) -> tuple[Any, Any]:
        return state, jax.pure_callback(lambda y: y, kind, x)

    def function(x: Any) -> Any:
        jax.debug.print("{}", x)
        return lax.scan(turn, 0, x)

    with pytest.raises(weft.UnsupportedError) as caught:
        weft.from_jax(function, floats(2, 3))
    message = str(caught.value)
    assert "pure_callback at " in message
    assert "debug_print at " in message or "debug_callback at " in message
    assert message.count(f"{Path(__file__).name}:") == 3


MAIN = """
#include "net.h"
#include <stdio.h>
int main(void) {
  static float x[2 * 16 * 16 * 3], y[2 * 10];
  for (int i = 0; i < 2 * 16 * 16 * 3; ++i) x[i] = (float)(i % 7) - 3.0f;
  int status = net_run(2, x, y, NULL);
  for (int i = 0; i < 20; ++i) printf("%a\\n", y[i]);
  return status;
}
"""


def test_the_convolution_network_as_one_object(tmp_path: Path) -> None:
    """From a file of JAX's over weftc to a C program, with the batch left open."""
    batch = export.symbolic_shape("batch, 16, 16, 3")
    spec = jax.ShapeDtypeStruct(batch, np.float32)
    exported = export.export(jax.jit(lambda x: network(FILTERS, x)))(spec)
    (tmp_path / "net.mlir").write_bytes(exported.mlir_module_serialized)
    (tmp_path / "main.c").write_text(MAIN)
    weftc = ROOT / "build" / "release" / "bin" / "weftc"
    for command in (
        [sys.executable, "-m", "weft.stablehlo", "net.mlir", "-o", "net.weft"],
        [str(weftc), "net.weft", "-o", "net.o", "--header", "net.h"],
        ["cc", "main.c", "net.o", "-lm", "-o", "main"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    made = np.array([float.fromhex(line) for line in printed.split()], np.float32)
    x = (np.arange(2 * 16 * 16 * 3) % 7 - 3).astype(np.float32).reshape(2, 16, 16, 3)
    assert_near(made.reshape(2, 10), jax.jit(network)(FILTERS, x))


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.mlir").write_text("func.func @main(\n")
    command = [sys.executable, "-m", "weft.stablehlo", "bad.mlir", "-o", "bad.weft"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bad.mlir is no StableHLO that can be read" in done.stderr
    assert not (tmp_path / "bad.weft").exists()


def test_weft_itself_imports_no_jax() -> None:
    code = "import sys, weft, weft.stablehlo; assert not {'jax', 'jaxlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
