"""Functions that are called before and after an optimizer's steps, and those of its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .._creation import _fail
from .._errors import DTypeError


class Hook(NamedTuple):
    """A function that is called at an event in the life of an optimizer."""

    event: str
    function: Callable[..., Any]


class RemovableHandle:
    """A hook that was registered: `remove` ends it, as does leaving ``with handle:``."""

    def __init__(self, owner: HookedSteps, registry: str, hook: Hook) -> None:
        self._owner, self._registry, self._hook = owner, registry, hook

    def remove(self) -> None:
        """Has the hook called no more; does nothing if it was removed before."""
        hooks = getattr(self._owner, self._registry)
        kept = tuple(hook for hook in hooks if hook is not self._hook)
        setattr(self._owner, self._registry, kept)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class HookedSteps:
    """The hooks of an optimizer: tuples, which another hook replaces, as those of modules."""

    _step_hooks: tuple[Hook, ...] = ()
    _state_hooks: tuple[Hook, ...] = ()

    def _add_hook(
        self, registry: str, event: str, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        if not callable(hook):
            raise _fail(DTypeError, f"a hook has to be a function, not {hook!r}")
        added = Hook(event, hook)
        hooks = getattr(self, registry)
        setattr(self, registry, (added, *hooks) if prepend else (*hooks, added))
        return RemovableHandle(self, registry, added)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Has ``hook(optimizer, args, kwargs)`` called before each step.

        What it returns replaces both: a pair, of which the first begins with the optimizer; None
        leaves them. Compiled functions run hooks while they are traced.

        Returns:
            A handle, whose remove() ends it.
        """
        return self._add_hook("_step_hooks", "before", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Has ``hook(optimizer, args, kwargs)`` called after each step.

        Returns:
            A handle, whose remove() ends it.
        """
        return self._add_hook("_step_hooks", "after", hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Has ``hook(optimizer)`` called before state_dict(). Returns a handle to remove it."""
        return self._add_hook("_state_hooks", "before_saving", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Has ``hook(optimizer, state_dict)`` called after state_dict().

        What it returns replaces the dict; None leaves it. Returns a handle to remove it.
        """
        return self._add_hook("_state_hooks", "after_saving", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Has ``hook(optimizer, state_dict)`` called before load_state_dict().

        It gets a shallow copy of the dict. What it returns is loaded; None leaves the dict. Returns
        a handle to remove it.
        """
        return self._add_hook("_state_hooks", "before_loading", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Has ``hook(optimizer)`` called after load_state_dict(). Returns a handle to remove it."""
        return self._add_hook("_state_hooks", "after_loading", hook, prepend)

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        """What `step` does between the hooks."""
        raise NotImplementedError

    def _step_with_hooks(self, args: tuple) -> Any:
        kwargs: dict[str, Any] = {}
        for hook in self._hooks_of("_step_hooks", "before"):
            given = hook(self, args, kwargs)
            if given is None:
                continue
            if not isinstance(given, tuple) or len(given) != 2:
                raise _fail(
                    DTypeError,
                    f"{type(self).__name__}: a hook before step() has to return None or "
                    f"(args, kwargs), not {given!r}",
                )
            args, kwargs = given
        result = self._step(*args[1:], **kwargs)
        for hook in self._hooks_of("_step_hooks", "after"):
            hook(self, args, kwargs)
        return result

    def _hooks_of(self, registry: str, event: str) -> list[Callable[..., Any]]:
        return [hook.function for hook in getattr(self, registry) if hook.event == event]

    def _passed(self, event: str, state_dict: Any) -> Any:
        """A dict as the hooks of the event leave it."""
        for hook in self._hooks_of("_state_hooks", event):
            given = hook(self, state_dict)
            state_dict = state_dict if given is None else given
        return state_dict

    def _announce(self, event: str) -> None:
        for hook in self._hooks_of("_state_hooks", event):
            hook(self)
