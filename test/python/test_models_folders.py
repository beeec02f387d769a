"""Folders of checkpoints: shards, and all that is damaged, hostile or missing."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
import weft.models
from small_checkpoint import CONFIG, weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    weft.save_safetensors(weights(), tmp_path / "model.safetensors")
    return tmp_path


def sharded(folder: Path) -> dict[str, Any]:
    """Puts the weights into two files, and gives back what their index holds."""
    tensors = weights()
    files = {name: f"model-{place % 2}.safetensors" for place, name in enumerate(tensors)}
    for file in set(files.values()):
        part = {name: tensors[name] for name in tensors if files[name] == file}
        weft.save_safetensors(part, folder / file)
    (folder / "model.safetensors").unlink()
    index = {"metadata": {"total_size": 1}, "weight_map": files}
    write_index(folder, index)
    return index


def write_index(folder: Path, index: Any) -> None:
    """The index of shards."""
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def refused(folder: Path, message: str, kind: type[Exception] = weft.FileError) -> None:
    """The folder is refused by one error that says where."""
    with pytest.raises(kind, match=message) as found:
        weft.models.load(folder)
    assert "\n" not in str(found.value)


def test_shards_are_one_model(folder: Path) -> None:
    prompt = [3, 4, 5]
    wanted = weft.models.load(folder).generate(prompt, 8).tolist()
    sharded(folder)
    assert weft.models.load(folder).generate(prompt, 8).tolist() == wanted


def test_weights_are_not_copied(folder: Path) -> None:
    before = weft.stats()["bytes_in_use"]
    model = weft.models.load(folder)
    sizes = [int(np.prod(w.shape)) for _, w in model.named_parameters() if w.ndim == 2]
    assert weft.stats()["bytes_in_use"] - before < sum(sizes) * 4


def test_links_to_files_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Caches of downloads have such: the user made them, no file of the checkpoint."""
    other = tmp_path_factory.mktemp("other")
    for name in ("config.json", "model.safetensors"):
        os.symlink(folder / name, other / name)
    assert weft.models.load(other).generate([3], 2).shape == (3,)


@pytest.mark.parametrize(
    "file",
    ["../model-0.safetensors", "{parent}/model-0.safetensors", "x/../model-0.safetensors"]
    + ["..", "", "model-0.bin", "a\\b.safetensors", "model\0.safetensors", 5, None, ["x"]],
)
def test_shards_lie_in_the_folder(file: Any, folder: Path) -> None:
    index = sharded(folder)
    name = next(iter(index["weight_map"]))
    (folder / "x").mkdir()
    (folder.parent / "model-0.safetensors").write_bytes(
        (folder / "model-0.safetensors").read_bytes()
    )
    named = file.format(parent=folder.parent) if isinstance(file, str) else file
    index["weight_map"][name] = named
    write_index(folder, index)
    refused(folder, "has to be the name of a .safetensors file beside it")


def test_damaged_indices(folder: Path) -> None:
    index = sharded(folder)
    name = next(iter(index["weight_map"]))
    for other in ([], {}, {"weight_map": []}, {"weight_map": {}}):
        write_index(folder, other)
        refused(folder, "index.json")
    changed = {**index["weight_map"], name: "model-1.safetensors"}
    write_index(folder, {"weight_map": changed})
    refused(folder, f"model-1.safetensors has no {name}")
    write_index(folder, {"weight_map": {**index["weight_map"], name: "model-7.safetensors"}})
    refused(folder, "model-7.safetensors")
    del index["weight_map"][name]
    write_index(folder, index)
    refused(folder, "there is no weight embed_tokens.weight")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_files(name: str, folder: Path) -> None:
    (folder / name).unlink()
    refused(folder, f"has (no|neither) {name}")


@pytest.mark.parametrize("path", ["absent", "org/model", "config.json"])
def test_no_folder(path: str, folder: Path) -> None:
    """Names of models elsewhere are none: nothing is downloaded."""
    refused(folder / path, "is no folder: weft.models reads local folders and downloads nothing")


