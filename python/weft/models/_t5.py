"""T5 (Raffel et al., 2020) and mT5 (Xue et al., 2021): texts that answer texts."""

from __future__ import annotations

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
from ._writer import Begun


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

    def begin(
        self,
        input_ids: Any,
        max_new_tokens: int,
        *,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
    ) -> Begun:
        """What `generate` and `stream` go on from. The texts are read here, once.

        Args:
            input_ids: a text, integers [S], or several that are filled up to one length [N, S].
            max_new_tokens: how many follow at most.
            attention_mask: 0 for what fills the texts up, of their shape; None: nothing does.
            decoder_input_ids: what the answer begins with, [L], or [N, L] for several; None: the
                checkpoint's ``decoder_start_token_id``.

        Raises:
            OptionError: the answer gets longer than the model has positions for. ShapeError,
            DTypeError, OutOfBoundsError: the texts or beginnings are no tokens of the model's, or
            the mask does not fit.
        """
        tokens = _generation.checked_tokens(input_ids, self.vocabulary, "text")
        seen = _checked_mask(attention_mask, np.shape(input_ids), tokens.shape)
        begun = self.begun(decoder_input_ids, len(tokens), max_new_tokens)
        # A few programs for texts of all lengths.
        size = _generation.filled_length(tokens.shape[1])
        tokens, seen = (
            weft.asarray(np.pad(x, ((0, 0), (0, size - x.shape[1]))), device=self.device)
            for x in (tokens, seen)
        )
        memory = _read(self, tokens, seen)
        return self.answers_to(begun, memory, max_new_tokens, np.ndim(input_ids) == 1)


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
