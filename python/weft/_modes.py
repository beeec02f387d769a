"""Modes of a thread, which contexts and decorators switch."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any


class ThreadMode:
    """A context, and a decorator: each call of what it decorates is a context of its own.

    One object may be used again, within itself, and by several threads at once. Subclasses say by
    ``_exchange`` how a mode takes the place of another one, which it returns.
    """

    def __init__(self, wanted: Any) -> None:
        self._wanted = wanted
        self._former = threading.local()

    @staticmethod
    def _exchange(wanted: Any) -> Any:
        raise NotImplementedError

    def __enter__(self) -> None:
        if not hasattr(self._former, "modes"):
            self._former.modes = []
        self._former.modes.append(self._exchange(self._wanted))

    def __exit__(self, *_: object) -> None:
        self._exchange(self._former.modes.pop())

    def __call__(self, function: Any) -> Any:
        """The function, in this mode while it runs; a generator or coroutine too, step by step.

        Raises:
            TypeError: it is no function (decorate the methods of a class).
        """
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            kind = f"class {function.__name__}" if isinstance(function, type) else repr(function)
            raise TypeError(f"{type(self).__name__} decorates functions and methods, not {kind}")
        if inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{type(self).__name__} can't decorate {function.__qualname__}, an asynchronous "
                "generator; use it as a context inside"
            )
        exchange, wanted = self._exchange, self._wanted
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def decorated(*args: Any, **kwargs: Any) -> Any:
                return (yield from _Steps(function(*args, **kwargs), exchange, wanted))

        elif inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def decorated(*args: Any, **kwargs: Any) -> Any:
                return await _Steps(function(*args, **kwargs), exchange, wanted)

        else:

            @functools.wraps(function)
            def decorated(*args: Any, **kwargs: Any) -> Any:
                former = exchange(wanted)
                try:
                    return function(*args, **kwargs)
                finally:
                    exchange(former)

        return decorated


class _Steps(Generator):
    """A generator or coroutine, each step of which runs in a mode; in between, who drives it has
    the mode that it had."""

    def __init__(self, steps: Any, exchange: Callable[[Any], Any], wanted: Any) -> None:
        self._steps = steps
        self._exchange = exchange
        self._wanted = wanted

    def _step(self, step: Callable, *arguments: Any) -> Any:
        former = self._exchange(self._wanted)
        try:
            return step(*arguments)
        finally:
            self._exchange(former)

    def send(self, value: Any) -> Any:
        return self._step(self._steps.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._steps.throw, *error)

    def close(self) -> None:
        self._step(self._steps.close)

    def __await__(self) -> Any:
        return self


class _Nesting(threading.local):
    """What the functions are in that this thread runs: `levels` are the mapped ones, outermost
    first, ``inner`` what they have begun since, each with the number of levels around it."""

    def __init__(self) -> None:
        self.levels: list[Any] = []
        self.inner: list[tuple[str, int]] = []


nesting = _Nesting()

#: Kinds of what mapped functions may begin: differentiating, and the body of a loop or branch.
DIFFERENTIATION, REGION = "differentiation", "region"


@contextlib.contextmanager
def within(kind: str) -> Generator[None]:
    """Notes that a mapped function has begun something, while it lasts."""
    nesting.inner.append((kind, len(nesting.levels)))
    try:
        yield
    finally:
        nesting.inner.pop()


def has_begun(kind: str, level: int) -> bool:
    """Whether something of a kind was begun within the mapped function of a number."""
    return any(own == kind and around > level for own, around in nesting.inner)
