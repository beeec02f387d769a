"""Optimizers and schedules, with PyTorch's names, defaults and formulas."""

from . import lr_scheduler
from ._adam import Adam, AdamW
from ._optimizer import Optimizer, ParameterGroup
from ._sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "ParameterGroup", "SGD", "lr_scheduler"]
