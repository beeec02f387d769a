"""StableHLO programs: read by jaxlib's MLIR, run by weft.

`load` reads text (.mlir), bytecode and portable artifacts; `from_jax` takes a JAX function. Both
need the package jaxlib (``pip install weft[jax]``), which is imported when they are called.
"""

from __future__ import annotations

from ._loading import load
from ._jax import JaxProgram, from_jax
from ._program import Program

__all__ = ["JaxProgram", "Program", "from_jax", "load"]
