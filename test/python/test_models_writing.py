"""How texts are written: options and generation_config.json give transformers' texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from model_folders import decoder, randomized, saved  # noqa: E402
from random_programs import count_of_examples  # noqa: E402

#: Each is a whole checkpoint.
EXAMPLES = min(count_of_examples(6), 60)


pytestmark = pytest.mark.usefixtures("quiet_torch")


def _t5() -> Any:
    config = hf.T5Config(
        vocab_size=99,
        d_model=24,
        d_kv=8,
        d_ff=40,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
    )
    torch.manual_seed(0)
    return randomized(hf.T5ForConditionalGeneration(config))


MODELS = {"LLaMA": lambda: decoder("LLaMA"), "GPT-2": lambda: decoder("GPT-2"), "T5": _t5}


def _wants(random: np.random.Generator) -> dict[str, Any]:
    """How texts are to be written, in the words that weft and transformers share."""

    def one(*values: Any) -> Any:
        return values[random.integers(len(values))]

    drawn = {
        "repetition_penalty": one(1.0, 1.3, 5.0, 0.7),
        "min_new_tokens": int(one(0, 1, 4, 50)),
        "min_length": int(one(0, 3, 9)),
        "suppress_tokens": one(None, random.integers(3, 99, 30).tolist()),
        "begin_suppress_tokens": one(None, random.integers(3, 99, 60).tolist()),
        "no_repeat_ngram_size": int(one(0, 0, 1, 2)),
        "bad_words_ids": one(None, random.integers(3, 99, (20, 1)).tolist()),
    }
    return {name: value for name, value in drawn.items() if value}


@pytest.mark.parametrize("name", MODELS)
def test_generation_configs(name: str, tmp_path: Path) -> None:
    """Greedy texts, and those of beams, end and repeat as the checkpoint says."""
    theirs = MODELS[name]()
    saved(theirs, tmp_path)
    for example in range(EXAMPLES):
        random = np.random.default_rng([example, len(name)])
        wants = _wants(random)
        # Many ends, so that texts do end.
        ends = [2, *random.integers(3, 99, 20).tolist()] if random.random() < 0.8 else 2
        # (A pad_token_id of 0 is none to transformers' beams.)
        said = {"eos_token_id": ends, "pad_token_id": 1, "decoder_start_token_id": 0, **wants}
        (tmp_path / "generation_config.json").write_text(json.dumps(said))
        beams = int(random.choice([1, 1, 3]))
        prompt = random.integers(3, 99, (int(random.choice([1, 3])), int(random.choice([1, 6]))))
        options = {"max_new_tokens": 12, "num_beams": beams, "do_sample": False}
        theirs.generation_config = hf.GenerationConfig(**said)
        with torch.no_grad():
            mask = torch.ones(prompt.shape, dtype=torch.int64)
            wanted = theirs.generate(torch.from_numpy(prompt), attention_mask=mask, **options)
        ours = weft.models.load(tmp_path)
        found = np.asarray(ours.generate(prompt, 12, num_beams=beams))
        np.testing.assert_array_equal(found, wanted.numpy(), err_msg=f"example {example}: {said}")


def test_callers_say_it_themselves(tmp_path: Path) -> None:
    """Options hold against the file."""
    saved(decoder("LLaMA"), tmp_path)
    prompt = np.arange(3, 9)
    plain = weft.models.load(tmp_path)
    options = {"repetition_penalty": 1.7, "min_new_tokens": 9}
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, **options}))
    model = weft.models.load(tmp_path)
    wanted = plain.generate(prompt, 10, **options).tolist()
    assert model.generate(prompt, 10).tolist() == wanted
    assert [*prompt, *model.stream(prompt, 10)] == wanted
    neutral = {"repetition_penalty": 1.0, "min_new_tokens": 0}
    assert model.generate(prompt, 10, **neutral).tolist() == plain.generate(prompt, 10).tolist()


def _bytes_tokenizer(folder: Path) -> Any:
    """A tokenizer whose tokens are bytes, as transformers has it."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=290, special_tokens=["<unk>", "<s>", "</s>"], initial_alphabet=alphabet
    )
    made.train_from_iterator(["ab cd", "the weft is the thread"], trainer)
    made.save(str(folder / "tokenizer.json"))
    return hf.PreTrainedTokenizerFast(tokenizer_object=made)


