"""The text of tokens that come one by one is the text of all of them, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tokenizers = pytest.importorskip("tokenizers")

import weft.models  # noqa: E402
from random_programs import count_of_examples  # noqa: E402
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers  # noqa: E402

EXAMPLES = count_of_examples(300)
LETTERS = [*"ab é€😀ä'.", "<|end|>", " hello", "<tool>", "don't", "\n"]


def _bytes() -> Any:
    """As GPT-2's and LLaMA 3's: letters are bytes, and tokens may be parts of characters."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet)
    made.train_from_iterator(["héllo wörld ä€😀 hello hello"], trainer)
    return made


def _byte_fallback() -> Any:
    """As LLaMA 2's: what has no token of its own is written byte by byte."""
    words = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += ["▁", "a", "b", "▁a", "▁hello", "é", "x", "▁▁"]
    places = {word: place for place, word in enumerate(words)}
    made = tokenizers.Tokenizer(models.BPE(places, [], unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return made


def _words(pre_tokenizer: Any, decoder: Any, model: type, *words: str) -> Any:
    places = {word: place for place, word in enumerate(("<unk>", *words))}
    made = tokenizers.Tokenizer(model(places, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        made.decoder = decoder
    return made


KINDS: dict[str, Callable[[], Any]] = {
    "bytes": _bytes,
    "byte fallback": _byte_fallback,
    "Metaspace": lambda: _words(
        pre_tokenizers.Metaspace(), decoders.Metaspace(), models.WordLevel, "▁a", "b", "▁", "é"
    ),
    "WordPiece": lambda: _words(
        pre_tokenizers.Whitespace(),
        decoders.WordPiece(),
        models.WordPiece,
        *("a", "##b", "don", "'", "t", ".", "##é", ","),
    ),
    "no decoder": lambda: _words(pre_tokenizers.Whitespace(), None, models.WordLevel, "a", "b"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_streams(kind: str, tmp_path: Path) -> None:
    """Of random tokens, which may be no characters, and no tokens; and of texts."""
    made = KINDS[kind]()
    made.add_special_tokens([AddedToken("<|end|>", special=True)])
    made.add_tokens([AddedToken(word, special=False) for word in ("<tool>", " sp ace", "ünï")])
    made.save(str(tmp_path / "tokenizer.json"))
    tokens = weft.models.load_tokenizer(tmp_path)
    for example in range(EXAMPLES):
        random = np.random.default_rng(example)
        if example % 3:
            numbers = random.integers(0, made.get_vocab_size() + 1, random.integers(12)).tolist()
        else:
            numbers = tokens.encode("".join(str(random.choice(LETTERS)) for _ in range(8)))
        whole, pieces = tokens.decode(numbers), list(tokens.stream(iter(numbers)))
        assert "".join(pieces) == whole, (numbers, pieces)
        assert whole == made.decode(numbers, skip_special_tokens=True)
        assert all(pieces)


@pytest.mark.parametrize("kind", KINDS)
def test_stops(kind: str, tmp_path: Path) -> None:
    """A text ends before the first string of some, and no token behind it is asked for."""
    made = KINDS[kind]()
    made.add_special_tokens([AddedToken("<|end|>", special=True)])
    made.add_tokens([AddedToken(word, special=False) for word in ("<tool>", " sp ace", "ünï")])
    made.save(str(tmp_path / "tokenizer.json"))
    tokens = weft.models.load_tokenizer(tmp_path)
    stopped = 0
    for example in range(EXAMPLES):
        random = np.random.default_rng([example, 5])
        numbers = tokens.encode("".join(str(random.choice(LETTERS)) for _ in range(8)))
        if example % 3 == 0:
            numbers = random.integers(0, made.get_vocab_size() + 1, random.integers(12)).tolist()
        whole = tokens.decode(numbers)
        stops = ["never to be found"]
        for _ in range(random.integers(1, 4)):
            if first := int(random.integers(len(whole) + 1)):
                stops.append(whole[first - 1 : first + int(random.integers(1, 4))])
        # What is no character yet may become one.
        stops = [stop for stop in stops if "\ufffd" not in stop]
        taken: list[int] = []
        pieces = list(tokens.stream((taken.append(n) or n for n in numbers), stop=stops))
        places = [place for stop in stops if (place := whole.find(stop)) >= 0]
        note = f"{numbers}, {stops}, {pieces}"
        assert all(pieces), note
        if not places:
            assert "".join(pieces) == whole, note
            continue
        stopped += 1
        # Another string may have been whole before the first one is.
        text = "".join(pieces)
        ends = [place for place in places if whole[:place] == text]
        assert ends, note
        if len(taken) < len(numbers):
            shortest = next(
                count
                for count in range(len(numbers) + 1)
                if any(stop in tokens.decode(numbers[:count]) for stop in stops)
            )
            assert len(taken) <= max(shortest, 1), note
    assert stopped > EXAMPLES / 10


def test_a_piece_comes_as_soon_as_it_is_whole(tmp_path: Path) -> None:
    """Bytes at their last one; a row of those that stand for text at its end."""
    for kind, expected in [
        ("bytes", ["a", "", "", "€", "b"]),
        ("byte fallback", ["a", "", "", "", "€b"]),
    ]:
        KINDS[kind]().save(str(tmp_path / "tokenizer.json"))
        tokens = weft.models.load_tokenizer(tmp_path)
        pieces = tokens.pieces()
        words = {"bytes": ["a", "â", "Ĥ", "¬", "b"]}.get(
            kind, ["▁a", "<0xE2>", "<0x82>", "<0xAC>", "b"]
        )
        numbers = [KINDS[kind]().token_to_id(word) for word in words]
        assert [pieces.add(number) for number in numbers] == expected
        assert pieces.rest() == ""
