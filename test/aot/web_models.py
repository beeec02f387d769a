"""Models compiled to WebAssembly, called by Node.js."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aot_models import ROOT, WEFTC, run, tool

CALLER = ROOT / "test" / "aot" / "call_model.mjs"


def compile_module(program: Path, folder: Path, *flags: str | Path) -> Path:
    """The JavaScript of a program that was compiled to WebAssembly as net.wasm."""
    script = folder / "net.mjs"
    module = folder / "net.wasm"
    run([WEFTC, program, "-o", module, "--target=wasm32", "--javascript", script, *flags])
    return script


def module_of(text: str, folder: Path, *flags: str | Path) -> Path:
    """The same of a program of MLIR."""
    program = folder / "net.mlir"
    program.write_text(text)
    return compile_module(program, folder, *flags)


def given(array: np.ndarray, shape: bool = True) -> dict[str, Any]:
    """An array as call_model.mjs reads it: its bits, where JavaScript has no such numbers."""
    kind = array.dtype.str[1:] if array.dtype.isbuiltin == 1 else f"u{array.dtype.itemsize}"
    if array.dtype.kind == "c":
        kind = f"f{array.dtype.itemsize // 2}"
    kind = {"f2": "u2"}.get(kind, kind)
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"base64": data, "kind": kind} | ({"shape": list(array.shape)} if shape else {})


def call(
    script: Path, *calls: Sequence[Any], method: str = "net", **options: Any
) -> list[dict[str, Any]]:
    """What calls of the model answer."""
    request = json.dumps({"method": method, "calls": calls} | options)
    result = subprocess.run(
        [tool("node"), str(CALLER), str(script)], input=request, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def arrays_of(answer: dict[str, Any], like: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays of an answer, in the dtypes of others, whose shapes they have to have."""
    assert "error" not in answer, answer
    outputs = []
    for output, known in zip(answer["outputs"], like, strict=True):
        assert tuple(output["shape"]) == known.shape
        data = base64.b64decode(output["base64"])
        outputs.append(np.frombuffer(data, known.dtype).reshape(known.shape))
    return outputs


def error_of(answer: dict[str, Any]) -> str:
    """What an answer says was wrong."""
    assert "error" in answer, answer
    return answer["error"]
