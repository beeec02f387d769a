"""Optimizers and schedules, with PyTorch's names, defaults and formulas."""

from . import lr_scheduler, swa_utils
from ._adafactor import Adafactor
from ._adagrad import Adadelta, Adagrad
from ._adam import Adam, AdamW
from ._adam_variants import Adamax, NAdam, RAdam
from ._averaged_sgd import ASGD
from ._groups import ParameterGroup
from ._lbfgs import LBFGS
from ._lion import Lion
from ._muon import Muon
from ._optimizer import Optimizer
from ._rmsprop import RMSprop
from ._rprop import Rprop
from ._sgd import SGD

__all__ = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "ParameterGroup",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "lr_scheduler",
    "swa_utils",
]
