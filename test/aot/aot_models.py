"""Programs that are compiled ahead of time: written with weftc, called through C."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

ROOT = Path(__file__).resolve().parents[2]
WEFTC = ROOT / "build" / "release" / "bin" / "weftc"
CC = "/usr/lib/llvm-22/bin/clang"
CXX = "/usr/lib/llvm-22/bin/clang++"
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]

RANGE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
PARALLEL_FOR = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, RANGE, ctypes.c_void_p
)


class Options(ctypes.Structure):
    """weft_options of include/weft/model.h."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("workspace", ctypes.c_void_p),
        ("workspace_bytes", ctypes.c_uint64),
        ("parallel_for", PARALLEL_FOR),
        ("parallel_context", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("weights_bytes", ctypes.c_uint64),
    ]


def options(**fields: Any) -> Options:
    """Options with their size and these fields."""
    return Options(struct_size=ctypes.sizeof(Options), **fields)


def run(command: Sequence[str | Path], **keywords: Any) -> str:
    """The output of a command that has to succeed."""
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, **keywords
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def tool(name: str) -> str:
    """The path of a program; the test is skipped, with a reason, where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def compile_text(text: str, output: Path, *flags: str | Path, header: bool = True) -> Path:
    """Compiles MLIR text with weftc; the header, if there is one, is beside the output."""
    program = output.with_suffix(".mlir")
    program.write_text(text)
    headers = ["--header", output.with_suffix(".h")] if header else []
    run([WEFTC, program, "-o", output, *headers, *flags])
    return output


@dataclass
class Case:
    """A function and inputs for it; `sizes` are those that its program leaves open."""

    function: Callable
    inputs: list[np.ndarray] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def expected(self) -> list[np.ndarray]:
        """What jit computes."""
        results = weft.jit(self.function)(*(weft.asarray(x) for x in self.inputs))
        results = results if isinstance(results, tuple) else (results,)
        return [np.array(result) for result in results]

    def text(self) -> str:
        """The traced program as MLIR."""
        return weft.jit(self.function).lower(*(weft.asarray(x) for x in self.inputs)).ir("weft")


class Library:
    """A model in a shared library, called as from C."""

    def __init__(self, path: Path, name: str):
        self.library = ctypes.CDLL(str(path))
        self.run_function = self.library[f"{name}_run"]
        self.run_function.restype = ctypes.c_int
        self.workspace_bytes = self.library[f"{name}_workspace_bytes"]
        self.workspace_bytes.restype = ctypes.c_uint64
        self.error_text = self.library[f"{name}_error_text"]
        self.error_text.restype = ctypes.c_char_p

    def status(
        self,
        sizes: Sequence[int],
        buffers: Sequence[np.ndarray],
        given: Options | None = None,
    ) -> int:
        """Calls NAME_run with inputs and outputs and returns what it returns."""
        arguments: list[Any] = [ctypes.c_int64(size) for size in sizes]
        arguments += [ctypes.c_void_p(buffer.ctypes.data) for buffer in buffers]
        arguments.append(ctypes.byref(given) if given is not None else None)
        return self.run_function(*arguments)

    def __call__(
        self,
        inputs: Sequence[np.ndarray],
        like: Sequence[np.ndarray],
        sizes: Sequence[int] = (),
        given: Options | None = None,
    ) -> list[np.ndarray]:
        """The outputs, in arrays like `like`, which are filled with rubbish first."""
        outputs = [
            np.frombuffer(bytearray(b"q" * x.nbytes), x.dtype).reshape(x.shape) for x in like
        ]
        inputs = [np.ascontiguousarray(x) for x in inputs]
        status = self.status(sizes, [*inputs, *outputs], given)
        assert status == 0, self.error_text(status)
        return outputs


def assert_same_bits(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> None:
    """Equal dtypes, shapes and bytes."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()
