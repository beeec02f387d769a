"""Averages of a model's parameters over training: equal weights, or exponentially falling ones."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import _ops
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, asarray
from .._dtypes import int64
from .._errors import OptionError
from ..nn._module import Module
from ..nn._normalization import _BatchNorm
from ._groups import ParameterGroup
from ._optimizer import Optimizer
from ._scheduler import LRScheduler, Scalar, choose, cosine, for_each_group, former_rate

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

#: Averages one tensor: (average, present value, how many are averaged) to the new average.
AverageFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
#: Averages lists of tensors in place: (averages, present values, how many are averaged).
AveragesFunction = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def _on_lists(average: AverageFunction) -> AveragesFunction:
    @no_grad()
    def update(averages: Sequence[Tensor], values: Sequence[Tensor], count: Tensor) -> None:
        for kept, value in zip(averages, values, strict=True):
            kept.assign(average(kept, value, count).astype(kept.dtype))

    return update


def get_ema_avg_fn(decay: float = 0.999) -> AverageFunction:
    """A function of one tensor for averages that keep the share ``decay`` at each update.

    Raises:
        OptionError: decay is not in [0, 1].
    """
    if not 0.0 <= decay <= 1.0:
        raise _fail(OptionError, f"get_ema_avg_fn: decay has to be in [0, 1], not {decay}")

    @no_grad()
    def average(kept: Tensor, value: Tensor, count: Tensor) -> Tensor:
        return kept * decay + value * (1.0 - decay)

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> AveragesFunction:
    """A function of lists for averages that keep the share ``decay`` at each update.

    Raises:
        OptionError: decay is not in [0, 1].
    """
    if not 0.0 <= decay <= 1.0:
        raise _fail(OptionError, f"get_ema_multi_avg_fn: decay has to be in [0, 1], not {decay}")

    def average(kept: Tensor, value: Tensor, count: Tensor) -> Tensor:
        if kept.dtype.kind != "floating":
            return kept * decay + value * (1.0 - decay)
        # Either form is exact at its own end.
        if decay > 0.5:
            return kept + (value - kept) * (1.0 - decay)
        return value - (value - kept) * decay

    return _on_lists(average)


def get_swa_avg_fn() -> AverageFunction:
    """A function of one tensor for averages with equal weights (Izmailov et al., 2018)."""

    @no_grad()
    def average(kept: Tensor, value: Tensor, count: Tensor) -> Tensor:
        change = value - kept
        return kept + change / (count + 1).astype(_floating_dtype(change))

    return average


def get_swa_multi_avg_fn() -> AveragesFunction:
    """A function of lists for averages with equal weights (Izmailov et al., 2018)."""
    return _on_lists(get_swa_avg_fn())


def _floating_dtype(tensor: Tensor) -> Any:
    return tensor.dtype if tensor.dtype.kind == "floating" else "float32"


class AveragedModel(Module):
    """A copy of a model, whose parameters are averages of the model's at each update.

    Updates may be part of a compiled function. The averaging functions are called at the first one
    too, where their result is not used: the parameters are copied.

    Args:
        model: what is copied.
        device: where the copy is; None: where the model is.
        avg_fn: averages one tensor, as those of `get_ema_avg_fn`.
        multi_avg_fn: averages lists of tensors of one dtype and device in place, as those of
            `get_ema_multi_avg_fn`. With neither, all updates have equal weights.
        use_buffers: averages buffers too, else they are copied at each update.

    Attributes:
        module: the copy. n_averaged: how many updates there were (0-d int64).

    Raises:
        OptionError: both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: object = None,
        avg_fn: AverageFunction | None = None,
        multi_avg_fn: AveragesFunction | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise _fail(OptionError, "AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.register_buffer("n_averaged", asarray(0, dtype=int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the copy computes."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Takes the model's present parameters into the averages."""
        pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if self.use_buffers:
            pairs, buffers = [*pairs, *buffers], []
        groups: dict[Any, list[tuple[Tensor, Tensor]]] = {}
        for kept, value in pairs:
            pair = kept.detach(), value.detach().to(kept.device)
            groups.setdefault((str(kept.device), kept.dtype), []).append(pair)
        for group in groups.values():
            self._average([kept for kept, _ in group], [value for _, value in group])
        for kept, value in buffers:
            kept.detach().assign(value.detach().to(kept.device).astype(kept.dtype))
        self.n_averaged += 1

    def _average(self, averages: list[Tensor], values: list[Tensor]) -> None:
        count = self.n_averaged.detach().to(averages[0].device)
        update = self.multi_avg_fn or _on_lists(self.avg_fn or get_swa_avg_fn())
        update(averages, values, count)
        for kept, value in zip(averages, values, strict=True):
            kept.assign(_ops.where(count == 0, value.astype(kept.dtype), kept))


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: object = None) -> None:
    """Computes the running statistics of a model's batch norms anew, over all batches.

    Args:
        loader: gives inputs, or lists or tuples that begin with one.
        model: is called with each of them, in training mode.
        device: where inputs are moved to; None: they stay.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    momentums, was_training = [layer.momentum for layer in layers], model.training
    for layer in layers:
        layer.reset_running_stats()
        # The mean of all batches.
        layer.momentum = None
    model.train()
    for batch in loader:
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(inputs if device is None else inputs.to(device))
    for layer, momentum in zip(layers, momentums, strict=True):
        layer.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From each group's rate to a fixed one in anneal_epochs steps, to average what follows.

    Args:
        optimizer: whose groups' "lr" changes.
        swa_lr: the rate at the end, for all groups or a list for each.
        anneal_epochs: how many steps the change takes.
        anneal_strategy: "cos" or "linear": its shape.
        last_epoch: how many steps were done before; -1 starts anew.

    Raises:
        OptionError: an option is out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        rates = for_each_group("SWALR: swa_lr", optimizer, swa_lr)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise _fail(
                OptionError,
                f"SWALR: anneal_strategy has to be 'cos' or 'linear', not {anneal_strategy!r}",
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise _fail(
                OptionError,
                f"SWALR: anneal_epochs has to be an integer of at least 0, not {anneal_epochs!r}",
            )
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: Scalar) -> Scalar:
        """How much of the last rate there is after so many steps."""
        time = step / max(1, self.anneal_epochs)
        time = choose(time < 0, lambda: 0.0, lambda: choose(time > 1, lambda: 1.0, lambda: time))
        return time if self._anneal_strategy == "linear" else (1 - cosine(math.pi * time)) / 2

    def _rate(self, group: ParameterGroup, base: float, epoch: Scalar) -> Scalar:
        rate, last, step = former_rate(group), group["swa_lr"], self._step_count - 1
        if self.anneal_epochs == 0:
            step = choose(step < 1, lambda: 1, lambda: step)
        before, now = self._share(step - 1), self._share(step)
        # What the rate would be, had it not been annealed.
        own = choose(before == 1, lambda: last, lambda: (rate - before * last) / (1 - before))
        return last * now + own * (1 - now)
