"""Changes of files: of bytes, of text, of JSON, of archives and of ONNX's messages."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 16, 17, 127, 128, 255, 256, 65536, -128, 1000003),
    *(2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**60, 2**62, 2**63 - 1, -(2**63)),
)
TEXTS = (
    *("", " ", "x", "y", "0", "-1", "a" * 1000, "\x00", "\u00e4\U0001f9f5", "../../etc/passwd"),
    *("/etc/passwd", "..", ".", "weights.bin", "self", "forward", "__class__", "ai.onnx", "%s%n"),
)

#: Changes an input, given another one of the corpus.
Mutation = Callable[[bytes, bytes, random.Random], bytes]


def mutate_bytes(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Flips, numbers, cuts, repetitions, pieces of another input, and truncations."""
    if not data:
        return other
    changed = bytearray(data)
    begin = draw.randrange(len(data))
    end = min(len(data), begin + draw.choice((1, 2, 4, 8, 16, 200)))
    match draw.randrange(7):
        case 0:
            for _ in range(draw.choice((1, 1, 4, 32))):
                changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        case 1:
            number = draw.choice(NUMBERS)
            changed[begin:end] = struct.pack("<q", number)[: draw.choice((1, 2, 4, 8))]
        case 2:
            del changed[begin:end]
        case 3:
            changed[begin:begin] = changed[begin:end] * draw.choice((1, 2, 50))
        case 4 if other:
            start = draw.randrange(len(other))
            changed[begin:end] = other[start : start + draw.choice((4, 16, 400))]
        case 5:
            del changed[begin:]
        case _:
            changed[begin] = draw.randrange(256)
    return bytes(changed)


