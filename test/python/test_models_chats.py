"""Talks by chat templates: transformers' texts; templates that are none, or take too much."""

from __future__ import annotations

import datetime
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("jinja2")

import weft  # noqa: E402
import weft.__main__  # noqa: E402
import weft.models  # noqa: E402
from random_programs import count_of_examples  # noqa: E402
from small_checkpoint import save_checkpoint  # noqa: E402

#: In the manner of published ones: what they are made of, in many mixtures.
TEMPLATES = {
    "marks": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' "
    "+ message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>model\n' }}{% endif %}",
    "turns": """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate: user, model, ...') }}
    {%- endif %}
    {%- if loop.first and system %}{{ '<<SYS>>' ~ system ~ '<</SYS>>' }}{% endif %}
    {%- if message.role == 'user' %}
        {{- '[INST] ' + message.content | trim + ' [/INST]' }}
    {%- else %}
        {{- ' ' ~ message.content.strip() ~ eos_token }}
    {%- endif %}
    {%- if loop.last and add_generation_prompt %}{{ '!' }}{% endif %}
{%- endfor %}""",
    "tools": """{%- set ns = namespace(count=0, seen=[]) %}
{%- if tools %}{{ tools | tojson(indent=2) }}{{ tools | length }}{% endif %}
{%- for message in messages %}
    {%- if message.role == "tool" %}{%- continue %}{% endif %}
    {%- set ns.count = ns.count + 1 %}
    {%- if message.content is string %}
        {{- message.content.split('x')[-1].lstrip('\\n') }}
    {%- elif message.content is iterable and message.content is not mapping %}
        {%- for part in message.content %}{{ part.text or '' }}|{% endfor %}
    {%- endif %}
    {%- generation %}
    {{ message.content | string | upper | replace("A", "b") }}
    {%- endgeneration %}
    {%- if ns.count > 4 %}{% break %}{% endif %}
{%- endfor %}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='role') | join(', ') }}
{{ "%s of %d" | format("a", ns.count) }} {{ "é<>&" | tojson }} {{ thinking is true }}
{%- macro twice(text) %}{{ text * 2 }}{% endmacro %}
{{ twice(strftime_now("%Y")) }} {{ messages[::-1][0].role[:3] }} {{ {"b": 1, "a": [2, none]} }}""",
}
SPECIAL = {"bos_token": "<s>", "eos_token": {"content": "</s>", "__type": "AddedToken"}}
WORDS = ["hello", " the weft\n", "", "a<b & 'c'", "äöü 織る", "{{ 5 }}", "<s>", "x"]


