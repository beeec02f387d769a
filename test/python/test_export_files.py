"""Files of programs and weights: what is damaged or foreign is one clear error."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from weft import nn


def small_program() -> weft.Exported:
    """The same one in each call."""
    weft.manual_seed(4)
    return weft.export(
        nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)), weft.spec(("n", 6))
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program, and the same program beside its weights."""
    folder = tmp_path_factory.mktemp("programs")
    exported = small_program()
    exported.save(folder / "whole.weft")
    exported.save(folder / "apart.weft", weights=folder / "apart.safetensors")
    (folder / "program.mlir").write_text(exported.mlir(elide_constants=False))
    return folder


def _load_error(path: Path) -> str:
    with pytest.raises(weft.WeftError) as error:
        weft.load(path)
    message = str(error.value)
    assert isinstance(error.value, weft.FileError), message
    assert path.name in message
    assert "\n" not in message
    return message


def _changed(source: Path, target: Path, offset: int, data: bytes) -> Path:
    content = bytearray(source.read_bytes())
    content[offset : offset + len(data)] = data
    target.write_bytes(content)
    return target


def test_all_forms_are_the_same_program(saved: Path) -> None:
    x = np.random.default_rng(1).standard_normal((3, 6)).astype(np.float32)
    expected = np.asarray(weft.load(saved / "whole.weft")(x))
    for name in ("apart.weft", "program.mlir"):
        program = weft.load(saved / name)
        assert program.symbols == ("n",)
        assert np.asarray(program(x)).tobytes() == expected.tobytes()


def test_same_program_same_bytes(saved: Path, tmp_path: Path) -> None:
    """Whatever was exported before, and is still there, and in another process."""
    expected = (saved / "whole.weft").read_bytes()
    programs = [small_program(), small_program(), weft.load(saved / "whole.weft")]
    for program in programs:
        for _ in range(2):
            program.save(tmp_path / "again.weft")
            assert (tmp_path / "again.weft").read_bytes() == expected
    folder, name = str(Path(__file__).parent), Path(__file__).stem
    code = (
        f"import sys; sys.path.insert(0, {folder!r}); import {name} as module; "
        f"module.small_program().save({str(tmp_path / 'other.weft')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "other.weft").read_bytes() == expected
    for number, program in enumerate(programs):
        program.save(tmp_path / "apart.weft", weights=tmp_path / "apart.safetensors")
        for file in ("apart.weft", "apart.safetensors"):
            assert (tmp_path / file).read_bytes() == (saved / file).read_bytes(), number


def test_every_truncation_is_found(saved: Path, tmp_path: Path) -> None:
    content = (saved / "whole.weft").read_bytes()
    target = tmp_path / "cut.weft"
    for length in [*range(8, 72), *range(72, len(content), 97), len(content) - 1]:
        target.write_bytes(content[:length])
        assert "is truncated" in _load_error(target)


def test_every_flipped_bit_is_found(saved: Path, tmp_path: Path) -> None:
    content = (saved / "whole.weft").read_bytes()
    target = tmp_path / "flipped.weft"
    generator = random.Random(7)
    places = [*range(64 * 8), *(generator.randrange(64 * 8, len(content) * 8) for _ in range(300))]
    for place in places:
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        target.write_bytes(flipped)
        _load_error(target)


def test_more_bytes_behind_the_end(saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "longer.weft"
    target.write_bytes((saved / "whole.weft").read_bytes() + b"\0")
    assert "1 bytes follow the end" in _load_error(target)


@pytest.mark.parametrize("version", [0, 2])
def test_a_damaged_version_is_no_other_version(version: int, saved: Path, tmp_path: Path) -> None:
    changed = _changed(saved / "whole.weft", tmp_path / "a.weft", 8, struct.pack("<I", version))
    assert "is damaged" in _load_error(changed)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"PK\x03\x04 and so on", b"\x7fELF" + b"\0" * 200, b"import weft\n"],
)
def test_foreign_files(content: bytes, tmp_path: Path) -> None:
    target = tmp_path / "foreign.weft"
    target.write_bytes(content)
    _load_error(target)


