"""The base class of layers and networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn, TypeVar

from .. import _core
from .._core import Tensor
from .._creation import _fail, zeros_like
from .._devices import Device, as_device
from .._dtypes import DType, as_dtype
from .._errors import DTypeError, MissingAttributeError, NameUseError, UnsupportedError
from .._methods import conversion_from
from ._module_hooks import Hook, HookedCall, RemovableHandle
from ._module_state import IncompatibleKeys, add_state, load_state
from ._parameter import Buffer, Parameter

Self = TypeVar("Self", bound="Module")

#: The attributes of a module that name what it owns.
_REGISTRIES = ("_parameters", "_buffers", "_modules")


def check_form_of_name(name: str, kind: str) -> None:
    """Raises NameUseError for what no member can be called."""
    if not isinstance(name, str) or not name or "." in name:
        raise _fail(
            NameUseError, f"the name of a {kind} has to be a string without dots, not {name!r}"
        )


class Derived:
    """How an attribute of a module is computed from what the module owns, at each reading."""

    __weft_state__ = True

    def compute(self, module: Module) -> Tensor:
        """The attribute's value."""
        raise NotImplementedError

    def set(self, module: Module, value: Any) -> None:
        """Changes what the attribute is computed from, if that can be done."""
        raise NotImplementedError


def _indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])


