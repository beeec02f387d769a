"""The base class of layers that are a function with settings."""

from __future__ import annotations

from typing import Any

from . import functional
from ._module import Module


class FunctionLayer(Module):
    """A function of `functional`; its options are attributes of the layer."""

    #: The function, the options that it is given by name, and those that the layer's line shows.
    _function = ""
    _settings: tuple[str, ...] = ()
    _shown: tuple[str, ...] | None = None

    def forward(self, input: Any) -> Any:
        """The function of the input; see `functional`."""
        options = {name: getattr(self, name) for name in self._settings}
        return getattr(functional, self._function)(input, **options)

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        shown = self._settings if self._shown is None else self._shown
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
