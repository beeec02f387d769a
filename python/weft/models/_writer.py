"""What writes token after token: what decoders share with encoders that have one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

import weft
from weft import nn

from .._creation import _fail
from .._errors import OptionError
from . import _beams, _generation
from ._layers import Cache
from ._rules import Banned, Least, Penalty, Rules
from ._stops import Stops, checked_stops
from ._text_config import TextConfig
from ._tokenizer import Tokenizer

_NOTHING_HIDDEN = _generation.Hidden()


@dataclass(frozen=True)
class Begun:
    """Texts that are to go on.

    Attributes:
        tokens: what they begin with [N, L].
        count: how many tokens follow at most.
        single: whether there is one text, without a dimension of its own.
        make: an empty cache for so many texts of so many tokens.
        hidden: tokens that no text has.
        rule: what can come next; None: anything.
        fill: what is behind a text's end; None: the first token that ends one.
        skipped: how many of the first tokens are none of each text [N]; None: none.
    """

    tokens: np.ndarray
    count: int
    single: bool
    make: Callable[[int, int], Cache]
    hidden: _generation.Hidden = _NOTHING_HIDDEN
    rule: _generation.Rule | None = None
    fill: int | None = None
    skipped: np.ndarray | None = None

    @property
    def own(self) -> np.ndarray:
        """The tokens that are the texts' own [N, L]; -1 for those that are none of them."""
        if self.skipped is None:
            return self.tokens
        places = np.arange(self.tokens.shape[1])
        return np.where(places < self.skipped[:, None], -1, self.tokens)


@dataclass(frozen=True)
class Wanted:
    """What a caller of `Writer.generate` and `Writer.stream` wants of texts, by name.

    The words are those of transformers. None is what the checkpoint's generation_config.json says.

    Attributes:
        repetition_penalty: above 1, tokens that the text has lose: scores above 0 are divided by
            it, those below multiplied (Keskar et al., 2019).
        min_new_tokens: how many come before one of ``eos`` can.
        no_repeat_ngram_size: no row of so many tokens comes twice; 0: any may.
        bad_words_ids: rows of tokens that do not come.
        suppress_tokens: tokens that do not come.
        stop: strings that end a text, behind the token with the last of their characters.
        tokenizer: of `load_tokenizer`, which says what text tokens are; needed for ``stop``.
    """

    repetition_penalty: float | None = None
    min_new_tokens: int | None = None
    no_repeat_ngram_size: int | None = None
    bad_words_ids: Sequence[Sequence[int]] | None = None
    suppress_tokens: Sequence[int] | None = None
    stop: str | Sequence[str] | None = None
    tokenizer: Tokenizer | None = None

    def __post_init__(self) -> None:
        penalty, least = self.repetition_penalty, self.min_new_tokens
        if penalty is not None and not (_generation.is_number(penalty) and 0 < penalty < math.inf):
            raise _fail(
                OptionError,
                "generate: repetition_penalty has to be a number above 0, or None, not "
                f"{penalty!r}",
            )
        if least is not None and not (_generation.is_integer(least) and least >= 0):
            raise _fail(
                OptionError,
                f"generate: min_new_tokens has to be an integer from 0 on, or None, not {least!r}",
            )
        size = self.no_repeat_ngram_size
        if size is not None and not (_generation.is_integer(size) and size >= 0):
            raise _fail(
                OptionError,
                "generate: no_repeat_ngram_size has to be an integer from 0 on, or None, not "
                f"{size!r}",
            )
        if self.stop is not None:
            checked_stops(self.stop)

    @classmethod
    def of(cls, told: dict[str, Any]) -> tuple[Wanted, dict[str, Any]]:
        """What is wanted, of the options of a call, and the others. Raises OptionError."""
        names = {each.name for each in fields(cls)}
        wanted = cls(**{name: value for name, value in told.items() if name in names})
        return wanted, {name: value for name, value in told.items() if name not in names}

    def words(self, vocabulary: int) -> tuple[tuple[int, ...], ...] | None:
        """The rows of tokens that do not come. Raises OptionError."""
        if self.bad_words_ids is None:
            return None
        given: Any = self.bad_words_ids
        if not isinstance(given, (list, tuple)):
            given = [given]  # which is no row, either
        rows = tuple(_tokens_of(row, "bad_words_ids", vocabulary) for row in given)
        if not all(rows):
            raise _fail(OptionError, "generate: bad_words_ids has a row without tokens")
        return rows

    def hidden(self, own: _generation.Hidden, vocabulary: int) -> _generation.Hidden:
        """The tokens that do not come. Raises OptionError."""
        if self.suppress_tokens is None:
            return own
        return replace(own, always=_tokens_of(self.suppress_tokens, "suppress_tokens", vocabulary))


