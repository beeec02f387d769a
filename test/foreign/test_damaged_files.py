"""Damaged files of other systems: read, or one clear error; see fuzz_files.py for more of them."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz_files
import pytest
import weft
from formats import FORMATS, Format, Watch, fault_of

#: Files of each format; the second number under tools/test --full.
COUNTS = {
    "onnx": (200, 5000),
    "stablehlo-text": (120, 5000),
    "stablehlo-bytecode": (120, 5000),
    "pt2": (60, 3000),
    "safetensors": (500, 20000),
    "checkpoint": (200, 5000),
}
SEARCHING = "WEFT_TEST_EXAMPLES" in os.environ


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    if lacking := fuzz_files.missing(FORMATS[name]):
        pytest.skip(f"{', '.join(lacking)} not installed")
    count = COUNTS[name][SEARCHING]
    tally = fuzz_files.hunt(name, range(count), 1, tmp_path / "found")
    assert tally.found == []
    assert tally.programs == count
    # Changes that nothing survives would find nothing behind the first check.
    assert tally.modes["accepted"] >= count // 50
    assert tally.modes["refused: FileError"] >= count // 4
    assert list((tmp_path / "found").iterdir()) == []


# What the hunt finds -------------------------------------------------------------------------

BAD_READERS = {
    "another error": ("raise KeyError('y')", "KeyError: 'y'"),
    "an empty message": ("raise weft.FileError(' ')", "a message of 1 characters"),
    "a file elsewhere": ("open(path.parent.parent / 'else', 'w').close()", "opens "),
    "a file that is not its own": ("open('/etc/hostname').close()", "opens /etc/hostname"),
    "another program": ("os.system('true')", "os.system"),
    "a pickled function": ("pickle.loads(b'cos\\nsystem\\n.')", "unpickles os.system"),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Watch, Path]:
    """A watch, of which a process can never get rid again, and its folder."""
    folder = tmp_path_factory.mktemp("outer") / "inner"
    folder.mkdir()
    return Watch(folder), folder


@pytest.mark.parametrize("case", BAD_READERS)
def test_readers_that_do_what_none_may_are_found(case: str, watched: tuple[Watch, Path]) -> None:
    code, message = BAD_READERS[case]
    names = "import os, pickle, weft\ndef take(path):\n    "
    scope: dict[str, Any] = {}
    exec(names + code, scope)
    form = Format("bad", ".bad", list, (), scope["take"])
    assert fault_of(form, watched[1] / "input.bad", watched[0])[1].startswith(message)


def test_a_reader_that_hangs_or_crashes_is_found(tmp_path: Path) -> None:
    """In a process of its own, as the hunt runs them."""
    for code, status in (("while True: pass", 14), ("os.abort()", 6)):
        program = (
            f"import sys; sys.path[:0] = {sys.path!r}\n"
            "import os, pathlib, formats\nformats.SECONDS = 1\n"
            f"def take(path):\n    {code}\n"
            "form = formats.Format('bad', '.bad', lambda: [], (), take)\n"
            "formats.fault_of(form, pathlib.Path('x'), formats.Watch(pathlib.Path('.')))\n"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True)
        assert done.returncode == -status, done.stderr


# What it has found ---------------------------------------------------------------------------


def test_versions_of_opsets_that_no_op_has() -> None:
    onnx = pytest.importorskip("onnx")
    text = '<ir_version: 10, opset_import: ["" : 21]> m (float[2] x) => (float[2] y) { y = Sin(x) }'
    model = onnx.parser.parse_model(text)
    for version in (2**31, 2**63 - 1, -1):
        model.opset_import[0].version = version
        with pytest.raises(weft.FileError, match=f"'' is of opset {version}"):
            weft.onnx.load(model)


def test_names_in_bytecode_that_are_no_text() -> None:
    pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")
    import corpora

    for data in corpora.stablehlo_files()[::7]:
        assert b"\0main\0" in data
        with pytest.raises(weft.FileError):
            weft.stablehlo.load(data.replace(b"\0main\0", b"\0m\xff\xfe\x80\0"))


def changed_archive(change: Callable[[dict[str, bytes]], None]) -> bytes:
    """A program of torch.export.save with its members changed."""
    pytest.importorskip("torch")
    import corpora

    data = io.BytesIO(corpora.torch_files()[0])
    with zipfile.ZipFile(data) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def program_of(members: dict[str, bytes]) -> str:
    """The name of the member that describes the program."""
    return next(name for name in members if name.endswith("models/model.json"))


def replaced(old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    """Another text in the program."""

    def change(members: dict[str, bytes]) -> None:
        name = program_of(members)
        text = members[name].decode()
        assert old in text
        members[name] = text.replace(old, json.dumps(new)[1:-1]).encode()

    return change


def added(name: str) -> Callable[[dict[str, bytes]], None]:
    """One more member, beside the program's or at the top."""

    def change(members: dict[str, bytes]) -> None:
        folder = "" if name == "version" else program_of(members).split("/")[0] + "/"
        members[folder + name] = b"1"

    return change


CALL = "__import__('os').system('echo ran >> ran')"


def guarded(members: dict[str, bytes]) -> None:
    """A condition on the arguments."""
    name = program_of(members)
    members[name] = json.dumps(json.loads(members[name]) | {"guards_code": [CALL]}).encode()


CODE = {
    "an operator": (replaced("torch.ops.aten.cat.default", "torch.os.system"), "is no operator"),
    "a function of operator": (replaced("_operator.mul", "_operator.call"), "is no operator"),
    "a library": (replaced("aten.cat.default", "load_library.x.y"), "is no operator"),
    "a size": (replaced("Mul(Integer(2), ", f"Mul({CALL}, "), "is no formula of sizes"),
    "a text in a size": (replaced("Mul(Integer(2), ", "Mul('exit()', "), "is no formula of sizes"),
    "a guard": (guarded, "is no formula of sizes"),
    "a pickle": (added("data/constants/opaque_obj_0"), "is a library or a pickled object"),
    "an object": (added("data/constants/custom_obj_0"), "is a library or a pickled object"),
    "compiled code": (added("data/aotinductor/model/m.so"), "is a library or a pickled object"),
    "the old format": (added("version"), "a format of PyTorch 2.7"),
}


@pytest.mark.parametrize("case", CODE)
def test_programs_of_pytorch_that_bring_code_along_are_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = CODE[case]
    path = tmp_path / "model.pt2"
    path.write_bytes(changed_archive(change))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(weft.UnsupportedError, match=message):
        weft.from_torch(path)
    assert not (tmp_path / "ran").exists()
    path.write_bytes(changed_archive(lambda members: None))
    assert weft.from_torch(path).specs


def test_pickles_among_the_weights_are_refused(tmp_path: Path) -> None:
    """The reader falls back to a pickle where a file of tensors is none."""

    def change(members: dict[str, bytes]) -> None:
        inputs = next(name for name in members if "sample_inputs" in name)
        members[inputs] = b"cos\nsystem\n(S'echo ran > ran'\ntR."

    path = tmp_path / "model.pt2"
    path.write_bytes(changed_archive(change))
    with pytest.raises(weft.FileError, match="no program of torch"):
        weft.from_torch(path)
    assert not Path("ran").exists()


def test_the_length_of_a_header_beyond_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tensors.safetensors"
    for size in (0, 1, 2**40, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", size) + b"{}")
        with pytest.raises(weft.FileError):
            weft.load_safetensors(path)
