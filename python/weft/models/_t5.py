"""T5 (Raffel et al., 2020) and mT5 (Xue et al., 2021): texts that answer texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import weft

from .._creation import _fail
from .._errors import DTypeError, ShapeError
from . import _generation
from ._answer_config import AnswerConfig
from ._encoder_decoder import EncoderDecoder, Memory
from ._encoder_decoder_config import EncoderDecoderConfig
from ._weights import Weights


class T5(EncoderDecoder):
    """A model that answers a text: what `weft.models.load` makes of T5, its version 1.1 and mT5.

    Called with tokens of texts and of beginnings of their answers, it gives a dict of
    ``logits`` [N, L, vocabulary] and ``encoder_last_hidden_state`` [N, S, width].

    Attributes:
        input_names: the names of the inputs.
    """

    input_names = ("input_ids", "attention_mask", "decoder_input_ids")

    def __init__(
        self, config: EncoderDecoderConfig, answers: AnswerConfig, weights: Weights
    ) -> None:
        super().__init__(config, answers, weights)
        weights.finish()
        self.eval()

    @property
    def specs(self) -> tuple[Any, ...]:
        """What `weft.export` needs."""
        texts, answers = ("batch", "length"), ("batch", "answer_length")
        return tuple(weft.spec(shape, weft.int64) for shape in (texts, texts, answers))

    def forward(
        self, input_ids: Any, attention_mask: Any = None, decoder_input_ids: Any = None
    ) -> dict[str, weft.Tensor]:
        """The outputs.

        Args:
            input_ids: texts, integers [N, S].
            attention_mask: 0 for what fills them up, [N, S]; None: nothing does.
            decoder_input_ids: what the answers begin with, integers [N, L].

        Raises:
            DTypeError: there is no beginning of the answers.
        """
        if decoder_input_ids is None:
            raise _fail(DTypeError, f"{self.config.family} needs decoder_input_ids, too")
        tokens = weft.asarray(input_ids)
        seen = None if attention_mask is None else _places(weft.asarray(attention_mask))
        return self.results(decoder_input_ids, self._read(tokens, seen), seen)

    def _read(self, tokens: weft.Tensor, seen: weft.Tensor | None) -> weft.Tensor:
        return self.encoded(weft.astype(self.embed_tokens(tokens), self.dtype, copy=False), seen)

    def generate(
        self,
        input_ids: Any,
        max_new_tokens: int,
        *,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        eos: int | Sequence[int] | None = None,
        **drawing: Any,
    ) -> weft.Tensor:
        """Answers to a text [S] or to several [N, S]: tokens [L] or [N, L], int64.

        They begin with the checkpoint's ``decoder_start_token_id`` or ``decoder_input_ids``. An
        answer ends with its first token among ``eos``; the result, when all have ended. Shorter
        ones are filled up with the checkpoint's ``pad_token_id``. The arguments are those of
        `stream`, and so are the errors.
        """
        begun, new = self._answers(
            input_ids, max_new_tokens, attention_mask, decoder_input_ids, eos, drawing
        )
        return _generation.whole(begun[0] if np.ndim(input_ids) == 1 else begun, new)

    def stream(
        self,
        input_ids: Any,
        max_new_tokens: int,
        *,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        eos: int | Sequence[int] | None = None,
        **drawing: Any,
    ) -> Iterator[Any]:
        """The tokens of an answer as they come: integers, or lists of one for each text.

        The texts are read once, when this is called.

        Args:
            input_ids: a text, integers [S], or several that are filled up to one length [N, S].
            max_new_tokens: how many at most.
            attention_mask: 0 for what fills the texts up, of their shape; None: nothing does.
            decoder_input_ids: what the answer begins with, [L], or [N, L] for several; None: the
                checkpoint's ``decoder_start_token_id``.
            eos: the tokens that end an answer, which come out, too; None: the checkpoint's, `eos`.
            drawing: ``temperature``, ``top_k``, ``top_p`` and ``seed``, as for `Decoder.stream`.

        Raises:
            OptionError: an argument can't be. ShapeError, DTypeError, OutOfBoundsError: the texts
            or beginnings are no tokens of the model's, or the mask does not fit.
        """
        _, new = self._answers(
            input_ids, max_new_tokens, attention_mask, decoder_input_ids, eos, drawing
        )
        return _generation.one_by_one(new, np.ndim(input_ids) == 1)

    def _answers(
        self,
        texts: Any,
        count: int,
        mask: Any,
        begun: Any,
        eos: int | Sequence[int] | None,
        drawing: dict[str, Any],
    ) -> tuple[np.ndarray, Iterator[np.ndarray]]:
        tokens = _generation.checked_tokens(texts, self.vocabulary, "text")
        seen = _checked_mask(mask, np.shape(texts), tokens.shape)
        begun = self.begun(begun, len(tokens), count)
        ends = _generation.ends_of(self, eos)
        choose = _generation.Chooser(
            _generation.drawing_of(drawing), self.device, self.answers.hidden
        )
        # A few programs for texts of all lengths.
        size = _generation.filled_length(tokens.shape[1])
        tokens, seen = (
            weft.asarray(np.pad(x, ((0, 0), (0, size - x.shape[1]))), device=self.device)
            for x in (tokens, seen)
        )
        return begun, self.answered(begun, _read(self, tokens, seen), count, choose, ends)


def _places(mask: weft.Tensor) -> weft.Tensor:
    """Which keys queries see [N, 1, 1, S], of a mask [N, S]."""
    return weft.expand_dims(mask != 0, axis=(1, 2))


@weft.jit
def _read(model: T5, tokens: weft.Tensor, mask: weft.Tensor) -> Memory:
    """What the decoder sees of texts [N, S]."""
    with weft.no_grad():
        seen = _places(mask)
        return model.memory(model._read(tokens, seen), seen)


def _checked_mask(mask: Any, shape: tuple[int, ...], wanted: tuple[int, ...]) -> np.ndarray:
    """Which places [N, S] are texts. Raises for what is no mask of these."""
    if mask is None:
        return np.ones(wanted, bool)
    found = np.asarray(mask)
    if found.dtype.kind not in "biuf":
        raise _fail(DTypeError, f"generate: attention_mask has dtype {found.dtype}")
    if found.shape != shape:
        raise _fail(
            ShapeError,
            f"generate: attention_mask has shape {list(found.shape)}, but the texts have "
            f"{list(shape)}",
        )
    seen = found.reshape(wanted) != 0
    if not seen.any(axis=1).all():
        raise _fail(ShapeError, "generate: attention_mask leaves nothing of a text")
    return seen
