"""What T5 and Whisper differ in, read from config.json, and the names of their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import weft

from .._creation import _fail
from .._errors import FileError, UnsupportedError
from ._decoder_config import MOST_HEAD, MOST_LAYERS
from ._family_settings import of_family, refuse_unread
from ._layers import ACTIVATIONS
from ._settings import MOST, Settings
from ._weights import renamed

#: No model tells distances beyond this apart.
_MOST_DISTANCE = 1 << 16


@dataclass(frozen=True)
class StackConfig:
    """An encoder or a decoder.

    Attributes:
        width, layers, hidden: of the states; of how many layers; of the wider states in a layer.
        heads, head_width: of attention, and the elements of each.
        epsilon: of the norms.
        activation: one of `ACTIVATIONS`.
        scale: what the scores of attention are multiplied by.
        layer_norm: whether norms take away the mean and have a bias; or else RMSNorm.
        gated: whether one product scales the other, or there is only one.
        attention_bias, hidden_bias: which products have a bias: those of attention, but of keys;
            the dense ones.
    """

    width: int
    layers: int
    hidden: int
    heads: int
    head_width: int
    epsilon: float
    activation: str
    scale: float
    layer_norm: bool = False
    gated: bool = False
    attention_bias: bool = False
    hidden_bias: bool = False


@dataclass(frozen=True)
class Distances:
    """How T5 tells distances between tokens apart.

    Attributes:
        buckets: how many kinds of distances there are.
        farthest: all distances from here on are of one kind.
    """

    buckets: int
    farthest: int


@dataclass(frozen=True)
class Sound:
    """What Whisper's encoder reads.

    Attributes:
        bins: how many frequencies a frame has.
        frames: how many frames a sound has.
    """

    bins: int
    frames: int


@dataclass(frozen=True)
class EncoderDecoderConfig:
    """An encoder, and the decoder that answers what it has read.

    Attributes:
        family: the ``model_type`` of config.json.
        vocabulary, positions: how many tokens there are, and how many of them an answer may have.
        encoder, decoder: the two parts.
        distances: biases of attention by the distance of two tokens; None: positions have a table.
        sound: what the encoder reads, if not tokens.
        untied: whether the scores need a table of their own; else the table of the tokens gives
            them, where the file has no other one.
        score_scale: what states are multiplied by before the scores.
    """

    family: str
    vocabulary: int
    positions: int
    encoder: StackConfig
    decoder: StackConfig
    distances: Distances | None
    sound: Sound | None
    untied: bool
    score_scale: float = 1.0


def _t5(settings: Settings) -> EncoderDecoderConfig:
    family = settings.values["model_type"]
    width, layers = settings.count("d_model"), settings.count("num_layers", most=MOST_LAYERS)
    activation, gated = _dense(settings)

    def stack(layers: int) -> StackConfig:
        return StackConfig(
            width=width,
            layers=layers,
            hidden=settings.count("d_ff"),
            heads=settings.count("num_heads"),
            head_width=settings.count("d_kv", most=MOST_HEAD),
            epsilon=settings.number("layer_norm_epsilon"),
            activation=activation,
            scale=1.0,
            gated=gated,
        )

    tied = settings.flag("tie_word_embeddings", True)
    # Files that transformers 5 wrote say it apart. mT5's files say they are not tied.
    scaled = settings.flag("scale_decoder_outputs", tied) if family == "t5" else False
    return EncoderDecoderConfig(
        family=family,
        vocabulary=settings.count("vocab_size"),
        positions=MOST,
        encoder=stack(layers),
        decoder=stack(settings.count("num_decoder_layers", layers, most=MOST_LAYERS)),
        distances=_distances(settings),
        sound=None,
        untied=not tied,
        score_scale=width**-0.5 if scaled else 1.0,
    )


def _dense(settings: Settings) -> tuple[str, bool]:
    """The activation of T5's dense layers, and whether one product scales the other."""
    known = {f"gated-{name}" for name in ACTIVATIONS} | set(ACTIVATIONS)
    name = settings.choice("feed_forward_proj", known)
    # T5 1.1 says gelu, and means its approximation.
    name = "gated-gelu_new" if name == "gated-gelu" else name
    # Files that transformers wrote say the same apart, and that holds.
    gated = settings.flag("is_gated_act", name.startswith("gated-"))
    return settings.choice("dense_act_fn", ACTIVATIONS, name.removeprefix("gated-")), gated


def _distances(settings: Settings) -> Distances:
    buckets = settings.count("relative_attention_num_buckets", most=MOST_HEAD)
    farthest = settings.count("relative_attention_max_distance", most=_MOST_DISTANCE)
    if buckets < 4 or farthest <= buckets // 2:
        raise _fail(
            FileError,
            f"{settings.path}: relative_attention_num_buckets has to be 4 or more, and less than "
            f"twice relative_attention_max_distance, but they are {buckets} and {farthest}",
        )
    return Distances(buckets, farthest)


