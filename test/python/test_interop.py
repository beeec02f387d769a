"""Tensors to and from NumPy and PyTorch."""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from dlpack_capsules import CUDA, Foreign


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


# Results and foreign memory -------------------------------------------------------------------


def _results(x: weft.Tensor, array: np.ndarray) -> dict[str, weft.Tensor]:
    """Results that could share the memory of the array, which x has too."""
    exported = weft.export(lambda a: (a, a.reshape(-1)), weft.spec(("n", "m")))
    return {
        "reshape": weft.reshape(x, (-1,)),
        "expand": weft.expand_dims(x, axis=0),
        "astype": (x * 1).astype(x.dtype),
        "transpose": weft.permute_dims(weft.permute_dims(x, (1, 0)), (1, 0)),
        "slice": x[:, :],
        "broadcast": weft.broadcast_to(x, (1, 2, 3)),
        "an array": weft.reshape(array, (-1,)),
        "jit": weft.jit(lambda a: a)(array),
        "jit view": weft.jit(lambda a: a[:])(array),
        "jit reshape": weft.jit(lambda a: a.reshape(-1))(x),
        "jit state": weft.jit(lambda: x.reshape(-1))(),
        "export": exported(x)[0],
        "export reshape": exported(x)[1],
    }


@pytest.mark.parametrize("library", ["numpy", "dlpack"])
def test_no_result_shows_later_writes_to_foreign_memory(library: str) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    before = array.copy()
    x = weft.asarray(array) if library == "numpy" else weft.from_dlpack(Foreign(array))
    assert np.shares_memory(x.numpy(), array)
    results = _results(x, array)
    assert weft.jit(lambda a: a)(x) is x
    array[:] = -1
    assert x.tolist() == array.tolist()
    for name, result in results.items():
        assert result.numpy().ravel().tolist() == before.ravel().tolist(), name


def test_exported_weights_are_those_of_the_export(tmp_path: Path) -> None:
    weights = np.ones((3,), np.float32)
    w = weft.asarray(weights)
    program = weft.export(lambda x: x * w, weft.spec((3,)))
    weights[:] = 7
    assert program(weft.ones(3)).tolist() == [1, 1, 1]
    program.save(tmp_path / "p.weft")
    assert weft.load(tmp_path / "p.weft")(weft.ones(3)).tolist() == [1, 1, 1]


def test_constants_are_not_handed_out() -> None:
    @weft.jit
    def constant() -> weft.Tensor:
        return weft.full((4,), 3.0)

    result = constant()
    # As a library would that heeds no flag.
    address = result.numpy().ctypes.data
    (ctypes.c_float * 4).from_address(address)[:] = [9.0] * 4
    assert result.tolist() == [9.0] * 4
    assert constant().tolist() == [3.0] * 4


def test_views_handed_out_never_change() -> None:
    x = weft.zeros(5)
    view = x.numpy()
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.flags.writeable = True
    x += 1
    x[2] = 8
    update = weft.jit(lambda t: t.mul_(2) if hasattr(t, "mul_") else t)
    update(x)
    assert view.tolist() == [0] * 5
    del x
    gc.collect()
    weft.zeros(5) + 3
    assert view.tolist() == [0] * 5


def test_memory_of_numpy_is_given_back() -> None:
    array = np.zeros((1 << 16,), np.float32)
    count = sys.getrefcount(array)
    x = weft.asarray(array)
    y = weft.reshape(x, (256, 256))
    z = y * 2
    assert sys.getrefcount(array) > count
    del x
    assert y.shape == (256, 256), "a view keeps what it looks into"
    assert sys.getrefcount(array) > count
    del y
    assert sys.getrefcount(array) == count
    assert z.shape == (256, 256)


# DLPack by the letter -------------------------------------------------------------------------


