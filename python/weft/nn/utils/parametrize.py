"""Attributes of modules that are computed from others by modules, such as constrained weights."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from ... import _core
from ..._autodiff import no_grad
from ..._core import Tensor
from ..._creation import _fail
from ..._errors import DTypeError, NameUseError, OptionError, ShapeError, UnsupportedError
from ..._refused import refusing as _refusing
from .._containers import ModuleDict, ModuleList
from .._module import Derived, Module
from .._parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

Parametrized = TypeVar("Parametrized", bound=Module)

#: What was computed within `cached`, and whether that is in a trace, which others must not see.
_Known = dict[tuple[int, str], Tensor]
_known: contextvars.ContextVar[tuple[bool, _Known] | None] = contextvars.ContextVar(
    "_known", default=None
)


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Within it each parametrized attribute is computed once, where it is read first.

    What changes meanwhile, as a step of an optimizer, is not seen. In a compiled function nothing
    is kept that was computed outside, nor the other way.
    """
    if _known.get() is not None:
        yield
        return
    token = _known.set((_core.is_tracing(), {}))
    try:
        yield
    finally:
        _known.reset(token)


class _Parametrized(Derived):
    """An attribute that is what a `ParametrizationList` computes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _list(self, module: Module) -> ParametrizationList:
        return module._modules["parametrizations"][self.name]

    def compute(self, module: Module) -> Tensor:
        known, key = _known.get(), (id(module), self.name)
        if known is None or known[0] != _core.is_tracing():
            return self._list(module)()
        if key not in known[1]:
            known[1][key] = self._list(module)()
        return known[1][key]

    def set(self, module: Module, value: Any) -> None:
        self._list(module).right_inverse(value)


class ParametrizationList(ModuleList):
    """The modules that compute an attribute, one after the other, and what they start from.

    Args:
        modules: modules whose forward() takes a tensor; that of the first one several, if its
            right_inverse() gives several.
        original: the attribute before.
        unsafe: its dtype and shape may change.

    Attributes:
        original: what the first module gets; or original0, original1, ... if it gets several.

    Raises:
        ShapeError, DTypeError: the attribute would have another shape or dtype.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise _fail(OptionError, "ParametrizationList: needs a module")
        super().__init__(modules)
        self.unsafe = unsafe
        dtype, shape = original.dtype, original.shape
        starts = self._inverted(original, must_invert=False)
        self.is_tensor = isinstance(starts, Tensor)
        self.ntensors = 1 if isinstance(starts, Tensor) else len(starts)
        if isinstance(starts, Tensor):
            # The same object, which optimizers may have.
            if starts is not original:
                original._replace(starts.detach())
            self._own(
                "_parameters" if isinstance(original, Parameter) else "_buffers",
                "original",
                original,
            )
        else:
            for place, start in enumerate(starts):
                self._own_start(f"original{place}", start.detach().clone(), original)
        if not unsafe:
            with no_grad():
                _check_same(self(), dtype, shape, "the parametrized tensor")

    def _own_start(self, name: str, value: Tensor, original: Tensor) -> None:
        if isinstance(original, Parameter):
            self.register_parameter(name, Parameter(value, original.requires_grad))
        else:
            self.register_buffer(name, value)

    def _starts(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{place}") for place in range(self.ntensors)]

    @no_grad()
    def _inverted(self, value: Tensor, must_invert: bool) -> Tensor | Sequence[Tensor]:
        """What the first module has to start from to give ``value`` in the end."""
        result: Any = value
        for module in reversed(list(self)):
            inverse = getattr(module, "right_inverse", None)
            if inverse is not None:
                result = inverse(result)
            elif must_invert:
                raise _fail(
                    UnsupportedError,
                    f"a tensor parametrized by {type(module).__name__} can't be set, as the class "
                    "has no right_inverse()",
                )
        if isinstance(result, Tensor) or (
            isinstance(result, Sequence) and all(isinstance(part, Tensor) for part in result)
        ):
            return result
        raise _fail(
            DTypeError,
            f"right_inverse() has to return a tensor or several, not a {type(result).__name__}",
        )

    def right_inverse(self, value: Tensor) -> None:
        """Has the attribute be ``value``, if the modules can give it.

        Raises:
            UnsupportedError: a module has no right_inverse(). DTypeError, ShapeError: what it gives
                does not fit.
        """
        starts = self._inverted(value, must_invert=True)
        given = [starts] if isinstance(starts, Tensor) else list(starts)
        present = self._starts()
        if len(given) != len(present):
            raise _fail(
                ShapeError,
                f"right_inverse() gives {len(given)} tensors in the place of {len(present)}",
            )
        with no_grad():
            for start, new in zip(present, given, strict=True):
                _check_same(new, start.dtype, start.shape, "what right_inverse() gives")
                start.assign(new.detach())

    def forward(self) -> Tensor:
        """The attribute."""
        first, *others = self
        result = first(*self._starts())
        for module in others:
            result = module(result)
        return result


def _check_same(value: Any, dtype: object, shape: tuple[int, ...], what: str) -> None:
    if not isinstance(value, Tensor):
        raise _fail(DTypeError, f"{what} has to be a tensor, not a {type(value).__name__}")
    if value.dtype is not dtype:
        raise _fail(DTypeError, f"{what} has dtype {value.dtype.name}, but has to be {dtype}")
    if value.shape != shape:
        raise _fail(ShapeError, f"{what} has shape {value.shape}, but has to be {shape}")


def _lists(module: Module) -> ModuleDict | None:
    found = module.__dict__.get("_modules", {}).get("parametrizations")
    return found if isinstance(found, ModuleDict) else None


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether an attribute of a module is parametrized; without a name whether any is."""
    lists = _lists(module)
    return lists is not None and (len(lists) > 0 if tensor_name is None else tensor_name in lists)


def type_before_parametrizations(module: Module) -> type:
    """The class of a module, which parametrizations leave as it is."""
    return type(module)


def register_parametrization(
    module: Parametrized, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Parametrized:
    """Has a parameter or buffer computed by ``parametrization(original)`` wherever it is read.

    The original is ``module.parametrizations.<tensor_name>.original``. A parametrization that has a
    right_inverse(value) gets the value of now by it, and lets the attribute be set; if it returns
    several tensors they are original0, original1, ..., which forward() then takes. On an attribute
    that is parametrized, another one computes from what those before give.

    Args:
        unsafe: the dtype and the shape of the attribute may change, and are not checked.

    Returns:
        The module.

    Raises:
        NameUseError: there is no such parameter or buffer. DTypeError, ShapeError: the
            parametrization gives another dtype or shape.
    """
    parametrization.train(module.training)
    lists = _lists(module)
    if lists is not None and tensor_name in lists:
        _append(lists[tensor_name], getattr(module, tensor_name), parametrization, unsafe)
        return module
    original = {**module._registry("_parameters"), **module._registry("_buffers")}.get(tensor_name)
    if original is None:
        raise _fail(
            NameUseError,
            f"register_parametrization: {type(module).__name__} has no parameter or buffer "
            f"{tensor_name!r}",
        )
    made = ParametrizationList([parametrization], original, unsafe=unsafe)
    made.train(module.training)
    if lists is None:
        module.parametrizations = lists = ModuleDict()
    lists[tensor_name] = made
    module._derive(tensor_name, _Parametrized(tensor_name))
    return module


@no_grad()
def _append(present: Any, value: Tensor, parametrization: Module, unsafe: bool) -> None:
    """Adds a parametrization to others, if it gives the dtype and shape that it gets."""
    if not unsafe:
        result = parametrization(value)
        _check_same(result, value.dtype, value.shape, "what the parametrization gives")
        inverse = getattr(parametrization, "right_inverse", None)
        if inverse is not None:
            what = "what right_inverse() gives"
            _check_same(inverse(result), value.dtype, value.shape, what)
    present.append(parametrization)
    present.unsafe = present.unsafe or unsafe


def remove_parametrizations(
    module: Parametrized, tensor_name: str, leave_parametrized: bool = True
) -> Parametrized:
    """Ends `register_parametrization`: the attribute is a parameter or buffer again.

    Args:
        leave_parametrized: it keeps the value that was computed, else it has that of the original.

    Returns:
        The module.

    Raises:
        NameUseError: it is not parametrized. OptionError: there are several originals, and
            ``leave_parametrized`` is false.
    """
    lists = _lists(module)
    if lists is None or tensor_name not in lists:
        raise _fail(
            NameUseError,
            f"remove_parametrizations: {tensor_name!r} of {type(module).__name__} is not "
            "parametrized",
        )
    made: Any = lists[tensor_name]
    start = made._starts()[0]
    if not (made.is_tensor or leave_parametrized):
        raise _fail(
            OptionError,
            f"remove_parametrizations: {tensor_name!r} has {made.ntensors} originals: it can only "
            "keep the value that was computed",
        )
    result, is_parameter = start, isinstance(start, Parameter)
    if leave_parametrized:
        with no_grad():
            value = made().detach().clone()
        if made.is_tensor and value.dtype is start.dtype:
            result._replace(value)
        else:
            result = Parameter(value, start.requires_grad) if is_parameter else value
    del lists[tensor_name]
    if not len(lists):
        del module.parametrizations
    module._own("_parameters" if is_parameter else "_buffers", tensor_name, result)
    return module


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("nn.utils.parametrize")
