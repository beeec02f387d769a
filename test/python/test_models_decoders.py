"""Decoders of checkpoints: scores and texts are those of transformers."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from model_folders import DECODERS, decoder, saved  # noqa: E402
from weft.models import _generation  # noqa: E402

pytestmark = pytest.mark.usefixtures("quiet_torch")


def tokens(*shape: int, seed: int = 0) -> np.ndarray:
    """Tokens that end no text."""
    return np.random.default_rng(seed).integers(3, 99, shape)


def written(model: torch.nn.Module, prompt: np.ndarray, count: int, **options) -> np.ndarray:
    """What transformers' generate gives."""
    with torch.no_grad():
        return model.generate(
            torch.from_numpy(prompt),
            attention_mask=torch.ones(prompt.shape, dtype=torch.int64),
            max_new_tokens=count,
            do_sample=False,
            **{"pad_token_id": 0, **options},
        ).numpy()


#: Models of each way to know where a token is, and of experts.
PLACED = [
    *("Gemma2", "Gemma3", "OPT", "GPT-NeoX", "Falcon, biases of distances", "BLOOM", "MPT"),
    *("Cohere", "Mixtral"),
]


def assert_scores(ours: np.ndarray, theirs: torch.nn.Module, prompt: np.ndarray) -> None:
    """As far from the exact scores as PyTorch's own are, up to the order of sums."""
    with torch.no_grad():
        expected = theirs(torch.from_numpy(prompt)).logits.double().numpy()
        exact = copy.deepcopy(theirs).double()(torch.from_numpy(prompt)).logits.numpy()
    bound = 8 * np.abs(expected - exact).max() + 64 * 2**-24 * np.abs(exact).max()
    assert np.abs(ours - exact).max() <= bound


@pytest.mark.parametrize("name", DECODERS)
def test_scores_and_texts(name: str, tmp_path: Path) -> None:
    theirs = decoder(name)
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt = tokens(2, 11)
    assert_scores(np.asarray(weft.jit(ours.forward)(weft.asarray(prompt))), theirs, prompt)
    found = np.asarray(ours.generate(prompt, 30, eos=()))
    np.testing.assert_array_equal(found, written(theirs, prompt, 30, eos_token_id=None))


@pytest.mark.parametrize("name", PLACED)
def test_texts_that_are_filled_up(name: str, tmp_path: Path) -> None:
    """On the left: texts and scores are those of texts that are alone, and of transformers."""
    theirs = decoder(name)
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt, mask = tokens(3, 9), np.ones((3, 9), np.int64)
    for row, skipped in enumerate((0, 3, 8)):
        mask[row, :skipped] = 0
    scores = np.asarray(ours(prompt, attention_mask=mask).detach())
    for row, skipped in enumerate((0, 3, 8)):
        single = np.asarray(ours(prompt[row : row + 1, skipped:]).detach())
        bound = 64 * 2**-24 * np.abs(single).max()
        assert np.abs(scores[row, skipped:] - single[0]).max() <= bound
    found = np.asarray(ours.generate(prompt, 20, eos=(), attention_mask=mask))
    with torch.no_grad():
        wanted = theirs.generate(
            torch.from_numpy(prompt),
            attention_mask=torch.from_numpy(mask),
            max_new_tokens=20,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=None,
        )
    np.testing.assert_array_equal(found, wanted.numpy())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_narrow_and_wide_weights(dtype: torch.dtype, tmp_path: Path) -> None:
    """Weights keep the file's dtype; what is computed with them is float32, or float64."""
    theirs = decoder("LLaMA, shared keys", dtype)
    ours = weft.models.load(saved(theirs, tmp_path))
    assert ours.lm_head.weight.dtype.name == str(dtype).removeprefix("torch.")
    # Not theirs.to(): that would round the speeds of turning, too.
    computed = torch.float64 if dtype is torch.float64 else torch.float32
    wide = hf.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=computed).eval()
    prompt = tokens(1, 6)
    assert_scores(np.asarray(ours(weft.asarray(prompt)).detach()), wide, prompt)
    found = np.asarray(ours.generate(prompt, 12, eos=()))
    np.testing.assert_array_equal(found, written(wide, prompt, 12, eos_token_id=None))


@pytest.mark.parametrize("length", [1, 15, 16, 17, 255, 256, 257, 300])
def test_prompts_of_all_lengths(length: int, tmp_path: Path) -> None:
    """Prompts are read in pieces, which are filled up."""
    theirs = decoder("Mistral")
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt = tokens(1, length, seed=length)
    found = np.asarray(ours.generate(prompt, 5, eos=()))
    np.testing.assert_array_equal(found, written(theirs, prompt, 5, eos_token_id=None))


