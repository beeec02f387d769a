"""Talks as texts: by the template of a checkpoint, a program of Jinja's, in a sandbox."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._creation import _fail
from .._errors import FileError, OptionError, UnsupportedError
from ._folder import read_json

try:
    import jinja2
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:  # only talks need it
    HAS_JINJA = False
else:
    HAS_JINJA = True

_CONFIG, _TEMPLATE, _MORE = (
    "tokenizer_config.json",
    "chat_template.jinja",
    "additional_chat_templates",
)
#: The names of tokens that templates write.
_TOKENS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
#: Characters of a template and of a text, and steps of a template: more than any talk takes.
_LONGEST, _STEPS = 1 << 22, 5_000_000
_MOST_BITS = 1 << 12


class _TemplateRefusalError(Exception):
    """What a template raises by itself."""


class _TooMuchError(Exception):
    """A template took more steps, or made longer texts, than it may."""


def _sizes(*values: Any) -> int:
    """How long what a function makes of these may be: what repeats and fills up are products."""
    found = 1
    for value in values:
        if isinstance(value, (str, bytes, list, tuple, dict)):
            found *= max(len(value), 1)
        elif isinstance(value, int):
            found *= max(abs(value), 1)
    return found


def _whole(value: Any) -> int:
    """How long the text of a value is about, of lists and what is in them."""
    found, left = 0, [value]
    while left and found <= _LONGEST:
        each = left.pop()
        if isinstance(each, (str, bytes)):
            found += len(each)
        elif isinstance(each, dict):
            found += len(each)
            left += [*each.keys(), *each.values()]
        elif isinstance(each, (list, tuple)):
            found += len(each)
            left += each
    return found


def _shown(value: Any) -> Any:
    """What is written, as it is."""
    _bounded(_whole(value))
    return value


def _require_narrow(form: Any) -> None:
    """Raises for a format with a number in it that may be a width of many characters."""
    if re.search(r"[0-9]{4}|\*", str(form)):
        raise _TooMuchError("it fills texts up by a format with a large number")


def _bounded(size: float) -> None:
    if size > _LONGEST:
        raise _TooMuchError(f"it makes a text of more than {_LONGEST} characters")


def _joined(*parts: Any) -> str:
    _bounded(_whole(parts))
    return "".join(map(str, parts))


def _refuse(message: Any = "") -> None:
    raise _TemplateRefusalError(str(message))


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is, where Jinja's own filter writes it for pages of HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _now(form: str) -> str:
    return datetime.datetime.now().strftime(form)


if HAS_JINJA:

    class _Answers(Extension):
        """``{% generation %}``, which says what of a talk the model wrote, and changes no text."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    class _Sandbox(ImmutableSandboxedEnvironment):
        """Templates see no attributes beyond data, and have bounds for steps and sizes."""

        intercepted_binops = frozenset(("+", "*", "**", "%"))

        def __init__(self) -> None:
            super().__init__(
                trim_blocks=True,
                lstrip_blocks=True,
                extensions=[_Answers, "jinja2.ext.loopcontrols"],
                finalize=_shown,
            )
            self._steps = threading.local()
            self.filters = {name: self._careful(made) for name, made in self.filters.items()}
            self.filters["tojson"] = self._careful(_as_json)
            self.globals.pop("lipsum", None)
            self.globals |= {"raise_exception": _refuse, "strftime_now": _now}
            self.globals |= {"_counted": self._counted, "_joined": _joined}

        def begin(self) -> None:
            """Counts steps anew."""
            self._steps.left = _STEPS

        def _step(self, count: int = 1) -> None:
            self._steps.left -= count
            if self._steps.left < 0:
                raise _TooMuchError(f"it takes more than {_STEPS} steps")

        def _counted(self, values: Any) -> Any:
            """What a loop goes through."""
            if isinstance(values, (str, list, tuple, dict)):
                self._step(len(values) + 1)
                return values
            return self._watched(iter(values))

        def _watched(self, values: Iterator[Any]) -> Iterator[Any]:
            for value in values:
                self._step()
                yield value

        def _careful(self, made: Callable) -> Callable:
            def checked(*args: Any, **kwargs: Any) -> Any:
                self._step()
                _bounded(_sizes(*args, *kwargs.values()))
                _bounded(_whole([*args, *kwargs.values()]))
                if made is jinja2.filters.do_format:
                    _require_narrow(args[0])
                return made(*args, **kwargs)

            # What Jinja passes besides, as its environment, is said by attributes.
            checked.__dict__.update(getattr(made, "__dict__", {}))
            return checked

        def _parse(self, source: str, name: str | None, filename: str | None) -> Any:
            tree = super()._parse(source, name, filename)
            for loop in tree.find_all(nodes.For):
                loop.iter = self._call("_counted", [loop.iter], loop.iter.lineno)
            for chain in list(tree.find_all(nodes.Concat)):
                chain.nodes = [self._call("_joined", list(chain.nodes), chain.lineno)]
            return tree

        def _call(self, name: str, args: list[Any], line: int) -> Any:
            called = nodes.Name(name, "load", lineno=line)
            found = nodes.Call(called, args, [], None, None, lineno=line)
            return found.set_environment(self)

        def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
            self._step()
            owner = getattr(function, "__self__", None)
            if isinstance(owner, (str, bytes)):
                _bounded(_sizes(owner, *args, *kwargs.values()))
                _bounded(_whole([*args, *kwargs.values()]))
            return super().call(context, function, *args, **kwargs)

        def wrap_str_format(self, value: Any) -> Any:
            found = super().wrap_str_format(value)
            if found is not None:
                _require_narrow(value.__self__)
            return found

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            self._step()
            numbers = isinstance(left, int) and isinstance(right, int)
            if operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
                _bounded(len(left) + len(right))
            elif operator == "**" and numbers:
                _bounded(math.inf if left.bit_length() * abs(right) > _MOST_BITS else 0)
            elif operator in "*%" and numbers:
                _bounded(math.inf if left.bit_length() + right.bit_length() > _MOST_BITS else 0)
            elif operator == "*":
                _bounded(_sizes(left, right))
            elif operator == "%" and isinstance(left, str):
                _require_narrow(left)
                _bounded(_whole([left, right]))
            return super().call_binop(context, operator, left, right)


