"""weft.fft against NumPy's transforms, in float64, and gradients against PyTorch's."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, to_numpy

DTYPES = ["float32", "float64", "complex64", "complex128"]
NORMS = ["backward", "ortho", "forward"]
OF_REAL = ("rfft", "ihfft", "rfftn", "ihfftn")


def _numbers(name: object, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32(f"{name} {shape}".encode()))
    x = random.normal(0, 1, shape)
    return (x + 1j * random.normal(0, 1, shape) if "complex" in dtype else x).astype(dtype)


def _assert_near(actual: Any, wanted: np.ndarray, dtype: str, size: int) -> None:
    """Errors grow with the logarithm of the size, relative to the norm of all sums."""
    array = to_numpy(actual)
    assert array.shape == wanted.shape
    unit = UNIT_ROUNDOFF[str(np.empty(0, dtype).real.dtype)]
    assert array.real.dtype == np.empty(0, dtype).real.dtype
    norm = float(np.sqrt((np.abs(wanted) ** 2).sum()))
    assert np.abs(array - wanted).max(initial=0) <= 16 * np.log2(size + 2) * unit * max(norm, 1e-30)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_along_an_axis(name: str, dtype: str) -> None:
    if name in OF_REAL and "complex" in dtype:
        pytest.skip("of real numbers alone")
    ours, theirs = getattr(weft.fft, name), getattr(np.fft, name)
    for shape, axis, n in [
        ((8,), -1, None),
        ((7,), 0, None),
        ((2,), 0, None),
        ((3, 13), 1, None),
        ((12, 2), 0, 9),
        ((2, 5, 3), 1, 16),
        ((4, 101), -1, 101),
    ]:
        x = _numbers(name, shape, dtype)
        for norm in NORMS if len(shape) == 1 else NORMS[:1]:
            wanted = theirs(x.astype(np.result_type(x, np.float64)), n=n, axis=axis, norm=norm)
            result = eager_and_jit(
                lambda x, a=axis, n=n, o=norm: ours(x, n=n, axis=a, norm=o), weft.asarray(x)
            )
            _assert_near(result, wanted, dtype, n or max(shape))


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_along_several_axes(name: str, dtype: str) -> None:
    if name in OF_REAL and "complex" in dtype:
        pytest.skip("of real numbers alone")
    ours, theirs = getattr(weft.fft, name), getattr(np.fft, name)
    x = _numbers(name, (4, 5, 6), dtype)
    wide = x.astype(np.result_type(x, np.float64))
    for s, axes in [(None, None), (None, (0, 2)), ((3, 8), (1, 0)), ((4, 5, 7), (0, 1, 2))]:
        wanted = theirs(wide, s=s, axes=axes)
        result = eager_and_jit(lambda x, s=s, a=axes: ours(x, s=s, axes=a), weft.asarray(x))
        _assert_near(result, wanted, dtype, x.size)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", ["float64", "complex64"])
@pytest.mark.parametrize("name", ["hfftn", "ihfftn"])
def test_half_a_signal_along_several_axes(name: str, dtype: str, norm: str) -> None:
    if name in OF_REAL and "complex" in dtype:
        pytest.skip("of real numbers alone")
    ours, theirs = getattr(weft.fft, name), getattr(torch.fft, name)
    x = _numbers(name, (4, 1, 6), dtype)
    wide = torch.tensor(x.astype(np.result_type(x, np.float64)))
    for s, axes in [(None, None), (None, (0, 2)), ((3, 8), (1, 0)), ((4, 5, 7), (0, 1, 2))]:
        wanted = theirs(wide, s=s, dim=axes, norm=norm).resolve_conj().numpy()
        result = eager_and_jit(
            lambda x, s=s, a=axes: ours(x, s=s, axes=a, norm=norm), weft.asarray(x)
        )
        _assert_near(result, wanted, dtype, x.size)
    pair = getattr(weft.fft, name.replace("fftn", "fft2"))
    assert_same_bits(
        pair(weft.asarray(x), norm=norm), ours(weft.asarray(x), axes=(1, 2), norm=norm)
    )


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies_and_shifts(n: int) -> None:
    for d in (1.0, 0.25):
        for dtype in ("float32", "float64"):
            assert_same_bits(
                weft.fft.fftfreq(n, d=d, dtype=dtype), np.fft.fftfreq(n, d).astype(dtype)
            )
            wanted = np.fft.rfftfreq(n, d).astype(dtype)
            assert_same_bits(weft.fft.rfftfreq(n, d=d, dtype=dtype), wanted)
    x = _numbers("shift", (n, 3), "float64")
    for name, axes in itertools.product(("fftshift", "ifftshift"), (None, 0, (0, 1))):
        result = eager_and_jit(
            lambda x, f=name, a=axes: getattr(weft.fft, f)(x, axes=a), weft.asarray(x)
        )
        assert_same_bits(result, getattr(np.fft, name)(x, axes=axes))


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "fftn", "hfftn", "ihfftn"])
def test_gradients_are_those_of_pytorch(name: str) -> None:
    dtype = "float64" if name in OF_REAL else "complex128"
    x = _numbers(name, (3, 6), dtype)
    leaf = torch.tensor(x, requires_grad=True)
    expected = getattr(torch.fft, name)(leaf)
    weights = _numbers("weights", tuple(expected.shape), str(expected.dtype).removeprefix("torch."))
    (expected * torch.tensor(weights)).real.sum().backward()

    def step(x: weft.Tensor) -> weft.Tensor:
        mine = x.clone().detach()
        mine.requires_grad = True
        weft.real(getattr(weft.fft, name)(mine) * weft.asarray(weights)).sum().backward()
        return mine.grad

    gradient = eager_and_jit(step, weft.asarray(x))
    np.testing.assert_allclose(
        to_numpy(gradient), leaf.grad.resolve_conj().numpy(), rtol=1e-12, atol=1e-12
    )


def test_transformations_compose() -> None:
    x = weft.asarray(_numbers("vmap", (4, 3, 8), "complex128"))
    mapped = eager_and_jit(weft.vmap(weft.vmap(weft.fft.fft)), x)
    assert_same_bits(mapped, weft.fft.fft(x))
    back = weft.fft.ifft(weft.fft.fft(x))
    np.testing.assert_allclose(to_numpy(back), to_numpy(x), atol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: weft.fft.fft(weft.ones(4), n=0), weft.ShapeError, "fft.*0 elements"),
        (lambda: weft.fft.fft(weft.ones(4), norm="half"), weft.OptionError, "norm is 'half'"),
        (lambda: weft.fft.fft(weft.ones(4), axis=1), weft.OutOfBoundsError, "axis"),
        (lambda: weft.fft.rfft(weft.ones(4) * 1j), weft.DTypeError, "rfft.*real"),
        (lambda: weft.fft.fft(weft.ones(4).half()), weft.DTypeError, "float16"),
        (lambda: weft.fft.fftn(weft.ones((2, 2)), s=(2,), axes=(0, 1)), weft.ShapeError, "sizes"),
        (lambda: weft.fft.fftfreq(0), weft.ShapeError, "positive"),
    ],
)
def test_errors_name_what_is_wrong(call: Callable, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