def mutate_numbers(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Text with one number another one, or one of the text's own: what its grammar allows."""
    found = list(re.finditer(rb"(?<![%#\w])-?\d+(?![\w.])|(?<=[<x])\d+(?=x)", data))
    if not found:
        return mutate_text(data, other, draw)
    place, like = draw.choice(found), draw.choice(found)
    number = like.group() if draw.random() < 0.5 else str(draw.choice(NUMBERS)).encode()
    return data[: place.start()] + number + data[place.end() :]


_TOKEN = re.compile(rb"\s+|\"[^\"\n]*\"|[%@#!^]?[A-Za-z_][\w.$]*|-?\d+|.", re.DOTALL)


def mutate_text(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Words go, come twice, change places, or are replaced by others of their kind."""
    words, others = _TOKEN.findall(data), _TOKEN.findall(other)
    if not words or not others:
        return mutate_bytes(data, other, draw)
    place = draw.randrange(len(words))
    match draw.randrange(6):
        case 0:
            del words[place : place + draw.choice((1, 1, 3, 20))]
        case 1:
            words[place:place] = words[place : place + draw.choice((1, 5, 40))]
        case 2:
            second = draw.randrange(len(words))
            words[place], words[second] = words[second], words[place]
        case 3:
            numbers = [i for i, word in enumerate(words) if re.fullmatch(rb"-?\d+", word)]
            words[draw.choice(numbers or [place])] = str(draw.choice(NUMBERS)).encode()
        case 4:
            like = [word for word in (*others, *words) if word[:1] == words[place][:1]]
            words[place] = draw.choice(like or others)
        case _:
            words[place] = draw.choice(others)
    return b"".join(words)


# JSON ----------------------------------------------------------------------------------------


def mutate_json(tree: Any, draw: random.Random) -> None:
    """Changes one place of a tree of lists and dicts."""
    places = list(_places(tree))
    if not places:
        return
    # Half of the time a number or a text alone, which reaches farthest.
    leaves = [row for row in places if not isinstance(row[0][row[1]], (dict, list))]
    holder, key = draw.choice(leaves if leaves and draw.random() < 0.5 else places)
    value = holder[key]
    match draw.randrange(9):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(key, value)
        case 1 | 2:
            source, name = draw.choice(places)
            holder[key] = source[name] if not _holds(source[name], holder) else None
        case 3:
            holder[key] = draw.choice((None, True, [], {}, -1.5, "text", [1], {"as_int": 1}))
        case 4 if isinstance(holder, dict):
            holder[draw.choice(TEXTS)] = holder.pop(key)
        case 5 | 6 if isinstance(value, str):
            texts = [h[k] for h, k in leaves if isinstance(h[k], str)]
            holder[key] = draw.choice(texts)
        case _:
            holder[key] = draw.choice(TEXTS if isinstance(value, str) else NUMBERS)


def _places(tree: Any) -> Any:
    rows = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(rows):
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def _holds(tree: Any, inner: Any) -> bool:
    if tree is inner:
        return True
    if not isinstance(tree, (dict, list)):
        return False
    return any(_holds(x, inner) for x in (tree.values() if isinstance(tree, dict) else tree))


def mutate_json_text(data: bytes, draw: random.Random) -> bytes:
    """The same of JSON as text; of other text the bytes."""
    try:
        tree = json.loads(data)
    except ValueError:
        return mutate_bytes(data, data, draw)
    if isinstance(tree, (dict, list)):
        mutate_json(tree, draw)
    return json.dumps(tree).encode()


# Archives, safetensors -----------------------------------------------------------------------


def mutate_archive(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """A zip file with a member changed, renamed, left out, or there twice."""
    try:
        members = _members(data)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError, EOFError):
        return mutate_bytes(data, other, draw)
    if not members:
        return mutate_bytes(data, other, draw)
    # Half of the time in what describes the program.
    likely = [i for i, (name, _) in enumerate(members) if name.endswith("json")]
    place = draw.choice(likely if likely and draw.random() < 0.6 else range(len(members)))
    name, content = members[place]
    match draw.randrange(10):
        case 0:
            del members[place]
        case 1:
            members[place] = (draw.choice((*TEXTS, *(n for n, _ in members))), content)
        case 2:
            members.append((name, mutate_bytes(content, content, draw)))
        case 3:
            members[place] = (name, mutate_bytes(content, content, draw))
        case 4:
            members[place] = (name, draw.choice([c for _, c in members]))
        case _:
            members[place] = (name, mutate_json_text(content, draw))
    return _archive(members)


def _members(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(x.filename, archive.read(x)) for x in archive.infolist()]


def _archive(members: Sequence[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def mutate_checkpoint(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """A checkpoint's folder, as an archive, with one of its files changed or gone."""
    try:
        members = _members(data)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError, EOFError):
        return data
    place = draw.randrange(len(members) or 1)
    if not members or draw.random() < 0.03:
        del members[place : place + 1]
        return _archive(members)
    name, content = members[place]
    if draw.random() < 0.15:
        content = mutate_bytes(content, other, draw)
    elif name.endswith(".safetensors"):
        content = mutate_safetensors(content, content, draw)
    else:
        content = mutate_json_text(content, draw)
    members[place] = (name, content)
    return _archive(members)


def mutate_safetensors(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """A header with a place changed, and its length, or not."""
    size = struct.unpack("<Q", data[:8].ljust(8, b"\0"))[0]
    header = mutate_json_text(data[8 : 8 + size], draw)
    if draw.random() < 0.2:
        size = draw.choice([x for x in NUMBERS if x >= 0])
        return struct.pack("<Q", size) + data[8:]
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


# ONNX ----------------------------------------------------------------------------------------


def mutate_onnx(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """A message with a field changed: as any exporter might write it that has a mistake."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model, second = onnx.ModelProto.FromString(data), onnx.ModelProto.FromString(other)
    except DecodeError:
        return mutate_bytes(data, other, draw)
    if draw.random() < 0.1:
        _make_external(model, draw)
    else:
        _change_message(model, second, draw)
    return model.SerializeToString()


def _make_external(model: Any, draw: random.Random) -> None:
    """Lets elements of a weight lie in a file, mostly one that may not be read."""
    tensors = [m for m in _messages(model) if type(m).__name__ == "TensorProto"]
    if not tensors:
        return
    tensor = draw.choice(tensors)
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key in ("location", "offset", "length", "checksum")[: draw.randrange(5)]:
        row = tensor.external_data.add()
        row.key, row.value = key, draw.choice((*TEXTS, *map(str, NUMBERS)))
    if tensor.external_data:
        tensor.external_data[0].value = draw.choice(TEXTS)


def _messages(message: Any) -> Any:
    yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                yield from _messages(inner)


def _change_message(model: Any, second: Any, draw: random.Random) -> None:
    messages = [m for m in _messages(model) if m.ListFields()]
    if not messages:
        return
    message = draw.choice(messages)
    field, value = draw.choice(message.ListFields())
    names = [
        text
        for m in messages
        for f, texts in m.ListFields()
        if f.type == f.TYPE_STRING
        for text in (texts if f.is_repeated else [texts])
    ]
    if field.is_repeated:
        _change_list(value, field, second, names, draw)
    elif field.type == field.TYPE_MESSAGE:
        _replace(value, second, draw)
    elif draw.random() < 0.15:
        message.ClearField(field.name)
    else:
        _try(lambda: setattr(message, field.name, _value_of(field, value, names, draw)))


def _change_list(rows: Any, field: Any, second: Any, names: list[str], draw: random.Random) -> None:
    place = draw.randrange(len(rows))
    is_message = field.type == field.TYPE_MESSAGE
    match draw.randrange(5):
        case 0:
            del rows[place]
        case 1:
            rows.append(rows[place])
        case 2:
            del rows[draw.randrange(len(rows)) :]
        case 3 if is_message:
            copies = [type(row).FromString(row.SerializeToString()) for row in rows]
            draw.shuffle(copies)
            del rows[:]
            rows.extend(copies)
        case _ if is_message:
            _replace(rows[place], second, draw)
        case _:
            _try(lambda: rows.__setitem__(place, _value_of(field, rows[place], names, draw)))


def _replace(message: Any, second: Any, draw: random.Random) -> None:
    """Another message of the same type, from another model."""
    like = [m for m in _messages(second) if type(m) is type(message)]
    if like:
        message.CopyFrom(draw.choice(like))


def _value_of(field: Any, value: Any, names: list[str], draw: random.Random) -> Any:
    if isinstance(value, (str, bytes)):
        if isinstance(value, bytes) and value and draw.random() < 0.6:
            return mutate_bytes(value, value, draw)
        text = draw.choice(names) if names and draw.random() < 0.6 else draw.choice(TEXTS)
        return text if isinstance(value, str) else str(text).encode()
    if isinstance(value, float):
        return draw.choice((0.0, -1.0, 1e38, float("nan"), float("inf"), 0.5))
    if field.enum_type is not None or draw.random() < 0.3:
        return draw.randrange(30)
    return draw.choice(NUMBERS)


def _try(change: Callable[[], None]) -> None:
    """A value that the field's type has no room for changes nothing."""
    with contextlib.suppress(ValueError, TypeError):
        change()
