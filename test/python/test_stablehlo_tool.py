"""tools/stablehlo_tests: what it finds right and wrong in a folder of tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
func.func @right() {
  %0 = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %1 = stablehlo.add %0, %0 : tensor<2xf32>
  check.expect_eq %1, %1 : tensor<2xf32>
  check.expect_almost_eq_const %1, dense<[2.0, 4.0]> : tensor<2xf32>
  func.return
}
// -----
func.func @wrong() {
  %0 = stablehlo.constant dense<[1, 2]> : tensor<2xi64>
  check.expect_eq_const %0, dense<[1, 3]> : tensor<2xi64>
  func.return
}
"""


@pytest.mark.parametrize("mode", [[], ["--eager"]])
def test_right_and_wrong_tests(tmp_path: Path, mode: list[str]) -> None:
    folder = tmp_path / "stablehlo" / "tests" / "interpret"
    folder.mkdir(parents=True)
    (folder / "own.mlir").write_text(TESTS)
    command = [sys.executable, str(ROOT / "tools" / "stablehlo_tests"), str(tmp_path), *mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "own 2: line 3: [1 2] is not [1 3]" in done.stdout
    assert done.stdout.endswith("1 of 2 pass: 50.0 %\n")
