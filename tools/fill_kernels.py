#!/usr/bin/env python3
"""Fills the package's own cache of kernels, so that eager operations are ready at once.

    fill_kernels.py PACKAGE_PARENT TABLE_FOLDER

runs each operation of the op table once for each dtype, and the usual combinations of reductions,
products, conversions and indexing, with the kernels written to PACKAGE_PARENT/weft/kernels.
A kernel serves all sizes, so one small call each is enough. Run by the build after the extension
is linked.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REDUCED_DTYPES = ("float32", "float64", "int32", "int64")
COMMON_DTYPES = ("float32", "float64", "int32", "int64", "bool", "uint8")


def table_calls(weft: Any, rows: list[Any]) -> Iterator[Callable[[], object]]:
    """Each op of the table: tensors of one shape, with a scalar, and broadcast along rows."""
    for row in rows:
        function = getattr(weft, row.python, None)
        if function is None or row.attributes:
            continue
        for dtype in row.operands[-1].dtypes():
            first = row.operands[0].dtypes()
            same = [weft.ones((4, 3), dtype=dtype) for _ in row.operands]
            if dtype not in first:
                same[0] = weft.ones((4, 3), dtype=first[0])
            yield lambda function=function, same=same: function(*same)
            if len(same) == 2 and dtype in COMMON_DTYPES:
                scalar = True if dtype == "bool" else 2
                row_vector = weft.ones((3,), dtype=dtype)
                yield lambda function=function, x=same[0], s=scalar: function(x, s)
                yield lambda function=function, x=same[0], s=scalar: function(s, x)
                yield lambda function=function, x=same[0], r=row_vector: function(x, r)


def assigned(x: Any, key: Any) -> None:
    """An assignment of a number."""
    x[key] = 1


def other_calls(weft: Any) -> Iterator[Callable[[], object]]:
    """Reductions, matrix products, conversions, indexing, assignments and powers."""
    for dtype in REDUCED_DTYPES:
        x = weft.ones((4, 3), dtype=dtype)
        for name in ("sum", "max", "min", "mean", "prod", "argmax", "argmin"):
            function = getattr(weft, name)
            for axis in (None, 0, 1):
                yield lambda f=function, x=x, axis=axis: f(x, axis=axis)
            # Long rows are reduced side by side, and one by all threads.
            yield lambda f=function, d=dtype: f(weft.ones((64, 2048), dtype=d), axis=1)
            yield lambda f=function, d=dtype: f(weft.ones((1 << 18,), dtype=d))
        yield lambda x=x: x @ x.T
        yield lambda x=x: x @ weft.ones((3, 2), dtype=x.dtype)
        yield lambda x=x: weft.permute_dims(x, (1, 0)) + 0
        yield lambda x=x: x[1:, 0]
        yield lambda x=x: x[0]
        yield lambda x=x: weft.sort(x)
        yield lambda x=x: weft.argsort(x)
        floating = dtype.startswith("float")
        for exponent in (2, 3, 4, 0.5, -1, -0.5, -2) if floating else (2, 3, 4):
            yield lambda x=x, exponent=exponent: x**exponent
        for key in (0, slice(1, 3), (slice(None), 1), [1, 0]):
            yield lambda dtype=dtype, key=key: assigned(weft.ones((4, 3), dtype=dtype), key)
    for source in COMMON_DTYPES:
        for target in COMMON_DTYPES:
            yield lambda s=source, t=target: weft.astype(weft.ones((4,), dtype=s), t)


def main(package_parent: str, table_folder: str) -> int:
    """Returns the exit status: 1 if any call failed."""
    kernels = Path(package_parent) / "weft" / "kernels"
    shutil.rmtree(kernels, ignore_errors=True)
    os.environ["WEFT_CACHE_DIR"] = str(kernels)
    sys.path[:0] = [package_parent, table_folder, str(Path(__file__).parent.parent / "test/python")]
    import weft
    from op_table import OPS  # type: ignore[import-not-found]

    failures = 0
    for calls in (table_calls(weft, OPS), other_calls(weft)):
        for call in calls:
            try:
                call()
            except weft.WeftError as error:
                print(f"fill_kernels: {error}", file=sys.stderr)
                failures += 1
    # A cache is its user's own; these are for all users of the installation.
    for path in kernels.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    kernels.chmod(0o755)
    count = sum(1 for _ in kernels.rglob("*.kernel"))
    print(f"{count} kernels in {kernels}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
