"""Reading IDX files, datasets and batches; damaged files above all."""

import gzip
import struct
import threading
import time

import numpy as np
import pytest
import weft
from idx_files import idx, write_fashion
from weft.data import (
    CorruptFileError,
    DataLoader,
    Dataset,
    FashionMNIST,
    Subset,
    TensorDataset,
    read_idx,
)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("dtype", "code"),
    [
        ("uint8", 0x08),
        ("int8", 0x09),
        ("int16", 0x0B),
        ("int32", 0x0C),
        ("float32", 0x0D),
        ("float64", 0x0E),
    ],
)
def test_reads_all_types(tmp_path, dtype, code, compressed):
    array = (np.arange(24) * 5 - 7).astype(dtype).reshape(2, 3, 4)
    data, path = idx(array, code), tmp_path / "array"
    path.write_bytes(gzip.compress(data) if compressed else data)
    result = read_idx(path)
    assert result.dtype == array.dtype
    assert np.array_equal(result, array)


def test_reads_arrays_without_elements(tmp_path):
    (tmp_path / "empty").write_bytes(idx(np.zeros((0, 28, 28), np.uint8), 8))
    assert read_idx(tmp_path / "empty").shape == (0, 28, 28)


GOOD = idx(np.arange(12, dtype=np.uint8).reshape(3, 4), 8)
HUGE = struct.pack(">BBBB3I", 0, 0, 0x0E, 3, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
LARGE = struct.pack(">BBBB2I", 0, 0, 8, 2, 0xFFFFFFFF, 1000)

DAMAGED = {
    "nothing": (b"", r"at byte 0 of the .*the magic number needs 4 bytes, but only 0"),
    "short_magic": (GOOD[:3], r"at byte 0 .*needs 4 bytes, but only 3 are left"),
    "wrong_magic": (b"PNG!" + GOOD[4:], r"at byte 0 .*starts with two zero bytes, not 50 4e"),
    "wrong_type": (b"\0\0\x07\2" + GOOD[4:], r"at byte 0 .*type code has to be one of 0x08.*0x07"),
    "no_dimensions": (b"\0\0\x08\0", r"dimensions has to be at least 1"),
    "short_header": (GOOD[:9], r"at byte 4 .*sizes of 2 dimensions needs 8 bytes, but only 5"),
    "truncated": (GOOD[:-2], r"at byte 12 .*3 x 4 elements needs? 12 bytes, but only 10 are left"),
    "too_long": (GOOD + b"\1\2", r"at byte 24 .*should end after its 3 x 4 elements"),
    "overflow": (HUGE, r"larger than memory can be"),
    "large": (LARGE, r"4294967295 x 1000 elements needs? 4294967295000 bytes, but only 0"),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file_is_a_clear_error(tmp_path, name, compressed):
    data, message = DAMAGED[name]
    path = tmp_path / f"{name}.idx"
    path.write_bytes(gzip.compress(data) if compressed else data)
    with pytest.raises(CorruptFileError, match=message) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert isinstance(error.value, weft.WeftError)


def test_damaged_gzip_is_a_clear_error(tmp_path):
    path, data = tmp_path / "array.gz", gzip.compress(idx(np.arange(9999, dtype=np.int32), 0x0C))
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptFileError, match=r"array.gz.*file is truncated"):
        read_idx(path)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(flipped))
    with pytest.raises(CorruptFileError, match=r"array.gz.*gzip stream is damaged"):
        read_idx(path)
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "missing")


def test_fashion_mnist_from_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    pictures, labels = rng.integers(0, 256, (6, 28, 28), np.uint8), np.arange(6, dtype=np.uint8)
    write_fashion(tmp_path, pictures, labels)
    dataset = FashionMNIST(tmp_path)
    assert len(dataset) == 6
    picture, label = dataset[-1]
    assert picture.shape == (1, 28, 28)
    assert picture.dtype is weft.float32
    assert label == 5
    assert np.array_equal(picture, pictures[5:] / np.float32(255))
    assert dataset.classes[9] == "Ankle boot"
    assert np.array_equal(dataset.data, pictures)
    inverted = FashionMNIST(tmp_path, transform=lambda x: 1 - x)
    assert np.array_equal(inverted[0][0], 1 - pictures[:1] / np.float32(255))
    with pytest.raises(IndexError, match="out of range for 6 samples"):
        dataset[6]


