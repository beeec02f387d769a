"""Schedules that rise and fall: cycles, restarts, and one cycle of all training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .._autodiff import no_grad
from .._core import is_tracing
from .._creation import _fail
from .._errors import OptionError
from ._groups import ParameterGroup
from ._optimizer import Optimizer
from ._scheduler import (
    Kept,
    LRScheduler,
    Scalar,
    a_number,
    choose,
    cosine,
    cosine_between,
    for_each_group,
    least,
    line_between,
    whole,
)


class _WithMomentum(LRScheduler):
    """Schedules that move the momentum, or Adam's first beta, against the rate."""

    cycle_momentum = False

    def _begin_momentum(
        self,
        base_momentum: float | Sequence[float],
        max_momentum: float | Sequence[float],
        last_epoch: int,
    ) -> None:
        """Takes the bounds between which momentums move.

        From now on they are in tensors, so that a new one needs no new trace.
        """
        name, optimizer = type(self).__name__, self.optimizer
        self.use_beta1 = "betas" in optimizer.defaults
        if not self.use_beta1 and "momentum" not in optimizer.defaults:
            raise _fail(
                OptionError,
                f"{name}: {type(optimizer).__name__} has neither momentum nor betas; give "
                "cycle_momentum=False",
            )
        self.base_momentums = for_each_group(f"{name}: base_momentum", optimizer, base_momentum)
        self.max_momentums = for_each_group(f"{name}: max_momentum", optimizer, max_momentum)
        bounds = zip(self.base_momentums, self.max_momentums, strict=True)
        for group, (lowest, highest) in zip(optimizer.param_groups, bounds, strict=True):
            group.let_move("betas" if self.use_beta1 else "momentum")
            if last_epoch == -1:
                self._set_momentum(group, highest)
                group["max_momentum"], group["base_momentum"] = highest, lowest

    def _set_momentum(self, group: ParameterGroup, momentum: Scalar) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum

    def _momentum(self, number: int, group: ParameterGroup, epoch: Scalar) -> Scalar:
        """The momentum of a group from step ``epoch`` on."""
        raise NotImplementedError

    def _set_rates(self, rates: list[Scalar]) -> None:
        super()._set_rates(rates)
        if self.cycle_momentum:
            epoch = self.last_epoch
            for number, group in enumerate(self.optimizer.param_groups):
                self._set_momentum(group, self._momentum(number, group, epoch))


def _unscaled(count: Scalar) -> Scalar:
    return 1.0


def _halved(count: Scalar) -> Scalar:
    return 1 / 2.0 ** (count - 1)


#: For each mode of `CyclicLR` what heights are multiplied by, and what that is a function of; None:
#: a power of gamma.
_MODES: dict[str, tuple[Callable[[Scalar], Scalar] | None, str]] = {
    "triangular": (_unscaled, "cycle"),
    "triangular2": (_halved, "cycle"),
    "exp_range": (None, "iterations"),
}


