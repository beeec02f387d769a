"""Random tensors.

All numbers come from counter-based bits of a key; the global generator's key is a tensor, so that
compiled functions draw new numbers at each call. Where a key is given, the numbers are on its
device, else on ``device`` (None: the CPU), or where the compiled function runs.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence

import numpy as np

from . import _batching, _core
from ._autodiff import no_grad
from ._core import Tensor
from ._creation import _fail, _shape, _size, asarray
from ._devices import Device, as_device
from ._dtypes import as_dtype, finfo, float32, float64, iinfo, int32, int64
from ._errors import DTypeError, OptionError, OutOfRangeError, ShapeError
from ._manipulation import astype
from ._sorting import argsort

Shape = int | Sequence[int]

__all__ = [
    "bernoulli",
    "key",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "seed",
    "uniform",
]


#: Added to a key: the key that is given away is of another stream.
_SECOND_WORD = np.array([0, 1], np.int32)


def _words(number: int) -> np.ndarray:
    try:
        number = operator.index(number)
    except TypeError:
        raise _fail(
            DTypeError, f"a seed has to be an integer, not a {type(number).__name__}"
        ) from None
    low, high = number & 0xFFFFFFFF, (number >> 32) & 0xFFFFFFFF
    return np.array([low, high], dtype=np.uint32).view(np.int32)


class _Generator:
    """The global generator: its present key is a tensor [2] of int32 on each device.

    All devices start from one seed, and so draw the same numbers.
    """

    def __init__(self, number: int) -> None:
        self.start = _words(number)
        self.state: Tensor = asarray(self.start, copy=True)
        self.states: dict[Device, Tensor] = {self.state.device: self.state}
        _core.register_generator(self.state, self.state_on)

    def state_on(self, device: Device) -> Tensor:
        """The state on a device, which it gets when it first draws."""
        if device not in self.states:
            self.states[device] = _core.tensor_on(device, asarray(self.start, copy=True))
        return self.states[device]

    def seed(self, number: int) -> None:
        self.start = _words(number)
        self.state.assign(asarray(self.start))
        # Compiled functions hold on to these tensors: they are given new values, in no trace.
        for device, state in [] if _core.is_tracing() else self.states.items():
            state.assign(asarray(self.start, device=device))


def _second_stream(device: Device) -> Tensor:
    if _core.is_tracing():
        return asarray(_SECOND_WORD)
    if device not in _second_streams:
        _second_streams[device] = asarray(_SECOND_WORD, device=device)
    return _second_streams[device]


_second_streams: dict[Device, Tensor] = {}
_generator = _Generator(int.from_bytes(os.urandom(4), "little"))


def seed(number: int) -> None:
    """Starts the global generator anew, on all devices: the same seed gives the same numbers."""
    _generator.seed(number)


def key(number: int, *, device: object = None) -> Tensor:
    """A key for the functions here that take one: two int32 made of a seed."""
    return asarray(_words(number), device=device)


@no_grad()
def _next_key(device: object = None) -> Tensor:
    """The generator's key, which it then leaves behind.

    A function being compiled draws from the generator of the device that it turns out to be for.
    """
    _batching.check_randomness()
    tracing = device is None or _core.is_tracing()
    state = _generator.state if tracing else _generator.state_on(as_device(device))
    current = state.detach().clone()
    state.assign(_bits(current, (2,), int32))
    return _bits(current + _second_stream(state.device), (2,), int32)


def _bits(key: Tensor, shape: tuple[int, ...], dtype: object) -> Tensor:
    return _core.apply("weft.random_bits", (key,), None, shape, as_dtype(dtype))


def _unit(key: Tensor, shape: tuple[int, ...], dtype: object) -> Tensor:
    """Uniform in [0, 1): multiples of 2**-n, with n the digits of the dtype's numbers below 1."""
    wanted = as_dtype(dtype)
    if wanted.kind != "floating":
        raise _fail(DTypeError, f"random numbers need a floating dtype, not {wanted.name}")
    digits = 1 - round(math.log2(finfo(wanted).eps))
    if wanted is float64:
        bits = _bits(key, shape, int64)
        return astype((bits >> (64 - digits)) & ((1 << digits) - 1), float64) * 2.0**-digits
    bits = _bits(key, shape, int32)
    whole = astype((bits >> (32 - digits)) & ((1 << digits) - 1), float32)
    return astype(whole * 2.0**-digits, wanted)


