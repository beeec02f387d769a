"""Special functions, by the names of PyTorch's module; where JAX has other ones, by both.

All take tensors of any shape, element by element; integers become float32. What is computed by
series is computed in float64 and rounded once, so that results of float32 and of halves are within
one unit in the last place; errors of float64 are said with each function, and measured against
mpmath and SciPy by the tests. Derivatives are formulas, which can be differentiated again.
"""

from __future__ import annotations

from .._refused import refusing as _refusing

from .._functional import log_softmax, softmax
from .._ops import erf, exp2, expm1, log1p, round
from .._ops import sigmoid as expit
from .._pytorch import logit, sinc, xlogy
from .._reductions import logsumexp
from .._special import digamma, erfinv, ndtri
from .._special import digamma as psi
from .._special import lgamma as gammaln
from ._bessel import (
    airy_ai,
    bessel_j0,
    bessel_j1,
    bessel_y0,
    bessel_y1,
    i0,
    i0e,
    i1,
    i1e,
    modified_bessel_i0,
    modified_bessel_i1,
    modified_bessel_k0,
    modified_bessel_k1,
    scaled_modified_bessel_k0,
    scaled_modified_bessel_k1,
    spherical_bessel_j0,
)
from ._entropies import entr, xlog1py
from ._error_functions import erfc, erfcx, log_ndtr, ndtr
from ._gamma_functions import multigammaln, polygamma, zeta
from ._incomplete_gamma import gammainc, gammaincc
from ._polynomials import (
    chebyshev_polynomial_t,
    chebyshev_polynomial_u,
    chebyshev_polynomial_v,
    chebyshev_polynomial_w,
    hermite_polynomial_h,
    hermite_polynomial_he,
    laguerre_polynomial_l,
    legendre_polynomial_p,
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
)

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("special")