class CyclicLR(_WithMomentum):
    """From base_lr up to max_lr and back, again and again (Smith, 2017).

    Args:
        optimizer: whose groups' "lr" changes.
        base_lr: the lowest rate, for all groups or a list for each.
        max_lr: the highest rate of the first cycle, for all groups or a list for each.
        step_size_up: steps from the lowest to the highest rate.
        step_size_down: steps back; None: as many.
        mode: "triangular": all cycles are alike; "triangular2": each is half as high as the one
            before; "exp_range": heights are gamma to the power of the count.
        gamma: see mode.
        scale_fn: what heights are multiplied by, in place of a mode.
        scale_mode: "cycle" calls scale_fn with the number of the cycle (from 1), "iterations" with
            the count of steps.
        cycle_momentum: moves momentum (or the first beta) from max_momentum down to base_momentum
            while the rate rises, and back.
        base_momentum, max_momentum: the bounds, for all groups or lists for each.
        last_epoch: how many steps were done before; -1 starts anew.

    Raises:
        OptionError: there is no such mode; or the optimizer has no momentum.
    """

    _functions = ("_scale_fn_custom",)

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[Scalar], Scalar] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        base_lrs = for_each_group("CyclicLR: base_lr", optimizer, base_lr)
        self.max_lrs = for_each_group("CyclicLR: max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = rate
        if mode not in _MODES and scale_fn is None:
            raise _fail(
                OptionError,
                f"CyclicLR: mode has to be one of {', '.join(_MODES)}, or scale_fn be given, not "
                f"{mode!r}",
            )
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else _MODES[mode][1]
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: Scalar) -> Scalar:
        """What the height of a cycle is multiplied by; ``x`` is as scale_mode says."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        scale = _MODES[self.mode][0]
        return self.gamma**x if scale is None else scale(x)

    def _height(self, low: float, high: float, epoch: Scalar) -> Scalar:
        """How far from low towards high the cycle is at a count."""
        cycle = whole(1 + epoch / self.total_size)
        place, peak = 1.0 + epoch / self.total_size - cycle, self.step_ratio
        # A cycle without steps down is never behind its peak.
        share = choose(
            place <= peak,
            lambda: place / peak,
            lambda: (place - 1) / (peak - 1) if peak != 1 else 1.0,
        )
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else epoch)
        return (high - low) * share * scale

    def get_lr(self) -> list[Scalar]:
        """The rates at the present count."""
        epoch = self.last_epoch
        return [
            low + self._height(low, high, epoch)
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def _momentum(self, number: int, group: ParameterGroup, epoch: Scalar) -> Scalar:
        low, high = self.base_momentums[number], self.max_momentums[number]
        return high - self._height(low, high, epoch)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Down to eta_min along a cosine, again and again (Loshchilov and Hutter, 2017).

    Args:
        optimizer: whose groups' "lr" changes.
        T_0: the steps of the first period.
        T_mult: how many times longer each period is than the one before.
        eta_min: the lowest rate.
        last_epoch: how many steps were done before; -1 starts anew.

    Attributes:
        T_cur: the steps in the present period. T_i: how long that is.

    Raises:
        OptionError: T_0 or T_mult is no integer of at least 1, or eta_min no number.
    """

    T_cur = Kept(a_number)
    T_i = Kept(a_number)

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803 - PyTorch's name
        T_mult: int = 1,  # noqa: N803 - PyTorch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise _fail(
                    OptionError,
                    f"CosineAnnealingWarmRestarts: {name} has to be an integer of at least 1, "
                    f"not {value!r}",
                )
        if not isinstance(eta_min, (int, float)):
            raise _fail(
                OptionError,
                f"CosineAnnealingWarmRestarts: eta_min has to be a number, not {eta_min!r}",
            )
        self._attach(optimizer)
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self.T_cur, self.T_i = last_epoch, T_0
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        angle = math.pi * self.T_cur / self.T_i
        return self.eta_min + (base - self.eta_min) * (1 + cosine(angle)) / 2

    @no_grad()
    def step(self, epoch: float | None = None) -> None:
        """Counts, and sets the learning rates.

        Args:
            epoch: goes to this count instead of the next one; parts of a step are counted too.

        Raises:
            OptionError: epoch is negative.
        """
        # Before its beginning a schedule is in no compiled function.
        if epoch is None and not is_tracing() and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            self._go_on()
            self.last_epoch = self.last_epoch + 1
        else:
            self._go_to(epoch)
            self.last_epoch = math.floor(epoch)
        self._set_rates(self.get_lr())

    def _go_on(self) -> None:
        done, period = self.T_cur + 1, self.T_i
        ends = done >= period
        self.T_cur = choose(ends, lambda: done % period, lambda: done)
        self.T_i = choose(ends, lambda: period * self.T_mult, lambda: period)

    def _go_to(self, epoch: float) -> None:
        first, growth = self.T_0, self.T_mult
        if epoch < 0:
            raise _fail(
                OptionError, f"CosineAnnealingWarmRestarts: step() to a negative count, {epoch}"
            )
        if epoch < first:
            self.T_cur, self.T_i = epoch, first
        elif growth == 1:
            self.T_cur = epoch % first
        else:
            periods = int(math.log(epoch / first * (growth - 1) + 1, growth))
            self.T_cur = epoch - first * (growth**periods - 1) / (growth - 1)
            self.T_i = first * growth**periods


def _phase(end: float, rates: tuple[str, str], momentums: tuple[str, str]) -> dict[str, Any]:
    """A part of `OneCycleLR`: the step of its end, and between which of a group's options it is."""
    names = dict(zip(("start_lr", "end_lr"), rates, strict=True))
    names.update(zip(("start_momentum", "end_momentum"), momentums, strict=True))
    return {"end_step": end, **names}


