"""Beam search: texts are those of transformers, whatever is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from answer_folders import sounds, t5, texts, whisper  # noqa: E402
from model_folders import DECODERS, saved  # noqa: E402
from weft.models import _beams, _generation  # noqa: E402

pytestmark = pytest.mark.usefixtures("quiet_torch")


def tokens(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(3, 99, shape)


def flat(name: str, seed: int) -> Any:
    """A decoder whose tokens are about equally likely, so that beams cross each other."""
    model = hf.AutoModelForCausalLM.from_config(DECODERS[name]())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.15 * torch.randn(weight.shape, generator=generator) + (weight == 1))
    return model.eval()


def searched(model: Any, *given: np.ndarray, count: int, **options: Any) -> np.ndarray:
    """What transformers' generate gives."""
    mask = {"attention_mask": torch.from_numpy(given[1])} if len(given) > 1 else {}
    if not mask and given[0].ndim == 2:
        mask = {"attention_mask": torch.ones(given[0].shape, dtype=torch.int64)}
    with torch.no_grad():
        return model.generate(
            torch.from_numpy(given[0]), **mask, max_new_tokens=count, do_sample=False, **options
        ).numpy()


def texts_of(rows: np.ndarray, begun: int, ends: list[int]) -> list[list[int]]:
    """Texts up to their ends: behind these transformers writes no pad_token_id that is 0."""
    found = []
    for row in rows.tolist():
        end = next((n for n in range(begun, len(row)) if row[n] in ends), len(row))
        found.append(row[: end + 1])
    return found


def drawn_options(random: np.random.Generator) -> dict[str, Any]:
    beams = int(random.integers(2, 6))
    return {
        "num_beams": beams,
        "num_return_sequences": int(random.integers(1, beams + 1)),
        "length_penalty": float(random.choice([-1.0, 0.0, 0.5, 1.0, 2.0])),
        "early_stopping": [False, True, "never"][random.integers(3)],
    }


def drawn_ends(random: np.random.Generator) -> list[int]:
    """None, a few that come now and then, or so many that texts end early."""
    count = int(random.choice([0, 1, 2, 8, 40]))
    return [int(token) for token in random.choice(np.arange(3, 99), count, replace=False)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["GPT-2", "LLaMA, shared keys", "Mistral"])
def test_texts_of_decoders(name: str, seed: int, tmp_path: Path) -> None:
    theirs = flat(name, seed)
    ours = weft.models.load(saved(theirs, tmp_path))
    random = np.random.default_rng(seed)
    for number in range(6):
        options, ends = drawn_options(random), drawn_ends(random)
        prompt = tokens(int(random.integers(1, 4)), int(random.integers(1, 9)), seed=number)
        count = int(random.choice([1, 2, 12, 25]))
        found = np.asarray(ours.generate(prompt, count, eos=ends, **options))
        wanted = searched(theirs, prompt, count=count, eos_token_id=ends or None, **options)
        length = prompt.shape[1]
        assert texts_of(found, length, ends) == texts_of(wanted, length, ends), (options, ends)
        assert found.shape == wanted.shape


@pytest.mark.parametrize("seed", range(6))
def test_texts_of_t5(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    theirs = t5(seed)
    ours = weft.models.load(saved(theirs, tmp_path))
    for number in range(4):
        options, ends = drawn_options(random), drawn_ends(random)
        read, mask = texts(int(random.integers(1, 4)), int(random.integers(1, 9)), number)
        found = np.asarray(ours.generate(read, 15, attention_mask=mask, eos=ends, **options))
        wanted = searched(theirs, read, mask, count=15, eos_token_id=ends or None, **options)
        assert texts_of(found, 1, ends) == texts_of(wanted, 1, ends), (options, ends)


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_texts_of_whisper(seed: int, timestamps: bool, tmp_path: Path) -> None:
    """Suppressed tokens do not come, and the rules of times hold for each beam."""
    random = np.random.default_rng(seed)
    theirs = whisper(seed)
    ours = weft.models.load(saved(theirs, tmp_path))
    for number in range(3):
        options = drawn_options(random)
        options["num_return_sequences"] = 1
        given = sounds(int(random.integers(1, 4)), number)
        told = {"language": "de", "task": "transcribe"}
        found = np.asarray(ours.generate(given, 20, **told, timestamps=timestamps, **options))
        begun = [1, 11, 13] if timestamps else [1, 11, 13, 98]
        assert (found[:, : len(begun)] == begun).all()
        rule = _whisper_texts(theirs, given, begun, timestamps, options)
        assert texts_of(found, len(begun), [2]) == texts_of(rule, len(begun), [2]), options


def _whisper_texts(
    model: Any, given: np.ndarray, begun: list[int], timestamps: bool, options: dict[str, Any]
) -> np.ndarray:
    """What the search that all models of transformers have gives with Whisper's rules."""
    process = hf.generation.logits_process
    config = model.generation_config
    rules = hf.LogitsProcessorList(
        [
            process.SuppressTokensLogitsProcessor(config.suppress_tokens),
            process.SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, len(begun)),
        ]
    )
    if timestamps:
        rules.append(process.WhisperTimeStampLogitsProcessor(config, begin_index=len(begun)))
    plain = hf.GenerationConfig(
        eos_token_id=2, pad_token_id=0, decoder_start_token_id=1, max_new_tokens=20, **options
    )
    with torch.no_grad():
        return hf.generation.GenerationMixin.generate(
            model,
            torch.from_numpy(given),
            generation_config=plain,
            decoder_input_ids=torch.tensor([begun] * len(given)),
            logits_processor=rules,
        ).numpy()


