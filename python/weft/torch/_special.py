"""Rules for special functions: those of `weft.special`, of one and of two operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import weft

from ._rules import TABLE, as_dtype, floating, promoted

_OF_ONE = (
    *("airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "erfcx", "i0e", "i1", "i1e"),
    *("modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1"),
    *("ndtri", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0"),
)
_OF_TWO = (
    "zeta",
    *(f"chebyshev_polynomial_{kind}" for kind in "tuvw"),
    *(f"shifted_chebyshev_polynomial_{kind}" for kind in "tuvw"),
    *("hermite_polynomial_h", "hermite_polynomial_he"),
    *("laguerre_polynomial_l", "legendre_polynomial_p"),
)


def _of_one(function: Callable[[weft.Tensor], weft.Tensor]) -> Callable:
    def rule(x: weft.Tensor) -> weft.Tensor:
        return function(as_dtype(x, floating(x.dtype)))

    return rule


def _of_two(function: Callable[[Any, Any], weft.Tensor]) -> Callable:
    def rule(x: Any, y: Any) -> weft.Tensor:
        return function(*promoted(x, y, to_floating=True))

    return rule


for _name in _OF_ONE:
    TABLE.rule(f"aten.special_{_name}.default")(_of_one(getattr(weft.special, _name)))
for _name in _OF_TWO:
    _kinds = ("other_scalar", "self_scalar") if _name == "zeta" else ("x_scalar", "n_scalar")
    TABLE.rule(*(f"aten.special_{_name}.{kind}" for kind in ("default", *_kinds)))(
        _of_two(getattr(weft.special, _name))
    )
TABLE.rule("aten.i0.default")(_of_one(weft.special.i0))
TABLE.rule("aten.erfc.default")(_of_one(weft.special.erfc))
TABLE.rule("aten.igamma.default")(_of_two(weft.special.gammainc))
TABLE.rule("aten.igammac.default")(_of_two(weft.special.gammaincc))


@TABLE.rule("aten.polygamma.default")
def _polygamma(order: int, x: weft.Tensor) -> weft.Tensor:
    return weft.special.polygamma(order, as_dtype(x, floating(x.dtype)))
