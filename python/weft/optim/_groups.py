"""Groups of parameters, and their options, of which some are in tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from .._autodiff import no_grad
from .._core import Tensor, as_number, is_tracing
from .._creation import _fail, asarray, full
from .._devices import Device
from .._dtypes import float64
from .._errors import OptionError, UnsupportedError


def number_tensor(value: Any, device: Device | None) -> Tensor:
    """A 0-d float64 tensor of its own that holds a number."""
    with no_grad():
        return asarray(value, dtype=float64, device=device, copy=True).detach()


def put_number(tensor: Tensor, value: Any) -> None:
    """Gives a 0-d float64 tensor the value of a number, or of another one."""
    with no_grad():
        if not isinstance(value, Tensor):
            value = full((), float(value), dtype=float64, device=tensor.device)
        tensor.assign(value)


def _number_in(tensor: Tensor) -> Any:
    return as_number(tensor) if is_tracing() else tensor.item()


class ParameterGroup(MutableMapping[str, Any]):
    """The options of some parameters: ``group["lr"]`` and so on, and ``group["params"]``.

    Options that move, as the learning rate does, read as floats, in a function being compiled as
    0-d tensors whose dtype gives way to that of others, as a float's does; setting one changes what
    that tensor reads, so that nothing is traced anew.
    """

    __weft_state__ = True
    #: Called when an option changes; apart from what compiled functions look at.
    __slots__ = ("__dict__", "changed")

    def __init__(
        self, options: Mapping[str, Any], moving: frozenset[str] = frozenset({"lr"})
    ) -> None:
        self._values: dict[str, Any] = {}
        #: The options whose numbers are in tensors.
        self._moving = moving
        self.changed: Callable[[], None] | None = None
        # Of the first parameter: what is kept in tensors is where they are.
        self._device = next((parameter.device for parameter in options.get("params", ())), None)
        for name, value in options.items():
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        if name not in self._moving:
            return value
        return tuple(map(_number_in, value)) if isinstance(value, tuple) else _number_in(value)

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self._moving:
            self._put(name, value)
        else:
            self._values[name] = value
            if self.changed is not None:
                self.changed()

    def _put(self, name: str, value: Any) -> None:
        tensors, device = self._values.get(name), self._device
        if isinstance(value, (tuple, list)):
            if tensors is None:
                self._values[name] = tuple(number_tensor(number, device) for number in value)
                return
            for tensor, number in zip(tensors, value, strict=True):
                put_number(tensor, number)
        elif tensors is None:
            self._values[name] = number_tensor(value, device)
        else:
            put_number(tensors, value)

    def let_move(self, name: str) -> None:
        """Keeps the option's numbers in tensors from now on: schedules change them at each step."""
        if name not in self._moving:
            value = self._values.pop(name)
            self._moving |= {name}
            # The parameters may have been moved since.
            self._device = self._values["lr"].device
            self._put(name, value)

    def moves(self, name: str) -> bool:
        """Whether the option's numbers are in tensors."""
        return name in self._moving

    def uses(self, name: str) -> bool:
        """Whether the option is not zero, or may become so without a new trace."""
        return name in self._moving or self._values[name] != 0

    def replaced(self, options: Mapping[str, Any]) -> ParameterGroup:
        """The same parameters with other options."""
        kept = {"params": self._values["params"]}
        return ParameterGroup({**self, **options, **kept}, self._moving)

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def tensor(self, name: str) -> Tensor:
        """The 0-d float64 tensor of an option that is kept in one."""
        return self._values[name]

    def tensors(self) -> list[Tensor]:
        """The tensors of all options that are kept in such."""
        return [
            tensor
            for name, value in self._values.items()
            if name in self._moving
            for tensor in (value if isinstance(value, tuple) else (value,))
        ]

    def __repr__(self) -> str:
        return repr(dict(self))


def check_option(optimizer: object, name: str, value: float, below: float = math.inf) -> None:
    """Raises OptionError, naming the option, unless 0 <= value < below."""
    if isinstance(value, Tensor):
        return
    if not (isinstance(value, (int, float)) and 0.0 <= value < below):
        limit = "" if below == math.inf else f" and less than {below:g}"
        raise _fail(
            OptionError,
            f"{type(optimizer).__name__}: {name} has to be at least 0{limit}, not {value!r}",
        )


def check_execution(optimizer: object, group: Mapping[str, Any]) -> None:
    """Looks at the options that say how steps run: foreach, fused, capturable and differentiable.

    No result depends on the first three: a compiled function is one program in any case.

    Raises:
        OptionError: there is to be one call for each group and one for each parameter.
        UnsupportedError: gradients are to be computed through the steps.
    """
    name = type(optimizer).__name__
    if group.get("foreach") and group.get("fused"):
        raise _fail(OptionError, f"{name}: fused and foreach cannot both be True")
    if group.get("differentiable"):
        raise _fail(
            UnsupportedError,
            f"{name}: differentiable=True: steps change parameters in place, which no gradient "
            "passes; compute the new parameters from the old ones and weft.grad of the loss",
        )
