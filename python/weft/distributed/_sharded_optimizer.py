"""What an optimizer keeps, divided among processes that have all parameters: ZeRO's first stages.

Rajbhandari et al., "ZeRO: memory optimizations toward training trillion parameter models", 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .._autodiff import enable_grad, no_grad
from .._core import Tensor
from .._creation import _fail, zeros
from .._errors import OptionError, UnsupportedError
from .._manipulation import concat, reshape
from ..nn._parameter import Parameter
from ..optim import Optimizer
from ._fully_sharded import part_of
from ._groups import Group, require_group
from ._operations import all_gather, reduce_scatter


class ZeroRedundancyOptimizer(Optimizer):
    """An optimizer that keeps its state for one n-th of each parameter in each of n processes.

    Each process changes its parts, and then all get what the others have changed. The parameters
    have the bits that ``optimizer_class`` gives alone, if it treats each element alike (SGD, Adam
    and most others; not LAMB, Adafactor, Muon or LBFGS, which look at parameters as a whole).

    Args:
        params: as for ``optimizer_class``; the same in all members.
        optimizer_class: as `weft.optim.Adam`.
        process_group: None: all processes.
        sums_gradients: whether gradients are each process's own, and become means here, of which
            each process gets those of its parts (the second stage): for a module that is called
            without `DistributedDataParallel`, whose gradients are means already (the first stage).
        defaults: the options of ``optimizer_class``.

    Its `param_groups` and `state` are those of the parts. `save_checkpoint` writes what all members
    have, for any number of them; `state_dict` gives this member's.

    Raises:
        CommunicationError: `init` was not called. OptionError: ``optimizer_class`` is no class of
            optimizers, or what it raises.
    """

    def __init__(
        self,
        params: Iterable[Any],
        optimizer_class: type[Optimizer],
        process_group: Group | None = None,
        sums_gradients: bool = False,
        **defaults: Any,
    ) -> None:
        self._group = require_group(process_group, "ZeroRedundancyOptimizer")
        if not (isinstance(optimizer_class, type) and issubclass(optimizer_class, Optimizer)):
            raise _fail(
                OptionError,
                "ZeroRedundancyOptimizer: optimizer_class is a class of weft.optim, not "
                f"{optimizer_class!r}",
            )
        self._sums_gradients = sums_gradients
        whole = Optimizer(params, {})
        #: This process's part of each parameter.
        self._parts: dict[Tensor, Tensor] = {}
        groups = []
        for group in whole.param_groups:
            parts = [self._divided(parameter) for parameter in group["params"]]
            groups.append({**group, "params": parts})
        self.optim = optimizer_class(groups, **defaults)
        self._defaults = self.optim.defaults

    def _divided(self, parameter: Tensor) -> Tensor:
        with no_grad():
            part = Parameter(self._own(parameter.detach()), parameter.requires_grad)
        self._parts[parameter] = part
        return part

    def _own(self, tensor: Tensor) -> Tensor:
        return part_of(reshape(tensor, (-1,)), self._group.rank, self._group.size)

    @property
    def param_groups(self) -> list:  # type: ignore[override]
        """The groups of the parts, with their options."""
        return self.optim.param_groups

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:  # type: ignore[override]
        """The tensors that are kept for each part."""
        return self.optim.state

    def part(self, parameter: Tensor) -> Tensor:
        """This process's part of a parameter, which `state` is of.

        Raises OptionError if the optimizer does not change it.
        """
        if parameter not in self._parts:
            raise _fail(OptionError, "ZeroRedundancyOptimizer: this is none of its parameters")
        return self._parts[parameter]

    def add_param_group(self, param_group: Any) -> None:
        """Raises UnsupportedError: all groups are given at first."""
        raise _fail(
            UnsupportedError,
            "ZeroRedundancyOptimizer: give all groups of parameters when it is made",
        )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the parameters' gradients, or sets them to zero."""
        for whole, part in self._parts.items():
            part.grad = None
            if set_to_none:
                whole.grad = None
            elif whole.grad is not None:
                with no_grad():
                    whole.grad.fill_(0)

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        changed = [(whole, part) for whole, part in self._parts.items() if whole.grad is not None]
        with no_grad():
            gradients = self._gradients([whole.grad for whole, _ in changed])
            for (whole, part), gradient in zip(changed, gradients, strict=True):
                # The parameter may have been loaded since.
                part.assign(self._own(whole.detach()))
                part.grad = gradient
            self.optim.step()
            for _, part in changed:
                part.grad = None
            self._share(changed)
        return loss

    def _gradients(self, gradients: list[Tensor]) -> list[Tensor]:
        """This process's parts of the gradients' means."""
        if not self._sums_gradients:
            return [self._own(gradient) for gradient in gradients]
        found: dict[int, Tensor] = {}
        for numbers in _of_one_dtype(gradients):
            parts = [self._for_members(gradients[number]) for number in numbers]
            own = reduce_scatter(concat(parts, axis=1), group=self._group) / self._group.size
            first = 0
            for number, part in zip(numbers, parts, strict=True):
                length = part.shape[1]
                found[number] = own[first : first + length].astype(gradients[number].dtype)
                first += length
        return [found[number] for number in range(len(gradients))]

    def _for_members(self, gradient: Tensor) -> Tensor:
        """[members, n] of a gradient's parts, halves as float32; zeros behind the last element."""
        wide = gradient.astype("float32") if gradient.dtype.itemsize < 4 else gradient
        flat, members = reshape(wide, (-1,)), self._group.size
        missing = -flat.shape[0] % members
        if missing:
            flat = concat([flat, zeros(missing, dtype=flat.dtype)])
        return reshape(flat, (members, flat.shape[0] // members))

    def _share(self, changed: list[tuple[Tensor, Tensor]]) -> None:
        """Gives all members the parts that each has changed: one message for each dtype."""
        parts = [part.detach() for _, part in changed]
        for numbers in _of_one_dtype(parts):
            all_parts = all_gather(concat([parts[number] for number in numbers]), group=self._group)
            first = 0
            for number in numbers:
                whole, length = changed[number][0], parts[number].shape[0]
                flat = reshape(all_parts[:, first : first + length], (-1,))
                whole.assign(reshape(flat[: math.prod(whole.shape)], whole.shape))
                first += length

    def state_dict(self) -> dict[str, Any]:
        """That of ``optimizer_class`` for this process's parts; see `weft.optim.Optimizer`."""
        return self.optim.state_dict()

    def load_state_dict(self, state_dict: Any) -> None:
        """Takes what `state_dict` gave in this process, among as many. Raises as
        `weft.optim.Optimizer.load_state_dict`."""
        self.optim.load_state_dict(state_dict)

    def to(self, device: object) -> ZeroRedundancyOptimizer:
        """Raises UnsupportedError: processes combine what is in their hosts' memory."""
        raise _fail(UnsupportedError, "ZeroRedundancyOptimizer: its tensors stay on the cpu")


def _of_one_dtype(tensors: list[Tensor]) -> list[list[int]]:
    numbers: dict[str, list[int]] = {}
    for number, tensor in enumerate(tensors):
        numbers.setdefault(tensor.dtype.name, []).append(number)
    return list(numbers.values())
