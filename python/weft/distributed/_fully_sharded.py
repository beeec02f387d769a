"""Parameters, gradients and the optimizer's state divided among processes.

Rajbhandari et al., "ZeRO: memory optimizations toward training trillion parameter models", 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, asarray, zeros
from .._errors import NameUseError, OptionError, ShapeError
from .._manipulation import concat, reshape
from ..nn import Module
from ..nn._functional_call import functional_call
from ..nn._parameter import Parameter
from ._data_parallel import share_state
from ._groups import Group, require_group
from ._operations import all_gather


@dataclass(frozen=True)
class Piece:
    """A parameter that is divided: its names in the module, and its shape."""

    names: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


def part_of(flat: Tensor, member: int, members: int) -> Tensor:
    """The part of one of so many members of [count]: all as long, zeros behind the last element."""
    length = -(-flat.shape[0] // members)
    missing = length * members - flat.shape[0]
    if missing:
        flat = concat([flat, zeros(missing, dtype=flat.dtype)])
    return flat[member * length : (member + 1) * length].clone()


def _owners(module: Module) -> dict[str, tuple[dict[str, Any], str]]:
    """Where parameters are, by all their names."""
    found = {}
    for path, each in module.named_modules(remove_duplicate=False):
        for name, parameter in each._parameters.items():
            if parameter is not None:
                found[f"{path}.{name}" if path else name] = (each._parameters, name)
    return found


class FullyShardedDataParallel(Module):
    """A module of whose parameters each process keeps a part: one of n, and so of the gradients and
    of what an optimizer keeps for them.

    Each call gathers the parameters, and the gradient of a process's part is the mean of what all
    processes have for it: training is that of `DistributedDataParallel`, to the bit, by optimizers
    that treat each element alike (SGD, Adam and most others; not LAMB, Adafactor, Muon or LBFGS,
    which look at parameters as a whole). Make the optimizer of this module's parameters.

    Args:
        module: the module, which has no parameters of its own any more; they begin as those of
            member 0.
        process_group: None: all processes.

    Raises:
        CommunicationError: `init` was not called, or the members' modules differ.
        OptionError: the module has no parameters.
    """

    def __init__(self, module: Module, process_group: Group | None = None) -> None:
        super().__init__()
        self._group = require_group(process_group, "FullyShardedDataParallel")
        share_state(module, self._group)
        self.module = module
        self._pieces: list[Piece] = []
        owners = _owners(module)
        if not owners:
            raise _fail(OptionError, "FullyShardedDataParallel: the module has no parameters")
        names: dict[int, list[str]] = {}
        for name, (registry, key) in owners.items():
            names.setdefault(id(registry[key]), []).append(name)
        for number, shared in enumerate(names.values()):
            registry, key = owners[shared[0]]
            self._divide(number, tuple(shared), registry[key])
        for registry, key in owners.values():
            registry[key] = None

    def _divide(self, number: int, names: tuple[str, ...], parameter: Parameter) -> None:
        with no_grad():
            flat = reshape(parameter.detach(), (-1,))
            own = part_of(flat, self._group.rank, self._group.size)
        self._pieces.append(Piece(names, tuple(parameter.shape)))
        self.register_parameter(f"part{number}", Parameter(own, parameter.requires_grad))

    def parts(self) -> list[tuple[Piece, Tensor]]:
        """What is divided, each with this process's part."""
        return [(piece, self._parameters[f"part{i}"]) for i, piece in enumerate(self._pieces)]

    def _whole(self, piece: Piece, own: Tensor) -> Tensor:
        flat = all_gather(own, tiled=True, mean=True, group=self._group)
        return reshape(flat[: piece.count], piece.shape)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives for this process's part of the batch."""
        tensors: dict[str, Any] = {}
        for piece, own in self.parts():
            whole = self._whole(piece, own)
            tensors.update(dict.fromkeys(piece.names, whole))
        return functional_call(self.module, tensors, inputs, kwargs, tie_weights=False)

    def full_state_dict(self) -> dict[str, Tensor]:
        """The module's state as it was before it was divided; all members call this, and get it."""
        with no_grad():
            state = {
                name: whole
                for piece, own in self.parts()
                for whole in [self._whole(piece, own.detach())]
                for name in piece.names
            }
        return {**state, **self.module.state_dict()}

    def load_full_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Takes such a state, which each member has whole: each keeps its part.

        Raises:
            NameUseError: a name is missing. ShapeError: a tensor has another shape.
        """
        found = {}
        for piece, own in self.parts():
            name = piece.names[0]
            if name not in state_dict:
                raise _fail(NameUseError, f"load_full_state_dict: there is no {name!r}")
            whole = asarray(state_dict[name])
            if tuple(whole.shape) != piece.shape:
                raise _fail(
                    ShapeError,
                    f"load_full_state_dict: {name} has shape {tuple(whole.shape)}, but "
                    f"{piece.shape} is needed",
                )
            flat = reshape(whole.detach().astype(own.dtype), (-1,))
            found[name] = part_of(flat, self._group.rank, self._group.size)
        buffers = {name: state_dict[name] for name in self.module.state_dict()}
        with no_grad():
            for piece, own in self.parts():
                own.assign(found[piece.names[0]])
        self.module.load_state_dict(buffers)

    @property
    def process_group(self) -> Group:
        """The processes that have the parts."""
        return self._group
