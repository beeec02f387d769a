"""Schedules that set the rate by the count of steps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .._creation import _fail
from .._errors import DTypeError, OptionError
from ._groups import ParameterGroup
from ._optimizer import Optimizer
from ._scheduler import LRScheduler, Scalar, choose, cosine, for_each_group, former_rate, least


class _ByFunctions(LRScheduler):
    """Schedules by one function, or one for each group."""

    _functions = ("lr_lambdas",)

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[Scalar], Scalar] | Sequence[Callable[[Scalar], Scalar]],
        last_epoch: int = -1,
    ) -> None:
        name = type(self).__name__
        self._attach(optimizer)
        self.lr_lambdas = for_each_group(f"{name}: lr_lambda", optimizer, lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise _fail(DTypeError, f"{name}: lr_lambda has to be functions, not {function!r}")
        super().__init__(optimizer, last_epoch)


class LambdaLR(_ByFunctions):
    """The rate at the start times ``lr_lambda(epoch)`` (one function, or one for each group)."""

    def get_lr(self) -> list[Scalar]:
        """The rates at the start times the functions of the present count."""
        epoch = self.last_epoch
        return [
            base * function(epoch)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class MultiplicativeLR(_ByFunctions):
    """Times ``lr_lambda(epoch)`` (one function, or one for each group) at every step."""

    def get_lr(self) -> list[Scalar]:
        """The present rates times the functions of the present count."""
        rates, epoch = map(former_rate, self.optimizer.param_groups), self.last_epoch
        if self._is_initial:
            return list(rates)
        return [
            rate * function(epoch) for rate, function in zip(rates, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """Times gamma every ``step_size`` steps."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr = former_rate(group)
        return choose(
            (epoch % self.step_size == 0) & (epoch != 0), lambda: lr * self.gamma, lambda: lr
        )

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar:
        return base * self.gamma ** (epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """Times gamma at each of the milestones."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        #: How often each milestone was given.
        self.milestones, self.gamma = Counter(sorted(milestones)), gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        rate = former_rate(group)
        for milestone, count in self.milestones.items():
            rate = self._passed(rate, epoch == milestone, count)
        return rate

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar:
        passed = 0
        for milestone, count in self.milestones.items():
            passed = passed + (epoch >= milestone) * count
        return base * self.gamma**passed

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """See `LRScheduler.load_state_dict`; milestones may be a list too."""
        super().load_state_dict(state_dict)
        self.milestones = Counter(self.milestones)

    def _passed(self, rate: Scalar, condition: Scalar, count: int) -> Scalar:
        return choose(condition, lambda: rate * self.gamma**count, lambda: rate)


class ConstantLR(LRScheduler):
    """Times factor for the first total_iters steps.

    Raises:
        OptionError: factor is not in [0, 1].
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise _fail(OptionError, f"ConstantLR: factor has to be in [0, 1], not {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr = former_rate(group)
        return choose(
            epoch == 0,
            lambda: lr * self.factor,
            lambda: choose(epoch == self.total_iters, lambda: lr * (1.0 / self.factor), lambda: lr),
        )

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar:
        return base * (self.factor + (epoch >= self.total_iters) * (1 - self.factor))


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
        lr, change = former_rate(group), self.end_factor - self.start_factor

        def moved() -> Scalar:
            return lr * (
                1.0 + change / (self.total_iters * self.start_factor + (epoch - 1) * change)
            )

        stays = (epoch > self.total_iters) | self._is_initial
        return choose(
            epoch == 0,
            lambda: lr * self.start_factor,
            lambda: choose(stays, lambda: lr, moved),
        )

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar:
        change = self.end_factor - self.start_factor
        done = least(epoch, self.total_iters)
        return base * (self.start_factor + change * done / self.total_iters)


class ExponentialLR(LRScheduler):
    """Times gamma at every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        return former_rate(group) * (1.0 if self._is_initial else self.gamma)

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar:
        return base * self.gamma**epoch


class PolynomialLR(LRScheduler):
    """To zero in total_iters steps, as the power of the share of them that is left."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        lr, total = former_rate(group), self.total_iters

        def moved() -> Scalar:
            left = (1.0 - epoch / total) / (1.0 - (epoch - 1) / total)
            return lr * left**self.power

        return choose((epoch > total) | self._is_initial, lambda: lr, moved)

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar:
        return base * (1.0 - least(epoch, self.total_iters) / self.total_iters) ** self.power


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
        lr, lowest, period = former_rate(group), self.eta_min, self.T_max
        if self._is_initial:
            return lr

        def upwards() -> Scalar:
            return lr + (base - lowest) * (1 - math.cos(math.pi / period)) / 2

        def onwards() -> Scalar:
            now, before = (cosine(math.pi * count / period) for count in (epoch, epoch - 1))
            return (1 + now) / (1 + before) * (lr - lowest) + lowest

        return choose((epoch - 1 - period) % (2 * period) == 0, upwards, onwards)

    def _closed_rate(self, base: float, epoch: Scalar) -> Scalar:
        lowest = self.eta_min
        return lowest + (base - lowest) * (1 + cosine(math.pi * epoch / self.T_max)) / 2
