"""What families of decoders differ in, read from config.json."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import weft

from .._creation import _fail
from .._errors import FileError, UnsupportedError
from ._family_settings import of_family, refuse_unread
from ._layers import ACTIVATIONS
from ._rotary import Rotary, read_rotary
from ._settings import Settings
from ._weights import renamed

#: Of layers, and of a head's elements: more than any model has.
MOST_LAYERS, MOST_HEAD = 10_000, 1 << 16


@dataclass(frozen=True)
class DecoderConfig:
    """A decoder: what it is made of, and how many of it.

    Attributes:
        family: the ``model_type`` of config.json.
        vocabulary, positions: how many tokens there are, and how many of them a text may have.
        width, layers, hidden: of the states; of how many layers; of the wider states in a layer.
        heads, key_heads, head_width: of attention: of queries; of keys, each of which serves
            neighbouring queries; the elements of each.
        epsilon: of the norms.
        activation: one of `ACTIVATIONS`.
        rotary: how positions turn queries and keys; None: positions have a table.
        windows: for each layer how many tokens a token sees, itself included; None: all before it.
        eos: the tokens that end a text.
        layer_norm: whether norms take away the mean and have a bias; or else RMSNorm.
        unit_norm: whether the weights of norms are kept less 1.
        gated: whether one product scales the other (SwiGLU; Shazeer, 2020), or there is only one.
        parallel: whether attention and the dense layers read the same, and are added together.
        embedding_scale: what embeddings are multiplied by.
        attention_scale: what scores are, for each layer.
        tied: whether the table of the tokens gives the scores, too.
        qkv_bias, output_bias, hidden_bias, head_bias: which products have a bias: those of
            queries, keys and values; behind attention; the dense ones; the one of the scores.
        query_norm: whether queries and keys have norms.
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
    rotary: Rotary | None
    windows: tuple[int | None, ...]
    attention_scale: tuple[float, ...]
    eos: tuple[int, ...] = ()
    layer_norm: bool = False
    unit_norm: bool = False
    gated: bool = True
    parallel: bool = False
    embedding_scale: float = 1.0
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    hidden_bias: bool = False
    head_bias: bool = False
    query_norm: bool = False


