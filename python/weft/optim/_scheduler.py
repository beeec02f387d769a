"""What schedules share: numbers in tensors, and formulas of numbers or of tensors."""

from __future__ import annotations

import math
import types
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, overload

from .. import _ops
from .._autodiff import no_grad
from .._core import Tensor, is_tracing
from .._creation import _fail, asarray
from .._dtypes import float64
from .._errors import DTypeError, NameUseError, OptionError
from ._groups import ParameterGroup, number_tensor, put_number
from ._optimizer import Optimizer

#: A number, or in a function being compiled a 0-d float64 tensor.
Scalar = Any


def _exact(value: Scalar) -> Tensor:
    return value if isinstance(value, Tensor) else asarray(value, dtype=float64)


def choose(condition: Scalar, chosen: Callable[[], Scalar], other: Callable[[], Scalar]) -> Scalar:
    """One of two results; both are computed where the condition is a tensor."""
    if isinstance(condition, Tensor):
        return _ops.where(condition, _exact(chosen()), _exact(other()))
    return chosen() if condition else other()


def former_rate(group: ParameterGroup) -> Scalar:
    """The learning rate that a new one is computed from, in float64 also where that is traced."""
    return group.tensor("lr") if is_tracing() else group["lr"]


def cosine(angle: Scalar) -> Scalar:
    """The cosine of an angle."""
    return _ops.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)


def whole(value: Scalar) -> Scalar:
    """The largest integer that is not above a number."""
    return _ops.floor(value) if isinstance(value, Tensor) else math.floor(value)


def least(value: Scalar, limit: float) -> Scalar:
    """A number, or the limit where it is above it."""
    return _ops.minimum(value, float(limit)) if isinstance(value, Tensor) else min(value, limit)


def cosine_between(start: float, end: float, share: Scalar) -> Scalar:
    """From start to end along half a cosine."""
    return end + (start - end) / 2.0 * (cosine(math.pi * share) + 1)


def line_between(start: float, end: float, share: Scalar) -> Scalar:
    """From start to end along a line."""
    return (end - start) * share + start


def a_number(value: float) -> int | float:
    """A float as an int, if it is whole."""
    return int(value) if value.is_integer() else value


class Kept:
    """A number of a schedule that is kept in a 0-d float64 tensor: compiled functions change it.

    It reads as a number of the kind given, in a function being compiled as a tensor.
    """

    def __init__(self, kind: Callable[[float], Any] = int) -> None:
        self.kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, schedule: None, owner: type) -> Kept: ...

    @overload
    def __get__(self, schedule: object, owner: type) -> Any: ...

    def __get__(self, schedule: Any, owner: type) -> Any:
        if schedule is None:
            return self
        tensor = vars(schedule).get("_kept", {}).get(self.name)
        if tensor is None:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}")
        # A copy: what is set later is not what was read before.
        return tensor.clone() if is_tracing() else self.kind(tensor.item())

    def __set__(self, schedule: Any, value: Scalar) -> None:
        kept = vars(schedule).setdefault("_kept", {})
        if self.name in kept:
            put_number(kept[self.name], value)
        else:
            # Where the rates are that are computed from it.
            device = schedule.optimizer.param_groups[0].tensor("lr").device
            kept[self.name] = number_tensor(value, device)


