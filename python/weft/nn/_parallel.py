"""PyTorch's layers for several devices and processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _core
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, full
from .._errors import OptionError, ShapeError, UnsupportedError
from .._manipulation import concat, reshape
from ._module import Module
from ._normalization import _BatchNorm

if TYPE_CHECKING:
    from ..distributed import Group


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of inputs [N, C, ...], whose statistics in training are those of the
    batches of all processes of a group together. Before `weft.distributed.init` there is one.

    Args:
        num_features, eps, momentum, affine, track_running_stats: those of `BatchNorm2d`.
        process_group: whose batches; None: those of all processes. Its members call this together,
            with batches of any sizes.

    Raises:
        OptionError: the group is none of `weft.distributed.new_group`.
        CommunicationError: a member does something else, or does not come.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Group | None = None,
        device: object = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        from ..distributed import Group

        if process_group is not None and not isinstance(process_group, Group):
            raise _fail(
                OptionError,
                "SyncBatchNorm: a group is made by weft.distributed.new_group(), not "
                f"{process_group!r}",
            )
        options = (affine, track_running_stats, device, dtype)
        super().__init__(num_features, eps, momentum, *options, bias=bias)
        self.process_group = process_group

    def _is_alone(self) -> bool:
        from .. import distributed

        return distributed.world_size(self.process_group) == 1

    def _check_count(self, x: Tensor) -> None:
        if self._is_alone():
            super()._check_count(x)

    def _normalized(self, x: Tensor, own: bool, momentum: float | Tensor) -> Tensor:
        if not own or self._is_alone():
            return super()._normalized(x, own, momentum)
        average, variance, count = self._statistics(x)
        if self.training and self.running_mean is not None and self.running_var is not None:
            with no_grad():
                unbiased = variance.detach() * (count / (count - 1.0))
                for kept, new in ((self.running_mean, average), (self.running_var, unbiased)):
                    moved = kept * (1 - momentum) + new.detach() * momentum
                    kept.assign(moved.astype(kept.dtype))
        weight, bias = (
            full((x.shape[1],), value, dtype=x.dtype, device=x.device) if given is None else given
            for given, value in ((self.weight, 1.0), (self.bias, 0.0))
        )
        tensors = (x, average.astype(x.dtype), variance.astype(x.dtype), weight, bias)
        return _core.apply("weft.batch_norm", tensors, {"epsilon": float(self.eps)})

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance of each channel, and of how many elements: two sums of all members."""
        from ..distributed import all_reduce

        wide = x.astype("float32") if x.dtype.itemsize < 4 else x
        axes = (0, *range(2, x.ndim))
        own = full((1,), float(x._size // max(x.shape[1], 1)), dtype=wide.dtype)
        sums = all_reduce(concat([wide.sum(axis=axes), own]), group=self.process_group)
        count = sums[-1].detach()
        average = sums[:-1] / count
        apart = wide - reshape(average, (1, -1, *([1] * (x.ndim - 2))))
        squares = all_reduce((apart * apart).sum(axis=axes), group=self.process_group)
        return average, squares / count, count

    def _check_dimensions(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise _fail(
                ShapeError,
                f"SyncBatchNorm: the input has shape {input.shape}, but needs two dimensions",
            )

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Group | None = None) -> Module:
        """The module with each `BatchNorm1d` to `BatchNorm3d` in it replaced by one of this class,
        of the same parameters and statistics."""
        if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
            result = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            result.weight, result.bias = module.weight, module.bias
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(result, name, getattr(module, name))
            result.training = module.training
            return result
        for name, child in list(module.named_children()):
            converted = cls.convert_sync_batchnorm(child, process_group)
            if converted is not child:
                setattr(module, name, converted)
        return module


class DataParallel(Module):
    """A module whose batches PyTorch divides between GPUs: here it is called on the one device that
    its parameters are on. Its state has "module." before its names, as there.

    Args:
        module: the module.
        device_ids: at most one device, where the module is moved to.
        output_device: only None, or that device.
        dim: the dimension of the batch, which nothing depends on.

    Raises:
        UnsupportedError: there are several devices.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module, self.dim = module, dim
        self.device_ids = list(device_ids or ())
        if len({str(device) for device in self.device_ids}) > 1 or (
            output_device is not None and output_device not in self.device_ids
        ):
            raise _fail(
                UnsupportedError,
                f"DataParallel: a program works on one device, not on {self.device_ids} with the "
                f"result on {output_device}; move the module by .to(), and call it as it is",
            )
        if self.device_ids:
            device = self.device_ids[0]
            module.to(f"cuda:{device}" if isinstance(device, int) else device)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*inputs, **kwargs)
