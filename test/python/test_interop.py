"""Tensors to and from NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import weft


def test_numpy_shares_memory_both_ways() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = weft.asarray(array)
    again = np.asarray(tensor)
    assert np.shares_memory(tensor.numpy(), again)
    assert not again.flags.writeable
    np.testing.assert_array_equal(again, array)


def test_bfloat16_is_not_read_as_integers() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    tensor = weft.ones((2,), dtype=weft.bfloat16)
    for array in (np.asarray(tensor), tensor.numpy()):
        assert array.dtype == ml_dtypes.bfloat16
        assert array.astype(np.float32).tolist() == [1.0, 1.0]


def test_dlpack_with_pytorch_copies_nothing() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    ours = weft.from_dlpack(theirs)
    assert np.shares_memory(ours.numpy(), theirs.numpy())
    back = torch.from_dlpack(weft.ones((2, 2)) * 3)
    assert back.tolist() == [[3.0, 3.0], [3.0, 3.0]]


@pytest.mark.parametrize("view", [np.s_[:, ::2], np.s_[::-1], np.s_[1:, 1:]])
def test_strided_arrays_are_copied_right(view: tuple[slice, ...]) -> None:
    array = np.arange(20, dtype=np.int64).reshape(4, 5)[view]
    np.testing.assert_array_equal(weft.asarray(array).numpy(), array)
    np.testing.assert_array_equal(weft.asarray(array.T).numpy(), array.T)
