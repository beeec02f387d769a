"""What the safetensors library takes is taken, and what it refuses is refused.

Two differences are wanted: a name that is there twice is refused, as the format's description says
(the library takes the last), and so are dtypes that weft does not have.
"""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

safetensors = pytest.importorskip("safetensors")


def _file(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _tensor(begin: Any = 0, end: Any = 4, shape: Any = (1,), dtype: Any = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _raw(shape: str = "[1]", offsets: str = "[0,4]", more: str = "", name: str = "a") -> bytes:
    fields = f'"dtype":"F32","shape":{shape},"data_offsets":{offsets}{more}'
    return _file(f'{{"{name}":{{{fields}}}}}'.encode(), b"1234")


_FOUR = b"1234"
FILES = {
    "nothing": b"",
    "short": b"\0" * 7,
    "no header": _file(b""),
    "no tensors": _file({}),
    "no tensors but data": _file({}, b"x"),
    "one": _file({"a": _tensor()}, _FOUR),
    "data missing": _file({"a": _tensor()}, b"123"),
    "data left": _file({"a": _tensor()}, b"12345"),
    "unsorted": _file({"a": _tensor(4, 8), "b": _tensor()}, b"12345678"),
    "the same bytes": _file({"a": _tensor(), "b": _tensor()}, _FOUR),
    "overlap": _file({"a": _tensor(), "b": _tensor(2, 6)}, b"123456"),
    "gap": _file({"a": _tensor(), "b": _tensor(5, 9)}, b"123456789"),
    "gap in front": _file({"a": _tensor(4, 8)}, b"12345678"),
    "zeros in names": _file({"a\0b": _tensor(), "a\0c": _tensor(4, 8)}, b"12345678"),
    "empty name": _file({"": _tensor()}, _FOUR),
    "metadata": _file({"__metadata__": {"format": "pt"}, "a": _tensor()}, _FOUR),
    "metadata null": _file({"__metadata__": None}),
    "metadata empty": _file({"__metadata__": {}}),
    "metadata number": _file({"__metadata__": {"format": 1}}),
    "metadata nested": _file({"__metadata__": {"format": {"x": "y"}}}),
    "metadata list": _file({"__metadata__": ["x"]}),
    "metadata text": _file({"__metadata__": "x"}),
    "metadata tensor": _file({"__metadata__": _tensor()}, _FOUR),
    "metadata twice": _file(b'{"__metadata__":{"a":"b"},"__metadata__":{"a":"c"}}'),
    "more fields": _file({"a": {**_tensor(), "x": [1, {"y": None}], "z": -1.5e3}}, _FOUR),
    "field twice": _raw(more=',"dtype":"F32"'),
    "no dtype": _file({"a": {"shape": [1], "data_offsets": [0, 4]}}, _FOUR),
    "no shape": _file({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, _FOUR),
    "no offsets": _file({"a": {"dtype": "F32", "shape": [1]}}, _FOUR),
    "unknown dtype": _file({"a": _tensor(dtype="F99")}, _FOUR),
    "dtype in small letters": _file({"a": _tensor(dtype="f32")}, _FOUR),
    "dtype number": _file({"a": _tensor(dtype=1)}, _FOUR),
    "shape too large": _file({"a": _tensor(shape=[2])}, _FOUR),
    "shape null": _file({"a": _tensor(shape=None)}, _FOUR),
    "shape text": _file({"a": _tensor(shape="1")}, _FOUR),
    "shape bool": _file({"a": _tensor(shape=[True])}, _FOUR),
    "shape float": _file({"a": _tensor(shape=[1.0])}, _FOUR),
    "shape negative": _file({"a": _tensor(shape=[-1])}, _FOUR),
    "shape overflows": _file({"a": _tensor(shape=[2**62, 4])}, _FOUR),
    "shape overflows to right": _file({"a": _tensor(shape=[2**63, 2])}, _FOUR),
    "shape overflows 64 bits": _file({"a": _tensor(shape=[2**64])}, _FOUR),
    "shape exponent": _raw(shape="[1e0]"),
    "shape zero in front": _raw(shape="[01]"),
    "shape plus": _raw(shape="[+1]"),
    "scalar": _file({"a": _tensor(shape=[])}, _FOUR),
    "empty": _file({"a": _tensor(0, 0, [0])}),
    "empty but large": _file({"a": _tensor(0, 0, [0, 2**62, 2**62])}),
    "empty behind an overflow": _file({"a": _tensor(0, 0, [2**62, 2**62, 0])}),
    "empty between": _file({"a": _tensor(), "e": _tensor(4, 4, [0]), "b": _tensor(4, 8)}, b"x" * 8),
    "empty within": _file({"e": _tensor(2, 2, [0]), "a": _tensor()}, _FOUR),
    "empty twice": _file({"e": _tensor(0, 0, [0]), "f": _tensor(0, 0, [0, 3])}),
    "empty outside": _file({"e": _tensor(4, 4, [0])}),
    "offset negative": _file({"a": _tensor(-4, 0)}, _FOUR),
    "offset minus zero": _raw(offsets="[-0,4]"),
    "offset float": _file({"a": _tensor(0.0, 4.0)}, _FOUR),
    "offsets reversed": _file({"a": _tensor(4, 0)}, _FOUR),
    "offsets three": _raw(offsets="[0,4,8]"),
    "offsets one": _raw(offsets="[0]"),
    "list": _file([1, 2]),
    "text": _file("x"),
    "tensor null": _file({"a": None}),
    "no JSON": _file(b"{nonsense"),
    "spaces behind": _file(json.dumps({"a": _tensor()}).encode() + b" \n\t", _FOUR),
    "spaces in front": _file(b"  " + json.dumps({"a": _tensor()}).encode(), _FOUR),
    "zeros behind": _file(json.dumps({"a": _tensor()}).encode() + b"\0", _FOUR),
    "letter behind": _file(json.dumps({"a": _tensor()}).encode() + b"x", _FOUR),
    "byte order mark": _file(b"\xef\xbb\xbf" + json.dumps({"a": _tensor()}).encode(), _FOUR),
    "comma behind": _raw(more=","),
    "comment": _raw(more="/*x*/"),
    "no UTF-8": _file(_raw()[8:-4].replace(b'"a"', b'"a\xff"'), _FOUR),
    "half a pair": _raw(name="a\\ud800"),
    "halves in disorder": _raw(name="a\\ude00\\ud83d"),
    "pair": _raw(name="a\\ud83d\\ude00"),
    "escapes": _raw(name='\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041'),
    "wrong escape": _raw(name="\\x41"),
    "control character": _raw(name="a\x01"),
    "umlaut": _file(json.dumps({"größe_重": _tensor()}, ensure_ascii=False).encode(), _FOUR),
    "length beyond": struct.pack("<Q", 10**6) + _raw()[8:],
    "length huge": struct.pack("<Q", 2**63) + _raw()[8:],
    "nested": _raw(more=',"x":' + "[" * 50 + "]" * 50),
    "nested deeply": _raw(more=',"x":' + "[" * 100_000 + "]" * 100_000),
}


def _names_by_library(path: Path) -> list[str] | None:
    try:
        with safetensors.safe_open(path, "np") as file:
            return sorted(file.keys())
    except safetensors.SafetensorError:
        return None


def _names(path: Path) -> list[str] | None:
    try:
        return sorted(weft.load_safetensors(path))
    except weft.WeftError:
        return None


@pytest.mark.parametrize("name", FILES)
def test_files_are_taken_as_the_library_takes_them(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(FILES[name])
    assert _names(path) == _names_by_library(path)


def test_random_files_are_taken_as_the_library_takes_them(tmp_path: Path) -> None:
    """Texts made of pieces of headers, mostly well formed."""
    generator = random.Random(3)
    numbers = ["0", "1", "2", "4", "8", "00", "-1", "1.0", "4294967296", "18446744073709551616"]
    path = tmp_path / "x.safetensors"
    taken = 0
    for _ in range(3000):
        rows, place = [], 0
        for name in generator.sample(["a", "b", "\\u0000", "", "é"], generator.randrange(4)):
            count = generator.randrange(3)
            shape, end = [str(count)], place + 4 * count
            offsets = [str(place), str(end)]
            if generator.random() < 0.1:
                generator.choice([shape, offsets])[0] = generator.choice(numbers)
            fields = ['"dtype":"F32"', f'"shape":[{",".join(shape)}]']
            fields.append(f'"data_offsets":[{",".join(offsets)}]')
            if generator.random() < 0.05:
                fields[generator.randrange(3)] = '"x":null'
            generator.shuffle(fields)
            rows.append(f'"{name}":{{{",".join(fields)}}}')
            place = end
        generator.shuffle(rows)
        header = "{" + ",".join(rows) + "}"
        if generator.random() < 0.1:
            at = generator.randrange(len(header))
            header = header[:at] + generator.choice('{}[]",:0 x') + header[at + 1 :]
        path.write_bytes(_file(header.encode(), b"\0" * place))
        expected = _names_by_library(path)
        if header.count('"a":') > 1 or header.count('"":') > 1 or header.count('"b":') > 1:
            continue
        assert _names(path) == expected, header
        taken += expected is not None
    assert taken > 1000


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    entry = json.dumps(_tensor())
    path.write_bytes(_file(f'{{"a":{entry},"a":{entry}}}'.encode(), _FOUR))
    with pytest.raises(weft.FileError, match="the name a twice"):
        weft.load_safetensors(path)


def test_names_with_zeros_go_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {name: weft.asarray(number) for number, name in enumerate(("a", "a\0b", "a\0c", ""))}
    weft.save_safetensors(tensors, path)
    assert {name: int(value) for name, value in weft.load_safetensors(path).items()} == {
        "a": 0,
        "a\0b": 1,
        "a\0c": 2,
        "": 3,
    }


def test_the_name_of_the_metadata_is_no_tensor(tmp_path: Path) -> None:
    with pytest.raises(weft.FileError, match="__metadata__"):
        weft.save_safetensors({"__metadata__": weft.zeros(2)}, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_read_by_the_library(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    path = tmp_path / "x.safetensors"
    arrays = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3),
        "empty": np.zeros((0, 4), np.int64),
        "flag": np.array([True, False]),
        "größe": np.array(2.5),
    }
    weft.save_safetensors({name: weft.asarray(array) for name, array in arrays.items()}, path)
    loaded = load_file(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
