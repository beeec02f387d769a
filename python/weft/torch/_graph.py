"""A graph of ATen's ops as a function of weft's tensors, and what of it has to stay in PyTorch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.fx

import weft

from .._creation import _fail
from .._errors import UnsupportedError, WeftError
from . import (
    _families,  # noqa: F401
    _sizes,
)
from ._lines import caller, place, user_line
from ._rules import TABLE, has_dtype, weft_dtype

#: What a memory format, a layout or a device would say means nothing to tensors of weft.
_DROPPED = ("device", "layout", "pin_memory", "memory_format", "non_blocking")

#: What reads its operand's memory, whatever the operand's shape.
_OF_MEMORY = (torch.ops.aten.as_strided.default, torch.ops.aten.as_strided_scatter.default)

#: Arithmetic of sizes, which is no op on tensors.
_SIZE_FUNCTIONS: dict[Any, Callable] = {
    torch.sym_max: max,
    torch.sym_min: min,
    torch.sym_int: int,
    torch.sym_float: float,
    torch.sym_not: operator.not_,
    torch.ops.aten.sym_size.int: lambda x, axis: x.shape[axis],
    torch.ops.aten.sym_numel.default: lambda x: _product(x.shape),
}


def _product(sizes: Iterable[Any]) -> Any:
    result: Any = 1
    for size in sizes:
        result = result * size
    return result


def op_name(node: torch.fx.Node) -> str:
    """What the table calls the op of a node: "aten.add.Tensor", "higher_order.cond"."""
    if isinstance(node.target, torch._ops.HigherOrderOperator):
        return f"higher_order.{node.target}"
    return str(node.target)


def meta(node: torch.fx.Node) -> Any:
    """What PyTorch knows of the node's value: fake tensors and sizes."""
    return node.meta.get("val", node.meta.get("example_value"))


def leaves(value: Any) -> list[Any]:
    """The values in a list or tuple, or the value itself."""
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def is_size(node: torch.fx.Node) -> bool:
    """Whether the node's value is a number, not a tensor."""
    return isinstance(meta(node), (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool))


def of_sizes_alone(node: torch.fx.Node) -> bool:
    """Whether the node is a number that shapes and numbers tell, and no element of a tensor."""
    known = _size_function(node) is not None or not _sizes.found_late(meta(node))
    return is_size(node) and known


def _size_function(node: torch.fx.Node) -> Callable | None:
    if node.target in _SIZE_FUNCTIONS:
        return _SIZE_FUNCTIONS[node.target]
    module = getattr(node.target, "__module__", "")
    return node.target if module in ("_operator", "math") and callable(node.target) else None


def rule_of(node: torch.fx.Node) -> Callable | None:
    """The function that computes a node from weft's tensors; None if there is none."""
    if node.target is operator.getitem:
        return operator.getitem
    if node.op != "call_function":
        return None
    if is_size(node) and (found := _size_function(node)) is not None:
        return found
    name = op_name(node)
    # What a view is in a functional graph: tensors of weft are values, a view and its copy are one.
    return TABLE.find(name) or TABLE.find(name.replace("_copy.", ".", 1))


def attribute(module: torch.fx.GraphModule, node: torch.fx.Node) -> Any:
    """What a node reads of its module: a tensor, or the graph of an op that has some."""
    value: Any = module
    for name in str(node.target).split("."):
        value = getattr(value, name)
    return value


def graphs_of(node: torch.fx.Node) -> list[torch.fx.GraphModule]:
    """The graphs that an op runs: branches, and bodies of loops."""
    module = node.graph.owning_module
    read = [other for other in node.all_input_nodes if other.op == "get_attr"]
    found = [attribute(module, other) for other in read] if module is not None else []
    return [value for value in found if isinstance(value, torch.fx.GraphModule)]


def lacking(nodes: Iterable[torch.fx.Node]) -> list[torch.fx.Node]:
    """The ops that weft can't compute, those in graphs of ops among them."""
    found = []
    for node in nodes:
        if node.op != "call_function" or is_check(node) or of_sizes_alone(node):
            continue
        inner = [other for graph in graphs_of(node) for other in lacking(graph.graph.nodes)]
        if _why_not_itself(node):
            found.append(node)
        found += inner
    return found


def is_check(node: torch.fx.Node) -> bool:
    """Whether the op only raises where sizes or values are not as a program was made for."""
    return "_assert" in str(node.target) or "sym_constrain_range" in str(node.target)


def why_not(node: torch.fx.Node) -> str:
    """Why a node can't be an op of weft; "" if it can."""
    if reason := _why_not_itself(node):
        return reason
    for graph in graphs_of(node):
        for inner in lacking(graph.graph.nodes):
            return f"{op_name(inner)} in it: {_why_not_itself(inner)}"
    return ""


def _why_not_itself(node: torch.fx.Node) -> str:
    if rule_of(node) is None:
        return "weft has no rule for it"
    if any(_sizes.found_late(meta(other)) for other in node.all_input_nodes if is_size(other)):
        return "it takes a number that elements tell"
    if node.target in _OF_MEMORY:
        source = node.all_input_nodes[0]
        if not _is_whole(meta(source)):
            return "it reads memory around its operand"
    for leaf in leaves(meta(node)):
        if isinstance(leaf, torch.Tensor):
            if not has_dtype(leaf.dtype):
                return f"weft has no dtype like {leaf.dtype}"
            if leaf.device.type != "cpu":
                return f"its tensors are on {leaf.device}"
    return ""


