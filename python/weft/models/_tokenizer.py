"""Texts to tokens and back, by the package tokenizers."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .._creation import _fail
from .._errors import FileError, OptionError, UnsupportedError
from ._chat import ChatTemplates, read_chat_templates
from ._folder import as_folder
from ._stops import StoppedPieces, checked_stops

_NAME = "tokenizer.json"


@contextlib.contextmanager
def _asked(place: str) -> Iterator[None]:
    """What the package raises, which has no errors of its own, as a FileError.

    Its panics, of damaged files, are no Exceptions.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise _fail(FileError, f"{place} is no tokenizer: {error}") from None


class Tokenizer:
    """The tokens of a checkpoint, as its tokenizer.json describes them.

    Nothing is cut off: a text has all of its tokens.
    """

    def __init__(
        self, tokenizer: Any, place: str = _NAME, templates: ChatTemplates | None = None
    ) -> None:
        padding = tokenizer.padding or {}
        self._filling = padding.get("pad_id", 0)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer, self._place = tokenizer, place
        self._templates = ChatTemplates({}, {}, place) if templates is None else templates
        added = tokenizer.get_added_tokens_decoder()
        self._silent = {token for token, about in added.items() if about.special}

    def __call__(self, texts: Sequence[str], *, side: str = "right") -> dict[str, np.ndarray]:
        """The inputs of a model for texts, filled up to the longest one's length.

        ``input_ids``, ``attention_mask`` (1 where a text has a token) and ``token_type_ids``, each
        int64 [N, L].

        Args:
            texts: any number of them.
            side: where shorter ones are filled up: "right", or "left" for texts to go on with.

        Raises:
            OptionError: ``side`` is another one.
        """
        if side not in ("left", "right"):
            raise _fail(OptionError, f"side has to be 'left' or 'right', not {side!r}")
        with _asked(self._place):
            found = self._tokenizer.encode_batch(list(texts))
        shape = len(found), max((len(each.ids) for each in found), default=0)
        tokens = np.full(shape, self._filling, np.int64)
        mask, types = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, each in enumerate(found):
            length = len(each.ids)
            own = slice(0, length) if side == "right" else slice(shape[1] - length, None)
            tokens[row, own], types[row, own], mask[row, own] = each.ids, each.type_ids, 1
        return {"input_ids": tokens, "attention_mask": mask, "token_type_ids": types}

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, with those that a text begins or ends with."""
        with _asked(self._place):
            return self._tokenizer.encode(text).ids

    def chat_text(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Any] | None = None,
        template: str | None = None,
        add_generation_prompt: bool = True,
        **more: Any,
    ) -> str:
        """The text of a talk, by the checkpoint's chat template.

        Args:
            messages: what was said: dicts with a ``role``, as "system", "user", and
                a ``content``.
            tools: descriptions of functions that the model may call, as the template wants them.
            template: which one, where the checkpoint has several; None: that for ``tools``, or
                "default".
            add_generation_prompt: whether the text ends with what an answer begins with.
            more: what the template knows besides.

        Raises:
            OptionError: ``messages`` are none, or such that the template refuses. FileError: the
            checkpoint has no template, or one that is damaged, or takes too long. UnsupportedError:
            the package jinja2 is not installed.
        """
        return self._templates.text(messages, tools, template, add_generation_prompt, more)

    def chat(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> list[int]:
        """The tokens of a talk: those of `chat_text`, which says what begins and ends a text."""
        text = self.chat_text(messages, **options)
        with _asked(self._place):
            return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens, without those that are none, as the end of a text."""
        numbers = [int(token) for token in tokens]
        with _asked(self._place):
            return self._tokenizer.decode(numbers)

    def word(self, token: int) -> str | None:
        """What a token is called; None for those that are no text, as the end of one."""
        with _asked(self._place):
            return None if token in self._silent else self._tokenizer.id_to_token(int(token))

    def stream(self, tokens: Iterable[int], *, stop: str | Sequence[str] = ()) -> Iterator[str]:
        """The text of tokens, in pieces, each as soon as its characters are whole.

        Args:
            tokens: of one text; none is asked for behind the end of it.
            stop: strings, before the first of which the text ends.

        Raises:
            OptionError: ``stop`` can't be.
        """
        pieces = StoppedPieces(self, checked_stops(stop))
        for token in tokens:
            piece = pieces.add(token)
            if piece:
                yield piece
            if pieces.stopped:
                return
        rest = pieces.rest()
        if rest:
            yield rest

    def pieces(self) -> Pieces:
        """What makes the text of tokens that come one by one."""
        return Pieces(self)


#: A token that stands for a byte, by which texts are written that have no tokens of their own.
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class Pieces:
    """The text of tokens that come one by one, each piece as soon as its characters are whole."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # Those of the last piece, which the next one's text may depend on, and those behind it.
        self._last: list[int] = []
        self._new: list[int] = []

    def add(self, token: int) -> str:
        """The characters that are whole by the next token."""
        word = self._tokenizer.word(token)
        if word is None:
            return ""
        self._new.append(int(token))
        # What a row of bytes is as text is only known at its end.
        return "" if _BYTE.fullmatch(word) else self._piece(whole=True)

    def rest(self) -> str:
        """What is left of the text behind its last token."""
        return self._piece(whole=False)

    def begun(self) -> str:
        """What the last tokens are so far that have given no characters yet."""
        if not self._new:
            return ""
        before = self._tokenizer.decode(self._last)
        return self._tokenizer.decode(self._last + self._new)[len(before) :].rstrip("\ufffd")

    def _piece(self, whole: bool) -> str:
        before = self._tokenizer.decode(self._last)
        text = self._tokenizer.decode(self._last + self._new)
        if whole and (len(text) <= len(before) or text.endswith("\ufffd")):
            return ""
        self._last, self._new = self._new, []
        return text[len(before) :]


def load_tokenizer(folder: str | os.PathLike) -> Tokenizer:
    """The tokenizer of a checkpoint: its file tokenizer.json, and its chat templates.

    Args:
        folder: a local one; nothing is downloaded.

    Raises:
        FileError: there is no such folder or file, or it is damaged. UnsupportedError: the package
        tokenizers is not installed.
    """
    path = as_folder(folder) / _NAME
    if not path.is_file():
        raise _fail(
            FileError,
            f"{path.parent} has no {_NAME}; where there are other files of a tokenizer, write it: "
            "transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)",
        )
    try:
        import tokenizers
    except ImportError:
        raise _fail(
            UnsupportedError,
            f"{path} is read by the package tokenizers, which is not installed: "
            "pip install tokenizers",
        ) from None
    templates = read_chat_templates(path.parent)
    with _asked(str(path)):
        return Tokenizer(tokenizers.Tokenizer.from_file(str(path)), str(path), templates)
