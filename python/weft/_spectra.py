"""Windows of signal processing, and transforms of a signal's frames by time and frequency."""

from __future__ import annotations

import math
from typing import Any

from . import _core, _ops, fft
from ._complex import conj
from ._core import Tensor
from ._creation import _fail, _leaf, _number, _size, arange, asarray, full, ones, zeros
from ._dtypes import as_dtype, float32, float64, int64, part_dtype
from ._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from ._manipulation import astype, moveaxis, narrow, pad, reshape, take
from ._padding import pad as _padded
from ._reductions import all as _all
from .special import i0e

__all__ = [
    "bartlett_window",
    "blackman_window",
    "hamming_window",
    "hann_window",
    "istft",
    "kaiser_window",
    "stft",
]


def _as_window(values: Tensor, dtype: object, device: object, requires_grad: bool) -> Tensor:
    """The window in its dtype, which has to be floating."""
    wanted = as_dtype(float32 if dtype is None else dtype)
    if wanted.kind != "floating":
        raise _fail(DTypeError, f"a window has a floating dtype, not {wanted.name}")
    return _leaf(asarray(astype(values, wanted), device=device), requires_grad)


def _angles(window_length: int, periodic: bool, name: str) -> Tensor:
    """2 pi n / N of each place n, of float64: N is one less than the length if not periodic."""
    length = _size(window_length, f"{name}: window_length")
    if length < 0:
        raise _fail(ShapeError, f"{name}: window_length is {length}, but must not be negative")
    steps = max(length if periodic else length - 1, 1)
    return arange(length, dtype=float64) * (2 * math.pi / steps)


