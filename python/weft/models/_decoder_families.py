"""The families of decoders: of each what it chooses where LLaMA's settings leave it open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .._creation import _fail
from .._errors import FileError, UnsupportedError
from ._decoder_config import (
    Choices,
    DecoderConfig,
    even_head_width,
    head_width_of,
    heads_of,
    layers_of,
    read_decoder,
    shared_by,
)
from ._experts import Experts
from ._family_settings import of_family, refuse_unread
from ._layers import ACTIVATIONS
from ._rotary import read_rotary
from ._settings import MOST, Settings
from ._slopes import Slopes, geometric, interleaved

#: Of layers that see all tokens before one, and of those that see the nearest.
_KINDS = ("full_attention", "sliding_attention")
#: More than any mixture has.
_MOST_EXPERTS = 1 << 14


def _every_layer(settings: Settings, value: Any) -> tuple[Any, ...]:
    return (value,) * layers_of(settings)


def _attention_bias(settings: Settings, name: str = "attention_bias") -> Choices:
    bias = settings.flag(name)
    return {"qkv_bias": bias, "output_bias": bias}


def _every_bias(bias: bool = True) -> Choices:
    return dict.fromkeys(("qkv_bias", "output_bias", "hidden_bias"), bias)


def _one_window(settings: Settings) -> Choices:
    return {"windows": _every_layer(settings, settings.count("sliding_window", None))}


def _even_heads(settings: Settings) -> Choices:
    """Heads that are parts of the states, each with keys of its own."""
    heads = heads_of(settings)
    return {"head_width": even_head_width(settings), "key_heads": heads}


def _turned_in_part(settings: Settings, head_width: int) -> Choices:
    return {"rotary": _every_layer(settings, read_rotary(settings, head_width, partial=True))}


def _not_turned(settings: Settings) -> Choices:
    return {"rotary": _every_layer(settings, None)}


def _llama(settings: Settings) -> Choices:
    return {**_attention_bias(settings), "hidden_bias": settings.flag("mlp_bias")}


def _qwen2(settings: Settings) -> Choices:
    window, first = _chosen_window(settings), settings.count("max_window_layers", least=0)
    windows = _windows(settings, window, lambda layer: window is not None and layer >= first)
    return {"windows": windows, "qkv_bias": True}


def _qwen3(settings: Settings) -> Choices:
    return {**_qwen2(settings), **_attention_bias(settings), "query_norm": "head"}


def _chosen_window(settings: Settings) -> int | None:
    used = settings.flag("use_sliding_window")
    # Qwen2-MoE writes 0 where none is used.
    window = settings.count("sliding_window", None, least=int(used))
    return window if used else None


def _windows(
    settings: Settings, window: int | None, slides: Callable[[int], bool]
) -> tuple[int | None, ...]:
    """How many tokens a token sees in each layer, by ``layer_types`` or else what slides."""
    return tuple(
        window if kind == "sliding_attention" else None for kind in _kinds(settings, window, slides)
    )


def _kinds(settings: Settings, window: int | None, slides: Callable[[int], bool]) -> list[str]:
    layers = layers_of(settings)
    kinds = settings.words("layer_types", layers)
    if kinds is None:
        kinds = [_KINDS[slides(layer)] for layer in range(layers)]
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
            f"{settings.path}: layer_types has sliding_attention, but sliding_window (with "
            "use_sliding_window, where there is one) gives no window",
        )
    return kinds


def _gemma(settings: Settings) -> Choices:
    if settings.flag("use_bidirectional_attention"):
        raise _fail(UnsupportedError, f"{settings.path}: use_bidirectional_attention is not read")
    activation = settings.choice("hidden_act", ACTIVATIONS)
    return {
        **_attention_bias(settings),
        # The first files say gelu, and mean its approximation.
        "activation": "gelu_pytorch_tanh" if activation == "gelu" else activation,
        "norm": "rms, weights less 1",
        "embedding_scale": settings.count("hidden_size") ** 0.5,
        "narrow_scale": True,
    }


def _later_gemma(settings: Settings) -> Choices:
    scale = settings.number("query_pre_attn_scalar") ** -0.5
    return {
        **_gemma(settings),
        "activation": settings.choice("hidden_act", ACTIVATIONS),
        "norms": "around",
        "attention_scale": _every_layer(settings, scale),
        "score_cap": settings.limit("final_logit_softcapping"),
    }


def _gemma2(settings: Settings) -> Choices:
    window = settings.count("sliding_window", None)
    return {
        **_later_gemma(settings),
        "windows": _windows(settings, window, lambda layer: layer % 2 == 0),
        "attention_cap": settings.limit("attn_logit_softcapping"),
    }


def _gemma3(settings: Settings) -> Choices:
    window = settings.count("sliding_window", None)
    pattern = settings.count("sliding_window_pattern", 6)
    # Which transformers writes beside what it made of it.
    if settings.count("_sliding_window_pattern", pattern) != pattern and not settings.has(
        "layer_types"
    ):
        message = (
            "_sliding_window_pattern is not sliding_window_pattern, and there are no layer_types"
        )
        raise _fail(FileError, f"{settings.path}: {message}")
    kinds = _kinds(settings, window, lambda layer: (layer + 1) % pattern != 0)
    head_width = head_width_of(settings)
    by_kind = {
        "full_attention": read_rotary(settings, head_width, layers="full_attention"),
        "sliding_attention": read_rotary(
            settings, head_width, layers="sliding_attention", base="rope_local_base_freq"
        ),
    }
    return {
        **_later_gemma(settings),
        "windows": tuple(window if kind == "sliding_attention" else None for kind in kinds),
        "rotary": tuple(by_kind[kind] for kind in kinds),
        "query_norm": "head",
    }


def _phi3(settings: Settings) -> Choices:
    # What other ways are called is another one in this family.
    kinds = {"default": "default", **dict.fromkeys(("longrope", "su", "yarn"), "longrope")}
    rotary = read_rotary(settings, head_width_of(settings), partial=True, kinds=kinds)
    return {**_one_window(settings), "rotary": _every_layer(settings, rotary)}


def _phi(settings: Settings) -> Choices:
    return {
        **_turned_in_part(settings, head_width_of(settings)),
        **_every_bias(),
        "norm": "layer",
        "gated": False,
        "parallel": True,
        "head_bias": True,
        "query_norm": "head" if settings.flag("qk_layernorm") else None,
    }


def _gpt2(settings: Settings) -> Choices:
    own, layers = _even_heads(settings), layers_of(settings)
    scale = own["head_width"] ** -0.5 if settings.flag("scale_attn_weights") else 1.0
    by_layer = settings.flag("scale_attn_by_inverse_layer_idx")
    return {
        **own,
        **_not_turned(settings),
        **_every_bias(),
        "hidden": settings.count("intermediate_size", 4 * settings.count("hidden_size")),
        "attention_scale": tuple(scale / (n + 1 if by_layer else 1) for n in range(layers)),
        "first_position": 0,
        "norm": "layer",
        "gated": False,
    }


def _opt(settings: Settings) -> Choices:
    before = settings.flag("do_layer_norm_before")
    has_weights = settings.flag("layer_norm_elementwise_affine")
    removed = settings.flag("_remove_final_layer_norm")
    return {
        **_even_heads(settings),
        **_not_turned(settings),
        **_every_bias(settings.flag("enable_bias")),
        "epsilon": 1e-5,
        "first_position": 2,
        "norm": "layer" if has_weights else "layer, no weights",
        "norms": "before" if before else "of sums",
        "final_norm": before and not removed,
        "gated": False,
        "embedding_width": settings.count("word_embed_proj_dim", None),
    }


def _gpt_neox(settings: Settings) -> Choices:
    own = _even_heads(settings)
    return {
        **own,
        **_turned_in_part(settings, own["head_width"]),
        **_attention_bias(settings),
        "norm": "layer",
        "gated": False,
        "parallel": settings.flag("use_parallel_residual"),
        "shared_norm": False,
        "hidden_bias": True,
    }


def _stablelm(settings: Settings) -> Choices:
    head_width = even_head_width(settings)
    return {
        **_turned_in_part(settings, head_width),
        "head_width": head_width,
        "norm": "layer",
        "parallel": settings.flag("use_parallel_residual"),
        "query_norm": "heads" if settings.flag("qk_layernorm") else None,
        "qkv_bias": settings.flag("use_qkv_bias"),
    }


def _bloom(settings: Settings) -> Choices:
    own = _even_heads(settings)
    if settings.flag("slow_but_exact") and settings.count("pretraining_tp", 1) > 1:
        raise _fail(UnsupportedError, f"{settings.path}: slow_but_exact is not read")
    return {
        **own,
        **_not_turned(settings),
        **_every_bias(),
        "positions": MOST,
        "hidden": 4 * settings.count("hidden_size"),
        "activation": "gelu_new",
        "slopes": Slopes(geometric(own["key_heads"])),
        "norm": "layer",
        "normed_residual": settings.flag("apply_residual_connection_post_layernorm"),
        "embedding_norm": True,
        "gated": False,
    }


def _falcon(settings: Settings) -> Choices:
    """Three forms: one head of keys; one for each head; some, with two norms or one."""
    heads, head_width = heads_of(settings), even_head_width(settings)
    newer, parallel = settings.flag("new_decoder_architecture"), settings.flag("parallel_attn")
    norms = settings.count("num_ln_in_parallel_attn", 2 if newer else 1, most=2)
    one = settings.flag("multi_query")
    key_heads = shared_by(settings, "num_key_value_heads", heads)
    if newer and not parallel:
        raise _fail(UnsupportedError, f"{settings.path}: new_decoder_architecture is parallel_attn")
    if parallel and norms == 2 and not newer:
        message = "num_ln_in_parallel_attn 2 is for new_decoder_architecture"
        raise _fail(UnsupportedError, f"{settings.path}: {message}")
    if not newer and not one and key_heads != heads:
        message = f"num_kv_heads {key_heads} is for new_decoder_architecture or multi_query"
        raise _fail(UnsupportedError, f"{settings.path}: {message}")
    positions: Choices = {"rotary": _every_layer(settings, read_rotary(settings, head_width))}
    if settings.flag("alibi"):
        slopes = Slopes(geometric(heads), narrow=head_width**-0.5)
        positions = {**_not_turned(settings), "slopes": slopes}
    return {
        **positions,
        **_every_bias(settings.flag("bias")),
        "hidden": settings.count("intermediate_size", 4 * settings.count("hidden_size")),
        "head_width": head_width,
        "key_heads": key_heads if newer or not one else 1,
        "norm": "layer",
        "parallel": parallel,
        "shared_norm": norms == 1,
        "gated": False,
    }


def _mpt(settings: Settings) -> Choices:
    own, part = _even_heads(settings), settings.part("attn_config")
    if not part.flag("alibi", True) or part.count("alibi_bias_max", 8) != 8:
        message = "attn_config is read with alibi, and an alibi_bias_max of 8"
        raise _fail(UnsupportedError, f"{settings.path}: {message}")
    part.choice("attn_type", ("multihead_attention",), "multihead_attention")
    scale = part.limit("softmax_scale") or own["head_width"] ** -0.5
    if settings.count("expansion_ratio") != 4 or not settings.flag("no_bias"):
        message = "expansion_ratio has to be 4, and no_bias true"
        raise _fail(UnsupportedError, f"{settings.path}: {message}")
    return {
        **own,
        **_not_turned(settings),
        "hidden": 4 * settings.count("hidden_size"),
        "activation": "gelu",
        "attention_scale": _every_layer(settings, scale),
        "slopes": Slopes(interleaved(own["key_heads"])),
        "norm": "layer, no bias",
        "gated": False,
        "clip": part.limit("clip_qkv"),
    }


def _mixtral(settings: Settings) -> Choices:
    layers = _every_layer(settings, True)
    hidden = settings.count("intermediate_size")
    experts = _experts(settings, layers, hidden, normalized=True)
    return {**_one_window(settings), "experts": experts}


def _experts(
    settings: Settings,
    layers: tuple[bool, ...],
    hidden: int,
    normalized: bool,
    shared: int | None = None,
) -> Experts | None:
    # 0 is none, in Qwen's settings.
    count = settings.count("num_experts", least=0, most=_MOST_EXPERTS)
    taken = settings.count("num_experts_per_tok", most=_MOST_EXPERTS)
    if not count or not any(layers):
        return None
    if taken > count:
        raise _fail(
            FileError,
            f"{settings.path}: num_experts_per_tok {taken} is more than "
            f"{settings.name('num_experts')} {count}",
        )
    return Experts(count, taken, hidden, normalized, shared, layers)


def _sparse(settings: Settings, shared: int | None = None) -> Choices:
    """Experts in every so many layers, and dense layers in the others."""
    step, dense = settings.count("decoder_sparse_step"), settings.tokens("mlp_only_layers")
    every = range(layers_of(settings))
    layers = tuple((layer + 1) % step == 0 and layer not in dense for layer in every)
    hidden, normalized = settings.count("moe_intermediate_size"), settings.flag("norm_topk_prob")
    return {"experts": _experts(settings, layers, hidden, normalized, shared)}


def _qwen2_moe(settings: Settings) -> Choices:
    window, first = _chosen_window(settings), settings.count("max_window_layers", least=0)
    used = settings.flag("use_sliding_window")

    def near(layer: int) -> bool:
        return used and layer % 2 == 0 and layer < first

    return {
        **_sparse(settings, settings.count("shared_expert_intermediate_size")),
        "windows": _windows(settings, window, near),
        "qkv_bias": settings.flag("qkv_bias"),
    }


def _qwen3_moe(settings: Settings) -> Choices:
    # Which files have and no model reads: a window is one of all layers.
    settings.count("max_window_layers", None, least=0)
    return {
        **_sparse(settings),
        **_attention_bias(settings),
        "windows": _every_layer(settings, _chosen_window(settings)),
        "query_norm": "head",
    }


def _olmo(settings: Settings) -> Choices:
    return {
        **_attention_bias(settings),
        "epsilon": 1e-5,
        "norm": "layer, no weights",
        "clip": settings.limit("clip_qkv"),
    }


def _olmo2(settings: Settings) -> Choices:
    return {**_attention_bias(settings), "norms": "behind", "query_norm": "whole"}


def _granite(settings: Settings) -> Choices:
    return {
        **_llama(settings),
        "attention_scale": _every_layer(settings, settings.number("attention_multiplier")),
        "embedding_scale": settings.number("embedding_multiplier"),
        "residual_scale": settings.number("residual_multiplier"),
        "score_scale": 1 / settings.number("logits_scaling"),
    }


def _cohere(settings: Settings) -> Choices:
    rotary = replace(read_rotary(settings, head_width_of(settings)), interleaved=True)
    return {
        **_attention_bias(settings),
        "rotary": _every_layer(settings, rotary),
        "norm": "layer, no bias",
        "parallel": True,
        "query_norm": "heads" if settings.flag("use_qk_norm") else None,
        "score_scale": settings.number("logit_scale"),
    }


_CHOICES: dict[str, Callable[[Settings], Choices]] = {
    "bloom": _bloom,
    "cohere": _cohere,
    "falcon": _falcon,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "granite": _granite,
    "llama": _llama,
    "mistral": _one_window,
    "mixtral": _mixtral,
    "mpt": _mpt,
    "olmo": _olmo,
    "olmo2": _olmo2,
    "opt": _opt,
    "phi": _phi,
    "phi3": _phi3,
    "qwen2": _qwen2,
    "qwen2_moe": _qwen2_moe,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "stablelm": _stablelm,
}

#: The families of decoders that are weft's own modules.
DECODERS = frozenset(_CHOICES)


def decoder_config(settings: Settings, family: str) -> DecoderConfig:
    """The settings of a decoder of one of the families `DECODERS`.

    Raises:
        FileError: a setting is missing or can't be. UnsupportedError: weft has no rule for one.
    """
    own = of_family(settings, family)
    config = read_decoder(own, family, _CHOICES[family](own))
    refuse_unread(own, family)
    return config