def test_positions_up_to_the_last(tmp_path: Path) -> None:
    theirs = decoder("GPT-2")
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt = tokens(1, 509)
    found = np.asarray(ours.generate(prompt, 3, eos=()))
    np.testing.assert_array_equal(found, written(theirs, prompt, 3, eos_token_id=None))
    with pytest.raises(weft.OptionError, match="512 that the model has positions for"):
        ours.generate(prompt, 4)


def test_positions_that_longer_texts_turn_otherwise(tmp_path: Path) -> None:
    """LongRoPE: scores of any length, and texts up to those of the training."""
    theirs = decoder("Phi3, LongRoPE")
    ours = weft.models.load(saved(theirs, tmp_path))
    for length in (1, 63, 64, 65, 130):
        prompt = tokens(2, length)
        assert_scores(np.asarray(ours(prompt).detach()), theirs, prompt)
    # Each text by its own length.
    prompt, mask = tokens(2, 70), np.ones((2, 70), np.int64)
    mask[1, :50] = 0
    found = np.asarray(ours(prompt, attention_mask=mask).detach())
    assert_scores(found[:1], theirs, prompt[:1])
    assert_scores(found[1:, 50:], theirs, prompt[1:, 50:])


@pytest.mark.parametrize("length", [50, 63, 64, 65])
def test_texts_grow_beyond_what_turns_positions_otherwise(length: int, tmp_path: Path) -> None:
    """All that was read of a text is read anew, once, alone or beside others."""
    theirs = decoder("Phi3, LongRoPE")
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt, mask = tokens(3, length), np.ones((3, length), np.int64)
    wanted = written(theirs, prompt, 20, eos_token_id=None)
    np.testing.assert_array_equal(np.asarray(ours.generate(prompt, 20, eos=())), wanted)
    # Others cross at tokens of their own, or do not.
    mask[1, :4], mask[2, :40] = 0, 0
    found = np.asarray(ours.generate(prompt, 20, eos=(), attention_mask=mask))
    for row, skipped in enumerate((0, 4, 40)):
        single = written(theirs, prompt[row : row + 1, skipped:], 20, eos_token_id=None)
        np.testing.assert_array_equal(found[row, skipped:], single[0])
    beams = np.asarray(ours.generate(prompt, 20, eos=(), num_beams=3))
    wanted = written(theirs, prompt, 20, eos_token_id=None, num_beams=3)
    np.testing.assert_array_equal(beams, wanted)


def test_texts_end(tmp_path: Path) -> None:
    """Each with its first token that ends one, and all with the last of them."""
    theirs = decoder("LLaMA")
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt = tokens(4, 8)
    free = np.asarray(ours.generate(prompt, 20, eos=()))[:, 8:]
    ends = [int(free[row, place]) for row, place in enumerate((2, 4, 1, 6))]
    wanted = written(theirs, prompt, 20, eos_token_id=ends)
    assert wanted.shape[1] < 28
    np.testing.assert_array_equal(np.asarray(ours.generate(prompt, 20, eos=ends)), wanted)
    single = np.asarray(ours.generate(prompt[0], 20, eos=ends[0]))
    assert single[-1] == ends[0]
    assert (single[8:-1] != ends[0]).all()


def test_the_end_is_that_of_the_generation_config(tmp_path: Path) -> None:
    theirs = decoder("LLaMA")
    theirs.generation_config.eos_token_id = [7, 9]
    assert weft.models.load(saved(theirs, tmp_path)).eos == (7, 9)


def test_one_program_for_each_length_of_a_cache(tmp_path: Path) -> None:
    """A token costs no trace, wherever it is; a prompt of another length mostly none."""
    ours = weft.models.load(saved(decoder("LLaMA"), tmp_path))
    ours.generate(tokens(9), 20)
    before = _generation.read.stats()["traces"]
    ours.generate(tokens(9), 50, eos=())
    ours.generate(tokens(14), 50, eos=())
    assert _generation.read.stats()["traces"] == before
    ours.generate(tokens(30), 50, eos=())
    assert _generation.read.stats()["traces"] <= before + 2


def test_a_token_is_written_in_place(tmp_path: Path) -> None:
    """A step takes no memory that is as large as a cache, which has other values behind it."""
    ours = weft.models.load(saved(decoder("LLaMA"), tmp_path))
    cache = ours.cache(1, 1 << 16)
    column, start = weft.asarray(tokens(1, 1)), weft.asarray(0)
    for number in range(3):
        weft.stats(reset_peak=True)
        before = weft.stats()["peak_bytes_in_use"]
        _generation.read(ours, column, cache, weft.asarray(number), start)
        taken = weft.stats()["peak_bytes_in_use"] - before
    assert taken < np.asarray(cache.keys[0]).nbytes / 4
    for kept in (*cache.keys, *cache.values):
        assert (np.abs(np.asarray(kept)[0, :, :3]).sum((0, 2)) > 0).all()
        assert not np.asarray(kept)[0, :, 3:].any()


