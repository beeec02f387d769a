"""Folders of T5 and Whisper: what is damaged or missing, and wrong arguments; without packages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
import weft.models
from small_checkpoint import T5_CONFIG, WHISPER_CONFIG, t5_weights, whisper_weights

FAMILIES: dict[str, tuple[dict[str, Any], Callable[[], dict[str, weft.Tensor]]]] = {
    "t5": (T5_CONFIG, t5_weights),
    "whisper": (WHISPER_CONFIG, whisper_weights),
}
SPOKEN = {
    "lang_to_id": {"<|en|>": 5, "<|de|>": 6},
    "task_to_id": {"transcribe": 7, "translate": 8},
    "no_timestamps_token_id": 9,
    "begin_suppress_tokens": [3],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a checkpoint of each family."""
    folder = tmp_path_factory.mktemp("whole")
    for family, (config, weights) in FAMILIES.items():
        (folder / family).mkdir()
        (folder / family / "config.json").write_text(json.dumps(config))
        weft.save_safetensors(weights(), folder / family / "model.safetensors")
    (folder / "whisper" / "generation_config.json").write_text(json.dumps(SPOKEN))
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def refused(folder: Path, message: str, kind: type[Exception] = weft.FileError) -> None:
    """The folder is refused by one error that says where."""
    with pytest.raises(kind, match=message) as found:
        weft.models.load(folder)
    assert "\n" not in str(found.value)


def test_whole_ones(whole: Path) -> None:
    t5 = weft.models.load(whole / "t5")
    assert (type(t5).__name__, t5.eos, t5.config.score_scale) == ("T5", (1,), 8**-0.5)
    assert t5.generate([3, 4], 5, eos=()).shape == (6,)
    whisper = weft.models.load(whole / "whisper")
    assert (type(whisper).__name__, whisper.eos) == ("Whisper", (2,))
    assert whisper.generate(np.ones((3, 4), np.float32), 5, eos=(), language="de").shape == (9,)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_that_are_missing_or_too_many(family: str, folder: Path) -> None:
    """Each weight is needed, of one shape, and there are no others."""
    _, make = FAMILIES[family]
    tensors, own = make(), folder / family
    for name, tensor in make().items():
        for value, message in (
            (None, "there is no weight"),
            (weft.ones((*tensor.shape, 1)), "but by config.json it is"),
        ):
            changed = {**tensors, name: value}
            weft.save_safetensors(
                {key: x for key, x in changed.items() if x is not None}, own / "model.safetensors"
            )
            refused(own, message)
    weft.save_safetensors({**tensors, "decoder.extra": weft.ones(3)}, own / "model.safetensors")
    refused(own, "no place for: decoder.extra")
    name = next(iter(tensors))
    narrow = weft.ones(tensors[name].shape, dtype=weft.int8)
    weft.save_safetensors({**tensors, name: narrow}, own / "model.safetensors")
    refused(own, "dtype int8")


SETTINGS: list[tuple[str, dict[str, Any], str]] = [
    ("t5", {"feed_forward_proj": "gated-sine"}, "feed_forward_proj is 'gated-sine', but weft"),
    ("t5", {"feed_forward_proj": "gated-gelu"}, "there is no weight"),
    ("t5", {"feed_forward_proj": 5}, "feed_forward_proj has to be a string"),
    ("t5", {"num_layers": 3}, "there is no weight"),
    ("t5", {"num_layers": 1}, "no place for: encoder.block.1"),
    ("t5", {"num_layers": 10**6}, "num_layers has to be an integer from 1 to"),
    ("t5", {"num_decoder_layers": 0}, "num_decoder_layers has to be"),
    ("t5", {"d_kv": 4}, "but by config.json it is"),
    ("t5", {"d_model": 2**40}, "d_model has to be"),
    ("t5", {"vocab_size": 12}, "but by config.json it is"),
    ("t5", {"tie_word_embeddings": False}, "there is no weight lm_head.weight"),
    ("t5", {"relative_attention_num_buckets": 3}, "has to be 4 or more"),
    ("t5", {"relative_attention_max_distance": 4}, "less than twice"),
    ("t5", {"relative_attention_max_distance": 10**9}, "relative_attention_max_distance has to"),
    ("t5", {"decoder_start_token_id": [1, 2]}, "decoder_start_token_id has to be one token"),
    ("t5", {"eos_token_id": "end"}, "eos_token_id has to be a token"),
    ("t5", {"is_decoder": True}, "one half of a model is not read"),
    ("t5", {"quantization_config": {"bits": 4}}, "quantization_config is not read"),
    ("whisper", {"activation_function": "sine"}, "activation_function is 'sine', but weft"),
    ("whisper", {"encoder_attention_heads": 3}, "d_model 8 is no multiple of encoder_att"),
    ("whisper", {"max_source_positions": 3}, "but by config.json it is"),
    ("whisper", {"num_mel_bins": 4}, "but by config.json it is"),
    ("whisper", {"decoder_layers": 2}, "there is no weight"),
    ("whisper", {"tie_word_embeddings": False}, "there is no weight lm_head.weight"),
    ("whisper", {"forced_decoder_ids": [[2, 5]]}, "forced_decoder_ids has to be pairs"),
    ("whisper", {"forced_decoder_ids": [[1, 5], [2, None]]}, "forced_decoder_ids has to be"),
    ("whisper", {"forced_decoder_ids": 5}, "forced_decoder_ids has to be"),
]


