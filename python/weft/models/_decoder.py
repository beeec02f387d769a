"""Decoders of language models: LLaMA (Touvron et al., 2023) and its kin, made of a checkpoint."""

from __future__ import annotations

import math
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
from ._experts import Mixture
from ._layers import (
    Cache,
    FeedForward,
    StretchedCache,
    capped,
    capped_attention,
    distances,
    heads_of,
    places_of,
    states_of,
    written,
)
from ._rotary import Rotary, angles, is_far, rotated, speeds_of
from ._weights import HeadNorm, Weights, by_rows, linear, norm, table, wide
from ._writer import Begun, Writer


def _norm(config: DecoderConfig, weights: Weights, name: str) -> nn.Module:
    """A norm of the states."""
    return norm(config.norm, weights, name, config.width, config.epsilon)


Angles = tuple[weft.Tensor, weft.Tensor]


@dataclass(frozen=True)
class _Where:
    """Where the tokens of a call are: their positions, and what these make of attention.

    Places are [L], those of all texts, or [N, L]; so are the positions that make the angles.
    """

    places: weft.Tensor
    angles: dict[Rotary, Angles]
    #: Which keys are tokens of the text, bool [N, 1, 1, L]; None: all.
    own: weft.Tensor | None = None
    #: What is added to scores of attention, [heads, L, S] or [N, heads, L, S].
    biases: weft.Tensor | None = None


class Attention(nn.Module):
    """Each token looks at itself and at those before it (Vaswani et al., 2017)."""

    def __init__(self, config: DecoderConfig, weights: Weights, name: str, layer: int) -> None:
        super().__init__()
        self.head_width, self.window = config.head_width, config.windows[layer]
        self.scale, self.cap = config.attention_scale[layer], config.attention_cap
        self.clip, self.rotary = config.clip, config.rotary[layer]
        for letter, heads in zip("qkv", (config.heads, config.key_heads, config.key_heads)):
            own, outputs = f"{letter}_proj", heads * config.head_width
            made = linear(weights, f"{name}.{own}", outputs, config.width, config.qkv_bias)
            setattr(self, own, made)
        inputs = config.heads * config.head_width
        self.o_proj = linear(weights, f"{name}.o_proj", config.width, inputs, config.output_bias)
        self.norms_whole = config.query_norm == "whole"
        self.q_norm = self._norm(config, weights, f"{name}.q_norm", config.heads)
        self.k_norm = self._norm(config, weights, f"{name}.k_norm", config.key_heads)

    @staticmethod
    def _norm(config: DecoderConfig, weights: Weights, name: str, heads: int) -> nn.Module | None:
        """What norms queries or keys of so many heads."""
        width = config.head_width
        if config.query_norm is None:
            return None
        if config.query_norm == "heads":
            return HeadNorm(weights, name, heads, width, config.epsilon)
        width *= heads if config.query_norm == "whole" else 1
        return norm(config.norm, weights, name, width, config.epsilon)

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
        query, key, value = self._heads(x)
        if self.rotary is not None:
            turned, pairs = where.angles[self.rotary], self.rotary.interleaved
            query, key = rotated(query, *turned, pairs), rotated(key, *turned, pairs)
        if keys is not None and values is not None:
            key, value = written(keys, where.places, key), written(values, where.places, value)
        seen = self._seen(where, key.shape[2], keys is not None)
        if self.cap is not None and seen is not None:
            mixed = capped_attention(query, key, value, seen, self.scale, self.cap)
            return self.o_proj(states_of(mixed))
        if where.biases is not None and seen is not None:
            seen = weft.where(seen, where.biases, -math.inf)
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=seen,
            is_causal=seen is None,
            scale=self.scale,
            enable_gqa=True,
        )
        return self.o_proj(states_of(mixed))

    def _heads(self, x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor, weft.Tensor]:
        """Queries, keys and values [N, heads, L, head_width] of states, normed."""
        query, key, value = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        if self.clip is not None:
            most = self.clip
            query, key, value = (weft.clamp(y, -most, most) for y in (query, key, value))
        if self.norms_whole and self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        query, key, value = (heads_of(y, self.head_width) for y in (query, key, value))
        if not self.norms_whole and self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        return query, key, value

    def _seen(self, where: _Where, length: int, cached: bool) -> weft.Tensor | None:
        """Which keys [L, length] or [N, 1, L, length] a token sees; None: all up to it."""
        plain = self.window is None and self.cap is None and where.biases is None
        if not cached and plain and where.own is None:
            return None
        away = distances(where.places, length)
        seen = away <= 0
        if self.window is not None:
            seen = seen & (away > -self.window)
        # What is none of a text sees itself, as there are no means of nothing.
        return seen if where.own is None else (seen & where.own) | (away == 0)


