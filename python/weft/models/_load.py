"""`weft.models.load`: from a checkpoint's folder to a module."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

from weft import nn

from .._creation import _fail
from .._errors import FileError, UnsupportedError
from ._answer_config import answer_config
from ._decoder import Decoder
from ._decoder_families import DECODERS, decoder_config
from ._decoder_weights import named_weights
from ._encoder_decoder_config import ENCODER_DECODERS, encoder_decoder_config
from ._encoder_decoder_config import named_weights as named_pair
from ._folder import as_folder, read_config, read_json, read_tensors
from ._settings import Settings
from ._t5 import T5
from ._text_config import text_config
from ._weights import Weights
from ._whisper import Whisper

#: What families take that have an encoder before what writes, or no texts at all.
_OTHER_INPUTS = {
    "whisper": "the features of a sound (input_features)",
    **dict.fromkeys(("t5", "mt5"), "a text that it answers (input_ids)"),
    "clip": "texts and images (input_ids and pixel_values)",
    **dict.fromkeys(("vit", "resnet", "convnext"), "images (pixel_values)"),
}

#: What a model is for: transformers' words for it, and the classes of transformers that have it,
#: of which the first that knows the family is taken.
TASKS: dict[str, tuple[str, ...]] = {
    "features": ("AutoModel",),
    "text-generation": ("AutoModelForCausalLM",),
    "text2text-generation": ("AutoModelForSeq2SeqLM",),
    "text-classification": ("AutoModelForSequenceClassification",),
    "token-classification": ("AutoModelForTokenClassification",),
    "question-answering": ("AutoModelForQuestionAnswering",),
    "fill-mask": ("AutoModelForMaskedLM",),
    "image-classification": ("AutoModelForImageClassification",),
    "image-segmentation": ("AutoModelForSemanticSegmentation",),
    "object-detection": ("AutoModelForObjectDetection",),
    "audio-classification": ("AutoModelForAudioClassification",),
    "automatic-speech-recognition": ("AutoModelForSpeechSeq2Seq", "AutoModelForCTC"),
}

#: What encoders with decoders are for, where weft has modules of its own.
_OWN_TASKS = {
    "t5": "text2text-generation",
    "mt5": "text2text-generation",
    "whisper": "automatic-speech-recognition",
}

#: Settings by which transformers would read or compute in another way, some by code from elsewhere.
_REFUSED = ("quantization_config", "attn_implementation", "_attn_implementation")


def load(folder: str | os.PathLike, *, task: str | None = None) -> nn.Module:
    """A module of weft made of a checkpoint: a folder with config.json and safetensors files.

    Language models of more than twenty families, as LLaMA, Gemma, GPT-2, Falcon and Mixtral, become
    weft's own `Decoder`, T5 and mT5 that answer texts a `T5`, Whisper that writes what is said a
    `Whisper`: these need no other package. All other families and tasks go through the packages
    torch and transformers, and `weft.from_torch`: those that take texts, images or sounds, as BERT,
    BART, ViT and Wav2Vec2.

    Args:
        folder: a local one; nothing is downloaded.
        task: what the model is for, as "features", "text-generation" or "image-classification";
            None: what the checkpoint was written for.

    Raises:
        FileError: the folder is none, a file in it is missing or damaged, or weights and
        config.json do not fit. UnsupportedError: a family, a task or a setting that weft does not
        know, or a package that is not installed.
    """
    if task is not None and task not in TASKS:
        raise _fail(
            UnsupportedError, f"weft.models.load: task is {task!r}, not one of {', '.join(TASKS)}"
        )
    path = as_folder(folder)
    settings, family = _settings(path)
    architecture = _architecture(settings)
    if family in DECODERS and _writes_texts(task, architecture):
        return _decoder(path, settings, family)
    if family in ENCODER_DECODERS and _answers(family, task, architecture):
        return _encoder_decoder(path, settings, family)
    _require_packages(path, family)
    from ._pretrained import load_pretrained

    return load_pretrained(path, settings, family, () if task is None else TASKS[task])


def load_writer(folder: str | os.PathLike) -> Decoder | T5 | Whisper:
    """The model of a checkpoint that writes texts, of whatever it reads.

    Raises:
        FileError, UnsupportedError: as `load`, and for families that write none.
    """
    path = as_folder(folder)
    settings, family = _settings(path)
    if family in ENCODER_DECODERS:
        return _encoder_decoder(path, settings, family)
    return load_decoder(folder)


def load_decoder(folder: str | os.PathLike) -> Decoder:
    """The language model of a checkpoint, which needs no other package than weft.

    Args:
        folder: a local one; nothing is downloaded.

    Raises:
        FileError, UnsupportedError: as `load`, and for families that are no `Decoder`.
    """
    path = as_folder(folder)
    settings, family = _settings(path)
    if family in _OTHER_INPUTS:
        raise _fail(
            UnsupportedError,
            f"{settings.path}: {family} takes {_OTHER_INPUTS[family]}, which is no prompt of a "
            "text to go on with; weft.models.load has what it is for",
        )
    if family not in DECODERS:
        raise _fail(
            UnsupportedError,
            f"{settings.path}: weft has no decoder of its own for {family[:60]!r}, but for "
            f"{', '.join(sorted(DECODERS))}; weft.models.load gives the scores of others",
        )
    return _decoder(path, settings, family)


def _settings(path: Path) -> tuple[Settings, str]:
    """config.json, and the family that it names."""
    settings = Settings(read_config(path), path / "config.json")
    family = settings.word("model_type")
    if family is None:
        raise _fail(FileError, f"{settings.path} has no model_type")
    for name in _REFUSED:
        if settings.has(name):
            raise _fail(UnsupportedError, f"{settings.path}: {name} is not read")
    return settings, family


def _architecture(settings: Settings) -> str | None:
    """The class of transformers that wrote the checkpoint."""
    names = settings.values.get("architectures") or [None]
    is_list = isinstance(names, list) and all(isinstance(name, str | None) for name in names)
    if not is_list:
        raise _fail(FileError, f"{settings.path}: architectures has to be a list of strings")
    return names[0]


def _writes_texts(task: str | None, architecture: str | None) -> bool:
    if task is not None:
        return task == "text-generation"
    return architecture is None or architecture.endswith(("ForCausalLM", "LMHeadModel"))


def _answers(family: str, task: str | None, architecture: str | None) -> bool:
    if task is not None:
        return task == _OWN_TASKS[family]
    return architecture is None or architecture.endswith("ForConditionalGeneration")


def _generation_settings(path: Path) -> Settings:
    file = path / "generation_config.json"
    return Settings(read_json(file) if file.is_file() else {}, file)


def _encoder_decoder(path: Path, settings: Settings, family: str) -> T5 | Whisper:
    config = encoder_decoder_config(settings, family)
    own = _generation_settings(path)
    answers = answer_config(family, settings, own)
    weights = Weights(named_pair(read_tensors(path), family), path)
    model = (Whisper if family == "whisper" else T5)(config, answers, weights)
    model.texts = text_config(own, settings)
    return model


def _decoder(path: Path, settings: Settings, family: str) -> Decoder:
    config = decoder_config(settings, family)
    own = _generation_settings(path)
    if own.has("eos_token_id"):
        config = replace(config, eos=own.tokens("eos_token_id"))
    model = Decoder(config, Weights(named_weights(read_tensors(path), config, path), path))
    model.texts = text_config(own, settings)
    return model


def _require_packages(path: Path, family: str) -> None:
    for name in ("torch", "transformers"):
        try:
            found = importlib.util.find_spec(name) is not None
        except ValueError:
            found = False
        if not found:
            raise _fail(
                UnsupportedError,
                f"{path}: {family} is read by the packages torch and transformers, but {name} is "
                "not installed: pip install torch transformers",
            )
