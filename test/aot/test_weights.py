"""Weights in a file of their own: written, mapped, checked."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_cases import normal
from aot_models import WEFTC, Library, Options, assert_same_bits, options, run

FLAGS = ["--emit=shared", "--name=net"]


class Weights(ctypes.Structure):
    """weft_weights of include/weft/model.h."""

    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_uint64)]


def constants() -> tuple[np.ndarray, ...]:
    """A matrix, a bias, a mask and a table."""
    matrix, bias = normal(40, 30), normal(30, seed=3)
    return matrix, bias, normal(5000, seed=2) > 0, normal(100, seed=1, dtype=np.float64)


def program_text() -> str:
    """A program with these constants."""

    def constant(array: np.ndarray, dtype: str) -> str:
        data = np.ascontiguousarray(array).tobytes()
        if array.dtype == bool:
            values = ", ".join("true" if bit else "false" for bit in array)
            return f"dense<[{values}]> : tensor<{array.size}xi1> : tensor<{array.size}xi1>"
        kind = f"tensor<{'x'.join(str(size) for size in array.shape)}x{dtype}>"
        return f'dense<"0x{data.hex().upper()}"> : {kind} : {kind}'

    dense, bias, mask, table = constants()
    return f"""
func.func @main(%x: tensor<7x40xf32>)
    -> (tensor<7x30xf32>, tensor<5000xi1>, tensor<100xf64>) {{
  %dense = weft.constant {{weft.name = "layer.weight"}} {constant(dense, "f32")}
  %bias = weft.constant {{weft.name = "layer.bias"}} {constant(bias, "f32")}
  %mask = weft.constant {constant(mask, "i1")}
  %table = weft.constant {constant(table, "f64")}
  %0 = weft.matmul %x, %dense : tensor<7x40xf32>, tensor<40x30xf32> -> tensor<7x30xf32>
  %1 = weft.broadcast %bias [1] : tensor<30xf32> -> tensor<7x30xf32>
  %2 = weft.add %0, %1 : tensor<7x30xf32>
  %3 = weft.logical_not %mask : tensor<5000xi1>
  %4 = weft.add %table, %table : tensor<100xf64>
  return %2, %3, %4 : tensor<7x30xf32>, tensor<5000xi1>, tensor<100xf64>
}}
"""


def expected(x: np.ndarray) -> list[np.ndarray]:
    """What jit computes."""

    def function(x, dense, bias, mask, table):
        return x @ dense + bias, weft.logical_not(mask), table + table

    arrays = [weft.asarray(a) for a in (x, *constants())]
    return [np.array(y) for y in weft.jit(function)(*arrays)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder with net.so, net.h and net.safetensors."""
    (tmp_path / "net.mlir").write_text(program_text())
    names = ["-o", tmp_path / "net.so", "--header", tmp_path / "net.h"]
    run([WEFTC, tmp_path / "net.mlir", *names, "--weights", tmp_path / "net.safetensors", *FLAGS])
    return tmp_path


def map_weights(library: Library, path: Path) -> tuple[int, Weights]:
    """Calls net_map_weights."""
    weights = Weights()
    return library.library["net_map_weights"](str(path).encode(), ctypes.byref(weights)), weights


def with_weights(weights: Weights) -> Options:
    """Options with mapped weights."""
    return options(weights=weights.data, weights_bytes=weights.bytes)


def test_constants_in_the_object(tmp_path: Path) -> None:
    (tmp_path / "net.mlir").write_text(program_text())
    run([WEFTC, tmp_path / "net.mlir", "-o", tmp_path / "net.so", *FLAGS])
    x = normal(7, 40)
    assert_same_bits(Library(tmp_path / "net.so", "net")([x], expected(x)), expected(x))


