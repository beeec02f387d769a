"""Imports what weft-tblgen generated from the op records, and uses all of it."""

import inspect

from op_table import OPS
from package import _ops

assert len(OPS) > 50
assert sorted(row.python for row in OPS) == _ops.__all__
for row in OPS:
    function = getattr(_ops, row.python)
    assert (function.__doc__ or "").strip(), row.name
    arguments = tuple(range(len(row.operands)))
    assert not row.attributes, f"{row.name}: give this test values for its attributes"
    assert function(*arguments).built == (row.name, arguments, None)

    if row.reference:
        reference = inspect.signature(row.reference_function())
        assert list(reference.parameters) == [operand.name for operand in row.operands]
    assert all(operand.dtypes() for operand in row.operands)
    assert row.differentiable == (not row.not_differentiable_reason)

maximum = next(row for row in OPS if row.name == "weft.maximum")
assert maximum.reference_function()(2.0, 3.0) == 3.0
print(f"{len(OPS)} rows")
