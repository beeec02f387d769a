"""Encoders with decoders that answer what these have read (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft
from weft import nn

from .._creation import _fail
from .._errors import OptionError, ShapeError
from ..nn import functional as F
from ..nn._parameter import adopted
from . import _generation
from ._answer_config import AnswerConfig
from ._encoder_decoder_config import Distances, EncoderDecoderConfig, StackConfig
from ._layers import Cache, FeedForward, distances, heads_of, places_of, states_of, written
from ._weights import Weights, by_rows, linear, norm, table, wide
from ._writer import Begun, Writer


@dataclass
class Memory:
    """What the decoder's layers see of what the encoder has read.

    Attributes:
        keys, values: of each layer, [N, heads, S, head_width].
        seen: which places are texts, bool [N, 1, 1, S]; None: all.
    """

    keys: list[weft.Tensor]
    values: list[weft.Tensor]
    seen: weft.Tensor | None


@dataclass
class AnswerCache(Cache):
    """Keys and values of an answer, and what it answers, which never changes."""

    memory: Memory


class Attention(nn.Module):
    """Each token looks at tokens, its own text's or another one's."""

    def __init__(self, config: StackConfig, weights: Weights, name: str) -> None:
        super().__init__()
        self.head_width, self.scale = config.head_width, config.scale
        inner, bias = config.heads * config.head_width, config.attention_bias
        self.q_proj = linear(weights, f"{name}.q_proj", inner, config.width, bias)
        self.k_proj = linear(weights, f"{name}.k_proj", inner, config.width, False)
        self.v_proj = linear(weights, f"{name}.v_proj", inner, config.width, bias)
        self.o_proj = linear(weights, f"{name}.o_proj", config.width, inner, bias)

    def keys_values(self, x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        """What states [N, S, width] are looked at by, [N, heads, S, head_width] each."""
        width = self.head_width
        return heads_of(self.k_proj(x), width), heads_of(self.v_proj(x), width)

    def forward(
        self, x: weft.Tensor, keys: weft.Tensor, values: weft.Tensor, mask: weft.Tensor | None
    ) -> weft.Tensor:
        """States [N, L, width] to what is added to them."""
        query = heads_of(self.q_proj(x), self.head_width)
        y = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=self.scale)
        return self.o_proj(states_of(y))


class Layer(nn.Module):
    """Attention and dense layers, each behind a norm, added to the states."""

    def __init__(self, config: StackConfig, weights: Weights, name: str, crossed: bool) -> None:
        super().__init__()
        self.self_norm = stack_norm(config, weights, f"{name}.self_norm")
        self.self_attn = Attention(config, weights, f"{name}.self_attn")
        self.cross_norm, self.cross_attn = None, None
        if crossed:
            self.cross_norm = stack_norm(config, weights, f"{name}.cross_norm")
            self.cross_attn = Attention(config, weights, f"{name}.cross_attn")
        self.mlp_norm = stack_norm(config, weights, f"{name}.mlp_norm")
        self.mlp = FeedForward(config, weights, f"{name}.mlp")

    def forward(
        self,
        x: weft.Tensor,
        mask: weft.Tensor | None,
        places: weft.Tensor | None = None,
        cached: Sequence[weft.Tensor] = (),
        memory: tuple[weft.Tensor, weft.Tensor, weft.Tensor | None] | None = None,
    ) -> weft.Tensor:
        """The states behind the layer.

        With keys and values of earlier tokens, those of these are written among them.
        """
        read = self.self_norm(x)
        keys, values = self.self_attn.keys_values(read)
        if cached and places is not None:
            keys, values = written(cached[0], places, keys), written(cached[1], places, values)
        x = x + self.self_attn(read, keys, values, mask)
        if self.cross_attn is not None and self.cross_norm is not None and memory is not None:
            x = x + self.cross_attn(self.cross_norm(x), *memory)
        return x + self.mlp(self.mlp_norm(x))


def stack_norm(config: StackConfig, weights: Weights, name: str) -> nn.Module:
    """A norm of the states of an encoder or a decoder."""
    return norm(
        "layer" if config.layer_norm else "rms", weights, name, config.width, config.epsilon
    )


def buckets_of(config: Distances, two_sided: bool) -> np.ndarray:
    """The kind of each distance from a query to a key, from the farthest behind it on.

    Half of the kinds are of one distance each, those of the others grow up to the farthest. Keys
    before the query have kinds of their own, or else the first one (Raffel et al., 2020). In
    float32, as the published models were trained.
    """
    away = np.arange(-config.farthest, config.farthest + 1)
    count, first = config.buckets, np.zeros_like(away)
    if two_sided:
        count //= 2
        first = np.where(away > 0, count, 0)
        away = np.abs(away)
    else:
        away = np.maximum(-away, 0)
    exact = count // 2
    grown = np.log(np.maximum(away, 1).astype(np.float32) / np.float32(exact))
    grown = grown / np.float32(math.log(config.farthest / exact)) * np.float32(count - exact)
    far = np.minimum(exact + grown.astype(np.int64), count - 1)
    return first + np.where(away < exact, away, far)


class DistanceBias(nn.Module):
    """What is added to the scores of attention by the distance of two tokens, for each head."""

    def __init__(
        self, config: Distances, heads: int, two_sided: bool, weights: Weights, name: str
    ) -> None:
        super().__init__()
        self.farthest = config.farthest
        self.weight = adopted(wide(weights.take(f"{name}.weight", config.buckets, heads)))
        kinds = weft.asarray(buckets_of(config, two_sided))
        self.register_buffer("kinds", kinds, persistent=False)

    def forward(self, away: weft.Tensor) -> weft.Tensor:
        """Distances [L, S] or [N, 1, L, S] to biases [heads, L, S] or [N, heads, L, S]."""
        far = self.farthest
        kinds = weft.take(self.kinds, weft.flatten(weft.clamp(away, -far, far) + far), axis=0)
        biases = F.embedding(weft.reshape(kinds, away.shape), self.weight)
        biases = weft.moveaxis(biases, -1, -3)
        return biases if away.ndim == 2 else weft.squeeze(biases, axis=1)


class Stack(nn.Module):
    """An encoder, or a decoder: layers, and a norm behind them."""

    def __init__(
        self, config: EncoderDecoderConfig, weights: Weights, name: str, crossed: bool
    ) -> None:
        super().__init__()
        own = config.decoder if crossed else config.encoder
        self.config, self.causal, self.distances = own, crossed, None
        if config.distances is not None:
            self.distances = DistanceBias(
                config.distances, own.heads, not crossed, weights, f"{name}.distances"
            )
        self.layers = nn.ModuleList(
            [Layer(own, weights, f"{name}.layers.{n}", crossed) for n in range(own.layers)]
        )
        self.norm = stack_norm(own, weights, f"{name}.norm")

    def mask(
        self, places: weft.Tensor, length: int, seen: weft.Tensor | None
    ) -> weft.Tensor | None:
        """What tokens at places see of so many: bool, or what is added to the scores, or None."""
        if self.distances is None and not self.causal:
            return seen
        away = distances(places, length)
        if self.causal:
            seen = away <= 0
        if self.distances is None:
            return seen
        biases = self.distances(away)
        return biases if seen is None else weft.where(seen, biases, -math.inf)


class EncoderDecoder(Writer):
    """An encoder, and a decoder that answers what it has read: what `T5` and `Whisper` share.

    Matrices have the file's dtype and its memory, until they are changed; what is computed is
    float32 (float64, where the weights are).

    Attributes:
        config: what the family is made of.
        answers: what answers begin and end with.
        eos: the tokens that end an answer.
    """

    def __init__(
        self, config: EncoderDecoderConfig, answers: AnswerConfig, weights: Weights
    ) -> None:
        super().__init__()
        self.config, self.answers, self.eos = config, answers, answers.eos
        width = config.decoder.width
        self.embed_tokens = table(weights, "embed_tokens", config.vocabulary, width)
        self.embed_positions = None
        if config.distances is None:
            self.embed_positions = table(weights, "embed_positions", config.positions, width)
        self.encoder = Stack(config, weights, "encoder", crossed=False)
        self.decoder = Stack(config, weights, "decoder", crossed=True)
        self.lm_head = None
        if config.untied or "lm_head.weight" in weights:
            self.lm_head = linear(weights, "lm_head", config.vocabulary, width, False)
        self.dtype = weft.promote_types(self.embed_tokens.weight.dtype, weft.float32)

    def memory(self, states: weft.Tensor, seen: weft.Tensor | None) -> Memory:
        """What the decoder sees of the encoder's states [N, S, width]."""
        pairs = [layer.cross_attn.keys_values(states) for layer in self.decoder.layers]
        return Memory([keys for keys, _ in pairs], [values for _, values in pairs], seen)

    def states(self, tokens: Any, cache: AnswerCache, first: Any = 0) -> weft.Tensor:
        """What the scores are made of [N, L, width].

        Args:
            tokens: of the answer, integers [N, L].
            cache: of `cache`, where keys and values of these tokens are written; without any of
                its own, the tokens are all.
            first: the position of the first token: a number, a tensor of one, or of one for each
                text, [N].
        """
        tokens = weft.asarray(tokens)
        places = places_of(tokens, first)
        x = weft.astype(self.embed_tokens(tokens), self.dtype, copy=False)
        if self.embed_positions is not None:
            # What fills up the first tokens of an answer may lie behind the end of the table.
            x = x + self.embed_positions(weft.clamp(places, max=self.config.positions - 1))
        length = cache.keys[0].shape[2] if cache.keys else tokens.shape[1]
        mask, memory = self.decoder.mask(places, length, None), cache.memory
        for number, layer in enumerate(self.decoder.layers):
            own = (cache.keys[number], cache.values[number]) if cache.keys else ()
            read = memory.keys[number], memory.values[number], memory.seen
            x = layer(x, mask, places, own, read)
        return self.decoder.norm(x)

    def scores(self, states: weft.Tensor) -> weft.Tensor:
        """States [..., width] to scores [..., vocabulary]."""
        if self.config.score_scale != 1.0:
            states = states * self.config.score_scale
        if self.lm_head is None:
            return by_rows(states, self.embed_tokens)
        return self.lm_head(states)

    def encoded(self, x: weft.Tensor, seen: weft.Tensor | None = None) -> weft.Tensor:
        """Embeddings [N, S, width] to the encoder's states, of the places that are texts."""
        mask = self.encoder.mask(weft.arange(x.shape[1], device=x.device), x.shape[1], seen)
        for layer in self.encoder.layers:
            x = layer(x, mask)
        return self.encoder.norm(x)

    def cache(self, memory: Memory, texts: int, length: int) -> AnswerCache:
        """An empty one for so many answers of so many tokens."""
        config = self.config.decoder
        shape = (texts, config.heads, length, config.head_width)
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        keys, values = ([weft.zeros(shape, **place) for _ in self.decoder.layers] for _ in "kv")
        return AnswerCache(keys, values, memory)

    def results(self, tokens: Any, states: weft.Tensor, seen: weft.Tensor | None) -> dict:
        """The outputs by transformers' names, for a beginning of the answers [N, L]."""
        cache = AnswerCache([], [], self.memory(states, seen))
        return {
            "logits": self.scores(self.states(tokens, cache)),
            "encoder_last_hidden_state": states,
        }

    def begun(self, tokens: Any, texts: int, count: int) -> np.ndarray:
        """What answers begin with [N, L]: tokens [L] or [N, L], or else the checkpoint's start."""
        if tokens is None:
            if self.answers.start is None:
                raise _fail(
                    OptionError,
                    "generate: the checkpoint has no decoder_start_token_id: give "
                    "decoder_input_ids, what the answer begins with",
                )
            tokens = [self.answers.start]
        found = _generation.checked_prompt(self, tokens, count)
        if len(found) not in (1, texts):
            raise _fail(
                ShapeError, f"generate: decoder_input_ids are {len(found)} for {texts} texts"
            )
        return np.broadcast_to(found, (texts, found.shape[1]))

    def answers_to(
        self,
        begun: np.ndarray,
        memory: Memory,
        count: int,
        single: bool,
        rule: _generation.Rule | None = None,
    ) -> Begun:
        """What answers go on from: beginnings [N, L], and what they answer."""

        def make(texts: int, length: int) -> Cache:
            return self.cache(memory, texts, length)

        answers = self.answers
        return Begun(begun, count, single, make, answers.hidden, rule, answers.fill)
