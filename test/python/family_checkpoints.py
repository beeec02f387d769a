"""Small models of many families of transformers that weft reads through PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers as hf

_TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_SHARED_KEYS = {**_TEXT, "num_key_value_heads": 2}
_FILLED_BY_ONE = {**_TEXT, "pad_token_id": 1}
_ANSWERS = {
    "vocab_size": 99,
    "d_model": 32,
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 48),
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "decoder_start_token_id": 2,
}
_IMAGE = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
_SOUND = {
    "vocab_size": 20,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
}
_FEW_EXPERTS = {**_SHARED_KEYS, "num_experts": 4, "num_experts_per_tok": 2}


def _made(name: str, task: str, settings: dict[str, Any], config: str = "", **more: Any) -> Any:
    """How a model of transformers is made of its settings."""
    settings_of = getattr(hf, f"{config or name}Config")
    return lambda: getattr(hf, f"{name}{task}")(settings_of(**settings, **more))


def _detr() -> Any:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    backbone = hf.ResNetConfig(**sizes, layer_type="basic", out_features=["stage2"])
    answers = {key: value for key, value in _ANSWERS.items() if "_layers" in key or "_dim" in key}
    heads = {key: value for key, value in _ANSWERS.items() if "_heads" in key}
    config = hf.DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        d_model=32,
        num_queries=5,
        **answers,
        **heads,
    )
    return hf.DetrForObjectDetection(config)


def _segformer() -> Any:
    config = hf.SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 16],
        patch_sizes=[7, 3],
        strides=[4, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=16,
    )
    return hf.SegformerForSemanticSegmentation(config)


def _siglip() -> Any:
    text = {**_TEXT, "max_position_embeddings": 16}
    return hf.SiglipModel(hf.SiglipConfig(text_config=text, vision_config=_IMAGE))


#: A model of each family, with random weights.
FAMILIES: dict[str, Callable[[], Any]] = {
    "ALBERT": _made("Albert", "ForMaskedLM", _TEXT, embedding_size=16),
    "BART": _made("Bart", "ForConditionalGeneration", _ANSWERS),
    "BEiT": _made("Beit", "ForImageClassification", _IMAGE),
    "CamemBERT": _made("Camembert", "Model", _FILLED_BY_ONE),
    "DeBERTa-v2": _made(
        *("DebertaV2", "ForSequenceClassification", {**_TEXT, "type_vocab_size": 0}),
        relative_attention=True,
        position_buckets=16,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
    ),
    "DeiT": _made("DeiT", "ForImageClassification", _IMAGE),
    "DETR": _detr,
    "DINOv2": _made("Dinov2", "ForImageClassification", _IMAGE),
    "ELECTRA": _made("Electra", "ForSequenceClassification", _TEXT, embedding_size=16),
    "HuBERT": _made("Hubert", "ForCTC", _SOUND),
    "Marian": _made("Marian", "MTModel", _ANSWERS),
    "mBART": _made("MBart", "ForConditionalGeneration", _ANSWERS),
    "MPNet": _made("MPNet", "Model", _TEXT),
    "OLMoE": _made("Olmoe", "ForCausalLM", _FEW_EXPERTS),
    "Pegasus": _made("Pegasus", "ForConditionalGeneration", _ANSWERS),
    "SegFormer": _segformer,
    "SigLIP": _siglip,
    "Swin": _made(
        *("Swin", "ForImageClassification"),
        {"image_size": 32, "patch_size": 2, "embed_dim": 8, "window_size": 4},
        depths=[1, 2],
        num_heads=[2, 2],
    ),
    "Wav2Vec2": _made("Wav2Vec2", "ForCTC", _SOUND),
    "Wav2Vec2, norms of layers": _made(
        *("Wav2Vec2", "ForCTC", _SOUND), do_stable_layer_norm=True, feat_extract_norm="layer"
    ),
    "XLM-RoBERTa": _made("XLMRoberta", "ForTokenClassification", _FILLED_BY_ONE),
}
