"""Linear layers whose weights take less memory, for inference."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

from .. import _ops
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, empty, ones
from .._dtypes import DType, as_dtype, bfloat16, float16, float32, float64, int8
from .._errors import OptionError
from .._manipulation import astype, expand_dims
from .._reductions import all, max
from . import functional
from ._layers import Linear
from ._module import Module
from ._parameter import Parameter

MOST_STEPS = 127
"""A row of int8 has as many steps on each side of zero."""


class Int8Linear(Module):
    """x (weight * weight_scale)^T + bias: x [..., in_features] to [..., out_features].

    The product is of x and the whole numbers of the weight, in float32 (float64 for such x); of
    float16 and bfloat16 the result is rounded to that once. Without gradients for the weight.
    `weft.nn.utils.narrow_weights` makes such layers from others.

    Attributes:
        weight: [out_features, in_features], int8, -127 to 127.
        weight_scale: [out_features], float32: what a step of each row stands for.
        bias: a parameter [out_features], or None.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: object = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", empty(out_features, in_features, dtype=int8))
        self.register_buffer("weight_scale", ones(out_features, dtype=float32))
        self.register_parameter(
            "bias", Parameter(empty(out_features, dtype=dtype)) if bias else None
        )

    @classmethod
    @no_grad()
    def of(cls, linear: Linear) -> Int8Linear:
        """The nearest such layer: a weight differs by half a step of its row at most, 1 / 254 of
        the row's largest element. Shares the bias.

        Raises:
            OptionError: a weight is not finite, or too large for float32.
        """
        layer = cls(linear.in_features, linear.out_features, bias=False).train(linear.training)
        weight = astype(linear.weight, float32)
        largest = max(_ops.abs(weight), axis=1) if linear.in_features else layer.weight_scale
        scale = _ops.where(largest == 0.0, 1.0, largest / MOST_STEPS)
        if not bool(all(_ops.isfinite(scale))):
            raise _fail(
                OptionError, "Int8Linear: the layer has weights that are not finite in float32"
            )
        layer.weight = astype(_ops.round(weight / expand_dims(scale, axis=1)), int8)
        layer.weight_scale = scale
        layer.bias = linear.bias
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in_features] to [..., out_features]. Raises ShapeError for other features."""
        wide = float64 if x.dtype is float64 else float32
        result = functional.linear(astype(x, wide), self.weight) * astype(self.weight_scale, wide)
        if self.bias is not None:
            result = result + astype(self.bias, wide)
        return astype(result, x.dtype) if x.dtype in (float16, bfloat16) else result

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def narrow_weights(module: Module, dtypes: Mapping[str, object]) -> list[str]:
    """Keeps weights of `Linear` layers as int8, bfloat16 or float16, and computes as before.

    A layer that has an int8 weight becomes an `Int8Linear`, whose weights differ by 1 / 254 of the
    largest of their row at most; the others stay, with weights that are rounded to the dtype (half
    a unit in the last place: 1 / 256 of a weight, 1 / 2048). Products read the narrow weights and
    sum in float32, or in the dtype of the input: a layer that is bound by the memory, as in a model
    that reads one token, takes about so much less time as there are fewer bytes.

    Args:
        dtypes: by the names of layers (see ``named_modules()``), or patterns of them ("*",
            "blocks.*.up"). The first one that fits decides, for a layer of several names the first
            that fits one of them.

    Returns:
        The names of the layers. A weight that several of them share stays shared; one that is also
        another module's, as a table of tokens, is no longer the same.

    Raises:
        OptionError: another dtype; a pattern that fits no layer; int8 for ``module`` itself, which
            only `Int8Linear.of` can replace; weights that are not finite. Nothing is changed then.
    """
    wanted = {pattern: _checked(as_dtype(dtype)) for pattern, dtype in dtypes.items()}
    modules = dict(module.named_modules(remove_duplicate=False))
    # Another forward() would be lost with the layer, or not know its weight.
    layers = {
        name: each
        for name, each in modules.items()
        if isinstance(each, Linear) and type(each).forward is Linear.forward
    }
    chosen: dict[int, DType] = {}
    for pattern, dtype in wanted.items():
        fitting = fnmatch.filter(layers, pattern)
        if not fitting:
            raise _fail(OptionError, f"narrow_weights: no Linear layer has a name like {pattern!r}")
        for name in fitting:
            chosen.setdefault(id(layers[name]), dtype)
    if chosen.get(id(module)) is int8:
        raise _fail(
            OptionError,
            "narrow_weights: the module is a Linear itself, which can't be replaced from within; "
            "use Int8Linear.of(module)",
        )
    names = [name for name, layer in layers.items() if id(layer) in chosen]
    made: dict[int, Int8Linear] = {}
    for name in names:
        layer = layers[name]
        if chosen[id(layer)] is int8 and id(layer) not in made:
            made[id(layer)] = Int8Linear.of(layer)
    weights: dict[int, tuple[Tensor, Parameter]] = {}
    for name in names:
        layer = layers[name]
        if id(layer) in made:
            parent, _, last = name.rpartition(".")
            setattr(modules[parent], last, made[id(layer)])
        elif layer.weight.dtype is not chosen[id(layer)]:
            _round(layer, chosen[id(layer)], weights)
    return names


def _checked(dtype: DType) -> DType:
    if dtype not in (int8, bfloat16, float16):
        raise _fail(
            OptionError,
            f"narrow_weights: weights are kept as int8, bfloat16 or float16, not {dtype.name}",
        )
    return dtype


@no_grad()
def _round(layer: Linear, dtype: DType, weights: dict[int, tuple[Tensor, Parameter]]) -> None:
    """Rounds the weight of a layer; layers that share one share the rounded one.

    ``weights`` has the rounded ones beside those before, by the identities of these.
    """
    before = layer.weight
    _, rounded = weights.get(id(before), (None, None))
    if rounded is None or rounded.dtype is not dtype:
        rounded = Parameter(astype(before, dtype), before.requires_grad)
        weights[id(before)] = before, rounded
    layer.weight = rounded
