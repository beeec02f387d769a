"""What decoders are made of, and how config.json says it in the words of LLaMA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._creation import _fail
from .._errors import FileError
from ._experts import Experts
from ._layers import ACTIVATIONS
from ._rotary import Rotary, read_rotary
from ._settings import Settings
from ._slopes import Slopes

#: Of layers, of heads, and of a head's elements: more than any model has.
MOST_LAYERS, MOST_HEADS, MOST_HEAD = 10_000, 1 << 14, 1 << 16


@dataclass(frozen=True)
class DecoderConfig:
    """A decoder: what it is made of, and how many of it.

    Attributes:
        family: the ``model_type`` of config.json.
        vocabulary, positions: how many tokens there are, and how many of them a text may have.
        longest: beyond so many tokens all positions of a text are others (LongRoPE); None: never.
        width, layers, hidden: of the states; of how many layers; of the wider states in a layer.
        heads, key_heads, head_width: of attention: of queries; of keys, each of which serves
            neighbouring queries; the elements of each.
        epsilon: of the norms.
        activation: one of `ACTIVATIONS`.
        rotary: for each layer how positions turn queries and keys; None: they do not.
        windows: for each layer how many tokens a token sees, itself included; None: all before it.
        attention_scale: for each layer what scores of attention are multiplied by.
        eos: the tokens that end a text.
        first_position: the row of the first token in a table of positions; None: there is none.
        slopes: biases of attention by distance.
        norm: one of `NORMS`.
        norms: where they are: "before" attention and the dense layers; "behind" them; "around":
            both; "of sums": behind what was added to the states.
        normed_residual: whether what is added is added to the normed states.
        parallel: whether attention and the dense layers read the same, and are added together.
        shared_norm: whether they read it by one norm, then.
        embedding_norm, final_norm: whether embeddings, and what scores are made of, have one, too.
        query_norm: how queries and keys are normed: "head": each head by the same weights; "heads":
            each by its own, always less its mean; "whole": all heads together.
        gated: whether one product scales the other (SwiGLU; Shazeer, 2020), or there is only one.
        experts: of which tokens take a few; None: dense layers alone.
        embedding_scale: what embeddings are multiplied by.
        narrow_scale: whether only as far as the file's dtype has it.
        embedding_width: of embeddings that a product makes states of; None: they are states.
        residual_scale, score_scale: what is added to the states, and the scores are multiplied by.
        clip: how large elements of queries, keys and values are at most.
        attention_cap, score_cap: how large scores of attention, and of tokens, are at most.
        tied: whether the table of the tokens gives the scores, too.
        qkv_bias, output_bias, hidden_bias, head_bias: which products have a bias: those of
            queries, keys and values; behind attention; the dense ones; the one of the scores.
    """

    family: str
    vocabulary: int
    positions: int
    width: int
    layers: int
    hidden: int
    heads: int
    key_heads: int
    head_width: int
    epsilon: float
    activation: str
    rotary: tuple[Rotary | None, ...]
    windows: tuple[int | None, ...]
    attention_scale: tuple[float, ...]
    longest: int | None = None
    eos: tuple[int, ...] = ()
    first_position: int | None = None
    slopes: Slopes | None = None
    norm: str = "rms"
    norms: str = "before"
    normed_residual: bool = False
    parallel: bool = False
    shared_norm: bool = True
    embedding_norm: bool = False
    final_norm: bool = True
    query_norm: str | None = None
    gated: bool = True
    experts: Experts | None = None
    embedding_scale: float = 1.0
    narrow_scale: bool = False
    embedding_width: int | None = None
    residual_scale: float = 1.0
    score_scale: float = 1.0
    clip: float | None = None
    attention_cap: float | None = None
    score_cap: float | None = None
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    hidden_bias: bool = False
    head_bias: bool = False


#: What a family chooses: values of `DecoderConfig`, by its settings.
Choices = dict[str, Any]


def read_decoder(settings: Settings, family: str, choices: Choices) -> DecoderConfig:
    """The choices of a family, and what they leave open, in the words of LLaMA's settings.

    Raises:
        FileError: a setting is missing or can't be. UnsupportedError: weft has no rule for one.
    """
    found: Choices = {"family": family, **choices}

    def open_yet(name: str, read: Callable[[], Any]) -> Any:
        if name not in found:
            found[name] = read()
        return found[name]

    layers = open_yet("layers", lambda: layers_of(settings))
    width = open_yet("width", lambda: settings.count("hidden_size"))
    heads = open_yet("heads", lambda: heads_of(settings))
    head_width = open_yet("head_width", lambda: head_width_of(settings))
    open_yet("key_heads", lambda: _key_heads(settings, heads))
    open_yet("vocabulary", lambda: settings.count("vocab_size"))
    open_yet("positions", lambda: settings.count("max_position_embeddings"))
    open_yet("hidden", lambda: settings.count("intermediate_size"))
    open_yet("epsilon", lambda: settings.number("rms_norm_eps"))
    open_yet("activation", lambda: settings.choice("hidden_act", ACTIVATIONS))
    open_yet("rotary", lambda: (read_rotary(settings, head_width),) * layers)
    open_yet("windows", lambda: (None,) * layers)
    open_yet("attention_scale", lambda: (head_width**-0.5,) * layers)
    open_yet("eos", lambda: settings.tokens("eos_token_id"))
    open_yet("tied", lambda: settings.flag("tie_word_embeddings"))
    found["longest"] = next((way.longest for way in found["rotary"] if way is not None), None)
    if found.get("embedding_width") == width:
        found["embedding_width"] = None
    return DecoderConfig(**found)


def layers_of(settings: Settings) -> int:
    """How many layers there are."""
    return settings.count("num_hidden_layers", most=MOST_LAYERS)


def heads_of(settings: Settings) -> int:
    """How many heads queries have."""
    return settings.count("num_attention_heads", most=MOST_HEADS)


def head_width_of(settings: Settings) -> int:
    """The elements of a head: their own setting, or else a part of the states."""
    width, heads = settings.count("hidden_size"), heads_of(settings)
    if not settings.has("head_dim"):
        return even_head_width(settings)
    return settings.count("head_dim", max(width // heads, 1), most=MOST_HEAD)


def even_head_width(settings: Settings) -> int:
    """The elements of a head, which all heads have of the states together."""
    width, heads = settings.count("hidden_size"), heads_of(settings)
    if width % heads:
        raise _fail(
            FileError,
            f"{settings.path}: {settings.name('hidden_size')} {width} is no multiple of "
            f"{settings.name('num_attention_heads')} {heads}",
        )
    if width // heads > MOST_HEAD:
        raise _fail(
            FileError,
            f"{settings.path}: {settings.name('hidden_size')} {width} for {heads} "
            f"{settings.name('num_attention_heads')} is more than {MOST_HEAD} for each",
        )
    return width // heads


def _key_heads(settings: Settings, heads: int) -> int:
    return shared_by(settings, "num_key_value_heads", heads)


def shared_by(settings: Settings, name: str, heads: int) -> int:
    """How many heads of keys serve those of queries."""
    key_heads = settings.count(name, heads)
    if heads % key_heads:
        raise _fail(
            FileError,
            f"{settings.path}: {settings.name('num_attention_heads')} {heads} is no multiple of "
            f"{settings.name(name)} {key_heads}",
        )
    return key_heads
