"""Modules whose parameters are overwritten before they are used."""

from __future__ import annotations

from typing import Any, TypeVar

from ... import random
from ..._autodiff import no_grad
from .._module import Module

Made = TypeVar("Made", bound=Module)


def skip_init(module_cls: type[Made], *args: Any, **kwargs: Any) -> Made:
    """A module whose parameters need no starting values.

    They have some all the same, but the random numbers that come next are those that would come
    without this module.

    Args:
        module_cls: a class of modules; the other arguments are those of its constructor.
    """
    states = random._keys._generator.states.values()
    with no_grad():
        former = [(state, state.detach().clone()) for state in states]
    try:
        return module_cls(*args, **kwargs)
    finally:
        with no_grad():
            for state, value in former:
                state.assign(value)