def uniform(
    shape: Shape = (),
    low: float = 0.0,
    high: float = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = float32,
    device: object = None,
) -> Tensor:
    """Numbers uniform in [low, high).

    Raises:
        DTypeError: the dtype is not floating. OutOfRangeError: high - low is beyond it.
    """
    from ._ops import where

    wanted = as_dtype(dtype)
    known = wanted.kind == "floating" and not any(isinstance(x, Tensor) for x in (low, high))
    if known and not abs(high - low) <= finfo(wanted).max:
        raise _fail(
            OutOfRangeError,
            f"uniform: from {low} to {high} is further than the largest {wanted.name}",
        )
    values = _unit(_next_key(device) if key is None else key, _shape(shape), wanted)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return values * (high - low) + low
    if (low, high) == (0.0, 1.0):
        return values
    scaled = values * (high - low) + low
    # The sum may be rounded up to the bound, which is left out.
    return where(scaled < high, scaled, low) if low < high else scaled


def normal(
    shape: Shape = (),
    mean: float = 0.0,
    std: float = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = float32,
    device: object = None,
) -> Tensor:
    """Normally distributed numbers (Box and Muller, 1958)."""
    from ._ops import cos, log, sqrt

    wanted, wide = as_dtype(dtype), float64 if as_dtype(dtype) is float64 else float32
    pairs = _unit(_next_key(device) if key is None else key, (2, *_shape(shape)), wide)
    radius = sqrt(log(1.0 - pairs[0]) * -2.0)
    values = radius * cos(pairs[1] * (2.0 * math.pi))
    if (mean, std) != (0.0, 1.0):
        values = values * std + mean
    return astype(values, wanted)


def randint(
    low: int,
    high: int | None = None,
    shape: Shape = (),
    *,
    key: Tensor | None = None,
    dtype: object = int64,
    device: object = None,
) -> Tensor:
    """Integers in [low, high); with one bound in [0, low).

    Raises:
        ShapeError: the range is empty. OutOfRangeError: the dtype can't hold all of it.
    """
    if high is None:
        low, high = 0, low
    low, high, wanted = _size(low, "randint: low"), _size(high, "randint: high"), as_dtype(dtype)
    if high <= low:
        raise _fail(ShapeError, f"randint: the range [{low}, {high}) is empty")
    limits = iinfo(wanted if wanted.kind == "integer" else int64)
    if low < limits.min or high - 1 > limits.max or high - low >= 1 << 62:
        raise _fail(
            OutOfRangeError, f"randint: the range [{low}, {high}) does not fit into {wanted.name}"
        )
    bits = _bits(_next_key(device) if key is None else key, _shape(shape), int64)
    return astype(((bits >> 1) & ((1 << 62) - 1)) % (high - low) + low, wanted)


def bernoulli(
    probability: float,
    shape: Shape = (),
    *,
    key: Tensor | None = None,
    device: object = None,
) -> Tensor:
    """True with the probability given, else False.

    Raises:
        OptionError: it is not in [0, 1].
    """
    if isinstance(probability, (int, float)) and not 0 <= probability <= 1:
        raise _fail(
            OptionError, f"bernoulli: the probability has to be in [0, 1], not {probability}"
        )
    return _unit(_next_key(device) if key is None else key, _shape(shape), float32) < probability


def permutation(count: int, *, key: Tensor | None = None, device: object = None) -> Tensor:
    """The integers below ``count`` in random order (int64): the order of as many random numbers."""
    return argsort(_bits(_next_key(device) if key is None else key, (count,), int64))


def rand(*shape: int | Sequence[int], dtype: object = float32, device: object = None) -> Tensor:
    """`uniform` in [0, 1), with PyTorch's arguments."""
    return uniform(_shape(shape), dtype=dtype, device=device)


def randn(*shape: int | Sequence[int], dtype: object = float32, device: object = None) -> Tensor:
    """`normal`, with PyTorch's arguments."""
    return normal(_shape(shape), dtype=dtype, device=device)