class Layer(nn.Module):
    """Attention and dense layers, whose results are added to the states, and norms."""

    def __init__(self, config: DecoderConfig, weights: Weights, layer: int) -> None:
        super().__init__()
        name, norms = f"layers.{layer}", config.norms
        self.parallel, self.scale = config.parallel, config.residual_scale
        self.of_sums, self.normed_residual = norms == "of sums", config.normed_residual

        def made(part: str, wanted: bool) -> nn.Module | None:
            return _norm(config, weights, f"{name}.{part}") if wanted else None

        shares = config.parallel and config.shared_norm
        self.input_layernorm = made("input_layernorm", norms != "behind")
        self.self_attn = Attention(config, weights, f"{name}.self_attn", layer)
        second = norms != "behind" and not shares
        self.post_attention_layernorm = made("post_attention_layernorm", second)
        self.behind_attention = made("behind_attention", norms in ("behind", "around"))
        self.behind_mlp = made("behind_mlp", norms in ("behind", "around"))
        experts = config.experts
        if experts is not None and experts.layers[layer]:
            self.mlp: nn.Module = Mixture(config, experts, weights, f"{name}.mlp")
        else:
            self.mlp = FeedForward(config, weights, f"{name}.mlp")

    def forward(self, x: weft.Tensor, where: _Where, *cached: weft.Tensor) -> weft.Tensor:
        """The states behind the layer."""
        if self.of_sums:
            x = _normed(self.input_layernorm, x + self.self_attn(x, where, *cached))
            return _normed(self.post_attention_layernorm, x + self.mlp(x))
        read = _normed(self.input_layernorm, x)
        mixed = self.self_attn(read, where, *cached)
        if self.parallel:
            own = self.post_attention_layernorm
            return mixed + self.mlp(read if own is None else own(x)) + x
        x = self._sum(read if self.normed_residual else x, mixed, self.behind_attention)
        read = _normed(self.post_attention_layernorm, x)
        return self._sum(read if self.normed_residual else x, self.mlp(read), self.behind_mlp)

    def _sum(self, x: weft.Tensor, more: weft.Tensor, behind: nn.Module | None) -> weft.Tensor:
        """States and what is added to them."""
        more = _normed(behind, more)
        return x + (more if self.scale == 1.0 else more * self.scale)


def _normed(norm: nn.Module | None, x: weft.Tensor) -> weft.Tensor:
    return x if norm is None else norm(x)