def _tokens_of(row: Any, name: str, vocabulary: int) -> tuple[int, ...]:
    try:
        found = np.asarray(row)
    except ValueError:
        found = np.array("")
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise _fail(OptionError, f"generate: {name} has to be of rows of tokens, not {row!r:.60}")
    if found.size and not 0 <= found.min() <= found.max() < vocabulary:
        raise _fail(
            OptionError,
            f"generate: {name} has tokens from {found.min()} to {found.max()}, but the vocabulary "
            f"has {vocabulary}",
        )
    return tuple(found.tolist())


class Writer(nn.Module):
    """A module that writes token after token: what `Decoder`, `T5` and `Whisper` share.

    Attributes:
        config: what the family is made of.
        eos: the tokens that end a text.
        texts: how texts are written, if the caller says nothing.
        embed_tokens: the table of the tokens.
    """

    config: Any
    eos: tuple[int, ...]
    texts: TextConfig = TextConfig()
    embed_tokens: nn.Embedding

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.config.vocabulary

    @property
    def positions(self) -> int:
        """How many tokens a text may have."""
        return self.config.positions

    @property
    def longest(self) -> int | None:
        """Beyond so many tokens all that was read of a text is to be read anew; None: never."""
        return None

    @property
    def device(self) -> weft.device:
        """Where the weights are, and texts are written."""
        return self.embed_tokens.weight.device

    def states(self, tokens: Any, cache: Any, first: Any = 0) -> weft.Tensor:
        """What scores are made of [N, L, width]: tokens [N, L] whose first has this position."""
        raise NotImplementedError

    def scores(self, states: weft.Tensor) -> weft.Tensor:
        """States [..., width] to scores [..., vocabulary]."""
        raise NotImplementedError

    def begin(self, *given: Any, **told: Any) -> Begun:
        """What `generate` and `stream` go on from: their first arguments are those of this."""
        raise NotImplementedError

    def generate(
        self,
        *given: Any,
        num_beams: int = 1,
        length_penalty: float = 1.0,
        early_stopping: bool | str = False,
        num_return_sequences: int = 1,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        seed: int | None = None,
        eos: int | Sequence[int] | None = None,
        **told: Any,
    ) -> weft.Tensor:
        """Texts whole, int64 [L], or [N, L] for several: a prompt or an answer, and what follows.

        A text ends with its first token among ``eos``, or where a string of ``stop`` is whole; the
        result, when all have ended. Shorter ones are filled up with the checkpoint's
        ``pad_token_id``, or else the first of ``eos``. The other arguments are those of `stream`,
        and so are the errors.

        Args:
            given: what `begin` takes; ``told`` by name, and what is wanted besides.
            num_return_sequences: how many texts come out for each, next to each other: the
                likeliest first, of ``num_beams`` at most; or so many drawn ones.
        """
        search = _beams.Search(num_beams, length_penalty, early_stopping, num_return_sequences)
        drawing = _generation.Drawing(temperature, top_k, top_p, seed, min_p)
        begun, new = self._new(given, told, search, drawing, eos)
        count = search.num_return_sequences
        columns = [row.reshape(-1, 1) for row in new]
        texts = np.concatenate([np.repeat(begun.tokens, count, axis=0), *columns], axis=1)
        return weft.asarray(texts[0] if begun.single and count == 1 else texts)

    def stream(
        self,
        *given: Any,
        num_beams: int = 1,
        length_penalty: float = 1.0,
        early_stopping: bool | str = False,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        seed: int | None = None,
        eos: int | Sequence[int] | None = None,
        **told: Any,
    ) -> Iterator[Any]:
        """The tokens that follow, as they come: integers, or lists of one for each text.

        With ``num_beams`` none comes before the text is found.

        Args:
            given: what `begin` takes; ``told`` by name, and the attributes of `Wanted`, as
                ``repetition_penalty``, ``min_new_tokens``, ``bad_words_ids`` and ``stop``.
            num_beams: how many beginnings of each text go on side by side, by the chances of all
                their tokens; 1: the likeliest token alone does. Not with a temperature.
            length_penalty: the text is taken whose logarithm of chances is the largest over its
                length to this power; above 0, longer ones gain.
            early_stopping: True: a search ends with ``num_beams`` texts that have ended; False:
                when no beginning is better than those at its own length; "never": when none can
                get better.
            temperature: 0: the likeliest; else each is drawn by exp(score / temperature).
            top_k: of how many of the likeliest it is drawn (Fan et al., 2018); None: of all.
            top_p: of as few of the likeliest as have this probability together (Holtzman et al.,
                2020), after ``top_k``; None: of all.
            min_p: of those with this share of the likeliest one's probability; None: of all.
            seed: the same gives the same texts; None: by weft's generator.
            eos: the tokens that end a text, which come out, too; None: the checkpoint's, `eos`.

        Raises:
            OptionError: an argument can't be. UnsupportedError: the checkpoint wants texts written
            in a way that weft does not know. The errors of `begin`.
        """
        drawing = _generation.Drawing(temperature, top_k, top_p, seed, min_p)
        search = _beams.Search(num_beams, length_penalty, early_stopping)
        begun, new = self._new(given, told, search, drawing, eos)
        return (int(row[0]) if begun.single else row.tolist() for row in new)

    def _new(
        self,
        given: tuple[Any, ...],
        told: dict[str, Any],
        search: _beams.Search,
        drawing: _generation.Drawing,
        eos: int | Sequence[int] | None,
    ) -> tuple[Begun, Iterator[np.ndarray]]:
        """What texts go on from, and the tokens that follow."""
        wanted, told = Wanted.of(told)
        known = inspect.signature(self.begin)
        try:
            known.bind(*given, **told)
        except TypeError as error:
            takes = ", ".join((*known.parameters, *(each.name for each in fields(Wanted))))
            raise _fail(OptionError, f"generate: {error}: the model takes {takes}") from None
        search.check(drawing)
        self.texts.check()
        _generation.ends_of(self, eos)  # before anything is read
        stops = self._stops(wanted, search)
        words = wanted.words(self.vocabulary)
        begun = self.begin(*given, **told)
        ending = replace(_generation.ending_of(self, eos, begun.fill), stops=stops)
        rules = [*self.rules(begun.own, wanted, ending, words)]
        rules += [begun.rule] if begun.rule else []
        rule = Rules(rules) if rules else None
        hidden = wanted.hidden(begun.hidden, self.vocabulary)
        choose = _generation.Chooser(drawing, self.device, hidden, rule)
        reading = _generation.Reading(self, begun.make)
        texts = reading, begun.tokens, begun.count, choose, ending
        if search.num_beams > 1:
            return begun, _beams.rows(*texts, search, begun.skipped)
        return begun, _generation.rows(*texts, search.num_return_sequences, begun.skipped)

    def _stops(self, wanted: Wanted, search: _beams.Search) -> Stops | None:
        """The strings that end texts, if there are some."""
        strings = self.texts.stop if wanted.stop is None else checked_stops(wanted.stop)
        if not strings:
            return None
        if not isinstance(wanted.tokenizer, Tokenizer):
            raise _fail(
                OptionError,
                "generate: to stop at strings takes the text of tokens: give tokenizer="
                "weft.models.load_tokenizer(folder), too"
                + ("" if wanted.stop else "; generation_config.json has stop_strings"),
            )
        if search.num_beams > 1:
            raise _fail(
                OptionError,
                "generate: stop ends a text as it comes, and num_beams looks for whole ones: give "
                "one of both",
            )
        return Stops(wanted.tokenizer, strings)

    def rules(
        self,
        own: np.ndarray,
        wanted: Wanted,
        ending: _generation.Ending,
        words: Sequence[Sequence[int]] | None = None,
    ) -> list[_generation.Rule]:
        """What the caller, or else the checkpoint, wants of texts.

        Args:
            own: what the texts begin with [N, L]; below 0 is none of it.
            wanted: what the caller wants.
            ending: where the texts end.
            words: rows of tokens that do not come; None: those of the checkpoint.
        """
        texts, rules = self.texts, list[_generation.Rule]()
        penalty = wanted.repetition_penalty
        penalty = texts.repetition_penalty if penalty is None else penalty
        if penalty != 1:
            rules.append(Penalty(penalty, own, self.device))
        repeated = wanted.no_repeat_ngram_size
        repeated = texts.no_repeat_ngram_size if repeated is None else repeated
        words = texts.bad_words_ids if words is None else words
        # The end of a text is no word of it.
        words = [word for word in words if tuple(word) not in {(end,) for end in ending.ends}]
        if repeated or words:
            rules.append(Banned(own, repeated, words, self.device))
        least = texts.min_length - own.shape[1]
        for said in (wanted.min_new_tokens, texts.min_new_tokens):
            if said is not None:
                least = said
                break
        if least > 0 and ending.ends:
            rules.append(Least(least, ending.ends, self.device))
        return rules