@pytest.mark.parametrize(("family", "change", "message"), SETTINGS)
def test_settings_that_can_t_be(
    family: str, change: dict[str, Any], message: str, folder: Path
) -> None:
    config = {**FAMILIES[family][0], **change}
    (folder / family / "config.json").write_text(json.dumps(config))
    refused(folder / family, message, weft.WeftError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ({"suppress_tokens": [-1]}, "suppress_tokens has to be"),
        ({"lang_to_id": {"<|en|>": "x"}}, "has to be an integer from 0"),
        ({"lang_to_id": [1]}, "lang_to_id has to be an object"),
        ({"lang_to_id": {str(n): n for n in range(10_001)}}, "more than 10000 names"),
        ({"language": 5}, "language has to be a string"),
        ({"no_timestamps_token_id": [1, 2]}, "has to be one token"),
    ],
)
def test_damaged_settings_of_generation(content: Any, message: str, folder: Path) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "whisper" / "generation_config.json").write_text(text)
    refused(folder / "whisper", message)


def test_no_start(folder: Path) -> None:
    config = {**T5_CONFIG, "decoder_start_token_id": None}
    (folder / "t5" / "config.json").write_text(json.dumps(config))
    model = weft.models.load(folder / "t5")
    with pytest.raises(weft.OptionError, match="has no decoder_start_token_id: give"):
        model.generate([3], 4)
    assert model.generate([3], 4, decoder_input_ids=[0, 5], eos=()).shape == (6,)


FEATURES = np.ones((2, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("family", "given", "options", "message"),
    [
        ("t5", [[]], {}, "at least one token"),
        ("t5", [0.5], {}, "the text has to be of integers"),
        ("t5", [11], {}, "of the text go from 11 to 11, but the vocabulary has 11"),
        ("t5", [1, 2], {"attention_mask": [[1, 1]]}, r"attention_mask has shape \[1, 2\]"),
        ("t5", [1, 2], {"attention_mask": [0, 0]}, "leaves nothing of a text"),
        ("t5", [1, 2], {"attention_mask": ["a", "b"]}, "attention_mask has dtype"),
        ("t5", [[1], [2]], {"decoder_input_ids": [[1], [2], [3]]}, "are 3 for 2 texts"),
        ("t5", [1], {"decoder_input_ids": [99]}, "vocabulary has 11"),
        ("t5", [1], {"temperature": -1}, "temperature has to be"),
        ("t5", [1], {"top_k": 4}, "top_k is for drawing"),
        ("t5", [1], {"num_beam": 4}, "the model takes input_ids"),
        ("t5", [1], {"eos": "x"}, "eos has to be tokens"),
        ("whisper", FEATURES[:, :2], {}, r"have to be \[N, 3, 4\]"),
        ("whisper", FEATURES[0, 0], {}, r"have to be \[N, 3, 4\]"),
        ("whisper", FEATURES[:0], {}, "there is no sound"),
        ("whisper", FEATURES.astype(int), {}, "input_features have dtype int64"),
        ("whisper", FEATURES, {"language": "xx"}, "language is 'xx', but the model knows de, en"),
        ("whisper", FEATURES, {"language": 5}, "language has to be a string, not 5"),
        ("whisper", FEATURES, {"language": [5, 5]}, "language is '5', but the model knows"),
        ("whisper", FEATURES, {"task": [5]}, "but the model knows transcribe"),
        ("whisper", FEATURES, {"task": "sing"}, "but the model knows transcribe, translate"),
        ("whisper", FEATURES, {"language": ["en"] * 3}, "3 languages for 2 sounds"),
        ("whisper", FEATURES, {"language": "en", "decoder_input_ids": [1]}, "stand for language"),
        ("whisper", FEATURES, {"max_new_tokens": 62}, "more than the 64"),
        ("whisper", FEATURES, {"decoder_input_ids": [-1]}, "go from -1 to -1"),
    ],
)
def test_wrong_arguments(
    family: str, given: Any, options: dict[str, Any], message: str, whole: Path
) -> None:
    model = weft.models.load(whole / family)
    for method in (model.generate, model.stream):
        with pytest.raises(weft.WeftError, match=message):
            method(given, **{"max_new_tokens": 4, **options})


def test_calls_that_lack_something(whole: Path) -> None:
    t5, whisper = (weft.models.load(whole / family) for family in FAMILIES)
    with pytest.raises(weft.DTypeError, match="t5 needs decoder_input_ids, too"):
        t5([[1, 2]])
    with pytest.raises(weft.ShapeError, match=r"have to be \[N, 3, 4\]"):
        whisper(FEATURES[:, 1:], [[1]])
    with pytest.raises(weft.ShapeError, match="65 tokens are more than the 64"):
        whisper(FEATURES, np.ones((2, 65), np.int64))
    with pytest.raises(weft.DTypeError, match="can't be compiled by itself"):
        weft.jit(lambda x: t5.generate(x, 3))(weft.asarray([1]))
    with pytest.raises(weft.DTypeError, match="can't be compiled by itself"):
        weft.jit(lambda x: whisper.generate(x, 3))(weft.asarray(FEATURES))


def test_no_random_numbers_are_used_up(whole: Path) -> None:
    weft.manual_seed(0)
    wanted = weft.rand(3).tolist()
    for family in FAMILIES:
        weft.manual_seed(0)
        weft.models.load(whole / family)
        assert weft.rand(3).tolist() == wanted


def test_weights_are_not_copied(whole: Path) -> None:
    before = weft.stats()["bytes_in_use"]
    model = weft.models.load(whole / "t5")
    sizes = [int(np.prod(w.shape)) for _, w in model.named_parameters() if w.ndim == 2]
    assert weft.stats()["bytes_in_use"] - before < sum(sizes) * 4
