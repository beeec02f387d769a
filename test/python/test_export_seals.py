"""What a program holds is its own: nobody writes it from outside, and its files are only files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import weft

DTYPES = ["float32", "float64", "int8", "int64", "uint8", "bool", "float16"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (40, 50)])
@pytest.mark.parametrize("wrap", [weft.from_numpy, weft.asarray, weft.from_dlpack])
def test_weights_do_not_follow_numpy(dtype: str, shape: tuple[int, ...], wrap: object) -> None:
    memory = np.ones(shape, dtype)
    weight = wrap(memory)  # type: ignore[operator]
    program = weft.export(lambda x: (weft.logical_or if dtype == "bool" else weft.add)(x, weight),
                          weft.spec(shape, dtype))  # fmt: skip
    x = np.zeros(shape, dtype)
    before = np.asarray(program(x)).copy()
    memory[...] = 0
    assert np.asarray(program(x)).tobytes() == before.tobytes()


def test_weights_do_not_follow_updates() -> None:
    weight = weft.ones(4)
    program = weft.export(lambda x: x + weight, weft.spec((4,)))
    weight += 1
    assert program(np.zeros(4, np.float32)).tolist() == [1] * 4


@pytest.mark.parametrize("loaded", [False, True])
def test_a_constant_result_cannot_be_written_into_the_program(tmp_path: Path, loaded: bool) -> None:
    """Not even by a library that takes no notice of what is read-only, as C does."""
    import ctypes

    weight, memory = weft.ones(5), np.full(5, 2, np.float32)
    shared = weft.from_numpy(memory)
    program = weft.export(lambda x: (x, weight, shared), weft.spec((5,)))
    if loaded:
        program.save(tmp_path / "p.weft")
        program = weft.load(tmp_path / "p.weft")
    x = np.zeros(5, np.float32)
    for result in program(x)[1:]:
        view = np.from_dlpack(result)
        ctypes.memset(view.ctypes.data, 0xFF, view.nbytes)
    again = program(x)
    assert again[1].tolist() == [1] * 5
    assert again[2].tolist() == [2] * 5


def test_save_keeps_permissions_and_links(tmp_path: Path) -> None:
    program = weft.export(lambda x: x + 1, weft.spec((3,)))
    target, link = tmp_path / "target.weft", tmp_path / "link.weft"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    program.save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert weft.load(target)(np.zeros(3, np.float32)).tolist() == [1] * 3


def test_save_replaces_nothing_but_files(tmp_path: Path) -> None:
    weight = weft.ones(3)
    program = weft.export(lambda x: x + weight, weft.spec((3,)))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "pipe", tmp_path / "folder", Path("/dev/null")):
        for save in (
            lambda place=place: program.save(place),
            lambda place=place: weft.save_safetensors({"w": weight}, place),
        ):
            with pytest.raises(weft.FileError, match=str(place)):
                save()
    with pytest.raises(weft.FileError, match="pipe"):
        program.save(tmp_path / "p.weft", weights=tmp_path / "pipe")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_file_that_cannot_grow_leaves_the_old_one(tmp_path: Path) -> None:
    code = f"""
        import resource, signal, numpy as np, weft
        weight = weft.from_numpy(np.ones(100_000, np.float32))
        program = weft.export(lambda x: x + weight, weft.spec((100_000,)))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        saves = [
            lambda: program.save({str(tmp_path / "old")!r}),
            lambda: program.save({str(tmp_path / "new")!r}),
            lambda: program.save({str(tmp_path / "new")!r}, weights={str(tmp_path / "old")!r}),
            lambda: weft.save_safetensors({{"w": weight}}, {str(tmp_path / "old")!r}),
            lambda: program.compile_object({str(tmp_path / "old")!r}),
        ]
        for save in saves:
            try:
                save()
            except weft.FileError:
                continue
            raise AssertionError("no error")
    """
    (tmp_path / "old").write_bytes(b"old")
    environment = {**os.environ, "WEFT_CACHE_DIR": ""}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, env=environment)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", "func.func @größe".encode("latin-1"), b'"\xe9"() : () -> ()', b"\xc3("],
)
def test_text_that_is_no_utf8_is_a_file_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "program.mlir"
    path.write_bytes(content)
    with pytest.raises(weft.FileError, match=r"program\.mlir"):
        weft.load(path)


def test_names_of_files_need_not_be_utf8(tmp_path: Path) -> None:
    program = weft.export(lambda x: x + 1, weft.spec((3,)))
    for name in (os.fsdecode(b"\xff\xfe.weft"), "größe.weft"):
        program.save(tmp_path / name)
        assert weft.load(tmp_path / name).symbols == ()
        assert weft.load(os.fsencode(tmp_path / name)).symbols == ()  # type: ignore[arg-type]
        weft.save_safetensors({"w": weft.ones(2)}, tmp_path / name)
        assert list(weft.load_safetensors(tmp_path / name)) == ["w"]
    with pytest.raises(weft.FileError, match="none"):
        weft.load(tmp_path / os.fsdecode(b"none\xff"))


def test_a_path_ends_where_it_ends(tmp_path: Path) -> None:
    program = weft.export(lambda x: x + 1, weft.spec((3,)))
    place = str(tmp_path / "p.weft") + "\0.txt"
    for call in (
        lambda: program.save(place),
        lambda: program.compile_object(place),
        lambda: weft.load(place),
        lambda: weft.load_safetensors(place),
        lambda: weft.save_safetensors({}, place),
    ):
        with pytest.raises(weft.FileError, match="zero byte"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_programs_load_where_children_are_ignored(tmp_path: Path) -> None:
    weft.export(lambda x: x + 1, weft.spec((3,))).save(tmp_path / "p.weft")
    code = f"""
        import signal, weft
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        assert weft.load({str(tmp_path / "p.weft")!r}).symbols == ()
        try:
            weft.load(__file__ if "__file__" in globals() else "/dev/null")
        except weft.FileError:
            pass
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("opening", ["[", '{"tuple":[', '{"dict":{"a":'])
@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_structure_without_end_is_a_file_error(tmp_path: Path, opening: str, depth: int) -> None:
    """Whether the text ends or not."""
    inner = '{"arguments":[{"name":"x","positional":true,"value":%s}],"result":{"tensor":0}}'
    closing = "".join({"[": "]", "{": "}"}[c] for c in reversed(opening) if c in "[{")
    for value in (opening * depth, opening * depth + '{"tensor":0}' + closing * depth):
        text = (inner % value).replace('"', "\\22")
        path = tmp_path / "deep.mlir"
        path.write_text(
            f'module attributes {{weft.structure = "{text}"}} {{\n'
            "  func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {\n"
            "    return %x : tensor<3xf32>\n  }\n}\n"
        )
        try:
            weft.load(path)(np.zeros(3, np.float32))
        except weft.WeftError:
            continue
        raise AssertionError(f"{opening} {depth}")