REFUSED = {
    "negative number of dimensions": ({"dimensions": -1}, "-1 dimensions"),
    "too many dimensions": ({"dimensions": 1 << 30}, "dimensions"),
    "no shape": ({"null_shape": True}, "without a shape"),
    "negative size": ({"shape": [-2, 3]}, "negative dimension"),
    "overflow": ({"shape": [1 << 40, 1 << 40]}, "no memory"),
    "overflow beside zero": ({"shape": [1 << 40, 1 << 40, 0]}, "no memory"),
    "overflow of strides": ({"strides": [1 << 62, 1]}, "no memory"),
    "least stride": ({"strides": [-(1 << 63), 1]}, "no memory"),
    "no memory": ({"null_data": True}, "without memory"),
    "version 2": ({"major": 2}, "version 2"),
    "version 0": ({"major": 0}, "version 0"),
    "lanes": ({"lanes": 4}, "4 lanes"),
    "no lanes": ({"lanes": 0}, "0 lanes"),
    "strange bits": ({"bits": 31}, "31 bits"),
    "complex": ({"code": 5, "bits": 32}, "type code 5"),
    "opaque": ({"code": 3}, "type code 3"),
    "ROCm": ({"device": (10, 0)}, "neither in the memory of the CPU"),
    "no such GPU": ({"device": (CUDA, 1000)}, "cuda"),
    "negative GPU": ({"device": (CUDA, -1)}, "GPU|CUDA|device"),
    "expanded beyond memory": ({"shape": [1 << 50, 3], "strides": [0, 1]}, "memory"),
}


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "older"])
@pytest.mark.parametrize("name", REFUSED)
def test_dlpack_refuses(name: str, versioned: bool) -> None:
    options, message = REFUSED[name]
    if "major" in options and not versioned:
        pytest.skip("the older form has no version")
    foreign = Foreign(np.ones((2, 3), np.float32), versioned=versioned, **options)
    with pytest.raises((weft.WeftError, ValueError), match=message):
        weft.from_dlpack(foreign)
    gc.collect()
    assert foreign.deleted == 1


ACCEPTED: dict[str, tuple[dict, list]] = {
    "dense": ({}, [[0, 1, 2], [3, 4, 5]]),
    "strides": ({"strides": [3, 1]}, [[0, 1, 2], [3, 4, 5]]),
    "columns": ({"shape": [3, 2], "strides": [1, 3]}, [[0, 3], [1, 4], [2, 5]]),
    "backwards": ({"byte_offset": 20, "strides": [-3, -1]}, [[5, 4, 3], [2, 1, 0]]),
    "expanded": ({"strides": [0, 1]}, [[0, 1, 2], [0, 1, 2]]),
    "offset": ({"shape": [2], "byte_offset": 8}, [2, 3]),
    "strides of ones": ({"shape": [1, 2], "strides": [-99, 1]}, [[0, 1]]),
    "scalar": ({"shape": []}, 0),
    "empty": ({"shape": [0, 3]}, []),
    "empty without memory": ({"shape": [2, 0], "null_data": True}, [[], []]),
    "empty with strange strides": ({"shape": [2, 0], "strides": [-(1 << 63), 1 << 62]}, [[], []]),
    "flags": ({"flags": 3}, [[0, 1, 2], [3, 4, 5]]),
    "unknown flags": ({"flags": 1 << 40}, [[0, 1, 2], [3, 4, 5]]),
}


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "older"])
@pytest.mark.parametrize("name", ACCEPTED)
def test_dlpack_takes(name: str, versioned: bool) -> None:
    options, expected = ACCEPTED[name]
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    foreign = Foreign(array, versioned=versioned, **options)
    tensor = weft.from_dlpack(foreign)
    assert tensor.tolist() == expected
    assert (tensor + 1).tolist() == (np.asarray(expected, np.float32) + 1).tolist()
    del tensor
    gc.collect()
    assert foreign.deleted == 1


@pytest.mark.parametrize("strides", [None, [1]])
def test_dlpack_of_unaligned_memory_is_copied(strides: list[int] | None) -> None:
    bytes_ = np.zeros(17, np.uint8)
    bytes_[1:] = np.arange(4, dtype=np.float32).view(np.uint8)
    foreign = Foreign(bytes_, shape=[4], strides=strides, byte_offset=1)
    tensor = weft.from_dlpack(foreign)
    assert tensor.tolist() == [0, 1, 2, 3]
    assert foreign.deleted == 1


def test_dlpack_capsules_serve_once() -> None:
    foreign = Foreign(np.ones(3, np.float32))
    capsule = foreign.capsule
    tensor = weft.from_dlpack(foreign)
    foreign.capsule = capsule
    with pytest.raises(weft.DTypeError, match="unused"):
        weft.from_dlpack(foreign)
    assert foreign.deleted == 0
    del tensor
    assert foreign.deleted == 1
    del capsule
    gc.collect()
    assert foreign.deleted == 1


