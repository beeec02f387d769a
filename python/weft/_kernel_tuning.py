"""Choosing among the constants of a kernel by measuring."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _core
from ._creation import _fail
from ._errors import OptionError, UnsupportedError
from ._kernels import Kernel, device_of

# Choices that are kept; the oldest goes first.
_MOST_CHOICES = 1024
_RUNS = 3


class TunedKernel:
    """A kernel whose constants were, or will be, chosen by measuring; made by `weft.autotune`."""

    def __init__(
        self, kernel: Kernel, configs: Sequence[Mapping[str, Any]], key: Sequence[str]
    ) -> None:
        if not isinstance(kernel, Kernel):
            raise _fail(OptionError, f"autotune: takes a kernel, not a {type(kernel).__name__}")
        self._kernel = kernel
        self._configs = [dict(config) for config in configs]
        self._key = tuple(key)
        self._choices: dict[tuple, int] = {}
        names = {name for config in self._configs for name in config}
        wrong = sorted(names - kernel._constant_names)
        if not self._configs or wrong:
            what = f"{wrong[0]} is none of its constants" if wrong else "there are no configs"
            raise _fail(OptionError, f"autotune: of kernel {kernel._name} {what}")
        unknown = sorted(set(self._key) - set(kernel._call_signature.parameters))
        if unknown:
            raise _fail(OptionError, f"autotune: kernel {kernel._name} has no {unknown[0]}")
        self.__doc__ = kernel.__doc__

    @property
    def choices(self) -> list[tuple[tuple, dict[str, Any]]]:
        """What was measured for, and what was chosen."""
        return [(place, dict(self._configs[n])) for place, n in self._choices.items()]

    def __getitem__(self, grid: Any) -> Callable:
        return functools.partial(self._call, grid)

    def _call(self, grid: Any, /, *args: Any, **kwargs: Any) -> Any:
        place = self._place(args, kwargs)
        choice = self._choices.get(place)
        if choice is None:
            note = self._note_name(place)
            choice = self._noted(note)
            if choice is None and not _core.is_tracing():
                choice = self._fastest(grid, args, kwargs)
                if note:
                    _core.store_note(note, json.dumps(choice))
            if choice is not None:
                self._keep(place, choice)
        return self._kernel[grid](*args, **kwargs, **self._configs[choice or 0])

    def _keep(self, place: tuple, choice: int) -> None:
        if len(self._choices) >= _MOST_CHOICES:
            del self._choices[next(iter(self._choices))]
        self._choices[place] = choice

    def _note_name(self, place: tuple) -> str:
        """The name of the choice in the folder of kernels, which tells processors and compilers
        apart itself; empty if it depends on what has no text."""
        if _device_in(place) != "cpu":
            return ""
        constants = [self._configs, place]
        if not _is_plain(constants):
            return ""
        text = repr([self._kernel._texts(), constants, _core.thread_count()])
        return "chosen_" + hashlib.sha256(text.encode()).hexdigest()[:32]

    def _noted(self, name: str) -> int | None:
        """The choice of this or another process; whatever else is in the folder is none."""
        text = _core.find_note(name) if name else None
        try:
            choice = json.loads(text or b"null")
        except ValueError:
            return None
        is_choice = type(choice) is int and 0 <= choice < len(self._configs)
        return choice if is_choice else None

    def _place(self, args: tuple, kwargs: dict) -> tuple:
        """What a choice is made for: dtypes and shapes of tensors, the values of the key, and the
        constants that no config has."""
        arguments = self._kernel._bound(args, {**kwargs, **self._configs[0]})
        device = device_of(arguments)
        place: list[Any] = []
        for name, value in arguments.items():
            if name in self._kernel._constant_names:
                if name not in self._configs[0]:
                    place.append((name, value))
            elif getattr(value, "shape", ()):
                place.append((name, str(value.dtype), tuple(value.shape)))
            elif name in self._key:
                place.append(
                    (name, value if isinstance(value, (bool, int, float)) else float(value))
                )
        place.append(("device", "cpu" if device is None else str(device)))
        return tuple(place)

    def _fastest(self, grid: Any, args: tuple, kwargs: dict) -> int:
        times: list[tuple[float, int]] = []
        refused: Exception | None = None
        for number, config in enumerate(self._configs):
            try:
                self._kernel[grid](*args, **kwargs, **config)
            except UnsupportedError as error:
                refused = error
                continue
            for _ in range(_RUNS):
                start = time.perf_counter()
                _wait(self._kernel[grid](*args, **kwargs, **config))
                times.append((time.perf_counter() - start, number))
        if not times and refused:
            raise refused
        return min(times)[1]


def _device_in(place: tuple) -> str:
    _, device = place[-1]
    return device


def _wait(results: Any) -> None:
    """Until a device is done, which a call does not wait for."""
    first = results[0] if isinstance(results, tuple) else results
    first.device.synchronize()


def _is_plain(value: Any) -> bool:
    """Whether a value's text says all of it, in each process."""
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def autotune(
    configs: Sequence[Mapping[str, Any]], key: Sequence[str] = ()
) -> Callable[[Kernel], TunedKernel]:
    """Chooses the constants of a kernel by measuring; a decorator above `weft.kernel`.

    The first call for other dtypes and shapes of the tensors, or other values of ``key``, runs the
    kernel with each of the configs, and keeps the fastest: in this process, and in the folder of
    compiled kernels (WEFT_CACHE_DIR) for others with the same processor, compiler, number of
    threads, source and configs. A file there that is damaged counts as none. A config that is
    refused, as its blocks are too large, is left out. Where a function is traced nothing can be
    measured: a call there takes what was chosen before, or else the first config. Blocks of other
    sizes may add up in another order, so that results may differ by rounding.

    Args:
        configs: dicts of values of parameters that are marked `weft.constexpr`, the same for each.
        key: names of numbers among the parameters that a choice depends on.

    Returns:
        A decorator; what it makes is called as the kernel is, without these constants.

    Raises:
        OptionError: there are no configs, or a name is none of the kernel's.
    """
    return lambda kernel: TunedKernel(kernel, configs, key)