@pytest.mark.parametrize("name", ["p.weft", "./p.weft", "link.weft"])
def test_program_and_weights_are_two_files(tmp_path, monkeypatch, name: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.weft").symlink_to("p.weft")
    w = weft.ones(3)
    with pytest.raises(weft.FileError, match="named for the program and its weights"):
        weft.export(lambda x: x * w, weft.spec((3,))).save("p.weft", weights=name)


@pytest.mark.parametrize("read", [weft.load, weft.load_safetensors])
def test_no_pipe_and_no_device_is_read(tmp_path, read) -> None:  # type: ignore[no-untyped-def]
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(weft.FileError, match=r"it is a (pipe|device)"):
            read(path)


def test_deep_arguments_are_refused() -> None:
    nested: list = [weft.spec((3,))]
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(weft.DTypeError, match="nested more than about 200 deep"):
        weft.export(lambda x: x, nested)
    knot: list = []
    knot.append(knot)
    with pytest.raises(weft.DTypeError, match="or holds itself"):
        weft.export(lambda x: x, knot)


def test_names_of_safetensors_are_text(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(weft.FileError, match="can't be written as UTF-8"):
        weft.save_safetensors({"a\ud800": weft.ones(1)}, tmp_path / "x.safetensors")


def test_a_tensor_is_cut_into_pieces() -> None:
    with pytest.raises(weft.ShapeError, match="can't be cut into 0 pieces"):
        weft.ones(3).chunk(0)
