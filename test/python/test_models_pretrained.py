"""Checkpoints of all families that go through transformers: outputs, tasks, names, programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from model_folders import DECODERS, randomized, saved  # noqa: E402
from transformer_twins import _TEXT, TWINS  # noqa: E402

pytestmark = pytest.mark.usefixtures("quiet_torch")


def _tokens(*shape: int) -> torch.Tensor:
    return torch.randint(3, 99, shape)


def _text(batch: int, length: int) -> dict[str, torch.Tensor]:
    """Tokens, of which the last ones of the second text are filled up."""
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[1:2, length // 2 + 1 :] = 0
    return {"input_ids": _tokens(batch, length), "attention_mask": mask}


def _images(size: int) -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(3, 3, size, size)}


def _distilbert() -> Any:
    config = hf.DistilBertConfig(vocab_size=99, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    return hf.DistilBertForMaskedLM(config)


def _t5_states() -> Any:
    return hf.T5Model(TWINS["T5"].make().config)


def _with_cache(make: Any) -> Any:
    """As checkpoints have it: the model would give its cache, too."""

    def made() -> Any:
        model = make()
        model.config.use_cache = True
        return model

    return made


#: A model of each family, and inputs of sizes that its program was not captured with.
MODELS = {
    "BERT": (TWINS["BERT"].make, lambda: {**_text(3, 5), "token_type_ids": _tokens(3, 5) % 2}),
    "BERT, one token": (TWINS["BERT"].make, lambda: _text(1, 1)),
    "BERT, classes": (
        lambda: hf.BertForSequenceClassification(hf.BertConfig(**_TEXT, num_labels=5)),
        lambda: _text(3, 12),
    ),
    "RoBERTa": (
        lambda: hf.RobertaForTokenClassification(hf.RobertaConfig(**_TEXT)),
        lambda: _text(3, 5),
    ),
    "DistilBERT": (_distilbert, lambda: _text(4, 9)),
    "T5, states": (
        _t5_states,
        lambda: {**_text(3, 6), "decoder_input_ids": _tokens(3, 11)},
    ),
    "T5, states, with a cache": (
        _with_cache(_t5_states),
        lambda: {**_text(3, 6), "decoder_input_ids": _tokens(3, 11)},
    ),
    "Whisper, states": (
        TWINS["Whisper"].make,
        lambda: {"input_features": torch.randn(3, 8, 40), "decoder_input_ids": _tokens(3, 5)},
    ),
    "ViT": (TWINS["ViT"].make, lambda: _images(32)),
    "CLIP": (TWINS["CLIP"].make, lambda: {**_text(4, 5), **_images(32)}),
    "ResNet": (TWINS["ResNet"].make, lambda: _images(224)),
    "ConvNeXt": (TWINS["ConvNeXt"].make, lambda: _images(224)),
    "GPT-2, states": (
        lambda: hf.GPT2Model(DECODERS["GPT-2"]()),
        lambda: _text(3, 5),
    ),
    "LLaMA, classes": (
        lambda: hf.LlamaForSequenceClassification(DECODERS["LLaMA"]()),
        lambda: _text(3, 5),
    ),
}


def _double(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}


@pytest.mark.parametrize("name", MODELS)
def test_outputs(name: str, tmp_path: Path) -> None:
    make, inputs = MODELS[name]
    theirs = randomized(make())
    given = inputs()
    ours = weft.models.load(saved(theirs, tmp_path))
    with torch.no_grad():
        expected = theirs(**given)
        # Read anew: what is no weight is to have all of its digits.
        wide = type(theirs).from_pretrained(tmp_path, dtype=torch.float64).eval()
        exact = wide(**_double(given))
    found = weft.jit(ours)(**{name: x.numpy() for name, x in given.items()})
    compared = [key for key, value in found.items() if isinstance(value, weft.Tensor)]
    assert compared
    for key in compared:
        true = exact[key].numpy()
        # As far from the exact output as PyTorch's own, up to the order of sums.
        error = np.abs(expected[key].double().numpy() - true).max()
        bound = 8 * error + 64 * 2**-24 * np.abs(true).max()
        assert np.abs(np.asarray(found[key]) - true).max() <= bound, key


def test_names_and_defaults(tmp_path: Path) -> None:
    theirs = randomized(TWINS["BERT"].make())
    ours = weft.models.load(saved(theirs, tmp_path))
    assert ours.input_names == ("input_ids", "attention_mask", "token_type_ids")
    assert {name for name, _ in ours.named_parameters()} == {
        name for name, _ in theirs.named_parameters()
    }
    tokens = _tokens(2, 4).numpy()
    found = np.asarray(ours(tokens)["last_hidden_state"].detach())
    again = ours(input_ids=tokens, token_type_ids=np.zeros((2, 4), np.int64))
    np.testing.assert_array_equal(found, np.asarray(again["last_hidden_state"].detach()))
    for args, kwargs in (((), {}), ((tokens,), {"input_ids": tokens}), ((), {"x": tokens})):
        with pytest.raises(weft.DTypeError, match="input_ids"):
            ours(*args, **kwargs)
    with pytest.raises(weft.DTypeError, match="each once"):
        ours(*[tokens] * 4)


def test_a_model_leaves_as_a_program(tmp_path: Path) -> None:
    ours = weft.models.load(saved(randomized(TWINS["BERT"].make()), tmp_path))
    weft.export(ours, *ours.specs).save(tmp_path / "model.weft")
    tokens = _tokens(3, 7).numpy()
    given = [tokens, np.ones_like(tokens), np.zeros_like(tokens)]
    found = weft.load(tmp_path / "model.weft")(*(weft.asarray(x) for x in given))
    wanted = weft.jit(ours)(*given)
    assert list(found) == list(wanted)
    for key, value in wanted.items():
        np.testing.assert_array_equal(np.asarray(found[key]), np.asarray(value))


def test_the_task_decides(tmp_path: Path) -> None:
    theirs = randomized(hf.BertForMaskedLM(hf.BertConfig(**_TEXT)))
    saved(theirs, tmp_path)
    tokens = _tokens(2, 4).numpy()
    assert list(weft.models.load(tmp_path)(tokens)) == ["logits"]
    assert list(weft.models.load(tmp_path, task="fill-mask")(tokens)) == ["logits"]
    with pytest.raises(weft.FileError, match=r"needs weights that are not there: bert\.pooler"):
        weft.models.load(tmp_path, task="text-classification")
    with pytest.raises(weft.UnsupportedError, match="'cooking', not one of features"):
        weft.models.load(tmp_path, task="cooking")


def test_decoders_are_weft_s_own_where_they_write(tmp_path: Path) -> None:
    saved(randomized(hf.LlamaForCausalLM(DECODERS["LLaMA"]())), tmp_path)
    assert type(weft.models.load(tmp_path)).__name__ == "Decoder"
    assert type(weft.models.load(tmp_path, task="text-generation")).__name__ == "Decoder"
    features = weft.models.load(tmp_path, task="features")
    assert list(features(_tokens(1, 3).numpy())) == ["last_hidden_state"]


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_packages(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(TWINS["BERT"].make(), tmp_path)
    saved(randomized(hf.LlamaForCausalLM(DECODERS["LLaMA"]())), tmp_path / "llama")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(weft.UnsupportedError, match=f"{package} is not installed: pip install"):
        weft.models.load(tmp_path)
    assert weft.models.load(tmp_path / "llama").generate([3, 4], 2).shape == (4,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 10**6}, "num_hidden_layers is 1000000, but there are"),
        ({"hidden_size": 10**30}, "hidden_size is a number beyond"),
        ({"hidden_size": 48}, "transformers does not read it"),
        ({"num_attention_heads": 0}, "transformers does not read it"),
        ({"num_attention_heads": "many"}, "transformers does not read it"),
        ({"architectures": ["GPT2Model"]}, "no model of bert"),
        ({"architectures": ["load_tool"]}, "no model of bert"),
        ({"architectures": "BertModel"}, "has to be a list of strings"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is not read"),
    ],
)
def test_settings_that_can_t_be(change: dict, message: str, tmp_path: Path) -> None:
    saved(TWINS["BERT"].make(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(weft.WeftError, match=message):
        weft.models.load(tmp_path)
