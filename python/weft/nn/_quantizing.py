"""Modules whose weights become whole numbers of few bits."""

from __future__ import annotations

import builtins
import dataclasses
import fnmatch
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, asarray
from .._dtypes import float32
from .._errors import OptionError, ShapeError
from .._manipulation import astype
from ._calibrating import Calibration, sum_of_squares
from ._embeddings import Embedding
from ._layers import Linear
from ._module import Module
from ._quantized import (
    ACTIVATIONS,
    WEIGHTS,
    Format,
    Packed,
    QuantizedEmbedding,
    QuantizedLinear,
    has_own_forward,
    put,
)

if TYPE_CHECKING:
    from rich.table import Table

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
        output_error: the same of the layer's results on the calibration's data; None without.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    group: int
    before: int
    after: int
    error: float
    output_error: float | None = None


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
        head = ("layer", "weight", "bits", "group", "bytes before", "after", "error")
        rows: list[tuple[str, ...]] = [head]
        for each in self.layers:
            sizes = (str(each.bits), str(each.group), f"{each.before:,}", f"{each.after:,}")
            shape = " x ".join(map(str, each.shape))
            rows.append((each.name, shape, *sizes, f"{each.error:.2%}"))
        whole = (f"{self.before:,}", f"{self.after:,}", f"{self.ratio:.2f} x smaller")
        rows.append(("all", "", "", "", *whole))
        found = [each.output_error for each in self.layers]
        if any(error is not None for error in found):
            shown = ["" if error is None else f"{error:.2%}" for error in found]
            last = ["output error", *shown, ""]
            rows = [(*row, cell) for row, cell in zip(rows, last, strict=True)]
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
        from rich.text import Text

        head, *rows, last = self._cells()
        table = Table(show_footer=True)
        for place, (name, foot) in enumerate(zip(head, last, strict=True)):
            table.add_column(name, foot, justify="right" if place > 1 else "left")
        for row in rows:
            table.add_row(*map(Text, row))
        return table


@no_grad()
def quantize(
    module: Module,
    weights: str = "int8",
    group: int | None = 128,
    symmetric: bool = True,
    include: str | Sequence[str] = "*",
    exclude: str | Sequence[str] = (),
    activations: str | None = None,
    calibration: Iterable[Any] | None = None,
    percentile: float | None = None,
) -> QuantizationReport:
    """Keeps weights of `Linear` and `Embedding` layers as whole numbers of few bits, for inference.

    The layers become `QuantizedLinear` and `QuantizedEmbedding`, in place; those with a forward()
    of their own stay. Hooks go with a layer; to remove one, use its handle before. A model that is
    bound by reading its weights, as one that reads one token, takes about so much less time as
    there are fewer bytes; one that is bound by products, as one that reads many tokens, where
    activations are of 8 bits as well. Weights that layers share stay shared.

    Args:
        weights: "int8"; "int4": two numbers in a byte; or floats of 8 bits, "float8_e4m3fn" and
            "float8_e5m2".
        group: at most so many neighbours of a row share a scale, a float32: the largest divisor of
            the row that is not above it, even with 4 bits. None: all of the row.
        symmetric: numbers are multiples of the scale; else they count from a zero of the group,
            which suits weights that lie on one side of 0.
        include, exclude: names of layers (see ``named_modules()``), or patterns of them: "head",
            "blocks.*.up".
        activations: None: what `Linear` layers are given stays as it is. "int8": it is rounded to
            int8 in the call, by a scale for each row. "int8_static": by one scale for each layer,
            which the calibration finds.
        calibration: batches that the module is called with, in eval mode: tensors, or tuples or
            dicts of arguments. The report has the errors of the layers' results on them.
        percentile: of the absolute numbers that a layer is given in a batch, the largest of which
            a static scale takes for 127 steps; what is beyond is cut off. None: the largest number.

    Returns:
        The sizes, and how far the weights moved.

    Raises:
        OptionError: another dtype; a pattern, or the whole call, that fits no layer; ``module``
            itself is such a layer, which only `QuantizedLinear.of` can replace; weights that are
            not finite; "int8_static" without a calibration, or one that does not reach a layer or
            has numbers that are not finite. ShapeError: a row that has no divisor between a quarter
            of the group and the group. Nothing is changed then.
    """
    _check(weights, group, symmetric, activations)
    _check_activations(activations, calibration, percentile)
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
    # With the weight, whose identity is no other's as long as it is kept.
    shared: dict[tuple[int, int], tuple[Tensor, Packed]] = {}
    lines: dict[int, QuantizedLayer] = {}
    for name in names:
        layer = modules[name]
        if id(layer) in made:
            continue
        weight = layer.weight
        size = _group_of(name, weight, WEIGHTS[weights][0], group)
        other = _other(name, layer, weights, size, symmetric, activations)
        other._take(shared.setdefault((id(weight), size), (weight, other.packed))[1])
        made[id(layer)] = other
        lines[id(layer)] = _line(name, weight, other.packed, size)
    if calibration is not None:
        chosen = {name: modules[name] for name in names}
        layers = {name: each for name, each in chosen.items() if isinstance(each, Linear)}
        _calibrate(Calibration(module, layers, calibration), made, lines, percentile)
    for name in names:
        put(modules, name, made[id(modules[name])])
    return QuantizationReport(list(lines.values()), before, _state_bytes(module))


