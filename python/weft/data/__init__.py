"""Datasets and batches."""

from ._dataset import Dataset, FashionMNIST, Subset, TensorDataset
from ._idx import CorruptFileError, read_idx
from ._loader import DataLoader, collate

__all__ = [
    "CorruptFileError",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "Subset",
    "TensorDataset",
    "collate",
    "read_idx",
]
