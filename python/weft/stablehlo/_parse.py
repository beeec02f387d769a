"""Reads StableHLO by the MLIR bindings that jaxlib ships; as a script, only tries whether it can.

A script of its own, which needs nothing of weft: MLIR's readers trust their input, and a file may
be made to end them. So a child process reads what comes from outside first.
"""

from __future__ import annotations

import sys
from typing import Any

#: What a portable artifact and any other MLIR bytecode begin with.
MAGIC = b"ML\xefR"


def context(*, unregistered: bool = False) -> Any:
    """A context of MLIR that knows the dialects of StableHLO programs."""
    from jaxlib.mlir import ir
    from jaxlib.mlir._mlir_libs import _jax_mlir_ext
    from jaxlib.mlir.dialects import chlo, sdy, stablehlo

    registry = ir.DialectRegistry()
    _jax_mlir_ext.register_dialects(registry)
    made = ir.Context()
    made.append_dialect_registry(registry)
    made.load_all_available_dialects()
    stablehlo.register_dialect(made)
    chlo.register_dialect(made)
    sdy.register_dialect(made)
    made.allow_unregistered_dialects = unregistered
    return made


def parse(data: bytes, where: Any) -> Any:
    """The module in text, bytecode or a portable artifact. Raises ValueError."""
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import stablehlo

    try:
        if data[:4] == MAGIC and b"StableHLO_v" in data[4:20]:
            return stablehlo.deserialize_portable_artifact(where, data)
        return ir.Module.parse(data if data[:4] == MAGIC else data.decode(), where)
    except UnicodeDecodeError:
        raise ValueError("it is neither text nor bytecode of MLIR") from None
    except ir.MLIRError as error:
        raise ValueError(str(error).replace("Unable to parse module assembly:\n", "")) from None


def decomposed(module: Any) -> Any:
    """The module with ops of StableHLO in the place of those of CHLO that it has a formula for."""
    from jaxlib.mlir import passmanager
    from jaxlib.mlir.dialects import stablehlo

    stablehlo.register_stablehlo_passes()
    pipeline = "builtin.module(func.func(chlo-legalize-to-stablehlo))"
    passmanager.PassManager.parse(pipeline).run(module.operation)
    return module


def _main() -> int:
    import os
    import resource

    size = os.fstat(0).st_size
    resource.setrlimit(resource.RLIMIT_AS, (limit := (8 << 30) + 32 * size, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds := 60 + size // (1 << 20), seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = sys.stdin.buffer.read()
    try:
        parse(data, context(unregistered=sys.argv[1:] == ["unregistered"]))
    except (ValueError, RecursionError, MemoryError) as error:
        print(str(error)[:2000], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # Where the script lies, modules of weft have names that others may import.
    del sys.path[0]
    sys.exit(_main())