def test_a_single_text(tmp_path: Path) -> None:
    ours = weft.models.load(saved(flat("LLaMA", 0), tmp_path))
    prompt = tokens(2, 5)
    several = ours.generate(prompt, 9, eos=(), num_beams=3, num_return_sequences=2).tolist()
    assert ours.generate(prompt[0], 9, eos=(), num_beams=3).tolist() == several[0]
    found = ours.generate(prompt[1], 9, eos=(), num_beams=3, num_return_sequences=2).tolist()
    assert found == several[2:]
    assert list(ours.stream(prompt[0], 9, eos=(), num_beams=3)) == several[0][5:]
    assert ours.generate(prompt, 0, num_beams=3, num_return_sequences=2).shape == (4, 5)


def test_a_search_finds_likelier_texts(tmp_path: Path) -> None:
    """More beams find no less likely text here, and mostly a likelier one."""
    ours = weft.models.load(saved(flat("GPT-2", 1), tmp_path))
    prompt = tokens(4, 5)

    def chances(beams: int) -> np.ndarray:
        found = ours.generate(prompt, 12, eos=(), num_beams=beams)
        logs = np.asarray(weft.log_softmax(ours(found), -1).detach())
        new = np.asarray(found)[:, 5:]
        return np.take_along_axis(logs[:, 4:-1], new[..., None], 2).sum((1, 2))

    many, one = chances(8), chances(1)
    assert (many > one - 1e-4).all()
    assert (many > one + 0.1).sum() >= 3


def test_several_drawn_texts(tmp_path: Path) -> None:
    ours = weft.models.load(saved(flat("LLaMA", 0), tmp_path))
    found = ours.generate(
        tokens(2, 5), 9, eos=(), temperature=1.0, seed=1, num_return_sequences=3
    ).tolist()
    assert [row[:5] for row in found] == [row for row in tokens(2, 5).tolist() for _ in range(3)]
    assert len({tuple(row) for row in found}) == 6


def test_no_trace_for_a_token(tmp_path: Path) -> None:
    ours = weft.models.load(saved(flat("LLaMA", 0), tmp_path))
    programs = (_generation.read, _generation.follow, _beams.best, _beams._chances)
    ours.generate(tokens(2, 9), 20, eos=(), num_beams=3)
    before = [each.stats()["traces"] for each in programs]
    ours.generate(tokens(2, 12), 45, eos=(), num_beams=3, length_penalty=0.5)
    assert [each.stats()["traces"] for each in programs] == before


def test_a_cache_grows_in_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = weft.models.load(saved(flat("LLaMA", 0), tmp_path))
    prompt = tokens(2, 9)
    wanted = ours.generate(prompt, 90, eos=(), num_beams=2).tolist()
    monkeypatch.setattr(_generation, "_ROOM", 8)
    assert ours.generate(prompt, 90, eos=(), num_beams=2).tolist() == wanted


def test_fewer_tokens_than_beams_look_at() -> None:
    """A vocabulary of three has no six tokens that may follow."""
    sums = weft.asarray(np.array([[0.0, -1e9]], np.float32))
    values, places = _beams.best(weft.asarray(np.log(np.full((2, 3), 1 / 3, "f4"))), sums, None, 9)
    assert values.shape == places.shape == (1, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 0}, "num_beams has to be an integer from 1 on, not 0"),
        ({"num_beams": True}, "num_beams has to be"),
        ({"num_beams": 2, "length_penalty": float("nan")}, "length_penalty has to be a number"),
        ({"num_beams": 2, "early_stopping": "soon"}, "early_stopping has to be True, False or"),
        ({"num_beams": 2, "temperature": 1.0}, "num_beams looks for the likeliest text"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences is 3, but there are 2"),
        ({"num_return_sequences": 2}, "give num_beams, or a temperature"),
        ({"length_penalty": 2.0}, "are for a search: give num_beams"),
        ({"num_beam": 2}, "unexpected keyword argument 'num_beam': the model takes prompt, max"),
    ],
)
def test_searches_that_can_t_be(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    ours = weft.models.load(saved(flat("LLaMA", 0), tmp_path))
    with pytest.raises(weft.OptionError, match=message):
        ours.generate([3, 4], 5, **options)
