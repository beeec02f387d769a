"""Schedules that are made of others: one after the other, or all at once."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from .. import _ops
from .._autodiff import no_grad
from .._core import Tensor, is_tracing
from .._creation import _fail
from .._errors import DTypeError, OptionError, UnsupportedError
from ._optimizer import Optimizer
from ._plateau import ReduceLROnPlateau
from ._scheduler import LRScheduler, Scalar


class _Composed(LRScheduler):
    """Schedules of one optimizer that a schedule steps."""

    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        """Takes the schedules. Raises an error for those that can't be stepped together."""
        name = type(self).__name__
        if len(schedulers) < 1:
            raise _fail(OptionError, f"{name}: there are no schedules")
        for number, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise _fail(
                    DTypeError,
                    f"{name}: number {number} is a {type(scheduler).__name__}, not a schedule",
                )
            if isinstance(scheduler, ReduceLROnPlateau):
                raise _fail(
                    OptionError,
                    f"{name}: number {number} is a ReduceLROnPlateau, whose step() needs a "
                    "measure; step it by itself",
                )
            optimizer = scheduler.optimizer if optimizer is None else optimizer
            if scheduler.optimizer is not optimizer:
                raise _fail(OptionError, f"{name}: number {number} is of another optimizer")
        self._attach(schedulers[0].optimizer)
        self._schedulers = list(schedulers)

    def _tensors(self) -> list[Tensor]:
        inner = [tensor for scheduler in self._schedulers for tensor in scheduler._tensors()]
        # Those of the optimizer belong to all of them.
        found = {id(tensor): tensor for tensor in [*super()._tensors(), *inner]}
        return list(found.values())

    def _settings(self) -> dict[str, Any]:
        return {name: value for name, value in super()._settings().items() if name != "_schedulers"}

    def state_dict(self) -> dict[str, Any]:
        """The state of the schedules, besides the counts."""
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """See `LRScheduler.load_state_dict`."""
        super().load_state_dict(state_dict)
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)

    def _undo(self) -> None:
        """Takes the first step of each schedule back."""
        for scheduler in self._schedulers:
            if isinstance(scheduler, _Composed):
                scheduler._undo()
            else:
                scheduler.last_epoch = scheduler.last_epoch - 1

    def _update_lr(self, epoch: Scalar | None = None) -> None:
        raise _fail(
            UnsupportedError,
            f"{type(self).__name__}: it can't begin later, at a milestone of a SequentialLR",
        )


class ChainedScheduler(_Composed):
    """Steps several schedules of one optimizer at once, one after the other.

    Args:
        schedulers: the schedules.
        optimizer: theirs; None takes that of the first.

    Raises:
        OptionError: there are none, or of several optimizers, or one is a ReduceLROnPlateau.
        DTypeError: one is no schedule.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._take(schedulers, optimizer)
        self._note_rates()

    @no_grad()
    def step(self) -> None:
        """Steps all schedules."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._note_rates()


class SequentialLR(_Composed):
    """Steps one schedule after the other: each begins at its milestone.

    Args:
        optimizer: that of the schedules.
        schedulers: the schedules.
        milestones: the steps at which all but the first begin, in order.
        last_epoch: how many steps were done before; -1 starts anew.

    Raises:
        OptionError: there is not one milestone less than schedules; there are none, or of several
            optimizers, or one is a ReduceLROnPlateau. DTypeError: one is no schedule.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise _fail(
                OptionError,
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} "
                f"milestones, not {len(milestones)}",
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo()
        self._schedulers[bisect_right(self._milestones, 0)]._initial_step()
        self._note_rates()

    @no_grad()
    def step(self) -> None:
        """Steps the schedule whose time it is."""
        self.last_epoch = self.last_epoch + 1
        epoch = self.last_epoch
        if is_tracing():
            self._step_each(epoch)
        else:
            number = bisect_right(self._milestones, epoch)
            begins = number > 0 and self._milestones[number - 1] == epoch
            self._step_one(number, begins)
        self._note_rates()

    def _step_one(self, number: int, begins: bool) -> None:
        scheduler = self._schedulers[number]
        if begins:
            scheduler._update_lr(0)
        else:
            scheduler.step()

    def _step_each(self, epoch: Tensor) -> None:
        """Steps all schedules, and keeps what those did whose time it is."""
        bounds = [-math.inf, *self._milestones, math.inf]
        for number, (start, end) in enumerate(pairwise(bounds)):
            is_time, begins = (epoch >= start) & (epoch < end), epoch == start
            self._only(is_time & ~begins, partial(self._step_one, number, False))
            if number:
                self._only(is_time & begins, partial(self._step_one, number, True))

    def _only(self, condition: Tensor, action: Callable[[], None]) -> None:
        """Does something, and takes it back unless the condition holds."""
        tensors = self._tensors()
        before = [tensor.clone() for tensor in tensors]
        action()
        for tensor, former in zip(tensors, before, strict=True):
            tensor.assign(_ops.where(condition, tensor, former))