def _save_tokenizer(folder: Path) -> None:
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=270,
        special_tokens=["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(["the weft is the thread"], trainer)
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    made.save(str(folder / "tokenizer.json"))


def _save(folder: Path, **settings: Any) -> Path:
    _save_tokenizer(folder)
    said = {"tokenizer_class": "PreTrainedTokenizerFast", **SPECIAL, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return folder


def _talk(random: np.random.Generator, parts: bool) -> list[dict[str, Any]]:
    """A talk, of which some have roles that do not alternate."""
    messages: list[dict[str, Any]] = []
    if random.random() < 0.5:
        messages.append({"role": "system", "content": str(random.choice(WORDS))})
    for number in range(random.integers(1, 6)):
        content: Any = "".join(str(random.choice(WORDS)) for _ in range(random.integers(4)))
        if parts and random.random() < 0.3:
            content = [{"type": "text", "text": content}, {"type": "image"}]
        wrong = random.random() < 0.1
        messages.append({"role": ("user", "model")[(number + wrong) % 2], "content": content})
    if parts and random.random() < 0.3:
        messages.append({"role": "tool", "content": "5"})
    return messages


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("place", ["a setting", "a list", "a file"])
def test_talks(name: str, place: str, tmp_path: Path) -> None:
    """Texts, tokens and refusals are transformers'."""
    hf = pytest.importorskip("transformers")
    source = TEMPLATES[name]
    if place == "a file":
        _save(tmp_path)
        (tmp_path / "chat_template.jinja").write_text(source)
    else:
        rows = [{"name": "default", "template": source}, {"name": "other", "template": "."}]
        _save(tmp_path, chat_template=rows if place == "a list" else source)
    peer = hf.AutoTokenizer.from_pretrained(tmp_path)
    ours = weft.models.load_tokenizer(tmp_path)
    refused = 0
    for example in range(min(count_of_examples(20), 500)):
        random = np.random.default_rng([example, len(name)])
        messages = _talk(random, name == "tools")
        more: dict[str, Any] = {"add_generation_prompt": bool(random.random() < 0.5)}
        if name == "tools":
            more["tools"] = [None, [{"type": "function", "function": {"name": "äx"}}]][example % 2]
            more["thinking"] = bool(random.random() < 0.5)
        try:
            wanted = peer.apply_chat_template(messages, tokenize=False, **more)
        except Exception as error:
            refused += 1
            with pytest.raises(weft.OptionError, match=re.escape(str(error))):
                ours.chat_text(messages, **more)
            continue
        assert ours.chat_text(messages, **more) == wanted
        tokens = peer(wanted, add_special_tokens=False)["input_ids"]
        assert ours.chat(messages, **more) == tokens
    assert bool(refused) == (name == "turns")
    if place == "a list":
        assert ours.chat_text([{"role": "user"}], template="other") == "."
        with pytest.raises(weft.OptionError, match="no chat template 'third', but default, other"):
            ours.chat([{"role": "user"}], template="third")


MESSAGES = [{"role": "user", "content": "hello"}]
HOSTILE = {
    "no syntax": ("{% for %}", "the chat template is none, in line 1"),
    "no end": ("{{ 'x'", "the chat template is none, in line 1"),
    "unknown filter": ("{{ 5 | abacus }}", "abacus"),
    "attributes": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
    "globals": ("{{ raise_exception.__globals__['re'] }}", "__globals__"),
    "changes": ("{{ messages.append(5) }}", "SecurityError"),
    "imports": ("{% include '/etc/passwd' %}", "no loader"),
    "an endless loop": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "more than 5000000 steps",
    ),
    "loops without a range": (
        "{% set l = range(9999) | list %}{% for a in l %}{% for b in l %}{% endfor %}{% endfor %}",
        "more than 5000000 steps",
    ),
    "a long range": ("{{ range(10 ** 9) | list }}", "OverflowError"),
    "a large number": ("{{ 9 ** 999999999 }}", "more than"),
    "squares": (
        "{% set n = namespace(x=9) %}{% for _ in range(40) %}{% set n.x = n.x * n.x %}"
        "{% endfor %}{{ n.x }}",
        "more than",
    ),
    "a long text": ("{{ 'x' * 10 ** 10 }}", "more than"),
    "doubled": (
        "{% set n = namespace(x='a') %}{% for _ in range(60) %}{% set n.x = n.x ~ n.x %}"
        "{% endfor %}",
        "more than",
    ),
    "added": (
        "{% set n = namespace(x='a') %}{% for _ in range(60) %}{% set n.x = n.x + n.x %}"
        "{% endfor %}",
        "more than",
    ),
    "lists": (
        "{% set n = namespace(x=['a' * 9999]) %}{% for _ in range(20) %}"
        "{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
        "more than",
    ),
    "joined": ("{{ (['a' * 99999] * 99999) | join }}", "more than"),
    "as JSON": ("{{ (['a' * 99999] * 99999) | tojson }}", "more than"),
    "centred": ("{{ 'a' | center(10 ** 10) }}", "more than"),
    "centred by a method": ("{{ 'a'.center(10 ** 10) }}", "more than"),
    "replaced": ("{{ ('a' * 99999) | replace('a', 'b' * 99999) }}", "more than"),
    "a format": ("{{ '%9999999999d' % 5 }}", "a large number"),
    "a format of a filter": ("{{ '%9999999999d' | format(5) }}", "a large number"),
    "a format of a method": ("{{ '{:9999999999}'.format(5) }}", "a large number"),
    "much output": (
        "{% set x = 'a' * 99999 %}{% for _ in range(9999) %}{{ x }}{% endfor %}",
        "more than",
    ),
    "itself": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself too deeply"),
    "types": ("{{ messages + 5 }}", "TypeError"),
    "nothing of nothing": ("{{ nothing.at.all }}", "UndefinedError"),
    "its own words": ("{{ raise_exception('no\nway') }}", "refuses the messages: no way"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_templates_that_are_none(name: str, tmp_path: Path) -> None:
    """One line, soon, and nothing of the machine."""
    source, message = HOSTILE[name]
    tokens = weft.models.load_tokenizer(_save(tmp_path, chat_template=source))
    start = time.monotonic()
    with pytest.raises(weft.WeftError) as caught:
        tokens.chat(MESSAGES)
    assert time.monotonic() - start < 20
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "setting",
    [5, {"a": 1}, [5], [{"name": "default"}], [{"template": 5}], ["x"]],
)
def test_settings_that_are_no_templates(setting: Any, tmp_path: Path) -> None:
    with pytest.raises(weft.FileError, match="chat_template has to be a text, or a list"):
        weft.models.load_tokenizer(_save(tmp_path, chat_template=setting))


def test_files_that_are_damaged(tmp_path: Path) -> None:
    _save(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(weft.FileError, match="can't be read as UTF-8"):
        weft.models.load_tokenizer(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    for content in ("{", "5", '{"bos_token": 5, "eos_token": {"content": 5}}'):
        (tmp_path / "tokenizer_config.json").write_text(content)
        if content[-1] == "}":
            weft.models.load_tokenizer(tmp_path)
            continue
        with pytest.raises(weft.FileError, match=r"tokenizer_config\.json"):
            weft.models.load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    "messages", [None, [], "hello", 5, [5], [{}], [{"role": 5}], {"role": "a"}]
)
def test_messages_that_are_none(messages: Any, tmp_path: Path) -> None:
    tokens = weft.models.load_tokenizer(_save(tmp_path, chat_template="{{ messages }}"))
    with pytest.raises(weft.OptionError, match="messages has to be a list of"):
        tokens.chat(messages)


def test_checkpoints_without_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = weft.models.load_tokenizer(_save(tmp_path))
    with pytest.raises(weft.FileError, match="has no chat template 'default', but none"):
        tokens.chat(MESSAGES)
    monkeypatch.setattr(weft.models._chat, "HAS_JINJA", False)
    tokens = weft.models.load_tokenizer(_save(tmp_path, chat_template="x"))
    with pytest.raises(weft.UnsupportedError, match="pip install jinja2"):
        tokens.chat(MESSAGES)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A talk of one message, and of a system's before it."""
    _save(tmp_path, chat_template=TEMPLATES["marks"])
    save_checkpoint(tmp_path, 270, max_position_embeddings=256)
    model, tokens = weft.models.load(tmp_path), weft.models.load_tokenizer(tmp_path)
    for more in ({}, {"--system": "Be brief."}):
        messages = [{"role": "system", "content": each} for each in more.values()] + MESSAGES
        wanted = "".join(tokens.stream(model.stream(tokens.chat(messages), 9)))
        words = ["run", str(tmp_path), "--prompt", "hello", "--chat", "--max-new-tokens", "9"]
        assert weft.__main__.main([*words, *(word for each in more.items() for word in each)]) == 0
        assert capsys.readouterr().out == wanted + "\n"
    words = ["run", str(tmp_path), "--prompt", "x", "--system", "y"]
    assert weft.__main__.main(words) == 1
    assert "--system is for a talk: give --chat, too" in capsys.readouterr().err


def test_the_year_is_this_one(tmp_path: Path) -> None:
    tokens = weft.models.load_tokenizer(_save(tmp_path, chat_template='{{ strftime_now("%Y") }}'))
    assert tokens.chat_text(MESSAGES) == str(datetime.datetime.now().year)
