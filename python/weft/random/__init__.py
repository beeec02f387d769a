"""Random tensors.

All numbers come from counter-based bits of a key. Each function takes ``key``: with one it is a
function of it alone, the same on all devices and in compiled functions. Without one it takes the
next key of the global generator, which is a tensor, so that compiled functions draw new numbers at
each call. `split` and `fold_in` make keys of keys; a key should be used once. Where a key is given,
the numbers are on its device, else on ``device`` (None: that of the parameters, or the CPU), or
where the compiled function runs.

Without a shape a result has that of the parameters; numbers have the dtype that is asked for, else
that of the floating parameters, else float32 (int64 where they are counts). Parameters that are
tensors of invalid values give NaN, or -1 where counts are asked for.
"""

from __future__ import annotations

from ._basic import bernoulli, normal, rand, randint, randn, uniform
from ._choices import categorical, choice, permutation
from ._continuous import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    lognormal,
    multivariate_normal,
    pareto,
    rayleigh,
    truncated_normal,
    weibull,
)
from ._discrete import binomial, geometric, poisson
from ._gamma import beta, chisquare, dirichlet, gamma, loggamma, student_t
from .._refused import refusing as _refusing
from ._keys import (
    fold_in,
    fork_rng,
    get_rng_state,
    initial_seed,
    key,
    seed,
    set_rng_state,
    split,
)

#: PyTorch's name.
manual_seed = seed

__all__ = [
    "bernoulli",
    "beta",
    "binomial",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "exponential",
    "fold_in",
    "fork_rng",
    "gamma",
    "geometric",
    "get_rng_state",
    "gumbel",
    "initial_seed",
    "key",
    "laplace",
    "loggamma",
    "logistic",
    "lognormal",
    "manual_seed",
    "multivariate_normal",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "rand",
    "randint",
    "randn",
    "rayleigh",
    "seed",
    "set_rng_state",
    "split",
    "student_t",
    "truncated_normal",
    "uniform",
    "weibull",
]

__getattr__ = _refusing("random")
