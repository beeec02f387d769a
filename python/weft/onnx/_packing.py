"""Weights of few bits in models: DequantizeLinear of initializers, in front of products by them.

    DequantizeLinear(numbers, scale, zero) -> [Transpose] -> MatMul or Gemm

becomes one product, which reads the numbers packed as `weft.nn.QuantizedLinear` has them: the bits
of the result are those of the product by the weight in float32, of which there is none.

    DequantizeLinear(q, scale, zero) -> MatMul or Gemm by such a weight

with q of 8 bits, and one scale for all of it, is a product of whole numbers, as static
quantisation means it: q is read as it is, sums are exact, and what it counts from is taken off.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .._core import Tensor
from ..nn._quantized import Packed
from ._graph import Graph, Node, names_in
from ._reading import Contents
from ._rules import rule, weft
from ._whole_products import signed
from ._writer import INT4, UINT4

_PRODUCT = "weft.PackedProduct"


@rule(_PRODUCT)
def _packed_product(
    a: Tensor,
    c: Tensor | None,
    numbers: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    *,
    bits: int,
    alpha: float = 1.0,
    beta: float = 1.0,
    trans_a: int = 0,
) -> Tensor:
    made = Packed(numbers, scale, zero, bits).product(a.mT if trans_a else a)
    made = made if alpha == 1.0 else (made * alpha).astype(made.dtype)
    return _plus(made, c, beta)


def _plus(product: Tensor, c: Tensor | None, beta: float) -> Tensor:
    """A Gemm's last step."""
    if c is None:
        return product
    return product + (c if beta == 1.0 else (c * beta).astype(c.dtype))


_DOT = "weft.PackedDot"


@rule(_DOT)
def _packed_dot(
    a: Tensor,
    c: Tensor | None,
    a_scale: Tensor,
    offsets: Tensor | None,
    numbers: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    *,
    bits: int,
    alpha: float = 1.0,
    beta: float = 1.0,
    trans_a: int = 0,
) -> Tensor:
    """Offsets [N] are what the zero of a comes to in each column, in steps of a's scale."""
    packed = Packed(numbers, scale, zero, bits)
    made = packed.product_of_whole(signed(a.mT if trans_a else a))
    made = made if offsets is None else made - offsets
    made = made * (weft.reshape(a_scale, ()) if alpha == 1.0 else weft.reshape(a_scale, ()) * alpha)
    return _plus(made, c, beta)


class _Use(NamedTuple):
    """A product that reads a weight, and whether the weight is [K, N], not [N, K]."""

    node: Node
    is_turned: bool
    #: The nodes between the weight and the product.
    between: tuple[Node, ...]


def pack_weights(contents: Contents) -> None:
    """Replaces such products, and their initializers by packed ones, in the outermost graph."""
    graph = contents.graph
    readers = _readers(graph)
    gone: set[int] = set()
    whole = {node.outputs[0]: node for node in graph.nodes if _is_of_bytes(node, contents)}
    for node in graph.nodes:
        if node.name == "DequantizeLinear" and len(node.outputs) == 1:
            uses = _uses(node, readers)
            packed = _packed(node, contents, uses[0].is_turned) if uses else None
            if packed is not None:
                _replace(node, contents, uses, packed, readers)
                gone |= {id(each) for use in uses for each in (node, *use.between)}
                for use in uses:
                    _take_whole(use.node, whole, contents)
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]
    if gone:
        read = names_in(graph)
        graph.nodes = [x for x in graph.nodes if x.outputs[0] in read or x.outputs[0] not in whole]
        read = names_in(graph)
        for name in [name for name in readers if name in contents.arrays and name not in read]:
            del contents.arrays[name]
            contents.narrow.pop(name, None)


def _readers(graph: Graph) -> dict[str, list[Node | None]]:
    """The nodes that read a value; None for what is an output, or is read within a node."""
    readers: dict[str, list[Node | None]] = {x.name: [None] for x in graph.outputs}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
        for inner in node.options.values():
            if isinstance(inner, Graph):
                for name in names_in(inner):
                    readers.setdefault(name, []).append(None)
    return readers


