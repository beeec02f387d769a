"""Linear layers whose weights take less memory, for inference."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail
from .._dtypes import DType, as_dtype, bfloat16, float16, int8
from .._errors import OptionError
from .._manipulation import astype
from ._layers import Linear
from ._module import Module
from ._parameter import Parameter
from ._quantized import Format, QuantizedLinear, has_own_forward, put


def narrow_weights(module: Module, dtypes: Mapping[str, object]) -> list[str]:
    """Keeps weights of `Linear` layers as int8, bfloat16 or float16, and computes as before.

    A layer that has an int8 weight becomes a `QuantizedLinear` with a scale for each row, whose
    weights differ by 1 / 254 of the largest of their row at most (`weft.quantize` makes such layers
    with scales for groups, and of 4 bits); the others stay, with weights that are rounded to the
    dtype (half a unit in the last place: 1 / 256 of a weight, 1 / 2048). Products read the narrow
    weights and sum in float32, or in the dtype of the input: a layer that is bound by the memory,
    as in a model that reads one token, takes about so much less time as there are fewer bytes.

    Args:
        dtypes: by the names of layers (see ``named_modules()``), or patterns of them ("*",
            "blocks.*.up"). The first one that fits decides, for a layer of several names the first
            that fits one of them.

    Returns:
        The names of the layers. A weight that several of them share stays shared; one that is also
        another module's, as a table of tokens, is no longer the same.

    Raises:
        OptionError: another dtype; a pattern that fits no layer; int8 for ``module`` itself, which
            only `QuantizedLinear.of` can replace; weights that are not finite, or, but for int8,
            that are computed. Nothing is changed then.
    """
    wanted = {pattern: _checked(as_dtype(dtype)) for pattern, dtype in dtypes.items()}
    modules = dict(module.named_modules(remove_duplicate=False))
    # Another forward() would be lost with the layer, or not know its weight.
    layers = {
        name: each
        for name, each in modules.items()
        if isinstance(each, Linear) and not has_own_forward(each, Linear)
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
            "use QuantizedLinear.of(module)",
        )
    names = [name for name, layer in layers.items() if id(layer) in chosen]
    for name in names:
        if chosen[id(layers[name])] is not int8 and not isinstance(layers[name].weight, Parameter):
            raise _fail(
                OptionError,
                f"narrow_weights: {name!r} has a weight that is computed, as by pruning or a "
                "parametrization, which has to be removed before",
            )
    made: dict[int, QuantizedLinear] = {}
    for name in names:
        layer = layers[name]
        if chosen[id(layer)] is int8 and id(layer) not in made:
            made[id(layer)] = QuantizedLinear._of(f"narrow_weights: {name!r}", layer, Format(8, 0))
    weights: dict[int, tuple[Tensor, Parameter]] = {}
    for name in names:
        layer = layers[name]
        if id(layer) in made:
            put(modules, name, made[id(layer)])
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
