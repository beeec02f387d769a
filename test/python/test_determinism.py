"""The same bits whatever the threads, the batch, and the fusion."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import weft
from hypothesis import HealthCheck, given, seed, settings
from numerics import UNIT_ROUNDOFF, assert_same_bits, to_numpy
from random_programs import Program, assert_within, count_of_examples, programs
from weft.nn import functional as F


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_fused_and_unfused_programs_give_the_same_bits(dtype: str) -> None:
    """And are within the bounds of the rounding errors around the exact result."""

    @seed(20240817)
    @settings(
        max_examples=count_of_examples(150),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def check(program: Program) -> None:
        _check_program(program, dtype)

    check()


def _check_program(program: Program, dtype: str) -> None:
    tensors = [weft.asarray(x).astype(dtype) for x in program.inputs("float32")]
    eager = program.run(*tensors)
    assert_same_bits(eager, weft.jit(program.run)(*tensors), "eager and jit")
    if dtype not in ("float32", "float64"):
        return  # Half precision overflows, and loses what is small, in too many ways.
    exact = program.reference([to_numpy(x) for x in tensors], UNIT_ROUNDOFF[dtype])
    assert_within(eager, exact)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads, for one test."""
    before = weft.get_num_threads()
    yield weft.set_num_threads
    weft.set_num_threads(before)


def _network(images: weft.Tensor, *weights: weft.Tensor) -> weft.Tensor:
    kernel, scale, dense = weights
    x = weft.relu(F.conv2d(images, kernel, padding=1))
    x = F.max_pool2d(x, 2)
    x = F.layer_norm(weft.flatten(x, 1), scale.shape, scale)
    return weft.softmax(x @ dense)


def _network_inputs(batch: int, generator: np.random.Generator) -> list[weft.Tensor]:
    shapes = [(batch, 3, 12, 12), (8, 3, 3, 3), (288,), (288, 10)]
    return [weft.asarray(generator.standard_normal(shape).astype(np.float32)) for shape in shapes]


def _loss(images: weft.Tensor, *weights: weft.Tensor) -> weft.Tensor:
    return weft.sum(weft.log(_network(images, *weights) + 0.1))


# Large enough to be split over threads.
_LARGE: dict[str, tuple[Callable, list[tuple[int, ...]]]] = {
    "elementwise": (lambda x, y: weft.tanh(x) * y, [(1000, 301), (301,)]),
    "sum_of_all": (weft.sum, [(517, 1031)]),
    "sum_of_rows": (lambda x: weft.sum(x, axis=1), [(517, 1031)]),
    "sum_of_columns": (lambda x: weft.sum(x, axis=0), [(1031, 517)]),
    "softmax": (weft.softmax, [(517, 1031)]),
    "variance": (lambda x: weft.var(x, axis=(0, 2)), [(65, 33, 129)]),
    "matmul": (weft.matmul, [(301, 257), (257, 263)]),
    "batched_matmul": (weft.matmul, [(7, 65, 33), (7, 33, 129)]),
    "transpose": (lambda x: weft.permute_dims(x, (1, 0)), [(1031, 517)]),
}


@pytest.mark.parametrize("name", _LARGE)
def test_the_number_of_threads_changes_no_bit(name: str, threads: Callable) -> None:
    function, shapes = _LARGE[name]
    generator = np.random.default_rng(3)
    inputs = [weft.asarray(generator.standard_normal(s).astype(np.float32)) for s in shapes]
    compiled = weft.jit(function)
    results = []
    for count in (1, 2, 4):
        threads(count)
        results.append(compiled(*inputs))
        assert_same_bits(function(*inputs), results[0], f"eager with {count} threads")
    assert_same_bits(results[1:], [results[0]] * 2, "1, 2 and 4 threads")


def test_the_number_of_threads_changes_no_bit_of_gradients(threads: Callable) -> None:
    inputs = _network_inputs(16, np.random.default_rng(5))
    gradients = weft.jit(weft.grad(_loss, argnums=(0, 1, 2, 3)))
    results = []
    for count in (1, 2, 4):
        threads(count)
        results.append(gradients(*inputs))
    assert_same_bits(results[1:], [results[0]] * 2, "1, 2 and 4 threads")


_ROWWISE: dict[str, Callable[[weft.Tensor], weft.Tensor]] = {
    "softmax": weft.softmax,
    "log_softmax": weft.log_softmax,
    "layer_norm": lambda x: F.layer_norm(x, x.shape[-1]),
    "sum": lambda x: weft.sum(x, axis=-1),
    "matmul": lambda x: x @ weft.reshape(weft.sin(weft.arange(67 * 41) * 1.0), (67, 41)),
    "logsumexp": lambda x: weft.logsumexp(x, axis=-1),
}


@pytest.mark.parametrize("name", _ROWWISE)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_row_does_not_depend_on_its_batch(name: str, compiled: bool) -> None:
    function = weft.jit(_ROWWISE[name]) if compiled else _ROWWISE[name]
    x = np.random.default_rng(7).standard_normal((130, 67)).astype(np.float32)
    whole = to_numpy(function(weft.asarray(x)))
    for rows in (1, 2, 3, 14, 16, 33, 64):
        for start in (0, 5):
            part = function(weft.asarray(x[start : start + rows]))
            assert_same_bits(part, whole[start : start + rows], f"{rows} rows from {start}")


def test_an_image_does_not_depend_on_its_batch() -> None:
    inputs = _network_inputs(37, np.random.default_rng(9))
    network = weft.jit(_network)
    whole = to_numpy(network(*inputs))
    images = to_numpy(inputs[0])
    for count in (1, 2, 5, 16, 32):
        part = network(weft.asarray(images[:count]), *inputs[1:])
        assert_same_bits(part, whole[:count], f"{count} images")


def test_network_and_gradients_are_the_same_in_eager_and_jit() -> None:
    inputs = _network_inputs(5, np.random.default_rng(11))
    assert_same_bits(_network(*inputs), weft.jit(_network)(*inputs))
    eager_leaves = [x.detach() for x in inputs]
    for leaf in eager_leaves:
        leaf.requires_grad = True
    _loss(*eager_leaves).backward()
    compiled = weft.jit(weft.grad(_loss, argnums=(0, 1, 2, 3)))(*inputs)
    assert_same_bits([leaf.grad for leaf in eager_leaves], list(compiled))


@pytest.mark.parametrize("shape", [(2, 2), (17, 17), (64, 64), (4, 8, 8), (3, 5)])
@pytest.mark.parametrize("name", sorted(_ROWWISE.keys() - {"matmul"}))
def test_rows_of_a_transpose_are_not_those_of_what_it_transposes(
    name: str, shape: tuple[int, ...]
) -> None:
    """Of a square matrix both have one shape, which must not make them one in fusion."""

    def function(x: weft.Tensor) -> weft.Tensor:
        return _ROWWISE[name](-x.mT)

    x = weft.asarray(np.random.default_rng(13).standard_normal(shape).astype(np.float32))
    assert_same_bits(function(x), weft.jit(function)(x), "eager and jit")
