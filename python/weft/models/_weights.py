"""The weights of a checkpoint, one by one, and the layers that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import weft
from weft import nn

from .._creation import _fail
from .._errors import FileError
from ..nn import functional as F
from ..nn._parameter import adopted


def renamed(name: str, rules: Sequence[tuple[str, str]]) -> str:
    """A weight's name in weft's modules: by each of some patterns, once and in their order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name, count=1)
    return name


class Weights:
    """The weights of a checkpoint, taken one by one, each of the shape that is expected."""

    def __init__(self, named: Iterable[tuple[str, str, weft.Tensor]], path: object) -> None:
        self.path = path
        self._left: dict[str, tuple[str, weft.Tensor]] = {}
        for ours, name, tensor in named:
            if ours in self._left:
                raise _fail(FileError, f"{path}: {self._left[ours][0]} and {name} are one weight")
            self._left[ours] = name, tensor

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, *shape: int) -> weft.Tensor:
        """The weight. Raises FileError if there is none, or one of another shape or dtype."""
        if name not in self._left:
            raise _fail(FileError, f"{self.path}: there is no weight {name}")
        original, tensor = self._left.pop(name)
        if tensor.shape != shape:
            raise _fail(
                FileError,
                f"{self.path}: {original} makes {name} of shape {list(tensor.shape)}, but by "
                f"config.json it is {list(shape)}",
            )
        if tensor.dtype.kind != "floating":
            raise _fail(
                FileError,
                f"{self.path}: {original} has dtype {tensor.dtype.name}: weights that were "
                "quantised by other libraries are not read",
            )
        return tensor

    def drop(self, name: str) -> None:
        """Leaves a weight out, if it is there."""
        self._left.pop(name, None)

    def finish(self) -> None:
        """Raises FileError if there are weights that nothing took."""
        if self._left:
            names = sorted(original for original, _ in self._left.values())
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            raise _fail(
                FileError,
                f"{self.path}: weights that config.json has no place for: "
                f"{', '.join(names[:5])}{more}",
            )


def linear(weights: Weights, name: str, outputs: int, inputs: int, bias: bool) -> nn.Linear:
    """A layer whose matrix has the file's dtype; a bias has the dtype of computing."""
    layer = nn.utils.skip_init(nn.Linear, 1, 1, bias=bias)
    layer.in_features, layer.out_features = inputs, outputs
    layer.weight = adopted(weights.take(f"{name}.weight", outputs, inputs))
    if bias:
        layer.bias = adopted(wide(weights.take(f"{name}.bias", outputs)))
    return layer


def wide(tensor: weft.Tensor) -> weft.Tensor:
    """A vector as it is computed with: no narrower than float32."""
    return weft.astype(tensor, weft.promote_types(tensor.dtype, weft.float32), copy=False)


def table(weights: Weights, name: str, rows: int, width: int) -> nn.Embedding:
    """A table of so many rows, with the file's dtype."""
    layer = nn.utils.skip_init(nn.Embedding, 1, 1)
    layer.num_embeddings, layer.embedding_dim = rows, width
    layer.weight = adopted(weights.take(f"{name}.weight", rows, width))
    return layer


def rows_of(layer: nn.Module) -> weft.Tensor:
    """All rows of a table, also of one that `weft.quantize` made of few bits."""
    return layer.dequantized() if isinstance(layer, nn.QuantizedEmbedding) else layer.weight


def by_rows(x: weft.Tensor, layer: nn.Module) -> weft.Tensor:
    """x [..., width] times the transpose of a table's rows."""
    if isinstance(layer, nn.QuantizedEmbedding):
        return layer.packed.product(x)
    return F.linear(x, layer.weight)


class UnitRMSNorm(nn.RMSNorm):
    """RMSNorm whose weights are kept less 1 (Gemma)."""

    def forward(self, input: weft.Tensor) -> weft.Tensor:
        """The input, normalised."""
        return F.rms_norm(input, self.normalized_shape, 1 + self.weight, self.eps)


class HeadNorm(nn.Module):
    """A norm of each head [N, heads, L, width] with weights of its own (StableLM, Cohere)."""

    def __init__(self, weights: Weights, name: str, heads: int, width: int, epsilon: float) -> None:
        super().__init__()
        self.eps = epsilon
        self.weight = adopted(wide(weights.take(f"{name}.weight", heads, width)))

    def forward(self, input: weft.Tensor) -> weft.Tensor:
        """The input, normalised."""
        made = F.layer_norm(input, input.shape[-1], None, None, self.eps)
        return made * weft.expand_dims(self.weight, axis=1)


#: Norms by weft's words: the class, and options that leave weights or biases out.
NORMS: dict[str, tuple[type[nn.LayerNorm] | type[nn.RMSNorm], dict[str, bool]]] = {
    "rms": (nn.RMSNorm, {}),
    "rms, weights less 1": (UnitRMSNorm, {}),
    "layer": (nn.LayerNorm, {}),
    "layer, no bias": (nn.LayerNorm, {"bias": False}),
    "layer, no weights": (nn.LayerNorm, {"elementwise_affine": False}),
}


def norm(kind: str, weights: Weights, name: str, width: int, epsilon: float) -> nn.Module:
    """A norm of the last dimension, one of `NORMS`, whose weights have the dtype of computing."""
    made, options = NORMS[kind]
    has_weights = options.get("elementwise_affine", True)
    # The file has this width, before memory of it is taken.
    weight = adopted(wide(weights.take(f"{name}.weight", width))) if has_weights else None
    layer = made(width, eps=epsilon, **options)
    layer.weight = weight
    if isinstance(layer, nn.LayerNorm) and layer.bias is not None:
        layer.bias = adopted(wide(weights.take(f"{name}.bias", width)))
    return layer
