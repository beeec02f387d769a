"""Folders whose files say anything at all: a model, or one error."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
import weft.__main__
import weft.models
from hostile_values import VALUES
from random_programs import count_of_examples
from small_checkpoint import CONFIG, weights

EXAMPLES = min(count_of_examples(120), 2000)
NAMES = (
    *CONFIG,
    *("head_dim", "hidden_act", "rms_norm_eps", "rope_theta", "rope_scaling", "rope_parameters"),
    *("attention_bias", "mlp_bias", "tie_word_embeddings", "is_causal", "torch_dtype", "id2label"),
    *("partial_rotary_factor", "original_max_position_embeddings", "no_repeat_ngram_size"),
)
TEXTS = (
    *("eos_token_id", "pad_token_id", "repetition_penalty", "min_new_tokens", "min_length"),
    *("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "max_length", "forced_bos"),
    *("forced_eos_token_id", "stop_strings", "guidance_scale", "temperature", "do_sample"),
)


def _written(folder: Path) -> str | None:
    """What a folder is refused for; None: it makes a model that writes."""
    try:
        weft.models.load(folder).generate([3, 4], 2).tolist()
    except weft.WeftError as error:
        return str(error)
    return None


def _checked(folder: Path, note: str) -> bool:
    """Whether the folder makes a model that writes; else its error is one line."""
    message = _written(folder)
    assert message is None or ("\n" not in message and len(message) < 1500), note
    return message is None


def test_settings_of_any_kind(tmp_path: Path) -> None:
    weft.save_safetensors(weights(), tmp_path / "model.safetensors")
    whole = 0
    for example in range(EXAMPLES):
        random = np.random.default_rng(example)
        config, texts = dict(CONFIG), {}
        for values, names in ((config, NAMES), (texts, TEXTS)):
            for _ in range(random.integers(3)):
                values[names[random.integers(len(names))]] = VALUES[random.integers(len(VALUES))]
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "generation_config.json").write_text(json.dumps(texts))
        whole += _checked(tmp_path, f"example {example}: {config} {texts}")
    assert whole > EXAMPLES / 10


def _damaged(header: dict[str, Any], random: np.random.Generator, size: int) -> dict[str, Any]:
    """A header of safetensors with something in it that is not so."""
    names = list(header)
    name, other = (names[random.integers(len(names))] for _ in range(2))
    entry = dict(header[name])
    kind = random.integers(9)
    if kind == 0:
        entry["data_offsets"] = header[other]["data_offsets"]
    elif kind == 1:
        entry["data_offsets"] = [int(x) for x in random.integers(-9, size + 9, 2)]
    elif kind == 2:
        entry["data_offsets"] = VALUES[random.integers(len(VALUES))]
    elif kind == 3:
        entry["shape"] = VALUES[random.integers(len(VALUES))]
    elif kind == 4:
        entry["shape"] = [2**62, 4, 1]
    elif kind == 5:
        entry["dtype"] = ["I32", "F16", "F64", "X", "", None, 5, "BOOL"][random.integers(8)]
    elif kind == 6:
        entry = VALUES[random.integers(len(VALUES))]
    elif kind == 7:
        entry.pop(["dtype", "shape", "data_offsets"][random.integers(3)])
    elif kind == 8:
        return {**header, "__metadata__": VALUES[random.integers(len(VALUES))]}
    return {**header, name: entry}


def test_headers_of_any_kind(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    file = tmp_path / "model.safetensors"
    weft.save_safetensors(weights(), file)
    content = file.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)
    for example in range(EXAMPLES):
        random = np.random.default_rng(example)
        changed = _damaged(header, random, len(data))
        text = json.dumps(changed).encode()
        claimed = len(text) if random.random() < 0.9 else int(random.choice([0, 1, 2**40, 2**63]))
        file.write_bytes(struct.pack("<Q", claimed) + text + data)
        if _checked(tmp_path, f"example {example}"):
            # Nothing that counts was changed.
            kept = {name: entry for name, entry in changed.items() if name != "__metadata__"}
            assert claimed == len(text), f"example {example}"
            assert kept == header, f"example {example}: {changed}"


@pytest.mark.parametrize("family", ["t5", "mt5", "whisper", "gpt2", "phi", "gemma", "qwen2"])
def test_other_families_without_weights(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All settings are read before any memory is taken."""
    weft.save_safetensors({"x": weft.ones(3)}, tmp_path / "model.safetensors")
    names = set(NAMES) | {"d_model", "d_ff", "num_layers", "n_embd", "n_layer", "encoder_layers"}
    for example in range(EXAMPLES // 10):
        random = np.random.default_rng(example)
        name = sorted(names - {"model_type", "architectures"})[random.integers(len(names) - 2)]
        config = {"model_type": family, name: VALUES[random.integers(len(VALUES))]}
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert weft.__main__.main(["run", str(tmp_path), "--prompt", "x"]) == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("weft: error: ")
        assert shown.err.count("\n") == 1, config
