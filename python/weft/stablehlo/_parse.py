"""Reads StableHLO by the MLIR bindings that jaxlib ships; as a script, only tries whether it can.

A script of its own, which needs nothing of weft: MLIR's readers trust their input, and a file may
be made to end them. So a child process reads what comes from outside first.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

#: What a portable artifact and any other MLIR bytecode begin with.
MAGIC = b"ML\xefR"


def context(*, unregistered: bool = False) -> Any:
    """A context of MLIR that knows the dialects of StableHLO programs."""
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import chlo, sdy, stablehlo

    # The second name is that of jaxlib 0.6.
    names = ("_jax_mlir_ext", "register_jax_dialects")
    name = next(name for name in names if find_spec(f"jaxlib.mlir._mlir_libs.{name}"))
    registration = import_module(f"jaxlib.mlir._mlir_libs.{name}")
    registry = ir.DialectRegistry()
    registration.register_dialects(registry)
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


def has_complex_elements(op: Any) -> bool:
    """Whether an op is a constant whose elements the bindings can't give, and may end over."""
    return op.name.endswith(".constant") and "complex<" in str(op.results[0].type)


def _touch(op: Any) -> None:
    """Asks for every attribute, as the reader does that comes after."""
    if not has_complex_elements(op):
        for entry in op.attributes:
            with contextlib.suppress(TypeError):
                op.attributes[entry if isinstance(entry, str) else entry.name]
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                _touch(inner.operation)


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
        where = context(unregistered=sys.argv[1:] == ["unregistered"])
        with where:
            _touch(parse(data, where).operation)
    except (ValueError, RuntimeError, MemoryError) as error:
        print(str(error)[:2000], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # Where the script lies, modules of weft have names that others may import.
    del sys.path[0]
    sys.exit(_main())
