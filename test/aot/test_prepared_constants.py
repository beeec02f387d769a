"""What depends on constants alone is computed while compiling: by the host, whatever the target."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_cases import normal
from aot_models import WEFTC, Case, Library, assert_same_bits, run
from test_aarch64 import run_on_arm
from weft import nn


class Network(nn.Module):
    """Weights that are transposed, scaled and converted before they are used, and a table."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(40, 30), nn.Linear(30, 20)
        self.half = weft.asarray(normal(20, 20).astype(np.float16))

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        y = weft.relu(self.first(x))
        y = y @ (self.second.weight * 0.125).T
        angle = weft.arange(7, dtype=weft.float32)[:, None] * weft.arange(20, dtype=weft.float32)
        return (y * weft.cos(angle)) @ self.half.astype(weft.float32)


def export(folder: Path) -> tuple[Path, list[np.ndarray], list[np.ndarray]]:
    weft.random.seed(5)
    model = Network()
    x = normal(7, 40)
    program = weft.export(lambda x: model(x), weft.spec((7, 40)))
    path = folder / "net.weft"
    program.save(path)
    return path, [x], [np.array(weft.jit(lambda x: model(x))(weft.asarray(x)))]


def test_the_program_launches_nothing_of_constants_alone(tmp_path: Path) -> None:
    path, _, _ = export(tmp_path)
    run([WEFTC, path, "-o", tmp_path / "net.ll", "--emit=llvm", "--name=net"])
    text = (tmp_path / "net.ll").read_text()
    assert "cos" not in text
    assert "transpose" not in text


def test_a_constant_that_only_prepared_values_read_is_dropped(tmp_path: Path) -> None:
    rows = [
        "func.func @main(%x: tensor<4x300xf32>) -> tensor<4x200xf32> {",
        '  %w = weft.constant {weft.name = "w"} dense<"0x'
        + normal(200, 300).tobytes().hex().upper()
        + '"> : tensor<200x300xf32> : tensor<200x300xf32>',
        "  %t = weft.transpose %w [1, 0] : tensor<200x300xf32> -> tensor<300x200xf32>",
        "  %y = weft.matmul %x, %t : tensor<4x300xf32>, tensor<300x200xf32> -> tensor<4x200xf32>",
        "  return %y : tensor<4x200xf32>",
        "}",
    ]
    (tmp_path / "net.mlir").write_text("\n".join(rows))
    weights = tmp_path / "net.safetensors"
    run([WEFTC, tmp_path / "net.mlir", "-o", tmp_path / "whole.o", "--name=net"])
    run([WEFTC, tmp_path / "net.mlir", "-o", tmp_path / "net.o", "--weights", weights])
    bytes_of_weight = 200 * 300 * 4
    assert bytes_of_weight <= (tmp_path / "whole.o").stat().st_size < 1.5 * bytes_of_weight
    assert (tmp_path / "net.o").stat().st_size < bytes_of_weight / 2
    tensors = weft.load_safetensors(weights)
    assert list(tensors) == ["w"]
    panels = tensors["w"].numpy().view(np.float32)
    assert np.array_equal(np.sort(panels[panels != 0]), np.sort(normal(200, 300).ravel()))


@pytest.mark.parametrize("target", ["native", "x86-64-v3"])
def test_objects_compute_what_compiled_functions_do(tmp_path: Path, target: str) -> None:
    path, inputs, expected = export(tmp_path)
    flags = ["--emit=shared", "--name=net", f"--target={target}"]
    run([WEFTC, path, "-o", tmp_path / "net.so", *flags])
    assert_same_bits(Library(tmp_path / "net.so", "net")(inputs, expected), expected)


def test_the_host_computes_constants_of_another_processor(tmp_path: Path) -> None:
    def function(x: weft.Tensor) -> weft.Tensor:
        angle = weft.arange(64, dtype=weft.float32)[:, None] * weft.arange(8, dtype=weft.float32)
        return x * weft.cos(angle * 0.01)

    case = Case(function, [normal(64, 8)])
    assert "weft.prepare @" in case.text()
    assert_same_bits(run_on_arm(case, tmp_path), case.expected())


_MATRIX = np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)
_BY_LAPACK = {
    "cholesky": weft.linalg.cholesky,
    "solve": weft.linalg.inv,
    "solve_triangular": lambda x: weft.linalg.solve_triangular(x, x, upper=False),
    "lu": weft.linalg.det,
    "qr": lambda x: weft.linalg.qr(x)[1],
    "svd": lambda x: weft.linalg.svd(x).S,
    "svdvals": weft.linalg.svdvals,
    "eigh": lambda x: weft.linalg.eigh(x)[1],
    "eigvalsh": weft.linalg.eigvalsh,
    "eig": lambda x: weft.abs(weft.linalg.eig(x)[0]),
    "eigvals": lambda x: weft.abs(weft.linalg.eigvals(x)),
}

#: They are not computed beforehand.
_OF_SEVERAL_RESULTS = {"lu", "qr", "svd", "eigh", "eig"}


@pytest.mark.parametrize("name", _BY_LAPACK)
def test_what_lapack_makes_of_constants(name: str, tmp_path: Path) -> None:
    """weftc has no LAPACK, and says so in one line; Python has, and computes it beforehand."""
    made = _BY_LAPACK[name]
    program = weft.export(lambda x: x * weft.sum(made(weft.asarray(_MATRIX))), weft.spec((2,)))
    program.save(tmp_path / "case.weft")
    refused = subprocess.run(
        [WEFTC, tmp_path / "case.weft", "-o", tmp_path / "case.o"], capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert f"{name} is computed by a library on the host, which an object" in refused.stderr
    assert Path(__file__).name in refused.stderr
    assert not (tmp_path / "case.o").exists()
    if name in _OF_SEVERAL_RESULTS:
        with pytest.raises(weft.UnsupportedError, match=f"{name} is computed by a library"):
            program.compile_object(tmp_path / "case.o")
        return
    program.compile_object(tmp_path / "case.o")
    assert (tmp_path / "case.o").exists()


def test_a_transform_of_constants_is_made_by_weftc(tmp_path: Path) -> None:
    spectrum = weft.export(
        lambda x: x * weft.abs(weft.fft.fft(weft.asarray(_MATRIX[0]))), weft.spec((2,))
    )
    spectrum.save(tmp_path / "case.weft")
    subprocess.run([WEFTC, tmp_path / "case.weft", "-o", tmp_path / "case.o"], check=True)
