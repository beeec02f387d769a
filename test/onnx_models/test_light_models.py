"""The simple models and the light versions of known networks that the package onnx carries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

onnx = pytest.importorskip("onnx")

from onnx_backend import Case, Lazy, different, results_of, run  # noqa: E402

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
LIGHT = sorted((DATA / "light").glob("light_*.onnx"))
#: These are small enough to be compiled each time; the others under `tools/test --full`.
SMALL = ("light_densenet121", "light_squeezenet", "light_shufflenet")
#: Simple models that weft does not read, and what the error says.
UNSUPPORTED = {"strnorm": "StringNormalizer", "gradient_of": "Gradient"}


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_light_models(path: Path) -> None:
    if path.stem not in SMALL and "WEFT_TEST_EXAMPLES" not in os.environ:
        pytest.skip("large: under tools/test --full")
    model = weft.onnx.load(path)
    (x,) = model.specs()
    count = int(np.prod(x.shape))
    image = (np.arange(count, dtype=np.float32) / count).reshape(x.shape)
    made = results_of(weft.jit(model)(image))
    for number, have in enumerate(made):
        tensor = onnx.TensorProto()
        tensor.ParseFromString(path.with_name(f"{path.stem}_output_{number}.pb").read_bytes())
        want = onnx.numpy_helper.to_array(tensor)
        # A hundred layers of sums whose order nobody fixes, each of some units in the last place.
        assert different(have, want, 1e-3, 1e-5) is None


def _cases() -> list[Any]:
    from onnx.backend.test.loader import load_model_tests

    kinds = ("simple", "pytorch-operator", "pytorch-converted")
    return [test for kind in kinds for test in load_model_tests(kind=kind)]


def _values(folder: Path, role: str, rows: Any) -> Lazy:
    kinds = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}
    values = []
    for number, row in enumerate(rows):
        proto = kinds.get(row.type.WhichOneof("value"), onnx.TensorProto)()
        proto.ParseFromString((folder / f"{role}_{number}.pb").read_bytes())
        values.append(proto)
    return Lazy(values, rows)


def _case(test: Any) -> Case:
    if not test.model_dir:
        graph = test.model.graph
        pairs = [(Lazy(i, graph.input), Lazy(o, graph.output)) for i, o in test.data_sets]
        return Case(test.name, test.model, pairs, test.rtol, test.atol)
    folder = Path(test.model_dir)
    model = onnx.load(folder / "model.onnx")
    inside = {x.name for x in model.graph.initializer}
    inputs = [x for x in model.graph.input if x.name not in inside]
    pairs = [
        (_values(each, "input", inputs), _values(each, "output", model.graph.output))
        for each in sorted(folder.glob("test_data_set_*"))
    ]
    return Case(test.name, model, pairs, test.rtol, test.atol)


def test_simple_models() -> None:
    problems, old, passed = {}, 0, 0
    for case in map(_case, _cases()):
        said = next((text for part, text in UNSUPPORTED.items() if part in case.name), None)
        versions = {row.domain: row.version for row in case.model.opset_import}
        try:
            found = run(case, "jit")
        except weft.UnsupportedError as error:
            if said is not None and said in str(error):
                continue
            if versions[""] < 7 and "weft reads 7 and newer" in str(error):
                old += 1
                continue
            found = str(error)
        if found or said is not None:
            problems[case.name] = found or "is listed as unsupported, but passes"
        passed += not found
    assert not problems
    assert passed >= 98
    assert old <= 34
