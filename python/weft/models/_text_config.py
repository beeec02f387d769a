"""How texts are written: what generation_config.json, or else config.json, says of every family."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .._creation import _fail
from .._errors import UnsupportedError
from ._answer_config import READ
from ._generation import Hidden
from ._settings import Settings

#: Settings of which weft knows no value but these, and null.
_ONLY: dict[str, tuple[Any, ...]] = {
    "constraints": (),
    "diversity_penalty": (0,),
    "dola_layers": (),
    "encoder_no_repeat_ngram_size": (0,),
    "encoder_repetition_penalty": (1,),
    "exponential_decay_length_penalty": (),
    "force_words_ids": (),
    "forced_bos_token_id": (),
    "forced_eos_token_id": (),
    "guidance_scale": (1,),
    "num_beam_groups": (1,),
    "penalty_alpha": (0,),
    "return_timestamps": (False,),
    "sequence_bias": (),
    "token_healing": (False,),
    "watermarking_config": (),
}
#: What the caller says: how far texts go, how they are drawn and looked for; and how it is done.
_CALLERS = (
    "_from_model_config assistant_confidence_threshold assistant_early_exit assistant_lookbehind "
    "bos_token_id cache_config cache_implementation compile_config continuous_batching_config "
    "disable_compile do_sample early_stopping epsilon_cutoff eta_cutoff is_assistant "
    "length_penalty low_memory max_cache_len max_length max_matching_ngram_size max_new_tokens "
    "max_time min_p num_assistant_tokens num_assistant_tokens_schedule num_beams "
    "num_return_sequences output_attentions output_hidden_states output_logits output_scores "
    "pad_token_id prefill_chunk_size prompt_lookup_num_tokens remove_invalid_values "
    "renormalize_logits return_dict_in_generate target_lookbehind temperature top_h top_k top_p "
    "transformers_version typical_p use_cache use_mtp"
)
#: Of Whisper: how its words are aligned, and what its parts are joined by.
_WHISPERS = "alignment_heads is_multilingual median_filter_width prev_sot_token_id"
_NOT_READ = frozenset((*_CALLERS.split(), *_WHISPERS.split()))


@dataclass(frozen=True)
class TextConfig:
    """How a checkpoint wants texts written, if the caller says nothing.

    Attributes:
        repetition_penalty: by what tokens that the text has lose; 1: by nothing.
        min_new_tokens: how many follow at least; None: that is for ``min_length`` to say.
        min_length: how many a text has at least, with its beginning.
        hidden: tokens that no text has.
        no_repeat_ngram_size: no row of so many tokens comes twice; 0: any may.
        bad_words_ids: rows of tokens that do not come.
        stop: texts that end one.
        fill: what is behind a text's end; None: the first token that ends one.
        refused: what else it wants, which weft does not do.
    """

    repetition_penalty: float = 1.0
    min_new_tokens: int | None = None
    min_length: int = 0
    hidden: Hidden = field(default_factory=Hidden)
    no_repeat_ngram_size: int = 0
    bad_words_ids: tuple[tuple[int, ...], ...] = ()
    stop: tuple[str, ...] = ()
    fill: int | None = None
    refused: str | None = None

    def check(self) -> None:
        """Raises UnsupportedError for what weft does not do."""
        if self.refused is not None:
            raise _fail(UnsupportedError, self.refused)


def text_config(own: Settings, config: Settings) -> TextConfig:
    """The settings of generation_config.json, ``own``, or of config.json, if there is none.

    Raises:
        FileError: a setting can't be.
    """
    settings = own if own.values else config
    found = TextConfig(
        repetition_penalty=settings.number("repetition_penalty", 1.0),
        min_new_tokens=settings.count("min_new_tokens", None, least=0),
        min_length=settings.count("min_length", 0, least=0),
        hidden=Hidden(settings.tokens("suppress_tokens"), settings.tokens("begin_suppress_tokens")),
        no_repeat_ngram_size=settings.count("no_repeat_ngram_size", 0, least=0),
        bad_words_ids=settings.token_rows("bad_words_ids"),
        stop=settings.strings("stop_strings"),
        fill=settings.token("pad_token_id"),
    )
    refused = [
        (name, settings.values[name])
        for name, known in _ONLY.items()
        if settings.has(name) and settings.values[name] not in known
    ]
    if own.values:
        refused += own.unread(_NOT_READ | READ | _ONLY.keys())
    if not refused:
        return found
    shown = ", ".join(f"{name} ({str(value)[:40]})" for name, value in refused[:5])
    message = f"generate: {settings.path} asks for what weft does not do: {shown}; take it out"
    return TextConfig(refused=message)
