"""Texts: by the generate extension of the protocol, whole or as events, and as tensors."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import OptionError, WeftError
from ..models import Tokenizer
from ..models._generation import Drawing
from ..models._stops import StoppedPieces, checked_stops
from ..models._writer import Wanted
from ._http_body import only, parameters_of, text_of
from ._program import Arrays
from ._refusals import ClosedError, RefusedError, invalid, reason
from ._repository import Author, Version
from ._tensors import shown, texts
from ._texts import Text, TokenStream

if TYPE_CHECKING:
    from ._protocol import Service

#: So many tokens are written, where the model has room and nothing else is asked for.
_TOKENS = 128


#: The parameters of a text, which are inputs of one element where it is asked for by tensors.
PARAMETERS = {
    "max_tokens": "INT64",
    "temperature": "FP64",
    "top_k": "INT64",
    "top_p": "FP64",
    "min_p": "FP64",
    "seed": "INT64",
    "repetition_penalty": "FP64",
    "no_repeat_ngram_size": "INT64",
    "min_tokens": "INT64",
    "stop": "BYTES",
}
#: What a text goes on from; a talk is no tensor.
_PROMPTS = ("text_input", "tokens", "messages")
#: Which of these are told how tokens are drawn.
_DRAWING = ("temperature", "top_k", "top_p", "min_p", "seed")
#: What a text is as tensors.
OUTPUTS = {"text_output": "BYTES", "tokens": "INT64", "finish_reason": "BYTES"}


def values_of(arrays: Arrays) -> dict[str, Any]:
    """The request for a text, as JSON has it, whose parts are tensors. Raises RefusedError."""
    values: dict[str, Any] = {"parameters": {}}
    for name, array in arrays.items():
        if name == "tokens" and array.dtype.kind in "iu" and array.ndim == 1:
            values[name] = array.tolist()
            continue
        if name not in PARAMETERS and name not in ("text_input", "tokens"):
            known = ", ".join(("text_input", "tokens", *PARAMETERS))
            raise invalid(f"there is no input {shown(name)}, but {known}")
        if name == "stop":
            values["parameters"][name] = [_word(name, each) for each in array.reshape(-1).tolist()]
            continue
        if name == "tokens" or array.size != 1:
            wanted = "a list of integers" if name == "tokens" else "one element"
            raise invalid(f"the input {name} of shape {list(array.shape)} has to be {wanted}")
        element = array.reshape(-1)[0]
        if name != "text_input":
            if array.dtype.kind not in "iuf":
                raise invalid(f"the input {name} has to be a number")
            values["parameters"][name] = element.item()
        else:
            values[name] = _word(name, element)
    return values


def _word(name: str, element: Any) -> str:
    """The text that an element of an input is. Raises RefusedError."""
    if not isinstance(element, bytes):
        raise invalid(f"the input {name} has to be BYTES")
    try:
        return element.decode()
    except UnicodeDecodeError:
        raise invalid(f"the input {name} is no text of UTF-8") from None


def arrays_of(answer: dict[str, Any]) -> Arrays:
    """An answer, or a part of one, as tensors."""
    arrays: Arrays = {}
    for name in OUTPUTS:
        if name == "tokens":
            arrays[name] = np.array(answer[name], np.int64)
        elif name in answer:
            arrays[name] = texts(name, [answer[name].encode()], (1,))
    return arrays


class Generation:
    """One text that is being written, for who asked for it."""

    def __init__(self, version: Version, values: dict[str, Any]) -> None:
        """Reads a request; any thread may.

        Args:
            version: who is to write.
            values: the JSON object: ``text_input``, ``messages`` or ``tokens``; ``id``; and
                ``parameters``.
        """
        author = version.computes
        if not isinstance(author, Author):
            raise invalid(f"{version.model} writes no texts: ask it to infer")
        only(values, "the request", ("id", *_PROMPTS, "parameters"))
        given = parameters_of(values, "the request", tuple(PARAMETERS))
        self._version, self._author = version, author
        self._id = text_of(values.get("id", ""), "id")
        prompt = _prompt(values, author.tokenizer, version.model)
        room = max(author.queue.longest - len(prompt), 0)
        count = given.pop("max_tokens", min(_TOKENS, room))
        if type(count) is not int or count < 0:
            raise invalid(f"max_tokens is {shown(count)}, not an integer from 0 on")
        stop = given.pop("stop", None)
        given["min_new_tokens"] = given.pop("min_tokens", None)
        drawn = {name: given.pop(name) for name in _DRAWING if name in given}
        try:
            drawing, wanted = Drawing(**drawn), Wanted(**given, stop=stop)
        except OptionError as error:
            raise invalid(reason(error)) from None
        self._pieces = _pieces(author, version.model, wanted)
        self._stream = TokenStream()
        deadline = time.monotonic() + version.settings.max_seconds
        self._text = Text(prompt, count, drawing, deadline, self._stream.tell, wanted)

    def begin(self, service: Service, wanted: str) -> None:
        """Queues the text, for the event loop that this is called in. Raises RefusedError.

        Args:
            service: where the model is found again, if it is loaded anew meanwhile.
            wanted: by which version it was asked for.
        """
        self._stream.listen()
        while True:
            try:
                self._author.queue.submit(self._text)
                return
            except ClosedError:
                self._version = service.find(self._version.model, wanted)
                if not isinstance(self._version.computes, Author):
                    raise
                self._author = self._version.computes

    @property
    def version(self) -> Version:
        """Who writes it."""
        return self._version

    def limit(self, seconds: float) -> None:
        """Ends the text at the latest after so many seconds from now."""
        self._text.deadline = min(self._text.deadline, time.monotonic() + seconds)

    def cancel(self) -> None:
        """Says that nobody waits any more."""
        self._text.cancelled = True

    async def whole(self) -> dict[str, Any]:
        """The answer with all of the text. Raises RefusedError."""
        tokens, text = [], ""
        async for token, piece in self._parts():
            tokens.append(token)
            text += piece
        return self._answer(tokens, text + self._rest(), self._stream.how)

    async def events(self, ended: Callable[[BaseException | None], None]) -> AsyncIterator[bytes]:
        """The text as server-sent events: one for each token, and one that says how it ended.

        An error in the midst is an event of its own, the last.

        Args:
            ended: called once, with the error if there was one.
        """
        failure: BaseException | None = None
        try:
            async for answer in self.answers():
                yield _event(answer)
        except RefusedError as error:
            failure = error
            yield _event({"error": str(error)})
        except BaseException:
            failure = ConnectionError("who asked has gone")
            raise
        finally:
            self.cancel()
            ended(failure)

    async def answers(self) -> AsyncIterator[dict[str, Any]]:
        """An answer for each token, and one that says how the text ended. Raises RefusedError."""
        async for token, piece in self._parts():
            yield self._answer([token], piece, None)
        yield self._answer([], self._rest(), self._stream.how)

    async def _parts(self) -> AsyncIterator[tuple[int, str]]:
        async for token in self._stream.tokens(self._text.deadline):
            yield token, "" if self._pieces is None else self._pieces.add(token)
            if self._pieces is not None and self._pieces.stopped:
                self._stream.how = "stop"
                self.cancel()
                return

    def _rest(self) -> str:
        return "" if self._pieces is None else self._pieces.rest()

    def _answer(self, tokens: list[int], text: str, how: str | None) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "model_name": self._version.model,
            "model_version": str(self._version.number),
        }
        if self._id:
            answer["id"] = self._id
        if self._pieces is not None:
            answer["text_output"] = text
        answer["tokens"] = tokens
        if how is not None:
            answer["finish_reason"] = how
        return answer


def _event(answer: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(answer, separators=(",", ":")).encode() + b"\n\n"


def _pieces(author: Author, model: str, wanted: Wanted) -> StoppedPieces | None:
    """What makes the text of tokens, where there is a tokenizer. Raises RefusedError."""
    stops = author.stop if wanted.stop is None else checked_stops(wanted.stop)
    if author.tokenizer is not None:
        return StoppedPieces(author.tokenizer, stops)
    if stops:
        raise invalid(f"{model} has no tokenizer.json, so that it can't stop at strings")
    return None


def _prompt(values: dict[str, Any], tokenizer: Tokenizer | None, model: str) -> list[int]:
    given = [name for name in _PROMPTS if name in values]
    if len(given) != 1:
        raise invalid(f"the request needs {' or '.join(_PROMPTS)}, one of them")
    if given[0] != "tokens" and tokenizer is None:
        raise invalid(f"{model} has no tokenizer.json: give tokens instead of {given[0]}")
    if tokenizer is not None and given[0] == "messages":
        try:
            return tokenizer.chat(values["messages"])
        except WeftError as error:
            raise invalid(reason(error)) from None
    if tokenizer is not None and given[0] == "text_input":
        return tokenizer.encode(text_of(values["text_input"], "text_input"))
    tokens = values["tokens"]
    if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise invalid(f"tokens is {shown(tokens)}, not a list of integers")
    if any(not -(1 << 63) <= token < 1 << 63 for token in tokens):
        raise invalid("tokens has a number beyond 64 bits")
    return tokens
