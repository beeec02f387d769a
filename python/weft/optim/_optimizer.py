"""What optimizers share: groups of parameters, and state that compiled functions can update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from .._autodiff import enable_grad, no_grad
from .._core import Tensor, as_number, is_tracing
from .._creation import _fail, asarray, full, zeros_like
from .._devices import as_device
from .._dtypes import float32, float64
from .._errors import DTypeError, NameUseError, OptionError, ShapeError

Self = TypeVar("Self", bound="Optimizer")

#: The options that are kept in 0-d tensors, so that a new value needs no new trace.
_TENSOR_OPTIONS = frozenset({"lr"})


class ParameterGroup(MutableMapping[str, Any]):
    """The options of some parameters: ``group["lr"]`` and so on, and ``group["params"]``.

    The learning rate reads as a float, in a function being compiled as a 0-d tensor whose dtype
    gives way to that of others, as a float's does; setting it changes what that tensor reads, so
    that nothing is traced anew.
    """

    __weft_state__ = True
    #: Called when an option changes; apart from what compiled functions look at.
    __slots__ = ("__dict__", "changed")

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = {}
        self.changed: Callable[[], None] | None = None
        # Of the first parameter: what is kept in tensors is where they are.
        self._device = next((parameter.device for parameter in options.get("params", ())), None)
        for name, value in options.items():
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        if name not in _TENSOR_OPTIONS:
            return value
        return as_number(value) if is_tracing() else value.item()

    def __setitem__(self, name: str, value: Any) -> None:
        if name in _TENSOR_OPTIONS:
            self._set_tensor(name, value)
        else:
            self._values[name] = value
            if self.changed is not None:
                self.changed()

    def _set_tensor(self, name: str, value: Any) -> None:
        tensor = self._values.get(name)
        with no_grad():
            if tensor is None:
                self._values[name] = asarray(
                    value, dtype=float64, device=self._device, copy=True
                ).detach()
            elif isinstance(value, Tensor):
                tensor.assign(value)
            else:
                tensor.assign(full((), float(value), dtype=float64, device=tensor.device))

    def __delitem__(self, name: str) -> None:
        del self._values[name]

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
    """Raises OptionError, naming the option, unless 0 <= value < below."""
    if isinstance(value, Tensor):
        return
    if not (isinstance(value, (int, float)) and 0.0 <= value < below):
        limit = "" if below == math.inf else f" and less than {below:g}"
        raise _fail(
            OptionError,
            f"{type(optimizer).__name__}: {name} has to be at least 0{limit}, not {value!r}",
        )


class Optimizer:
    """Changes parameters by their gradients, in place, at each `step`.

    Subclasses define ``_names`` (of the tensors kept for a parameter) and ``_update``.

    Args:
        params: parameters, pairs of names and parameters, or dicts of ``"params"`` and options.
        defaults: the options of groups that do not say otherwise.

    Raises:
        OptionError: there are no parameters, or one is given twice. DTypeError: one is no tensor.
    """

    __weft_state__ = True

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self._defaults = defaults
        self.param_groups: list[ParameterGroup] = []
        #: The tensors kept for each parameter, by their names; who changes it changes the steps.
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        if isinstance(params, (Tensor, Mapping)):
            raise _fail(
                DTypeError,
                f"{type(self).__name__}: params has to be an iterable of "
                f"parameters or dicts, not a {type(params).__name__}",
            )
        groups = list(params)
        if not groups:
            raise _fail(OptionError, f"{type(self).__name__}: there are no parameters")
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
            OptionError: a parameter is there already. DTypeError: one is no floating tensor.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise _fail(
                DTypeError, f'{type(self).__name__}: a group has to be a dict with "params"'
            )
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
                raise _fail(OptionError, f"{type(self).__name__}: a parameter is given twice")
            known.add(id(parameter))
        options = {**self._defaults, **param_group, "params": params}
        group = ParameterGroup(options)
        self._check(group)
        self.param_groups.append(group)
        group.changed = self._complete_state
        self._complete_state()

    def _complete_state(self) -> None:
        """Makes the tensors that the groups' options ask for and that are not there yet.

        At once, and not in the first step: one that a trace makes has to be traced again.
        """
        for group in self.param_groups:
            for parameter in group["params"]:
                kept = self.state.setdefault(parameter, {}) if self._names(group) else {}
                for name in self._names(group):
                    if kept.get(name) is None:
                        kept[name] = self._made(name, parameter, kept)

    def _check(self, group: Mapping[str, Any]) -> None:
        """Raises OptionError for options out of range."""

    def _names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the tensors kept for each parameter: "step" is 0-d, others are like it."""
        raise NotImplementedError

    def _made(self, name: str, parameter: Tensor, kept: Mapping[str, Tensor | None]) -> Tensor:
        """A tensor to keep as it is at first; ``kept`` are those that are there already."""
        if name == "step":
            return asarray(0.0, dtype=float32, device=parameter.device)
        return zeros_like(parameter)

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

    def _parameters(self) -> Iterator[tuple[Tensor, ParameterGroup]]:
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the parameters' gradients, or sets them to zero."""
        for parameter, _ in self._parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                with no_grad():
                    parameter.grad.fill_(0)

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
            self._complete_state()
            for parameter, group in self._parameters():
                gradient = parameter.grad
                if gradient is None:
                    continue
                if group["maximize"]:
                    gradient = -gradient
                kept = self.state.get(parameter, {})
                self._update(parameter, gradient, kept, group, group.tensor("lr"))
        return loss

    def to(self: Self, device: object) -> Self:
        """Moves what is kept, for parameters that were moved after the optimizer was made."""
        moved = [tensor for kept in self.state.values() for tensor in kept.values()]
        for group in self.param_groups:
            moved += [group.tensor(name) for name in group if name in _TENSOR_OPTIONS]
        with no_grad():
            for tensor in moved:
                tensor._replace(tensor.to(as_device(device)))
        return self

    def state_dict(self) -> dict[str, Any]:
        """The state by parameters' numbers and the groups' options, in PyTorch's layout.

        The tensors are views: they follow training, and writing them writes what they look into. To
        keep the values of now, save them or copy.deepcopy() them.
        """
        state = {
            number: {
                name: tensor.detach() for name, tensor in self.state.get(parameter, {}).items()
            }
            for number, (parameter, _) in enumerate(self._parameters())
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
        """Takes what `state_dict` gave, or that of PyTorch's optimizer of the same name.

        Nothing is changed unless everything fits.

        Raises:
            ShapeError: there are other numbers of groups or parameters, or other shapes.
            NameUseError: it has no state or no groups. OptionError: an option is out of range.
        """
        name = f"load_state_dict of {type(self).__name__}"
        for key in ("state", "param_groups"):
            if not isinstance(state_dict, Mapping) or key not in state_dict:
                raise _fail(NameUseError, f"{name}: there is no {key!r}")
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise _fail(
                ShapeError,
                f"{name}: groups of {sizes} parameters, but the optimizer has groups of {own}",
            )
        options = [
            {**group, **{key: value for key, value in loaded.items() if key != "params"}}
            for group, loaded in zip(self.param_groups, groups, strict=True)
        ]
        for merged in options:
            self._check(merged)
        numbers = [number for loaded in groups for number in loaded["params"]]
        values = self._loaded_values(state_dict["state"], numbers, options, name)
        for group, loaded in zip(self.param_groups, options, strict=True):
            for key, value in loaded.items():
                if key != "params":
                    group[key] = value
        self._complete_state()
        with no_grad():
            for (parameter, _), loaded in zip(self._parameters(), values, strict=True):
                for key, tensor in loaded.items():
                    wanted = self.state[parameter][key]
                    wanted.assign(tensor.detach().astype(wanted.dtype).to(wanted.device))

    def _loaded_values(
        self,
        state: Mapping[Any, Mapping[str, Any]],
        numbers: list[Any],
        options: list[dict[str, Any]],
        name: str,
    ) -> list[dict[str, Tensor]]:
        """The tensors of a state to load for each parameter, with shapes that fit."""
        values: list[dict[str, Tensor]] = []
        owned = [(parameter, group) for group in options for parameter in group["params"]]
        for number, (parameter, group) in zip(numbers, owned, strict=True):
            values.append({})
            kept: dict[str, Tensor | None] = {
                key: asarray(value, copy=True)
                for key, value in state.get(number, {}).items()
                if value is not None
            }
            for key in self._names(group):
                # What is not loaded starts anew, beside what is.
                tensor = kept.get(key)
                tensor = self._made(key, parameter, kept) if tensor is None else tensor
                wanted = () if key == "step" else parameter.shape
                if tensor.shape != wanted:
                    raise _fail(
                        ShapeError,
                        f"{name}: {key} of parameter {number} has shape {tensor.shape}, but "
                        f"{wanted} is needed",
                    )
                values[-1][key] = tensor
        return values

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])
