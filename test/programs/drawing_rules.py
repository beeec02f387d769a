"""Rules by which random programs are drawn: each adds something, and is drawn so often."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

#: How often a step tries another rule where one finds nothing that fits.
TRIES = 30


class NotDrawnError(Exception):
    """A rule found no operands that fit, or what it drew is none."""


class HasRandom(Protocol):
    """What is drawn into."""

    random: np.random.Generator


D = TypeVar("D", bound=HasRandom)


class Rules(Generic[D]):
    """A list of rules, which `rule` adds to.

    Args:
        errors: those that say, beside NotDrawnError, that something is no program.
    """

    def __init__(self, *errors: type[Exception]) -> None:
        self.errors = (NotDrawnError, *errors)
        self.functions: list[Callable[[D], Any]] = []
        self.weights: list[int] = []

    def rule(self, often: int = 1) -> Callable[[Callable[[D], Any]], Callable[[D], Any]]:
        """A decorator: a function that adds something, and how often it is drawn."""

        def register(function: Callable[[D], Any]) -> Callable[[D], Any]:
            self.functions.append(function)
            self.weights.append(often)
            return function

        return register

    def step(self, drawer: D) -> None:
        """Adds something by one of the rules."""
        weights = np.array(self.weights, float)
        for _ in range(TRIES):
            place = int(drawer.random.choice(len(weights), p=weights / weights.sum()))
            with contextlib.suppress(*self.errors):
                self.functions[place](drawer)
                return