def test_stops(tmp_path: Path) -> None:
    """Several texts end with the token that has a string's end, as transformers' do."""
    peer = _bytes_tokenizer(tmp_path)
    size = len(peer)
    sizes = {"vocab_size": size, "hidden_size": 32, "intermediate_size": 48}
    config = hf.LlamaConfig(**sizes, num_hidden_layers=2, num_attention_heads=4)
    torch.manual_seed(0)
    theirs = randomized(hf.LlamaForCausalLM(config))
    theirs.generation_config = hf.GenerationConfig(pad_token_id=1, eos_token_id=2)
    ours, tokens = weft.models.load(saved(theirs, tmp_path)), weft.models.load_tokenizer(tmp_path)
    for example in range(EXAMPLES):
        random = np.random.default_rng([example, 9])
        prompt = random.integers(3, size, (int(random.choice([1, 3])), 4))
        whole = np.asarray(ours.generate(prompt, 12, repetition_penalty=1.5))[:, 4:]
        # Strings of characters that each are one byte, so that both see them in the same tokens.
        stops = ["never"]
        for row in whole:
            text = "".join(letter for letter in tokens.decode(row) if letter != "\ufffd")
            first = int(random.integers(max(len(text) - 2, 1)))
            stops += [each for each in [text[first : first + 2]] if each and each.isascii()]
        with torch.no_grad():
            wanted = theirs.generate(
                torch.from_numpy(prompt),
                attention_mask=torch.ones(prompt.shape, dtype=torch.int64),
                max_new_tokens=12,
                do_sample=False,
                repetition_penalty=1.5,
                stop_strings=stops,
                tokenizer=peer,
            )
        options = {"repetition_penalty": 1.5, "stop": stops, "tokenizer": tokens}
        found = np.asarray(ours.generate(prompt, 12, **options))
        np.testing.assert_array_equal(found, wanted.numpy(), err_msg=f"{example}: {stops}")
        (tmp_path / "generation_config.json").write_text(
            json.dumps({"pad_token_id": 1, "eos_token_id": 2, "stop_strings": stops})
        )
    own = weft.models.load(tmp_path)
    found = own.generate(prompt, 12, repetition_penalty=1.5, tokenizer=tokens)
    np.testing.assert_array_equal(found, wanted.numpy())
    with pytest.raises(weft.OptionError, match="has stop_strings"):
        own.generate(prompt, 12)
    with pytest.raises(weft.OptionError, match="num_beams looks for whole ones"):
        own.generate(prompt, 12, num_beams=2, tokenizer=tokens)


def test_penalised_tokens_are_drawn_less(tmp_path: Path) -> None:
    """By the chances of transformers' scores: 4000 drawn tokens are as frequent."""
    theirs = decoder("LLaMA")
    ours = weft.models.load(saved(theirs, tmp_path))
    prompt, count = np.array([[3, 4, 5, 6, 7, 8, 9]]), 4000
    found = ours.generate(
        prompt[0], 1, temperature=1.4, num_return_sequences=count, seed=1, repetition_penalty=4.0
    )
    drawn = np.bincount(np.asarray(found)[:, -1], minlength=99)
    with torch.no_grad():
        scores = theirs(torch.from_numpy(prompt)).logits[:, -1]
    penalty = hf.RepetitionPenaltyLogitsProcessor(4.0)
    chances = torch.softmax(penalty(torch.from_numpy(prompt), scores) / 1.4, -1)[0].numpy()
    # Six standard deviations of a count.
    bound = 6 * np.sqrt(count * chances * (1 - chances)) + 1
    assert (np.abs(drawn - count * chances) <= bound).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoder_no_repeat_ngram_size", 3),
        ("sequence_bias", [[[4], 1.0]]),
        ("forced_eos_token_id", 2),
        ("guidance_scale", 1.5),
        ("unheard_of", 5),
    ],
)
def test_what_is_not_done_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    """By `generate` and `stream`; scores are as they are."""
    saved(decoder("LLaMA"), tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, name: value}))
    model = weft.models.load(tmp_path)
    model(weft.asarray([[3, 4]]))
    for call in (model.generate, model.stream):
        with pytest.raises(weft.UnsupportedError, match=rf"does not do: {name} \("):
            call([3, 4], 2)
    harmless = {"transformers_version": "5", "do_sample": True, "temperature": 0.6, name: None}
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, **harmless}))
    weft.models.load(tmp_path).generate([3, 4], 2)


def test_options_that_can_t_be(tmp_path: Path) -> None:
    model = weft.models.load(saved(decoder("LLaMA"), tmp_path))
    for options in (
        *({"repetition_penalty": value} for value in (0, -1.0, float("nan"), "x", True)),
        *({"min_new_tokens": value} for value in (-1, 1.5, "x", True)),
    ):
        with pytest.raises(weft.OptionError, match=f"{next(iter(options))} has to be"):
            model.generate([3, 4], 2, **options)


@pytest.mark.parametrize("prompt", [[[3, 4], [5]], [[3], 4], [["a"]], [[[3]]], None, "text"])
def test_prompts_that_are_none(prompt: Any, tmp_path: Path) -> None:
    model = weft.models.load(saved(decoder("LLaMA"), tmp_path))
    with pytest.raises(weft.WeftError, match="generate: the prompt"):
        model.generate(prompt, 2)