def _uses(node: Node, readers: dict[str, list[Node | None]]) -> list[_Use]:
    """The products that alone read a value, and all in one order; else none."""
    found = []
    for reader in readers.get(node.outputs[0], []):
        if reader is None:
            return []
        inner: list[Node | None] = [reader]
        between: tuple[Node, ...] = ()
        if reader.name == "Transpose" and list(reader.options.get("perm", (1, 0))) == [1, 0]:
            between = (reader,)
            inner = readers.get(reader.outputs[0], [])
        for product in inner:
            use = _use(product, (between[0] if between else node).outputs[0], between)
            if use is None:
                return []
            found.append(use)
    return found if len({use.is_turned for use in found}) == 1 else []


def _use(product: Node | None, weight: str, between: tuple[Node, ...]) -> _Use | None:
    if product is None or product.name not in ("MatMul", "Gemm"):
        return None
    if product.inputs[1] != weight or weight in (product.inputs[0], *product.inputs[2:]):
        return None
    return _Use(product, bool(product.options.get("trans_b")) == bool(between), between)


def _packed(node: Node, contents: Contents, is_turned: bool) -> list[np.ndarray] | None:
    """Numbers [N, G, S], scale [N, G] and maybe zero, if the node has such constants."""
    names = [name for name in node.inputs if name]
    if any(name not in contents.arrays for name in names) or len(names) != len(node.inputs):
        return None
    numbers, scale, *zero = (contents.arrays[name] for name in names)
    kind = _kind_of(numbers, contents.narrow.get(names[0], 0))
    if numbers.ndim != 2 or scale.dtype != np.float32 or kind is None:
        return None
    if node.options.get("output_dtype", 1) not in (0, 1) or (kind.is_float and zero):
        return None
    depth = int(not is_turned)
    given = [scale, *(zero or [np.zeros(scale.shape, np.int8)])]
    factors = [_laid(each, node, numbers.shape, depth) for each in given]
    if any(each is None for each in factors):
        return None
    rows, groups = numbers.T if is_turned else numbers, factors[0].shape[1]
    if rows.shape[1] % (groups or 1) or rows.shape[1] // (groups or 1) * kind.bits % 8:
        return None
    made = [_in_bytes(kind.moved(rows), groups, kind.bits), np.ascontiguousarray(factors[0])]
    if kind.is_float:
        return made
    zeros = np.ascontiguousarray(kind.moved(factors[1]))
    return made if (zeros == (8 if kind.bits == 4 else 0)).all() else [*made, zeros]


class _Kind(NamedTuple):
    """Numbers: their bits, whether they are floats, and what is added to them, and to their zeros,
    so that they are those of `weft.nn.QuantizedLinear`."""

    bits: int
    is_float: bool = False
    shift: int = 0

    def moved(self, numbers: np.ndarray) -> np.ndarray:
        if self.is_float:
            return numbers
        return (numbers.astype(np.int16) + self.shift).astype("uint8" if self.bits == 4 else "int8")


def _kind_of(numbers: np.ndarray, element: int) -> _Kind | None:
    if element:
        return {UINT4: _Kind(4), INT4: _Kind(4, shift=8)}.get(element)
    name = numbers.dtype.name
    if name in ("int8", "uint8"):
        return _Kind(8, shift=-128 if name == "uint8" else 0)
    return _Kind(8, is_float=True) if name in ("float8_e4m3fn", "float8_e5m2") else None


