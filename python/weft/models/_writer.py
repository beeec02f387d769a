"""What writes token after token: what decoders share with encoders that have one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft
from weft import nn

from .._creation import _fail
from .._errors import OptionError
from . import _beams, _generation
from ._layers import Cache
from ._rules import Least, Penalty, Rules
from ._text_config import TextConfig

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
    """

    tokens: np.ndarray
    count: int
    single: bool
    make: Callable[[int, int], Cache]
    hidden: _generation.Hidden = _NOTHING_HIDDEN
    rule: _generation.Rule | None = None
    fill: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What a caller wants of texts; None: what the checkpoint does. See `Writer.stream`."""

    repetition_penalty: float | None = None
    min_new_tokens: int | None = None

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
        seed: int | None = None,
        repetition_penalty: float | None = None,
        min_new_tokens: int | None = None,
        eos: int | Sequence[int] | None = None,
        **told: Any,
    ) -> weft.Tensor:
        """Texts whole, int64 [L], or [N, L] for several: a prompt or an answer, and what follows.

        A text ends with its first token among ``eos``; the result, when all have ended. Shorter
        ones are filled up with the checkpoint's ``pad_token_id``, where the model answers, or else
        with the first of ``eos``. The other arguments are those of `stream`, and so are the errors.

        Args:
            given: what `begin` takes; ``told`` by name.
            num_return_sequences: how many texts come out for each, next to each other: the
                likeliest first, of ``num_beams`` at most; or so many drawn ones.
        """
        search = _beams.Search(num_beams, length_penalty, early_stopping, num_return_sequences)
        drawing = _generation.Drawing(temperature, top_k, top_p, seed)
        wanted = Wanted(repetition_penalty, min_new_tokens)
        begun, new = self._new(given, told, search, drawing, wanted, eos)
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
        seed: int | None = None,
        repetition_penalty: float | None = None,
        min_new_tokens: int | None = None,
        eos: int | Sequence[int] | None = None,
        **told: Any,
    ) -> Iterator[Any]:
        """The tokens that follow, as they come: integers, or lists of one for each text.

        With ``num_beams`` none comes before the text is found.

        Args:
            given: what `begin` takes, ``told`` by name.
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
            seed: the same gives the same texts; None: by weft's generator.
            repetition_penalty: above 1, tokens that the text has lose: scores above 0 are divided
                by it, those below multiplied (Keskar et al., 2019); None: the checkpoint's.
            min_new_tokens: how many come before one of ``eos`` can; None: the checkpoint's.
            eos: the tokens that end a text, which come out, too; None: the checkpoint's, `eos`.

        Raises:
            OptionError: an argument can't be. UnsupportedError: the checkpoint wants texts written
            in a way that weft does not know. The errors of `begin`.
        """
        drawing = _generation.Drawing(temperature, top_k, top_p, seed)
        search = _beams.Search(num_beams, length_penalty, early_stopping)
        wanted = Wanted(repetition_penalty, min_new_tokens)
        begun, new = self._new(given, told, search, drawing, wanted, eos)
        return (int(row[0]) if begun.single else row.tolist() for row in new)

    def _new(
        self,
        given: tuple[Any, ...],
        told: dict[str, Any],
        search: _beams.Search,
        drawing: _generation.Drawing,
        wanted: Wanted,
        eos: int | Sequence[int] | None,
    ) -> tuple[Begun, Iterator[np.ndarray]]:
        """What texts go on from, and the tokens that follow."""
        known = inspect.signature(self.begin)
        try:
            known.bind(*given, **told)
        except TypeError as error:
            takes = ", ".join(known.parameters)
            raise _fail(OptionError, f"generate: {error}: the model takes {takes}") from None
        search.check(drawing)
        self.texts.check()
        _generation.ends_of(self, eos)  # before anything is read
        begun = self.begin(*given, **told)
        ending = _generation.ending_of(self, eos, begun.fill)
        rules = [*self._rules(begun, wanted, ending), *([begun.rule] if begun.rule else [])]
        rule = Rules(rules) if rules else None
        choose = _generation.Chooser(drawing, self.device, begun.hidden, rule)
        reading = _generation.Reading(self, begun.make)
        if search.num_beams > 1:
            return begun, _beams.rows(reading, begun.tokens, begun.count, choose, ending, search)
        copies = search.num_return_sequences
        return begun, _generation.rows(reading, begun.tokens, begun.count, choose, ending, copies)

    def _rules(
        self, begun: Begun, wanted: Wanted, ending: _generation.Ending
    ) -> list[_generation.Rule]:
        """What the caller, or else the checkpoint, wants of texts."""
        texts, rules = self.texts, list[_generation.Rule]()
        penalty = wanted.repetition_penalty
        penalty = texts.repetition_penalty if penalty is None else penalty
        if penalty != 1:
            rules.append(Penalty(penalty, begun.tokens, self.device))
        least = texts.min_length - begun.tokens.shape[1]
        for said in (wanted.min_new_tokens, texts.min_new_tokens):
            if said is not None:
                least = said
                break
        if least > 0 and ending.ends:
            rules.append(Least(least, ending.ends, self.device))
        return rules