def test_weights_are_mapped(model: Path) -> None:
    library = Library(model / "net.so", "net")
    status, weights = map_weights(library, model / "net.safetensors")
    assert status == 0
    x = normal(7, 40)
    outputs = library([x], expected(x), given=with_weights(weights))
    assert_same_bits(outputs, expected(x))
    library.library["net_unmap_weights"](ctypes.byref(weights))
    assert weights.data is None
    library.library["net_unmap_weights"](ctypes.byref(weights))


def test_object_holds_no_weights(model: Path, tmp_path: Path) -> None:
    assert normal(40, 30).tobytes()[:64] not in (model / "net.so").read_bytes()
    assert normal(40, 30).tobytes()[:64] in (model / "net.safetensors").read_bytes()


def test_file_is_safetensors(model: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    tensors = safetensors.load_file(model / "net.safetensors")
    panels = tensors["layer.weight"].view(np.float32)  # filled up with zeros
    np.testing.assert_array_equal(np.sort(panels[panels != 0]), np.sort(normal(40, 30).ravel()))
    np.testing.assert_array_equal(tensors["layer.bias"], normal(30, seed=3))
    assert len(tensors) == 3  # the table has less than 1 KiB and no name


def test_run_needs_the_weights(model: Path) -> None:
    library = Library(model / "net.so", "net")
    x = normal(7, 40)
    outputs = [np.zeros_like(y) for y in expected(x)]
    _, weights = map_weights(library, model / "net.safetensors")
    assert library.status([], [x, *outputs]) == 16
    assert library.status([], [x, *outputs], options()) == 16
    wrong = with_weights(weights)
    wrong.weights_bytes -= 1
    assert library.status([], [x, *outputs], wrong) == 18
    wrong = with_weights(weights)
    wrong.weights += 4
    assert library.status([], [x, *outputs], wrong) == 2


def test_wrong_files_are_refused(model: Path) -> None:
    library = Library(model / "net.so", "net")
    right = (model / "net.safetensors").read_bytes()
    assert map_weights(library, model / "absent")[0] == 17
    assert map_weights(library, model)[0] in (17, 18)
    other = model / "other"
    for content in (b"", right[:-1], right + b"x", right[: len(right) // 2]):
        other.write_bytes(content)
        status, weights = map_weights(library, other)
        assert status == 18
        assert weights.data is None
    for position in (0, 9, 60, 1000, len(right) // 2, len(right) - 40, len(right) - 1):
        damaged = bytearray(right)
        damaged[position] ^= 16
        other.write_bytes(damaged)
        assert map_weights(library, other)[0] == 18


@pytest.mark.parametrize("size", [256, 257, 511, 100_003])
def test_weights_of_another_training_are_refused(tmp_path: Path, size: int) -> None:
    """They differ in elements alone, here in the last one."""
    text = """
func.func @main() -> tensor<{0}xi8> {{
  %0 = weft.constant {{weft.name = "w"}} dense<"0x{1}"> : tensor<{0}xi8> : tensor<{0}xi8>
  %1 = weft.add %0, %0 : tensor<{0}xi8>
  return %1 : tensor<{0}xi8>
}}
"""
    libraries = []
    for number, last in enumerate(("05", "06")):
        elements = "01" * (size - 1) + last
        (tmp_path / "net.mlir").write_text(text.format(size, elements))
        made = tmp_path / f"net{number}.so"
        weights = tmp_path / f"net{number}.safetensors"
        run([WEFTC, tmp_path / "net.mlir", "-o", made, "--weights", weights, *FLAGS])
        libraries.append((Library(made, "net"), weights))
    for library, own in libraries:
        for _, weights in libraries:
            assert (map_weights(library, weights)[0] == 0) == (weights == own)


def test_a_pipe_is_no_file_of_weights(model: Path) -> None:
    os.mkfifo(model / "pipe")
    assert map_weights(Library(model / "net.so", "net"), model / "pipe")[0] == 17


def test_metadata_names_the_file(model: Path) -> None:
    text = run([WEFTC, "--inspect", model / "net.so"])
    assert "weights  in net.safetensors" in text
