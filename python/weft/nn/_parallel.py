"""PyTorch's layers for several devices and processes, as what they mean on one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core import Tensor
from .._creation import _fail
from .._errors import ShapeError, UnsupportedError
from ._module import Module
from ._normalization import _BatchNorm


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of inputs [N, C, ...], whose statistics PyTorch takes over all processes
    of a group. Here they are those of the batch of this process.

    Args:
        num_features, eps, momentum, affine, track_running_stats: those of `BatchNorm2d`.
        process_group: only None.

    Raises:
        UnsupportedError: a group is given.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: None = None,
        device: object = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise _fail(
                UnsupportedError,
                "SyncBatchNorm: there are no groups of processes; under vmap(axis_name=...) "
                "weft.pmean takes the mean over examples",
            )
        options = (affine, track_running_stats, device, dtype)
        super().__init__(num_features, eps, momentum, *options, bias=bias)

    def _check_dimensions(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise _fail(
                ShapeError,
                f"SyncBatchNorm: the input has shape {input.shape}, but needs two dimensions",
            )

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: None = None) -> Module:
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