def _is_whole(tensor: torch.Tensor) -> bool:
    """Whether the tensor's elements, in their order, are all of its memory."""
    size = tensor.untyped_storage().nbytes() // tensor.element_size()
    return tensor.is_contiguous() and tensor.storage_offset() == 0 and size == tensor.numel()


@dataclass
class Failures:
    """The nodes that weft could not compute, and why."""

    reasons: dict[torch.fx.Node, str] = field(default_factory=dict)
    kinds: dict[torch.fx.Node, type[Exception]] = field(default_factory=dict)

    def note(self, node: torch.fx.Node, error: Exception) -> None:
        """Notes what the node's rule raised, without the place of the node."""
        text = str(error).partition("\n")[0].removeprefix(f"{place(node)}: ")
        self.reasons[node] = f"{type(error).__name__}: {text}"
        self.kinds[node] = type(error) if isinstance(error, WeftError) else UnsupportedError

    def check(self) -> None:
        """Raises the first one, as the kind of error of weft's that it is."""
        for node, reason in self.reasons.items():
            text = reason.removeprefix(f"{self.kinds[node].__name__}: ")
            raise _fail(self.kinds[node], f"{place(node)}: {op_name(node)}: {text}")


def constant(value: Any) -> Any:
    """What a node reads of its module, as rules take it."""
    if isinstance(value, torch.fx.GraphModule):
        return Subgraph(value)
    return weft.from_dlpack(value.detach().contiguous(), copy=True)


class Subgraph:
    """A branch, or the body of a loop, as a function of weft's tensors: a tuple of results."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        nodes = list(module.graph.nodes)
        self.given = [node for node in nodes if node.op == "placeholder"]
        self.nodes = [n for n in nodes if n.op == "call_function" and not is_check(n)]
        self.constants = {n: constant(attribute(module, n)) for n in nodes if n.op == "get_attr"}
        self.outputs = leaves(nodes[-1].args[0])

    def __call__(self, *args: Any) -> tuple:
        values: dict[Any, Any] = dict(zip(self.given, args, strict=True))
        values.update(self.constants)
        failures = Failures()
        run(self.nodes, values, failures)
        failures.check()
        return tuple(values[x] if isinstance(x, torch.fx.Node) else x for x in self.outputs)


def run(
    nodes: Sequence[torch.fx.Node], values: dict[torch.fx.Node, Any], failures: Failures
) -> None:
    """Computes the nodes in order with weft; what fails is noted, and zeros go on for it."""

    def given(node: torch.fx.Node) -> Any:
        return values[node]

    for node in nodes:
        rule = rule_of(node)
        args = torch.fx.map_arg(node.args, given)
        kwargs = {
            name: torch.fx.map_arg(value, given)
            for name, value in node.kwargs.items()
            if name not in _DROPPED
        }
        try:
            assert rule is not None
            result = caller(*user_line(node))(rule, args, kwargs)
            values[node] = _checked(node, result)
        except Exception as error:  # whatever a rule can't take: PyTorch computes the op
            failures.note(node, error)
            values[node] = _zeros(meta(node))


def _checked(node: torch.fx.Node, result: Any) -> Any:
    """The result, if it has the dtypes and shapes that PyTorch says; raises UnsupportedError."""
    expected = meta(node)
    if isinstance(expected, torch.Tensor):
        return _same_kind(expected, result, op_name(node))
    if isinstance(expected, (list, tuple)) and node.target is not operator.getitem:
        if len(result) != len(expected):
            raise _fail(UnsupportedError, f"{op_name(node)} has {len(expected)} results")
        name = op_name(node)
        return [_same_kind(e, r, name) for e, r in zip(expected, result, strict=True)]
    return result


def _same_kind(expected: Any, result: Any, name: str) -> Any:
    if not isinstance(expected, torch.Tensor) or result is None:
        return result
    if result.dtype != weft_dtype(expected.dtype):
        raise _fail(
            UnsupportedError, f"{name} gives {result.dtype.name} in weft, {expected.dtype} there"
        )
    sizes = list(expected.shape)
    ours = list(result.shape)
    fits = len(sizes) == len(ours) and all(
        theirs == mine
        for theirs, mine in zip(sizes, ours)
        if isinstance(theirs, int) and isinstance(mine, int)
    )
    if not fits:
        raise _fail(UnsupportedError, f"{name} gives the shape {ours} in weft, {sizes} there")
    return result


def _zeros(expected: Any) -> Any:
    """What stands for a result that weft could not compute, so that others can be tried."""
    if isinstance(expected, (list, tuple)):
        return [_zeros(item) for item in expected]
    if isinstance(expected, torch.Tensor):
        shape = tuple(s if isinstance(s, int) else s.node.hint or 1 for s in expected.shape)
        dtype = weft_dtype(expected.dtype) if has_dtype(expected.dtype) else weft.float32
        return weft.zeros(shape, dtype=dtype)
    return 1 if isinstance(expected, (torch.SymInt, int)) else expected
