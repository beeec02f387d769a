"""Modules whose weights become whole numbers of few bits."""

from __future__ import annotations

import builtins
import dataclasses
import fnmatch
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail
from .._dtypes import float32
from .._errors import OptionError, ShapeError
from .._manipulation import astype
from .._reductions import sum
from ._embeddings import Embedding
from ._layers import Linear
from ._module import Module
from ._quantized import Packed, QuantizedEmbedding, QuantizedLinear

if TYPE_CHECKING:
    from rich.table import Table

BITS = {"int8": 8, "int4": 4}
KINDS: tuple[type[Module], ...] = (Linear, Embedding)


@dataclasses.dataclass(frozen=True)
class QuantizedLayer:
    """A line of a `QuantizationReport`.

    Attributes:
        name: as `named_modules()` has it.
        shape: that of the weight.
        bits, group: of the numbers; a group is so many that share a scale.
        before, after: bytes of the weight, and of the numbers with their scales and zeros.
        error: the root of the mean squared change of a weight, over that of the weights.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    group: int
    before: int
    after: int
    error: float


@dataclasses.dataclass(frozen=True)
class QuantizationReport:
    """What `quantize` made of a module. Printed it is a table, a coloured one with rich.

    Attributes:
        layers: one for each that became another, in the order of the module.
        before, after: bytes of all parameters and buffers of the module.
    """

    layers: list[QuantizedLayer]
    before: int
    after: int

    @property
    def ratio(self) -> float:
        """How many times smaller the module's state is."""
        return self.before / self.after if self.after else 1.0

    def _cells(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            ("layer", "weight", "bits", "group", "bytes before", "after", "error")
        ]
        for each in self.layers:
            sizes = (str(each.bits), str(each.group), f"{each.before:,}", f"{each.after:,}")
            shape = " x ".join(map(str, each.shape))
            rows.append((each.name, shape, *sizes, f"{each.error:.2%}"))
        rows.append(
            (
                "all",
                "",
                "",
                "",
                f"{self.before:,}",
                f"{self.after:,}",
                f"{self.ratio:.2f} x smaller",
            )
        )
        return rows

    def __str__(self) -> str:
        rows = self._cells()
        widths = [len(max(column, key=len)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if place > 1 else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join(lines)

    def __rich__(self) -> Table:
        from rich.table import Table

        head, *rows, last = self._cells()
        table = Table(show_footer=True)
        for place, (name, foot) in enumerate(zip(head, last, strict=True)):
            table.add_column(name, foot, justify="right" if place > 1 else "left")
        for row in rows:
            table.add_row(*row)
        return table


@no_grad()
def quantize(
    module: Module,
    weights: str = "int8",
    group: int | None = 128,
    symmetric: bool = True,
    include: str | Sequence[str] = "*",
    exclude: str | Sequence[str] = (),
) -> QuantizationReport:
    """Keeps weights of `Linear` and `Embedding` layers as whole numbers of few bits, for inference.

    The layers become `QuantizedLinear` and `QuantizedEmbedding`, in place; those with a forward()
    of their own stay. A model that is bound by reading its weights, as one that reads one token,
    takes about so much less time as there are fewer bytes. Nothing is calibrated: activations stay
    as they are. Weights that layers share stay shared.

    Args:
        weights: "int8", or "int4": two numbers in a byte.
        group: at most so many neighbours of a row share a scale, a float32: the largest divisor of
            the row that is not above it, even with 4 bits. None: all of the row.
        symmetric: numbers are multiples of the scale; else they count from a zero of the group,
            which suits weights that lie on one side of 0.
        include, exclude: names of layers (see ``named_modules()``), or patterns of them: "head",
            "blocks.*.up".

    Returns:
        The sizes, and how far the weights moved.

    Raises:
        OptionError: another dtype; a pattern, or the whole call, that fits no layer; ``module``
            itself is such a layer, which only `QuantizedLinear.of` can replace; weights that are
            not finite. ShapeError: a row that has no divisor between a quarter of the group and the
            group. Nothing is changed then.
    """
    if weights not in BITS:
        raise _fail(OptionError, f'quantize: weights are kept as "int8" or "int4", not {weights!r}')
    modules = dict(module.named_modules(remove_duplicate=False))
    names = _chosen(modules, _listed(include), _listed(exclude))
    if "" in names:
        raise _fail(
            OptionError,
            f"quantize: the module is one {type(module).__name__} itself, which can't be replaced "
            f"from within; use nn.Quantized{type(module).__name__}.of(module)",
        )
    before = _state_bytes(module)
    made: dict[int, QuantizedLinear | QuantizedEmbedding] = {}
    shared: dict[tuple[int, int], Packed] = {}
    lines: dict[int, QuantizedLayer] = {}
    for name in names:
        layer = modules[name]
        if id(layer) in made:
            continue
        size = _group_of(name, layer.weight, BITS[weights], group)
        kind = QuantizedLinear if isinstance(layer, Linear) else QuantizedEmbedding
        other = kind.of(layer, BITS[weights], size, symmetric)
        other._take(shared.setdefault((id(layer.weight), size), other.packed))
        made[id(layer)] = other
        lines[id(layer)] = _line(name, layer.weight, other.packed, size)
    for name in names:
        parent, _, last = name.rpartition(".")
        setattr(modules[parent], last, made[id(modules[name])])
    return QuantizationReport(list(lines.values()), before, _state_bytes(module))


def _listed(patterns: str | Sequence[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(patterns)


def _chosen(modules: dict[str, Module], include: list[str], exclude: list[str]) -> list[str]:
    """The names of the layers that become others."""
    # Another forward() would be lost with the layer.
    layers = [
        name
        for name, each in modules.items()
        if any(isinstance(each, kind) and type(each).forward is kind.forward for kind in KINDS)
    ]
    for pattern in (*include, *exclude):
        if not fnmatch.filter(layers, pattern):
            raise _fail(
                OptionError, f"quantize: no Linear or Embedding has a name like {pattern!r}"
            )
    inside = {name for pattern in include for name in fnmatch.filter(layers, pattern)}
    outside = {name for pattern in exclude for name in fnmatch.filter(layers, pattern)}
    names = [name for name in layers if name in inside - outside]
    if not names:
        raise _fail(OptionError, "quantize: every layer that is included is excluded as well")
    return names


def _group_of(name: str, weight: Tensor, bits: int, group: int | None) -> int:
    """The size of the groups of a weight."""
    width = weight.shape[1]
    fill = 8 // bits
    if group is None or width == 0:
        if width % fill == 0:
            return max(width, 1)
    else:
        least = max(1, min(group, width) // 4)
        for size in range(min(group, width), least - 1, -1):
            if width % size == 0 and size % fill == 0:
                return size
    raise _fail(
        ShapeError,
        f"quantize: {name!r} has rows of {width} weights, which have no groups of "
        f"{'all' if group is None else f'{group // 4} to {group}'} that fill bytes; give another "
        f"group, or exclude={name!r}",
    )


def _bytes(tensor: Tensor) -> int:
    return math.prod(tensor.shape) * tensor.dtype.itemsize


def _state_bytes(module: Module) -> int:
    """Those of parameters and buffers, shared ones once."""
    tensors = {id(each): each for each in (*module.parameters(), *module.buffers())}
    return builtins.sum(_bytes(each) for each in tensors.values())


def _line(name: str, weight: Tensor, packed: Packed, group: int) -> QuantizedLayer:
    wide = astype(weight, float32)
    change, size = (float(sum(x * x)) for x in (packed.values() - wide, wide))
    after = _bytes(packed.numbers) + _bytes(packed.scale)
    after += 0 if packed.zero is None else _bytes(packed.zero)
    error = math.sqrt(change / size) if size else 0.0
    return QuantizedLayer(
        name, tuple(weight.shape), packed.bits, group, _bytes(weight), after, error
    )
