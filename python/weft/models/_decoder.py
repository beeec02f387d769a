"""Decoders of language models: LLaMA (Touvron et al., 2023) and its kin, made of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft
from weft import nn

from .._creation import _fail
from .._errors import FileError
from ..nn import functional as F
from ..nn._parameter import adopted
from . import _generation
from ._decoder_config import DecoderConfig
from ._rotary import angles, rotated

_ACTIVATIONS: dict[str, Callable[[weft.Tensor], weft.Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "relu": F.relu,
    **dict.fromkeys(
        ("gelu_new", "gelu_fast", "gelu_pytorch_tanh"), lambda x: F.gelu(x, approximate="tanh")
    ),
}


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


def _linear(weights: Weights, name: str, outputs: int, inputs: int, bias: bool) -> nn.Linear:
    """A layer whose matrix has the file's dtype; a bias has the dtype of computing."""
    layer = nn.utils.skip_init(nn.Linear, 1, 1, bias=bias)
    layer.in_features, layer.out_features = inputs, outputs
    layer.weight = adopted(weights.take(f"{name}.weight", outputs, inputs))
    if bias:
        layer.bias = adopted(_wide(weights.take(f"{name}.bias", outputs)))
    return layer


def _wide(tensor: weft.Tensor) -> weft.Tensor:
    """A vector as it is computed with: no narrower than float32."""
    return weft.astype(tensor, weft.promote_types(tensor.dtype, weft.float32), copy=False)


def _table(weights: Weights, name: str, rows: int, width: int) -> nn.Embedding:
    layer = nn.utils.skip_init(nn.Embedding, 1, 1)
    layer.num_embeddings, layer.embedding_dim = rows, width
    layer.weight = adopted(weights.take(f"{name}.weight", rows, width))
    return layer


class UnitRMSNorm(nn.RMSNorm):
    """RMSNorm whose weights are kept less 1 (Gemma)."""

    def forward(self, input: weft.Tensor) -> weft.Tensor:
        """The input, normalised."""
        return F.rms_norm(input, self.normalized_shape, 1 + self.weight, self.eps)


def _norm(config: DecoderConfig, weights: Weights, name: str, width: int) -> nn.Module:
    kind = nn.LayerNorm if config.layer_norm else nn.RMSNorm
    weight = adopted(_wide(weights.take(f"{name}.weight", width)))
    layer = (UnitRMSNorm if config.unit_norm else kind)(width, eps=config.epsilon)
    layer.weight = weight
    if config.layer_norm:
        layer.bias = adopted(_wide(weights.take(f"{name}.bias", width)))
    return layer


@dataclass
class Cache:
    """Keys and values [N, key_heads, S, head_width] of each layer, written in place."""

    keys: list[weft.Tensor]
    values: list[weft.Tensor]


@dataclass(frozen=True)
class _Where:
    """Where the tokens of a call are: their positions, and the angles of these.

    Positions are [L], those of all texts, or [N, L].
    """

    places: weft.Tensor
    angles: tuple[weft.Tensor, weft.Tensor] | None


def _written(cached: weft.Tensor, places: weft.Tensor, new: weft.Tensor) -> weft.Tensor:
    """Keys or values with new ones [N, heads, L, width] in their places, in place."""
    if places.ndim == 1:
        return cached.index_copy_(2, places, new)
    texts, heads = (
        weft.expand_dims(weft.arange(size, device=places.device), axis=axes)
        for size, axes in zip(new.shape[:2], ((1, 2), (0, 2)))
    )
    cached[texts, heads, weft.expand_dims(places, axis=1)] = new
    return cached