class LRScheduler:
    """Sets the learning rate of each group of an optimizer at each `step`.

    Subclasses define ``get_lr``.

    Args:
        optimizer: whose groups' "lr" changes.
        last_epoch: how many steps were done before; -1 starts anew.

    Raises:
        DTypeError: there is no optimizer. NameUseError: last_epoch is given, but a group has no
            "initial_lr".
    """

    __weft_state__ = True

    #: How many steps were done: an int, in a function being compiled a 0-d tensor.
    last_epoch = Kept()
    _step_count = Kept()
    #: Whether the present step is that of the beginning.
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise _fail(
                    NameUseError,
                    f"{type(self).__name__}: with last_epoch given, group {number} of "
                    'the optimizer needs an "initial_lr"',
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise _fail(
                DTypeError, f"{type(self).__name__}: {type(optimizer).__name__} is no optimizer"
            )
        self.optimizer = optimizer
        # Subclasses may have set numbers already.
        self._kept: dict[str, Tensor] = vars(self).get("_kept", {})
        #: The rates that were set last, in 0-d tensors.
        self._last: list[Tensor] = []

    def _initial_step(self) -> None:
        """Begins, or begins anew."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        """The group's learning rate from step ``epoch`` on; ``group["lr"]`` is the former one."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr()")

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar | None:
        """The rate from step ``epoch`` on, by the rate at the start alone; None if there is none.

        Where it is used, no rate of a former step is.
        """
        return None

    def get_lr(self) -> list[Scalar]:
        """The learning rate that each group gets at the present count."""
        epoch = self.last_epoch
        return [
            self._rate(group, base, epoch)
            for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True)
        ]

    def get_last_lr(self) -> list[Scalar]:
        """The learning rates that were set last."""
        return [rate.clone() if is_tracing() else rate.item() for rate in self._last]

    @no_grad()
    def step(self, epoch: float | None = None) -> None:
        """Counts, and sets the learning rates.

        Args:
            epoch: goes to this count instead of the next one.
        """
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: Scalar | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        rates = None if epoch is None else self._closed_rates(epoch)
        self._set_rates(self.get_lr() if rates is None else rates)

    def _closed_rates(self, epoch: Scalar) -> list[Scalar] | None:
        rates = [self._closed_rate(base, epoch) for base in self.base_lrs]
        return None if any(rate is None for rate in rates) else rates

    def _set_rates(self, rates: list[Scalar]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._note_rates()

    def _note_rates(self) -> None:
        """Has `get_last_lr` return the present rates."""
        rates = [group.tensor("lr") for group in self.optimizer.param_groups]
        if len(self._last) != len(rates):
            self._last = [number_tensor(rate, rate.device) for rate in rates]
        for last, rate in zip(self._last, rates, strict=True):
            put_number(last, rate)

    def _tensors(self) -> list[Tensor]:
        """All that a step changes, the options of the optimizer's groups included."""
        options = [tensor for group in self.optimizer.param_groups for tensor in group.tensors()]
        return [*self._kept.values(), *self._last, *options]

    def _settings(self) -> dict[str, Any]:
        """The attributes that are kept in `state_dict`: what a subclass sets, but for functions."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("optimizer", "_kept", "_last", *self._functions)
        }

    #: The attributes with functions, or lists of such, of which only the attributes are saved.
    _functions: tuple[str, ...] = ()

    def state_dict(self) -> dict[str, Any]:
        """The count, the rates at the start and the present ones, and the schedule's settings.

        Of functions only the attributes are kept, as PyTorch does.
        """
        return {
            **{name: _copied(value) for name, value in self._settings().items()},
            **{name: _attributes(getattr(self, name)) for name in self._functions},
            **{name: getattr(self, name) for name in self._kept},
            "_last_lr": self.get_last_lr(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes what `state_dict` gave, or that of PyTorch's schedule of the same name.

        The rates themselves are loaded with the optimizer.

        Raises:
            NameUseError: a count is not there.
        """
        for name in self._kept:
            if name not in state_dict and name != "_step_count":
                raise _fail(
                    NameUseError, f"load_state_dict of {type(self).__name__}: there is no {name!r}"
                )
        for name in (*self._kept, *self._settings()):
            if name in state_dict:
                setattr(self, name, _copied(state_dict[name]))
        for name in self._functions:
            _set_attributes(getattr(self, name), state_dict.get(name))
        for last, rate in zip(self._last, state_dict.get("_last_lr", ()), strict=False):
            put_number(last, rate)


def _copied(value: Any) -> Any:
    """A setting of its own."""
    if isinstance(value, Counter):
        return Counter(value)
    return list(value) if isinstance(value, (list, tuple)) else value


def _attributes(functions: Any) -> Any:
    """What is saved of a function, or of each of a list: the attributes of objects, else None."""
    if isinstance(functions, list):
        return [_attributes(function) for function in functions]
    plain = functions is None or isinstance(functions, types.FunctionType)
    return None if plain else dict(getattr(functions, "__dict__", {}))


def _set_attributes(functions: Any, saved: Any) -> None:
    """Puts saved attributes back."""
    if isinstance(functions, list) and isinstance(saved, list):
        for function, values in zip(functions, saved, strict=True):
            _set_attributes(function, values)
    elif isinstance(saved, Mapping):
        vars(functions).update(saved)


def for_each_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """An option given for all groups or for each. Raises OptionError for another number."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise _fail(OptionError, f"{name} has {len(value)} values for {count} groups")
    return list(value)
