"""Whisper (Radford et al., 2022): texts of what is said in a sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import weft
from weft import nn

from .._creation import _fail
from .._errors import DTypeError, OptionError, ShapeError
from ..nn import functional as F
from ..nn._parameter import adopted
from . import _generation
from ._answer_config import AnswerConfig
from ._encoder_decoder import EncoderDecoder, Memory
from ._encoder_decoder_config import EncoderDecoderConfig, Sound
from ._times import Times
from ._weights import Weights, rows_of, table, wide
from ._writer import Begun

#: Stands for the token of a language that is to be heard.
_HEARD = -1


def _convolution(weights: Weights, name: str, inputs: int, outputs: int, stride: int) -> nn.Conv1d:
    weight = adopted(wide(weights.take(f"{name}.weight", outputs, inputs, 3)))
    layer = nn.utils.skip_init(nn.Conv1d, inputs, outputs, 3, stride=stride, padding=1)
    layer.weight, layer.bias = weight, adopted(wide(weights.take(f"{name}.bias", outputs)))
    return layer


class SoundReader(nn.Module):
    """Frames of a sound [N, bins, frames] to states [N, frames / 2, width] with positions."""

    def __init__(self, config: Sound, width: int, weights: Weights) -> None:
        super().__init__()
        self.conv1 = _convolution(weights, "sound.conv1", config.bins, width, 1)
        self.conv2 = _convolution(weights, "sound.conv2", width, width, 2)
        self.embed_positions = table(weights, "sound.embed_positions", config.frames // 2, width)

    def forward(self, features: weft.Tensor) -> weft.Tensor:
        """The states."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(features))))
        return weft.matrix_transpose(x) + rows_of(self.embed_positions)