def test_fashion_mnist_mistakes(tmp_path):
    with pytest.raises(FileNotFoundError, match="package dataset-fashion-mnist"):
        FashionMNIST(tmp_path)
    with pytest.raises(weft.UnsupportedError, match="nothing is downloaded"):
        FashionMNIST(tmp_path, download=True)
    pictures, labels = np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)
    write_fashion(tmp_path, pictures[:2], labels)
    with pytest.raises(CorruptFileError, match=r"3 labels, but .* has 2 pictures"):
        FashionMNIST(tmp_path)
    write_fashion(tmp_path, pictures[:, :27], labels)
    with pytest.raises(CorruptFileError, match=r"N x 28 x 28 bytes was expected.*\(3, 27, 28\)"):
        FashionMNIST(tmp_path)
    write_fashion(tmp_path, pictures, labels + np.array([0, 10, 0], np.uint8))
    with pytest.raises(CorruptFileError, match="label 1 is 10, but classes are below 10"):
        FashionMNIST(tmp_path)


@pytest.fixture
def dataset():
    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    return TensorDataset(weft.asarray(x), np.arange(10))


def labels_of(loader):
    return [np.asarray(labels).tolist() for _, labels in loader]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_batches_in_order(dataset, prefetch):
    loader = DataLoader(dataset, 4, prefetch=prefetch)
    assert len(loader) == 3
    assert labels_of(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    x, y = next(iter(loader))
    assert isinstance(x, weft.Tensor)
    assert y.dtype is weft.int64
    assert np.array_equal(x, [[0, 1], [2, 3], [4, 5], [6, 7]])
    short = DataLoader(dataset, 4, drop_last=True, prefetch=prefetch)
    assert len(short) == len(labels_of(short)) == 2


def test_shuffling_follows_the_seed(dataset):
    first, second = (DataLoader(dataset, 3, shuffle=True, seed=5) for _ in range(2))
    one, two = labels_of(first), labels_of(first)
    assert sorted(np.concatenate(one).tolist()) == list(range(10))
    assert one != two, "each epoch has an order of its own"
    assert [labels_of(second), labels_of(second)] == [one, two]
    assert labels_of(DataLoader(dataset, 3, shuffle=True, seed=6)) != one
    weft.random.seed(1)
    drawn = labels_of(DataLoader(dataset, 3, shuffle=True))
    weft.random.seed(1)
    assert labels_of(DataLoader(dataset, 3, shuffle=True)) == drawn


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "weft-data-loader"]


def test_thread_ends_with_the_iteration(dataset):
    for batch in DataLoader(dataset, 1, prefetch=2):
        assert len(batch) == 2
        assert len(loader_threads()) == 1
        break
    iterator = iter(DataLoader(dataset, 1, prefetch=1))
    next(iterator)
    iterator.close()
    deadline = time.monotonic() + 5
    while loader_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not loader_threads()


class Broken(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise ValueError("sample 2 is broken")
        return {"x": np.zeros(index if index == 3 else 1, np.float32), "name": str(index)}


@pytest.mark.parametrize("prefetch", [0, 2])
def test_errors_of_samples_reach_the_caller(prefetch):
    seen = []
    with pytest.raises(ValueError, match="sample 2 is broken"):
        seen.extend(DataLoader(Broken(), 2, prefetch=prefetch))
    assert [batch["name"] for batch in seen] == [["0", "1"]]
    assert seen[0]["x"].shape == (2, 1)
    assert not loader_threads()
    with pytest.raises(weft.ShapeError, match="samples of a batch need one shape"):
        next(iter(DataLoader(Subset(Broken(), [0, 3]), 2, prefetch=prefetch)))


def test_dataset_mistakes(dataset):
    with pytest.raises(weft.ShapeError, match=r"not of shapes \(2,\), \(3,\)"):
        TensorDataset(np.zeros(2), np.zeros(3))
    with pytest.raises(weft.ShapeError, match=r"\(none\)"):
        TensorDataset()
    with pytest.raises(weft.ShapeError, match="batch_size has to be at least 1"):
        DataLoader(dataset, 0)
    assert [t.tolist() for t in Subset(dataset, [3, 5])[1]] == [[10.0, 11.0], 5]
    assert labels_of(DataLoader(Subset(dataset, [3, 5, 7]), 2)) == [[3, 5], [7]]