@pytest.mark.parametrize("name", DECODERS)
def test_texts_at_places_of_their_own(name: str, tmp_path: Path) -> None:
    """A token of each of several texts gives the scores that it gives alone, to the bit."""
    ours = weft.models.load(saved(decoder(name), tmp_path))
    lengths = [1, 9, 16, 4]
    several, singles = ours.cache(4, 64), [ours.cache(1, 64) for _ in lengths]
    for row, (length, single) in enumerate(zip(lengths, singles, strict=True)):
        filled = np.pad(tokens(1, length, seed=row), ((0, 0), (0, 16 - length)))
        first, last = weft.asarray(0), weft.asarray(length - 1)
        _generation.read(ours, weft.asarray(filled), single, first, last)
        _generation.moved(several, weft.asarray(row), single)
    for number in range(5):
        new = tokens(4, seed=number)
        places = weft.asarray([length + number for length in lengths])
        found = np.asarray(_generation.write(ours, weft.asarray(new), several, places))
        for row, single in enumerate(singles):
            column = weft.asarray(new[row].reshape(1, 1))
            wanted = _generation.read(ours, column, single, places[row], weft.asarray(0))
            np.testing.assert_array_equal(found[row], np.asarray(wanted)[0])


def test_tokens_of_several_texts_are_written_in_place(tmp_path: Path) -> None:
    """As of one text; and that a text takes a row copies no other one."""
    ours = weft.models.load(saved(decoder("LLaMA"), tmp_path))
    cache, single = ours.cache(8, 1 << 14), ours.cache(1, 1 << 14)
    for number in range(3):
        weft.stats(reset_peak=True)
        before = weft.stats()["peak_bytes_in_use"]
        places = weft.asarray(np.arange(8) * 1000 + number)
        _generation.write(ours, weft.asarray(tokens(8)), cache, places)
        written_with = weft.stats()["peak_bytes_in_use"] - before
        weft.stats(reset_peak=True)
        before = weft.stats()["peak_bytes_in_use"]
        _generation.moved(cache, weft.asarray(number), single)
        moved_with = weft.stats()["peak_bytes_in_use"] - before
    whole = np.asarray(cache.keys[0]).nbytes
    assert written_with < whole / 4
    assert moved_with < whole / 4


def test_streaming(tmp_path: Path) -> None:
    ours = weft.models.load(saved(decoder("LLaMA"), tmp_path))
    prompt = tokens(5)
    wanted = np.asarray(ours.generate(prompt, 10, eos=()))[5:].tolist()
    found = ours.stream(prompt, 10, eos=())
    assert [next(found) for _ in range(4)] == wanted[:4]
    assert list(found) == wanted[4:]
    rows = list(ours.stream(np.stack([prompt, prompt]), 10, eos=()))
    assert rows == [[token, token] for token in wanted]
    assert list(ours.stream(prompt, 0)) == []


def test_drawing_is_reproducible(tmp_path: Path) -> None:
    ours = weft.models.load(saved(decoder("LLaMA"), tmp_path))
    prompt = tokens(5)

    def drawn(**options) -> list[int]:
        return ours.generate(prompt, 24, eos=(), temperature=0.9, **options).tolist()

    assert drawn(seed=1) == drawn(seed=1)
    assert drawn(seed=1) != drawn(seed=2)
    assert drawn(seed=1, top_k=1) == ours.generate(prompt, 24, eos=()).tolist()
    assert drawn(seed=1, top_p=1e-6) == ours.generate(prompt, 24, eos=()).tolist()
    assert drawn(seed=1, top_k=1000) == drawn(seed=1, top_k=99)
    weft.manual_seed(3)
    first, second = drawn(), drawn()
    assert first != second
    weft.manual_seed(3)
    assert [drawn(), drawn()] == [first, second]


