"""What a model of transformers takes: examples to capture a program with, and which sizes vary.

Nothing here is of one family: it is what the signatures of transformers' classes, their settings
and the preprocessor's say.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch

from .._creation import _fail
from .._errors import UnsupportedError
from ._folder import read_json

#: An input: an example, and how its sizes may change.
Input = tuple[torch.Tensor, dict[int, Any]]

#: Sizes of the inputs that a program is captured with. It takes others, too.
_BATCH, _LENGTH, _ANSWER = 2, 8, 4
#: Of images, where neither the checkpoint's settings nor its preprocessor's say one.
_IMAGE = 224
#: Numbers of a sound, where a model does not say how many make a state.
_SAMPLES = 400
#: What is known how to make; the first of each model is one of these.
KINDS = ("input_ids", "pixel_values", "input_values", "input_features of Whisper")


def inputs_of(model: Any, path: Path) -> dict[str, Input]:
    """The inputs of a model by transformers' names, in the order of its signature.

    Args:
        model: of transformers.
        path: the checkpoint's folder.

    Raises:
        UnsupportedError: it takes something else.
    """
    taken = inspect.signature(model.forward).parameters
    config, found = model.config, dict[str, Input]()
    if "input_ids" in taken:
        found.update(_texts(model, taken))
    if "pixel_values" in taken and (model.main_input_name == "pixel_values" or not _writes(config)):
        found.update(_images(config, path, "images" if found else "batch"))
    if "input_values" in taken:
        found.update(_sounds(config, path, taken))
    if "input_features" in taken and hasattr(config, "max_source_positions"):
        found.update(_features(config))
    missing = [
        name
        for name, each in taken.items()
        if each.kind is not each.VAR_KEYWORD and each.default is each.empty and name not in found
    ]
    if model.main_input_name not in found or missing:
        raise _fail(
            UnsupportedError,
            f"{type(model).__name__} takes {', '.join(missing) or model.main_input_name}, but "
            f"weft.models makes programs for {', '.join(KINDS)}: weft.from_torch takes any module "
            "with examples of its inputs",
        )
    if _answers(model) and "decoder_input_ids" in taken:
        limit = _limit(model, "max_target_positions", "max_position_embeddings")
        sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("answer_length", max=limit)}
        shape = _BATCH, min(_ANSWER, limit or _ANSWER)
        found["decoder_input_ids"] = torch.full(shape, 1), sizes
    return found


def _answers(model: Any) -> bool:
    """Whether a decoder is told something; those that judge texts make it of these themselves."""
    judges = type(model).__name__.endswith(("Classification", "QuestionAnswering"))
    return bool(getattr(model.config, "is_encoder_decoder", False)) and not judges


def _writes(config: Any) -> bool:
    """Whether pictures are no more than words of a text, which may have none."""
    return getattr(config, "image_token_id", getattr(config, "image_token_index", None)) is not None


def _limit(model: Any, *names: str) -> int | None:
    """How many tokens have positions; None: any number."""
    config = getattr(model.config, "text_config", model.config)
    numbers = [getattr(config, name, None) for name in names]
    limits = [number for number in numbers if isinstance(number, int) and number > 0]
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        # As RoBERTa's: positions begin behind that of padding.
        if name.endswith("position_embeddings") and padding is not None:
            limits.append(module.num_embeddings - padding - 1)
    return min(limits, default=None)


def _texts(model: Any, taken: Any) -> dict[str, Input]:
    limit = _limit(model, "max_position_embeddings")
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=limit)}
    shape = _BATCH, min(_LENGTH, limit or _LENGTH)
    found: dict[str, Input] = {"input_ids": (torch.full(shape, 1), sizes)}
    if "attention_mask" in taken:
        found["attention_mask"] = torch.ones(shape, dtype=torch.int64), sizes
    # Texts of most families are of one type.
    types = getattr(model.config, "type_vocab_size", 0) or 0
    if "token_type_ids" in taken and types > 1:
        found["token_type_ids"] = torch.zeros(shape, dtype=torch.int64), sizes
    return found


def _images(config: Any, path: Path, batch: str) -> dict[str, Input]:
    image = getattr(config, "vision_config", config)
    height, width = _image_size(image, path)
    shape = _BATCH, getattr(image, "num_channels", 3), height, width
    return {"pixel_values": (torch.zeros(shape), {0: torch.export.Dim(batch)})}


def _image_size(config: Any, path: Path) -> tuple[int, int]:
    """Height and width: those of the settings, or else what images are made to before."""
    size = getattr(config, "image_size", None)
    file = path / "preprocessor_config.json"
    if size is None and file.is_file():
        said = read_json(file)
        size = said.get("crop_size") if said.get("do_center_crop") else None
        size = size or said.get("size")
    if isinstance(size, dict):
        size = [size.get("height"), size.get("width")]
    sides: list[Any] = list(size) if isinstance(size, (list, tuple)) else [size, size]
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side <= 1 << 14 for side in sides):
        sides = [_IMAGE, _IMAGE]
    return sides[0], sides[1]


def _sounds(config: Any, path: Path, taken: Any) -> dict[str, Input]:
    """Sounds of any length that makes three states at least, by the model's convolutions."""
    least = 3
    kernels, strides = (getattr(config, name, None) for name in ("conv_kernel", "conv_stride"))
    for kernel, stride in reversed(list(zip(kernels or [_SAMPLES], strides or [1]))):
        least = (least - 1) * stride + kernel
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("samples", min=least)}
    shape = _BATCH, 4 * least
    found: dict[str, Input] = {"input_values": (torch.zeros(shape), sizes)}
    file = path / "preprocessor_config.json"
    masked = file.is_file() and read_json(file).get("return_attention_mask") is True
    if masked and "attention_mask" in taken:
        found["attention_mask"] = torch.ones(shape, dtype=torch.int64), sizes
    return found


def _features(config: Any) -> dict[str, Input]:
    """Whisper's, all of one length."""
    shape = _BATCH, config.num_mel_bins, 2 * config.max_source_positions
    return {"input_features": (torch.zeros(shape), {0: torch.export.Dim("batch")})}