def _cosines(
    name: str, coefficients: tuple[float, ...], window_length: int, periodic: bool
) -> Tensor:
    """The sum of coefficients times cosines of multiples of the angle; 1 of one place."""
    angles = _angles(window_length, periodic, name)
    if angles.shape[0] == 1:
        return ones(1, dtype=float64)
    result = _ops.cos(angles) * coefficients[1] + coefficients[0]
    for k, weight in enumerate(coefficients[2:], 2):
        result = result + _ops.cos(angles * k) * weight
    return result


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: object = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Hann's window, (1 - cos(2 pi n / N)) / 2: [window_length].

    Args:
        window_length: how many places there are.
        periodic: N is the length, so that windows follow each other; else one less.
        dtype: floating; None: float32.

    Raises:
        ShapeError: the length is negative. DTypeError: the dtype is not floating.
    """
    values = _cosines("hann_window", (0.5, -0.5), window_length, periodic)
    return _as_window(values, dtype, device, requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: object = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Hamming's window, alpha - beta cos(2 pi n / N): [window_length]; as `hann_window`."""
    values = _cosines("hamming_window", (alpha, -beta), window_length, periodic)
    return _as_window(values, dtype, device, requires_grad)


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: object = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Blackman's window, 0.42 - cos(2 pi n / N) / 2 + 0.08 cos(4 pi n / N); as `hann_window`."""
    values = _cosines("blackman_window", (0.42, -0.5, 0.08), window_length, periodic)
    return _as_window(values, dtype, device, requires_grad)


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: object = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Bartlett's window, a triangle that is 0 at its first place; as `hann_window`."""
    share = _angles(window_length, periodic, "bartlett_window") / math.pi
    values = (
        _ops.subtract(1, _ops.abs(share - 1)) if share.shape[0] != 1 else ones(1, dtype=float64)
    )
    return _as_window(values, dtype, device, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: object = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Kaiser's window, I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta); as `hann_window`."""
    share = _angles(window_length, periodic, "kaiser_window") / math.pi - 1
    size = abs(_number(beta, "kaiser_window: beta"))
    height = _ops.sqrt(_ops.maximum(1 - share * share, 0)) * size
    values = i0e(height) / i0e(asarray(size, dtype=float64)) * _ops.exp(height - size)
    if values.shape[0] == 1:
        values = ones(1, dtype=float64)
    return _as_window(values, dtype, device, requires_grad)


def _checked_window(
    name: str, window: Tensor | None, win_length: int, n_fft: int, like: Tensor
) -> Tensor:
    """The window between zeros, as long as a frame."""
    if not 0 < win_length <= n_fft:
        raise _fail(
            ShapeError, f"{name}: win_length is {win_length}, but has to be in [1, {n_fft}]"
        )
    if window is None:
        window = full(win_length, 1, dtype=part_dtype(like.dtype), device=like.device)
    if window.shape != (win_length,):
        raise _fail(ShapeError, f"{name}: the window has shape {window.shape}, not ({win_length},)")
    before = (n_fft - win_length) // 2
    return pad(window, [(before, n_fft - win_length - before)])


def _lengths(
    name: str, n_fft: int, hop_length: int | None, win_length: int | None
) -> tuple[int, int, int]:
    n_fft = _size(n_fft, f"{name}: n_fft")
    hop = n_fft // 4 if hop_length is None else _size(hop_length, f"{name}: hop_length")
    width = n_fft if win_length is None else _size(win_length, f"{name}: win_length")
    if n_fft < 1 or hop < 1:
        raise _fail(
            ShapeError, f"{name}: n_fft is {n_fft} and hop_length {hop}; both have to be positive"
        )
    return n_fft, hop, width


def _starts(frames: int, hop: int, n_fft: int, device: object) -> Tensor:
    """The places of each frame in the signal: [frames, n_fft]."""
    first = reshape(arange(frames, dtype=int64, device=device) * hop, (-1, 1))
    return first + arange(n_fft, dtype=int64, device=device)


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
) -> Tensor:
    """The Fourier transforms of a signal's frames: [..., T] to [..., frequencies, frames].

    Args:
        input: real or complex, [T] or [N, T].
        n_fft: how long a frame is.
        hop_length: how far apart frames begin; None: n_fft // 4.
        win_length: the length of the window, which lies in the middle of a frame; None: n_fft.
        window: what frames are multiplied by; None: ones.
        center: frame t has place t * hop_length in its middle, and the signal is padded.
        pad_mode: how, as for `nn.functional.pad`.
        normalized: transforms are divided by sqrt(n_fft).
        onesided: with the frequencies up to n_fft // 2 alone; None: if all is real.
        return_complex: has to be True; `weft.view_as_real` gives pairs of real numbers.

    Raises:
        ShapeError: lengths do not fit. UnsupportedError: ``return_complex`` is not True.
        OptionError: of complex numbers all frequencies are needed.
    """
    x = asarray(input)
    n_fft, hop, width = _lengths("stft", n_fft, hop_length, win_length)
    if x.ndim not in (1, 2):
        raise _fail(ShapeError, f"stft: the input has shape {x.shape}, but has to be [T] or [N, T]")
    is_complex = x.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if not return_complex and not is_complex:
        raise _fail(
            UnsupportedError,
            "stft: give return_complex=True; weft.view_as_real makes pairs of the result",
        )
    onesided = not is_complex if onesided is None else onesided
    if onesided and is_complex:
        raise _fail(OptionError, "stft: onesided=True needs a real input and a real window")
    frame_window = _checked_window("stft", window, width, n_fft, x)
    if center:
        batched = reshape(x, (-1, 1, x.shape[-1]))
        batched = _padded(batched, (n_fft // 2, n_fft // 2), mode=pad_mode)
        x = reshape(batched, (*x.shape[:-1], batched.shape[-1]))
    if x.shape[-1] < n_fft:
        raise _fail(ShapeError, f"stft: {x.shape[-1]} elements are less than a frame of {n_fft}")
    frames = 1 + (x.shape[-1] - n_fft) // hop
    cut = take(x, _starts(frames, hop, n_fft, x.device), axis=-1) * frame_window
    transform = fft.rfft if onesided else fft.fft
    result = transform(cut, norm="ortho" if normalized else "backward")
    return moveaxis(result, -1, -2)


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose `stft` is closest to the input (Griffin and Lim, 1984).

    Args:
        input: complex, [frequencies, frames] or [N, frequencies, frames].
        length: that of the result; None: as far as the frames reach.
        return_complex: the result is complex, of all frequencies.
        others: those of `stft`.

    Returns:
        [T] or [N, T].

    Raises:
        ShapeError: lengths do not fit. DTypeError: the input is not complex. OptionError: windows
            leave a place of the signal unseen (traced, where no value is known, it is infinite or
            NaN), or a complex result is asked of half of the frequencies.
    """
    x = asarray(input)
    n_fft, hop, width = _lengths("istft", n_fft, hop_length, win_length)
    if not x.dtype.is_complex:
        raise _fail(DTypeError, f"istft: the input has dtype {x.dtype.name}, not a complex one")
    if x.ndim not in (2, 3) or 0 in x.shape:
        raise _fail(
            ShapeError, f"istft: the input has shape {x.shape}, not [(N,) frequencies, frames]"
        )
    onesided = x.shape[-2] != n_fft if onesided is None else onesided
    if onesided and return_complex:
        raise _fail(OptionError, "istft: a complex result needs onesided=False")
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if x.shape[-2] != wanted:
        raise _fail(ShapeError, f"istft: there are {x.shape[-2]} frequencies, not {wanted}")
    frame_window = _checked_window("istft", window, width, n_fft, x)
    norm = "ortho" if normalized else "backward"
    turned = moveaxis(x, -1, -2)
    if onesided:
        frames = fft.irfft(turned, n=n_fft, norm=norm)
    else:
        frames = fft.ifft(turned, norm=norm)
        frames = frames if return_complex else frames.real
    signal = _joined(frames * frame_window, hop)
    seen = _joined((frame_window * conj(frame_window)).real + zeros(frames.shape[-2], 1), hop)
    return _between(signal, seen, n_fft // 2 if center else 0, center, length)


def _joined(frames: Tensor, hop: int) -> Tensor:
    """The sums of frames [..., count, n] that begin ``hop`` apart: [..., T]."""
    count, n = frames.shape[-2:]
    total = n + hop * (count - 1)
    places = reshape(_starts(count, hop, n, frames.device), -1)
    flat = reshape(frames, (-1, count * n))
    start = zeros((flat.shape[0], total), dtype=frames.dtype, device=frames.device)
    return reshape(start.index_add(1, places, flat), (*frames.shape[:-2], total))


def _between(signal: Tensor, seen: Tensor, start: int, center: bool, length: int | None) -> Tensor:
    """The part of the signal that is asked for, over what the windows see of it."""
    total = signal.shape[-1]
    end = total - start if center else total
    end = end if length is None else min(start + length, total)
    kept = max(end - start, 0)
    signal, seen = narrow(signal, -1, start, kept), narrow(seen, -1, start, kept)
    if kept and not _core.is_tracing() and not bool(_all(seen > 1e-11)):
        raise _fail(OptionError, "istft: the windows leave a place of the signal unseen")
    result = signal / astype(seen, part_dtype(signal.dtype))
    missing = 0 if length is None else length - kept
    ends: list[Any] = [(0, 0)] * (result.ndim - 1) + [(0, missing)]
    return pad(result, ends) if missing > 0 else result
