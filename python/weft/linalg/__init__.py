"""Linear algebra: the array API's extension of that name, and what PyTorch and JAX have besides.

Functions work on the last two dimensions [..., M, N], for each place in the others; operands are
float32, float64, complex64 or complex128, and integers become float32. Decompositions are LAPACK's,
which SciPy brings; they run on the host, compiled or not, and have gradients. Where LAPACK finds no
result, as the inverse of a singular matrix, the elements are NaN: compiled code raises nothing.
"""

from __future__ import annotations

from .._refused import refusing as _refusing

from .._errors import LinAlgError
from .._linear import matmul, outer, tensordot, vecdot
from .._manipulation import matrix_transpose
from .._pytorch_arranging import block_diag
from ._factors import (
    CholeskyEx,
    InverseEx,
    LUFactors,
    LUFactorsEx,
    SolveEx,
    cholesky_ex,
    householder_product,
    inv_ex,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    solve_ex,
)
from ._functions import expm, matrix_exp, tensorinv, tensorsolve, toeplitz, vander
from ._matrices import (
    EigResult,
    EighResult,
    LUResult,
    QRResult,
    SVDResult,
    SlogdetResult,
    cholesky,
    cond,
    cross,
    det,
    diagonal,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    inv,
    lstsq,
    lu,
    matrix_norm,
    matrix_power,
    matrix_rank,
    multi_dot,
    norm,
    pinv,
    qr,
    slogdet,
    solve,
    solve_triangular,
    svd,
    svdvals,
    trace,
    vector_norm,
)

__all__ = [
    "LinAlgError",
    "block_diag",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "householder_product",
    "inv",
    "inv_ex",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "toeplitz",
    "trace",
    "vander",
    "vecdot",
    "vector_norm",
]


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("linalg")