class Attention(nn.Module):
    """Each token looks at itself and at those before it (Vaswani et al., 2017)."""

    def __init__(self, config: DecoderConfig, weights: Weights, name: str, layer: int) -> None:
        super().__init__()
        self.head_width, self.window = config.head_width, config.windows[layer]
        self.scale = config.attention_scale[layer]
        for letter, heads in zip("qkv", (config.heads, config.key_heads, config.key_heads)):
            own, outputs = f"{letter}_proj", heads * config.head_width
            made = _linear(weights, f"{name}.{own}", outputs, config.width, config.qkv_bias)
            setattr(self, own, made)
        inputs = config.heads * config.head_width
        self.o_proj = _linear(weights, f"{name}.o_proj", config.width, inputs, config.output_bias)
        self.q_norm: nn.Module | None = None
        self.k_norm: nn.Module | None = None
        if config.query_norm:
            self.q_norm = _norm(config, weights, f"{name}.q_norm", config.head_width)
            self.k_norm = _norm(config, weights, f"{name}.k_norm", config.head_width)

    def forward(
        self,
        x: weft.Tensor,
        where: _Where,
        keys: weft.Tensor | None = None,
        values: weft.Tensor | None = None,
    ) -> weft.Tensor:
        """States [N, L, width] to what is added to them.

        With keys and values of earlier tokens, those of these are written among them.
        """
        query, key, value = (
            weft.transpose(y.unflatten(-1, (-1, self.head_width)), 1, 2)
            for y in (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        )
        if self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        if where.angles is not None:
            query, key = rotated(query, *where.angles), rotated(key, *where.angles)
        if keys is not None and values is not None:
            key, value = _written(keys, where.places, key), _written(values, where.places, value)
        seen = self._seen(where.places, key.shape[2], keys is not None)
        y = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=seen,
            is_causal=seen is None,
            scale=self.scale,
            enable_gqa=True,
        )
        return self.o_proj(weft.flatten(weft.transpose(y, 1, 2), 2))

    def _seen(self, places: weft.Tensor, length: int, cached: bool) -> weft.Tensor | None:
        """Which keys [L, length] or [N, 1, L, length] a token sees; None: all up to it."""
        if not cached and self.window is None:
            return None
        others = weft.arange(length, device=places.device)
        own = weft.expand_dims(places, axis=-1)
        if places.ndim == 2:
            own = weft.expand_dims(own, axis=1)
        seen = others <= own
        return seen if self.window is None else seen & (others > own - self.window)


