"""Programs of weft as ONNX models: the checker takes them, and ONNX Runtime gives the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from weft import nn

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_models import reference  # noqa: E402


def check(function: Callable, folder: Path, *arrays: np.ndarray, specs: Any = None) -> Any:
    """Equal in ONNX Runtime, and when weft reads the file again."""
    program = weft.export(function, *(arrays if specs is None else specs))
    path = folder / "program.onnx"
    weft.onnx.save(program, path)
    model = onnx.load(path)
    inputs = {spec.name: x for spec, x in zip(program.inputs, arrays, strict=True)}
    made = program(*arrays)
    want = [np.asarray(x) for x in (made if isinstance(made, tuple) else (made,))]
    again = weft.onnx.load(path)(*arrays)
    again = again if isinstance(again, tuple) else (again,)
    for have, read, expected in zip(reference(model, inputs), again, want, strict=True):
        assert (have.dtype, have.shape) == (expected.dtype, expected.shape)
        # Both compute in float32: sums in other orders, functions by other polynomials.
        np.testing.assert_allclose(have, expected, rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(np.asarray(read), expected, rtol=2e-5, atol=2e-6)
    return model


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_a_convolution_network(tmp_path: Path) -> None:
    weft.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 4, 3, groups=4), nn.SiLU(), nn.MaxPool2d(2), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(16, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 4)),
    )
    network.eval()
    model = check(lambda x: weft.softmax(network(x), dim=-1), tmp_path, floats(2, 3, 20, 20))
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"network.0.weight", "network.11.bias"} <= names


def test_open_sizes_keep_their_names(tmp_path: Path) -> None:
    weft.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    specs = (weft.spec(("batch", "time", 6)),)
    model = check(network, tmp_path, floats(2, 3, 6), specs=specs)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [row.dim_param or row.dim_value for row in dims] == ["batch", "time", 6]
    assert weft.onnx.load(tmp_path / "program.onnx").export().symbols == ("batch", "time")


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal: bool, tmp_path: Path) -> None:
    def attend(q: Any, k: Any, v: Any) -> Any:
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    check(attend, tmp_path, floats(2, 3, 5, 4), floats(2, 3, 6, 4), floats(2, 3, 6, 7))


def test_a_transformer_of_open_sizes(tmp_path: Path) -> None:
    weft.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    layer.eval()
    x = floats(2, 5, 8)
    check(layer, tmp_path, x, specs=(weft.spec(("batch", "length", 8)),))


def pieces(x: Any, y: Any) -> tuple:
    """What moves elements, and what reduces them."""
    joined = weft.concat([x[:, ::-1], y[:, 1:4:2]], axis=1)
    padded = weft.pad(x, [(1, 2), (0, 1)], 3.0)
    return (
        joined.T,
        padded,
        weft.sum(x, axis=0) * weft.max(y, axis=1, keepdims=True),
        weft.mean(weft.where(x > 0, x, y.astype("int32").astype("float32"))),
        weft.reshape(x, (2, -1)) @ weft.reshape(y, (-1, 2)),
        weft.take(x, np.array([2, 0]), axis=1) != 0,
        weft.broadcast_to(x[:1], (3, 5)),
        weft.argmax(x, axis=1),
        x**2 - y**0.5,
        weft.argmin(y, axis=0),
        weft.cumulative_sum(x, axis=1) + weft.flip(weft.cumulative_sum(y, axis=1), axis=0),
        weft.minimum(weft.abs(x), y) / (1 + weft.exp(y)),
    )


def test_movement_and_reductions(tmp_path: Path) -> None:
    check(pieces, tmp_path, floats(4, 5), floats(4, 5) + 1)


@pytest.mark.parametrize(
    "name",
    ["abs", "sign", "floor", "ceil", "round", "sqrt", "rsqrt", "reciprocal", "exp", "log", "sin"]
    + ["cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "atanh", "erf"]
    + ["sigmoid", "negative", "isnan", "isinf"],
)
def test_elementwise(name: str, tmp_path: Path) -> None:
    x = np.linspace(0.1, 0.9, 7).astype(np.float32)
    check(getattr(weft, name), tmp_path, x)


def test_what_can_not_be_written_is_named(tmp_path: Path) -> None:
    cholesky = weft.linalg.cholesky
    program = weft.export(lambda x: (cholesky(x), cholesky(x * 2), weft.sort(x)), weft.spec((2, 2)))
    with pytest.raises(weft.UnsupportedError) as caught:
        weft.onnx.save(program, tmp_path / "program.onnx")
    (line,) = str(caught.value).splitlines()[1:]
    assert line.startswith("  weft.cholesky: 2 times, first at ")
    assert __file__ in line
    assert not (tmp_path / "program.onnx").exists()
    program = weft.export(lambda x: x + 1, weft.spec(4))
    with pytest.raises(weft.FileError, match="can't be written"):
        weft.onnx.save(program, tmp_path / "no folder" / "program.onnx")


def test_files_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "program.onnx"
    weft.onnx.save(weft.export(lambda x: x + 1, weft.spec(4)), path)
    before = path.read_bytes()
    with pytest.raises(weft.DTypeError, match="a Model is no exported program"):
        weft.onnx.save(weft.onnx.load(path), path)
    monkeypatch.setattr("weft.onnx._writing._LARGEST", 100)
    with pytest.raises(weft.UnsupportedError, match="at most 2 GiB"):
        weft.onnx.save(weft.export(lambda x: x + 2, weft.spec(4)), path)
    monkeypatch.undo()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(weft.FileError, match=r"can't be written to .*: No space left on device"):
        weft.onnx.save(weft.export(lambda x: x + 3, weft.spec(4)), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    weft.onnx.save(weft.export(lambda x: x + 4, weft.spec(4)), link)
    assert link.is_symlink()
    assert path.read_bytes() != before
    weft.onnx.save(weft.export(lambda x: x, weft.spec(4)), "/dev/null")
    assert not Path("/dev/null").is_file()
