"""Resize of open dimensions: the bits of fixed sizes, and what ONNX Runtime gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from model_hunt import same_bits  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import reference  # noqa: E402

HOW = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")
SCALES = (1.0, 2.0, 3.0, 0.5, 1.5, 0.75, 2.625)


def resizing(random: np.random.Generator) -> Any:
    """x [n, 2, h, w] resized by scales, or to the sizes of y [*, *, p, q]."""
    mode = str(random.choice(["nearest", "linear", "cubic"]))
    options: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": random.choice(HOW)}
    if mode == "nearest":
        options["nearest_mode"] = random.choice(["floor", "ceil", "round_prefer_floor"])
    if mode == "cubic":
        options |= {"exclude_outside": int(random.integers(2)), "cubic_coeff_a": -0.5}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, "h", "w"])]
    if random.integers(2):
        scales = [1, 1, *(random.choice(SCALES) for _ in range(2))]
        arrays = {"scales": np.array(scales, np.float32)}
        nodes = [helper.make_node("Resize", ["x", "", "scales"], ["z"], **options)]
    else:
        inputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["p", "q"]))
        arrays = {}
        nodes = [
            helper.make_node("Shape", ["y"], ["sizes"]),
            helper.make_node("Resize", ["x", "", "", "sizes"], ["z"], axes=[2, 3], **options),
        ]
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    held = [numpy_helper.from_array(x, name) for name, x in arrays.items()]
    graph = helper.make_graph(nodes, "resizing", inputs, [output], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


@pytest.mark.parametrize("seed", range(12))
def test_open_sizes_give_the_bits_of_fixed_ones(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    model = resizing(random)
    loaded = weft.onnx.load(model)
    program = loaded.export()
    weft.onnx.save(program, tmp_path / "open.onnx")
    again = weft.onnx.load(tmp_path / "open.onnx")
    for _ in range(3):
        n, h, w, p, q = (int(size) for size in random.integers(1, 9, 5))
        given = {"x": random.standard_normal((n, 2, h, w)).astype(np.float32)}
        if "y" in loaded.input_names:
            given["y"] = np.zeros((p, q), np.float32)
        want = np.asarray(loaded(*given.values()))
        assert same_bits(np.asarray(program(*given.values())["z"]), want)
        assert same_bits(np.asarray(weft.jit(loaded)(*given.values())), want)
        if not want.size:
            continue
        (runtime,) = reference(model, given)
        assert runtime.shape == want.shape
        # ONNX Runtime computes places in float32, which is another element for the nearest ones,
        # and aligns corners with a length that it has rounded before.
        attributes = str(model.graph.node[-1])
        if "nearest" not in attributes and not ("align" in attributes and "y" not in given):
            assert np.abs(runtime - want).max() <= 64 * 2.0**-23 * np.abs(given["x"]).max() * 8
        made = np.asarray(again(*given.values()))
        assert np.abs(made - want).max() <= 8 * 2.0**-23 * np.abs(given["x"]).max() * 4


def test_what_follows_from_ratios_of_open_sizes_is_refused() -> None:
    nodes = [
        helper.make_node(
            "Resize", ["x", "", "", "sizes"], ["z"], keep_aspect_ratio_policy="not_larger"
        )
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "m"])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    sizes = numpy_helper.from_array(np.array([4, 6]), "sizes")
    graph = helper.make_graph(nodes, "resizing", [x], [z], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    with pytest.raises(weft.UnsupportedError, match="'not_larger' and a size n that is not known"):
        weft.onnx.load(model).export()
    assert weft.onnx.load(model).export(n=2, m=3)(np.ones((2, 3), np.float32))["z"].shape == (4, 6)
