"""uint16, uint32 and uint64: their whole range, their way in and out, what they meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy

UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]


def _values(dtype: str) -> np.ndarray:
    limits = np.iinfo(dtype)
    middle = int(limits.max) // 2
    return np.array([0, 1, 7, middle, middle + 1, limits.max - 1, limits.max], dtype=dtype)


@pytest.mark.parametrize("dtype", UNSIGNED)
def test_they_come_and_go_by_every_way(dtype: str, tmp_path: Path) -> None:
    x = _values(dtype)
    tensor = weft.asarray(x)
    assert tensor.dtype == dtype == str(tensor.numpy().dtype)
    assert_same_bits(tensor, x)
    assert tensor.tolist() == x.tolist()
    assert [item.item() for item in tensor] == x.tolist()
    assert_same_bits(weft.asarray(x.tolist(), dtype=dtype), x)
    assert_same_bits(np.from_dlpack(tensor), x)
    assert_same_bits(weft.from_dlpack(torch.from_numpy(x)), x)
    weft.save_safetensors({"x": tensor}, tmp_path / "x.safetensors")
    assert_same_bits(weft.load_safetensors(tmp_path / "x.safetensors")["x"], x)
    exported = weft.export(lambda x: x + 1, weft.spec((7,), dtype))
    exported.save(tmp_path / "x.weft")
    assert_same_bits(weft.load(tmp_path / "x.weft")(tensor), x + np.ones((), dtype))


def test_numbers_beyond_int64_meet_uint64() -> None:
    x = weft.asarray(_values("uint64"))
    numbers = to_numpy(x)
    for number in (2**63, 2**64 - 1):
        for function, wanted in [
            (lambda x, n=number: x == n, numbers == np.uint64(number)),
            (lambda x, n=number: x < n, numbers < np.uint64(number)),
            (lambda x, n=number: x + n, numbers + np.uint64(number)),
            (lambda x, n=number: weft.maximum(n, x), np.maximum(numbers, np.uint64(number))),
            (lambda x, n=number: weft.where(x > 5, x, n), np.where(numbers > 5, numbers, number)),
            (lambda x, n=number: x * 0 + weft.full((), n, dtype="uint64"), numbers * 0 + number),
        ]:
            assert_same_bits(eager_and_jit(function, x), wanted.astype(wanted.dtype))
    assert_same_bits(
        eager_and_jit(lambda x: x + 2**64, weft.asarray([1.0, 2.0], dtype="float64")),
        np.array([2.0**64, 2.0**64]),
    )
    for number in (-1, 2**64):
        with pytest.raises(weft.OutOfRangeError):
            x + number
        with pytest.raises(weft.OutOfRangeError):
            weft.jit(lambda x, n=number: x + n)(x)


@pytest.mark.parametrize("number", [-1, 0, 3, -(2**63)])
def test_comparisons_with_a_number_among_the_arguments(number: int) -> None:
    x = weft.asarray(_values("uint64"))
    function = weft.jit(lambda x, n: (x < n, x >= n, x == n))
    for given in (5, number, 7):
        wanted = [
            [value < given for value in x.tolist()],
            [value >= given for value in x.tolist()],
            [value == given for value in x.tolist()],
        ]
        assert [part.tolist() for part in function(x, given)] == wanted


def test_nothing_holds_uint64_and_a_signed_integer() -> None:
    x, y = weft.ones(2, dtype="uint64"), weft.ones(2, dtype="int8")
    for call in (
        lambda: x + y,
        lambda: weft.concat([x, y]),
        lambda: weft.promote_types("uint64", "int64"),
        lambda: weft.result_type(x, y),
        lambda: weft.where(x > 0, x, y),
        lambda: weft.jit(lambda x, y: x * y)(x, y),
    ):
        with pytest.raises(weft.DTypeError, match="no common dtype; convert one of them by astype"):
            call()
    assert not weft.can_cast("uint64", "int64")
    assert weft.promote_types("uint32", "int8") is weft.int64
    assert weft.promote_types("uint16", "int8") is weft.int32
    assert weft.promote_types("uint64", "uint8") is weft.uint64
    assert weft.promote_types("uint64", "float32") is weft.float32


@pytest.mark.parametrize("dtype", UNSIGNED)
def test_sums_are_made_in_uint64(dtype: str) -> None:
    x = np.full((3, 5), np.iinfo(dtype).max // 2, dtype)
    for name in ("sum", "prod", "cumulative_sum"):
        options = {"axis": 1}
        ours = eager_and_jit(
            lambda x, name=name: getattr(weft, name)(x, **options), weft.asarray(x)
        )
        reference = getattr(np, name)(x, dtype=np.uint64, **options)
        assert_same_bits(ours, reference)


def test_ranges_and_constants_beyond_int64() -> None:
    for start, stop, step in [
        (2**64 - 3, 2**64, 1),
        (2**63, 2**63 + 9, 4),
        (2**64 - 1, 2**63, -(2**62)),
    ]:
        ours = eager_and_jit(
            lambda start=start, stop=stop, step=step: weft.arange(start, stop, step, dtype="uint64")
        )
        assert ours.tolist() == list(range(start, stop, step))
    for number, dtype in [
        (1.8e19, "uint64"),
        (2**64, "bool"),
        (2**64 - 1, "uint64"),
        (2**70, "float64"),
    ]:
        ours = eager_and_jit(lambda n=number, d=dtype: weft.full((2,), n, dtype=d))
        wanted = (
            bool(number) if dtype == "bool" else int(number) if dtype == "uint64" else float(number)
        )
        assert ours.tolist() == [wanted] * 2
    assert weft.asarray([2**63 + 1, 1], dtype="float32").tolist() == [2.0**63, 1.0]
    with pytest.raises(weft.OutOfRangeError):
        weft.asarray([2**63, -1], dtype="uint64")
