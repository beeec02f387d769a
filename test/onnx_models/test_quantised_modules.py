"""Random quantised modules: eager and compiled calls, programs in files, objects, files of weights
and ONNX agree to the bit, and ONNX Runtime computes about the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import weft
from aot_models import Library, assert_same_bits
from drawn_quantised import Drawn, drawn
from onnx_models import reference
from random_programs import count_of_examples
from weft import nn


@pytest.fixture
def made(seed: int) -> Drawn:
    """A module that is quantised; where it has no groups, it is as it was before, and that is all.
    What was compiled before is compiled anew."""
    made = drawn(seed)
    compiled, x = weft.jit(made.module.__call__), weft.asarray(made.x)
    before = np.array(compiled(x))
    try:
        report = weft.quantize(made.module, **made.options)
    except weft.ShapeError as error:
        assert "have no groups" in str(error)  # noqa: PT017
        assert_same_bits([np.array(made.module(x))], [before])
        pytest.skip("the weights have no such groups, as the error says")
    names = {name for name, each in made.module.named_modules() if hasattr(each, "dequantized")}
    assert {layer.name for layer in report.layers} == names
    assert_same_bits([np.array(compiled(x))], [np.array(made.module(x))])
    return made


def in_64_bits(module: nn.Module, x: np.ndarray) -> np.ndarray:
    """What the module would compute without rounding, nearly: of the weights that it has."""
    for layer in list(module.modules()):
        # A layer may be there twice.
        for name, child in list(layer._modules.items()):
            if isinstance(child, nn.QuantizedLinear):
                wide = nn.Linear(child.in_features, child.out_features, child.bias is not None)
                wide.weight = nn.Parameter(child.dequantized())
                wide.bias = child.bias
                setattr(layer, name, wide)
            elif isinstance(child, nn.QuantizedEmbedding):
                table = nn.Embedding(child.num_embeddings, child.embedding_dim)
                table.weight = nn.Parameter(child.dequantized())
                setattr(layer, name, table)
    given = x if x.dtype == np.int64 else x.astype(np.float64)
    return np.array(module.to(weft.float64)(weft.asarray(given)))


@pytest.mark.parametrize("seed", range(count_of_examples(24)))
def test_all_ways_to_run_agree(made: Drawn, seed: int, tmp_path: Path) -> None:
    module, x = made.module, made.x
    expected = np.array(module(weft.asarray(x)))
    assert np.isfinite(expected).all()
    jitted = weft.jit(module.__call__)(weft.asarray(x))
    assert_same_bits([np.array(jitted)], [expected])
    spec = weft.spec(("rows", *x.shape[1:]), x.dtype.name)
    program = weft.export(module.__call__, spec)
    program.save(tmp_path / "model.weft")
    loaded = weft.load(tmp_path / "model.weft")
    assert_same_bits([np.array(loaded(x))], [expected])
    program.compile_object(tmp_path / "net.so", emit="shared", name="net")
    library = Library(tmp_path / "net.so", "net")
    assert_same_bits(library([x], [expected], [len(x)]), [expected])
    weft.save_safetensors(module.state_dict(), tmp_path / "weights.safetensors")
    other = drawn(seed)
    with weft.no_grad():
        for parameter in other.module.parameters():
            parameter.assign(weft.zeros_like(parameter) + 0.5)
    weft.quantize(other.module, **other.options)
    other.module.load_state_dict(weft.load_safetensors(tmp_path / "weights.safetensors"))
    assert_same_bits([np.array(other.module(weft.asarray(x)))], [expected])


@pytest.mark.parametrize("seed", range(count_of_examples(24)))
def test_files_of_onnx_compute_the_same(made: Drawn, tmp_path: Path) -> None:
    """ONNX Runtime's own order of sums is off by as much as float32 is off the true result."""
    module, x = made.module, made.x
    expected = np.array(module(weft.asarray(x)))
    spec = weft.spec(("rows", *x.shape[1:]), x.dtype.name)
    weft.onnx.save(weft.export(module.__call__, spec), tmp_path / "model.onnx")
    file = onnx.load(tmp_path / "model.onnx")
    back = np.array(weft.onnx.load(tmp_path / "model.onnx")(x))
    assert back.shape == expected.shape
    if made.options.get("activations"):
        pytest.skip("ONNX Runtime rounds activations at places of its own")
    if len(x) == 0:
        return
    result = reference(file, {file.graph.input[0].name: x})[0]
    true = in_64_bits(module, x)
    unit = 2.0**-23 * np.abs(true).max()
    allowed = 16 * (np.abs(expected - true).max() + unit)
    assert np.abs(result - true).max() <= allowed
    assert np.abs(back - true).max() <= allowed