def _whisper(settings: Settings) -> EncoderDecoderConfig:
    width = settings.count("d_model")

    def stack(part: str) -> StackConfig:
        heads = settings.count(f"{part}_attention_heads")
        if width % heads:
            raise _fail(
                FileError,
                f"{settings.path}: d_model {width} is no multiple of {part}_attention_heads "
                f"{heads}",
            )
        return StackConfig(
            width=width,
            layers=settings.count(f"{part}_layers", most=MOST_LAYERS),
            hidden=settings.count(f"{part}_ffn_dim"),
            heads=heads,
            head_width=width // heads,
            epsilon=1e-5,
            activation=settings.choice("activation_function", ACTIVATIONS),
            scale=(width // heads) ** -0.5,
            layer_norm=True,
            attention_bias=True,
            hidden_bias=True,
        )

    return EncoderDecoderConfig(
        family="whisper",
        vocabulary=settings.count("vocab_size"),
        positions=settings.count("max_target_positions"),
        encoder=stack("encoder"),
        decoder=stack("decoder"),
        distances=None,
        sound=Sound(settings.count("num_mel_bins"), 2 * settings.count("max_source_positions")),
        untied=not settings.flag("tie_word_embeddings"),
    )


_READERS: dict[str, Callable[[Settings], EncoderDecoderConfig]] = {
    "t5": _t5,
    "mt5": _t5,
    "whisper": _whisper,
}

#: The families of encoders with decoders that are weft's own modules.
ENCODER_DECODERS = frozenset(_READERS)


def encoder_decoder_config(settings: Settings, family: str) -> EncoderDecoderConfig:
    """The settings of a model of one of the families `ENCODER_DECODERS`.

    Raises:
        FileError: a setting is missing or can't be. UnsupportedError: weft has no rule for one.
    """
    own = of_family(settings, family)
    if own.flag("is_decoder") or not own.flag("is_encoder_decoder"):
        raise _fail(UnsupportedError, f"{settings.path}: one half of a model is not read")
    config = _READERS[family](own)
    refuse_unread(own, family)
    return config


# Names of weights, as the families have them, and as `EncoderDecoder` does.
_T5 = (
    (r"^shared\.", "embed_tokens."),
    (r"\.block\.", ".layers."),
    (r"layer\.0\.SelfAttention\.relative_attention_bias\.", "self_attn.distances."),
    (r"^(\w+)\.layers\.0\.self_attn\.distances\.", r"\1.distances."),
    (r"layer\.0\.SelfAttention\.([qkvo])\.", r"self_attn.\1_proj."),
    (r"layer\.1\.EncDecAttention\.([qkvo])\.", r"cross_attn.\1_proj."),
    (r"layer\.0\.layer_norm\.", "self_norm."),
    (r"^(decoder\..*)layer\.1\.layer_norm\.", r"\1cross_norm."),
    (r"layer\.[12]\.layer_norm\.", "mlp_norm."),
    (r"layer\.[12]\.DenseReluDense\.wi_0\.", "mlp.gate_proj."),
    (r"layer\.[12]\.DenseReluDense\.wi(_1)?\.", "mlp.up_proj."),
    (r"layer\.[12]\.DenseReluDense\.wo\.", "mlp.down_proj."),
    (r"\.final_layer_norm\.", ".norm."),
)
_RENAMED = {
    "t5": _T5,
    "mt5": _T5,
    "whisper": (
        (r"^model\.", ""),
        (r"^decoder\.embed_tokens\.", "embed_tokens."),
        (r"^decoder\.embed_positions\.", "embed_positions."),
        (r"^encoder\.(conv1|conv2|embed_positions)\.", r"sound.\1."),
        (r"^proj_out\.", "lm_head."),
        (r"\.encoder_attn", ".cross_attn"),
        (r"attn\.out_proj\.", "attn.o_proj."),
        (r"\.(self|cross)_attn_layer_norm\.", r".\1_norm."),
        (r"\.fc1\.", ".mlp.up_proj."),
        (r"\.fc2\.", ".mlp.down_proj."),
        (r"\.final_layer_norm\.", ".mlp_norm."),
        (r"^(encoder|decoder)\.layer_norm\.", r"\1.norm."),
    ),
}
#: A table that T5 has once, under all of these names in older files.
_COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
#: What T5's first files hold besides weights: a table that nothing reads.
_NO_WEIGHT = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"


def named_weights(
    tensors: dict[str, weft.Tensor], family: str
) -> Iterator[tuple[str, str, weft.Tensor]]:
    """The weights of a file: the name in `EncoderDecoder`, the name in the file, the tensor."""
    left_out = {_NO_WEIGHT}
    if family != "whisper":
        table = next((name for name in ("shared.weight", *_COPIES) if name in tensors), None)
        left_out |= {*_COPIES} - {table}
    for name, tensor in tensors.items():
        if name not in left_out:
            ours = "embed_tokens.weight" if name in _COPIES else renamed(name, _RENAMED[family])
            yield ours, name, tensor
