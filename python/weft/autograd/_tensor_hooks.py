"""Functions that see the gradient of a tensor while it is computed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .. import _core
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail
from .._errors import DTypeError, GradientError, ShapeError

#: A function of a gradient; what it returns takes the gradient's place, None leaves it.
Hook = Callable[[Tensor], Any]


class RemovableHandle:
    """A function that was registered: `remove` ends it, as does leaving ``with handle:``."""

    def __init__(self, functions: dict[int, Any], number: int) -> None:
        self._functions, self._number = functions, number

    def remove(self) -> None:
        """Has the function called no more; does nothing if it was removed before."""
        self._functions.pop(self._number, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class TensorHooks:
    """All functions of one value, in the order in which they were registered.

    The core calls it with each gradient of the value, and once ``.grad`` of a leaf is up to date.
    """

    #: Compiled functions call none of these, so nothing that they read is theirs.
    __weft_state__ = True

    def __init__(self, tensor: Tensor) -> None:
        self._leaf = weakref.ref(tensor)
        self._functions: dict[int, Hook] = {}
        self._accumulated: dict[int, Hook] = {}
        self._retaining: list[weakref.ref[Tensor]] = []
        self._count = 0

    def add(self, function: Hook, accumulated: bool = False) -> RemovableHandle:
        """Registers a function of the gradient, or of the leaf once that has accumulated it."""
        functions = self._accumulated if accumulated else self._functions
        self._count += 1
        functions[self._count] = function
        return RemovableHandle(functions, self._count)

    def retain(self, tensor: Tensor) -> None:
        """Has each gradient added to ``.grad`` of this tensor, after what the functions did."""
        if not self.retains(tensor):
            self._retaining.append(weakref.ref(tensor))

    def retains(self, tensor: Tensor) -> bool:
        """Whether `retain` was called for this tensor."""
        return any(reference() is tensor for reference in self._retaining)

    def __bool__(self) -> bool:
        """Whether there is anything to call: what was removed is nothing."""
        return bool(self._functions or self._accumulated or self._retaining)

    def __call__(self, gradient: Tensor) -> Tensor:
        for function in list(self._functions.values()):
            result = function(gradient)
            if result is not None:
                gradient = _replacement(result, gradient)
        for reference in self._retaining:
            tensor = reference()
            if tensor is not None:
                with no_grad():
                    former = tensor.grad
                    tensor.grad = gradient.clone() if former is None else former + gradient
        return gradient

    def accumulated(self) -> None:
        """Calls what was registered for the time after ``.grad`` has changed."""
        leaf = self._leaf()
        for function in list(self._accumulated.values()):
            if leaf is not None:
                function(leaf)


def _replacement(result: Any, gradient: Tensor) -> Tensor:
    if not isinstance(result, Tensor):
        raise _fail(
            DTypeError,
            f"a gradient hook has to return a tensor or None, not a {type(result).__name__}",
        )
    if result.shape != gradient.shape:
        raise _fail(
            ShapeError,
            f"a gradient hook returned the shape {tuple(result.shape)} for a gradient of shape "
            f"{tuple(gradient.shape)}",
        )
    if result.dtype != gradient.dtype or result.device != gradient.device:
        raise _fail(
            DTypeError,
            f"a gradient hook returned {result.dtype.name} on {result.device} for a gradient of "
            f"{gradient.dtype.name} on {gradient.device}",
        )
    return result


def hooks_of(tensor: Tensor) -> TensorHooks:
    """The functions of the tensor's value, made if need be.

    Raises:
        GradientError: it requires no gradient, or its history was released. UnsupportedError: in a
            compiled function or a transformation.
    """
    found: TensorHooks | None = _core.gradient_hooks(tensor)
    if found is None:
        found = TensorHooks(tensor)
        attributes = getattr(tensor, "__dict__", None) if tensor.is_leaf else None
        _core.set_gradient_hooks(tensor, found, attributes is not None)
        if attributes is not None:
            attributes["_gradient_hooks"] = found
    return found


def register_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Has ``hook(gradient)`` called with each gradient of the tensor that is computed.

    It sees the whole gradient of a `backward` or `weft.autograd.grad`, before that goes on to what
    the tensor was computed from, or into ``.grad`` of a leaf; what it returns, a tensor of the same
    shape and dtype, goes on instead. It belongs to the value that the tensor has now. Compiled
    functions call no hooks.

    Returns:
        A handle, whose remove() ends it.

    Raises:
        GradientError: the tensor requires no gradient, or its history was released.
        UnsupportedError: in a compiled function or a transformation. DTypeError: hook is no
            function.
    """
    return hooks_of(self).add(_function(hook, "register_hook"))


def register_post_accumulate_grad_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Has ``hook(tensor)`` called each time that `backward` has changed the ``.grad`` of this leaf.

    Returns:
        A handle, whose remove() ends it.

    Raises:
        GradientError: the tensor is no leaf, or requires no gradient. Others as `register_hook`.
    """
    if not self.is_leaf:
        raise _fail(
            GradientError,
            "register_post_accumulate_grad_hook: the tensor is no leaf, so that nothing is "
            "accumulated for it; use register_hook",
        )
    return hooks_of(self).add(_function(hook, "register_post_accumulate_grad_hook"), True)


def retain_grad(self: Tensor) -> None:
    """Has gradients of a tensor that is no leaf kept in its ``.grad`` too; nothing for leaves.

    Raises:
        As `register_hook`.
    """
    if not self.requires_grad:
        raise _fail(GradientError, "retain_grad: the tensor requires no gradient")
    if not self.is_leaf:
        hooks_of(self).retain(self)


def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad` was called for this tensor, which is no leaf."""
    if self.is_leaf or not self.requires_grad:
        return False
    found: TensorHooks | None = _core.gradient_hooks(self)
    # The hooks go with the history; what they kept stays.
    return self.grad is not None or (found is not None and found.retains(self))


def _function(hook: Any, name: str) -> Hook:
    if not callable(hook):
        raise _fail(DTypeError, f"{name}: a hook has to be a function, not {hook!r}")
    return hook
