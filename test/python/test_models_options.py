"""Random options of `generate`: texts are those of transformers, drawn ones by its chances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from model_folders import decoder, saved  # noqa: E402
from random_programs import count_of_examples  # noqa: E402

#: Of each model; its programs serve all of them.
EXAMPLES = min(count_of_examples(6), 300)
MODELS = ("LLaMA", "Mistral", "GPT-2", "Phi")
#: So many tokens are drawn for a frequency.
DRAWN = 3000


pytestmark = pytest.mark.usefixtures("quiet_torch")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """Models of transformers, and of weft."""
    found = {}
    for name in MODELS:
        theirs = decoder(name)
        # Nothing but what a call says, and many ends, so that texts do end.
        # (A pad_token_id of 0 is none to transformers' beams.)
        theirs.generation_config = hf.GenerationConfig(pad_token_id=1, eos_token_id=[2, 5, 50, 77])
        folder = saved(theirs, tmp_path_factory.mktemp("model"))
        found[name] = theirs, weft.models.load(folder)
    return found


def _one(random: np.random.Generator, *values: Any) -> Any:
    return values[random.integers(len(values))]


def _rows(random: np.random.Generator, count: int) -> list[list[int]]:
    """Rows of few tokens, so that texts come near them."""
    return [random.integers(3, 99, random.integers(1, 4)).tolist() for _ in range(count)]


def _options(random: np.random.Generator) -> dict[str, Any]:
    """What weft and transformers have by the same names."""
    drawn = {
        "repetition_penalty": _one(random, None, 1.3, 5.0, 0.7),
        "no_repeat_ngram_size": int(_one(random, 0, 1, 2, 3, 20)),
        "bad_words_ids": _one(random, None, _rows(random, 1), _rows(random, 60)),
        # What fills texts up does not come: to no_repeat_ngram_size of transformers it is text.
        "suppress_tokens": _one(random, [0], [0, *random.integers(3, 99, 30).tolist()]),
        "min_new_tokens": int(_one(random, 0, 0, 3, 50)),
    }
    return {name: value for name, value in drawn.items() if value}


def _prompts(random: np.random.Generator, texts: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts, which repeat themselves, and shorter ones are filled up on the left."""
    length = int(_one(random, 1, 5, 12))
    prompt = random.integers(3, int(_one(random, 6, 99)), (texts, length))
    mask = np.ones_like(prompt)
    if random.random() < 0.6:
        for row in range(texts):
            mask[row, : random.integers(length)] = 0
    return np.where(mask, prompt, 0), mask


def _ends(random: np.random.Generator) -> dict[str, Any]:
    own = _one(random, None, 7, [7, 9, 11, *range(30, 60)])
    return {} if own is None else {"eos": own}


def _theirs(model: Any, tokens: np.ndarray, mask: np.ndarray, **options: Any) -> np.ndarray:
    if "eos" in options:
        options["eos_token_id"] = options.pop("eos")
    if "repetition_penalty" in options:
        options["repetition_penalty"] = float(options["repetition_penalty"])
    with torch.no_grad():
        found = model.generate(
            torch.from_numpy(tokens),
            attention_mask=torch.from_numpy(mask),
            do_sample=False,
            **options,
        )
    return found.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_texts(name: str, pairs: dict[str, tuple[Any, Any]]) -> None:
    """The likeliest, and those of beams."""
    theirs, ours = pairs[name]
    for example in range(EXAMPLES):
        random = np.random.default_rng([example, *name.encode()])
        options = {**_options(random), **_ends(random), "num_beams": int(_one(random, 1, 1, 3))}
        if options["num_beams"] > 1 and random.random() < 0.5:
            options["length_penalty"] = float(_one(random, 0.0, 2.0, -1.0))
            options["early_stopping"] = _one(random, True, False, "never")
        tokens, mask = _prompts(random, int(_one(random, 1, 3)))
        count = int(_one(random, 1, 12))
        wanted = _theirs(theirs, tokens, mask, max_new_tokens=count, **options)
        found = np.asarray(ours.generate(tokens, count, attention_mask=mask, **options))
        note = f"example {example}: {options}, {tokens.tolist()}, {mask.tolist()}"
        np.testing.assert_array_equal(found, wanted, err_msg=note)