class FeedForward(nn.Module):
    """The dense layers: a product, an activation, perhaps another product as factor, a product."""

    def __init__(self, config: DecoderConfig, weights: Weights, name: str) -> None:
        super().__init__()
        width, hidden, bias = config.width, config.hidden, config.hidden_bias
        self.activation = config.activation
        self.gate_proj = None
        if config.gated:
            self.gate_proj = _linear(weights, f"{name}.gate_proj", hidden, width, bias)
        self.up_proj = _linear(weights, f"{name}.up_proj", hidden, width, bias)
        self.down_proj = _linear(weights, f"{name}.down_proj", width, hidden, bias)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        """States to what is added to them."""
        activation = _ACTIVATIONS[self.activation]
        if self.gate_proj is None:
            return self.down_proj(activation(self.up_proj(x)))
        return self.down_proj(activation(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention and dense layers, each behind a norm, added to the states."""

    def __init__(self, config: DecoderConfig, weights: Weights, layer: int) -> None:
        super().__init__()
        name = f"layers.{layer}"
        self.parallel = config.parallel
        self.input_layernorm = _norm(config, weights, f"{name}.input_layernorm", config.width)
        self.self_attn = Attention(config, weights, f"{name}.self_attn", layer)
        self.post_attention_layernorm = None
        if not config.parallel:
            second = f"{name}.post_attention_layernorm"
            self.post_attention_layernorm = _norm(config, weights, second, config.width)
        self.mlp = FeedForward(config, weights, f"{name}.mlp")

    def forward(self, x: weft.Tensor, where: _Where, *cached: weft.Tensor) -> weft.Tensor:
        """The states behind the layer."""
        read = self.input_layernorm(x)
        mixed = self.self_attn(read, where, *cached)
        if self.post_attention_layernorm is None:
            return mixed + self.mlp(read) + x
        x = x + mixed
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """A language model: tokens [N, L] to the scores of those that come next [N, L, vocabulary].

    What `weft.models.load` makes of LLaMA, Mistral, Qwen2, Gemma, Phi and GPT-2. Matrices have the
    file's dtype and its memory, until they are changed; what is computed is float32 (float64, where
    the weights are).

    Attributes:
        config: what the family is made of.
        eos: the tokens that end a text.
    """

    def __init__(self, config: DecoderConfig, weights: Weights) -> None:
        super().__init__()
        self.config, self.eos = config, config.eos
        self.embed_tokens = _table(weights, "embed_tokens", config.vocabulary, config.width)
        self.embed_positions = None
        if config.rotary is None:
            self.embed_positions = _table(
                weights, "embed_positions", config.positions, config.width
            )
        self.layers = nn.ModuleList(
            [Layer(config, weights, number) for number in range(config.layers)]
        )
        self.norm = _norm(config, weights, "norm", config.width)
        self.lm_head = None
        if config.tied:
            weights.drop("lm_head.weight")
        else:
            self.lm_head = _linear(
                weights, "lm_head", config.vocabulary, config.width, config.head_bias
            )
        weights.finish()
        own = self.embed_tokens.weight.dtype
        self.dtype = weft.promote_types(own, weft.float32)
        # As far as the file's dtype has it, which is what the weights were trained with.
        scale = float(weft.asarray(config.embedding_scale, dtype=own).item())
        self.scale = None if scale == 1.0 else scale
        # The heads of the file have this width, which bounds it.
        speeds = None if config.rotary is None else weft.asarray(config.rotary.speeds())
        self.register_buffer("speeds", speeds, persistent=False)
        self.eval()

    def forward(self, tokens: Any, cache: Cache | None = None, first: Any = 0) -> weft.Tensor:
        """The scores [N, L, vocabulary].

        Args:
            tokens: integers [N, L].
            cache: of `cache`; keys and values of the tokens before position ``first``, where those
                of these are added, in place.
            first: the position of the first token: a number, a tensor of one, or of one for each
                text, [N].
        """
        return self.scores(self.states(tokens, cache, first))

    def scores(self, states: weft.Tensor) -> weft.Tensor:
        """States [..., width] to scores [..., vocabulary]."""
        if self.lm_head is None:
            return F.linear(states, self.embed_tokens.weight)
        return self.lm_head(states)

    def states(self, tokens: Any, cache: Cache | None = None, first: Any = 0) -> weft.Tensor:
        """What the scores are made of [N, L, width]; arguments as for the module itself."""
        tokens = weft.asarray(tokens)
        places = weft.arange(tokens.shape[1], dtype=weft.int64, device=tokens.device)
        several = isinstance(first, weft.Tensor) and first.ndim == 1
        places = places + (weft.expand_dims(first, axis=1) if several else first)
        x = weft.astype(self.embed_tokens(tokens), self.dtype, copy=False)
        if self.scale is not None:
            x = x * self.scale
        if self.embed_positions is not None:
            # What fills up the last tokens of a prompt may lie behind the end of the table.
            x = x + self.embed_positions(weft.clamp(places, max=self.config.positions - 1))
        where = _Where(places, None if self.speeds is None else angles(places, self.speeds))
        for number, layer in enumerate(self.layers):
            own = () if cache is None else (cache.keys[number], cache.values[number])
            x = layer(x, where, *own)
        return self.norm(x)

    def cache(self, texts: int, length: int) -> Cache:
        """An empty one for so many texts of so many tokens."""
        config = self.config
        shape = (texts, config.key_heads, length, config.head_width)
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        keys, values = ([weft.zeros(shape, **place) for _ in self.layers] for _ in range(2))
        return Cache(keys, values)

    @property
    def device(self) -> weft.device:
        """Where the weights are, and texts are written."""
        return self.embed_tokens.weight.device

    def generate(
        self,
        prompt: Any,
        max_new_tokens: int,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        eos: int | Sequence[int] | None = None,
    ) -> weft.Tensor:
        """A prompt [L] or [N, L] with the tokens that follow, int64.

        A text ends with its first token among ``eos``; the result, when all have ended. Shorter
        ones are filled up with the first of ``eos``. The arguments are those of `stream`, and so
        are the errors.
        """
        drawing = _generation.Drawing(temperature, top_k, top_p, seed)
        new = list(_generation.rows(self, prompt, max_new_tokens, drawing, eos))
        begun = np.asarray(prompt).astype(np.int64)
        columns = [row.reshape(*begun.shape[:-1], 1) for row in new]
        return weft.asarray(np.concatenate([begun, *columns], axis=-1))

    def stream(
        self,
        prompt: Any,
        max_new_tokens: int,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        eos: int | Sequence[int] | None = None,
    ) -> Iterator[Any]:
        """The tokens that follow a prompt, as they come: integers, or lists of one for each text.

        Args:
            prompt: integers [L], or [N, L] for texts of one length.
            max_new_tokens: how many at most.
            temperature: 0: the likeliest; else each is drawn by exp(score / temperature).
            top_k: of how many of the likeliest it is drawn (Fan et al., 2018); None: of all.
            top_p: of as few of the likeliest as have this probability together (Holtzman et al.,
                2020), after ``top_k``; None: of all.
            seed: the same gives the same texts; None: by weft's generator.
            eos: the tokens that end a text, which come out, too; None: the checkpoint's, `eos`.

        Raises:
            OptionError: an argument can't be, or the text gets longer than the model has positions
            for. ShapeError, DTypeError, OutOfBoundsError: the prompt is no tokens of the model's.
        """
        drawing = _generation.Drawing(temperature, top_k, top_p, seed)
        found = _generation.rows(self, prompt, max_new_tokens, drawing, eos)
        single = np.ndim(prompt) == 1
        return (int(row[0]) if single else row.tolist() for row in found)
