"""Schedules of the learning rate, with PyTorch's names and formulas.

Count and learning rate are tensors, so that ``step()`` may be part of a compiled function.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .. import _ops
from .._autodiff import no_grad
from .._core import Tensor, is_tracing
from .._creation import _fail, asarray, full_like
from .._dtypes import float64
from .._errors import DTypeError, NameUseError, OptionError
from ._optimizer import Optimizer, ParameterGroup

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "StepLR",
]

#: A number, or in a function being compiled a 0-d float64 tensor.
Scalar = Any


def _exact(value: Scalar) -> Tensor:
    return value if isinstance(value, Tensor) else asarray(value, dtype=float64)


def _choose(condition: Scalar, chosen: Callable[[], Scalar], other: Callable[[], Scalar]) -> Scalar:
    if isinstance(condition, Tensor):
        return _ops.where(condition, _exact(chosen()), _exact(other()))
    return chosen() if condition else other()


def _former(group: ParameterGroup) -> Scalar:
    """The learning rate that a new one is computed from, in float64 also where that is traced."""
    return group.tensor("lr") if is_tracing() else group["lr"]


def _cos(angle: Scalar) -> Scalar:
    return _ops.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)


class LRScheduler:
    """Sets the learning rate of each group of an optimizer at each `step`.

    Args:
        optimizer: whose groups' "lr" changes.
        last_epoch: how many steps were done before; -1 starts anew.

    Raises:
        DTypeError: there is no optimizer. NameUseError: last_epoch is given, but a group has no
            "initial_lr".
    """

    __weft_state__ = True

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise _fail(
                DTypeError, f"{type(self).__name__}: {type(optimizer).__name__} is no optimizer"
            )
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group["initial_lr"] = group["lr"]
            elif "initial_lr" not in group:
                raise _fail(
                    NameUseError,
                    f"{type(self).__name__}: with last_epoch given, group {number} of "
                    'the optimizer needs an "initial_lr"',
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        # Where the rates are that are computed from it.
        device = optimizer.param_groups[0].tensor("lr").device
        self._epoch: Tensor = asarray(float(last_epoch), dtype=float64, device=device)
        self.step()

    @property
    def last_epoch(self) -> Scalar:
        """How many steps were done: an int, in a function being compiled a 0-d tensor."""
        return self._epoch if is_tracing() else int(self._epoch.item())

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        """The group's learning rate from step ``epoch`` on; ``group["lr"]`` is the former one."""
        raise NotImplementedError

    def get_lr(self) -> list[Scalar]:
        """The learning rate that each group gets at the present count."""
        epoch = self.last_epoch
        return [
            self._rate(group, base, epoch)
            for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True)
        ]

    def get_last_lr(self) -> list[Scalar]:
        """The learning rate that each group has."""
        return [group["lr"] for group in self.optimizer.param_groups]

    @no_grad()
    def step(self) -> None:
        """Counts, and sets the learning rates."""
        self._epoch += 1.0
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def _settings(self) -> dict[str, Any]:
        """The attributes that are kept in `state_dict`: what a subclass sets, but for functions."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("optimizer", "_epoch", "lr_lambdas")
        }

    def state_dict(self) -> dict[str, Any]:
        """The count, the rates at the start and the present ones, and the schedule's settings."""
        return {
            **{name: _copied(value) for name, value in self._settings().items()},
            "last_epoch": self.last_epoch,
            "_last_lr": self.get_last_lr(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes what `state_dict` gave, or that of PyTorch's schedule of the same name.

        The rates themselves are loaded with the optimizer.

        Raises:
            NameUseError: there is no "last_epoch".
        """
        if "last_epoch" not in state_dict:
            raise _fail(
                NameUseError, f'load_state_dict of {type(self).__name__}: there is no "last_epoch"'
            )
        with no_grad():
            self._epoch.assign(full_like(self._epoch, float(state_dict["last_epoch"])))
        for name in self._settings():
            if name in state_dict:
                setattr(self, name, _copied(state_dict[name]))


def _copied(value: Any) -> Any:
    """A setting of its own: PyTorch counts its milestones."""
    if isinstance(value, Counter):
        return sorted(value.elements())
    return list(value) if isinstance(value, (list, tuple)) else value


class LambdaLR(LRScheduler):
    """The rate at the start times ``lr_lambda(epoch)`` (one function, or one for each group)."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[Scalar], Scalar] | Sequence[Callable[[Scalar], Scalar]],
        last_epoch: int = -1,
    ) -> None:
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise _fail(
                OptionError, f"LambdaLR: {len(self.lr_lambdas)} functions for {count} groups"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Scalar]:
        """The rates at the start times the functions of the present count."""
        epoch = self.last_epoch
        return [
            base * function(epoch)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """Times gamma every ``step_size`` steps."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr = _former(group)
        return _choose(
            (epoch % self.step_size == 0) & (epoch > 0), lambda: lr * self.gamma, lambda: lr
        )


class MultiStepLR(LRScheduler):
    """Times gamma at each of the milestones."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr = _former(group)
        for milestone in self.milestones:
            lr = lr * _choose(epoch == milestone, lambda: self.gamma, lambda: 1.0)
        return lr


class ExponentialLR(LRScheduler):
    """Times gamma at every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr = _former(group)
        return _choose(epoch > 0, lambda: lr * self.gamma, lambda: lr)


class LinearLR(LRScheduler):
    """Times a factor that goes from start_factor to end_factor within total_iters steps.

    Raises:
        OptionError: start_factor is not in (0, 1], or end_factor not in [0, 1].
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3.0,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise _fail(
                OptionError,
                f"LinearLR: start_factor has to be in (0, 1] and end_factor in [0, "
                f"1], not {start_factor} and {end_factor}",
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr, change = _former(group), self.end_factor - self.start_factor

        def moved() -> Scalar:
            return lr * (
                1.0 + change / (self.total_iters * self.start_factor + (epoch - 1) * change)
            )

        return _choose(
            epoch == 0,
            lambda: lr * self.start_factor,
            lambda: _choose(epoch > self.total_iters, lambda: lr, moved),
        )


class CosineAnnealingLR(LRScheduler):
    """From the rate at the start down to eta_min in T_max steps, along a cosine."""

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803 - PyTorch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr, lowest, period = _former(group), self.eta_min, self.T_max

        def upwards() -> Scalar:
            return lr + (base - lowest) * (1 - math.cos(math.pi / period)) / 2

        def onwards() -> Scalar:
            now, before = (_cos(count * math.pi / period) for count in (epoch, epoch - 1))
            return (1 + now) / (1 + before) * (lr - lowest) + lowest

        return _choose(
            epoch == 0,
            lambda: lr,
            lambda: _choose((epoch - 1 - period) % (2 * period) == 0, upwards, onwards),
        )
