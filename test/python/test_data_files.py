"""Tables and pictures from files, and PyTorch's datasets in the loader."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data
import weft
from PIL import Image
from weft import data


def _write(path: Path, rows: list[list[Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_tables(tmp_path: Path, count: int, delimiter: str) -> None:
    generator = np.random.default_rng(count)
    whole = generator.integers(-(2**62), 2**62, count)
    real = generator.normal(size=count)
    words = [f'a, "b"; {i}\t\nnext' for i in range(count)]
    rows = [[a, repr(float(b)), c] for a, b, c in zip(whole, real, words, strict=True)]
    path = _write(tmp_path / "x.csv", [["n", "x", "word"], *rows], delimiter)
    table = data.read_csv(path, delimiter=delimiter)
    assert list(table) == ["n", "x", "word"]
    np.testing.assert_array_equal(table["n"], whole)
    np.testing.assert_array_equal(table["x"], real)
    assert table["word"].tolist() == words
    if count:
        assert [table[name].dtype.kind for name in table] == ["i", "f", "U"]
    assert list(data.read_csv(path, ["word", "n"], delimiter=delimiter)) == ["word", "n"]
    plain = data.read_csv(
        _write(tmp_path / "y.csv", rows, delimiter), header=False, delimiter=delimiter
    )
    assert list(plain) == (["0", "1", "2"] if count else [])


def test_tables_with_holes_and_faults(tmp_path: Path) -> None:
    table = data.read_csv(_write(tmp_path / "x.csv", [["a", "b"], [1, ""], [2, 0.5]]))
    np.testing.assert_array_equal(table["b"], [np.nan, 0.5])
    with pytest.raises(weft.NameUseError, match="no column 'c' among a, b"):
        data.read_csv(tmp_path / "x.csv", ["c"])
    with pytest.raises(data.CorruptFileError, match="line 3 has 1 fields, the first 2"):
        data.read_csv(_write(tmp_path / "y.csv", [["a", "b"], [1, 2], [3]]))
    with pytest.raises(data.CorruptFileError, match="two columns have one name"):
        data.read_csv(_write(tmp_path / "z.csv", [["a", "a"]]))


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(weft.UnsupportedError, match="needs the package pyarrow"):
        data.read_parquet(tmp_path / "x.parquet")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(weft.UnsupportedError, match="ImageFolder needs the package pillow"):
        data.ImageFolder(tmp_path)


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"a": [1, 2], "b": [0.5, 1.5]}), tmp_path / "x.parquet")
    table = data.read_parquet(tmp_path / "x.parquet", ["b"])
    assert {name: column.tolist() for name, column in table.items()} == {"b": [0.5, 1.5]}


def test_folders_of_pictures(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    expected = []
    for number, name in enumerate(["cat", "dog"]):
        (tmp_path / name).mkdir()
        for i in range(2 + number):
            pixels = generator.integers(0, 256, (5, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.PNG")
            expected.append((np.moveaxis(pixels, -1, 0), number))
        (tmp_path / name / "notes.txt").write_text("none of them")
    folder = data.ImageFolder(tmp_path)
    assert (len(folder), folder.classes) == (5, ["cat", "dog"])
    for (picture, number), (pixels, wanted) in zip(folder, expected, strict=True):
        np.testing.assert_array_equal(picture, pixels)
        assert number == wanted
    scaled = data.ImageFolder(tmp_path, lambda picture: picture / np.float32(255))
    (pictures, classes), *_ = data.DataLoader(scaled, batch_size=5)
    assert (pictures.shape, str(pictures.dtype)) == ((5, 3, 5, 4), "weft.float32")
    assert classes.tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(weft.OutOfBoundsError, match="5 of 5 pictures"):
        folder[5]
    (tmp_path / "cat" / "0.PNG").write_bytes(b"no picture")
    with pytest.raises(data.CorruptFileError, match="is no picture"):
        folder[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(data.CorruptFileError, match="no folder in it has a picture"):
        data.ImageFolder(tmp_path / "empty")


def test_cifar(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records = generator.integers(0, 256, (6, 3, 3073), dtype=np.uint8)
    records[:, :, 0] %= 10
    for i, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        records[i].tofile(folder / name)
    for train, part in ((True, records[:5].reshape(15, -1)), (False, records[5])):
        found = data.CIFAR10(tmp_path, train)
        assert len(found) == len(part)
        picture, number = found[2]
        np.testing.assert_array_equal(picture, part[2, 1:].reshape(3, 32, 32))
        assert number == part[2, 0]
    pictures, _ = next(iter(data.DataLoader(data.CIFAR10(folder, False), batch_size=2)))
    assert pictures.shape == (2, 3, 32, 32)
    records[5, 1, 0] = 10
    records[5].tofile(folder / "test_batch.bin")
    with pytest.raises(data.CorruptFileError, match="picture 1 has the class 10"):
        data.CIFAR10(tmp_path, False)
    (folder / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(data.CorruptFileError, match="5 bytes"):
        data.CIFAR10(tmp_path, False)
    with pytest.raises(FileNotFoundError):
        data.CIFAR10(tmp_path / "nowhere")


class _Rows(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": torch.full((2,), float(index)), "y": index}


class _Stream(torch.utils.data.IterableDataset):
    def __iter__(self) -> Any:
        return iter([torch.tensor([float(i)]) for i in range(5)])


_PAIRS = torch.utils.data.TensorDataset(torch.arange(12.0).reshape(6, 2), torch.arange(6))


@pytest.mark.parametrize("workers", [None, 0, 2])
@pytest.mark.parametrize(
    "dataset",
    [
        _PAIRS,
        torch.utils.data.Subset(_PAIRS, [4, 0, 2]),
        torch.utils.data.ConcatDataset([_PAIRS, _PAIRS]),
        _Rows(),
        _Stream(),
    ],
    ids=["tensors", "subset", "concat", "dicts", "stream"],
)
def test_pytorchs_datasets_as_they_are(dataset: Any, workers: int | None) -> None:
    """Batches of the same values, in the same order, as PyTorch's loader makes."""
    theirs = list(torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=workers or 0))
    ours = list(data.DataLoader(dataset, batch_size=4, num_workers=workers))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        for found, expected in zip(weft.tree.leaves(one), weft.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(found.numpy(), expected.numpy())