@pytest.mark.parametrize("top_p", [None, 0.5, 0.9])
@pytest.mark.parametrize("top_k", [None, 5])
def test_tokens_are_drawn_by_their_chances(top_k: int | None, top_p: float | None) -> None:
    """Of the tokens that transformers' own rules leave, as often as their chances say."""
    count, temperature = 4000, 0.7
    scores = np.random.default_rng(0).standard_normal(20).astype(np.float32) * 2
    warped = torch.from_numpy(scores)[None] / temperature
    process = hf.generation.logits_process
    if top_k is not None:
        warped = process.TopKLogitsWarper(top_k)(None, warped)
    if top_p is not None:
        warped = process.TopPLogitsWarper(top_p)(None, warped)
    chances = torch.softmax(warped[0].double(), -1).numpy()
    choose = _generation.Chooser(_generation.Drawing(temperature, top_k, top_p, 0))
    rows = weft.asarray(np.tile(scores, (count, 1)))
    found = np.bincount(choose(rows, 0), minlength=20)
    assert set(np.flatnonzero(found)) <= set(np.flatnonzero(chances))
    # Six deviations of a binomial.
    assert (np.abs(found - count * chances) <= 6 * np.sqrt(count * chances) + 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature has to be a number from 0 on, not -1"),
        ({"temperature": float("nan")}, "temperature has to be"),
        ({"temperature": 1, "top_k": 0}, "top_k has to be an integer from 1 on"),
        ({"temperature": 1, "top_p": 0.0}, "top_p has to be a number above 0"),
        ({"temperature": 1, "seed": 0.5}, "seed has to be an integer"),
        ({"top_k": 3}, "top_k is for drawing"),
        ({"eos": "x"}, "eos has to be tokens"),
        ({"max_new_tokens": -1}, "max_new_tokens has to be"),
        ({"max_new_tokens": 10**9}, "more than the 512"),
        ({"prompt": [[]]}, "at least one token"),
        ({"prompt": [[[1]]]}, "not of shape"),
        ({"prompt": [0.5]}, "integers"),
        ({"prompt": [99]}, "vocabulary has 99"),
        ({"prompt": [-1]}, "vocabulary has 99"),
    ],
)
def test_wrong_arguments(options: dict, message: str, tmp_path_factory) -> None:
    ours = _small(tmp_path_factory)
    given = {"prompt": [1, 2], "max_new_tokens": 4, **options}
    for method in (ours.generate, ours.stream):
        with pytest.raises(weft.WeftError, match=message):
            method(given["prompt"], **{k: v for k, v in given.items() if k != "prompt"})


_made = []


def _small(factory) -> weft.nn.Module:
    if not _made:
        _made.append(weft.models.load(saved(decoder("LLaMA"), factory.mktemp("small"))))
    return _made[0]


@pytest.mark.parametrize("name", ["Qwen2", "Phi3, LongRoPE", *PLACED])
def test_a_decoder_is_exported(name: str, tmp_path: Path) -> None:
    """As any module: its scores leave the process as a program."""
    theirs = decoder(name)
    ours = weft.models.load(saved(theirs, tmp_path))
    program = weft.export(ours, weft.spec(("texts", "length"), weft.int64))
    program.save(tmp_path / "model.weft")
    for prompt in (tokens(1, 7), tokens(2, 70)):
        found = np.asarray(weft.load(tmp_path / "model.weft")(weft.asarray(prompt)))
        wanted = np.asarray(weft.jit(ours.forward)(weft.asarray(prompt)))
        np.testing.assert_array_equal(found, wanted)


def test_narrow_weights_on_top(tmp_path: Path) -> None:
    """The layers are weft's own, so that what works on these works here."""
    theirs = decoder("LLaMA")
    ours = weft.models.load(saved(theirs, tmp_path))
    weft.nn.utils.narrow_weights(ours, {"*": "int8"})
    assert ours.layers[0].mlp.up_proj.weight.dtype == weft.int8
    assert ours.generate(tokens(1, 4), 5, eos=()).shape == (1, 9)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        *(("LLaMA, tied, biases", weights) for weights in ("int8", "int4")),
        *(("Gemma2", "int8"), ("BLOOM", "int4"), ("OPT, norms of sums", "int8")),
        *(("Falcon, shared keys", "int4"), ("Qwen2-MoE", "int8")),
    ],
)
def test_weights_of_few_bits(name: str, weights: str, tmp_path: Path) -> None:
    """Also of the table, which is the head as well, and of experts."""
    theirs = decoder(name)
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt = tokens(1, 6)
    before = np.asarray(ours(weft.asarray(prompt)))
    weft.quantize(ours, weights, group=32)
    assert not {weft.nn.Linear, weft.nn.Embedding} & {type(each) for each in ours.modules()}
    assert isinstance(ours.embed_tokens, weft.nn.QuantizedEmbedding)
    after = np.asarray(ours(weft.asarray(prompt)))
    limit = {"int8": 0.05, "int4": 0.5}[weights]
    assert np.abs(after - before).max() < limit * np.abs(before).max()
    assert ours.generate(prompt, 5, eos=()).shape == (1, 11)


def test_no_random_numbers_are_used_up(tmp_path: Path) -> None:
    saved(decoder("LLaMA"), tmp_path)
    weft.manual_seed(0)
    wanted = weft.rand(3).tolist()
    weft.manual_seed(0)
    weft.models.load(tmp_path)
    assert weft.rand(3).tolist() == wanted