def _common(settings: Settings, family: str, **more: Any) -> DecoderConfig:
    """What LLaMA and its successors have in common."""
    width, heads = settings.count("hidden_size"), settings.count("num_attention_heads")
    layers = settings.count("num_hidden_layers", most=MOST_LAYERS)
    if width % heads and not settings.has("head_dim"):
        raise _fail(
            FileError, f"{settings.path}: hidden_size {width} for {heads} num_attention_heads"
        )
    head_width = settings.count("head_dim", max(width // heads, 1), most=MOST_HEAD)
    key_heads = settings.count("num_key_value_heads", heads)
    if heads % key_heads:
        raise _fail(
            FileError,
            f"{settings.path}: num_attention_heads {heads} is no multiple of "
            f"num_key_value_heads {key_heads}",
        )
    values: dict[str, Any] = {
        "family": family,
        "vocabulary": settings.count("vocab_size"),
        "positions": settings.count("max_position_embeddings"),
        "width": width,
        "layers": layers,
        "hidden": settings.count("intermediate_size"),
        "heads": heads,
        "key_heads": key_heads,
        "head_width": head_width,
        "windows": (None,) * layers,
        "attention_scale": (head_width**-0.5,) * layers,
        "eos": settings.tokens("eos_token_id"),
        "tied": settings.flag("tie_word_embeddings"),
    }
    if "epsilon" not in more:
        values["epsilon"] = settings.number("rms_norm_eps")
    if "activation" not in more:
        values["activation"] = settings.choice("hidden_act", ACTIVATIONS)
    if "rotary" not in more:
        values["rotary"] = read_rotary(settings, head_width)
    return DecoderConfig(**{**values, **more})


def _llama(settings: Settings) -> DecoderConfig:
    bias = settings.flag("attention_bias")
    return _common(
        settings,
        "llama",
        qkv_bias=bias,
        output_bias=bias,
        hidden_bias=settings.flag("mlp_bias"),
    )


def _mistral(settings: Settings) -> DecoderConfig:
    window = settings.count("sliding_window", None)
    layers = settings.count("num_hidden_layers", most=MOST_LAYERS)
    return _common(settings, "mistral", windows=(window,) * layers)


#: Of layers that see all tokens before one, and of those that see the nearest.
_KINDS = ("full_attention", "sliding_attention")


def _qwen2(settings: Settings) -> DecoderConfig:
    return _common(settings, "qwen2", windows=_windows(settings), qkv_bias=True)


def _qwen3(settings: Settings) -> DecoderConfig:
    bias = settings.flag("attention_bias")
    return _common(
        settings,
        "qwen3",
        windows=_windows(settings),
        qkv_bias=bias,
        output_bias=bias,
        query_norm=True,
    )


def _windows(settings: Settings) -> tuple[int | None, ...]:
    """How many tokens a token sees in each layer, as Qwen's settings say."""
    layers = settings.count("num_hidden_layers", most=MOST_LAYERS)
    window = settings.count("sliding_window", None)
    first = settings.count("max_window_layers", least=0)
    window = window if settings.flag("use_sliding_window") else None
    kinds = settings.words("layer_types", layers)
    if kinds is None:
        slide = window is not None
        kinds = [_KINDS[slide and layer >= first] for layer in range(layers)]
    unknown = sorted(set(kinds) - set(_KINDS))
    if unknown:
        raise _fail(
            UnsupportedError,
            f"{settings.path}: layer_types has {unknown[0][:60]!r}, but weft.models knows "
            f"{' and '.join(_KINDS)}",
        )
    if window is None and "sliding_attention" in kinds:
        raise _fail(
            FileError,
            f"{settings.path}: layer_types has sliding_attention, but use_sliding_window and "
            "sliding_window give no window",
        )
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)


def _gemma(settings: Settings) -> DecoderConfig:
    bias = settings.flag("attention_bias")
    activation = settings.choice("hidden_act", ACTIVATIONS)
    if settings.flag("use_bidirectional_attention"):
        raise _fail(UnsupportedError, f"{settings.path}: use_bidirectional_attention is not read")
    return _common(
        settings,
        "gemma",
        # The published files say gelu, and mean its approximation.
        activation="gelu_pytorch_tanh" if activation == "gelu" else activation,
        unit_norm=True,
        embedding_scale=settings.count("hidden_size") ** 0.5,
        qkv_bias=bias,
        output_bias=bias,
    )


def _phi3(settings: Settings) -> DecoderConfig:
    width, heads = settings.count("hidden_size"), settings.count("num_attention_heads")
    head_width = settings.count("head_dim", max(width // heads, 1), most=MOST_HEAD)
    window = settings.count("sliding_window", None)
    layers = settings.count("num_hidden_layers", most=MOST_LAYERS)
    # What other ways are called is another one in this family.
    rotary = read_rotary(settings, head_width, partial=True, kinds=("default",))
    return _common(settings, "phi3", rotary=rotary, windows=(window,) * layers)


def _phi(settings: Settings) -> DecoderConfig:
    width, heads = settings.count("hidden_size"), settings.count("num_attention_heads")
    head_width = settings.count("head_dim", max(width // heads, 1), most=MOST_HEAD)
    return _common(
        settings,
        "phi",
        epsilon=settings.number("layer_norm_eps"),
        activation=settings.choice("hidden_act", ACTIVATIONS),
        rotary=read_rotary(settings, head_width, partial=True),
        layer_norm=True,
        gated=False,
        parallel=True,
        qkv_bias=True,
        output_bias=True,
        hidden_bias=True,
        head_bias=True,
        query_norm=settings.flag("qk_layernorm"),
    )


def _gpt2(settings: Settings) -> DecoderConfig:
    width, heads = settings.count("n_embd"), settings.count("n_head")
    layers = settings.count("n_layer", most=MOST_LAYERS)
    if width % heads:
        raise _fail(FileError, f"{settings.path}: n_embd {width} is no multiple of n_head {heads}")
    scale = (width // heads) ** -0.5 if settings.flag("scale_attn_weights") else 1.0
    by_layer = settings.flag("scale_attn_by_inverse_layer_idx")
    return DecoderConfig(
        family="gpt2",
        vocabulary=settings.count("vocab_size"),
        positions=settings.count("n_positions"),
        width=width,
        layers=layers,
        hidden=settings.count("n_inner", 4 * width),
        heads=heads,
        key_heads=heads,
        head_width=width // heads,
        epsilon=settings.number("layer_norm_epsilon"),
        activation=settings.choice("activation_function", ACTIVATIONS),
        rotary=None,
        windows=(None,) * layers,
        attention_scale=tuple(scale / (n + 1 if by_layer else 1) for n in range(layers)),
        eos=settings.tokens("eos_token_id"),
        layer_norm=True,
        gated=False,
        tied=settings.flag("tie_word_embeddings"),
        qkv_bias=True,
        output_bias=True,
        hidden_bias=True,
    )


_READERS: dict[str, Callable[[Settings], DecoderConfig]] = {
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma": _gemma,
    "phi": _phi,
    "phi3": _phi3,
    "gpt2": _gpt2,
}

#: The families of decoders that are weft's own modules.
DECODERS = frozenset(_READERS)


def decoder_config(settings: Settings, family: str) -> DecoderConfig:
    """The settings of a decoder of one of the families `DECODERS`.

    Raises:
        FileError: a setting is missing or can't be. UnsupportedError: weft has no rule for one.
    """
    own = of_family(settings, family)
    config = _READERS[family](own)
    refuse_unread(own, family)
    return config


# Names of weights, as the families have them, and as `Decoder` does: LLaMA's.
_PLAIN = ((r"model\.", ""),)
_RENAMED = {
    "phi": (
        *_PLAIN,
        (r"self_attn\.dense\.", "self_attn.o_proj."),
        (r"mlp\.fc1\.", "mlp.up_proj."),
        (r"mlp\.fc2\.", "mlp.down_proj."),
        (r"self_attn\.([qk])_layernorm\.", r"self_attn.\1_norm."),
        (r"final_layernorm\.", "norm."),
    ),
    "gpt2": (
        (r"transformer\.", ""),
        (r"wte\.", "embed_tokens."),
        (r"wpe\.", "embed_positions."),
        (r"^h\.", "layers."),
        (r"\.ln_1\.", ".input_layernorm."),
        (r"\.ln_2\.", ".post_attention_layernorm."),
        (r"^ln_f\.", "norm."),
        (r"attn\.c_proj\.", "self_attn.o_proj."),
        (r"attn\.c_attn\.", "self_attn.qkv_proj."),
        (r"mlp\.c_fc\.", "mlp.up_proj."),
        (r"mlp\.c_proj\.", "mlp.down_proj."),
    ),
}
#: What older files hold besides weights: masks, and speeds of turning.
_NO_WEIGHT = re.compile(r"\.attn\.(bias|masked_bias)$|rotary_emb\.inv_freq$")


def named_weights(
    tensors: dict[str, weft.Tensor], config: DecoderConfig
) -> Iterator[tuple[str, str, weft.Tensor]]:
    """The weights of a file: the name in `Decoder`, the name in the file, the tensor.

    Some families have several products in one; GPT-2 all of its matrices transposed.
    """
    keys, queries = config.key_heads * config.head_width, config.heads * config.head_width
    wholes = {
        ".qkv_proj.": {"q_proj": queries, "k_proj": keys, "v_proj": keys},
        ".gate_up_proj.": {"gate_proj": config.hidden, "up_proj": config.hidden},
    }
    for name, tensor in tensors.items():
        if _NO_WEIGHT.search(name):
            continue
        ours = renamed(name, _RENAMED.get(config.family, _PLAIN))
        if config.family == "gpt2" and ours.startswith("layers.") and tensor.ndim == 2:
            tensor = weft.matrix_transpose(tensor).clone()
        whole = next((whole for whole in wholes if whole in ours), None)
        if whole is None or not tensor.ndim:
            yield ours, name, tensor
            continue
        first = 0
        for number, (part, size) in enumerate(wholes[whole].items(), 1):
            # All that is left is the last one's, so that nothing is left out.
            end = first + size if number < len(wholes[whole]) else None
            yield ours.replace(whole, f".{part}."), name, tensor[first:end].clone()
            first += size
