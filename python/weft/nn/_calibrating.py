"""What layers are given and make of it, as batches of real data go through a module."""

from __future__ import annotations

import builtins
import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail
from .._dtypes import float32
from .._errors import OptionError
from .._manipulation import astype, reshape
from .._ops import abs
from .._reductions import max, sum
from .._searching import quantile
from ._layers import Linear
from ._module import Module
from ._quantized import QuantizedLinear


class Calibration:
    """Batches that go through a module, once for each thing that is measured.

    Args:
        module: called with each batch, in eval mode: a tuple's items, a dict's by name.
        layers: those that are looked at, by name.
        batches: what they are; kept as a list.

    Raises:
        OptionError: there are no batches.
    """

    def __init__(self, module: Module, layers: dict[str, Linear], batches: Iterable[Any]) -> None:
        self.module, self.layers, self.batches = module, layers, list(batches)
        if not self.batches:
            raise _fail(OptionError, "quantize: the calibration has no batches")

    def scales(self, percentile: float | None) -> dict[int, float]:
        """For each layer's id a 127th of the largest number it was given, or of the largest
        percentile of a batch's. Raises OptionError: it was given none, or not finite ones."""
        largest = dict[int, float]()

        def look(layer: Linear, x: Tensor) -> None:
            if math.prod(x.shape) == 0:
                return
            sizes = reshape(abs(astype(x, float32)), (-1,))
            most = max(sizes) if percentile is None else quantile(sizes, percentile / 100)
            largest[id(layer)] = builtins.max(largest.get(id(layer), 0.0), _finite(float(most)))

        self._run(look)
        for name, layer in self.layers.items():
            if id(layer) not in largest:
                raise _fail(OptionError, f"quantize: no batch of the calibration reaches {name!r}")
            if math.isinf(largest[id(layer)]):
                raise _fail(OptionError, f"quantize: {name!r} is given numbers that are not finite")
        return {key: most / 127 or 1.0 for key, most in largest.items()}

    def errors(self, made: dict[int, QuantizedLinear]) -> dict[int, float]:
        """For each layer's id the root of the mean squared change of its results by another layer,
        over that of the results."""
        sums = dict[int, tuple[float, float]]()

        def look(layer: Linear, x: Tensor) -> None:
            wide = astype(layer.forward(x), float32)
            change = astype(made[id(layer)](x), float32) - wide
            before = sums.get(id(layer), (0.0, 0.0))
            own = (sum_of_squares(change), sum_of_squares(wide))
            sums[id(layer)] = (before[0] + own[0], before[1] + own[1])

        self._run(look)
        return {
            key: math.sqrt(change / size) if size else 0.0 for key, (change, size) in sums.items()
        }

    def _run(self, look: Callable[[Linear, Tensor], None]) -> None:
        def hook(layer: Any, args: tuple, keywords: dict[str, Tensor]) -> None:
            with no_grad():
                look(layer, args[0] if args else keywords["input"])

        handles = [
            layer.register_forward_pre_hook(hook, with_kwargs=True)
            for layer in {id(each): each for each in self.layers.values()}.values()
        ]
        try:
            with _evaluated(self.module):
                for batch in self.batches:
                    _call(self.module, batch)
        finally:
            for handle in handles:
                handle.remove()


def sum_of_squares(x: Tensor) -> float:
    """That of the elements, which float32 need not hold."""
    unit = float(max(abs(x))) if math.prod(x.shape) else 0.0
    return float(sum((x / unit) ** 2)) * unit**2 if unit else 0.0


def _finite(most: float) -> float:
    """Infinity for what is not a number."""
    return most if math.isfinite(most) else math.inf


@contextlib.contextmanager
def _evaluated(module: Module) -> Iterator[None]:
    """With all modules in eval mode, and as they were after it."""
    before = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in before:
            each.training = training


def _call(module: Module, batch: Any) -> Any:
    if isinstance(batch, dict):
        return module(**batch)
    return module(*batch) if isinstance(batch, tuple) else module(batch)
