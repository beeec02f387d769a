"""Datasets and batches."""

from .._refused import refusing as _refusing

from ._collate import collate, default_collate, default_convert
from ._dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    FashionMNIST,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from ._idx import CorruptFileError, read_idx
from ._loader import DataLoader
from ._readers import CIFAR10, ImageFolder, read_csv, read_parquet
from ._samplers import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from ._worker_info import WorkerInfo, get_worker_info

__all__ = [
    "BatchSampler",
    "CIFAR10",
    "ChainDataset",
    "ConcatDataset",
    "CorruptFileError",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "FashionMNIST",
    "ImageFolder",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "collate",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
    "read_csv",
    "read_idx",
    "read_parquet",
]


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("data")
