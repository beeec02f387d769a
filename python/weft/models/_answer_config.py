"""How encoders with decoders answer: what generation_config.json, or else config.json, says."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._creation import _fail
from .._errors import FileError, OptionError
from ._generation import Hidden
from ._settings import MOST, Settings

#: A language has a name and a token; no model knows more.
_MOST_LANGUAGES = 10_000


@dataclass(frozen=True)
class AnswerConfig:
    """What answers begin and end with.

    Attributes:
        start: the first token of an answer; None: whoever asks gives it.
        eos: the tokens that end an answer.
        fill: what answers have behind their end; None: the first of ``eos``.
        hidden: tokens that no answer has.
        forced: what Whisper's answers have behind ``start``, if nobody asks for a language or a
            task; None is a language that is heard.
        languages, tasks: the tokens by which Whisper is told these.
        language, task: what it is told, if nobody says.
        no_times: the token by which it is told to write no times; those behind it are times.
        latest: how many times behind the first one a text begins at most; None: at any.
    """

    start: int | None
    eos: tuple[int, ...]
    fill: int | None
    hidden: Hidden
    forced: tuple[int | None, ...] = ()
    languages: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    language: str | None = None
    task: str | None = None
    no_times: int | None = None
    latest: int | None = None

    def language_token(self, language: str) -> int:
        """The token of a language, as "en" or "<|en|>". Raises OptionError."""
        for name in (str(language), f"<|{language}|>"):
            if name in self.languages:
                return self.languages[name]
        raise _unknown("language", language, [name.strip("<|>") for name in self.languages])

    def task_token(self, task: str) -> int:
        """The token of a task, as "transcribe". Raises OptionError."""
        if str(task) not in self.tasks:
            raise _unknown("task", task, list(self.tasks))
        return self.tasks[task]


def _unknown(what: str, name: str, known: list[str]) -> Exception:
    knows = f"knows {', '.join(sorted(known))}" if known else f"is told no {what}"
    return _fail(OptionError, f"generate: {what} is {str(name)[:60]!r}, but the model {knows}")


#: What families have where neither file says anything.
_DEFAULTS: dict[str, dict[str, tuple[int, ...]]] = {
    "t5": {"eos_token_id": (1,), "pad_token_id": (0,)},
    "mt5": {"eos_token_id": (1,), "pad_token_id": (0,), "decoder_start_token_id": (0,)},
    "whisper": {
        "eos_token_id": (50256,),
        "pad_token_id": (50256,),
        "decoder_start_token_id": (50257,),
    },
}


#: Settings of generation_config.json that are read here.
_READ = (
    "decoder_start_token_id eos_token_id forced_decoder_ids lang_to_id language "
    "max_initial_timestamp_index no_timestamps_token_id pad_token_id task task_to_id"
)
READ = frozenset(_READ.split())


def answer_config(family: str, config: Settings, generation: Settings) -> AnswerConfig:
    """The settings of both files. Raises FileError for one that can't be."""

    def tokens(name: str) -> tuple[int, ...]:
        if not generation.has(name) and name not in config.values:
            return _DEFAULTS[family].get(name, ())
        return (generation if generation.has(name) else config).tokens(name)

    def token(name: str) -> int | None:
        found = tokens(name)
        if len(found) > 1:
            raise _fail(FileError, f"{config.path.parent}: {name} has to be one token")
        return found[0] if found else None

    return AnswerConfig(
        start=token("decoder_start_token_id"),
        eos=tokens("eos_token_id"),
        fill=token("pad_token_id"),
        hidden=Hidden(tokens("suppress_tokens"), tokens("begin_suppress_tokens")),
        forced=_forced(generation if generation.has("forced_decoder_ids") else config),
        languages=_named(generation, "lang_to_id"),
        tasks=_named(generation, "task_to_id"),
        language=generation.word("language"),
        task=generation.word("task"),
        no_times=token("no_timestamps_token_id"),
        latest=generation.count("max_initial_timestamp_index", None, least=0),
    )


def _named(settings: Settings, name: str) -> dict[str, int]:
    """Tokens by their names."""
    found = settings.part(name)
    if len(found.values) > _MOST_LANGUAGES:
        raise _fail(FileError, f"{settings.path}: {name} has more than {_MOST_LANGUAGES} names")
    return {key: found.count(key, least=0) for key in found.values}


def _forced(settings: Settings) -> tuple[int | None, ...]:
    """The tokens of forced_decoder_ids, pairs of place and token from place 1 on."""
    pairs = settings.values.get("forced_decoder_ids") or []
    if not isinstance(pairs, list):
        raise _wrong_forced(settings)
    for place, pair in enumerate(pairs, 1):
        if not isinstance(pair, list) or len(pair) != 2 or pair[0] != place:
            raise _wrong_forced(settings)
        token = pair[1]
        if not (token is None and place == 1) and not _is_token(token):
            raise _wrong_forced(settings)
    return tuple(pair[1] for pair in pairs)


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _wrong_forced(settings: Settings) -> Exception:
    return _fail(
        FileError,
        f"{settings.path}: forced_decoder_ids has to be pairs [1, token], [2, token] and so on, of "
        "which the first token may be null",
    )