def _laid(factor: np.ndarray, node: Node, shape: tuple[int, ...], depth: int) -> Any:
    """Scales or zeros as [N, G]; None if they are no ones of groups along the depth."""
    rows, size = shape[1 - depth], node.options.get("block_size", 0)
    if math.prod(factor.shape) == 1 and factor.ndim < 2:
        return np.broadcast_to(factor.reshape(1, 1), (rows, 1))
    axis = node.options.get("axis", 1) % 2
    if factor.ndim == 1 and not size and axis != depth and factor.shape[0] == rows:
        return factor.reshape(rows, 1)
    if factor.ndim != 2 or not size or axis != depth or shape[depth] % size:
        return None
    made = factor if depth else factor.T
    return made if made.shape == (rows, shape[depth] // size) else None


def _in_bytes(rows: np.ndarray, groups: int, bits: int) -> np.ndarray:
    if bits == 4:
        rows = rows[:, ::2] | rows[:, 1::2] << 4
    return np.ascontiguousarray(rows).reshape(rows.shape[0], groups, rows.shape[1] // (groups or 1))


def _replace(
    node: Node,
    contents: Contents,
    uses: list[_Use],
    packed: list[np.ndarray],
    readers: dict[str, list[Node | None]],
) -> None:
    taken = set(contents.arrays) | names_in(contents.graph)
    names = []
    for given, array in zip([*node.inputs, f"{node.inputs[0]}_zero"], packed, strict=False):
        name = given
        # What something else reads as it is stays; so does a name that is another's.
        while name in taken and readers.get(name) != [node]:
            name += "_packed"
        taken.add(name)
        contents.narrow.pop(name, None)
        contents.arrays[name] = array
        names.append(name)
    for use in uses:
        product = use.node
        options = {key: value for key, value in product.options.items() if key != "trans_b"}
        own = [product.inputs[0], product.inputs[2] if len(product.inputs) > 2 else ""]
        product.name, product.inputs = _PRODUCT, (*own, *names)
        product.options = {**options, "bits": 4 if packed[0].dtype == np.uint8 else 8}


def _is_of_bytes(node: Node, contents: Contents) -> bool:
    """Whether it dequantises numbers of 8 bits by one scale, which are no initializer."""
    if node.name != "DequantizeLinear" or len(node.inputs) < 3 or node.inputs[0] in contents.arrays:
        return False
    scale, zero = (contents.arrays.get(name) for name in node.inputs[1:3])
    return (
        scale is not None
        and zero is not None
        and scale.dtype == np.float32
        and zero.dtype in (np.int8, np.uint8)
        and not any(contents.narrow.get(name) for name in node.inputs[1:3])
        and scale.size == zero.size == 1
        and scale.ndim < 2
        and node.options.get("output_dtype", 1) in (0, 1)
    )


#: So many products of numbers of 8 bits, one of them a difference, have a sum that int32 holds.
_LONGEST = 2**31 // (128 * 255)


def _take_whole(product: Node, whole: dict[str, Node], contents: Contents) -> None:
    """Makes a product of whole numbers of one by a packed weight, if it is given such."""
    source = whole.get(product.inputs[0])
    numbers, scale, *zero = (contents.arrays[name] for name in product.inputs[2:])
    bits = product.options["bits"]
    if source is None or numbers.dtype not in (np.int8, np.uint8):
        return
    if numbers.shape[2] * 8 // bits > _LONGEST:
        return
    q, a_scale, a_zero = source.inputs
    offsets, from_zero = "", int(_signed(contents.arrays[a_zero]).reshape(()))
    if from_zero:
        offsets = f"{product.inputs[2]}_offsets"
        while offsets in contents.arrays:
            offsets += "_"
        sums = _sums(numbers, zero[0] if zero else None, bits) * scale.astype(np.float64)
        contents.arrays[offsets] = (sums.sum(axis=1) * from_zero).astype(np.float32)
    product.name = _DOT
    product.inputs = (q, product.inputs[1], a_scale, offsets, *product.inputs[2:])


def _signed(zero: np.ndarray) -> np.ndarray:
    return zero.astype(np.int16) - (128 if zero.dtype == np.uint8 else 0)


def _sums(numbers: np.ndarray, zero: np.ndarray | None, bits: int) -> np.ndarray:
    """Those of each group [N, G] of packed numbers less their zero, exact."""
    if bits == 4:
        sums = (numbers & 15).sum(axis=2, dtype=np.int64) + (numbers >> 4).sum(axis=2)
        size, usual = 2 * numbers.shape[2], 8
    else:
        sums, size, usual = numbers.sum(axis=2, dtype=np.int64), numbers.shape[2], 0
    return sums - size * (usual if zero is None else zero.astype(np.int64))