def test_no_file_and_folders(tmp_path: Path) -> None:
    assert "can't be read" in _load_error(tmp_path / "absent.weft")
    _load_error(tmp_path)


def test_text_errors_have_line_and_column(tmp_path: Path) -> None:
    target = tmp_path / "wrong.mlir"
    target.write_text("func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n  return %y\n}\n")
    assert f"{target}:2:" in _load_error(target)


@pytest.mark.parametrize(
    "text",
    [
        "module {}",
        "func.func private @main(tensor<2xf32>) -> tensor<2xf32>",
        "func.func @main(%x: i32) -> i32 {\n  return %x : i32\n}",
        'module attributes {weft.structure = "[]"} {\n  func.func @main() {\n    return\n  }\n}',
        'module attributes {weft.weights = {file = "../x", digest = ""}} {\n'
        "  func.func @main() {\n    return\n  }\n}",
        "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
        "  %0 = weft.constant dense_resource<w> : tensor<2xf32> : tensor<2xf32>\n"
        "  return %0 : tensor<2xf32>\n}\n"
        '{-# dialect_resources: {builtin: {w: "0x040000000000803F"}} #-}',
    ],
)
def test_programs_that_are_none(text: str, tmp_path: Path) -> None:
    target = tmp_path / "none.mlir"
    target.write_text(text)
    with pytest.raises(weft.WeftError):
        weft.load(target)


def test_failed_writes_leave_what_was_there(saved: Path, tmp_path: Path) -> None:
    program = weft.load(saved / "whole.weft")
    with pytest.raises(weft.FileError, match="can't be written"):
        program.save(tmp_path / "absent" / "program.weft")
    with pytest.raises(weft.FileError, match="is not in the folder of"):
        program.save(tmp_path / "program.weft", weights=saved / "weights.safetensors")
    assert list(tmp_path.iterdir()) == []
    if os.path.exists("/dev/full"):
        folder = tmp_path / "full"
        folder.mkdir()
        (folder / "program.weft").mkdir()
        with pytest.raises(weft.FileError):
            program.save(folder / "program.weft")
        assert [path.name for path in folder.iterdir()] == ["program.weft"]


