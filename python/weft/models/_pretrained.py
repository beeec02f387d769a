"""Checkpoints that transformers reads, and `weft.from_torch` takes over."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import constants
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import weft
from weft import nn

from .._creation import _fail
from .._errors import DTypeError, FileError, UnsupportedError, WeftError
from ..torch._module import TorchModule
from ._folder import read_tensors
from ._model_inputs import Input, inputs_of
from ._settings import Settings

#: No size in a config.json is larger.
_MOST = 1 << 24

#: No size of an input is larger.
_HUGE = 1 << 40

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


def load_pretrained(
    path: Path, settings: Settings, family: str, classes: tuple[str, ...]
) -> nn.Module:
    """See `weft.models.load`; ``classes`` are some of transformers, none: the checkpoint's."""
    if family not in CONFIG_MAPPING:
        raise _fail(
            UnsupportedError,
            f"{settings.path}: model_type is {family[:60]!r}, which is no family of weft's own, "
            f"nor one of transformers {transformers.__version__}: weft.from_torch takes any module",
        )
    _check(settings, read_tensors(path))
    try:
        with _offline():
            model, info = _class_of(settings, family, classes).from_pretrained(
                path,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                **_without_downloads(settings),
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
    return _converted(model.eval(), family, path)


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


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Nothing is downloaded: config.json may name other checkpoints for parts of a model."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _without_downloads(settings: Settings) -> dict[str, Any]:
    """What says that no part begins with weights from elsewhere, as all are in the checkpoint."""
    name = "use_pretrained_backbone"
    return {name: False} if settings.values.get(name) else {}


def _class_of(settings: Settings, family: str, classes: tuple[str, ...]) -> Any:
    if classes:
        autos = [getattr(transformers, name) for name in classes]
        known = [auto for auto in autos if CONFIG_MAPPING[family] in auto._model_mapping]
        return (known or autos)[0]
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


def _converted(model: Any, family: str, path: Path) -> PretrainedModel:
    # Parts have settings of their own, which are copies: an encoder and a decoder.
    for part in model.modules():
        if hasattr(getattr(part, "config", None), "use_cache"):
            part.config.use_cache = False
        # In pieces or at once, it is the same; but a number of pieces is one of tokens.
        if hasattr(part, "chunk_size_feed_forward"):
            part.chunk_size_feed_forward = 0
    model.config.return_dict = True
    inputs = inputs_of(model, path)
    try:
        try:
            program = _captured(model, inputs)
        except torch._dynamo.exc.UserError:
            # Of products of sizes PyTorch can't tell by itself that they are large enough.
            program = _captured(model, inputs, checks_later=True)
            _require_true_checks(program)
    except Exception as error:  # of any kind, by what config.json says
        raise _fail(
            UnsupportedError,
            f"{type(model).__name__} of {family} is no one program for all sizes of its inputs: "
            f"{_reason(error)}; weft.from_torch takes it for some",
        ) from None
    return PretrainedModel(program, family, list(inputs))


def _captured(
    model: Any, inputs: dict[str, Input], checks_later: bool = False
) -> torch.export.ExportedProgram:
    with torch.no_grad():
        return torch.export.export(
            model,
            (),
            {name: example for name, (example, _) in inputs.items()},
            dynamic_shapes={name: sizes for name, (_, sizes) in inputs.items()},
            prefer_deferred_runtime_asserts_over_guards=checks_later,
        )


def _require_true_checks(program: torch.export.ExportedProgram) -> None:
    """Raises ValueError if what a program asserts of sizes is not so for some that it takes.

    Tried are the smallest ones, all near to them, and large ones.
    """
    ranges, claims = program.range_constraints, set()
    for node in program.graph.nodes:
        said = node.args[0].meta.get("val") if node.args and hasattr(node.args[0], "meta") else None
        if "_assert" in str(node.target) and isinstance(said, torch.SymBool):
            claims.add(said.node.expr)
    for claim in claims:
        for step in (*range(16), *(1 << power for power in range(4, 31))):
            # No values are wrong where there are none.
            sizes = {
                symbol: min(
                    max(int(ranges[symbol].lower), 1) + step,
                    int(min(ranges[symbol].upper, _HUGE)),
                )
                for symbol in claim.free_symbols
            }
            if not bool(claim.subs(sizes)):
                raise ValueError(f"{claim} has to be, and is not for {sizes}")
