"""Checkpoints that transformers reads, and `weft.from_torch` takes over."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

import weft
from weft import nn

from .._creation import _fail
from .._errors import DTypeError, FileError, UnsupportedError, WeftError
from ..torch._module import TorchModule
from ._folder import read_tensors
from ._settings import Settings

#: No size in a config.json is larger.
_MOST = 1 << 24
#: Sizes of the inputs that a program is captured with. It takes others, too.
_BATCH, _LENGTH = 2, 8

#: The names of config.json for numbers of layers.
_LAYERS = frozenset(
    ("num_hidden_layers", "n_layers", "n_layer", "num_layers", "num_decoder_layers")
    + ("encoder_layers", "decoder_layers", "depths")
)


class PretrainedModel(TorchModule):
    """A model of transformers as a module of weft, with transformers' names for its weights.

    Takes inputs by transformers' names, or by position in the order of `input_names`; returns a
    dict of tensors by the names of outputs. Batches and lengths of texts are free; an
    ``attention_mask`` that is not given is ones, and ``token_type_ids`` are zeros.

    Attributes:
        family: the ``model_type`` of config.json.
        input_names: the names of the inputs.
        specs: what `weft.export` needs.
    """

    def __init__(self, program: torch.export.ExportedProgram, family: str, names: list[str]):
        super().__init__(program)
        self.family, self.input_names = family, tuple(names)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for tensors or arrays. Raises DTypeError for inputs that there are not."""
        given = {**dict(zip(self.input_names, args)), **kwargs}
        unknown = [name for name in given if name not in self.input_names]
        if unknown or len(args) > len(self.input_names) or len(given) < len(args) + len(kwargs):
            raise _fail(
                DTypeError,
                f"{self.family} takes {', '.join(self.input_names)}, each once; the call gives "
                f"{len(args)} by position, and {', '.join(kwargs) or 'none'} by name",
            )
        values = {name: weft.asarray(value) for name, value in given.items()}
        for name, fill in (("attention_mask", weft.ones_like), ("token_type_ids", weft.zeros_like)):
            if name in self.input_names and name not in values and "input_ids" in values:
                values[name] = fill(values["input_ids"])
        missing = [name for name in self.input_names if name not in values]
        if missing:
            raise _fail(DTypeError, f"{self.family} needs {', '.join(missing)}, too")
        return super().forward(**{name: values[name] for name in self.input_names})


def _texts(limit: int | None) -> dict[str, Any]:
    """Inputs of texts: an example, and how its sizes may change."""
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=limit)}
    shape = (_BATCH, min(_LENGTH, limit or _LENGTH))
    return {
        "input_ids": (torch.full(shape, 1), sizes),
        "attention_mask": (torch.ones(shape, dtype=torch.int64), sizes),
        "token_type_ids": (torch.zeros(shape, dtype=torch.int64), sizes),
    }


def _answers(limit: int | None) -> dict[str, Any]:
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("answer_length", max=limit)}
    return {"decoder_input_ids": (torch.full((_BATCH, min(4, limit or 4)), 1), sizes)}


def _images(config: Any, batch: str = "batch") -> dict[str, Any]:
    size = getattr(config, "image_size", 224)  # ConvNeXt and ResNet say none
    shape = (_BATCH, config.num_channels, size, size)
    return {"pixel_values": (torch.zeros(shape), {0: torch.export.Dim(batch)})}


def _clip(config: Any) -> dict[str, Any]:
    texts = _texts(config.text_config.max_position_embeddings)
    return {**texts, **_images(config.vision_config, "images")}


def _whisper(config: Any) -> dict[str, Any]:
    shape = (_BATCH, config.num_mel_bins, 2 * config.max_source_positions)
    sounds = {"input_features": (torch.zeros(shape), {0: torch.export.Dim("batch")})}
    return {**sounds, **_answers(config.max_target_positions)}


