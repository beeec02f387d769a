"""Layers whose weights are whole numbers of few bits, and the numbers nearest to a weight."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .. import _core, _ops
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, empty, ones, zeros
from .._dtypes import (
    DType,
    bfloat16,
    finfo,
    float8_e4m3fn,
    float8_e5m2,
    float16,
    float32,
    float64,
    int8,
    uint8,
)
from .._errors import OptionError, ShapeError
from .._manipulation import astype, clip, embedding, expand_dims, reshape
from .._reductions import all, max, min, sum
from . import functional
from ._embeddings import Embedding
from ._layers import Linear
from ._module import Module
from ._parameter import Parameter

#: The bits of a number of a weight, and the dtype of those that are floats.
WEIGHTS: dict[str, tuple[int, DType | None]] = {
    "int8": (8, None),
    "int4": (4, None),
    "float8_e4m3fn": (8, float8_e4m3fn),
    "float8_e5m2": (8, float8_e5m2),
}


@dataclasses.dataclass(frozen=True)
class Format:
    """How a row of a weight is kept.

    Attributes:
        bits: 4 or 8.
        group: so many neighbours have a scale; 0: all of a row.
        symmetric: numbers are multiples of the scale; else they count from a zero of the group.
        floats: the dtype of 8 bits that numbers have; None: they are whole.
    """

    bits: int
    group: int
    symmetric: bool = True
    floats: DType | None = None

    @property
    def least(self) -> int:
        """The least number: 0 for 4 bits, -128 for 8."""
        return 0 if self.bits == 4 else -128

    @property
    def dtype(self) -> DType:
        """That of what holds the numbers."""
        return self.floats or (uint8 if self.bits == 4 else int8)

    @property
    def options(self) -> dict[str, Any]:
        """Those of a layer's constructor."""
        floats = self.floats.name if self.floats else None
        options = {"bits": self.bits, "group": self.group or None}
        return options | {"symmetric": self.symmetric, "floats": floats}

    def shape(self, rows: int, width: int) -> tuple[int, int, int]:
        """That of the numbers of a weight [rows, width]. Raises ShapeError if it has no groups."""
        size = self.group or width
        if width % (size or 1) or size * self.bits % 8:
            raise _fail(
                ShapeError,
                f"a weight of {width} columns has no groups of {size} numbers of {self.bits} bits: "
                "they divide the columns, and fill bytes",
            )
        return rows, width // size if size else 1, size * self.bits // 8