def test_pickles_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    class Trap:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(folder / "sprung"),)

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    refused(folder, "pytorch_model.bin is a pickle, and reading one runs the code that is in it")
    assert not (folder / "sprung").exists()


def test_truncated_weights(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        (folder / "model.safetensors").write_bytes(whole[:length])
        refused(folder, "model.safetensors")
    (folder / "model.safetensors").write_bytes(whole + b"x")
    refused(folder, "model.safetensors")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"vocab_size": ' + b"9" * 5000,
    ],
    ids=range(8),
)
def test_broken_configurations(text: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(text)
    refused(folder, "config.json")


HUGE = 10**400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("model_type", value) for value in (None, 5, "", "unheard of", ["llama"])),
        *(("vocab_size", value) for value in (None, 0, -1, 1.5, "11", True, 12, 2**31, HUGE)),
        *(("hidden_size", value) for value in (0, 7, 16, 2**30, HUGE, float("nan"))),
        *(("num_hidden_layers", value) for value in (0, 1, 3, 10**4, 10**9, HUGE)),
        *(("num_attention_heads", value) for value in (0, 3, 4, 2**30, HUGE)),
        *(("num_key_value_heads", value) for value in (0, 2, 3, HUGE)),
        *(("head_dim", value) for value in (0, 5, 2**30, HUGE)),
        *(("intermediate_size", value) for value in (0, 13, 2**30)),
        *(("rms_norm_eps", value) for value in (0, -1, "x", float("inf"), float("nan"), HUGE)),
        *(("rope_theta", value) for value in (0, -5, "x", HUGE)),
        *(("rope_scaling", value) for value in (5, {"type": "yarn"}, {"type": "linear"}, [])),
        *(("rope_parameters", {"rope_type": "llama3", "factor": n}) for n in (2, 0, "x", HUGE)),
        *(("hidden_act", value) for value in ("__class__", 5)),
        *(("max_position_embeddings", value) for value in (0, -4, HUGE)),
        *(("eos_token_id", value) for value in (-1, "2", [2, None], HUGE)),
        *(("tie_word_embeddings", value) for value in ("yes", 1)),
        ("attention_bias", True),
        ("architectures", "LlamaForCausalLM"),
        ("quantization_config", {"bits": 4}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_settings_that_can_t_be(name: str, value: Any, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, name: value}))
    refused(folder, str(folder), weft.WeftError)


def test_wrong_weights(folder: Path) -> None:
    for name, value, message in [
        ("model.norm.weight", None, "there is no weight norm.weight"),
        ("model.norm.weight", weft.ones(9), r"shape \[9\], but by config.json it is \[8\]"),
        ("lm_head.weight", weft.ones((11, 8), dtype=weft.int8), "dtype int8"),
        ("model.extra", weft.ones(3), "no place for: model.extra"),
        ("norm.weight", weft.ones(8), "model.norm.weight and norm.weight are one weight"),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", weft.ones(3), ""),
    ]:
        tensors = weights()
        tensors[name] = value
        if value is None:
            del tensors[name]
        weft.save_safetensors(tensors, folder / "model.safetensors")
        if message:
            refused(folder, message)
        else:
            weft.models.load(folder)


def test_a_path_with_a_zero_byte() -> None:
    with pytest.raises(weft.FileError, match="zero byte"):
        weft.models.load("a\0b")


def test_texts_are_written_on_devices(folder: Path) -> None:
    model = weft.models.load(folder)
    options = [{}, {"temperature": 0.7, "seed": 3, "top_k": 5, "top_p": 0.9}]
    wanted = [model.generate([3, 4], 5, eos=(), **each).tolist() for each in options]
    model.to("emulator")
    assert model.device == weft.device("emulator")
    assert [model.generate([3, 4], 5, eos=(), **each).tolist() for each in options] == wanted
