"""The names of decoders' weights: as the families have them, and as `Decoder` does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import weft

from .._creation import _fail
from .._errors import FileError
from ._decoder_config import DecoderConfig
from ._weights import renamed

Rules = tuple[tuple[str, str], ...]

#: LLaMA's, which are ours.
_PLAIN: Rules = ((r"model\.", ""),)
#: Those of a family that began as a part of another program.
_IN_TRANSFORMER: Rules = (
    (r"^transformer\.", ""),
    (r"^wte\.|^word_embeddings\.", "embed_tokens."),
    (r"^wpe\.", "embed_positions."),
    (r"^(h|blocks)\.", "layers."),
    (r"\.(ln_1|norm_1|ln_attn)\.", ".input_layernorm."),
    (r"\.(ln_2|norm_2|ln_mlp)\.", ".post_attention_layernorm."),
    (r"^(ln_f|norm_f)\.", "norm."),
    (r"^word_embeddings_layernorm\.", "embed_norm."),
)
_MEGATRON: Rules = (
    (r"(self_)?attention\.query_key_value\.", "self_attn.qkv_by_head."),
    (r"(self_)?attention\.dense\.", "self_attn.o_proj."),
    (r"mlp\.dense_h_to_4h\.", "mlp.up_proj."),
    (r"mlp\.dense_4h_to_h\.", "mlp.down_proj."),
)
#: Norms around attention and the dense layers, or behind them.
_AROUND: Rules = (
    *_PLAIN,
    (r"\.post_attention_layernorm\.", ".behind_attention."),
    (r"\.pre_feedforward_layernorm\.", ".post_attention_layernorm."),
    (r"\.post_feedforward_layernorm\.", ".behind_mlp."),
)
_RENAMED: dict[str, Rules] = {
    "phi": (
        *_PLAIN,
        (r"self_attn\.dense\.", "self_attn.o_proj."),
        (r"mlp\.fc1\.", "mlp.up_proj."),
        (r"mlp\.fc2\.", "mlp.down_proj."),
        (r"self_attn\.([qk])_layernorm\.", r"self_attn.\1_norm."),
        (r"final_layernorm\.", "norm."),
    ),
    "gpt2": (
        *_IN_TRANSFORMER,
        (r"attn\.c_proj\.", "self_attn.o_proj."),
        (r"attn\.c_attn\.", "self_attn.qkv_proj."),
        (r"mlp\.c_fc\.", "mlp.up_proj."),
        (r"mlp\.c_proj\.", "mlp.down_proj."),
    ),
    "opt": (
        (r"^model\.", ""),
        (r"^decoder\.", ""),
        (r"^final_layer_norm\.", "norm."),
        (r"^project_in\.", "embed_proj."),
        (r"\.self_attn_layer_norm\.", ".input_layernorm."),
        (r"\.final_layer_norm\.", ".post_attention_layernorm."),
        (r"\.out_proj\.", ".o_proj."),
        (r"\.fc1\.", ".mlp.up_proj."),
        (r"\.fc2\.", ".mlp.down_proj."),
    ),
    "gpt_neox": (
        (r"^gpt_neox\.", ""),
        (r"^embed_in\.", "embed_tokens."),
        (r"^embed_out\.", "lm_head."),
        (r"^final_layer_norm\.", "norm."),
        *_MEGATRON,
    ),
    "bloom": (*_IN_TRANSFORMER, *_MEGATRON),
    "falcon": (*_IN_TRANSFORMER, *_MEGATRON),
    "mpt": (
        *_IN_TRANSFORMER,
        (r"attn\.Wqkv\.", "self_attn.qkv_proj."),
        (r"attn\.out_proj\.", "self_attn.o_proj."),
        (r"\.ffn\.", ".mlp."),
    ),
    "stablelm": (*_PLAIN, (r"self_attn\.([qk])_layernorm\.", r"self_attn.\1_norm.")),
    "mixtral": (
        *_PLAIN,
        (r"\.block_sparse_moe\.", ".mlp."),
        (r"\.w1\.", ".gate_proj."),
        (r"\.w2\.", ".down_proj."),
        (r"\.w3\.", ".up_proj."),
    ),
    **dict.fromkeys(("gemma2", "gemma3_text", "olmo2"), _AROUND),
}
#: What older files hold besides weights: masks, and speeds of turning.
_NO_WEIGHT = re.compile(r"\.att(n|ention)\.(bias|masked_bias)$|rotary_emb\.inv_freq$")
#: Weights of norms that are one for each head.
_OF_HEAD = re.compile(r"^(.*\.[qk]_norm)\.norms\.(\d+)(\.weight)$")


def named_weights(
    tensors: dict[str, weft.Tensor], config: DecoderConfig, path: object
) -> Iterator[tuple[str, str, weft.Tensor]]:
    """The weights of a file: the name in `Decoder`, the name in the file, the tensor.

    Some families have several products in one; GPT-2 all of its matrices transposed.

    Raises:
        FileError: a weight has no parts of the sizes that config.json says.
    """
    keys, queries = config.key_heads * config.head_width, config.heads * config.head_width
    wholes = {
        ".qkv_proj.": {"q_proj": queries, "k_proj": keys, "v_proj": keys},
        ".gate_up_proj.": {"gate_proj": config.hidden, "up_proj": config.hidden},
    }
    rows: dict[str, dict[int, tuple[str, weft.Tensor]]] = {}
    for name, tensor in tensors.items():
        if _NO_WEIGHT.search(name):
            continue
        ours = renamed(name, _RENAMED.get(config.family, _PLAIN))
        if config.family == "gpt2" and ours.startswith("layers.") and tensor.ndim == 2:
            tensor = weft.matrix_transpose(tensor).clone()
        row = _OF_HEAD.match(ours)
        whole = next((whole for whole in wholes if whole in ours), None)
        if row is not None:
            rows.setdefault(row[1] + row[3], {})[int(row[2])] = name, tensor
        elif ".qkv_by_head." in ours:
            yield from _by_head(ours, name, tensor, config, path)
        elif whole is None or not tensor.ndim:
            yield ours, name, tensor
        else:
            yield from _parts(ours, name, tensor, whole, wholes[whole])
    for ours, found in rows.items():
        yield _stacked(ours, found, path)


def _parts(
    ours: str, name: str, tensor: weft.Tensor, whole: str, sizes: dict[str, int]
) -> Iterator[tuple[str, str, weft.Tensor]]:
    """Parts of so many rows, one behind the other."""
    first = 0
    for number, (part, size) in enumerate(sizes.items(), 1):
        # All that is left is the last one's, so that nothing is left out.
        end = first + size if number < len(sizes) else None
        yield ours.replace(whole, f".{part}."), name, tensor[first:end].clone()
        first += size


def _by_head(
    ours: str, name: str, tensor: weft.Tensor, config: DecoderConfig, path: object
) -> Iterator[tuple[str, str, weft.Tensor]]:
    """Queries, key and value of each head of keys, one behind the other."""
    shared, width = config.heads // config.key_heads, config.head_width
    expected = config.key_heads * (shared + 2) * width
    if not tensor.ndim or tensor.shape[0] != expected:
        raise _fail(
            FileError,
            f"{path}: {name} has the shape {list(tensor.shape)}, but by config.json {expected} "
            "rows of queries, keys and values",
        )
    heads = weft.reshape(tensor, (config.key_heads, shared + 2, width, *tensor.shape[1:]))
    for part, first, end in (("q", 0, shared), ("k", shared, shared + 1), ("v", shared + 1, None)):
        own = weft.reshape(heads[:, first:end].clone(), (-1, *tensor.shape[1:]))
        yield ours.replace("qkv_by_head", f"{part}_proj"), name, own


def _stacked(
    ours: str, found: dict[int, tuple[str, weft.Tensor]], path: object
) -> tuple[str, str, weft.Tensor]:
    """Weights of single heads as one of all."""
    names = [found[number][0] for number in sorted(found)]
    tensors = [found[number][1] for number in sorted(found)]
    if sorted(found) != list(range(len(found))) or len({x.shape for x in tensors}) > 1:
        shown = ", ".join(names[:3])
        raise _fail(FileError, f"{path}: {shown} and so on are no weights of all heads")
    return ours, names[0], weft.stack(tensors)
