"""Floats of one byte: kept, moved and converted as by PyTorch and ml_dtypes, not computed with."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, numpy_dtype, to_numpy

NAMES = ["float8_e4m3fn", "float8_e5m2"]
pytestmark = pytest.mark.parametrize("name", NAMES)


def patterns(name: str) -> np.ndarray:
    """All 256 bytes."""
    return np.arange(256, dtype=np.uint8).view(numpy_dtype(name))


def floats(dtype: str) -> np.ndarray:
    """Each number of a float of a byte, all midpoints of these, their neighbours, and more."""
    numbers = np.concatenate([patterns(name).astype(np.float64) for name in NAMES])
    numbers = np.unique(numbers[np.isfinite(numbers)])
    middles = (numbers[1:] + numbers[:-1]) / 2
    exact = np.concatenate([numbers, middles]).astype(dtype)
    more = np.random.default_rng(0).standard_normal(2000) * 2.0 ** np.linspace(-20, 20, 2000)
    largest = np.finfo(dtype).max
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 464, 465, 480, 61440, 61439, 1e-300, largest]
    around = [np.nextafter(exact, np.dtype(dtype).type(way)) for way in (-1e9, 1e9)]
    with np.errstate(over="ignore"):
        return np.concatenate([exact, *around, more, special]).astype(dtype)


def torch_dtype(name: str) -> torch.dtype:
    return getattr(torch, name)


def rounded(x: np.ndarray, name: str) -> np.ndarray:
    """The nearest numbers, ties to even, of floats of any width, whose midpoints float64 has.

    What is beyond the largest of a format without infinity is the largest, as PyTorch has it.
    """
    numbers = patterns(name)[: 0x7F if name == "float8_e4m3fn" else 0x7D].astype(np.float64)
    if np.isinf(numbers[-1]):
        numbers[-1] = 2.0**16  # what would come next
    middles = (numbers[1:] + numbers[:-1]) / 2
    size = np.abs(x).astype(np.float64)
    below, above = (np.searchsorted(middles, size, side) for side in ("left", "right"))
    place = np.where(below % 2 == 0, below, above)
    bits = np.where(np.isnan(size), 0x7F, place) | np.where(np.signbit(x), 0x80, 0)
    return bits.astype(np.uint8).view(numpy_dtype(name))


def assert_same_numbers(ours: object, expected: np.ndarray) -> None:
    """The same bytes; NaNs are alike."""
    assert_same_bits(to_numpy(ours), expected)


@pytest.mark.parametrize("wide", ["float16", "bfloat16", "float32", "float64", "int64", "uint8"])
def test_every_byte_is_read_as_its_number(name: str, wide: str) -> None:
    bytes_ = patterns(name)
    if wide in ("int64", "uint8"):
        numbers = bytes_.astype(np.float64)
        bytes_ = bytes_[np.isfinite(numbers) & (numbers >= 0) & (numbers < 256)]
    ours = eager_and_jit(lambda x: x.astype(wide), weft.asarray(bytes_))
    expected = bytes_.astype(np.float32).astype(numpy_dtype(wide))
    assert_same_numbers(ours, expected)
    # In a kernel of many elements too, and from constants.
    many = np.resize(bytes_, 5000)
    assert_same_numbers(weft.asarray(many).astype(wide), np.resize(expected, 5000))


@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_floats_are_rounded_as_by_others(name: str, wide: str) -> None:
    x = floats(wide)
    ours = eager_and_jit(lambda x: x.astype(name), weft.asarray(x))
    assert_same_numbers(ours, rounded(x, name))
    if wide == "float32":
        # ml_dtypes rounds float64 twice, and has NaN for what is too large.
        finite = np.abs(x) < np.float32(448)
        assert_same_bits(rounded(x[finite], name), x[finite].astype(numpy_dtype(name)))
    pytorchs = torch.from_numpy(x.astype(np.float32)).to(torch_dtype(name))
    with np.errstate(over="ignore"):
        again = weft.asarray(x.astype(np.float32)).astype(name)
    assert_same_numbers(again, pytorchs.view(torch.uint8).numpy().view(numpy_dtype(name)))


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_every_half_is_rounded_as_by_others(name: str, half: str) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(numpy_dtype(half))
    ours = weft.jit(lambda x: x.astype(name))(weft.asarray(x))
    assert_same_numbers(ours, rounded(x.astype(np.float32), name))


@pytest.mark.parametrize("whole", ["bool", "int8", "uint8", "int32", "int64", "uint64"])
def test_integers_are_rounded_as_their_floats(name: str, whole: str) -> None:
    x = np.arange(-600, 600) if whole[0] != "u" else np.arange(1200)
    x = np.concatenate([x, 2 ** np.arange(8, 31)]).astype(whole)
    ours = eager_and_jit(lambda x: x.astype(name), weft.asarray(x))
    assert_same_numbers(ours, rounded(x.astype(np.float32), name))


def test_python_numbers_and_constants_are_rounded_once(name: str) -> None:
    for number in (0.0, -0.0, 1.0, 0.3, 17.0, 448.0, 465.0, 1e6, -1e6, float("inf"), float("nan")):
        expected = rounded(np.full(3, number, np.float64), name)
        assert_same_numbers(weft.full(3, number, dtype=name), expected)
        assert_same_numbers(weft.asarray([number] * 3, dtype=name), expected)
        assert_same_numbers(weft.jit(lambda n=number: weft.full(3, n).astype(name))(), expected)
    for made in (weft.zeros, weft.ones):
        assert_same_numbers(
            made((2, 2), dtype=name), to_numpy(made((2, 2))).astype(numpy_dtype(name))
        )


def test_arrays_and_other_libraries_share_the_bytes(name: str) -> None:
    bytes_ = patterns(name)
    tensor = weft.asarray(bytes_)
    assert tensor.dtype == name
    assert tensor.dtype is getattr(weft, name)
    assert tensor.dtype.to_numpy() == numpy_dtype(name)
    assert (tensor.itemsize, tensor.nbytes) == (1, 256)
    assert tensor.numpy().tobytes() == np.asarray(tensor).tobytes() == bytes_.tobytes()
    numbers = [tensor[i].item() for i in range(256)]
    np.testing.assert_array_equal(numbers, bytes_.astype(np.float64))
    theirs = torch.from_dlpack(tensor)
    assert theirs.dtype is torch_dtype(name)
    assert theirs.view(torch.uint8).numpy().tobytes() == bytes_.tobytes()
    back = weft.from_dlpack(torch.arange(256).to(torch.uint8).view(torch_dtype(name)))
    assert back.dtype == name
    assert back.numpy().tobytes() == bytes_.tobytes()
    assert name in repr(tensor)
    with pytest.raises(BufferError, match=name):
        memoryview(tensor)


def test_limits_are_ml_dtypes(name: str) -> None:
    ours, theirs = weft.finfo(name), ml_dtypes.finfo(numpy_dtype(name))
    for limit in ("bits", "eps", "max", "min", "smallest_normal"):
        assert float(getattr(ours, limit)) == float(getattr(theirs, limit)), limit


MOVEMENTS = {
    "reshape": lambda x: weft.reshape(x, (-1, 4)),
    "transpose": lambda x: x.T,
    "slice": lambda x: x[1:5, ::3],
    "flip": lambda x: weft.flip(x, axis=0),
    "pad": lambda x: weft.pad(x, [(1, 0), (0, 2)]),
    "join": lambda x: weft.concat([x, x[:2]], axis=0),
    "stack": lambda x: weft.stack([x, x]),
    "repeat": lambda x: weft.broadcast_to(x, (3, *x.shape)),
    "take": lambda x: weft.take(x, weft.asarray([3, 0, 3]), axis=1),
    "gather": lambda x: x.gather(0, weft.asarray([[1, 0], [2, 2]])),
    "scatter": lambda x: x.scatter(0, weft.asarray([[1, 0], [2, 2]]), x[:2, :2]),
    "where": lambda x: weft.where(x.astype("float32") > 0, x, x[0, 0]),
    "mask": lambda x: x[x.astype("float32") > 1],
    "bits": lambda x: weft.bitcast(weft.bitcast(x, f"int{8 * x.itemsize}"), x.dtype),
    "roll": lambda x: weft.roll(x, 3, axis=1),
}


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_movements_keep_every_bit(name: str, movement: str) -> None:
    x = patterns(name).reshape(8, 32)
    move = MOVEMENTS[movement]
    ours = eager_and_jit(move, weft.asarray(x))
    # The same movement of the bytes, in a dtype that is moved anyway; those compared as numbers.
    of_numbers = move(weft.asarray(x.astype(np.float32)))
    assert_same_bits(to_numpy(ours).astype(np.float32), of_numbers)
    if movement not in ("where", "mask", "pad", "bits"):
        raw = move(weft.asarray(x.view(np.uint8)))
        assert to_numpy(ours).tobytes() == to_numpy(raw).tobytes()


def test_updates_and_views_write_them(name: str) -> None:
    def change(x: weft.Tensor) -> weft.Tensor:
        x = x.clone()
        row = x[1]
        row[::2] = 0.3
        x[0, 1] = x[1, 1]
        x[:, 3] = weft.asarray([1.0, 2.0], dtype=name)
        return x

    x = patterns(name)[40:48].reshape(2, 4)
    expected = x.copy()
    expected[1, ::2] = 0.3
    expected[0, 1] = expected[1, 1]
    expected[:, 3] = [1.0, 2.0]
    assert_same_numbers(eager_and_jit(change, weft.asarray(x)), expected)


def test_files_keep_every_byte(name: str, tmp_path: Path) -> None:
    tensor = weft.asarray(patterns(name).reshape(16, 16))
    weft.save_safetensors({"x": tensor}, tmp_path / "x.safetensors")
    loaded = weft.load_safetensors(tmp_path / "x.safetensors")["x"]
    assert loaded.dtype == name
    assert loaded.numpy().tobytes() == tensor.numpy().tobytes()
    theirs = pytest.importorskip("safetensors.torch").load_file(tmp_path / "x.safetensors")["x"]
    assert theirs.dtype is torch_dtype(name)
    assert theirs.view(torch.uint8).numpy().tobytes() == tensor.numpy().tobytes()


def test_weights_are_kept_in_them(name: str, tmp_path: Path) -> None:
    weight = weft.asarray(np.linspace(-3, 3, 24, dtype=np.float32).reshape(4, 6)).astype(name)
    product = lambda x: x @ weight.astype("float32")  # noqa: E731
    x = weft.asarray(np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4))
    expected = eager_and_jit(product, x)
    assert_same_bits(expected, x @ weft.asarray(to_numpy(weight).astype(np.float32)))
    exported = weft.export(product, x)
    exported.save(tmp_path / "program.weft")
    assert_same_bits(weft.load(tmp_path / "program.weft")(x), expected)


ARITHMETIC = {
    "add": lambda x: x + x,
    "multiply": lambda x: x * 2.0,
    "exp": weft.exp,
    "sum": weft.sum,
    "mean": weft.mean,
    "max": weft.max,
    "matmul": lambda x: x @ x.T,
    "softmax": lambda x: weft.nn.functional.softmax(x, dim=1),
    "less": lambda x: x < x,
    "equal": lambda x: x == x,
    "relu": weft.nn.functional.relu,
    "layer_norm": lambda x: weft.nn.functional.layer_norm(x, (4,)),
    "sort": weft.sort,
    "cumulative_sum": lambda x: weft.cumulative_sum(x, axis=0),
}


@pytest.mark.parametrize("operation", ARITHMETIC)
def test_arithmetic_says_the_way_out(name: str, operation: str) -> None:
    x = weft.ones((2, 4), dtype=name)
    for function in (ARITHMETIC[operation], weft.jit(ARITHMETIC[operation])):
        with pytest.raises(weft.DTypeError, match=r"astype\(weft.float32\)") as error:
            function(x)
        assert name in str(error.value)
        assert "test_float8.py" in str(error.value)


@pytest.mark.parametrize("other", ["float32", "int64", "bool", "float16"])
def test_they_meet_no_other_dtype(name: str, other: str) -> None:
    x, y = weft.ones(3, dtype=name), weft.ones(3, dtype=other)
    with pytest.raises(weft.DTypeError, match=r"no common dtype.*astype"):
        weft.where(x.astype("bool"), x, y)
    with pytest.raises(weft.DTypeError, match=r"no common dtype"):
        weft.concat([x, y])
    assert not weft.can_cast(name, other)
    assert weft.promote_types(name, name) == name
    assert not weft.isdtype(name, ("numeric", "real floating"))


def test_gradients_end_at_them(name: str) -> None:
    gradient = weft.grad(lambda x: (x + x.astype(name).astype("float32")).sum())
    assert_same_bits(gradient(weft.ones(3)), np.ones(3, np.float32))
    with pytest.raises(weft.WeftError):
        weft.ones(3, dtype=name).requires_grad_()
