"""Training in mixed precision: `autocast`, and `GradScaler` for gradients too small for float16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _core, _ops
from ._autocast import autocast, is_autocast_enabled
from ._autodiff import no_grad, tree_map
from ._core import Tensor
from ._creation import _fail, full
from ._dtypes import float16, float32, float64, int32
from ._errors import DTypeError, NameUseError, OptionError, UnsupportedError
from ._manipulation import astype
from ._refused import refusing as _refusing
from .optim import Optimizer
from .optim._optimizer import _tensors_in

__all__ = ["GradScaler", "autocast", "is_autocast_enabled"]


class GradScaler:
    """Scales a loss, so that its gradients do not vanish in float16, and skips steps that overflow.

    With ``scaler.scale(loss).backward()``, ``scaler.step(optimizer)`` and ``scaler.update()`` in
    the place of the optimizer's step. A step whose gradients hold an infinity or a NaN changes
    neither the parameters nor what the optimizer keeps; the scale is then multiplied by
    ``backoff_factor``, and by ``growth_factor`` after ``growth_interval`` steps in a row without.
    The whole may be one compiled function: the scale is a tensor, and skipping a selection.

    Args:
        device: where the scale is: that of the losses. None: the host.
        init_scale: the first scale.
        growth_factor: more than 1.
        backoff_factor: less than 1.
        growth_interval: a number of steps.
        enabled: with False, losses and gradients stay as they are, and no step is skipped.

    Raises:
        OptionError: a factor is out of range.
    """

    __weft_state__ = True

    def __init__(
        self,
        device: object = None,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._enabled = enabled
        self._device = device
        self.set_growth_factor(growth_factor)
        self.set_backoff_factor(backoff_factor)
        self._growth_interval = growth_interval
        self._scale = full((), float(init_scale), dtype=float32, device=device)
        self._growth_tracker = full((), 0, dtype=int32, device=device)
        #: For each optimizer since the last `update`: whether its gradients are finite, and whether
        #: it has made its step.
        self._found: dict[int, tuple[Tensor, bool]] = {}

    def scale(self, outputs: Any) -> Any:
        """A tensor, or each of a container, times the scale, in its own dtype."""
        if not self._enabled:
            return outputs
        return tree_map(lambda output: output * astype(self._scale, output.dtype), outputs)

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the gradients of the optimizer's parameters by the scale, as to clip them.

        Raises:
            OptionError: they have been since the last `update`. DTypeError: one is float16.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._found:
            raise _fail(
                OptionError,
                "GradScaler.unscale_: the gradients of this optimizer are unscaled already; call "
                "update() after its step",
            )
        with no_grad():
            inverse = astype(_ops.divide(1.0, astype(self._scale, float64)), float32)
            finite = full((), True, device=self._device)
            for parameter, _ in optimizer._parameters():
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.dtype is float16:
                    raise _fail(
                        DTypeError,
                        "GradScaler.unscale_: a gradient is float16, which has no room for it "
                        "unscaled; keep the parameters in float32, and compute in autocast",
                    )
                finite = finite & _ops.isfinite(gradient).all()
                gradient.assign(gradient * astype(inverse, gradient.dtype))
        self._found[id(optimizer)] = finite, False

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step with gradients that are unscaled; none if they are not finite.

        Returns:
            what the optimizer's ``step`` returns; outside of compiled functions None if it was
            skipped.

        Raises:
            OptionError: it has made its step since the last `update`, or a closure is given.
            UnsupportedError: in a compiled function, the optimizer makes its state in its first
                step.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or args:
            raise _fail(OptionError, "GradScaler.step: a closure can't be skipped; give none")
        if id(optimizer) not in self._found:
            self.unscale_(optimizer)
        finite, stepped = self._found[id(optimizer)]
        if stepped:
            raise _fail(
                OptionError,
                "GradScaler.step: this optimizer has made its step; call update() after it",
            )
        self._found[id(optimizer)] = finite, True
        if not _core.is_tracing():
            return optimizer.step(**kwargs) if bool(finite) else None
        return _selected_step(optimizer, finite, kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Adapts the scale to whether the steps since the last call were finite, or sets it.

        Raises:
            OptionError: there was no step, and no scale is given.
        """
        if not self._enabled:
            return
        if new_scale is None and not self._found:
            raise _fail(OptionError, "GradScaler.update: there was no step since the last call")
        with no_grad():
            if new_scale is not None:
                given = new_scale if isinstance(new_scale, Tensor) else full((), float(new_scale))
                self._scale.assign(astype(given, float32, copy=False))
            else:
                self._adapt()
        self._found.clear()

    def _adapt(self) -> None:
        finite = full((), True, device=self._device)
        for own, _ in self._found.values():
            finite = finite & own
        count = self._growth_tracker + 1
        grows = finite & (count == self._growth_interval)
        grown = self._scale * self._growth_factor
        grown = _ops.where(grows & _ops.isfinite(grown), grown, self._scale)
        tracker = _ops.where(finite & ~grows, count, 0)
        self._scale.assign(_ops.where(finite, grown, self._scale * self._backoff_factor))
        self._growth_tracker.assign(astype(tracker, int32, copy=False))

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1.0 if nothing is scaled."""
        return float(self._scale.item()) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after steps without an overflow."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Changes the growth factor. Raises OptionError unless it is more than 1."""
        if not new_factor > 1.0:
            raise _fail(OptionError, f"GradScaler: growth_factor is {new_factor}; it has to be > 1")
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Changes the backoff factor. Raises OptionError unless it is less than 1."""
        if not new_factor < 1.0:
            raise _fail(
                OptionError, f"GradScaler: backoff_factor is {new_factor}; it has to be < 1"
            )
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps without an overflow the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Changes the growth interval."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """The scale, the factors and the counter, as PyTorch names them; nothing if not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(self._growth_tracker.item()),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes what `state_dict` gave, or that of PyTorch's scaler.

        Raises:
            NameUseError: something is missing, as in the state of one that was not enabled.
        """
        if not self._enabled:
            return
        wanted = (
            *("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"),
        )
        missing = [name for name in wanted if name not in state_dict]
        if missing:
            raise _fail(
                NameUseError, f"GradScaler.load_state_dict: there is no {', '.join(missing)}"
            )
        self.set_growth_factor(state_dict["growth_factor"])
        self.set_backoff_factor(state_dict["backoff_factor"])
        self._growth_interval = state_dict["growth_interval"]
        self._scale.assign(full((), float(state_dict["scale"]), device=self._device))
        tracker = int(state_dict["_growth_tracker"])
        self._growth_tracker.assign(full((), tracker, dtype=int32, device=self._device))


def _selected_step(optimizer: Optimizer, finite: Tensor, options: dict[str, Any]) -> Any:
    """A step in a trace, after which everything has its former value unless ``finite`` is true."""
    optimizer._complete_state()
    changed = [parameter for parameter, _ in optimizer._parameters()]
    changed += [tensor for kept in optimizer.state.values() for tensor in _tensors_in(kept)]
    former = [tensor.detach().clone() for tensor in changed]
    result = optimizer.step(**options)
    count = sum(1 for kept in optimizer.state.values() for _ in _tensors_in(kept))
    if count + sum(1 for _ in optimizer._parameters()) != len(changed):
        raise _fail(
            UnsupportedError,
            f"GradScaler.step: {type(optimizer).__name__} makes its state in its first step; make "
            "that one outside of the compiled function",
        )
    with no_grad():
        for tensor, value in zip(changed, former, strict=True):
            tensor.assign(_ops.where(finite, tensor.detach(), value))
    return result


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("amp")
