"""T5 and Whisper: outputs, answers and errors, beside those of transformers."""

from __future__ import annotations

import copy
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
from answer_folders import SPOKEN, random_t5, sounds, t5, texts, whisper  # noqa: E402
from model_folders import saved  # noqa: E402
from weft.models import _encoder_decoder, _generation, _t5, _whisper  # noqa: E402
from weft.models._encoder_decoder_config import Distances  # noqa: E402
from weft.models._times import Times  # noqa: E402

pytestmark = pytest.mark.usefixtures("quiet_torch")


def tokens(*shape: int, seed: int = 0) -> np.ndarray:
    """Tokens that end no text."""
    return np.random.default_rng(seed).integers(3, 99, shape)


def assert_outputs(ours: weft.nn.Module, theirs: Any, **given: np.ndarray) -> None:
    """As far from the exact outputs as PyTorch's own are, up to the order of sums."""
    inputs = {name: torch.from_numpy(value) for name, value in given.items()}
    with torch.no_grad():
        expected = theirs(**inputs)
        wide = {n: x.double() if x.is_floating_point() else x for n, x in inputs.items()}
        exact = copy.deepcopy(theirs).double()(**wide)
    found = weft.jit(ours.forward)(**{n: weft.asarray(x) for n, x in given.items()})
    assert list(found) == ["logits", "encoder_last_hidden_state"]
    seen = given.get("attention_mask", np.ones(1)).astype(bool)
    for key, value in found.items():
        true, theirs_, value = exact[key].numpy(), expected[key].double().numpy(), np.asarray(value)
        if key != "logits" and seen.ndim == 2:
            # What fills texts up has states that nobody reads.
            true, theirs_, value = (x[seen] for x in (true, theirs_, value))
        bound = 8 * np.abs(theirs_ - true).max() + 64 * 2**-24 * np.abs(true).max()
        assert np.abs(value - true).max() <= bound, key


def answered(model: Any, *inputs: np.ndarray, count: int, **options: Any) -> np.ndarray:
    """What transformers' generate gives, without a cache."""
    names = {"attention_mask": torch.from_numpy(inputs[1])} if len(inputs) > 1 else {}
    with torch.no_grad():
        return model.generate(
            torch.from_numpy(inputs[0]),
            **names,
            max_new_tokens=count,
            do_sample=False,
            use_cache=False,
            **options,
        ).numpy()


def loaded(model: Any, folder: Path) -> Any:
    return weft.models.load(saved(model, folder))


@pytest.mark.parametrize("seed", range(12))
def test_t5_of_random_sizes(seed: int, tmp_path: Path) -> None:
    theirs = random_t5(seed)
    ours = loaded(theirs, tmp_path)
    random = np.random.default_rng(seed)
    count, length = int(random.integers(1, 5)), int(random.choice([1, 2, 7, 17, 40]))
    read, mask = texts(count, length, seed)
    begun = tokens(count, int(random.choice([1, 2, 9])), seed=seed)
    assert_outputs(ours, theirs, input_ids=read, attention_mask=mask, decoder_input_ids=begun)
    found = np.asarray(ours.generate(read, 30, attention_mask=mask, eos=()))
    wanted = answered(theirs, read, mask, count=30, eos_token_id=None)
    np.testing.assert_array_equal(found, wanted)


def test_answers_differ() -> None:
    """The models of these tests write many tokens, so that equal answers say something."""
    found = {
        token
        for seed in range(4)
        for row in answered(random_t5(seed), *texts(3, 9, seed), count=30, eos_token_id=None)
        for token in row.tolist()
    }
    assert len(found) > 25


def test_mt5(tmp_path: Path) -> None:
    theirs = t5(family="mt5", untied=True, feed_forward_proj="gated-gelu")
    ours = loaded(theirs, tmp_path)
    read, mask = texts(2, 9)
    assert_outputs(
        ours, theirs, input_ids=read, attention_mask=mask, decoder_input_ids=tokens(2, 4)
    )
    found = np.asarray(ours.generate(read, 12, attention_mask=mask, eos=()))
    np.testing.assert_array_equal(found, answered(theirs, read, mask, count=12, eos_token_id=None))


