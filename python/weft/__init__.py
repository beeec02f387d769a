"""weft: a tracing just-in-time compiler for tensor programs.

Tensors and functions follow the Python array API standard; `jit` compiles functions of them, and
`grad`, `value_and_grad`, `vjp` and `jvp` differentiate them.
"""

from __future__ import annotations

import builtins as _builtins
import math as _math
import operator as _operator
from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import _interpreters as _interpreters
from . import _core

_core.set_package_folder(str(_Path(__file__).parent))

from . import _hooks as _hooks
from . import _methods as _methods
from . import random
from ._dtypes import DType as _DType
from ._autodiff import (
    enable_grad,
    grad,
    inference_mode,
    is_grad_enabled,
    jvp,
    no_grad,
    set_grad_enabled,
    value_and_grad,
    vjp,
)
from ._batching import hessian, jacfwd, jacrev, vmap
from ._checkpoint import checkpoint, checkpoint_name, checkpoint_policies
from ._complex import angle, complex, conj, imag, polar, real, view_as_complex, view_as_real
from ._control_flow import associative_scan, cond, fori_loop, map, scan, switch, while_loop
from ._core import SymbolicSize, Tensor, device
from ._creation import (
    arange,
    array,
    as_tensor,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from ._custom_derivatives import custom_jvp, custom_vjp
from ._dtypes import (
    DType,
    bfloat16,
    can_cast,
    complex64,
    complex128,
    finfo,
    float8_e4m3fn,
    float8_e5m2,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    promote_types,
    result_type,
    uint8,
    uint16,
    uint32,
    uint64,
)
from ._dtypes import bool_ as bool
from ._einsum import einsum
from ._elementwise import (
    bitcast,
    copysign,
    hypot,
    logaddexp,
    nextafter,
    positive,
    signbit,
    square,
)
from ._errors import (
    CommunicationError,
    ConcretizationError,
    DeviceError,
    DTypeError,
    FileError,
    GradientError,
    LinAlgError,
    MissingAttributeError,
    NameUseError,
    OptionError,
    OutOfBoundsError,
    OutOfMemoryError,
    OutOfRangeError,
    ShapeError,
    TracerLeakError,
    UnsupportedError,
    WeftError,
)
from ._bridges import from_jax, from_torch, to_torch
from ._export import Exported, Spec, export, spec
from ._files import load_safetensors, save_safetensors
from ._saving import load, save
from ._functional import log_softmax, softmax
from ._gathering import diff, take_along_axis
from ._jit import jit
from ._kernel_tuning import TunedKernel, autotune
from ._kernels import Kernel, constexpr, kernel
from ._linear import matmul, outer, tensordot, vecdot
from ._linearize import linear_transpose, linearize
from ._pytree import register_pytree_node
from ._manipulation import (
    astype,
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    chunk,
    clamp,
    clip,
    concat,
    embedding,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    moveaxis,
    one_hot,
    pad,
    permute_dims,
    repeat,
    reshape,
    roll,
    scatter_add,
    split,
    squeeze,
    stack,
    take,
    tile,
    transpose,
    tril,
    triu,
    unstack,
)
from ._ops import *  # noqa: F403
from ._elementwise import (
    add,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    subtract,
)
from ._complex import abs, sign
from ._reductions import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    var,
)
from ._namespace_info import array_namespace_info as __array_namespace_info__
from ._pytorch import (
    cdist,
    hstack,
    is_tensor,
    tril_indices,
    triu_indices,
    vstack,
)
from ._histograms import histogramdd
from ._spectra import (
    bartlett_window,
    blackman_window,
    hamming_window,
    hann_window,
    kaiser_window,
)
from ._pytorch_arranging import (
    alias_copy,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_tensors,
    cartesian_prod,
    column_stack,
    combinations,
    dstack,
    logspace,
    slice_copy,
    unravel_index,
    vander,
)
from ._pytorch_elementwise import rsub
from ._pytorch_linear import (
    chain_matmul,
    frobenius_norm,
    lu_unpack,
    matrix_rank,
    norm_except_dim,
    nuclear_norm,
)
from ._pytorch_numbers import (
    cumulative_trapezoid,
    gradient,
    std_mean,
    trapezoid,
    var_mean,
)
from ._pytorch_creation import (
    empty_permuted,
    fill,
    frombuffer,
    range,
    scalar_tensor,
    to_dlpack,
)
from ._pytorch_settings import layout, strided
from ._pytorch_settings import (
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_default_dtype,
    get_float32_matmul_precision,
    get_num_interop_threads,
    set_default_device,
    set_default_dtype,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_printoptions,
    typename,
    use_deterministic_algorithms,
)
from ._pytorch_random import (
    bernoulli,
    binomial,
    multinomial,
    normal,
    poisson,
    rand_like,
    randint,
    randint_like,
    randn_like,
    randperm,
    seed,
)
from .random._keys import get_rng_state, initial_seed, set_rng_state
from ._special import digamma, erfinv, lgamma
from . import _at as _at
from ._collectives import all_gather, axis_index, pmax, pmean, pmin, psum
from ._pytorch_methods import functions as _functions
from ._searching import where  # type: ignore[assignment]
from ._searching import (
    argwhere,
    bucketize,
    compress,
    extract,
    flatnonzero,
    isin,
    nonzero,
    searchsorted,
    unique,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from ._sorting import argsort, sort

# These build on all of the above.
from . import (
    amp,
    autograd,
    blocks,
    data,
    distributions,
    fft,
    func,
    linalg,
    nn,
    ops,
    optim,
    special,
    tree,
)
from ._autocast import autocast, autocast_dtype, is_autocast_enabled
from .nn._functional_call import functional_call
from .nn._quantizing import QuantizationReport, QuantizedLayer, quantize
from .ops import segment_reduce
from ._refused import refuse as _refuse
from ._arguments import explain_errors as _explain_errors

__version__ = "0.1.0"
__array_api_version__ = "2025.12"

pi, e, inf, nan, newaxis = _math.pi, _math.e, _math.inf, _math.nan, None
cat = concatenate = concat
polygamma = special.polygamma
row_stack, trapz = vstack, trapezoid
globals().update(_functions)
globals().update(nn.functional.of_torch)
for _name in ("hardshrink", "prelu"):
    setattr(Tensor, _name, nn.functional.of_torch[_name])
float, double, half, long, int, short = float32, float64, float16, int64, int32, int16
cfloat, cdouble = complex64, complex128
dtype, GradScaler = _DType, amp.GradScaler
manual_seed, rand, randn = random.seed, random.rand, random.randn


_explain_errors(globals(), [name for name in globals() if not name.startswith("_")])
for _module in (
    *(
        amp,
        random,
        distributions,
        fft,
        func,
        linalg,
        ops,
        special,
        tree,
        optim,
        nn.functional,
        nn.init,
        nn.utils,
    ),
    *(nn.utils.rnn, nn.utils.parametrize, nn.utils.parametrizations, nn.utils.prune),
):
    _explain_errors(vars(_module), _module.__all__)
for _public in (
    Tensor,
    *vars(amp).values(),
    *vars(nn).values(),
    *vars(distributions).values(),
    *vars(optim).values(),
    *vars(optim.lr_scheduler).values(),
    *vars(optim.swa_utils).values(),
):
    for _class in _public.__mro__ if isinstance(_public, type) else ():
        if _class.__module__.startswith("weft"):
            _names = [name for name in vars(_class) if not name.startswith("_")]
            _explain_errors(_class, ["__init__", "__setitem__", *_names])


def stats(*, reset_peak: _builtins.bool = False) -> dict:
    """Counters of the process: calls, traced ops, compiles, kernels, cache hits, seconds, bytes.

    ``prepared_values`` were computed for compiled functions and kept with the tensors that they
    depend on, ``prepared_hits`` times one was found, and ``prepared_bytes`` are kept now.
    With ``reset_peak`` the measurement of ``peak_bytes_in_use`` begins anew after them.
    """
    counters = _core.statistics()
    if reset_peak:
        _core.reset_peak()
    return counters


def trim() -> _builtins.int:
    """Gives back memory that is kept for reuse, and returns how many bytes that were.

    Freed blocks, prepared values, the plans of operations, gradients and exported programs, and the
    code of kernels that nothing uses any more. Functions that were compiled stay so; the rest is
    made again when it is needed. Up to 512 KiB for each other thread stay with that thread.
    """
    return _core.trim()


def set_num_threads(count: _builtins.int) -> None:
    """Changes how many threads run kernels, the caller included.

    Raises OptionError below 1 and above 1024.
    """
    # Beyond what C++ takes, any number is as wrong as the next.
    _core.set_thread_count(_builtins.min(_builtins.max(_operator.index(count), -1), 1 << 30))


def get_num_threads() -> _builtins.int:
    """How many threads run kernels, the caller included."""
    return _core.thread_count()


if not _TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """What reads programs and models of other systems, or watches, when it is asked for."""
        if name in ("distributed", "models", "onnx", "profiler", "stablehlo", "torch"):
            return _import_module(f".{name}", __name__)
        if name == "summary":
            return _import_module(".profiler", __name__).summary
        _refuse("weft", name)
