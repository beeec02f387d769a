"""The examples of docs/from-onnx.md run as they stand, in one folder, in their order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import weft

pytest.importorskip("onnx")

TEXT = (Path(__file__).parents[2] / "docs" / "from-onnx.md").read_text()


def test_examples_run(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL))
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert made.stdout.splitlines() == [
        "(3, 10)",
        "('image',) ('scores',) ['weight']",
        "Exported(image: float32[batch, 28, 28] -> scores: float32[batch, 10])",
        "Exported(image: float32[1, 28, 28] -> scores: float32[1, 10])",
        "Exported(input: float32[batch, 784] -> result: float32[batch, 10])",
        "('shape',)",
        "Exported(x: float32[n, 6] -> y: float32[n, 2, 3])",
    ]
    for script in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL):
        script = script.replace("python -m", f"{sys.executable} -m")
        subprocess.run(["bash", "-ec", script], cwd=tmp_path, check=True, capture_output=True)
    for name in ("classify.o", "classify.h", "one.o", "one.h"):
        assert (tmp_path / name).stat().st_size > 0


def test_the_quoted_error_is_real() -> None:
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("StringNormalizer", ["x"], ["a"], name="first"),
        helper.make_node("StringNormalizer", ["a"], ["y"]),
    ]
    rows = [helper.make_tensor_value_info(name, TensorProto.STRING, [1]) for name in "xy"]
    graph = helper.make_graph(nodes, "model", rows[:1], rows[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (quoted,) = re.findall(r"```text\nUnsupportedError: (.*?)\n```", TEXT, flags=re.DOTALL)
    with pytest.raises(weft.UnsupportedError) as caught:
        weft.onnx.load(model)
    assert str(caught.value) == quoted
