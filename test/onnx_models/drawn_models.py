"""Draws ONNX models: nodes whose operands, dtypes, attributes and opset are drawn.

Each node is computed as it is drawn, by ONNX Runtime or by the package onnx where that has no
kernel, so that the next ones have operands of known shapes. What neither computes is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from drawing_rules import NotDrawnError, Rules
from node_reference import NotComputedError, References, described, names_read
from onnx import helper

FLOATS = ("float32", "float32", "float32", "float64", "float16")
INTEGERS = ("int64", "int32", "int64", "uint8", "int8", "int16", "uint16", "uint32", "uint64")
DTYPES = (*FLOATS, *INTEGERS, "bool")
SIZES = (0, 1, 1, 2, 3, 4, 5)
#: What a node may give at most.
LARGEST = 2000
#: Shape operands may lie in any of these places.
PLACES = ("initializer", "constant", "input")


#: Ops of which the definition leaves open what NaN gives, and engines differ.
NAN_IS_OPEN = (
    "Sign",
    "Hardmax",
    "TopK",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMin",
    "ArgMax",
    "ArgMin",
    "ScatterND",
    "ScatterElements",
)


@dataclass
class Drawn:
    """A model that was drawn, with what its inputs are given."""

    model: onnx.ModelProto
    inputs: dict[str, np.ndarray]
    opset: int
    nodes: list[onnx.NodeProto]
    #: Values that shapes follow from, which are inputs.
    shape_inputs: set[str]
    #: All values by name, as the references computed them.
    values: dict[str, Any]


@dataclass
class Drawer:
    """A graph that grows."""

    random: np.random.Generator
    opset: int
    references: References
    #: What is in sight.
    values: dict[str, Any] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    initializers: dict[str, np.ndarray] = field(default_factory=dict)
    shape_inputs: set[str] = field(default_factory=set)
    #: Of a graph within a node: what surrounds it.
    prefix: str = ""
    depth: int = 0
    counter: int = 0

    def pick(self, *values: Any) -> Any:
        """One of them."""
        return values[int(self.random.integers(len(values)))]

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return bool(self.random.random() < share)

    def name(self) -> str:
        """A new name."""
        self.counter += 1
        return f"{self.prefix}v{self.counter}"

    def shape(self, rank: int | None = None) -> tuple[int, ...]:
        """Some sizes, seldom 0."""
        rank = int(self.random.integers(0, 5)) if rank is None else rank
        sizes = SIZES if self.chance(0.2) else SIZES[1:]
        return tuple(self.pick(*sizes) for _ in range(rank))

    def array(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers, small ones mostly."""
        if dtype == "bool":
            return np.asarray(self.random.random(shape) < 0.5)
        kind = np.dtype(dtype).kind
        if kind == "u":
            return self.random.integers(0, 6, shape).astype(dtype)
        if kind == "i":
            return self.random.integers(-5, 6, shape).astype(dtype)
        if self.chance(0.3):
            return (self.random.integers(-8, 9, shape) / 4).astype(dtype)
        return self.random.standard_normal(shape).astype(dtype)

    def add(self, array: np.ndarray, place: str | None = None) -> str:
        """A value that is given."""
        name, place = self.name(), place or self.pick(*PLACES)
        if self.depth and place == "input":
            place = "constant"
        self.values[name] = array
        if place == "input":
            self.inputs[name] = array
        elif place == "initializer":
            self.initializers[name] = array
        else:
            tensor = onnx.numpy_helper.from_array(array, name)
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return name

    def number(self, values: Any, dtype: str = "int64") -> str:
        """An operand that shapes follow from."""
        place = "input" if self.chance(0.15) else self.pick(*PLACES[:2])
        name = self.add(np.asarray(values, dtype), place)
        if place == "input":
            self.shape_inputs.add(name)
        return name

    def fresh(self, dtype: str | None = None, shape: Any = None) -> str:
        """A new value."""
        shape = self.shape() if shape is None else shape
        return self.add(self.array(dtype or self.pick(*DTYPES), shape))

    def of(
        self, dtypes: Any = DTYPES, rank: int = 0, fits: Callable[[Any], bool] = lambda x: True
    ) -> str:
        """A value of one of these dtypes, of so many dimensions at least."""
        found = [
            name
            for name, x in self.values.items()
            if isinstance(x, np.ndarray)
            and x.dtype.name in dtypes
            and x.ndim >= rank
            and x.size <= LARGEST
            and fits(x)
        ]
        if found and not self.chance(0.2):
            # Late values rather than early ones, for deep graphs.
            return found[-1 - min(int(self.random.geometric(0.3)) - 1, len(found) - 1)]
        for _ in range(20):
            shape = self.shape(max(rank, int(self.random.integers(0, 5))))
            array = self.array(self.pick(*dtypes), shape)
            if fits(array):
                return self.add(array)
        raise NotDrawnError

    def like(self, x: np.ndarray, grows: bool = True) -> str:
        """A value of the same dtype whose shape broadcasts with this one's."""

        def fits(y: np.ndarray) -> bool:
            try:
                shape = np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                return False
            return shape == x.shape or (grows and int(np.prod(shape)) <= LARGEST)

        if self.chance(0.5):
            shape = tuple(1 if self.chance(0.3) else size for size in x.shape)
            shape = shape[int(self.random.integers(0, len(shape) + 1)) :]
            return self.fresh(x.dtype.name, shape)
        return self.of((x.dtype.name,), 0, fits)

    def axis(self, x: np.ndarray) -> int:
        """A dimension, from either end."""
        if not x.ndim:
            raise NotDrawnError
        return int(self.random.integers(-x.ndim, x.ndim))

    def axes(self, x: np.ndarray) -> list[int]:
        """Some dimensions, each from either end."""
        chosen = self.random.permutation(x.ndim)[: int(self.random.integers(0, x.ndim + 1))]
        return [int(a) - (x.ndim if self.chance(0.5) else 0) for a in chosen]

    def node(self, op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """A node of these operands. Raises NotDrawnError if nobody computes it."""
        schema = onnx.defs.get_schema(op, self.opset)
        names = [self.name() for _ in range(outputs)]
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        node = helper.make_node(op, inputs, names, **attributes)
        if schema.deprecated or any(key not in schema.attributes for key in attributes):
            raise NotDrawnError
        self._check_types(schema, inputs)
        if op in NAN_IS_OPEN and any((self.values[x] != self.values[x]).any() for x in inputs if x):
            raise NotDrawnError
        try:
            made, _ = self.references(node, self.values, self.opset)
        except NotComputedError:
            raise NotDrawnError from None
        for x in made:
            leaves = x if isinstance(x, list) else [x]
            if not leaves or any(y.dtype.name not in DTYPES or y.size > LARGEST for y in leaves):
                raise NotDrawnError
        self.nodes.append(node)
        self.values.update(zip(names, made, strict=True))
        return names

    def _check_types(self, schema: Any, inputs: list[str]) -> None:
        types = {row.type_param_str: set(row.allowed_type_strs) for row in schema.type_constraints}
        for place, name in enumerate(inputs):
            row = schema.inputs[min(place, len(schema.inputs) - 1)]
            x = self.values.get(name)
            if not isinstance(x, np.ndarray):
                continue
            kind = {"float64": "double", "float32": "float"}.get(x.dtype.name, x.dtype.name)
            if f"tensor({kind})" not in types.get(row.type_str, {f"tensor({kind})"}):
                raise NotDrawnError


RULES = Rules[Drawer](onnx.defs.SchemaError)
rule, step = RULES.rule, RULES.step


def draw(seed: int, count: int, references: References) -> Drawn:
    """The model of a seed, of so many steps."""
    random = np.random.default_rng(seed)
    drawer = Drawer(random, int(random.integers(7, 24)), references)
    for _ in range(count):
        step(drawer)
    made = [x for node in drawer.nodes for x in node.output if node.op_type != "Constant"]
    read = set(names_read(drawer.nodes))
    inputs = {name: x for name, x in drawer.inputs.items() if name in read}
    graph = helper.make_graph(
        drawer.nodes,
        "drawn",
        [described(name, x) for name, x in inputs.items()],
        [described(name, drawer.values[name]) for name in made],
        [onnx.numpy_helper.from_array(x, n) for n, x in drawer.initializers.items() if n in read],
    )
    imports = [helper.make_opsetid("", drawer.opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    shape_inputs = drawer.shape_inputs & set(inputs)
    return Drawn(model, inputs, drawer.opset, drawer.nodes, shape_inputs, drawer.values)
