"""Drawn ONNX models in weft and in ONNX Runtime; more: tools/fuzz_programs --kind onnx."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import weft

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from drawn_models import draw
from model_hunt import ModelHunt
from node_reference import References
from onnx_backend import results_of
from onnx_models import model_of, reference

CHUNKS = 4
MODELS = int(os.environ.get("WEFT_TEST_EXAMPLES", "80"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_drawn_models_are_those_of_onnx_runtime(chunk: int, tmp_path: Path) -> None:
    hunt = ModelHunt(tmp_path)
    assert [each for _, _, found in hunt(range(chunk, MODELS, CHUNKS)) for each in found] == []


def test_a_number_is_one_model() -> None:
    references = References()
    texts = [draw(seed, 3, references).model.SerializeToString() for seed in (5, 5, 6)]
    references.close()
    assert texts[0] == texts[1] != texts[2]


def test_a_reference_that_dies_is_followed_by_another_one() -> None:
    references = References()
    numbers = {"a": np.ones(2, np.int32), "b": np.zeros(2, np.int32)}
    assert references.model(model_of("Div", numbers), numbers) is None
    answer = references.model(model_of("Add", numbers), numbers)
    references.close()
    assert answer is not None
    assert answer[0][0].tolist() == [1, 1]


# ---- What was found ---------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("opset", [11, 13])
def test_rows_of_nothing(op: str, opset: int) -> None:
    for shape in ((0, 3), (3, 0), (2, 0, 3)):
        for axis in range(len(shape)):
            x = np.zeros(shape, np.float32)
            model = model_of(op, {"x": x}, opset=opset, axis=axis)
            assert weft.onnx.load(model)(x).shape == shape


def test_an_attribute_that_is_left_out_has_the_bits_of_one_that_is_there() -> None:
    x = {"x": np.array([-1.25, 2.0])}
    left_out, given = (model_of("LeakyRelu", x, **o) for o in ({}, {"alpha": 0.01}))
    made = np.asarray(weft.onnx.load(left_out)(x["x"]))
    assert np.array_equal(made, np.asarray(weft.onnx.load(given)(x["x"])))
    assert made[0] == -1.25 * float(np.float32(0.01))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float16", "float64"])
def test_results_have_the_dtype_of_their_operand(dtype: str) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    for op, options in (("Erf", {}), ("MeanVarianceNormalization", {"axes": [1]})):
        if op == "Erf" or np.dtype(dtype).kind == "f":
            assert np.asarray(weft.onnx.load(model_of(op, {"x": x}, **options))(x)).dtype == dtype


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
def test_windows_that_are_larger_by_one_give_nothing(op: str) -> None:
    for shape, kernel, holes in (((2, 3, 2, 3), (3, 2), (1, 1)), ((1, 1, 4, 3), (3, 2), (2, 1))):
        x = {"x": np.ones(shape, np.float32)}
        for outputs in (1, 2) if op == "MaxPool" else (1,):
            model = model_of(op, x, outputs, kernel_shape=kernel, dilations=holes)
            made = results_of(weft.onnx.load(model)(x["x"]))
            shapes = [each.shape for each in reference(model, x)]
            assert [each.shape for each in made] == shapes == [(*shape[:2], 0, 2)] * outputs
