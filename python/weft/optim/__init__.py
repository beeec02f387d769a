"""Optimizers and schedules, with PyTorch's names, defaults and formulas."""

from typing import TYPE_CHECKING

from .._refused import refusing
from . import lr_scheduler, swa_utils
from ._adafactor import Adafactor
from ._adagrad import Adadelta, Adagrad
from ._adam import Adam, AdamW
from ._adam_variants import Adamax, NAdam, RAdam
from ._averaged_sgd import ASGD
from ._groups import ParameterGroup
from ._lbfgs import LBFGS
from ._lamb import LAMB
from ._lion import Lion
from ._muon import Muon
from ._optimizer import Optimizer
from ._rmsprop import RMSprop
from ._rprop import Rprop
from ._sgd import SGD
from ._step_schedules import (
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    join_schedules,
    linear_schedule,
    warmup_cosine_decay_schedule,
)
from ._transforms import (
    GradientTransformation,
    add_decayed_weights,
    apply_updates,
    chain,
    clip,
    clip_by_global_norm,
    ema,
    global_norm,
    identity,
    scale,
    scale_by_adam,
    scale_by_learning_rate,
    scale_by_lion,
    scale_by_rms,
    scale_by_schedule,
    scale_by_trust_ratio,
    trace,
)

__all__ = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LAMB",
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
    "GradientTransformation",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip",
    "clip_by_global_norm",
    "constant_schedule",
    "cosine_decay_schedule",
    "ema",
    "exponential_decay",
    "global_norm",
    "identity",
    "join_schedules",
    "linear_schedule",
    "lr_scheduler",
    "scale",
    "scale_by_adam",
    "scale_by_learning_rate",
    "scale_by_lion",
    "scale_by_rms",
    "scale_by_schedule",
    "scale_by_trust_ratio",
    "swa_utils",
    "trace",
    "warmup_cosine_decay_schedule",
]

if not TYPE_CHECKING:
    #: What to write in the place of names that PyTorch has here.
    __getattr__ = refusing("optim")