@dataclasses.dataclass
class Packed:
    """numbers [N, G, S * bits / 8], scale [N, G], and zero [N, G] or None."""

    numbers: Tensor
    scale: Tensor
    zero: Tensor | None
    bits: int

    def values(self) -> Tensor:
        """The weight [N, G * S] that the numbers stand for, float32: (number - zero) * scale."""
        made = _core.apply("weft.quantized_values", self._operands(), {"bits": self.bits})
        return reshape(made, (made.shape[0], made.shape[1] * made.shape[2]))

    def product(self, x: Tensor) -> Tensor:
        """x [..., G * S], float32 or float64, times the transpose of the values: [..., N]."""
        if x.dtype is float64:
            return functional.linear(x, astype(self.values(), float64))
        rows, groups, size = self.numbers.shape
        depth = (groups, size * 8 // self.bits)
        count = math.prod(x.shape[:-1])
        operands = (reshape(x, (count, *depth)), *self._operands())
        made = _core.apply("weft.quantized_matmul", operands, {"bits": self.bits})
        return reshape(made, (*x.shape[:-1], rows))

    def product_of_steps(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """x [..., G * S], float32, as whole steps of a scale, times the transpose of the values.

        Without a scale each row has its own, a 127th of its largest element.
        """
        flat = reshape(x, (math.prod(x.shape[:-1]), width := x.shape[-1]))
        if scale is None:
            largest = max(_ops.abs(flat), axis=1) if width else zeros(flat.shape[0])
            scale = _positive(largest / 127)
        made = self.product_of_whole(_core.apply("weft.quantized_steps", (flat, scale), {}))
        made = made * (expand_dims(scale, axis=1) if scale.ndim else scale)
        return reshape(made, (*x.shape[:-1], made.shape[1]))

    def product_of_whole(self, x: Tensor) -> Tensor:
        """x [..., G * S] of int8 times the transpose of the values, float32: sums of groups are
        exact, and then they are one chain of fused multiply-adds by the scales."""
        rows, groups, size = self.numbers.shape
        depth = (groups, size * 8 // self.bits)
        operands = (reshape(x, (math.prod(x.shape[:-1]), *depth)), *self._operands())
        made = _core.apply("weft.quantized_dot", operands, {"bits": self.bits})
        return reshape(made, (*x.shape[:-1], rows))

    def _operands(self) -> tuple[Tensor, ...]:
        own = (self.numbers, self.scale)
        return own if self.zero is None else (*own, self.zero)


def nearest(weight: Tensor, form: Format) -> Packed:
    """The numbers nearest to a weight [N, K], each to its own; scales are those that fit best.

    Symmetric numbers of 8 bits are -127 to 127, and 127 of them are the largest of the group. Of
    4 bits they are 0 to 15, standing for -8 to 7, and -8 is the largest; where its opposite is
    about as large the scale is smaller, or larger, whichever gives the least sum of squares.
    Asymmetric ones count from the least of the group, or 0, to the greatest. Of floats the largest
    finite one stands for the largest of the group.

    Raises ShapeError: the weight has no such groups.
    """
    rows, groups, _ = shape = form.shape(*weight.shape)
    size = shape[2] * 8 // form.bits
    wide = reshape(astype(weight, float32), (rows, groups, size))
    if size == 0:
        scale, zero = ones((rows, groups)), None if form.symmetric else zeros((rows, groups))
    else:
        scale, zero = _range_of(wide, form)
    numbers = _numbers_of(wide, scale, zero, form)
    kept = None if zero is None else astype(zero + form.least, form.dtype)
    return Packed(_pack(numbers, form, shape), scale, kept, form.bits)


def nearest_finite(weight: Tensor, form: Format, name: str) -> Packed:
    """`nearest`. Raises OptionError as well: a weight, or what becomes of it, is not finite in
    float32; ``name`` is the layer's."""
    if not bool(all(_ops.isfinite(astype(weight, float32)))):
        raise _fail(OptionError, f"{name} has weights that are not finite in float32")
    packed = nearest(weight, form)
    # A step above the largest number.
    if not bool(all(_ops.isfinite(packed.values()))):
        raise _fail(OptionError, f"{name} has weights that would not be finite in float32")
    return packed


def _range_of(wide: Tensor, form: Format) -> tuple[Tensor, Tensor | None]:
    """The scale of each group, and its zero, which counts from the least number."""
    if not form.symmetric:
        most = 2**form.bits - 1
        low, high = _ops.minimum(min(wide, axis=2), 0.0), _ops.maximum(max(wide, axis=2), 0.0)
        # Each by itself: float32 may not hold the difference.
        scale = _positive(high / most - low / most)
        return scale, _ops.round(-low / scale)
    largest = max(_ops.abs(wide), axis=2)
    if form.floats is not None:
        return _positive(largest / finfo(form.floats).max), None
    if form.bits == 8:
        return _positive(largest / 127), None
    signed = _ops.where(max(wide, axis=2) == largest, largest, -largest)
    best, least, unit = _positive(signed / -8), None, expand_dims(_positive(largest), axis=2)
    for part in (8.0, 7.5, 7.0, 8.5):
        scale = _positive(signed / -part)
        made = (_numbers_of(wide, scale, None, form) - 8) * expand_dims(scale, axis=2)
        error = sum(((made - wide) / unit) ** 2, axis=2)
        if least is None:
            best, least = scale, error
            continue
        best, least = _ops.where(error < least, scale, best), _ops.minimum(error, least)
    return best, None


def _positive(scale: Tensor) -> Tensor:
    """1 for a group of zeros."""
    return _ops.where(scale == 0.0, 1.0, scale)


def _numbers_of(wide: Tensor, scale: Tensor, zero: Tensor | None, form: Format) -> Tensor:
    """The nearest numbers of groups [N, G, S], from 0 on for 4 bits, as floats."""
    if form.floats is not None:
        most = finfo(form.floats).max
        return clip(wide / expand_dims(scale, axis=2), -most, most)
    steps = _ops.round(wide / expand_dims(scale, axis=2))
    if zero is not None:
        return clip(steps + expand_dims(zero, axis=2), 0.0, 2.0**form.bits - 1) + form.least
    if form.bits == 8:
        return clip(steps, -127.0, 127.0)
    return clip(steps + 8, 0.0, 15.0)


def _pack(numbers: Tensor, form: Format, shape: tuple[int, int, int]) -> Tensor:
    whole = astype(numbers, form.dtype)
    if form.bits == 8:
        return whole
    pairs = reshape(whole, (*shape, 2))
    return pairs[..., 0] | (pairs[..., 1] << 4)


def has_own_forward(layer: Module, kind: type[Module]) -> bool:
    """Whether a layer of a kind computes something else than the kind does."""
    return type(layer).forward is not kind.forward or "forward" in vars(layer)


def put(modules: dict[str, Module], name: str, layer: _Quantized) -> None:
    """Has a layer in the place of another, whose hooks it gets; ``modules`` are all by name."""
    parent, _, last = name.rpartition(".")
    if modules[name] is not layer:
        layer._take_hooks(modules[name])
    setattr(modules[parent], last, layer)


class _Quantized(Module):
    """A weight [rows, width] of few bits, as buffers."""

    _buffers_as_they_are = frozenset({"weight", "weight_scale", "weight_zero", "input_scale"})

    def _register(self, rows: int, width: int, form: Format) -> None:
        self.format = form
        shape = form.shape(rows, width)
        self.register_buffer("weight", empty(shape, dtype=form.dtype))
        self.register_buffer("weight_scale", ones(shape[:2]))
        self.register_buffer(
            "weight_zero", None if form.symmetric else zeros(shape[:2], dtype=form.dtype)
        )

    def _take(self, packed: Packed) -> None:
        self.weight, self.weight_scale = packed.numbers, packed.scale
        self.weight_zero = packed.zero

    @property
    def packed(self) -> Packed:
        """The numbers with their scales and zeros."""
        return Packed(self.weight, self.weight_scale, self.weight_zero, self.format.bits)

    def dequantized(self) -> Tensor:
        """The weight that the numbers stand for, float32 and two-dimensional."""
        return self.packed.values()

    def _line(self) -> str:
        form = self.format
        group = f", group={form.group}" if form.group else ""
        floats = f", floats={form.floats.name}" if form.floats else ""
        return f"bits={form.bits}{group}{'' if form.symmetric else ', symmetric=False'}{floats}"


#: How `QuantizedLinear` takes what it is given.
ACTIVATIONS = (None, "int8", "int8_static")


class QuantizedLinear(_Quantized):
    """x weight^T + bias, the weight being whole numbers of 4 or 8 bits with scales.

    The product is that by `dequantized()`, to the bit, summed in float32 (float64 for such x); of
    float16 and bfloat16 the result is rounded to that once. Processors read the numbers as they
    are; other devices widen them. Without gradients for the weight. `weft.quantize` makes such
    layers of others.

    With activations of int8 x is whole steps of a scale as well, -128 to 127 of them, rounded to
    even: products of whole numbers are summed exactly in each group, in int32, and the sums times
    the scales of groups in float32, in the order of the groups, whatever x's dtype; that times the
    scale of x is the result. Without gradients for x.

    Args:
        in_features, out_features, bias, dtype: as of `Linear`; the dtype is the bias's.
        bits: 4 or 8.
        group: so many neighbours of a row have a scale; None: all of it. It divides in_features.
        symmetric: numbers are multiples of the scale; else they count from a zero of the group.
        activations: None: x is as it is. "int8": each row of x has a scale, a 127th of its largest
            element. "int8_static": all have one, input_scale, of calibration.
        floats: "float8_e4m3fn" or "float8_e5m2": numbers are floats of 8 bits, symmetric.

    Attributes:
        weight: [out_features, groups, group] of int8, or half as many bytes of uint8: 4 bits.
        weight_scale: [out_features, groups], float32.
        weight_zero: the same of weight's dtype; None where symmetric.
        input_scale: [], float32; None but with "int8_static".
        bias: a parameter [out_features], or None.

    Raises:
        ShapeError: the group doesn't divide in_features, or is odd with 4 bits. OptionError: other
            activations, bits or groups.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        bits: int = 8,
        group: int | None = None,
        symmetric: bool = True,
        dtype: object = None,
        activations: str | None = None,
        floats: str | None = None,
    ) -> None:
        super().__init__()
        if activations not in ACTIVATIONS:
            raise _fail(
                OptionError,
                f'activations are None, "int8" or "int8_static", not {activations!r}',
            )
        if activations and floats:
            raise _fail(OptionError, "activations of int8 are for weights that are whole numbers")
        self.in_features, self.out_features = in_features, out_features
        self.activations = activations
        self._register(out_features, in_features, checked_format(bits, group, symmetric, floats))
        self.register_buffer("input_scale", ones(()) if activations == "int8_static" else None)
        self.register_parameter(
            "bias", Parameter(empty(out_features, dtype=dtype)) if bias else None
        )

    @classmethod
    def of(
        cls,
        linear: Linear,
        bits: int = 8,
        group: int | None = None,
        symmetric: bool = True,
        activations: str | None = None,
        floats: str | None = None,
    ) -> QuantizedLinear:
        """The nearest such layer: with 8 bits a weight differs by half a step of its group at most,
        1 / 254 of the group's largest element. Shares the bias; one that is computed, as where it
        is pruned, becomes a parameter. An input_scale is 1.

        Raises:
            OptionError: a weight is not finite in float32. ShapeError: as of the constructor.
        """
        form = checked_format(bits, group, symmetric, floats)
        return cls._of("the layer", linear, form, activations)

    @classmethod
    @no_grad()
    def _of(
        cls, name: str, linear: Linear, form: Format, activations: str | None = None
    ) -> QuantizedLinear:
        """`of`, whose errors have the name."""
        size = (linear.in_features, linear.out_features)
        layer = cls(*size, bias=False, activations=activations, **form.options)
        layer.train(linear.training)._take(nearest_finite(linear.weight, layer.format, name))
        bias = linear.bias
        is_kept = bias is None or isinstance(bias, Parameter)
        layer.bias = bias if is_kept else Parameter(bias.detach())
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in_features] to [..., out_features]. Raises ShapeError for other features."""
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise _fail(
                ShapeError,
                f"QuantizedLinear: x has shape {x.shape}, but {self.in_features} features go in",
            )
        wide = float64 if x.dtype is float64 and self.activations is None else float32
        if self.activations is None:
            result = self.packed.product(astype(x, wide))
        else:
            result = self.packed.product_of_steps(astype(x, wide), self.input_scale)
        if self.bias is not None:
            result = result + astype(self.bias, wide)
        return astype(result, x.dtype) if x.dtype in (float16, bfloat16, float64) else result

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, {self._line()}"
            + (f", activations={self.activations}" if self.activations else "")
        )


class QuantizedEmbedding(_Quantized):
    """Rows of a table of whole numbers of 4 or 8 bits with scales: [...] to [..., embedding_dim].

    Rows are float32, those of `dequantized()`. Without gradients for the table.

    Args:
        num_embeddings, embedding_dim: the shape of the table.
        bits, group, symmetric, floats: as of `QuantizedLinear`, for a row of the table.

    Attributes:
        weight, weight_scale, weight_zero: as of `QuantizedLinear`, for each row of the table.

    Raises:
        ShapeError: the group doesn't divide embedding_dim, or is odd with 4 bits.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        bits: int = 8,
        group: int | None = None,
        symmetric: bool = True,
        floats: str | None = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        form = checked_format(bits, group, symmetric, floats)
        self._register(num_embeddings, embedding_dim, form)

    @classmethod
    def of(
        cls,
        embedding: Embedding,
        bits: int = 8,
        group: int | None = None,
        symmetric: bool = True,
        floats: str | None = None,
    ) -> QuantizedEmbedding:
        """The nearest such table.

        Raises:
            OptionError: a weight is not finite in float32. ShapeError: as of the constructor.
        """
        return cls._of("the layer", embedding, checked_format(bits, group, symmetric, floats))

    @classmethod
    @no_grad()
    def _of(cls, name: str, table: Embedding, form: Format) -> QuantizedEmbedding:
        """`of`, whose errors have the name."""
        layer = cls(table.num_embeddings, table.embedding_dim, **form.options)
        layer.train(table.training)
        layer._take(nearest_finite(table.weight, layer.format, name))
        return layer

    def forward(self, input: Tensor) -> Tensor:
        """The rows at ``input`` [...]: [..., embedding_dim]. Raises OutOfBoundsError as `Embedding`
        does; in a compiled function the row of such an index is NaN."""
        places = reshape(input, (-1,))
        zero = self.weight_zero
        rows = Packed(
            embedding(places, self.weight),
            embedding(places, self.weight_scale),
            None if zero is None else embedding(places, zero),
            self.format.bits,
        )
        return reshape(rows.values(), (*input.shape, self.embedding_dim))

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        return f"{self.num_embeddings}, {self.embedding_dim}, {self._line()}"


def checked_format(
    bits: int, group: int | None, symmetric: bool, floats: str | None = None
) -> Format:
    """The format; a group of None is all of a row. Raises OptionError for others."""
    if bits not in (4, 8):
        raise _fail(OptionError, f"weights are kept with 4 or 8 bits, not {bits}")
    if isinstance(group, bool) or (group is not None and group < 1):
        raise _fail(
            OptionError, f"a group has at least one weight, not {group}; None: all of a row"
        )
    if floats is None:
        return Format(bits, group or 0, symmetric)
    own, dtype = WEIGHTS.get(floats, (0, None))
    if dtype is None or own != bits or not symmetric:
        raise _fail(
            OptionError,
            'floats are "float8_e4m3fn" or "float8_e5m2", of 8 bits and symmetric, not '
            f"{floats!r} with bits={bits}, symmetric={symmetric}",
        )
    return Format(bits, group or 0, symmetric, dtype)