@pytest.mark.parametrize("tied", [True, False])
def test_files_of_earlier_versions(tied: bool, tmp_path: Path) -> None:
    """Which say by tie_word_embeddings alone whether scores are scaled, and have more names."""
    theirs = t5(untied=not tied, tie_word_embeddings=tied)
    ours = loaded(theirs, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["scale_decoder_outputs"]
    config["tie_word_embeddings"] = tied
    (tmp_path / "config.json").write_text(json.dumps(config))
    tensors = dict(weft.load_safetensors(tmp_path / "model.safetensors"))
    for part in ("encoder", "decoder"):
        tensors[f"{part}.embed_tokens.weight"] = tensors["shared.weight"]
    if tied:
        del tensors["shared.weight"]
    name = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    tensors[name] = weft.ones((32, 4))
    weft.save_safetensors(tensors, tmp_path / "model.safetensors")
    again = weft.models.load(tmp_path)
    read = tokens(2, 5)
    assert again.generate(read, 9).tolist() == ours.generate(read, 9).tolist()
    assert_outputs(again, theirs, input_ids=read, decoder_input_ids=tokens(2, 3))


@pytest.mark.parametrize("two_sided", [True, False])
def test_buckets_are_those_of_transformers(two_sided: bool) -> None:
    bucket = hf.models.t5.modeling_t5.T5Attention._relative_position_bucket
    for buckets, farthest in [(32, 128), (4, 3), (5, 100), (9, 5), (64, 1000), (33, 128), (16, 64)]:
        away = torch.arange(-farthest - 50, farthest + 51)
        wanted = bucket(away, two_sided, buckets, farthest).numpy()
        table = _encoder_decoder.buckets_of(Distances(buckets, farthest), two_sided)
        found = table[np.clip(away.numpy(), -farthest, farthest) + farthest]
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_narrow_and_wide_weights(dtype: torch.dtype, tmp_path: Path) -> None:
    """Weights keep the file's dtype; what is computed with them is float32, or float64."""
    computed = torch.float64 if dtype is torch.float64 else torch.float32
    read, begun, given = tokens(2, 6), tokens(2, 3), sounds(2)
    ours = loaded(t5().to(dtype), tmp_path)
    wide = hf.T5ForConditionalGeneration.from_pretrained(tmp_path, dtype=computed).eval()
    assert_outputs(ours, wide, input_ids=read, decoder_input_ids=begun)
    found = np.asarray(ours.generate(read, 12, eos=()))
    np.testing.assert_array_equal(found, answered(wide, read, count=12, eos_token_id=None))
    hears = loaded(whisper().to(dtype), tmp_path / "whisper")
    folder = tmp_path / "whisper"
    wide = hf.WhisperForConditionalGeneration.from_pretrained(folder, dtype=computed).eval()
    given = given.astype(np.float64) if dtype is torch.float64 else given
    assert_outputs(hears, wide, input_features=given, decoder_input_ids=begun)
    for model in (ours, hears):
        attention = model.encoder.layers[0].self_attn
        assert attention.q_proj.weight.dtype.name == str(dtype).removeprefix("torch.")


WHISPERS: dict[str, dict[str, Any]] = {
    "heads of two sizes": {},
    "one layer": {"encoder_layers": 1, "decoder_layers": 1, "decoder_attention_heads": 4},
    "another activation": {"activation_function": "relu", "d_model": 24, "decoder_layers": 3},
}


@pytest.mark.parametrize("name", WHISPERS)
def test_whisper(name: str, tmp_path: Path) -> None:
    theirs = whisper(3, **WHISPERS[name])
    ours = loaded(theirs, tmp_path)
    given = sounds(3)
    assert_outputs(ours, theirs, input_features=given, decoder_input_ids=tokens(3, 7))
    begun = np.full((3, 1), 1)
    found = np.asarray(ours.generate(given, 30, decoder_input_ids=[1], eos=()))
    wanted = answered(theirs, given, count=30, decoder_input_ids=torch.from_numpy(begun))
    assert_texts(found[:, 1:], wanted, [])


def assert_texts(found: np.ndarray, wanted: np.ndarray, ends: list[int]) -> None:
    """Texts are equal up to their ends, which transformers leaves out."""
    for row, other in zip(found.tolist(), wanted.tolist(), strict=True):
        end = next((n for n, token in enumerate(row) if token in ends), len(row))
        other = other if 0 not in other[end:] else other[:end]
        assert row[:end] == other


TOLD: dict[str, tuple[dict[str, Any], list[list[int]]]] = {
    "a language": ({"language": "de"}, [[1, 11, 13, 98]] * 3),
    "its token": ({"language": "<|de|>"}, [[1, 11, 13, 98]] * 3),
    "a task, too": ({"language": "fr", "task": "translate"}, [[1, 12, 14, 98]] * 3),
    "one for each": (
        {"language": ["en", "de", "fr"]},
        [[1, 10, 13, 98], [1, 11, 13, 98], [1, 12, 13, 98]],
    ),
    "nothing": ({}, []),
    "a task alone": ({"task": "translate"}, []),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_whisper_is_told(name: str, tmp_path: Path) -> None:
    options, begun = TOLD[name]
    theirs = whisper(1)
    ours = loaded(theirs, tmp_path)
    given = sounds(3)
    found = np.asarray(ours.generate(given, 25, **options))
    if begun:
        assert found[:, :4].tolist() == begun
    length = 3 if name == "nothing" else 4
    assert set(found[:, 1].tolist()) <= {10, 11, 12}
    new = found[:, length:]
    assert not np.isin(new, SPOKEN["suppress_tokens"]).any()
    assert not np.isin(new[:, 0], SPOKEN["begin_suppress_tokens"]).any()
    assert_texts(new, answered(theirs, given, count=25, **options), [2])


FORCED: list[tuple[list, list[int]]] = [
    ([[1, 11], [2, 14], [3, 98]], [1, 11, 14, 98]),
    ([[1, 98]], [1, 98]),
    ([[1, 12], [2, 13]], [1, 12, 13, 98]),
]


@pytest.mark.parametrize(("forced", "begun"), FORCED)
def test_tokens_that_files_force(forced: list, begun: list[int], tmp_path: Path) -> None:
    theirs = whisper(1, {**SPOKEN, "forced_decoder_ids": forced})
    ours = loaded(theirs, tmp_path)
    given = sounds(1)
    found = np.asarray(ours.generate(given[0], 10))
    assert found[: len(begun)].tolist() == begun
    told = np.asarray(ours.generate(given[0], 10, language="de"))
    assert told[:4].tolist() == [1, 11, 13, 98]


def test_a_language_that_a_file_leaves_to_hearing(tmp_path: Path) -> None:
    theirs = whisper(1, {**SPOKEN, "forced_decoder_ids": [[1, None], [2, 14]]})
    ours = loaded(theirs, tmp_path)
    given = sounds(2)
    found = np.asarray(ours.generate(given, 10))
    assert set(found[:, 1].tolist()) <= {10, 11, 12}
    assert found[:, 2:4].tolist() == [[14, 98]] * 2
    with torch.no_grad():
        heard = theirs.detect_language(torch.from_numpy(given))
    assert found[:, 1].tolist() == heard.tolist()


def test_a_whisper_of_one_language(tmp_path: Path) -> None:
    ours = loaded(whisper(1, {"no_timestamps_token_id": 98}), tmp_path)
    assert np.asarray(ours.generate(sounds(1)[0], 5))[:2].tolist() == [1, 98]
    for options in ({"language": "en"}, {"task": "transcribe"}):
        with pytest.raises(weft.OptionError, match=f"is told no {next(iter(options))}"):
            ours.generate(sounds(1), 5, **options)


@pytest.mark.parametrize("latest", [None, 0, 5])
@pytest.mark.parametrize("seed", range(3))
def test_times(seed: int, latest: int | None, tmp_path: Path) -> None:
    """Texts with times are those of transformers' rules for scores, one token after the other."""
    spoken = {**SPOKEN, "no_timestamps_token_id": 60}
    if latest is not None:
        spoken["max_initial_timestamp_index"] = latest
    theirs = whisper(seed, spoken)
    ours = loaded(theirs, tmp_path)
    given = sounds(3, seed)
    found = np.asarray(ours.generate(given, 40, language="de", timestamps=True, eos=()))
    assert found[:, :3].tolist() == [[1, 11, 13]] * 3
    process = hf.generation.logits_process
    settings = copy.deepcopy(theirs.generation_config)
    rules = [
        process.SuppressTokensLogitsProcessor(SPOKEN["suppress_tokens"]),
        process.SuppressTokensAtBeginLogitsProcessor(SPOKEN["begin_suppress_tokens"], 3),
        process.WhisperTimeStampLogitsProcessor(settings, begin_index=3),
    ]
    text = torch.tensor([[1, 11, 13]] * 3)
    with torch.no_grad():
        for _ in range(40):
            scores = theirs(torch.from_numpy(given), decoder_input_ids=text).logits[:, -1]
            for rule in rules:
                scores = rule(text, scores)
            text = torch.cat([text, scores.argmax(-1, keepdim=True)], 1)
    np.testing.assert_array_equal(found, text.numpy())


def test_rules_of_times() -> None:
    """What can come is that of transformers' rules, whatever came."""
    random = np.random.default_rng(0)
    settings = hf.GenerationConfig(
        no_timestamps_token_id=29, eos_token_id=20, max_initial_timestamp_index=4
    )
    wanted = hf.generation.logits_process.WhisperTimeStampLogitsProcessor(settings, begin_index=1)
    forced = 0
    for _ in range(10):
        rule, text = Times(30, 20, 4, None), np.zeros((8, 1), np.int64)
        for _ in range(20):
            # Of times together that are about as likely as a word.
            scores = random.standard_normal((8, 50)).astype(np.float32)
            scores[:, 30:] -= random.uniform(0, 4)
            found = np.asarray(rule(weft.asarray(scores), None))
            expected = wanted(torch.from_numpy(text), torch.from_numpy(scores)).numpy()
            np.testing.assert_array_equal(found, expected)
            forced += int(np.isneginf(found[:, :29]).all(axis=1).sum())
            chances = np.where(np.isneginf(found), 0, np.exp(found.astype(np.float64)))
            chances /= chances.sum(1, keepdims=True)
            chosen = np.array([random.choice(50, p=row) for row in chances])
            rule.took(chosen)
            text = np.concatenate([text, chosen[:, None]], axis=1)
    assert 100 < forced < 1500


def test_times_that_a_checkpoint_does_not_have(tmp_path: Path) -> None:
    ours = loaded(whisper(1, {}), tmp_path)
    with pytest.raises(weft.OptionError, match="no no_timestamps_token_id, and no times"):
        ours.generate(sounds(1), 5, timestamps=True)


def test_answers_end(tmp_path: Path) -> None:
    """Each with its first token that ends one, and all with the last of them; then come pads."""
    theirs = random_t5(2)
    ours = loaded(theirs, tmp_path)
    read, mask = texts(4, 8, 5)
    free = np.asarray(ours.generate(read, 20, attention_mask=mask, eos=()))[:, 1:]
    ends = sorted({int(free[row, place]) for row, place in enumerate((2, 4, 1, 6))})
    wanted = answered(theirs, read, mask, count=20, eos_token_id=ends)
    assert wanted.shape[1] < 21
    found = np.asarray(ours.generate(read, 20, attention_mask=mask, eos=ends))
    np.testing.assert_array_equal(found, wanted)


def test_beginnings_of_answers(tmp_path: Path) -> None:
    theirs = random_t5(3)
    ours = loaded(theirs, tmp_path)
    read, begun = tokens(2, 6), tokens(2, 20, seed=4)
    begun[:, 0] = 0  # or else transformers puts it before them
    found = np.asarray(ours.generate(read, 9, decoder_input_ids=begun, eos=()))
    wanted = answered(
        theirs, read, count=9, decoder_input_ids=torch.from_numpy(begun), eos_token_id=None
    )
    np.testing.assert_array_equal(found, wanted)
    single = np.asarray(ours.generate(read[0], 9, decoder_input_ids=begun[0], eos=()))
    np.testing.assert_array_equal(single, found[0])


def test_streaming(tmp_path: Path) -> None:
    ours = loaded(random_t5(3), tmp_path)
    read, mask = texts(3, 9)
    wanted = np.asarray(ours.generate(read, 10, attention_mask=mask, eos=()))[:, 1:]
    assert list(ours.stream(read, 10, attention_mask=mask, eos=())) == wanted.T.tolist()
    one = ours.stream(read[0], 10, eos=())
    assert [next(one) for _ in range(3)] == wanted[0, :3].tolist()
    assert list(one) == wanted[0, 3:].tolist()
    assert list(ours.stream(read, 0)) == []


def test_drawing_is_reproducible(tmp_path: Path) -> None:
    ours = loaded(random_t5(3), tmp_path)
    read = tokens(5)

    def drawn(**options: Any) -> list[int]:
        return ours.generate(read, 24, eos=(), temperature=0.9, **options).tolist()

    assert drawn(seed=1) == drawn(seed=1)
    assert drawn(seed=1) != drawn(seed=2)
    assert drawn(seed=1, top_k=1) == ours.generate(read, 24, eos=()).tolist()
    assert drawn(seed=1, top_p=1e-6) == ours.generate(read, 24, eos=()).tolist()


def test_hidden_tokens_are_not_drawn(tmp_path: Path) -> None:
    ours = loaded(whisper(1), tmp_path)
    new = np.stack(list(ours.stream(sounds(40), 30, language="en", temperature=3.0, seed=0)))
    assert len(set(new.ravel().tolist())) > 30
    assert not np.isin(new, SPOKEN["suppress_tokens"]).any()
    assert not np.isin(new[0], SPOKEN["begin_suppress_tokens"]).any()
    assert np.isin(new[1:], SPOKEN["begin_suppress_tokens"]).any()


def test_one_program_for_all_tokens(tmp_path: Path) -> None:
    """A token costs no trace; a text of another length mostly none."""
    ours = loaded(t5(), tmp_path)
    ours.generate(tokens(2, 9), 20, eos=())
    counts = [each.stats()["traces"] for each in (_generation.read, _t5._read)]
    ours.generate(tokens(2, 9), 50, eos=())
    ours.generate(tokens(2, 14), 50, eos=(), attention_mask=np.ones((2, 14)))
    assert [each.stats()["traces"] for each in (_generation.read, _t5._read)] == counts
    ours = loaded(whisper(), tmp_path / "whisper")
    ours.generate(sounds(1), 20, eos=())
    counts = [each.stats()["traces"] for each in (_generation.read, _whisper._read)]
    ours.generate(sounds(1), 40, eos=(), language="de")
    ours.generate(sounds(1), 40, eos=(), decoder_input_ids=[1], timestamps=True)
    assert [each.stats()["traces"] for each in (_generation.read, _whisper._read)] == counts


def test_a_cache_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the tokens come: a great limit takes no memory, and each length is one trace."""
    ours = loaded(random_t5(3), tmp_path)
    read, mask = texts(2, 9)
    wanted = np.asarray(ours.generate(read, 300, attention_mask=mask, eos=()))
    monkeypatch.setattr(_generation, "_ROOM", 1)
    before = _generation.read.stats()["traces"]
    found = np.asarray(ours.generate(read, 300, attention_mask=mask, eos=()))
    assert _generation.read.stats()["traces"] <= before + 5
    np.testing.assert_array_equal(found, wanted)
    few = ours.stream(read, 10**9, attention_mask=mask, eos=())
    assert [next(few) for _ in range(5)] == wanted[:, 1:6].T.tolist()


def test_what_is_read_is_computed_once(tmp_path: Path) -> None:
    """A token takes no memory that is as large as what the decoder sees of a text."""
    ours = loaded(t5(), tmp_path)
    memory = _t5._read(ours, weft.asarray(tokens(1, 1 << 10)), weft.ones((1, 1 << 10), dtype=bool))
    cache = ours.cache(memory, 1, 64)
    column, start = weft.asarray(tokens(1, 1)), weft.asarray(0)
    for number in range(3):
        weft.stats(reset_peak=True)
        before = weft.stats()["peak_bytes_in_use"]
        _generation.read(ours, column, cache, weft.asarray(number), start)
        taken = weft.stats()["peak_bytes_in_use"] - before
    assert taken < np.asarray(memory.keys[0]).nbytes / 4
    for kept in (*cache.keys, *cache.values):
        assert (np.abs(np.asarray(kept)[0, :, :3]).sum((0, 2)) > 0).all()
        assert not np.asarray(kept)[0, :, 3:].any()


@pytest.mark.parametrize("family", ["t5", "whisper"])
def test_answers_at_places_of_their_own(family: str, tmp_path: Path) -> None:
    """A token of each of several answers gives the scores that it gives alone, to the bit."""
    ours = loaded(t5() if family == "t5" else whisper(), tmp_path)
    if family == "t5":
        memory = _t5._read(ours, weft.asarray(tokens(2, 16)), weft.ones((2, 16), dtype=bool))
    else:
        memory = _whisper._read(ours, weft.asarray(sounds(2)))
    caches = [ours.cache(memory, 2, 64) for _ in range(3)]
    for cache in caches:
        first, last = weft.asarray(0), weft.asarray(4)
        _generation.read(ours, weft.asarray(tokens(2, 16)), cache, first, last)
    new, places = tokens(2, seed=5), [5, 3]
    found = _generation.write(ours, weft.asarray(new), caches[0], weft.asarray(places))
    for row, cache in enumerate(caches[1:]):
        column, start = weft.asarray(new.reshape(2, 1)), weft.asarray(0)
        wanted = _generation.read(ours, column, cache, weft.asarray(places[row]), start)
        np.testing.assert_array_equal(np.asarray(found)[row], np.asarray(wanted)[row])


def test_a_model_leaves_as_a_program(tmp_path: Path) -> None:
    read, mask = texts(3, 7)
    for ours, given in (
        (loaded(t5(), tmp_path / "t5"), [read, mask, tokens(3, 4)]),
        (loaded(whisper(), tmp_path / "whisper"), [sounds(2), tokens(2, 4)]),
    ):
        specs = dict(zip(ours.input_names, ours.specs, strict=True))
        weft.export(ours, **specs).save(tmp_path / "model.weft")
        found = weft.load(tmp_path / "model.weft")(
            **dict(zip(ours.input_names, map(weft.asarray, given), strict=True))
        )
        wanted = weft.jit(ours)(*given)
        for key, value in wanted.items():
            np.testing.assert_array_equal(np.asarray(found[key]), np.asarray(value))


def test_answers_on_devices(tmp_path: Path) -> None:
    ours = loaded(t5(d_model=8, num_layers=1, d_ff=8, num_heads=1), tmp_path)
    wanted = ours.generate([3, 4], 3, eos=()).tolist()
    ours.to("emulator")
    assert ours.device == weft.device("emulator")
    assert ours.generate([3, 4], 3, eos=()).tolist() == wanted


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_packages(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(t5(), tmp_path)
    saved(whisper(), tmp_path / "whisper")
    monkeypatch.setitem(sys.modules, package, None)
    assert weft.models.load(tmp_path).generate([3, 4], 2, eos=()).shape == (3,)
    ours = weft.models.load(tmp_path / "whisper")
    assert ours.generate(sounds(1), 2, eos=(), language="en").shape == (1, 6)


def test_the_task_decides(tmp_path: Path) -> None:
    assert type(loaded(t5(), tmp_path)).__name__ == "T5"
    assert type(weft.models.load(tmp_path, task="text2text-generation")).__name__ == "T5"
    saved(whisper(), tmp_path / "whisper")
    task = "automatic-speech-recognition"
    assert type(weft.models.load(tmp_path / "whisper", task=task)).__name__ == "Whisper"