class Module(HookedCall):
    """A layer or a network: parameters, buffers and other modules, and a ``forward``.

    Subclasses call ``super().__init__()``, then assign parameters and modules to attributes, and
    define ``forward``. Compiled functions see every attribute: a tensor's new value is just another
    input, another change traces anew.
    """

    #: Tells `weft.jit` that what is inside is found where functions read it.
    __weft_state__ = True

    training: bool = True
    #: Attributes that are computed, by their names; of most modules there are none.
    _derived: dict[str, Derived] | None = None
    #: Names of buffers whose dtype is what they are, whatever the module is converted to.
    _buffers_as_they_are: frozenset[str] = frozenset()

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
        if self._derived is not None and name in self._derived:
            return self._derived[name].compute(self)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if self._derived is not None and name in self._derived:
            self._derived[name].set(self, value)
        elif isinstance(value, Parameter):
            self._own("_parameters", name, value)
        elif isinstance(value, Module):
            self._own("_modules", name, value)
        elif isinstance(value, Buffer):
            self._own_buffer(name, value, value.persistent)
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
        # Members of lists are no attributes that one could write.
        named = (name for name in (*members, *(self._derived or ())) if name.isidentifier())
        return sorted({*super().__dir__(), *named})

    def _forget(self, name: str) -> bool:
        """Removes a member; true if there was one."""
        removed = False
        for registry in _REGISTRIES:
            members = self.__dict__.get(registry, {})
            if name in members:
                del members[name]
                removed = True
        self.__dict__.get("_transient_buffers", {}).pop(name, None)
        if self._derived is not None and name in self._derived:
            others = {key: each for key, each in self._derived.items() if key != name}
            removed = True
            if others:
                object.__setattr__(self, "_derived", others)
            else:
                del self.__dict__["_derived"]
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

    def _own_buffer(self, name: str, tensor: Tensor | None, persistent: bool) -> None:
        if name in self._registry("_buffers"):
            self._set_buffer(name, tensor)
        else:
            self._own("_buffers", name, tensor)
        self._transient_buffers.pop(name, None)
        if not persistent:
            self._transient_buffers[name] = True

    def _derive(self, name: str, derived: Derived) -> None:
        """Has an attribute computed, in the place of the member of that name."""
        self._forget(name)
        self.__dict__.pop(name, None)
        object.__setattr__(self, "_derived", {**(self._derived or {}), name: derived})

    def _check_name(self, name: str, kind: str) -> None:
        check_form_of_name(name, kind)
        if hasattr(type(self), name):
            raise _fail(NameUseError, f"{type(self).__name__} has an attribute {name!r} already")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter (None: a place for one).

        Raises:
            NameUseError: the name has a dot, or is taken. DTypeError: it is no parameter.
        """
        self._check_name(name, "parameter")
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
        taken = any(name in self.__dict__.get(registry, ()) for registry in _REGISTRIES)
        if name in self.__dict__ and not taken:
            raise _fail(NameUseError, f"{type(self).__name__} has an attribute {name!r} already")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise _fail(
                DTypeError,
                f"register_buffer: {name!r} is a {type(tensor).__name__}, not a tensor or None",
            )
        self._own_buffer(name, tensor, persistent)

    def register_module(self, name: str, module: Module | None) -> None:
        """Adds a module below this one (None: a place for one).

        Raises:
            NameUseError: the name has a dot, or is taken. DTypeError: it is no module.
        """
        self._check_name(name, "module")
        if module is not None and not isinstance(module, Module):
            raise _fail(
                DTypeError, f"register_module: {name!r} is a {type(module).__name__}, not a Module"
            )
        self._own("_modules", name, module)

    add_module = register_module

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

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once, or with ``remove_duplicate=False`` as often as
        it has a name."""
        named = self.named_modules(remove_duplicate=remove_duplicate)
        return (module for _, module in named)

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
        return self._get_member("_parameters", target, "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. Raises AttributeError."""
        return self._get_member("_buffers", target, "buffer")

    def _get_member(self, registry: str, target: str, kind: str) -> Any:
        path, _, name = target.rpartition(".")
        member = self.get_submodule(path)._registry(registry).get(name)
        if member is None:
            raise _fail(MissingAttributeError, f"there is no {kind} {target!r}")
        return member

    # Changing --------------------------------------------------------------------------------

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts a module in the place of a dotted name.

        Args:
            strict: only in the place of a module that is there.

        Raises:
            NameUseError: the name is empty. DTypeError: it is no module. MissingAttributeError:
                there is no such place, or something else is there.
        """
        path, _, name = target.rpartition(".")
        if not name:
            raise _fail(NameUseError, f"set_submodule: {target!r} names no place for a module")
        if not isinstance(module, Module):
            raise _fail(
                DTypeError, f"set_submodule: {target!r} is a {type(module).__name__}, not a Module"
            )
        owner = self.get_submodule(path)
        present = getattr(owner, name, None)
        if not isinstance(present, Module) and (strict or hasattr(owner, name)):
            raise _fail(MissingAttributeError, f"{type(owner).__name__} has no module {name!r}")
        setattr(owner, name, module)

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

        The tensors stay the same objects. Weights of few bits and their scales have no other dtype.
        Make optimizers afterwards, or move them too.

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

    def _move(self, device: Device, recurse: bool = True) -> None:
        for tensor in (*self.parameters(recurse), *self.buffers(recurse)):
            if tensor.device != device:
                gradient = tensor.grad
                tensor._replace(tensor.detach().to(device))
                tensor.grad = None if gradient is None else gradient.to(device)

    def _convert(self, dtype: DType) -> None:
        if dtype.kind != "floating":
            raise _fail(
                DTypeError, f"Module.to: parameters need a floating dtype, not {dtype.name}"
            )
        kept = {
            id(buffer)
            for module in self.modules()
            for name, buffer in module.named_buffers(recurse=False)
            if name in module._buffers_as_they_are
        }
        for tensor in (*self.parameters(), *self.buffers()):
            if id(tensor) in kept:
                continue
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

    def type(self: Self, dst_type: object) -> Self:
        """Converts floating parameters and buffers to a dtype."""
        return self.to(as_dtype(dst_type))

    def to_empty(self: Self, *, device: int | str | Device | None, recurse: bool = True) -> Self:
        """Moves parameters and buffers to a device; with their values, as nothing is left unset."""
        place = f"cuda:{device}" if isinstance(device, int) else device
        if place is not None:
            self._move(as_device(place), recurse)
        return self

    def share_memory(self) -> NoReturn:
        """Raises UnsupportedError: the memory of tensors belongs to one process."""
        raise _fail(
            UnsupportedError,
            "share_memory: the memory of tensors belongs to one process; give others a "
            "state_dict(), by pickle or weft.save_safetensors",
        )

    # State -----------------------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: MutableMapping[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> MutableMapping[str, Any]:
        """All parameters and persistent buffers by their dotted names.

        The tensors are views: they follow training, and writing them writes what they look into. To
        keep the values of now, save them or copy.deepcopy() them.

        Args:
            destination: what the names are added to; None: a new dict.
            prefix: before each name.
            keep_vars: the parameters and buffers themselves instead of views of them.
        """
        result: MutableMapping[str, Any] = {} if destination is None else destination
        add_state(self, result, prefix, keep_vars)
        return result

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Takes the values of tensors or arrays named as in `state_dict`, converted to the dtypes.

        They may be weft's, NumPy's or PyTorch's. Nothing is changed unless everything fits.

        Args:
            strict: every name has to be there, and no other.
            assign: the module gets other tensors, of the dtypes and devices of those given, instead
                of other values. Make optimizers afterwards.

        Raises:
            ShapeError: a tensor has another shape; or, if ``strict``, names are missing or unknown.
        """
        return load_state(self, state_dict, strict, assign)

    def get_extra_state(self) -> Any:
        """What else belongs to the state: a class that defines it has it in its `state_dict`."""
        raise NotImplementedError(f"{type(self).__name__} has no get_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Takes what `get_extra_state` gave; a class that defines one defines both."""
        raise NotImplementedError(f"{type(self).__name__} has no set_extra_state()")

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Has ``hook(module, prefix, keep_vars)`` called before `state_dict` reads the module."""
        return self._add_hook("_state_hooks", Hook(hook, "before state_dict"))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Has ``hook(module, state_dict, prefix, metadata)`` called after `state_dict` has read the
        module; it may change the dict."""
        return self._add_hook("_state_hooks", Hook(hook, "after state_dict"))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Has a hook called before `load_state_dict` looks at what it was given.

        As ``hook(module, state_dict, prefix, metadata, strict, [], [], [])``. It may change the
        dict, which is a copy.
        """
        return self._add_hook("_state_hooks", Hook(hook, "before load_state_dict"))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Has ``hook(module, incompatible_keys)`` called once `load_state_dict` has loaded all."""
        return self._add_hook("_state_hooks", Hook(hook, "after load_state_dict"))

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