class Decoder(Writer):
    """A language model: tokens [N, L] to the scores of those that come next [N, L, vocabulary].

    What `weft.models.load` makes of the families in `docs/hugging-face.md`, as LLaMA, Gemma, GPT-2,
    Falcon, BLOOM and Mixtral: they differ in what `DecoderConfig` says.

    Matrices have the file's dtype and its memory, until they are changed; what is computed is
    float32 (float64, where the weights are).

    Attributes:
        config: what the family is made of.
        eos: the tokens that end a text.
    """

    def __init__(self, config: DecoderConfig, weights: Weights) -> None:
        super().__init__()
        self.config, self.eos = config, config.eos
        embedded = config.embedding_width or config.width
        self.embed_tokens = table(weights, "embed_tokens", config.vocabulary, embedded)
        self.embed_positions = self.embed_proj = self.embed_norm = None
        if config.first_position is not None:
            rows = config.positions + config.first_position
            self.embed_positions = table(weights, "embed_positions", rows, config.width)
        if config.embedding_width is not None:
            self.embed_proj = linear(weights, "embed_proj", config.width, embedded, False)
        if config.embedding_norm:
            self.embed_norm = _norm(config, weights, "embed_norm")
        self.layers = nn.ModuleList(
            [Layer(config, weights, number) for number in range(config.layers)]
        )
        self.norm = _norm(config, weights, "norm") if config.final_norm else None
        self.project_out = None
        if config.embedding_width is not None:
            self.project_out = linear(weights, "project_out", embedded, config.width, False)
        self.lm_head = self.score_bias = None
        if config.tied:
            weights.drop("lm_head.weight")
            if config.head_bias:
                self.score_bias = adopted(wide(weights.take("lm_head.bias", config.vocabulary)))
        else:
            self.lm_head = linear(weights, "lm_head", config.vocabulary, embedded, config.head_bias)
        weights.finish()
        own = self.embed_tokens.weight.dtype
        self.dtype = weft.promote_types(own, weft.float32)
        # As far as the file's dtype has it, which is what the weights were trained with.
        narrow = own if config.narrow_scale else self.dtype
        scale = float(weft.asarray(config.embedding_scale, dtype=narrow).item())
        self.scale = None if scale == 1.0 else scale
        self._register_speeds()
        self.eval()

    def _register_speeds(self) -> None:
        """Keeps how fast positions turn, for each way that a layer has."""
        # The heads of the file have this width, which bounds it.
        self._ways = sorted({way for way in self.config.rotary if way is not None}, key=repr)
        for number, way in enumerate(self._ways):
            speeds = weft.asarray(way.speeds())
            self.register_buffer(f"speeds{number or ''}", speeds, persistent=False)

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
        if self.project_out is not None:
            states = self.project_out(states)
        if self.lm_head is not None:
            scores = self.lm_head(states)
        else:
            scores = by_rows(states, self.embed_tokens)
        if self.score_bias is not None:
            scores = scores + self.score_bias
        if self.config.score_scale != 1.0:
            scores = scores * self.config.score_scale
        cap = self.config.score_cap
        return scores if cap is None else capped(scores, cap)

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
        x = self._embedded(tokens, positions)
        length = None if cache is None or not cache.keys else cache.keys[0].shape[2]
        biases = self._biases(positions, length)
        where = _Where(places, self._angles(positions, cache), own, biases)
        for number, layer in enumerate(self.layers):
            kept = () if cache is None else (cache.keys[number], cache.values[number])
            x = layer(x, where, *kept)
        return _normed(self.norm, x)

    def _embedded(self, tokens: weft.Tensor, positions: weft.Tensor) -> weft.Tensor:
        """The states [N, L, width] of tokens before the first layer."""
        x = weft.astype(self.embed_tokens(tokens), self.dtype, copy=False)
        if self.scale is not None:
            x = x * self.scale
        if self.embed_proj is not None:
            x = self.embed_proj(x)
        if self.embed_positions is not None:
            # What fills up the last tokens of a prompt may lie behind the end of the table.
            rows = weft.clamp(positions, max=self.config.positions - 1)
            x = x + self.embed_positions(rows + (self.config.first_position or 0))
        return _normed(self.embed_norm, x)

    def _angles(self, positions: weft.Tensor, cache: Cache | None) -> dict[Rotary, Angles]:
        """Of positions, for each way that a layer turns."""
        found = {}
        for number, way in enumerate(self._ways):
            speeds = getattr(self, f"speeds{number or ''}")
            if way.longest is not None and isinstance(cache, StretchedCache):
                speeds = speeds_of(speeds, cache.far)
            elif way.longest is not None:
                speeds = speeds_of(speeds, is_far(way.longest, positions))
            found[way] = angles(positions, speeds, way)
        return found

    def _biases(self, positions: weft.Tensor, length: int | None) -> weft.Tensor | None:
        """What attention has by distance to keys: of a cache of this length, or these tokens."""
        if self.config.slopes is None:
            return None
        keys = positions if length is None else weft.arange(length, device=positions.device)
        if keys.ndim < positions.ndim:
            keys = weft.expand_dims(keys, axis=0)
        return self.config.slopes.biases(keys, positions, self.dtype)

    def cache(self, texts: int, length: int) -> Cache:
        """An empty one for so many texts of so many tokens."""
        config = self.config
        shape = (texts, config.key_heads, length, config.head_width)
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        keys, values = ([weft.zeros(shape, **place) for _ in self.layers] for _ in range(2))
        if config.longest is None:
            return Cache(keys, values)
        return StretchedCache(keys, values, weft.zeros(texts, dtype=weft.bool, device=self.device))

    @property
    def longest(self) -> int | None:
        """Beyond so many tokens all positions of a text are others; None: none are."""
        return self.config.longest

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
