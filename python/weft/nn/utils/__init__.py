"""Helpers for training, and for what comes before and after it."""

from typing import TYPE_CHECKING

from ..._refused import refusing
from .._narrow_weights import narrow_weights
from . import parametrizations, parametrize, prune, rnn, stateless
from ._clipping import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)
from ._fusing import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from ._skip_init import skip_init
from ._weight_norms import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

#: PyTorch's older name.
clip_grad_norm = clip_grad_norm_

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "narrow_weights",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]

if not TYPE_CHECKING:
    #: What to write in the place of names that PyTorch has here.
    __getattr__ = refusing("nn.utils")