class Whisper(EncoderDecoder):
    """A model that writes what is said in a sound: what `weft.models.load` makes of Whisper.

    Called with features of sounds and tokens of beginnings of their texts, it gives a dict of
    ``logits`` [N, L, vocabulary] and ``encoder_last_hidden_state`` [N, frames / 2, width].

    Attributes:
        input_names: the names of the inputs.
    """

    input_names = ("input_features", "decoder_input_ids")

    def __init__(
        self, config: EncoderDecoderConfig, answers: AnswerConfig, weights: Weights
    ) -> None:
        super().__init__(config, answers, weights)
        assert config.sound is not None
        self.bins, self.frames = config.sound.bins, config.sound.frames
        self.sound = SoundReader(config.sound, config.encoder.width, weights)
        weights.finish()
        self.eval()

    @property
    def specs(self) -> tuple[Any, ...]:
        """What `weft.export` needs."""
        sounds = weft.spec(("batch", self.bins, self.frames), self.dtype)
        return sounds, weft.spec(("batch", "answer_length"), weft.int64)

    def forward(self, input_features: Any, decoder_input_ids: Any) -> dict[str, weft.Tensor]:
        """The outputs.

        Args:
            input_features: sounds, floating [N, bins, frames], of the checkpoint's sizes.
            decoder_input_ids: what their texts begin with, integers [N, L].

        Raises:
            ShapeError: the features have other sizes, or a beginning is longer than the model has
            positions for.
        """
        features = weft.asarray(input_features)
        self._check_sizes(features.shape)
        tokens = weft.asarray(decoder_input_ids)
        length = tokens.shape[-1]
        if isinstance(length, int) and length > self.positions:
            raise _fail(
                ShapeError,
                f"whisper: decoder_input_ids of {length} tokens are more than the "
                f"{self.positions} that the model has positions for",
            )
        return self.results(tokens, self._read(features), None)

    def _check_sizes(self, shape: Sequence[Any]) -> None:
        if len(shape) != 3 or tuple(shape[1:]) != (self.bins, self.frames):
            raise _fail(
                ShapeError,
                f"whisper: input_features have to be [N, {self.bins}, {self.frames}], sounds that "
                f"are filled up with silence, not {list(shape)}",
            )

    def _read(self, features: weft.Tensor) -> weft.Tensor:
        return self.encoded(self.sound(weft.astype(features, self.dtype, copy=False)))

    def begin(
        self,
        input_features: Any,
        max_new_tokens: int,
        *,
        language: str | Sequence[str] | None = None,
        task: str | None = None,
        timestamps: bool = False,
        decoder_input_ids: Any = None,
    ) -> Begun:
        """What `generate` and `stream` go on from. The sounds are read here, once.

        Tokens that the checkpoint suppresses do not come.

        Args:
            input_features: a sound, floating [bins, frames], or several [N, bins, frames].
            max_new_tokens: how many follow at most.
            language: what is spoken, as "en", or one for each sound; None: what the checkpoint
                says, or else what is heard.
            task: "transcribe", or "translate" into English; None: what the checkpoint says.
            timestamps: whether times are written, too: tokens behind the checkpoint's
                ``no_timestamps_token_id``, 0.02 s apart.
            decoder_input_ids: what the text begins with in place of all this, [L], or [N, L].

        Raises:
            OptionError: an argument can't be, or the text gets longer than the model has positions
            for. ShapeError, DTypeError, OutOfBoundsError: the features have other sizes, or the
            beginnings are no tokens of the model's.
        """
        sounds, begun, heard = self._checked(input_features), decoder_input_ids, None
        rule = self._times() if timestamps else None
        if begun is None:
            told = np.array(self._told(len(sounds), language, task, timestamps), np.int64)
            # What is not heard yet takes a place, too.
            heard, begun = told == _HEARD, np.maximum(told, 0)
        elif language is not None or task is not None:
            raise _fail(
                OptionError, "generate: decoder_input_ids stand for language and task: give these"
            )
        tokens = self.begun(begun, len(sounds), max_new_tokens)
        memory = _read(self, sounds)
        if heard is not None and heard.any():
            tokens = np.where(heard, self._language(memory, len(sounds)), tokens)
        single = np.ndim(input_features) == 2
        return self.answers_to(tokens, memory, max_new_tokens, single, rule)

    def _times(self) -> Times:
        answers = self.answers
        if answers.no_times is None:
            raise _fail(
                OptionError, "generate: the checkpoint has no no_timestamps_token_id, and no times"
            )
        first = answers.no_times + 1
        end = answers.eos[0] if answers.eos else first
        return Times(first, end, answers.latest, self.device)

    def _checked(self, features: Any) -> weft.Tensor:
        """Features [N, bins, frames] where the model is."""
        found = features if isinstance(features, weft.Tensor) else np.asarray(features)
        if isinstance(found, weft.Tensor):
            _generation.require_no_tracer(found)
        sounds = weft.asarray(found, device=self.device)
        if sounds.dtype.kind != "floating":
            raise _fail(DTypeError, f"generate: input_features have dtype {sounds.dtype.name}")
        if sounds.ndim == 2:
            sounds = weft.expand_dims(sounds, axis=0)
        self._check_sizes(sounds.shape)
        if not sounds.shape[0]:
            raise _fail(ShapeError, "generate: there is no sound")
        return sounds

    def _told(
        self, sounds: int, language: str | Sequence[str] | None, task: str | None, timed: bool
    ) -> list[list[int]]:
        """What each text begins with; `_HEARD` stands for a language that is to be heard."""
        answers = self.answers
        language, task = language or answers.language, task or answers.task
        rows = self._languages(sounds, language, task)
        told = [[*row, *self._ordered(row, language, task)] for row in rows]
        if not timed:
            return told
        return [[token for token in row if token != answers.no_times] for row in told]

    def _languages(
        self, sounds: int, language: str | Sequence[str] | None, task: str | None
    ) -> list[list[int]]:
        """The first tokens of each text."""
        answers, start = self.answers, self.answers.start
        if start is None:
            raise _fail(OptionError, "generate: the checkpoint has no decoder_start_token_id")
        if language is None:
            forced = answers.forced if task is None else ()
            behind = [_HEARD if token is None else token for token in forced] or [_HEARD]
            # Models of one language are told none.
            known = [token for token in behind if token != _HEARD or answers.languages]
            return [[start, *known]] * sounds
        languages = [language] if isinstance(language, str) else language
        if not isinstance(languages, (list, tuple)):
            raise _fail(OptionError, f"generate: language has to be a string, not {language!r}")
        if len(languages) not in (1, sounds):
            raise _fail(OptionError, f"generate: {len(languages)} languages for {sounds} sounds")
        named = [answers.language_token(each) for each in languages]
        return [[start, token] for token in named * (sounds // len(named))]

    def _ordered(self, row: list[int], language: Any, task: str | None) -> list[int]:
        """The tokens of a task, and of that no times are wanted, behind others."""
        answers, new = self.answers, []
        if task is not None:
            new.append(answers.task_token(task))
        elif language is not None and answers.tasks:
            new.append(answers.task_token("transcribe"))
        if answers.no_times is not None and [*row, *new][-1] != answers.no_times:
            new.append(answers.no_times)
        return new

    def _language(self, memory: Memory, sounds: int) -> np.ndarray:
        """The likeliest language [N, 1] behind the first token."""
        others = set(range(self.vocabulary)) - set(self.answers.languages.values())
        choose = _generation.Chooser(
            _generation.Drawing(), self.device, _generation.Hidden(always=tuple(others))
        )
        start = np.full((sounds, 1), self.answers.start, np.int64)
        reading = _generation.Reading(self, self.answers_to(start, memory, 1, False).make)
        return choose(reading.prompt(start, 1), 0).reshape(-1, 1)


@weft.jit
def _read(model: Whisper, features: weft.Tensor) -> Memory:
    """What the decoder sees of sounds [N, bins, frames]."""
    with weft.no_grad():
        return model.memory(model._read(features), None)
