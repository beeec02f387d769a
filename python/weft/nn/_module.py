"""The base class of layers and networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from .. import _core
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, asarray, zeros_like
from .._devices import Device
from .._dtypes import DType, as_dtype
from .._errors import DTypeError, MissingAttributeError, NameUseError, ShapeError
from .._methods import conversion_from
from ._parameter import Parameter

Self = TypeVar("Self", bound="Module")

#: The attributes of a module that name what it owns.
_REGISTRIES = ("_parameters", "_buffers", "_modules")


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` did not find, and what it had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def _indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])


class Module:
    """A layer or a network: parameters, buffers and other modules, and a ``forward``.

    Subclasses call ``super().__init__()``, then assign parameters and modules to attributes, and
    define ``forward``. Compiled functions see every attribute: a tensor's new value is just another
    input, another change traces anew.
    """

    #: Tells `weft.jit` that what is inside is found where functions read it.
    __weft_state__ = True

    training: bool

    def __init__(self) -> None:
        for name in _REGISTRIES:
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_transient_buffers", {})
        object.__setattr__(self, "training", True)

    # Attributes ------------------------------------------------------------------------------

    def _registry(self, name: str) -> dict[str, Any]:
        try:
            return self.__dict__[name]
        except KeyError:
            raise _fail(
                MissingAttributeError,
                f"{type(self).__name__}: call super().__init__() before assigning "
                "parameters and modules",
            ) from None

    def __getattr__(self, name: str) -> Any:
        for registry in _REGISTRIES:
            members = self.__dict__.get(registry)
            if members is not None and name in members:
                return members[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.register_module(name, value)
        elif name in self.__dict__.get("_buffers", ()) and isinstance(value, (Tensor, type(None))):
            self._set_buffer(name, value)
        elif value is None and name in self.__dict__.get("_parameters", ()):
            self._own("_parameters", name, None)
        elif value is None and name in self.__dict__.get("_modules", ()):
            self._own("_modules", name, None)
        elif name in self.__dict__.get("_parameters", ()):
            raise _fail(
                DTypeError,
                f"parameter {name!r} of {type(self).__name__} can be set to a "
                f"Parameter or None, not to a {type(value).__name__}; use assign() "
                "under weft.no_grad() to change its value",
            )
        elif self.__dict__.get(name, self) is not value:
            self._forget(name)
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if not self._forget(name):
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        members = [name for registry in _REGISTRIES for name in self.__dict__.get(registry, ())]
        return sorted({*super().__dir__(), *members})

    def _forget(self, name: str) -> bool:
        """Removes a member; true if there was one."""
        removed = False
        for registry in _REGISTRIES:
            members = self.__dict__.get(registry, {})
            if name in members:
                del members[name]
                removed = True
        self.__dict__.get("_transient_buffers", {}).pop(name, None)
        return removed

    def _own(self, registry: str, name: str, value: Any) -> None:
        members = self._registry(registry)
        if name in members and members[name] is value:
            return
        if name not in members:
            self._forget(name)
            self.__dict__.pop(name, None)
        members[name] = value

    def _set_buffer(self, name: str, value: Tensor | None) -> None:
        """Takes another buffer, which calls of a compiled function repeat."""
        if _core.is_tracing() and isinstance(value, Tensor):
            _core.store(self._buffers, name, value)
        else:
            self._own("_buffers", name, value)

    def _check_name(self, name: str, kind: str) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise _fail(
                NameUseError, f"the name of a {kind} has to be a string without dots, not {name!r}"
            )
        taken = any(name in self.__dict__.get(registry, ()) for registry in _REGISTRIES)
        if hasattr(type(self), name) or (name in self.__dict__ and not taken):
            raise _fail(NameUseError, f"{type(self).__name__} has an attribute {name!r} already")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter (None: a place for one). Raises DTypeError for anything else."""
        if param is not None and not isinstance(param, Parameter):
            raise _fail(
                DTypeError,
                f"register_parameter: {name!r} is a {type(param).__name__}, not a "
                "weft.nn.Parameter or None",
            )
        self._own("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is part of the state but not learned.

        Raises:
            NameUseError: the name is taken. DTypeError: ``tensor`` is neither a tensor nor None.
        """
        self._check_name(name, "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise _fail(
                DTypeError,
                f"register_buffer: {name!r} is a {type(tensor).__name__}, not a tensor or None",
            )
        self._own("_buffers", name, tensor)
        if not persistent:
            self._transient_buffers[name] = True

    def register_module(self, name: str, module: Module | None) -> None:
        """Adds a module below this one. Raises DTypeError for anything else."""
        if module is not None and not isinstance(module, Module):
            raise _fail(
                DTypeError, f"register_module: {name!r} is a {type(module).__name__}, not a Module"
            )
        self._own("_modules", name, module)

    add_module = register_module

    # Calling ---------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # Walking ---------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, with their names; each once."""
        seen: set[int] = set()
        for name, module in self._registry("_modules").items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with their dotted names."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        if remove_duplicate:
            memo.add(id(self))
        yield prefix, self
        for name, module in self._registry("_modules").items():
            if module is not None:
                inner = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, inner, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _named_members(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        owners = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        seen: set[int] = set()
        for path, module in owners:
            for name, member in module._registry(registry).items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names; with ``recurse`` those of all modules below."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names; with ``recurse`` those of all modules below."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; "" is this one. Raises AttributeError."""
        module: Module = self
        for name in target.split(".") if target else ():
            child = module._registry("_modules").get(name)
            if child is None:
                raise _fail(
                    MissingAttributeError, f"{type(module).__name__} has no module {name!r}"
                )
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. Raises AttributeError."""
        path, _, name = target.rpartition(".")
        parameter = self.get_submodule(path)._registry("_parameters").get(name)
        if parameter is None:
            raise _fail(MissingAttributeError, f"there is no parameter {target!r}")
        return parameter

    # Changing --------------------------------------------------------------------------------

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Calls ``fn`` with each module below, then with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Sets training mode here and below, which matters to dropout and batch normalisation."""
        if not isinstance(mode, bool):
            raise _fail(
                DTypeError, f"train: the mode has to be a bool, not a {type(mode).__name__}"
            )
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """The opposite of `train`."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Lets all parameters require gradients, or none."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the parameters' gradients, or sets them to zero."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = zeros_like(parameter.grad)

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Converts floating parameters and buffers to a dtype, moves all to a device, or both.

        The tensors stay the same objects. Make optimizers afterwards, or move them too.

        Raises:
            DTypeError: there is no such dtype, or it is not floating.
            UnsupportedError: there is no such device.
        """
        dtype, device = conversion_from("Module.to", *args, **kwargs)
        if dtype is not None:
            self._convert(dtype)
        if device is not None:
            self._move(device)
        return self

    def _move(self, device: Device) -> None:
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.device != device:
                gradient = tensor.grad
                tensor._replace(tensor.detach().to(device))
                tensor.grad = None if gradient is None else gradient.to(device)

    def _convert(self, dtype: DType) -> None:
        if dtype.kind != "floating":
            raise _fail(
                DTypeError, f"Module.to: parameters need a floating dtype, not {dtype.name}"
            )
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "floating" and tensor.dtype is not dtype:
                tensor._replace(tensor.detach().astype(dtype))
                tensor.grad = None

    def cpu(self: Self) -> Self:
        """Moves all parameters and buffers to the memory of the host."""
        return self.to("cpu")

    def cuda(self: Self, device: int | str | Device = "cuda") -> Self:
        """Moves all parameters and buffers to a GPU, given by its number or name."""
        return self.to(f"cuda:{device}" if isinstance(device, int) else device)

    def float(self: Self) -> Self:
        """Converts floating parameters and buffers to float32."""
        return self.to(as_dtype("float32"))

    def double(self: Self) -> Self:
        """Converts floating parameters and buffers to float64."""
        return self.to(as_dtype("float64"))

    def half(self: Self) -> Self:
        """Converts floating parameters and buffers to float16."""
        return self.to(as_dtype("float16"))

    def bfloat16(self: Self) -> Self:
        """Converts floating parameters and buffers to bfloat16."""
        return self.to(as_dtype("bfloat16"))

    # State -----------------------------------------------------------------------------------

    def _state_handles(self) -> dict[str, Tensor]:
        handles: dict[str, Tensor] = {}
        for path, module in self.named_modules(remove_duplicate=False):
            dotted = path + "." if path else ""
            members = {**module._parameters, **module._buffers}
            for name, tensor in members.items():
                if tensor is not None and name not in module._transient_buffers:
                    handles[dotted + name] = tensor
        return handles

    def state_dict(self) -> dict[str, Tensor]:
        """All parameters and persistent buffers by their dotted names.

        The tensors are views: they follow training, and writing them writes what they look into. To
        keep the values of now, save them or copy.deepcopy() them.
        """
        return {name: tensor.detach() for name, tensor in self._state_handles().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Takes the values of tensors or arrays named as in `state_dict`, converted to the dtypes.

        Nothing is changed unless everything fits.

        Raises:
            ShapeError: a tensor has another shape; or, if ``strict``, names are missing or unknown.
        """
        handles = self._state_handles()
        missing = [name for name in handles if name not in state_dict]
        unexpected = [name for name in state_dict if name not in handles]
        problems = []
        if strict and missing:
            problems.append("missing: " + ", ".join(missing))
        if strict and unexpected:
            problems.append("unexpected: " + ", ".join(unexpected))
        values = {
            name: asarray(value, dtype=handles[name].dtype, copy=True)
            for name, value in state_dict.items()
            if name in handles
        }
        problems += [
            f"{name} has shape {value.shape}, but {handles[name].shape} is needed"
            for name, value in values.items()
            if value.shape != handles[name].shape
        ]
        if problems:
            raise _fail(
                ShapeError, f"load_state_dict of {type(self).__name__}: " + "; ".join(problems)
            )
        with no_grad():
            for name, value in values.items():
                handles[name].assign(value.detach().to(handles[name].device))
        return IncompatibleKeys(missing, unexpected)

    # Printing --------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What the module's line says in its parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [
            f"({name}): {_indented(repr(module))}"
            for name, module in self._registry("_modules").items()
        ]
        if not lines:
            return f"{type(self).__name__}({extra})"
        head = [*extra.split("\n")] if extra else []
        return "\n  ".join([f"{type(self).__name__}(", *head, *lines]) + "\n)"
