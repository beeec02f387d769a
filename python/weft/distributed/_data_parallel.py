"""One module, several parts of a batch: data parallel training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .._autodiff import is_grad_enabled, no_grad
from .._core import Tensor
from .._creation import _fail
from .._custom_derivatives import custom_vjp
from .._errors import OptionError
from ..nn import Module
from ..nn._functional_call import functional_call
from ._groups import Group, require_group
from ._operations import broadcast, replicate


def _buckets(tensors: dict[str, Tensor], most: int) -> list[list[str]]:
    """Names of tensors that are one message: of at most so many bytes, the last ones first."""
    buckets: list[list[str]] = []
    room = 0
    for name, tensor in reversed(tensors.items()):
        size = tensor.nbytes
        if not buckets or size > room:
            buckets.append([])
            room = most
        buckets[-1].append(name)
        room -= size
    return buckets


@custom_vjp
def _with_earlier(tensors: list[Tensor], earlier: list[Tensor]) -> list[Tensor]:
    """The tensors, whose gradients begin with what was there before."""
    return tensors


_with_earlier.defvjp(
    lambda tensors, earlier: (tensors, earlier),
    lambda earlier, made: ([old + new for old, new in zip(earlier, made, strict=True)], None),
)


class DistributedDataParallel(Module):
    """A module that each process has whole, and calls with its part of the batch.

    At first the parameters and buffers become those of member 0. Gradients are the means of the
    processes' gradients, after ``backward()`` and from `weft.grad` alike:
    one step on n processes is that of the whole batch, if the loss is a mean and the parts are as
    large. Its state has "module." before its names, as with PyTorch.

    Args:
        module: the module.
        process_group: None: all processes.
        bucket_cap_mb: gradients are sent together, up to so many MiB at a time.
        broadcast_buffers: whether each call in training mode begins with the buffers of member 0,
            as those of `BatchNorm2d`.

    Raises:
        CommunicationError: `init` was not called, or the members' modules differ.
        OptionError: no parameter of the module is trained, or bucket_cap_mb is not positive.
    """

    def __init__(
        self,
        module: Module,
        process_group: Group | None = None,
        bucket_cap_mb: float = 25.0,
        broadcast_buffers: bool = True,
    ) -> None:
        super().__init__()
        self._group = require_group(process_group, "DistributedDataParallel")
        if not bucket_cap_mb > 0:
            raise _fail(
                OptionError,
                f"DistributedDataParallel: bucket_cap_mb has to be above 0, not {bucket_cap_mb!r}",
            )
        self.module = module
        self.broadcast_buffers = broadcast_buffers
        trained = {
            name: parameter
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        if not trained:
            raise _fail(
                OptionError, "DistributedDataParallel: no parameter of the module is trained"
            )
        self._names = _buckets(trained, int(bucket_cap_mb * (1 << 20)))
        #: Whether gradients are summed: PyTorch's name.
        self.require_backward_grad_sync = True
        #: Whether there were calls since that were of this process alone.
        self._has_own = False
        share_state(module, self._group)

    @property
    def process_group(self) -> Group:
        """The processes that have the parts of the batch."""
        return self._group

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """While it lasts, calls are of this process alone: gradients are its own, and add up.

        A call behind it sums what was added up with its own gradients, as one message::

            with model.no_sync():
                loss(model(first)).backward()
            loss(model(second)).backward()
            optimizer.step()
        """
        former = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = former

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives for this process's part of the batch."""
        if self.training and self.broadcast_buffers:
            _share(dict(self.module.named_buffers()), self._group)
        if not self.require_backward_grad_sync:
            self._has_own = self._has_own or is_grad_enabled()
            return self.module(*inputs, **kwargs)
        parameters = dict(self.module.named_parameters())
        replaced: dict[str, Any] = {}
        for names in self._names:
            bucket = [parameters[name] for name in names]
            parts = replicate(bucket, mean=True, group=self._group)
            replaced.update(zip(names, parts, strict=True))
        self._add_earlier(parameters, replaced)
        return functional_call(self.module, replaced, inputs, kwargs)

    def _add_earlier(self, parameters: dict[str, Tensor], replaced: dict[str, Any]) -> None:
        """Takes the gradients of this process's own calls from the parameters: they are summed with
        those of this call, whose backward pass begins with them."""
        if not (self._has_own and is_grad_enabled()):
            return
        self._has_own = False
        names = [name for name in replaced if parameters[name].grad is not None]
        if not names:
            return
        earlier = [parameters[name].grad.detach() for name in names]
        for name in names:
            parameters[name].grad = None
        made = _with_earlier([replaced[name] for name in names], earlier)
        replaced.update(zip(names, made, strict=True))


def _share(tensors: dict[str, Tensor], group: Group) -> None:
    with no_grad():
        for tensor in tensors.values():
            tensor.assign(broadcast(tensor.detach(), 0, group))


def share_state(module: Module, group: Group | None = None) -> None:
    """Gives all members the parameters and buffers that a module has in member 0.

    Raises CommunicationError if their shapes or dtypes differ.
    """
    chosen = require_group(group, "share_state")
    _share(dict(module.named_parameters()), chosen)
    _share(dict(module.named_buffers()), chosen)
