"""What optimizers share: groups of parameters, and state that compiled functions can update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from .._autodiff import enable_grad, no_grad
from .._core import Tensor, bump_epoch, is_tracing
from .._creation import _fail, asarray, full
from .._devices import as_device
from .._dtypes import float64
from .._errors import DTypeError, ShapeError

Self = TypeVar("Self", bound="Optimizer")

#: The options that are kept in 0-d tensors, so that a new value needs no new trace.
_TENSOR_OPTIONS = frozenset({"lr"})


class ParameterGroup(MutableMapping[str, Any]):
    """The options of some parameters: ``group["lr"]`` and so on, and ``group["params"]``.

    The learning rate reads as a float, in a function being compiled as a 0-d float64 tensor;
    setting it changes that tensor, so that nothing is traced anew.
    """

    __weft_epoch__ = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = {}
        # Of the first parameter: what is kept in tensors is where they are.
        self._device = next((parameter.device for parameter in options.get("params", ())), None)
        for name, value in options.items():
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        return value if name not in _TENSOR_OPTIONS or is_tracing() else value.item()

    def __setitem__(self, name: str, value: Any) -> None:
        if name in _TENSOR_OPTIONS:
            self._set_tensor(name, value)
        else:
            self._values[name] = value
            bump_epoch()

    def _set_tensor(self, name: str, value: Any) -> None:
        tensor = self._values.get(name)
        with no_grad():
            if tensor is None:
                self._values[name] = asarray(
                    value, dtype=float64, device=self._device, copy=True
                ).detach()
                bump_epoch()
            elif isinstance(value, Tensor):
                tensor.assign(value)
            else:
                tensor.assign(full((), float(value), dtype=float64, device=tensor.device))

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        bump_epoch()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def tensor(self, name: str) -> Tensor:
        """The 0-d float64 tensor of an option that is kept in one."""
        return self._values[name]

    def __repr__(self) -> str:
        return repr(dict(self))


def check_option(optimizer: object, name: str, value: float, below: float = math.inf) -> None:
    """Raises ValueError, naming the option, unless 0 <= value < below."""
    if not (isinstance(value, Tensor) or 0.0 <= value < below):
        limit = "" if below == math.inf else f" and less than {below:g}"
        raise ValueError(
            f"{type(optimizer).__name__}: {name} has to be at least 0{limit}, not {value}"
        )


class Optimizer:
    """Changes parameters by their gradients, in place, at each `step`.

    Subclasses define ``_start`` (the tensors kept for a parameter) and ``_update``.

    Args:
        params: parameters, pairs of names and parameters, or dicts of ``"params"`` and options.
        defaults: the options of groups that do not say otherwise.

    Raises:
        ValueError: there are no parameters, or one is given twice. DTypeError: one is no tensor.
    """

    __weft_epoch__ = True

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self._defaults = defaults
        self.param_groups: list[ParameterGroup] = []
        # By "number of the parameter.name", made at once: a trace finds only what was there before.
        self._state: dict[str, Tensor] = {}
        if isinstance(params, (Tensor, Mapping)):
            raise _fail(
                DTypeError,
                f"{type(self).__name__}: params has to be an iterable of "
                f"parameters or dicts, not a {type(params).__name__}",
            )
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: there are no parameters")
        if not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    @property
    def defaults(self) -> dict[str, Any]:
        """The options of groups that do not say otherwise."""
        return self._defaults

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Adds parameters (``param_group["params"]``) with options of their own.

        Raises:
            ValueError: a parameter is there already. DTypeError: one is no floating tensor.
        """
        given = param_group["params"]
        params = (
            [given]
            if isinstance(given, Tensor)
            else [item[1] if isinstance(item, tuple) else item for item in given]
        )
        known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        for parameter in params:
            if not isinstance(parameter, Tensor) or parameter.dtype.kind != "floating":
                raise _fail(
                    DTypeError,
                    f"{type(self).__name__}: a {type(parameter).__name__} is "
                    "no floating tensor to optimize",
                )
            if id(parameter) in known:
                raise ValueError(f"{type(self).__name__}: a parameter is given twice")
            known.add(id(parameter))
        options = {**self._defaults, **param_group, "params": params}
        group = ParameterGroup(options)
        self._check(group)
        first = sum(len(group["params"]) for group in self.param_groups)
        for number, parameter in enumerate(params, first):
            for name, tensor in self._start(parameter, group).items():
                self._state[f"{number}.{name}"] = tensor
        self.param_groups.append(group)
        bump_epoch()

    def _check(self, group: ParameterGroup) -> None:
        """Raises ValueError for options out of range."""

    def _start(self, parameter: Tensor, group: ParameterGroup) -> dict[str, Tensor]:
        """The tensors kept for a parameter, before the first step."""
        raise NotImplementedError

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Tensor],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        """Changes a parameter and its state; ``lr`` is 0-d float64."""
        raise NotImplementedError

    def _numbered(self) -> Iterator[tuple[int, Tensor, ParameterGroup]]:
        number = 0
        for group in self.param_groups:
            for parameter in group["params"]:
                yield number, parameter, group
                number += 1

    def _states(self) -> list[dict[str, Tensor]]:
        """The tensors kept for each parameter, in the order of their numbers."""
        states: list[dict[str, Tensor]] = [{} for _ in self._numbered()]
        for key, tensor in self._state.items():
            number, _, name = key.partition(".")
            states[int(number)][name] = tensor
        return states

    @property
    def state(self) -> dict[Tensor, dict[str, Tensor]]:
        """The tensors kept for each parameter."""
        return {
            parameter: state
            for (_, parameter, _), state in zip(self._numbered(), self._states(), strict=True)
        }

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the parameters' gradients, or sets them to zero."""
        for _, parameter, _ in self._numbered():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach() * 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes all parameters that have gradients.

        Args:
            closure: computes the loss (with its gradients) anew; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            states = self._states()
            for number, parameter, group in self._numbered():
                gradient = parameter.grad
                if gradient is None:
                    continue
                if group["maximize"]:
                    gradient = -gradient
                self._update(parameter, gradient, states[number], group, group.tensor("lr"))
        return loss

    def to(self: Self, device: object) -> Self:
        """Moves what is kept, for parameters that were moved after the optimizer was made."""
        moved = [*self._state.values()]
        for group in self.param_groups:
            moved += [group.tensor(name) for name in group if name in _TENSOR_OPTIONS]
        with no_grad():
            for tensor in moved:
                tensor._replace(tensor.to(as_device(device)))
        bump_epoch()
        return self

    def state_dict(self) -> dict[str, Any]:
        """The state by parameters' numbers and the groups' options, in PyTorch's layout.

        The tensors have the values of now and keep them when training goes on.
        """
        state = {
            number: {name: tensor.detach() for name, tensor in kept.items()}
            for number, kept in enumerate(self._states())
        }
        groups, first = [], 0
        for group in self.param_groups:
            count = len(group["params"])
            groups.append({**group, "params": list(range(first, first + count))})
            first += count
        return {
            "state": {number: kept for number, kept in state.items() if kept},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes what `state_dict` gave. Nothing is changed unless everything fits.

        Raises:
            ShapeError: there are other numbers of groups or parameters, or other shapes.
        """
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise _fail(
                ShapeError,
                f"load_state_dict of {type(self).__name__}: groups of {sizes} "
                f"parameters, but the optimizer has groups of {own}",
            )
        values: dict[str, Tensor] = {}
        for number, kept in state_dict["state"].items():
            for name, value in kept.items():
                key, tensor = f"{number}.{name}", asarray(value, copy=True)
                wanted = self._state.get(key)
                if wanted is None:
                    continue
                if tensor.shape != wanted.shape:
                    raise _fail(
                        ShapeError,
                        f"load_state_dict of {type(self).__name__}: {name} of "
                        f"parameter {number} has shape {tensor.shape}, but "
                        f"{wanted.shape} is needed",
                    )
                values[key] = tensor
        with no_grad():
            for key, tensor in values.items():
                self._state[key].assign(tensor.detach().to(self._state[key].device))
        for group, loaded in zip(self.param_groups, groups, strict=True):
            for name, value in loaded.items():
                if name != "params":
                    group[name] = value

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])
