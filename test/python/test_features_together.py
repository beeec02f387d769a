"""Loops as ops, Python's control flow, complex numbers, linear algebra: inside each other."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy


def _complex(*shape: int) -> np.ndarray:
    random = np.random.default_rng(sum(shape))
    return random.normal(0, 1, shape) + 1j * random.normal(0, 1, shape)


def test_loops_carry_complex_numbers() -> None:
    z = _complex(5, 3)

    def run(z: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        return weft.scan(lambda total, row: (total * 1j + row, weft.conj(total)), z[0] * 0, z)

    last, rows = eager_and_jit(run, weft.asarray(z))
    total, wanted = np.zeros(3, complex), []
    for row in z:
        wanted.append(np.conj(total))
        total = total * 1j + row
    np.testing.assert_allclose(to_numpy(last), total, rtol=1e-14)
    np.testing.assert_allclose(to_numpy(rows), wanted, rtol=1e-14, atol=1e-14)


def test_gradients_go_through_loops_of_complex_numbers() -> None:
    z = _complex(4)

    def energy(z: weft.Tensor) -> weft.Tensor:
        last, _ = weft.scan(lambda total, x: (total * x + 1, total), z[0], z)
        return weft.abs(last)

    def unrolled(z: weft.Tensor) -> weft.Tensor:
        total = z[0]
        for number in range(4):
            total = total * z[number] + 1
        return weft.abs(total)

    gradient = weft.jit(weft.grad(energy))(weft.asarray(z))
    wanted = weft.grad(unrolled)(weft.asarray(z))
    np.testing.assert_allclose(to_numpy(gradient), to_numpy(wanted), rtol=1e-13)


def test_power_iteration_in_a_while_loop() -> None:
    x = _complex(6, 6)
    hermitian = x @ x.conj().T

    def largest(a: weft.Tensor) -> weft.Tensor:
        def step(state: tuple) -> tuple:
            count, vector, _ = state
            following = a @ vector
            length = weft.linalg.vector_norm(following)
            return count + 1, following / length, length

        start = weft.ones(6, dtype="complex128")
        return weft.while_loop(
            lambda state: state[0] < 500, step, (0, start, weft.zeros((), dtype="float64"))
        )[2]

    value = eager_and_jit(largest, weft.asarray(hermitian))
    np.testing.assert_allclose(to_numpy(value), np.linalg.eigvalsh(hermitian)[-1], rtol=1e-9)


def test_decompositions_in_branches_that_python_chooses() -> None:
    @weft.jit
    def solve(a: weft.Tensor, b: weft.Tensor) -> weft.Tensor:
        if weft.linalg.det(a) == 0:
            return weft.linalg.pinv(a) @ b
        return weft.linalg.solve(a, b)

    good, singular = np.array([[2.0, 1.0], [1.0, 3.0]]), np.ones((2, 2))
    b = np.array([[1.0], [3.0]])
    for _ in range(2):
        for a in (good, singular):
            result = to_numpy(solve(weft.asarray(a), weft.asarray(b)))
            np.testing.assert_allclose(result, np.linalg.pinv(a) @ b, atol=1e-12)


def test_a_loop_as_an_op_behind_a_question() -> None:
    @weft.jit
    def run(x: weft.Tensor) -> weft.Tensor:
        if x.sum() > 0:
            x = weft.fori_loop(0, 3, lambda i, x: x * 2 + i, x)
        return weft.cond(x[0] > 1, lambda x: x - 1, lambda x: x + 1, x)

    for values in ([1.0, 2.0], [-1.0, -2.0], [0.25, -0.125]):
        x = np.array(values)
        wanted = x
        if x.sum() > 0:
            for i in range(3):
                wanted = wanted * 2 + i
        wanted = wanted - 1 if wanted[0] > 1 else wanted + 1
        assert_same_bits(run(weft.asarray(x)), wanted)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (lambda x: x if x[0] > 0 else -x, weft.ConcretizationError, "body of a loop"),
        (lambda x: x * float(x[0]), weft.ConcretizationError, "body of a loop"),
        (lambda x: (print("step"), x)[1], weft.UnsupportedError, r"print\(\).*once"),
    ],
)
def test_questions_inside_of_loops_are_refused(body, error, message) -> None:
    function = weft.jit(lambda x: weft.fori_loop(0, 3, lambda i, x: body(x), x))
    with pytest.raises(error, match=message):
        function(weft.ones(2))


def test_vmap_of_transforms_in_a_loop() -> None:
    x = _complex(3, 8)

    def smoothed(x: weft.Tensor) -> weft.Tensor:
        return weft.fori_loop(0, 2, lambda i, x: weft.fft.ifft(weft.fft.fft(x) * 0.5), x)

    result = weft.jit(weft.vmap(smoothed))(weft.asarray(x))
    np.testing.assert_allclose(to_numpy(result), x / 4, rtol=1e-13, atol=1e-14)
