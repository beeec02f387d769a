"""Checkpoints of every family of decoders with something in them that is not so: one error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from hostile_values import VALUES  # noqa: E402
from model_folders import DECODERS, decoder, saved  # noqa: E402
from random_programs import count_of_examples  # noqa: E402

pytestmark = pytest.mark.usefixtures("quiet_torch")
hf.logging.disable_progress_bar()

EXAMPLES = min(count_of_examples(12), 200)
Random = np.random.Generator
Tensors = dict[str, weft.Tensor]
#: One of each form that a family has.
NAMES = [name for name in DECODERS if not name.startswith(("LLaMA,", "Mistral,", "Qwen2,"))]


def _lost(tensors: Tensors, name: str, random: Random) -> None:
    del tensors[name]


def _more(tensors: Tensors, name: str, random: Random) -> None:
    tensors[f"{name}.more"] = tensors[name]


def _renamed(tensors: Tensors, name: str, random: Random) -> None:
    tensors[re.sub(r"\d+", "77", name) if ".0." in name else f"x{name}"] = tensors.pop(name)


def _longer(tensors: Tensors, name: str, random: Random) -> None:
    tensors[name] = weft.concat([tensors[name], tensors[name][:1]], axis=0)


def _flat(tensors: Tensors, name: str, random: Random) -> None:
    tensors[name] = weft.reshape(tensors[name], (1, *tensors[name].shape))


def _single(tensors: Tensors, name: str, random: Random) -> None:
    tensors[name] = weft.asarray(1.5)


def _whole(tensors: Tensors, name: str, random: Random) -> None:
    tensors[name] = weft.astype(tensors[name], weft.int8)


CHANGES: tuple[Callable[[Tensors, str, Random], None], ...] = (
    *(_lost, _more, _renamed, _longer, _flat, _single, _whole),
)


def _refusal(folder: Path, note: str) -> str:
    """The one line that a folder is refused with."""
    with pytest.raises(weft.WeftError) as found:
        weft.models.load(folder)
    message = str(found.value)
    assert "\n" not in message, note
    assert len(message) < 1500, note
    assert str(folder) in message, (note, message)
    return message


def _known_as(name: str) -> str:
    """Of a weight's name what all families keep of it: weight or bias, and the layer."""
    layer = re.search(r"\.(\d+)\.", name)
    return rf"{layer[1] if layer else ''}.*{name.rsplit('.', 1)[-1]}"


@pytest.mark.parametrize("name", NAMES)
def test_weights(name: str, tmp_path: Path) -> None:
    """Of other shapes, names and dtypes, lost and additional ones."""
    saved(decoder(name), tmp_path)
    file = tmp_path / "model.safetensors"
    whole = {key: tensor.clone() for key, tensor in weft.load_safetensors(file).items()}
    for example in range(EXAMPLES):
        random = np.random.default_rng([example, *name.encode()])
        change = CHANGES[random.integers(len(CHANGES))]
        key = sorted(whole)[random.integers(len(whole))]
        tensors = dict(whole)
        change(tensors, key, random)
        weft.save_safetensors(tensors, file)
        note = f"{change.__name__} of {key}"
        message = _refusal(tmp_path, note)
        assert re.search(_known_as(key), message) or change is _renamed, (note, message)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_narrow_weights(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """The scores are those of the same weights in float32, but for what the scale of embeddings is
    rounded to."""
    saved(decoder(name, dtype), tmp_path / "narrow")
    theirs = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "narrow", dtype=torch.float32)
    narrow = weft.models.load(tmp_path / "narrow")
    wide = weft.models.load(saved(theirs, tmp_path / "wide"))
    assert narrow.embed_tokens.weight.dtype.name == str(dtype).removeprefix("torch.")
    narrow.scale = wide.scale
    tokens = np.random.default_rng(0).integers(3, 99, (1, 5))
    found, wanted = (np.asarray(model(tokens).detach()) for model in (narrow, wide))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2**-18 * np.abs(wanted).max())


def _lies(index: dict[str, Any], random: Random) -> str:
    """Makes an index of shards name a weight where it is not; gives back what tells of it."""
    places = index["weight_map"]
    key = sorted(places)[random.integers(len(places))]
    kind = random.integers(4)
    if kind == 0:
        places[key] = next(file for file in places.values() if file != places[key])
    elif kind == 1:
        places[key] = "model-9.safetensors"
        return "model-9.safetensors"
    elif kind == 2:
        del places[key]
        return "weight"
    else:
        places[f"{key}.more"] = places[key]
    return re.escape(key)


@pytest.mark.parametrize("name", NAMES[::4])
def test_indices_that_lie(name: str, tmp_path: Path) -> None:
    saved(decoder(name), tmp_path, max_shard_size="9KB")
    file = tmp_path / "model.safetensors.index.json"
    whole = json.loads(file.read_text())
    assert len(set(whole["weight_map"].values())) > 1
    for example in range(EXAMPLES):
        random = np.random.default_rng([example, *name.encode()])
        index = {**whole, "weight_map": dict(whole["weight_map"])}
        said = _lies(index, random)
        file.write_text(json.dumps(index))
        assert re.search(said, _refusal(tmp_path, f"example {example}"))


@pytest.mark.parametrize("name", NAMES)
def test_settings(name: str, tmp_path: Path) -> None:
    """Of any kind: a model, or one line that names the setting, or a weight of other sizes."""
    saved(decoder(name), tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    numbers = sorted(set(config) - {"architectures", "model_type", "transformers_version"})
    refused = 0
    for example in range(4 * EXAMPLES):
        random = np.random.default_rng([example, *name.encode()])
        key = numbers[random.integers(len(numbers))]
        value = VALUES[random.integers(len(VALUES))]
        file.write_text(json.dumps({**config, key: value}))
        note = f"{key}: {value!r:.50}"
        try:
            weft.models.load(tmp_path)
        except weft.WeftError as error:
            message, refused = str(error), refused + 1
            assert "\n" not in message, note
            assert str(tmp_path) in message, (note, message)
            told = key in message or "config.json" in message or "there is no weight" in message
            assert told, (note, message)
    assert refused > EXAMPLES


@pytest.mark.parametrize("name", ["BLOOM", "Falcon, biases of distances", "MPT", "LLaMA"])
def test_sizes_that_no_model_has(name: str, tmp_path: Path) -> None:
    """Each fits the others: no memory is taken for what is made of them."""
    saved(decoder(name), tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    for key in config:
        if key in ("hidden_size", "d_model", "num_attention_heads", "n_heads", "n_head"):
            config[key] = 1 << 30
    file.write_text(json.dumps(config))
    assert re.search("(heads?|hidden_size|d_model) has to be", _refusal(tmp_path, name))