def _check(weights: str, group: int | None, symmetric: bool, activations: str | None) -> None:
    """Raises OptionError."""
    if weights not in WEIGHTS:
        names = '"int8", "int4", "float8_e4m3fn" or "float8_e5m2"'
        raise _fail(OptionError, f"quantize: weights are kept as {names}, not {weights!r}")
    if isinstance(group, bool) or (group is not None and group < 1):
        raise _fail(
            OptionError,
            f"quantize: groups have at least one weight, not {group}; None: all of a row",
        )
    if WEIGHTS[weights][1] and (activations or not symmetric):
        raise _fail(
            OptionError,
            f"quantize: weights of {weights} are symmetric, and activations stay as they are; "
            '"int8" and "int4" have the others',
        )


def _check_activations(activations: str | None, calibration: Any, percentile: float | None) -> None:
    """Raises OptionError: options that there are not, or that need another one."""
    if activations not in ACTIVATIONS:
        raise _fail(
            OptionError,
            f'quantize: activations are None, "int8" or "int8_static", not {activations!r}',
        )
    is_static = activations == "int8_static"
    if is_static and calibration is None:
        raise _fail(
            OptionError,
            'quantize: "int8_static" needs calibration=batches, of which it finds the scales; '
            '"int8" finds them in each call',
        )
    if percentile is not None and not (is_static and 0 < percentile <= 100):
        raise _fail(
            OptionError,
            "quantize: a percentile is above 0 and at most 100, and for activations of "
            f'"int8_static" alone, not {percentile!r} for {activations!r}',
        )


def _other(
    name: str, layer: Module, weights: str, group: int, symmetric: bool, activations: str | None
) -> QuantizedLinear | QuantizedEmbedding:
    bits, floats = WEIGHTS[weights]
    form = Format(bits, group, symmetric, floats)
    if isinstance(layer, Linear):
        return QuantizedLinear._of(f"quantize: {name!r}", layer, form, activations)
    assert isinstance(layer, Embedding)
    return QuantizedEmbedding._of(f"quantize: {name!r}", layer, form)


def _calibrate(
    calibration: Calibration,
    made: dict[int, QuantizedLinear | QuantizedEmbedding],
    lines: dict[int, QuantizedLayer],
    percentile: float | None,
) -> None:
    """Sets static scales, and the errors of results in the lines."""
    products = {key: each for key, each in made.items() if isinstance(each, QuantizedLinear)}
    if any(each.activations == "int8_static" for each in products.values()):
        for key, scale in calibration.scales(percentile).items():
            products[key].input_scale = asarray(scale, dtype=float32)
    for key, error in calibration.errors(products).items():
        lines[key] = dataclasses.replace(lines[key], output_error=error)


def _listed(patterns: str | Sequence[str]) -> list[str]:
    found = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in found:
        if not isinstance(pattern, str):
            raise _fail(OptionError, f"quantize: names of layers are strings, not {pattern!r}")
    return found


def _chosen(modules: dict[str, Module], include: list[str], exclude: list[str]) -> list[str]:
    """The names of the layers that become others."""
    # Another forward() would be lost with the layer.
    layers = [
        name
        for name, each in modules.items()
        if any(isinstance(each, kind) and not has_own_forward(each, kind) for kind in KINDS)
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
            return max(width, fill)
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
    change, size = sum_of_squares(packed.values() - wide), sum_of_squares(wide)
    after = _bytes(packed.numbers) + _bytes(packed.scale)
    after += 0 if packed.zero is None else _bytes(packed.zero)
    error = math.sqrt(change / size) if size else 0.0
    return QuantizedLayer(
        name, tuple(weight.shape), packed.bits, group, _bytes(weight), after, error
    )
