"""What optimizers share: groups of parameters, and state that compiled functions can update."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from .._autodiff import enable_grad, no_grad
from .._core import Tensor
from .._creation import _fail, asarray, zeros
from .._devices import as_device
from .._dtypes import float32
from .._errors import DTypeError, NameUseError, OptionError, ShapeError
from ._groups import ParameterGroup, check_execution
from ._hooks import HookedSteps

Self = TypeVar("Self", bound="Optimizer")


class Optimizer(HookedSteps):
    """Changes parameters by their gradients, in place, at each `step`.

    Subclasses define ``_names`` (of the tensors kept for a parameter) and ``_update``; those of
    users a ``step`` of their own.

    Args:
        params: parameters, pairs of names and parameters, or dicts of ``"params"`` and options.
        defaults: the options of groups that do not say otherwise.

    Raises:
        OptionError: there are no parameters, or one is given twice, or is computed from others.
        DTypeError: one is no tensor.
    """

    __weft_state__ = True

    #: The kept tensors without dimensions; others are like the parameter.
    _scalars: frozenset[str] = frozenset({"step"})

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self._defaults = defaults
        self.param_groups: list[ParameterGroup] = []
        #: The tensors kept for each parameter, by their names; who changes it changes the steps.
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
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

        Pairs of names and parameters leave the names in the group's ``"param_names"``.

        Raises:
            OptionError: a parameter is there already, or is computed from others; or some have
                names and some not. DTypeError: one is no floating tensor, or they are a set, which
                has no order.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise _fail(
                DTypeError, f'{type(self).__name__}: a group has to be a dict with "params"'
            )
        named = self._named(param_group["params"])
        known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        for _, parameter in named:
            self._check_parameter(parameter)
            if id(parameter) in known:
                raise _fail(OptionError, f"{type(self).__name__}: a parameter is given twice")
            known.add(id(parameter))
        names = [name for name, _ in named if name is not None]
        options = {
            **self._defaults,
            **param_group,
            "params": [parameter for _, parameter in named],
            **({"param_names": names} if names else {}),
        }
        if any(
            ("param_names" in group) != ("param_names" in options) for group in self.param_groups
        ):
            raise _fail(OptionError, f"{type(self).__name__}: some groups have names, some not")
        group = ParameterGroup(options)
        self._check(group)
        check_execution(self, group)
        self.param_groups.append(group)
        group.changed = self._complete_state
        self._complete_state()

    def _named(self, given: Any) -> list[tuple[str | None, Any]]:
        """The parameters of a group, each with its name if there are names."""
        name = type(self).__name__
        if isinstance(given, (set, frozenset)):
            raise _fail(DTypeError, f"{name}: parameters need an order, which a set has not")
        items = [given] if isinstance(given, Tensor) else list(given)
        pairs = [item for item in items if isinstance(item, tuple)]
        if pairs and len(pairs) != len(items):
            raise _fail(OptionError, f"{name}: some parameters of a group have names, some not")
        return [(item[0], item[1]) for item in pairs] if pairs else [(None, item) for item in items]

    def _check_parameter(self, parameter: Any) -> None:
        """Raises an error for what can't be optimized."""
        name = type(self).__name__
        if not isinstance(parameter, Tensor) or parameter.dtype.kind != "floating":
            raise _fail(
                DTypeError,
                f"{name}: a {type(parameter).__name__} is no floating tensor to optimize",
            )
        if not parameter.is_leaf:
            raise _fail(
                OptionError,
                f"{name}: a tensor that is computed from others can't be optimized; "
                "detach() it first",
            )

    def _complete_state(self) -> None:
        """Makes the tensors that the groups' options ask for and that are not there yet.

        At once, and not in the first step: one that a trace makes has to be traced again.
        """
        for group in self.param_groups:
            for parameter in group["params"]:
                names = self._names(group, parameter)
                kept = self.state.setdefault(parameter, {}) if names else {}
                for name in names:
                    if kept.get(name) is None:
                        kept[name] = self._made(name, parameter, group, kept)

    def _check(self, group: ParameterGroup) -> None:
        """Raises OptionError for options out of range."""

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        """The names of the tensors kept for each parameter."""
        return ()

    def _shape(self, name: str, parameter: Tensor) -> tuple[int, ...]:
        """The shape of a tensor that is kept for a parameter."""
        return () if name in self._scalars else parameter.shape

    def _made(
        self,
        name: str,
        parameter: Tensor,
        group: ParameterGroup,
        kept: Mapping[str, Tensor | None],
    ) -> Tensor:
        """A tensor to keep as it is at first; ``kept`` are those that are there already."""
        dtype = float32 if name in self._scalars else parameter.dtype
        return zeros(self._shape(name, parameter), dtype=dtype, device=parameter.device)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        """Changes a parameter and its state; ``lr`` is 0-d float64."""
        raise NotImplementedError(f"{type(self).__name__} has no step()")

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
        if self._step_hooks:
            return self._step_with_hooks((self,) if closure is None else (self, closure))
        return self._step(closure)

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
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
                if group.get("maximize"):
                    gradient = -gradient
                kept = self.state.get(parameter, {})
                self._update(parameter, gradient, kept, group, group.tensor("lr"))
        return loss

    def to(self: Self, device: object) -> Self:
        """Moves what is kept, for parameters that were moved after the optimizer was made."""
        moved = [tensor for kept in self.state.values() for tensor in _tensors_in(kept)]
        moved += [tensor for group in self.param_groups for tensor in group.tensors()]
        with no_grad():
            for tensor in moved:
                tensor._replace(tensor.to(as_device(device)))
        return self

    def state_dict(self) -> dict[str, Any]:
        """The state by parameters' numbers and the groups' options, in PyTorch's layout.

        The tensors are views: they follow training, and writing them writes what they look into. To
        keep the values of now, save them or copy.deepcopy() them.
        """
        self._announce("before_saving")
        state = {
            number: {name: _viewed(value) for name, value in self.state.get(parameter, {}).items()}
            for number, (parameter, _) in enumerate(self._parameters())
        }
        groups, first = [], 0
        for group in self.param_groups:
            count = len(group["params"])
            groups.append({**group, "params": list(range(first, first + count))})
            first += count
        saved = {
            "state": {number: kept for number, kept in state.items() if kept},
            "param_groups": groups,
        }
        return self._passed("after_saving", saved)

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
        state_dict = self._passed("before_loading", dict(state_dict))
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise _fail(
                ShapeError,
                f"{name}: groups of {sizes} parameters, but the optimizer has groups of {own}",
            )
        merged = [
            group.replaced(loaded) for group, loaded in zip(self.param_groups, groups, strict=True)
        ]
        for options in merged:
            self._check(options)
            check_execution(self, options)
        numbers = [number for loaded in groups for number in loaded["params"]]
        values = self._loaded_values(state_dict["state"], numbers, merged, name)
        for group, options in zip(self.param_groups, merged, strict=True):
            for key, value in options.items():
                if key != "params":
                    group[key] = value
        self._complete_state()
        with no_grad():
            for (parameter, _), loaded in zip(self._parameters(), values, strict=True):
                self._store(parameter, loaded)
        self._announce("after_loading")

    def _loaded_values(
        self,
        state: Mapping[Any, Mapping[str, Any]],
        numbers: list[Any],
        groups: list[ParameterGroup],
        name: str,
    ) -> list[dict[str, Any]]:
        """What is loaded for each parameter, with shapes that fit."""
        values: list[dict[str, Any]] = []
        owned = [(parameter, group) for group in groups for parameter in group["params"]]
        for number, (parameter, group) in zip(numbers, owned, strict=True):
            values.append({})
            kept: dict[str, Tensor | None] = {
                key: asarray(value, copy=True)
                for key, value in state.get(number, {}).items()
                if value is not None
            }
            for key in self._names(group, parameter):
                # What is not loaded starts anew, beside what is.
                tensor = kept.get(key)
                tensor = self._made(key, parameter, group, kept) if tensor is None else tensor
                wanted = self._shape(key, parameter)
                if tensor.shape != wanted:
                    raise _fail(
                        ShapeError,
                        f"{name}: {key} of parameter {number} has shape {tensor.shape}, but "
                        f"{wanted} is needed",
                    )
                values[-1][key] = tensor
        return values

    def _store(self, parameter: Tensor, loaded: dict[str, Any]) -> None:
        """Takes what was loaded for a parameter."""
        for key, tensor in loaded.items():
            wanted = self.state[parameter][key]
            wanted.assign(tensor.detach().astype(wanted.dtype).to(wanted.device))

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _viewed(value: Any) -> Any:
    """A kept value with views for its tensors."""
    if isinstance(value, list):
        return [_viewed(item) for item in value]
    return value.detach() if isinstance(value, Tensor) else value


def _tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of a kept value."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(item)
