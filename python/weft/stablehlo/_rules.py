"""The table of rules for StableHLO's ops, and what a rule is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._core import Tensor
from .._dtypes import DType
from .._foreign import RuleTable
from ._graph import Op, TensorType

if TYPE_CHECKING:
    from ._program import Frame

#: A rule is given the call and the op's operands as tensors, and returns a tensor or several.
RULES = RuleTable("StableHLO")
rule = RULES.rule

#: Ops whose rules take operands as they are: known numbers as `Known`, tokens as None.
RAW: set[str] = set()


def raw_rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `rule`; operands are not made tensors before."""
    RAW.update(names)
    return RULES.rule(*names)


class Call:
    """One op where it is called: its attributes, types and regions."""

    def __init__(self, op: Op, frame: Frame) -> None:
        self.op = op
        self.frame = frame

    def __getitem__(self, name: str) -> Any:
        return self.op.attributes[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute that may be missing."""
        return self.op.attributes.get(name, default)

    @property
    def type(self) -> TensorType:
        """The type of the first result."""
        kind: TensorType = self.op.types[0]
        return kind

    @property
    def dtype(self) -> DType:
        """The dtype of the first result."""
        return self.type.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first result, as the program has it: -1 for sizes that it leaves."""
        return self.type.shape

    def region(self, number: int = 0) -> Callable[..., tuple]:
        """A region as a function of tensors, which returns a tuple of them."""
        body = self.op.regions[number]
        return lambda *values: self.frame.inner(body, values)

    def function(self, name: str) -> Callable[..., tuple]:
        """A function of the program by its name."""
        return lambda *values: self.frame.call(name, values)


def only(values: tuple) -> Tensor:
    """The value of a region that returns one."""
    (value,) = values
    assert isinstance(value, Tensor)
    return value
