"""Keys of random numbers, and the global generator, whose key is a tensor."""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _batching, _core
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, _shape, asarray
from .._devices import Device, as_device
from .._dtypes import as_dtype, int32
from .._errors import DTypeError, ShapeError
from .._manipulation import astype, stack

#: Added to a key: the key that is given away is of another stream.
_SECOND_WORD = np.array([0, 1], np.int32)

#: What keys are changed by before keys are made of them, so that no draw has the same bits: the
#: digits of pi and of e.
_SPLIT = np.array([0x243F6A88, 0x05A308D3], np.int32)
_FOLD = np.array([0x2B7E1516, 0x28AED2A6], np.int32)


def _words(number: Any) -> np.ndarray:
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
        self.number = number
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
        self.number = operator.index(number)
        self.state.assign(asarray(self.start))
        # Compiled functions hold on to these tensors: they are given new values, in no trace.
        for device, state in [] if _core.is_tracing() else self.states.items():
            state.assign(asarray(self.start, device=device))


def _constant(words: np.ndarray, device: Device) -> Tensor:
    if _core.is_tracing():
        return asarray(words)
    place = (words.tobytes(), device)
    if place not in _constants:
        _constants[place] = asarray(words, device=device)
    return _constants[place]


#: The constants of this module on each device.
_constants: dict[tuple[bytes, Device], Tensor] = {}
_generator = _Generator(int.from_bytes(os.urandom(4), "little"))


def generator_state() -> Tensor:
    """The state that the trace in progress draws from."""
    return _generator.state


def initial_seed() -> int:
    """The number that the global generator was started with."""
    return _generator.number


@no_grad()
def get_rng_state() -> Tensor:
    """The state of the global generator of the host: int32 [2], for `set_rng_state`."""
    return _generator.state.detach().clone()


@no_grad()
def set_rng_state(new_state: Tensor) -> None:
    """Has the global generator of the host go on from a state of `get_rng_state`.

    Raises:
        DTypeError, ShapeError: it is no such state.
    """
    _generator.state.assign(checked(new_state, "set_rng_state"))


@contextlib.contextmanager
def fork_rng(devices: object = None, enabled: bool = True) -> Iterator[None]:
    """A context at whose end the global generator is where it was at its start, on all devices.

    Args:
        devices: changes nothing. enabled: whether the generator is put back.
    """
    if not enabled:
        yield
        return
    with no_grad():
        former = {device: state.detach().clone() for device, state in _generator.states.items()}
    start, number = _generator.start, _generator.number
    try:
        yield
    finally:
        _generator.start, _generator.number = start, number
        with no_grad():
            for device, state in _generator.states.items():
                state.assign(former.get(device, asarray(start, device=device)))


def seed(number: int) -> None:
    """Starts the global generator anew, on all devices: the same seed gives the same numbers."""
    _generator.seed(number)


def key(number: int, *, device: object = None) -> Tensor:
    """A key for the functions here that take one: two int32 made of a seed."""
    return asarray(_words(number), device=device)


@no_grad()
def next_key(device: object = None) -> Tensor:
    """The generator's key, which it then leaves behind.

    A function being compiled draws from the generator of the device that it turns out to be for;
    under `vmap` it says which examples get the same.
    """
    tracing = device is None or _core.is_tracing()
    state = _generator.state if tracing else _generator.state_on(as_device(device))
    current = state.detach().clone()
    state.assign(bits(current, (2,), int32))
    drawn = bits(current + _constant(_SECOND_WORD, state.device), (2,), int32)
    return _batching.keys_of_examples(drawn, split)


def bits(key: Tensor, shape: tuple[int, ...], dtype: object) -> Tensor:
    """Random bits of a key: int32 or int64."""
    return _core.apply("weft.random_bits", (key,), None, shape, as_dtype(dtype))


def checked(key: Any, name: str) -> Tensor:
    """A user's key. Raises DTypeError or ShapeError for what is none."""
    if not isinstance(key, Tensor) or key.dtype is not int32:
        what = key.dtype.name if isinstance(key, Tensor) else type(key).__name__
        raise _fail(DTypeError, f"{name}: a key is two int32 of weft.random.key, not {what}")
    if key.shape != (2,):
        raise _fail(
            ShapeError,
            f"{name}: a key has shape (2,), not {key.shape}; of many keys take one at a time, or "
            "use weft.vmap",
        )
    return key


def split(key: Tensor, num: int | tuple[int, ...] = 2) -> Tensor:
    """New keys made of one: int32 [num, 2], or [*num, 2].

    Each is as good as a key of its own; numbers drawn of the old key are no part of them. The same
    key always gives the same keys, and the first of more are not those of fewer by chance: they
    are the same.

    Raises:
        DTypeError, ShapeError: ``key`` is no key.
    """
    key = checked(key, "split")
    return bits(key ^ _constant(_SPLIT, key.device), (*_shape(num), 2), int32)


def fold_in(key: Tensor, data: int | Tensor) -> Tensor:
    """A new key made of a key and a number, as the number of a step or a layer.

    Args:
        key: int32 [2].
        data: an integer, of which 64 bits count, or a 0-d tensor of integers.

    Raises:
        DTypeError, ShapeError: ``key`` is no key, or ``data`` no single integer.
    """
    key = checked(key, "fold_in")
    mixed = bits(key ^ _constant(_FOLD, key.device), (2,), int32)
    if not isinstance(data, Tensor):
        return bits(mixed ^ asarray(_words(data), device=key.device), (2,), int32)
    if data.ndim or data.dtype.kind != "integer":
        raise _fail(
            ShapeError if data.ndim else DTypeError,
            f"fold_in: data has to be one integer, not {data.dtype.name} of shape {data.shape}",
        )
    wide = astype(data, "int64")
    words = stack([astype(wide, int32), astype(wide >> 32, int32)])
    return bits(mixed ^ words, (2,), int32)
