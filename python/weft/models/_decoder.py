"""Decoders of language models: LLaMA (Touvron et al., 2023) and its kin, made of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import weft
from weft import nn

from .._creation import _fail
from .._errors import OptionError
from ..nn import functional as F
from ..nn._parameter import adopted
from . import _generation
from ._decoder_config import DecoderConfig
from ._layers import Cache, FeedForward, distances, heads_of, places_of, states_of, written
from ._rotary import angles, rotated
from ._weights import UnitRMSNorm, Weights, by_rows, linear, norm, table, wide
from ._writer import Begun, Writer


def _norm(config: DecoderConfig, weights: Weights, name: str, width: int) -> nn.Module:
    root = UnitRMSNorm if config.unit_norm else nn.RMSNorm
    return norm(nn.LayerNorm if config.layer_norm else root, weights, name, width, config.epsilon)


@dataclass(frozen=True)
class _Where:
    """Where the tokens of a call are: their positions, and the angles of these.

    Places are [L], those of all texts, or [N, L]; so are the positions that make the angles.
    """

    places: weft.Tensor
    angles: tuple[weft.Tensor, weft.Tensor] | None
    #: Which keys are tokens of the text, bool [N, 1, 1, L]; None: all.
    own: weft.Tensor | None = None


class Attention(nn.Module):
    """Each token looks at itself and at those before it (Vaswani et al., 2017)."""

    def __init__(self, config: DecoderConfig, weights: Weights, name: str, layer: int) -> None:
        super().__init__()
        self.head_width, self.window = config.head_width, config.windows[layer]
        self.scale = config.attention_scale[layer]
        for letter, heads in zip("qkv", (config.heads, config.key_heads, config.key_heads)):
            own, outputs = f"{letter}_proj", heads * config.head_width
            made = linear(weights, f"{name}.{own}", outputs, config.width, config.qkv_bias)
            setattr(self, own, made)
        inputs = config.heads * config.head_width
        self.o_proj = linear(weights, f"{name}.o_proj", config.width, inputs, config.output_bias)
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
            heads_of(y, self.head_width) for y in (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        )
        if self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        if where.angles is not None:
            query, key = rotated(query, *where.angles), rotated(key, *where.angles)
        if keys is not None and values is not None:
            key, value = written(keys, where.places, key), written(values, where.places, value)
        seen = self._seen(where, key.shape[2], keys is not None)
        y = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=seen,
            is_causal=seen is None,
            scale=self.scale,
            enable_gqa=True,
        )
        return self.o_proj(states_of(y))

    def _seen(self, where: _Where, length: int, cached: bool) -> weft.Tensor | None:
        """Which keys [L, length] or [N, 1, L, length] a token sees; None: all up to it."""
        if not cached and self.window is None and where.own is None:
            return None
        away = distances(where.places, length)
        seen = away <= 0
        if self.window is not None:
            seen = seen & (away > -self.window)
        # What is none of a text sees itself, as there are no means of nothing.
        return seen if where.own is None else (seen & where.own) | (away == 0)


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


class Decoder(Writer):
    """A language model: tokens [N, L] to the scores of those that come next [N, L, vocabulary].

    What `weft.models.load` makes of LLaMA, Mistral, Qwen2, Qwen3, Gemma, Phi, Phi3 and GPT-2.
    Matrices have the file's dtype and its memory, until they are changed; what is computed is
    float32 (float64, where the weights are).

    Attributes:
        config: what the family is made of.
        eos: the tokens that end a text.
    """

    def __init__(self, config: DecoderConfig, weights: Weights) -> None:
        super().__init__()
        self.config, self.eos = config, config.eos
        self.embed_tokens = table(weights, "embed_tokens", config.vocabulary, config.width)
        self.embed_positions = None
        if config.rotary is None:
            self.embed_positions = table(weights, "embed_positions", config.positions, config.width)
        self.layers = nn.ModuleList(
            [Layer(config, weights, number) for number in range(config.layers)]
        )
        self.norm = _norm(config, weights, "norm", config.width)
        self.lm_head = self.score_bias = None
        if config.tied:
            weights.drop("lm_head.weight")
            if config.head_bias:
                self.score_bias = adopted(wide(weights.take("lm_head.bias", config.vocabulary)))
        else:
            self.lm_head = linear(
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

    def forward(
        self, tokens: Any, cache: Cache | None = None, first: Any = 0, attention_mask: Any = None
    ) -> weft.Tensor:
        """The scores [N, L, vocabulary].

        Args:
            tokens: integers [N, L].
            cache: of `cache`; keys and values of the tokens before position ``first``, where those
                of these are added, in place.
            first: the position of the first token: a number, a tensor of one, or of one for each
                text, [N].
            attention_mask: 0 for tokens that fill texts up, 1 for their own, integers [N, L], not
                with a cache; None: all are their own. Positions are those of a text's own tokens.

        Raises:
            OptionError: there are a mask and a cache.
        """
        return self.scores(self.states(tokens, cache, first, attention_mask))

    def scores(self, states: weft.Tensor) -> weft.Tensor:
        """States [..., width] to scores [..., vocabulary]."""
        if self.lm_head is not None:
            return self.lm_head(states)
        scores = by_rows(states, self.embed_tokens)
        return scores if self.score_bias is None else scores + self.score_bias

    def states(
        self, tokens: Any, cache: Cache | None = None, first: Any = 0, attention_mask: Any = None
    ) -> weft.Tensor:
        """What the scores are made of [N, L, width]; arguments as for the module itself."""
        tokens = weft.asarray(tokens)
        places = positions = places_of(tokens, first)
        own: weft.Tensor | None = None
        if attention_mask is not None:
            if cache is not None:
                raise _fail(OptionError, "a cache has the tokens of texts: give no attention_mask")
            mask = weft.asarray(attention_mask) != 0
            count = weft.cumulative_sum(weft.astype(mask, weft.int64), axis=1)
            own, positions = weft.expand_dims(mask, axis=(1, 2)), weft.clamp(count - 1, min=0)
        x = weft.astype(self.embed_tokens(tokens), self.dtype, copy=False)
        if self.scale is not None:
            x = x * self.scale
        if self.embed_positions is not None:
            # What fills up the last tokens of a prompt may lie behind the end of the table.
            x = x + self.embed_positions(weft.clamp(positions, max=self.config.positions - 1))
        rotary, turned = self.config.rotary, None
        if rotary is not None and self.speeds is not None:
            turned = angles(positions, self.speeds, rotary.amount)
        where = _Where(places, turned, own)
        for number, layer in enumerate(self.layers):
            kept = () if cache is None else (cache.keys[number], cache.values[number])
            x = layer(x, where, *kept)
        return self.norm(x)

    def cache(self, texts: int, length: int) -> Cache:
        """An empty one for so many texts of so many tokens."""
        config = self.config
        shape = (texts, config.key_heads, length, config.head_width)
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        keys, values = ([weft.zeros(shape, **place) for _ in self.layers] for _ in range(2))
        return Cache(keys, values)

    def begin(self, prompt: Any, max_new_tokens: int, *, attention_mask: Any = None) -> Begun:
        """What `generate` and `stream` go on from.

        Args:
            prompt: integers [L], or [N, L] for several texts.
            max_new_tokens: how many follow at most.
            attention_mask: 0 for what fills shorter texts up on the left, 1 for their own tokens,
                of the prompt's shape; None: all are their own. Each is written as if it were alone.

        Raises:
            OptionError: the text gets longer than the model has positions for, or is filled up
            elsewhere. ShapeError, DTypeError, OutOfBoundsError: the prompt is no tokens of the
            model's, or the mask does not fit.
        """
        tokens = _generation.checked_prompt(self, prompt, max_new_tokens)
        skipped = _generation.checked_skips(attention_mask, np.shape(prompt))
        single, texts = np.ndim(prompt) == 1, self.texts
        return Begun(
            *(tokens, max_new_tokens, single, self.cache, texts.hidden),
            fill=texts.fill,
            skipped=skipped,
        )
