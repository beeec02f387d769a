"""Tokenizers of checkpoints, and `weft run`: what it prints, and how it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import weft
import weft.__main__
import weft.models

tokenizers = pytest.importorskip("tokenizers")

from small_checkpoint import (  # noqa: E402
    T5_CONFIG,
    WHISPER_CONFIG,
    save_checkpoint,
    t5_weights,
    whisper_weights,
)

TEXT = "The weft is the thread drawn through the warp: żółw, 織る, and 🧵 too. "


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a tokenizer of bytes and some words, whose vocabulary it has."""
    folder = tmp_path_factory.mktemp("whole")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator([TEXT] * 3, trainer)
    made.enable_padding(pad_id=0, length=64)
    made.enable_truncation(5)
    made.save(str(folder / "tokenizer.json"))
    return save_checkpoint(folder, 280)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """The checkpoint, to be damaged."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_texts_to_tokens_and_back(whole: Path) -> None:
    """All of a text, whatever tokenizer.json says of cutting and filling up."""
    tokenizer = weft.models.load_tokenizer(whole)
    peer = tokenizers.Tokenizer.from_file(str(whole / "tokenizer.json"))
    peer.no_padding()
    peer.no_truncation()
    tokens = tokenizer.encode(TEXT)
    assert tokens == peer.encode(TEXT).ids
    assert tokenizer.decode(tokens) == TEXT
    assert tokenizer.decode([*tokens, 2]) == TEXT
    pieces = list(tokenizer.stream(iter(tokens)))
    assert "".join(pieces) == TEXT
    assert len(pieces) > 10
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_stream_that_ends_within_a_character(whole: Path) -> None:
    tokenizer = weft.models.load_tokenizer(whole)
    tokens = tokenizer.encode("ab🐢")[:-1]
    assert "".join(tokenizer.stream(tokens)) == tokenizer.decode(tokens)


def test_batches(whole: Path) -> None:
    tokenizer = weft.models.load_tokenizer(whole)
    found = tokenizer(["The weft", "", "warp: 織る"])
    rows = [tokenizer.encode(text) for text in ("The weft", "", "warp: 織る")]
    assert found["attention_mask"].sum(1).tolist() == [len(row) for row in rows]
    for row, tokens in zip(rows, found["input_ids"].tolist(), strict=True):
        assert tokens == row + [0] * (len(tokens) - len(row))
    assert found["token_type_ids"].shape == found["input_ids"].shape


PANICS = """{"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "merges": [["a", "b"]],
"vocab": {"a": 0, "b": 1, "ab": 2}, "continuing_subword_prefix": "######"}}"""


def test_a_tokenizer_on_which_its_package_panics(folder: Path) -> None:
    """What Rust's panics become in Python is no Exception."""
    (folder / "tokenizer.json").write_text(PANICS)
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        tokenizers.Tokenizer.from_str(PANICS)
    assert not isinstance(caught.value, Exception)
    with pytest.raises(weft.FileError, match="is no tokenizer"):
        weft.models.load_tokenizer(folder)


def test_texts_that_a_tokenizer_has_no_token_for(folder: Path) -> None:
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<unk>"}
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}))
    tokenizer = weft.models.load_tokenizer(folder)
    assert tokenizer.encode("a") == [0]
    for call in (tokenizer.encode, lambda text: tokenizer([text])):
        with pytest.raises(weft.FileError, match="is no tokenizer"):
            call("b")


