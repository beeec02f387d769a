"""Calling a module, with functions that are called before and after its forward()."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from .._creation import _fail
from .._errors import DTypeError, UnsupportedError
from ._backward_hooks import BackwardHooks


class Hook(NamedTuple):
    """A function that is called at an event in the life of a module."""

    function: Callable[..., Any]
    #: Which event it is, where one registry has several.
    event: str = ""
    with_kwargs: bool = False
    always_call: bool = False


class RemovableHandle:
    """A hook that was registered: `remove` ends it, as does leaving ``with handle:``."""

    def __init__(self, module: HookedCall, registry: str, hook: Hook) -> None:
        self._module, self._registry, self._hook = module, registry, hook

    def remove(self) -> None:
        """Has the hook called no more; does nothing if it was removed before."""
        self._module._remove_hooks(self._registry, lambda hook: hook is self._hook)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class HookedCall:
    """What happens when a module is called.

    The hooks of a module are tuples, which another hook replaces: compiled functions compare them
    like other attributes, and those of most modules, which have none, for nothing.
    """

    _forward_pre_hooks: tuple[Hook, ...] = ()
    _forward_hooks: tuple[Hook, ...] = ()
    _backward_hooks: tuple[Hook, ...] = ()
    #: See `_module_state`.
    _state_hooks: tuple[Hook, ...] = ()
    #: What `compile` made.
    _compiled_call: Callable[..., Any] | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._compiled_call is not None:
            return self._compiled_call(*args, **kwargs)
        return self._call(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if self._forward_pre_hooks or self._forward_hooks or self._backward_hooks:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def compile(self, **options: Any) -> None:
        """Has calls of the module compiled from now on, by `weft.jit`, which takes the options."""
        from .._jit import jit

        object.__setattr__(self, "_compiled_call", jit(self._call, **options))

    def _call_with_hooks(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        result, waiting = None, list(self._forward_hooks)
        try:
            args, kwargs = self._prepared_arguments(args, kwargs)
            backward = self._backward_hooks_of_call()
            if backward:
                args = backward.mark_arguments(args)
            result = self.forward(*args, **kwargs)
            while waiting:
                given = self._call_hook(waiting.pop(0), args, kwargs, result)
                result = result if given is None else given
            if backward:
                result = backward.mark_results(result)
        except Exception:
            for hook in waiting:
                if hook.always_call:
                    self._call_in_vain(hook, args, kwargs, result)
            raise
        return result

    def _backward_hooks_of_call(self) -> BackwardHooks | None:
        if not self._backward_hooks:
            return None
        functions = [hook.function for hook in self._backward_hooks if not hook.event]
        before = [hook.function for hook in self._backward_hooks if hook.event]
        return BackwardHooks(self, functions, before)

    def _prepared_arguments(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
        for hook in self._forward_pre_hooks:
            given = self._call_hook(hook, args, kwargs)
            if given is None:
                continue
            if not hook.with_kwargs:
                args = given if isinstance(given, tuple) else (given,)
            elif isinstance(given, tuple) and len(given) == 2:
                args, kwargs = given
            else:
                raise _fail(
                    DTypeError,
                    f"{type(self).__name__}: a hook before forward() that takes keywords has to "
                    f"return None or (args, kwargs), not {given!r}",
                )
        return args, kwargs

    def _call_hook(self, hook: Hook, args: tuple, kwargs: dict[str, Any], *result: Any) -> Any:
        if hook.with_kwargs:
            return hook.function(self, args, kwargs, *result)
        return hook.function(self, args, *result)

    def _call_in_vain(self, hook: Hook, args: tuple, kwargs: dict, result: Any) -> None:
        """Calls a hook while an error passes, which one of the hook's own must not hide."""
        try:
            self._call_hook(hook, args, kwargs, result)
        except Exception as error:
            warnings.warn(f"a hook of {type(self).__name__} failed: {error!r}", stacklevel=2)

    def _add_hook(self, registry: str, hook: Hook, prepend: bool = False) -> RemovableHandle:
        if not callable(hook.function):
            raise _fail(DTypeError, f"a hook has to be a function, not {hook.function!r}")
        hooks = getattr(self, registry)
        changed = (hook, *hooks) if prepend else (*hooks, hook)
        object.__setattr__(self, registry, changed)
        return RemovableHandle(self, registry, hook)

    def _take_hooks(self, other: HookedCall) -> None:
        """Has another module's hooks, which it stands for from now on."""
        for registry in ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_state_hooks"):
            if hooks := getattr(other, registry):
                object.__setattr__(self, registry, hooks)

    def _remove_hooks(self, registry: str, is_removed: Callable[[Hook], bool]) -> None:
        kept = tuple(hook for hook in getattr(self, registry) if not is_removed(hook))
        if kept:
            object.__setattr__(self, registry, kept)
        else:
            # As before the first one: what was traced then holds again.
            self.__dict__.pop(registry, None)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Has ``hook(module, args)`` called before each forward().

        What it returns replaces the arguments: a tuple of them, or a single one; None leaves them.
        Compiled functions run hooks while they are traced, and see one that is added or removed
        between calls.

        Args:
            prepend: before the hooks that there are, else after them.
            with_kwargs: it is called as ``hook(module, args, kwargs)``, and returns both or None.

        Returns:
            A handle, whose remove() ends it.
        """
        return self._add_hook("_forward_pre_hooks", Hook(hook, "", with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Has ``hook(module, args, result)`` called after each forward().

        What it returns replaces the result; None leaves it.

        Args:
            prepend: before the hooks that there are, else after them.
            with_kwargs: it is called as ``hook(module, args, kwargs, result)``.
            always_call: also after an error, with the result so far or None.

        Returns:
            A handle, whose remove() ends it.
        """
        added = Hook(hook, "", with_kwargs, always_call)
        return self._add_hook("_forward_hooks", added, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Has ``hook(module, grad_input, grad_output)`` called when gradients are computed.

        Both are tuples, by the position of the arguments and of the results, with None for what has
        no gradient; keyword arguments are not among them. What the hook returns, such a tuple,
        takes the place of ``grad_input``; None leaves it. If no argument requires a gradient, it is
        called when those of the results are there. Compiled functions call no such hooks, and
        refuse modules with them.

        Args:
            prepend: before the hooks that there are, else after them.

        Returns:
            A handle, whose remove() ends it.
        """
        return self._add_hook("_backward_hooks", Hook(hook), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Has ``hook(module, grad_output)`` called before gradients go through the module.

        What it returns takes the place of ``grad_output``; see `register_full_backward_hook`.
        """
        return self._add_hook("_backward_hooks", Hook(hook, "before"), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> NoReturn:
        """Raises UnsupportedError: it saw the gradients of the last op alone."""
        raise _fail(
            UnsupportedError,
            "register_backward_hook: its gradients are those of the module's last operation; use "
            "register_full_backward_hook",
        )