def _text_encoder(config: Any) -> dict[str, Any]:
    limit = getattr(config, "max_position_embeddings", None)
    if config.model_type == "roberta":  # whose positions begin behind that of padding
        limit -= config.pad_token_id + 1
    return _texts(limit)


#: For each family its possible inputs; a model takes those that its class has.
_INPUTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    **dict.fromkeys(("t5", "mt5"), lambda config: {**_texts(None), **_answers(None)}),
    "whisper": _whisper,
    "clip": _clip,
    "vit": _images,
    "resnet": _images,
    "convnext": _images,
}


def load_pretrained(path: Path, settings: Settings, family: str, auto: str | None) -> nn.Module:
    """See `weft.models.load`; ``auto`` is a class of transformers, None: the checkpoint's."""
    _check(settings, read_tensors(path))
    try:
        model, info = _class_of(settings, family, auto).from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except WeftError:
        raise
    except Exception as error:  # of any kind, by what config.json says
        raise _fail(FileError, f"{path}: transformers does not read it: {_reason(error)}") from None
    missing = sorted(info["missing_keys"])
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise _fail(
            FileError,
            f"{path}: {type(model).__name__} needs weights that are not there: "
            f"{', '.join(missing[:5])}{more}; for what the checkpoint has, give another task",
        )
    return _converted(model.eval(), family)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"


def _check(settings: Settings, tensors: dict[str, weft.Tensor]) -> None:
    """Raises FileError for numbers that no model of these weights has."""
    _check_part(settings, settings.values, len(tensors))


def _check_part(settings: Settings, part: Any, tensors: int) -> None:
    for name, value in part.items():
        if isinstance(value, dict):
            _check_part(settings, value, tensors)
            continue
        numbers = value if isinstance(value, list) else [value]
        numbers = [n for n in numbers if isinstance(n, int) and not isinstance(n, bool)]
        if any(abs(number) > _MOST for number in numbers):
            raise _fail(FileError, f"{settings.path}: {name} is a number beyond {_MOST}")
        if name in _LAYERS and sum(numbers) > tensors:
            raise _fail(
                FileError,
                f"{settings.path}: {name} is {value}, but there are {tensors} weights in all",
            )


def _class_of(settings: Settings, family: str, auto: str | None) -> Any:
    if auto is not None:
        return getattr(transformers, auto)
    names = settings.values.get("architectures") or ["AutoModel"]
    found = getattr(transformers, names[0], None)
    own = getattr(getattr(found, "config_class", None), "model_type", None)
    if names[0] != "AutoModel" and own != family:
        raise _fail(
            UnsupportedError,
            f"{settings.path}: architectures names {names[0][:60]}, which is no model of {family} "
            "in transformers; give a task",
        )
    return found


def _converted(model: Any, family: str) -> PretrainedModel:
    # Parts have settings of their own, which are copies: an encoder and a decoder.
    for part in model.modules():
        if hasattr(getattr(part, "config", None), "use_cache"):
            part.config.use_cache = False
        # In pieces or at once, it is the same; but a number of pieces is one of tokens.
        if hasattr(part, "chunk_size_feed_forward"):
            part.chunk_size_feed_forward = 0
    model.config.return_dict = True
    possible = _INPUTS.get(family, _text_encoder)(model.config)
    taken = inspect.signature(model.forward).parameters
    inputs = {name: given for name, given in possible.items() if name in taken}
    if family != "bert":  # the texts of others are of one type
        inputs.pop("token_type_ids", None)
    try:
        with torch.no_grad():
            program = torch.export.export(
                model,
                (),
                {name: example for name, (example, _) in inputs.items()},
                dynamic_shapes={name: sizes for name, (_, sizes) in inputs.items()},
            )
    except Exception as error:  # of any kind, by what config.json says
        raise _fail(
            UnsupportedError,
            f"{type(model).__name__} of {family} is no one program for all sizes of its inputs: "
            f"{_reason(error)}; weft.from_torch takes it for some",
        ) from None
    return PretrainedModel(program, family, list(inputs))