class ChatTemplates:
    """The templates of a checkpoint, which make texts of talks.

    They are programs of who wrote the checkpoint. They see the talk and nothing else, and what they
    may take of time and memory has bounds.
    """

    def __init__(self, sources: Mapping[str, str], tokens: Mapping[str, Any], place: str) -> None:
        """Takes the templates by their names, and the texts of tokens by those of tokens."""
        self._sources, self._tokens, self._place = dict(sources), dict(tokens), place
        self._made: dict[str, Any] = {}

    def text(
        self,
        messages: Any,
        tools: Any = None,
        template: str | None = None,
        add_generation_prompt: bool = True,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """See `Tokenizer.chat_text`."""
        talk = _checked(messages)
        made = self._template(template, tools)
        values = {**self._tokens, **(more or {}), "messages": talk, "tools": tools}
        values["add_generation_prompt"] = add_generation_prompt
        made.environment.begin()
        with self._asked():
            text, pieces = 0, []
            for piece in made.generate(values):
                text += len(piece)
                _bounded(text)
                pieces.append(piece)
            return "".join(pieces)

    def _template(self, name: str | None, tools: Any) -> Any:
        if not HAS_JINJA:
            raise _fail(
                UnsupportedError,
                f"{self._place}: a chat template is read by the package jinja2, which is not "
                "installed: pip install jinja2",
            )
        if name is None:
            name = "tool_use" if tools is not None and "tool_use" in self._sources else "default"
        if name not in self._sources:
            there = ", ".join(sorted(self._sources)) or "none"
            raise _fail(
                OptionError if self._sources else FileError,
                f"{self._place} has no chat template {name!r:.60}, but {there}: give template=, or "
                "write the prompt as a text",
            )
        if name not in self._made:
            with self._asked():
                self._made[name] = _Sandbox().from_string(self._sources[name])
        return self._made[name]

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """What goes wrong in a template, as one line."""
        try:
            yield
        except _TemplateRefusalError as error:
            raise _fail(
                OptionError,
                f"{self._place}: the chat template refuses the messages: {_line(error)}",
            ) from None
        except jinja2.TemplateSyntaxError as error:
            raise _fail(
                FileError,
                f"{self._place}: the chat template is none, in line {error.lineno}: {_line(error)}",
            ) from None
        except RecursionError:
            raise _fail(
                FileError, f"{self._place}: the chat template calls itself too deeply"
            ) from None
        except Exception as error:  # of any kind, by what the template says
            raise _fail(
                FileError,
                f"{self._place}: the chat template fails for these messages: "
                f"{type(error).__name__.strip('_')}: {_line(error)}",
            ) from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _checked(messages: Any) -> list[dict[str, Any]]:
    """The messages of a talk. Raises OptionError."""
    is_list = isinstance(messages, Sequence) and not isinstance(messages, str) and len(messages) > 0
    if not is_list or not all(_is_message(each) for each in messages):
        raise _fail(
            OptionError,
            'messages has to be a list of {"role": "user", "content": "..."}, at least one, not '
            f"{repr(messages)[:80]}",
        )
    return [dict(each) for each in messages]


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("role"), str)


def read_chat_templates(folder: Path) -> ChatTemplates:
    """The chat templates of a checkpoint, of which there may be none.

    Raises:
        FileError: a file is damaged, or a template no text.
    """
    config = folder / _CONFIG
    said = read_json(config) if config.is_file() else {}
    found = said.get("chat_template")
    sources: dict[str, Any]
    if isinstance(found, list):
        rows = [each if isinstance(each, dict) else {} for each in found]
        sources = {str(each.get("name")): each.get("template") for each in rows}
    else:
        sources = {} if found is None else {"default": found}
    files = [("default", folder / _TEMPLATE)]
    files += [(each.stem, each) for each in sorted((folder / _MORE).glob("*.jinja"))]
    sources |= {name: _read(file) for name, file in files if file.is_file()}
    if not all(isinstance(source, str) and len(source) < _LONGEST for source in sources.values()):
        raise _fail(
            FileError,
            f"{config}: chat_template has to be a text, or a list of objects with a name and a "
            "template",
        )
    return ChatTemplates(sources, _token_texts(folder, said), str(folder))


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            return opened.read(_LONGEST + 1)
    except (OSError, ValueError) as error:
        raise _fail(FileError, f"{file} can't be read as UTF-8: {_line(error)}") from None


def _token_texts(folder: Path, said: dict[str, Any]) -> dict[str, str]:
    """The texts of tokens by their names, as bos_token."""
    older = folder / "special_tokens_map.json"
    values = {**(read_json(older) if older.is_file() else {}), **said}
    found = {}
    for name in _TOKENS:
        value = values.get(f"{name}_token")
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            found[f"{name}_token"] = text
    return found
