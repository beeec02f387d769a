"""One model, written as different exporters write it, gives the same bits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from drawn_models import draw  # noqa: E402
from model_hunt import arrays_of, same_bits  # noqa: E402
from node_reference import References  # noqa: E402
from restructured import restructured, with_data_apart  # noqa: E402

CHUNKS = 4
MODELS = int(os.environ.get("WEFT_TEST_EXAMPLES", "40"))


def called(source: Any, inputs: dict[str, np.ndarray], compiled: bool) -> dict[str, Any]:
    model = weft.onnx.load(source)
    function = weft.jit(model) if compiled else model
    made = arrays_of(function(*(inputs[name] for name in model.input_names)))
    return dict(zip(model.output_names, made, strict=True))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_same_nodes_give_the_same_bits(chunk: int, tmp_path: Path) -> None:
    references = References()
    try:
        for seed in range(chunk, MODELS, CHUNKS):
            drawn = draw(seed, 8, references)
            if not drawn.nodes:
                continue
            want = called(drawn.model, drawn.inputs, False)
            random = np.random.default_rng(seed)
            other = restructured(drawn, random)
            onnx.save(other.model, tmp_path / "other.onnx")
            source: Any = other.model
            if random.random() < 0.3:
                source = with_data_apart(other.model, tmp_path)
            for compiled in (False, True):
                made = called(source, other.inputs, compiled)
                for name, expected in want.items():
                    now = other.renamed.get(name, name)
                    assert same_bits(made[now], expected), (seed, name, compiled)
                for name in made.keys() & (other.inputs.keys() | other.arrays.keys()):
                    given = other.inputs.get(name, other.arrays.get(name))
                    assert same_bits(made[name], given), (seed, name, compiled)
    finally:
        references.close()