def test_dlpack_without_deleter() -> None:
    foreign = Foreign(np.ones(3, np.float32), null_deleter=True)
    assert (weft.from_dlpack(foreign) * 2).tolist() == [2, 2, 2]


def test_dlpack_that_is_none() -> None:
    class Nothing:
        def __dlpack__(self, **_: object) -> object:
            return "a capsule"

    with pytest.raises(weft.DTypeError):
        weft.from_dlpack(Nothing())


# The buffer protocol --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">i8", ">u1", ">f2", ">f8"])
def test_byte_order(dtype: str) -> None:
    array = np.arange(6, dtype=dtype).reshape(2, 3)
    for view in (array, array[:, ::-1], array.T):
        np.testing.assert_array_equal(weft.asarray(view).numpy(), view)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (1, 0, 5)])
def test_arrays_without_elements(shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.float32)
    assert weft.asarray(array).shape == shape
    assert weft.asarray(array.T).shape == shape[::-1]
    assert (weft.asarray(array) + 1).shape == shape


def test_strange_strides() -> None:
    base = np.arange(32, dtype=np.float32)
    expanded = np.lib.stride_tricks.as_strided(base, (3, 4), (0, 4))
    overlapping = np.lib.stride_tricks.as_strided(base, (5, 4), (4, 4))
    unaligned = np.frombuffer(b"\0" + base.tobytes(), np.uint8)[1:].view(np.float32)
    for view in (expanded, overlapping, base[::-3], unaligned):
        np.testing.assert_array_equal(weft.asarray(view).numpy(), view)


def test_buffers_that_are_no_tensors() -> None:
    for array in (np.zeros(2, "G"), np.zeros(2, [("a", "f4"), ("b", "i4")]), np.zeros(2, "M8[s]")):
        with pytest.raises(weft.WeftError):
            weft.asarray(array)


# Containers -----------------------------------------------------------------------------------


def _itself(kind: type, copies: int = 1) -> object:
    inner: list = []
    inner += [inner] * copies
    return inner if kind is list else (inner,)


def _deep(levels: int) -> list:
    value: list = [1.0]
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("make", [weft.asarray, weft.array, weft.tensor, lambda x: weft.stack([x])])
@pytest.mark.parametrize(
    "value",
    [
        _itself(list),
        _itself(list, 5),
        _itself(tuple),
        [1.0, _itself(list)],
        _deep(100_000),
        _deep(70),
    ],
    ids=["itself", "itself often", "tuple", "beside a number", "deep", "rather deep"],
)
def test_lists_without_end_are_no_tensors(make, value: object) -> None:
    with pytest.raises(weft.ShapeError, match=r"deeper than 64|contains itself"):
        make(value)


def test_lists_of_tensors_without_end() -> None:
    value: list = [weft.ones(1)]
    value.append(value)
    with pytest.raises(weft.ShapeError):
        weft.asarray(value)


def test_lists_as_deep_as_tensors_may_be() -> None:
    assert weft.asarray(_deep(20)).shape == (1,) * 21


def test_dlpack_copies_when_asked() -> None:
    x = weft.arange(3.0)
    copy = np.from_dlpack(x, copy=True)
    assert not np.shares_memory(copy, x.numpy())
    copy[:] = 9
    assert x.tolist() == [0, 1, 2]
    shared = np.from_dlpack(x)
    assert np.shares_memory(shared, x.numpy())
    assert not shared.flags.writeable


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("leaf", [False, True], ids=["input", "leaf"])
def test_gradients_do_not_show_later_writes(compiled: bool, leaf: bool) -> None:
    array = np.arange(1, 5, dtype=np.float32)
    x = weft.from_numpy(array)
    if leaf:
        x.requires_grad = True
    w = weft.ones(4, requires_grad=True)

    def function(x: weft.Tensor) -> weft.Tensor:
        return weft.sum(x * x * w)

    loss = (weft.jit(function) if compiled else function)(x)
    array[:] = 100
    loss.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [1, 4, 9, 16]
    if leaf:
        assert x.grad is not None
        assert x.grad.tolist() == [2, 4, 6, 8]


def test_an_offset_beyond_all_addresses_is_refused() -> None:
    array = np.arange(6, dtype=np.float32)
    with pytest.raises(weft.ShapeError, match="beyond all addresses"):
        weft.from_dlpack(Foreign(array, byte_offset=2**64 - 8))