def _phases(total: int, share: float, three: bool) -> list[dict[str, Any]]:
    rising, falling = ("max_momentum", "base_momentum"), ("base_momentum", "max_momentum")
    up = _phase(float(share * total) - 1, ("initial_lr", "max_lr"), rising)
    if not three:
        return [up, _phase(total - 1, ("max_lr", "min_lr"), falling)]
    down = _phase(float(2 * share * total) - 2, ("max_lr", "initial_lr"), falling)
    rest = ("max_momentum", "max_momentum")
    return [up, down, _phase(total - 1, ("initial_lr", "min_lr"), rest)]


class OneCycleLR(_WithMomentum):
    """Up to max_lr, and down to nearly nothing, once in all training (Smith and Topin, 2019).

    In a compiled function, where the count is not seen, steps after the last keep its rate; else
    they are refused.

    Args:
        optimizer: whose groups' "lr" changes.
        max_lr: the highest rate, for all groups or a list for each.
        total_steps: how many steps there are; or give both of the next.
        epochs, steps_per_epoch: their product is the number of steps.
        pct_start: the share of the steps in which the rate rises.
        anneal_strategy: "cos" or "linear": the shape.
        cycle_momentum: moves momentum (or the first beta) against the rate.
        base_momentum, max_momentum: its bounds, for all groups or lists for each.
        div_factor: the rate starts at max_lr / div_factor,
        final_div_factor: and ends at that, divided by this.
        three_phase: comes down to the rate at the start as fast as it rose, then to the end.
        last_epoch: how many steps were done before; -1 starts anew.

    Raises:
        OptionError: an option is out of range, the optimizer has no momentum, or there are more
            steps than were said.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self.total_steps = self._total(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise _fail(
                OptionError, f"OneCycleLR: pct_start has to be in [0, 1], not {pct_start!r}"
            )
        if anneal_strategy not in ("cos", "linear"):
            raise _fail(
                OptionError,
                f"OneCycleLR: anneal_strategy has to be 'cos' or 'linear', not {anneal_strategy!r}",
            )
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        highest = for_each_group("OneCycleLR: max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, highest, strict=True):
                start = rate / div_factor
                group["initial_lr"], group["max_lr"] = start, rate
                group["min_lr"] = start / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    @staticmethod
    def _total(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
        if total is None and (epochs is None or steps_per_epoch is None):
            raise _fail(
                OptionError, "OneCycleLR: give total_steps, or both epochs and steps_per_epoch"
            )
        factors: tuple[Any, ...] = (epochs, steps_per_epoch) if total is None else (total,)
        if not all(isinstance(factor, int) and factor > 0 for factor in factors):
            raise _fail(
                OptionError,
                "OneCycleLR: total_steps, or epochs and steps_per_epoch, have to be integers of at "
                f"least 1, not {' and '.join(map(repr, factors))}",
            )
        return math.prod(factors)

    def _between(self, group: ParameterGroup, momentum: bool, epoch: Scalar) -> Scalar:
        """The rate or momentum of a group at a count."""
        shape = cosine_between if self._anneal_func_type == "cos" else line_between
        phases, option = self._schedule_phases, "momentum" if momentum else "lr"

        def value_from(number: int, start: float) -> Scalar:
            phase = phases[number]
            end = phase["end_step"]

            def here() -> Scalar:
                first, last = (group[phase[f"{side}_{option}"]] for side in ("start", "end"))
                return shape(first, last, (epoch - start) / (end - start))

            if number == len(phases) - 1:
                return here()
            return choose(epoch <= end, here, lambda: value_from(number + 1, end))

        return value_from(0, 0.0)

    def _count(self) -> Scalar:
        epoch = self.last_epoch
        if isinstance(epoch, int) and epoch > self.total_steps:
            raise _fail(
                OptionError,
                f"OneCycleLR: step {epoch} is beyond the {self.total_steps} steps in all",
            )
        return least(epoch, self.total_steps)

    def get_lr(self) -> list[Scalar]:
        """The rates at the present count. Raises OptionError beyond the last step."""
        epoch = self._count()
        return [self._between(group, False, epoch) for group in self.optimizer.param_groups]

    def _momentum(self, number: int, group: ParameterGroup, epoch: Scalar) -> Scalar:
        return self._between(group, True, self._count())