def test_tokenizers_that_are_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ("", "{}", "[", '{"model": {"type": "BPE"}}'):
        (folder / "tokenizer.json").write_text(content)
        with pytest.raises(weft.FileError, match="is no tokenizer"):
            weft.models.load_tokenizer(folder)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "tokenizers", None)
        with pytest.raises(weft.UnsupportedError, match="pip install tokenizers"):
            weft.models.load_tokenizer(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(weft.FileError, match=r"has no tokenizer\.json"):
        weft.models.load_tokenizer(folder)


def run(folder: Path, *more: str) -> subprocess.CompletedProcess:
    """The command in a process of its own."""
    package = str(Path(weft.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "weft", "run", str(folder), "--prompt", "The weft", *more],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": package, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )


def test_a_text_is_printed(whole: Path) -> None:
    model, tokenizer = weft.models.load(whole), weft.models.load_tokenizer(whole)
    prompt = tokenizer.encode("The weft")
    wanted = tokenizer.decode(model.generate(prompt, 20).tolist()[len(prompt) :])
    done = run(whole, "--max-new-tokens", "20")
    assert done.returncode == 0
    assert done.stdout == wanted + "\n"
    pattern = rf"prompt: {len(prompt)} tokens, [\d.]+ s; text: 20 tokens, [\d.]+ tokens per second"
    assert re.fullmatch(pattern, done.stderr.strip())


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_weights_of_few_bits_print_a_text(
    weights: str, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, tokenizer = weft.models.load(whole), weft.models.load_tokenizer(whole)
    weft.quantize(model, weights, group=32)
    prompt = tokenizer.encode("The weft")
    wanted = tokenizer.decode(model.generate(prompt, 5).tolist()[len(prompt) :])
    words = ["run", str(whole), "--prompt", "The weft", "--max-new-tokens", "5"]
    assert weft.__main__.main([*words, "--weights", weights]) == 0
    assert capsys.readouterr().out == wanted + "\n"


def _with_tokens(
    whole: Path, folder: Path, config: dict, tensors: dict[str, weft.Tensor], table: str
) -> Path:
    """A checkpoint with the tokenizer of another one."""
    folder.mkdir(exist_ok=True)
    shutil.copy(whole / "tokenizer.json", folder)
    weft.manual_seed(0)
    weft.save_safetensors({**tensors, table: weft.randn((280, 8))}, folder / "model.safetensors")
    settings = {**config, "vocab_size": 280, "eos_token_id": None}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def answering(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5."""
    folder = tmp_path_factory.mktemp("answering")
    return _with_tokens(whole, folder, T5_CONFIG, t5_weights(), "shared.weight")


@pytest.fixture(scope="module")
def hearing(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper, and a sound of half a second."""
    folder = tmp_path_factory.mktemp("hearing")
    table = "model.decoder.embed_tokens.weight"
    _with_tokens(whole, folder, WHISPER_CONFIG, whisper_weights(), table)
    sizes = {"feature_size": 3, "sampling_rate": 8, "n_fft": 4, "hop_length": 2, "chunk_length": 1}
    (folder / "preprocessor_config.json").write_text(json.dumps(sizes))
    told = {"lang_to_id": {"<|de|>": 7}, "task_to_id": {"transcribe": 8}}
    (folder / "generation_config.json").write_text(json.dumps(told))
    with wave.open(str(folder / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 8, 0, "NONE", ""))
        file.writeframes(np.array([1000, -3000, 20000, 5], "<i2").tobytes())
    return folder


def test_an_answer_is_printed(answering: Path) -> None:
    model, tokenizer = weft.models.load(answering), weft.models.load_tokenizer(answering)
    prompt = tokenizer.encode("The weft")
    wanted = tokenizer.decode(model.generate(prompt, 20).tolist())
    done = run(answering, "--max-new-tokens", "20")
    assert done.returncode == 0, done.stderr
    assert done.stdout == wanted + "\n"
    pattern = rf"prompt: {len(prompt)} tokens, [\d.]+ s; text: 20 tokens, [\d.]+ tokens per second"
    assert re.fullmatch(pattern, done.stderr.strip())


def test_what_is_said_is_printed(hearing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, tokenizer = weft.models.load(hearing), weft.models.load_tokenizer(hearing)
    sound, rate = weft.models.read_sound(hearing / "speech.wav")
    features = weft.models.load_sound_features(hearing)(sound, rate)
    words = ["run", str(hearing), "--sound", str(hearing / "speech.wav"), "--max-new-tokens", "9"]
    for options, told in ([], {}), (["--language", "de"], {"language": "de"}):
        new = [int(token) for token in model.stream(features, 9, **told)]
        assert weft.__main__.main([*words, *options]) == 0
        found = capsys.readouterr()
        assert found.out == tokenizer.decode(new) + "\n"
        pattern = r"sound: 0\.5 s, [\d.]+ s; text: 9 tokens, [\d.]+ tokens per second"
        assert re.fullmatch(pattern, found.err.strip())


def test_what_models_do_not_take(
    whole: Path, answering: Path, hearing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = str(hearing / "speech.wav")
    for folder, words, message in (
        (hearing, ["--prompt", "x"], "whisper takes a sound, not a text: give --sound"),
        (answering, ["--sound", speech], "t5 reads a text: give --prompt"),
        (whole, ["--sound", speech], "llama reads a text: give --prompt"),
        (whole, ["--prompt", "x", "--task", "transcribe"], "no --language or --task"),
        (hearing, ["--sound", speech, "--language", "xx"], "the model knows de"),
        (hearing, ["--sound", speech + "x"], "No such file"),
        (hearing, ["--sound", str(hearing / "config.json")], "is no WAV file"),
        (hearing, ["--sound", speech, "--max-new-tokens", "70"], "positions"),
    ):
        assert weft.__main__.main(["run", str(folder), *words]) == 1
        found = capsys.readouterr()
        assert message in found.err
        assert found.err.count("\n") == 1
        assert found.out == ""


def test_the_seed_gives_the_text(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for seed in ("4", "4", "5"):
        words = ["run", str(whole), "--prompt", "The", "--temperature", "0.9", "--seed", seed]
        assert weft.__main__.main([*words, "--top-k", "50", "--top-p", "0.95"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


def test_the_likeliest_text_is_printed(
    whole: Path, answering: Path, hearing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = str(hearing / "speech.wav")
    tokenizer = weft.models.load_tokenizer(whole)
    features = weft.models.load_sound_features(hearing)(*weft.models.read_sound(speech))
    for folder, words, given in (
        (whole, ["--prompt", "The weft"], tokenizer.encode("The weft")),
        (answering, ["--prompt", "The weft"], tokenizer.encode("The weft")),
        (hearing, ["--sound", speech], features),
    ):
        new = list(weft.models.load(folder).stream(given, 9, num_beams=3))
        words = ["run", str(folder), *words, "--max-new-tokens", "9", "--beams", "3"]
        assert weft.__main__.main(words) == 0
        found = capsys.readouterr()
        assert found.out == tokenizer.decode(new) + "\n"
        assert re.search(r"; text: 9 tokens, [\d.]+ tokens per second$", found.err.strip())


def test_a_text_ends_before_a_string(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*options: str) -> str:
        words = ["run", str(whole), "--prompt", TEXT, "--max-new-tokens", "17", *options]
        assert weft.__main__.main(words) == 0
        return capsys.readouterr().out

    text = printed()
    first, second = text[4:6], text[2:5]
    ends = min(text.index(first), text.index(second))
    assert printed("--stop", first, "--stop", "not there", "--stop", second) == text[:ends] + "\n"


def _truncate(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])


def _config(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(text)


DAMAGES = {
    "no folder": (shutil.rmtree, "is no folder"),
    "no config": (lambda f: (f / "config.json").unlink(), "has no config.json"),
    "broken config": (_config("{"), "is no JSON"),
    "truncated weights": (_truncate, "model.safetensors"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has neither"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json"),
    "unknown family": (
        _config('{"model_type": "abacus"}'),
        "weft has no decoder of its own for 'abacus', but for bloom, ",
    ),
    "no decoder": (
        _config('{"model_type": "bert"}'),
        "weft has no decoder of its own for 'bert', but for bloom, ",
    ),
    "answers without weights": (_config('{"model_type": "t5"}'), "there is no weight"),
    "images": (
        _config('{"model_type": "vit"}'),
        "vit takes images (pixel_values), which is no prompt of a text",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_can_t_be_read(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage, message = DAMAGES[name]
    damage(folder)
    assert weft.__main__.main(["run", str(folder), "--prompt", "x"]) == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("weft: error: ")
    assert message in found.err
    assert found.err.count("\n") == 1
    assert __file__ not in found.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--temperature", "-1"], "temperature has to be"),
        (["--top-k", "4"], "top_k is for drawing"),
        (["--temperature", "1", "--top-p", "7"], "top_p has to be"),
        (["--max-new-tokens", "1000000000000"], "positions"),
        (["--max-new-tokens", "-1"], "max_new_tokens has to be"),
        (["--min-p", "2", "--temperature", "1"], "min_p has to be"),
        (["--stop", ""], "a string to stop at has to have"),
        (["--beams", "0"], "num_beams has to be"),
        (["--beams", "2", "--temperature", "1"], "num_beams looks for the likeliest text"),
    ],
)
def test_options_that_can_t_be(
    options: list[str], message: str, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weft.__main__.main(["run", str(whole), "--prompt", "x", *options]) == 1
    found = capsys.readouterr()
    assert message in found.err
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [[], ["run"], ["run", "x"], ["run", "x", "--prompt", "y", "-z"]]
    + [["run", "x", "--prompt", "y", "--sound", "z"]],
)
def test_how_it_is_called(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as found:
        weft.__main__.main(words)
    assert found.value.code == 2
    assert "usage: weft" in capsys.readouterr().err


def test_the_error_of_a_process_is_one_line(folder: Path) -> None:
    _truncate(folder)
    done = run(folder)
    assert done.returncode == 1
    assert re.fullmatch(r"weft: error: .*model\.safetensors.*\n", done.stderr)
