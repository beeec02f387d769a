"""Objects with symbolic sizes: one object for all batches, with jit's bits for each."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_cases import normal
from aot_models import Library, assert_same_bits, compile_text

DENSE = """
func.func @main(%x: tensor<?x24xf32, #weft.shape<["n", 24]>> {weft.name = "x"},
                %w: tensor<24x10xf32> {weft.name = "w"})
    -> (tensor<?x10xf32, #weft.shape<["n", 10]>> {weft.name = "y"},
        tensor<?xf32, #weft.shape<["n"]>>) {
  %0 = weft.matmul %x, %w : tensor<?x24xf32, #weft.shape<["n", 24]>>, tensor<24x10xf32>
      -> tensor<?x10xf32, #weft.shape<["n", 10]>>
  %1 = weft.softmax %0 axis 1 : tensor<?x10xf32, #weft.shape<["n", 10]>>
  %2 = weft.matmul %x, %w : tensor<?x24xf32, #weft.shape<["n", 24]>>, tensor<24x10xf32>
      -> tensor<?x10xf32, #weft.shape<["n", 10]>>
  %3 = weft.sum %2 [1]
      : tensor<?x10xf32, #weft.shape<["n", 10]>> -> tensor<?xf32, #weft.shape<["n"]>>
  return %1, %3 : tensor<?x10xf32, #weft.shape<["n", 10]>>, tensor<?xf32, #weft.shape<["n"]>>
}
"""


def dense(x: weft.Tensor, w: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
    """The same in Python."""
    return weft.softmax(x @ w, 1), weft.sum(x @ w, axis=1)


@pytest.mark.parametrize("threads", ["none", "pool"])
def test_one_object_for_all_batches(threads: str, tmp_path: Path) -> None:
    path = compile_text(
        DENSE, tmp_path / "libdense.so", "--emit=shared", "--name=dense", f"--threads={threads}"
    )
    library = Library(path, "dense")
    w = normal(24, 10, seed=1)
    for n in [0, 1, 2, 13, 16, 100, 5000]:
        x = normal(n, 24, seed=n)
        expected = [np.array(y) for y in weft.jit(dense)(weft.asarray(x), weft.asarray(w))]
        assert_same_bits(library([x, w], expected, sizes=[n]), expected)


def test_workspace_grows_with_the_size(tmp_path: Path) -> None:
    path = compile_text(DENSE, tmp_path / "libdense.so", "--emit=shared", "--name=dense")
    workspace = Library(path, "dense").workspace_bytes
    sizes = [workspace(ctypes.c_int64(n)) for n in (0, 1, 100, 10000)]
    assert sizes == sorted(sizes)
    assert sizes[3] >= 10000 * 10 * 4
    for bad in (-1, 2**62, 2**63 - 1, 2**50):
        assert workspace(ctypes.c_int64(bad)) == 2**64 - 1


def test_mean_over_a_symbolic_size(tmp_path: Path) -> None:
    """The count that a mean divides by is a parameter that is computed from the size."""
    text = """
func.func @main(%x: tensor<?x6xf32, #weft.shape<["n", 6]>>) -> tensor<6xf32> {
  %0 = weft.mean %x [0] : tensor<?x6xf32, #weft.shape<["n", 6]>> -> tensor<6xf32>
  return %0 : tensor<6xf32>
}
"""
    path = compile_text(text, tmp_path / "libmean.so", "--emit=shared", "--name=mean")
    library = Library(path, "mean")
    for n in (1, 3, 1000):
        x = normal(n, 6, seed=n)
        expected = [np.array(weft.jit(lambda a: weft.mean(a, axis=0))(weft.asarray(x)))]
        assert_same_bits(library([x], expected, sizes=[n]), expected)


def test_derived_sizes(tmp_path: Path) -> None:
    """Results whose sizes are sums and products of symbols."""
    text = """
func.func @main(%x: tensor<?x?xf32, #weft.shape<["n", "m"]>>,
                %y: tensor<3x?xf32, #weft.shape<[3, "m"]>>)
    -> (tensor<?x?xf32, #weft.shape<["n + 3", "m"]>>, tensor<?xf32, #weft.shape<["m*n"]>>) {
  %0 = weft.concatenate %x, %y axis 0
      : tensor<?x?xf32, #weft.shape<["n", "m"]>>, tensor<3x?xf32, #weft.shape<[3, "m"]>>
      -> tensor<?x?xf32, #weft.shape<["n + 3", "m"]>>
  %1 = weft.exp %x : tensor<?x?xf32, #weft.shape<["n", "m"]>>
  %2 = weft.reshape %1
      : tensor<?x?xf32, #weft.shape<["n", "m"]>> -> tensor<?xf32, #weft.shape<["m*n"]>>
  return %0, %2 : tensor<?x?xf32, #weft.shape<["n + 3", "m"]>>, tensor<?xf32, #weft.shape<["m*n"]>>
}
"""

    def function(x: weft.Tensor, y: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        return weft.concat([x, y], axis=0), weft.exp(x).reshape((-1,))

    library = Library(
        compile_text(text, tmp_path / "libjoin.so", "--emit=shared", "--name=join"), "join"
    )
    for n, m in [(1, 1), (4, 7), (0, 5), (33, 100)]:
        x, y = normal(n, m, seed=n), normal(3, m, seed=m)
        expected = [np.array(z) for z in weft.jit(function)(weft.asarray(x), weft.asarray(y))]
        assert_same_bits(library([x, y], expected, sizes=[n, m]), expected)
