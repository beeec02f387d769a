"""A schedule that looks at how training goes."""

from __future__ import annotations

import math
from typing import Any

from .._autodiff import no_grad
from .._core import Tensor, is_tracing
from .._creation import _fail
from .._dtypes import float64
from .._errors import OptionError, ShapeError
from ._optimizer import Optimizer
from ._scheduler import Kept, LRScheduler, Scalar, choose, for_each_group, former_rate


class ReduceLROnPlateau(LRScheduler):
    """Times factor when a measure has not become better for more than ``patience`` steps.

    In a compiled function the measure may be computed there.

    Args:
        optimizer: whose groups' "lr" changes.
        mode: "min" if less is better, "max" if more is.
        factor: what rates are multiplied by.
        patience: how many steps in a row may bring nothing better.
        threshold: what is better by less does not count.
        threshold_mode: "rel" takes that as a share of the best measure, "abs" as it is.
        cooldown: how many steps are not counted after a change.
        min_lr: the lowest rate, for all groups or a list for each.
        eps: rates that would change by no more stay.

    Attributes:
        best: the best measure so far. num_bad_epochs: the steps since. cooldown_counter: the steps
        that are not counted.

    Raises:
        OptionError: an option is out of range.
    """

    best = Kept(float)
    num_bad_epochs = Kept()
    cooldown_counter = Kept()

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise _fail(OptionError, f"ReduceLROnPlateau: factor has to be below 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise _fail(
                OptionError,
                "ReduceLROnPlateau: mode has to be 'min' or 'max' and threshold_mode 'rel' or "
                f"'abs', not {mode!r} and {threshold_mode!r}",
            )
        self._attach(optimizer)
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = for_each_group("ReduceLROnPlateau: min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        self._note_rates()

    @property
    def in_cooldown(self) -> Any:
        """Whether steps are not counted now."""
        return self.cooldown_counter > 0

    def _is_better(self, measure: Scalar, best: Scalar) -> Scalar:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            bar = best * (1.0 + sign * self.threshold)
        else:
            bar = best + sign * self.threshold
        return measure < bar if self.mode == "min" else measure > bar

    @no_grad()
    def step(self, metrics: Any, epoch: int | None = None) -> None:
        """Takes a measure, and lowers the rates if there was none better for long.

        Args:
            metrics: a number, or a tensor of one element.
            epoch: goes to this count instead of the next one.

        Raises:
            ShapeError: the measure is a tensor of more elements.
        """
        measure = self._measured(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        best, bad, waiting = self.best, self.num_bad_epochs, self.cooldown_counter
        better = self._is_better(measure, best)
        self.best = choose(better, lambda: measure, lambda: best)
        bad = choose(better, lambda: 0, lambda: bad + 1)
        waits = waiting > 0
        waiting = choose(waits, lambda: waiting - 1, lambda: waiting)
        bad = choose(waits, lambda: 0, lambda: bad)
        enough = bad > self.patience
        self._reduce(enough)
        self.cooldown_counter = choose(enough, lambda: self.cooldown, lambda: waiting)
        self.num_bad_epochs = choose(enough, lambda: 0, lambda: bad)
        self._note_rates()

    @staticmethod
    def _measured(metrics: Any) -> Scalar:
        if not is_tracing() or not isinstance(metrics, Tensor):
            return float(metrics)
        if metrics._size != 1:
            raise _fail(
                ShapeError,
                f"ReduceLROnPlateau: the measure has shape {metrics.shape}, but has to be one "
                "number",
            )
        return metrics.reshape(()).astype(float64)

    def _reduce(self, condition: Scalar) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise _fail(
                    OptionError,
                    f"ReduceLROnPlateau: min_lrs has {len(self.min_lrs)} values for {len(groups)} "
                    "groups",
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            group["lr"] = self._reduced(former_rate(group), lowest, condition)

    def _reduced(self, rate: Scalar, lowest: float, condition: Scalar) -> Scalar:
        lower = rate * self.factor
        lower = choose(lower < lowest, lambda: lowest, lambda: lower)
        return choose(condition & (rate - lower > self.eps), lambda: lower, lambda: rate)
