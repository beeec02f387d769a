"""The programs and commands of docs/from-tensorflow.md run where TensorFlow and Keras are."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "from-tensorflow.md").read_text()
#: What each section needs to be installed, and what its commands make.
SECTIONS = {
    "Keras on PyTorch": (["keras", "torch", "onnx", "onnxscript"], ["classify.o", "classify.h"]),
    "Keras on JAX": (["keras", "jax"], ["model.weft"]),
    "Keras on TensorFlow": (["tensorflow", "tf2onnx", "onnx"], ["keras.onnx"]),
    "SavedModel and TFLite": (["tensorflow", "tf2onnx", "onnx"], ["saved.o", "lite.o"]),
    "A function as StableHLO": (["tensorflow", "jax"], ["predict.o", "predict.h"]),
}


def test_every_section_with_a_program_is_run() -> None:
    titles = re.split(r"^## (.*)\n", PAGE, flags=re.MULTILINE)
    assert [t for t, text in zip(titles[1::2], titles[2::2]) if "```python" in text] == list(
        SECTIONS
    )


@pytest.mark.parametrize("title", SECTIONS)
def test_section(title: str, tmp_path: Path) -> None:
    needed, made = SECTIONS[title]
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    text = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "WEFT_PYTHON": sys.executable,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    for language, code in re.findall(r"^```(python|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        words = [sys.executable, "-c", code] if language == "python" else ["bash", "-ec", code]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert all((tmp_path / name).stat().st_size > 0 for name in made)