@pytest.mark.parametrize("name", ["LLaMA"])
def test_drawn_tokens(name: str, pairs: dict[str, tuple[Any, Any]]) -> None:
    """As often as by the scores that transformers processes, and never those that it leaves out."""
    theirs, ours = pairs[name]
    for example in range(EXAMPLES // 3):
        random = np.random.default_rng([example, 77])
        tokens, mask = _prompts(random, 1)
        options = _options(random)
        drawing: dict[str, Any] = {
            "temperature": float(_one(random, 0.5, 1.0, 1.7)),
            "top_k": _one(random, None, 5, 40, 200),
            "top_p": _one(random, None, 0.3, 0.9),
            "min_p": _one(random, None, 0.0, 0.1, 0.6),
        }
        how = {key: value for key, value in drawing.items() if value is not None}
        drawn = ours.generate(
            *(tokens, 1),
            attention_mask=mask,
            num_return_sequences=DRAWN,
            seed=example,
            **how,
            **options,
        )
        counts = np.bincount(np.asarray(drawn)[:, -1], minlength=99)
        with torch.no_grad():
            scores = theirs.generate(
                torch.from_numpy(tokens),
                attention_mask=torch.from_numpy(mask),
                max_new_tokens=1,
                do_sample=True,
                output_scores=True,
                return_dict_in_generate=True,
                **{"top_k": 0, **how},
                **options,
            ).scores[0]
        chances = torch.softmax(scores.double(), -1)[0].numpy()
        # Six standard deviations of a count.
        bound = 6 * np.sqrt(DRAWN * chances * (1 - chances)) + 1 * (chances > 0)
        assert (np.abs(counts - DRAWN * chances) <= bound).all(), (how, options)


def test_texts_that_are_filled_up_are_as_alone(pairs: dict[str, tuple[Any, Any]]) -> None:
    """Also those whose last tokens are in another piece than the longest one's."""
    _, ours = pairs["LLaMA"]
    random = np.random.default_rng(3)
    lengths = [300, 1, 256, 257, 40]
    texts = [random.integers(3, 99, length) for length in lengths]
    tokens = np.stack([np.pad(text, (max(lengths) - len(text), 0)) for text in texts])
    mask = np.stack([np.arange(max(lengths)) >= max(lengths) - length for length in lengths])
    found = np.asarray(ours.generate(tokens, 6, attention_mask=mask, eos=[]))
    for row, text in zip(found, texts):
        wanted = np.asarray(ours.generate(text, 6, eos=[]))
        np.testing.assert_array_equal(row[max(lengths) :], wanted[len(text) :])
    rows = list(ours.stream(tokens, 6, attention_mask=mask, eos=[]))
    np.testing.assert_array_equal(np.transpose(rows), found[:, max(lengths) :])


@pytest.mark.parametrize("name", MODELS)
def test_scores_with_a_mask(name: str, pairs: dict[str, tuple[Any, Any]]) -> None:
    """Of texts that are filled up on either side: their own tokens' are transformers'."""
    theirs, ours = pairs[name]
    random = np.random.default_rng(5)
    tokens = random.integers(3, 99, (3, 11))
    mask = np.ones_like(tokens)
    mask[0, :4], mask[1, 7:] = 0, 0
    places = torch.from_numpy(np.maximum(np.cumsum(mask, 1) - 1, 0))
    given = {"attention_mask": torch.from_numpy(mask), "position_ids": places}
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(tokens), **given).logits.numpy()
    found = np.asarray(ours(tokens, attention_mask=mask).detach())
    own = mask == 1
    assert np.isfinite(found).all()
    # A few sums of some hundred products each, in another order.
    bound = 2**-24 * 512 * np.abs(wanted[own]).max()
    assert np.abs(found[own] - wanted[own]).max() <= bound


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention_mask": [1, 1, 0]}, "fill shorter texts up on the left"),
        ({"attention_mask": [1, 0, 1]}, "fill shorter texts up on the left"),
        ({"attention_mask": [0, 0, 0]}, "fill shorter texts up on the left"),
        ({"attention_mask": [1, 1]}, "attention_mask is of shape"),
        ({"attention_mask": [0.5, 1, 1]}, "attention_mask has to be 1 for tokens"),
        ({"attention_mask": [0, 2, 1]}, "attention_mask has to be 1 for tokens"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size has to be"),
        ({"no_repeat_ngram_size": 1.5}, "no_repeat_ngram_size has to be"),
        ({"bad_words_ids": [[]]}, "bad_words_ids has a row without tokens"),
        ({"bad_words_ids": [[3, 99]]}, "bad_words_ids has tokens from 3 to 99, but"),
        ({"bad_words_ids": [["a"]]}, "bad_words_ids has to be of rows of tokens"),
        ({"bad_words_ids": 5}, "bad_words_ids has to be of rows of tokens"),
        ({"suppress_tokens": [[3]]}, "suppress_tokens has to be of rows of tokens"),
        ({"suppress_tokens": [-1]}, "suppress_tokens has tokens from -1"),
        ({"min_p": 0.1}, "min_p is for drawing"),
        ({"min_p": 2.0, "temperature": 1.0}, "min_p has to be a number from 0 to 1"),
        ({"stop": "x"}, "give tokenizer="),
        ({"stop": ""}, "has to have 1 to"),
        ({"stop": 5}, "stop has to be a string"),
        ({"max_length": 5}, "max_length"),
    ],
)
def test_options_that_can_t_be(
    options: dict[str, Any], message: str, pairs: dict[str, tuple[Any, Any]]
) -> None:
    with pytest.raises(weft.WeftError, match=message):
        pairs["LLaMA"][1].generate([3, 4, 5], 2, **options)