def test_a_program_can_be_replaced_while_it_is_loaded(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "program.weft"
    program = weft.load(saved / "whole.weft")
    program.save(path)
    loaded = weft.load(path)
    x = np.ones((2, 6), np.float32)
    expected = np.asarray(program(x)).tobytes()
    loaded.save(path)
    weft.export(nn.Linear(2, 2), weft.spec((1, 2))).save(path)
    assert np.asarray(loaded(x)).tobytes() == expected


# Weights in a file of their own ----------------------------------------------------------------


def _split(path: Path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def test_weights_are_a_safetensors_file(saved: Path) -> None:
    header, data = _split(saved / "apart.safetensors")
    assert set(header) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert header["0.weight"]["dtype"] == "F32"
    assert header["0.weight"]["shape"] == [5, 6]
    program = weft.load(saved / "apart.weft")
    begin, end = header["2.bias"]["data_offsets"]
    bias = np.frombuffer(data[begin:end], np.float32)
    zeros = np.asarray(program(np.zeros((1, 6), np.float32)))
    assert zeros.shape == (1, 2)
    assert bias.shape == (2,)
    assert os.path.getsize(saved / "apart.weft") < os.path.getsize(saved / "whole.weft")


def test_other_weights_are_refused(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "apart.weft").write_bytes((saved / "apart.weft").read_bytes())
    with pytest.raises(weft.FileError, match=r"apart\.safetensors: can't be read"):
        weft.load(tmp_path / "apart.weft")
    content = bytearray((saved / "apart.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "apart.safetensors").write_bytes(content)
    with pytest.raises(weft.FileError, match="not the weights that were saved with the program"):
        weft.load(tmp_path / "apart.weft")


def _safetensors(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def _entry(dtype: str, shape: list, begin: int, end: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


_BAD_SAFETENSORS = {
    "empty": (b"", b"", "too short"),
    "no JSON": (b"{", b"", "no safetensors file"),
    "no object": (b"[1]", b"", "at byte 0 of its JSON the character { is missing"),
    "deeply nested": (b'{"w":' * 100_000, b"", "nested too deeply"),
    "no fields": ({"w": 3}, b"", "at byte 6 of its JSON the character { is missing"),
    "dtype": ({"w": _entry("C32", [1], 0, 4)}, bytes(4), "dtype C32"),
    "negative size": ({"w": _entry("F32", [-1], 0, 4)}, bytes(4), "a whole number"),
    "size no number": ({"w": _entry("F32", ["1"], 0, 4)}, bytes(4), "a whole number"),
    "bytes": ({"w": _entry("F32", [2], 0, 4)}, bytes(4), "has 4 bytes, but"),
    "outside": ({"w": _entry("F32", [2], 0, 8)}, bytes(4), "outside"),
    "reversed": ({"w": _entry("F32", [1], 4, 0)}, bytes(4), "outside"),
    "overlap": (
        {"v": _entry("F32", [2], 0, 8), "w": _entry("F32", [2], 4, 12)},
        bytes(12),
        "does not begin",
    ),
    "gap": (
        {"v": _entry("F32", [1], 0, 4), "w": _entry("F32", [1], 8, 12)},
        bytes(12),
        "does not begin",
    ),
    "rest": ({"w": _entry("F32", [1], 0, 4)}, bytes(8), "no tensor"),
    "overflow": ({"w": _entry("F32", [2**40, 2**40], 0, 4)}, bytes(4), "overflow"),
}


@pytest.mark.parametrize("name", _BAD_SAFETENSORS)
def test_bad_safetensors(name: str, tmp_path: Path) -> None:
    header, data, expected = _BAD_SAFETENSORS[name]
    path = tmp_path / "bad.safetensors"
    if name == "empty":
        path.write_bytes(b"abc")
    else:
        _safetensors(path, header, data)
    with pytest.raises(weft.WeftError, match=expected):
        weft.load_safetensors(path)


def test_header_longer_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    for length in (100, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        with pytest.raises(weft.FileError, match="its header would have"):
            weft.load_safetensors(path)


def test_state_dicts_go_through_safetensors(tmp_path: Path) -> None:
    weft.manual_seed(5)
    network = nn.Sequential(nn.Linear(3, 4, dtype="float16"), nn.BatchNorm1d(4), nn.Linear(4, 0))
    path = tmp_path / "state.safetensors"
    weft.save_safetensors(network.state_dict(), path)
    loaded = weft.load_safetensors(path)
    state = network.state_dict()
    assert set(loaded) == set(state)
    for name, value in state.items():
        assert loaded[name].dtype is value.dtype
        assert loaded[name].shape == value.shape
        assert np.asarray(loaded[name]).tobytes() == np.asarray(value).tobytes()
    network.load_state_dict(loaded)


def test_safetensors_of_unordered_tensors(tmp_path: Path) -> None:
    # Other writers order tensors as they like, and leave them where no number can lie.
    header = {
        "__metadata__": {"format": "pt"},
        "odd": _entry("F32", [2], 1, 9),
        "flag": _entry("BOOL", [1], 0, 1),
    }
    data = b"\1" + np.asarray([1.5, -2.0], np.float32).tobytes()
    loaded = weft.load_safetensors(_safetensors(tmp_path / "odd.safetensors", header, data))
    assert np.asarray(loaded["odd"]).tolist() == [1.5, -2.0]
    assert np.asarray(loaded["flag"]).tolist() == [True]
    assert np.asarray(loaded["odd"] * 2).tolist() == [3.0, -4.0]


def test_agrees_with_the_safetensors_package(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    tensors = {
        "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "count": np.asarray(7, np.int64),
        "mask": np.asarray([True, False, True]),
        "empty": np.zeros((0, 4), np.float16),
    }
    package.save_file(tensors, tmp_path / "theirs.safetensors")
    loaded = weft.load_safetensors(tmp_path / "theirs.safetensors")
    weft.save_safetensors(loaded, tmp_path / "ours.safetensors")
    back = package.load_file(tmp_path / "ours.safetensors")
    for name, value in tensors.items():
        assert np.array_equal(np.asarray(loaded[name]), value)
        assert np.array_equal(back[name], value)
        assert back[name].dtype == value.dtype
