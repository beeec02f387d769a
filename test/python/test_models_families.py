"""Families that weft knows nothing of: what transformers says of their inputs is enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from family_checkpoints import FAMILIES  # noqa: E402
from model_folders import randomized, saved  # noqa: E402
from random_programs import count_of_examples  # noqa: E402

#: `tools/test --full` takes all: a capture takes seconds.
FEW = ["OLMoE", "Wav2Vec2"]


pytestmark = pytest.mark.usefixtures("quiet_torch")
hf.logging.disable_progress_bar()


def _inputs(model: Any, texts: int, length: int) -> dict[str, torch.Tensor]:
    """Inputs of any sizes that the model says are free, of texts some of which are shorter."""
    given: dict[str, torch.Tensor] = {}
    for name, spec in zip(model.input_names, model.specs, strict=True):
        shape = [size if isinstance(size, int) else length for size in spec.shape]
        shape[0] = texts
        if name == "input_values":
            shape[1] = 100 * length
        if name == "decoder_input_ids":
            shape[1] = 5
        given[name] = torch.randn(shape) if "values" in name else torch.randint(3, 19, shape)
    if "token_type_ids" in given:
        given["token_type_ids"] %= 2
    if "attention_mask" in given:
        mask = torch.ones_like(given["attention_mask"])
        mask[texts // 2, length - length // 3 :] = 0
        given["attention_mask"] = mask
    return given


def _outputs(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    wide = next(model.parameters()).dtype
    given = {name: x.to(wide) if x.is_floating_point() else x for name, x in inputs.items()}
    with torch.no_grad():
        found = model(**given)
    return {name: x.double().numpy() for name, x in found.items() if isinstance(x, torch.Tensor)}


@pytest.mark.parametrize("name", list(FAMILIES) if count_of_examples(0) else FEW)
def test_outputs(name: str, tmp_path: Path) -> None:
    theirs = randomized(FAMILIES[name]())
    ours = weft.models.load(saved(theirs, tmp_path))
    wide = type(theirs).from_pretrained(tmp_path, dtype=torch.float64).eval()
    for sizes in ((3, 11), (1, 5)):
        inputs = _inputs(ours, *sizes)
        expected = _outputs(theirs, inputs)
        try:
            exact = _outputs(wide, inputs)
        except RuntimeError:  # products of experts are of float32 alone
            exact = expected
        found = ours(**{name: x.numpy() for name, x in inputs.items()})
        assert expected.keys() <= found.keys()
        for key, wanted in expected.items():
            # As far from the exact output as PyTorch's own, up to the order of sums.
            error = np.abs(wanted - exact[key]).max()
            bound = 8 * error + 64 * 2**-24 * np.abs(exact[key]).max()
            off = np.abs(np.asarray(found[key].detach()) - exact[key]).max()
            assert off <= bound, (key, sizes)


def _config(folder: Path, **settings: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(settings))
    weft.save_safetensors({"x": weft.ones(3)}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "abacus"}, "'abacus', which is no family of weft's own, nor one of"),
        ({}, "has no model_type"),
        ({"model_type": 5}, "model_type has to be a string"),
        ({"model_type": "bert", "architectures": ["abacus"]}, "no model of bert in transformers"),
    ],
)
def test_families_that_there_are_not(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(weft.WeftError, match=message):
        weft.models.load(_config(tmp_path, **settings))


def test_inputs_that_are_not_known(tmp_path: Path) -> None:
    config = hf.TimeSeriesTransformerConfig(prediction_length=2, context_length=4, d_model=8)
    model = hf.TimeSeriesTransformerForPrediction(config)
    with pytest.raises(weft.UnsupportedError, match=r"takes .*past_values, .*weft\.from_torch"):
        weft.models.load(saved(model, tmp_path))


def test_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a model may be the name of a checkpoint elsewhere."""
    from huggingface_hub import constants

    saved(FAMILIES["DETR"](), tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    backbone = {"backbone": "microsoft/resnet-50", "backbone_config": None}
    values |= {**backbone, "use_pretrained_backbone": True}
    (tmp_path / "config.json").write_text(json.dumps(values))
    seen = []
    real = hf.DetrForObjectDetection.from_pretrained

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append((constants.is_offline_mode(), kwargs["use_pretrained_backbone"]))
        return real(*args, **kwargs)

    monkeypatch.setattr(hf.DetrForObjectDetection, "from_pretrained", watched)
    before = constants.HF_HUB_OFFLINE
    with pytest.raises(weft.WeftError):
        weft.models.load(tmp_path)
    assert seen == [(True, False)]
    assert constants.HF_HUB_OFFLINE is before


def test_images_are_as_large_as_the_preprocessor_makes_them(tmp_path: Path) -> None:
    saved(randomized(FAMILIES["SegFormer"]()), tmp_path)
    said = {"size": {"height": 48, "width": 64}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    model = weft.models.load(tmp_path)
    assert list(model.specs[0].shape)[1:] == [3, 48, 64]
