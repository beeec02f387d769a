"""The rules by which nodes of ONNX models are drawn: of elements, reductions and movement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from drawn_models import DTYPES, FLOATS, INTEGERS, Drawer, NotDrawnError, rule
from onnx import helper

_UNARY = (
    *("Abs", "Acos", "Asinh", "Atan", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Not", "Log"),
    *("Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softsign", "Sqrt", "Tan", "Tanh"),
    *("BitwiseNot", "HardSwish", "IsNaN", "Mish", "Identity", "Softplus", "Selu", "Elu", "Celu"),
    *("LeakyRelu", "HardSigmoid", "ThresholdedRelu", "Shrink", "Gelu", "IsInf", "Swish"),
)
_OPTIONS: dict[str, tuple[str, ...]] = {
    "Elu": ("alpha",),
    "Celu": ("alpha",),
    "Selu": ("alpha", "gamma"),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "ThresholdedRelu": ("alpha",),
    "Shrink": ("bias", "lambd"),
    "Swish": ("alpha",),
}


@rule(14)
def unary(d: Drawer) -> None:
    op = d.pick(*_UNARY)
    options: dict[str, Any] = {
        key: d.pick(0.5, 1.5, 2.0) for key in _OPTIONS.get(op, ()) if d.chance(0.6)
    }
    if op == "Gelu" and d.chance(0.5):
        options["approximate"] = d.pick("none", "tanh")
    if op == "IsInf":
        options = {"detect_negative": d.pick(0, 1), "detect_positive": d.pick(0, 1)}
    # ONNX Runtime shrinks in float32, which does not hold all numbers of other dtypes.
    d.node(op, [d.of(("float32", "float16") if op == "Shrink" else DTYPES)], **options)


_BINARY = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "And", "Or", "Xor", "Equal", "Greater", "Less"),
    *("GreaterOrEqual", "LessOrEqual", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift"),
)


@rule(20)
def binary(d: Drawer) -> None:
    op = d.pick(*_BINARY)
    options: dict[str, Any] = {}
    a = d.of(("bool",) if op in ("And", "Or", "Xor") else DTYPES)
    x = d.values[a]
    if op == "Pow" and d.opset >= 13 and d.chance(0.4):
        b = d.fresh(d.pick(*FLOATS, "int32", "int64") if x.dtype.kind == "f" else "int64", ())
    else:
        b = d.like(x)
    if op == "Mod":
        options["fmod"] = 1 if x.dtype.kind == "f" else d.pick(0, 1)
    if op in ("Mod", "Div") and x.dtype.kind in "iu":
        # What a division by zero gives is open.
        y = d.values[b]
        b = d.add(np.where(y == 0, np.asarray(3, x.dtype), y))
    if op == "Pow" and x.dtype.kind in "iu":
        # What a power gives that its dtype can't hold is open.
        if np.abs(x.astype(np.float64)).max(initial=0) ** 3 >= np.iinfo(x.dtype).max:
            raise NotDrawnError
        b = d.add(np.abs(d.values[b]).clip(0, 3))
    if op == "BitShift":
        options["direction"] = d.pick("LEFT", "RIGHT")
    d.node(op, d.pick([a, b], [b, a]) if op not in ("Mod", "Div", "Pow") else [a, b], **options)


@rule(4)
def several(d: Drawer) -> None:
    op = d.pick("Sum", "Max", "Min", "Mean")
    names = [d.of()]
    for _ in range(int(d.random.integers(0, 3))):
        names.append(d.like(d.values[names[-1]]))
    d.node(op, names)


@rule(3)
def where(d: Drawer) -> None:
    a = d.of()
    b = d.like(d.values[a])
    condition = d.like(d.values[a].astype(bool))
    d.node("Where", [condition, a, b])


@rule(3)
def clip(d: Drawer) -> None:
    # Whether a bound that is left out is the lowest number or infinity is open.
    x = d.of(tuple(t for t in DTYPES if t != "bool"), 0, lambda x: not np.isinf(x).any())
    dtype = d.values[x].dtype
    low, high = (np.asarray(v, dtype) for v in (d.pick(0, 1), d.pick(2, 3, 0)))
    if d.opset < 11:
        options = {"min": float(low)} if d.chance(0.6) else {}
        d.node("Clip", [x], **options | ({"max": float(high)} if d.chance(0.6) else {}))
        return
    least = d.add(low) if d.chance(0.6) else ""
    d.node("Clip", [x, least, d.add(high) if d.chance(0.6) else ""])


@rule(4)
def cast(d: Drawer) -> None:
    x = d.of()
    dtype = d.pick(*DTYPES)
    if d.values[x].dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        # What does not fit is open.
        a = d.values[x]
        if not np.isfinite(a).all() or (a < 0).any() or (a > 120).any():
            raise NotDrawnError
    if d.chance(0.3) and d.opset >= 15:
        d.node("CastLike", [x, d.fresh(dtype, ())])
        return
    d.node("Cast", [x], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


_REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")


@rule(10)
def reduction(d: Drawer) -> None:
    op = f"Reduce{d.pick(*_REDUCTIONS)}"
    # How logarithms and roots become integers is open, and the mean of nothing is.
    logarithmic = op in ("ReduceLogSum", "ReduceLogSumExp", "ReduceL2")
    x = d.of(FLOATS if logarithmic else (*FLOATS, *INTEGERS[:4]))
    if op == "ReduceMean" and not d.values[x].size:
        raise NotDrawnError
    options: dict[str, Any] = {"keepdims": d.pick(0, 1)}
    axes = d.axes(d.values[x])
    if d.opset >= (13 if op == "ReduceSum" else 18):
        if d.chance(0.3):
            options["noop_with_empty_axes"] = d.pick(0, 1)
        d.node(op, [x, d.number(axes) if d.chance(0.8) else ""], **options)
    else:
        d.node(op, [x], **options | ({"axes": axes} if axes else {}))


@rule(4)
def place(d: Drawer) -> None:
    x = d.of((*FLOATS, "int32", "int64", "uint8"), 1)
    options = {"axis": d.axis(d.values[x]), "keepdims": d.pick(0, 1)}
    if d.opset >= 12:
        options["select_last_index"] = d.pick(0, 1)
    if not d.values[x].size:
        raise NotDrawnError
    d.node(d.pick("ArgMax", "ArgMin"), [x], **options)


@rule(3)
def running(d: Drawer) -> None:
    x = d.of((*FLOATS, "int32", "int64"), 1)
    options = {"exclusive": d.pick(0, 1), "reverse": d.pick(0, 1)}
    axis = d.number(d.axis(d.values[x]), d.pick("int32", "int64"))
    d.node("CumSum", [x, axis], **options)


@rule(4)
def softmax(d: Drawer) -> None:
    x = d.of(FLOATS, 1)
    d.node(d.pick("Softmax", "LogSoftmax", "Hardmax"), [x], axis=d.axis(d.values[x]))


@rule(8)
def reshape(d: Drawer) -> None:
    x = d.of()
    a = d.values[x]
    sizes: list[int] = list(a.shape)
    while len(sizes) > 1 and d.chance(0.5):
        first = int(d.random.integers(0, len(sizes) - 1))
        sizes[first : first + 2] = [sizes[first] * sizes[first + 1]]
    while d.chance(0.3):
        sizes.insert(int(d.random.integers(0, len(sizes) + 1)), 1)
    options = {}
    if d.opset >= 14 and d.chance(0.3):
        options["allowzero"] = 1
    elif sizes and d.chance(0.3) and sizes[0] == (a.shape[0] if a.ndim else None):
        sizes[0] = 0
    if sizes and d.chance(0.4) and a.size:
        sizes[int(d.random.integers(0, len(sizes)))] = -1
    d.node("Reshape", [x, d.number(sizes)], **options)


@rule(5)
def squeeze(d: Drawer) -> None:
    x = d.of()
    a = d.values[x]
    if d.chance(0.5):
        axes = [i - (a.ndim if d.chance(0.5) else 0) for i, n in enumerate(a.shape) if n == 1]
        op = "Squeeze"
    else:
        total = a.ndim + int(d.random.integers(1, 3))
        axes = [int(i) for i in d.random.permutation(total)[: total - a.ndim]]
        axes = [i - (total if d.opset >= 11 and d.chance(0.5) else 0) for i in axes]
        op = "Unsqueeze"
    if not axes or (d.opset < 11 and min(axes) < 0):
        raise NotDrawnError
    if d.opset >= 13:
        skipped = op == "Squeeze" and d.chance(0.3)
        d.node(op, [x] if skipped else [x, d.number(axes)])
    else:
        d.node(op, [x], axes=axes)


@rule(5)
def transpose(d: Drawer) -> None:
    x = d.of()
    perm = [int(i) for i in d.random.permutation(d.values[x].ndim)]
    d.node("Transpose", [x], **({"perm": perm} if perm and d.chance(0.8) else {}))


@rule(2)
def flatten(d: Drawer) -> None:
    x = d.of()
    rank = d.values[x].ndim
    low = -rank if d.opset >= 11 else 0
    d.node("Flatten", [x], axis=int(d.random.integers(low, rank + 1)))


@rule(5)
def concat(d: Drawer) -> None:
    x = d.of(DTYPES, 1)
    a = d.values[x]
    axis = d.axis(a)
    names = [x]
    for _ in range(int(d.random.integers(0, 3))):
        shape = list(a.shape)
        shape[axis] = d.pick(0, 1, 2, 3)
        names.append(d.pick(x, d.fresh(a.dtype.name, tuple(shape))))
    d.node("Concat", names, axis=axis)


@rule(4)
def split(d: Drawer) -> None:
    x = d.of(DTYPES, 1)
    a = d.values[x]
    axis = d.axis(a)
    size, count = a.shape[axis], int(d.random.integers(1, 4))
    cuts = sorted(int(c) for c in d.random.integers(0, size + 1, count - 1))
    lengths = [b - a for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    options: dict[str, Any] = {"axis": axis}
    names = [x]
    if d.chance(0.6):
        if d.opset >= 13:
            names.append(d.number(lengths))
        else:
            options["split"] = lengths
    elif d.opset >= 18:
        options["num_outputs"] = count
    elif size % count:
        raise NotDrawnError
    d.node("Split", names, count, **options)


@rule(8)
def slices(d: Drawer) -> None:
    x = d.of(DTYPES, 1)
    a = d.values[x]
    axes = d.axes(a)
    if not axes:
        raise NotDrawnError
    bounds = (-9, -3, -1, 0, 1, 2, 5, 2**31 - 1, 2**63 - 1, -(2**63) + 1)
    steps = [d.pick(1, 1, 2, 3, -1, -2) if d.opset >= 10 else 1 for _ in axes]
    starts = [d.pick(*bounds[:9]) for _ in axes]
    # Where a step goes backwards, ONNX Runtime takes the largest numbers for the beginning.
    ends = [d.pick(*(bounds if step > 0 else bounds[:7])) for step in steps]
    if d.opset < 10:
        d.node("Slice", [x], axes=axes, starts=starts, ends=ends)
        return
    kind = "int64" if d.chance(0.7) else "int32"
    if kind == "int32":
        starts, ends = (np.clip(v, -(2**31), 2**31 - 1).tolist() for v in (starts, ends))
    last = d.number(steps, kind) if any(s != 1 for s in steps) or d.chance(0.3) else ""
    d.node("Slice", [x, d.number(starts, kind), d.number(ends, kind), d.number(axes, kind), last])


@rule(4)
def expand(d: Drawer) -> None:
    x = d.of()
    a = d.values[x]
    if d.chance(0.6) and d.opset >= 8:
        sizes = [n if n != 1 or d.chance(0.5) else d.pick(1, 2, 3, 0) for n in a.shape]
        sizes = [1 if d.chance(0.2) else n for n in sizes]
        sizes = [d.pick(1, 2)] * d.pick(0, 0, 1) + sizes
        d.node("Expand", [x, d.number(sizes)])
    else:
        d.node("Tile", [x, d.number([d.pick(0, 1, 1, 2, 3) for _ in a.shape])])


@rule(4)
def pad(d: Drawer) -> None:
    x = d.of(DTYPES, 1)
    a = d.values[x]
    mode = d.pick("constant", "constant", "reflect", "edge", "wrap")
    most = min((n - 1 for n in a.shape), default=0)
    top = 3 if mode == "constant" else max(min(3, most), 0)
    low = -1 if mode == "constant" and min(a.shape) > 1 else 0
    pads = [int(p) for p in d.random.integers(low, top + 1, 2 * a.ndim)]
    if d.opset < 11:
        d.node("Pad", [x], pads=pads, mode=mode, **({"value": 1.5} if d.chance(0.5) else {}))
        return
    value = d.number(3, a.dtype.name) if mode == "constant" and d.chance(0.6) else ""
    axes = ""
    if d.opset >= 18 and d.chance(0.4):
        chosen = d.axes(a)
        if chosen:
            axes = d.number(chosen, d.pick("int32", "int64"))
            pads = [int(p) for p in d.random.integers(low, top + 1, 2 * len(chosen))]
    d.node("Pad", [x, d.number(pads), value, axes], mode=mode)


@rule(5)
def gather(d: Drawer) -> None:
    x = d.of(DTYPES, 1)
    a = d.values[x]
    axis = d.axis(a)
    size = a.shape[axis]
    if not size:
        raise NotDrawnError
    low = -size if d.opset >= 11 else 0
    kind = d.pick("int32", "int64")
    if d.chance(0.5):
        shape = d.shape(d.pick(0, 1, 2))
        indices = d.add(d.random.integers(low, size, shape).astype(kind))
        d.node("Gather", [x, indices], axis=axis)
        return
    shape = [min(n, d.pick(1, 2, 3, 9)) for n in a.shape]
    shape[axis] = d.pick(0, 1, 3)
    indices = d.add(d.random.integers(low, size, shape).astype(kind))
    d.node("GatherElements", [x, indices], axis=axis)


@rule(3)
def gather_nd(d: Drawer) -> None:
    x = d.of(DTYPES, 1)
    a = d.values[x]
    batch = d.pick(0, 0, 1) if d.opset >= 12 and a.ndim > 1 else 0
    depth = int(d.random.integers(1, a.ndim - batch + 1))
    inner = a.shape[batch : batch + depth]
    if not math.prod(inner):
        raise NotDrawnError
    shape = (*a.shape[:batch], *d.shape(d.pick(0, 1, 2)))
    low = 0 if d.opset < 12 or d.chance(0.5) else -1
    columns = [d.random.integers(low * n, n, shape) for n in inner]
    indices = d.add(np.stack(columns, -1))
    d.node("GatherND", [x, indices], **({"batch_dims": batch} if batch else {}))


@rule(4)
def scatter(d: Drawer) -> None:
    x = d.of(DTYPES, 1)
    a = d.values[x]
    options: dict[str, Any] = {}
    if d.opset >= 18 and a.dtype.kind != "b":
        options["reduction"] = d.pick("none", "add", "mul", "max", "min")
    elif d.opset >= 16 and a.dtype.kind != "b":
        options["reduction"] = d.pick("none", "add", "mul")
    if not a.size:
        raise NotDrawnError
    if d.chance(0.5):
        axis = d.axis(a)
        order = np.argsort(d.random.random(a.shape), axis=axis)
        if d.chance(0.5):
            order = order[tuple(slice(0, max(n - 1, 1)) for n in a.shape)]
        if d.chance(0.3) and d.opset >= 11:
            order = order - a.shape[axis]
        names = [x, d.add(order), d.fresh(a.dtype.name, order.shape)]
        d.node(d.pick("ScatterElements", "Scatter"), names, axis=axis, **options)
        return
    depth = int(d.random.integers(1, a.ndim + 1))
    rows = math.prod(a.shape[:depth])
    chosen = d.random.permutation(rows)[: d.pick(1, 2, rows)]
    places = np.stack(np.unravel_index(chosen, a.shape[:depth]), -1)
    updates = d.fresh(a.dtype.name, (len(chosen), *a.shape[depth:]))
    d.node("ScatterND", [x, d.add(places), updates], **options)


@rule(2)
def one_hot(d: Drawer) -> None:
    depth = d.pick(1, 3, 4)
    indices = d.add(
        d.random.integers(-depth, depth, d.shape(d.pick(0, 1, 2))).astype(
            d.pick("int32", "int64", "float32")
        )
    )
    values = d.fresh(d.pick("float32", "int64", "int32"), (2,))
    rank = d.values[indices].ndim
    axis = int(d.random.integers(-rank - 1, rank + 1))
    count = d.number([depth] if d.chance(0.5) else depth, d.pick("int64", "int32", "float32"))
    d.node("OneHot", [indices, count, values], axis=axis)


@rule(3)
def top_k(d: Drawer) -> None:
    x = d.of((*FLOATS, "int64", "int32"), 1)
    a = d.values[x]
    axis = d.axis(a)
    k = int(d.random.integers(0, a.shape[axis] + 1))
    options: dict[str, Any] = {"axis": axis}
    if d.opset >= 11:
        options["largest"] = d.pick(0, 1)
    if d.opset < 10:
        d.node("TopK", [x], 2, k=k, **options)
    else:
        d.node("TopK", [x, d.number([k])], 2, **options)


@rule(4)
def shapes(d: Drawer) -> None:
    """Shape arithmetic that ends in a Reshape, an Expand or a ConstantOfShape."""
    x = d.of(DTYPES, 1)
    a = d.values[x]
    options = {}
    if d.opset >= 15:
        options = {"start": int(d.random.integers(-a.ndim, a.ndim))} if d.chance(0.3) else {}
    (shape,) = d.node("Shape", [x], **options)
    kind = d.pick("reshape", "fill", "range", "size", "expand")
    if kind == "fill":
        tensor = onnx.numpy_helper.from_array(d.array(d.pick(*DTYPES), (1,)))
        d.node("ConstantOfShape", [shape], **({"value": tensor} if d.chance(0.7) else {}))
    elif kind == "reshape":
        if d.opset >= 13:
            (total,) = d.node("ReduceProd", [shape], keepdims=1)
            d.node("Reshape", [x, d.node("Concat", [total, d.number([1])], axis=0)[0]])
        d.node("Reshape", [x, d.number([-1])])
    elif kind == "range" and d.opset >= 11:
        (size,) = d.node("Gather", [shape, d.number(0)], axis=0)
        d.node("Range", [d.number(0), size, d.number(d.pick(1, 2))])
    elif kind == "size":
        d.node("Size", [x])
    else:
        d.node("Expand", [d.fresh(shape=()), shape])


@rule(2)
def ranges(d: Drawer) -> None:
    kind = d.pick("int64", "int32", "float32", "int16", "float64")
    first, last, by = d.pick((0, 5, 1), (5, 0, -2), (1, 1, 1), (-3, 4, 3), (3, 7, -1))
    d.node("Range", [d.number(first, kind), d.number(last, kind), d.number(by, kind)])


@rule(2)
def corners(d: Drawer) -> None:
    x = d.of(DTYPES, 2, lambda a: a.ndim == 2)
    if d.chance(0.5):
        options = {"k": int(d.random.integers(-2, 3))} if d.chance(0.6) else {}
        if d.chance(0.6):
            options["dtype"] = helper.np_dtype_to_tensor_dtype(np.dtype(d.pick(*DTYPES)))
        d.node("EyeLike", [x], **options)
    else:
        k = d.number(int(d.random.integers(-2, 3))) if d.chance(0.6) else ""
        d.node("Trilu", [x, k], upper=d.pick(0, 1))


@rule(2)
def blocks(d: Drawer) -> None:
    b, c = d.pick(1, 2, 3), d.pick(1, 2)
    if d.chance(0.5):
        x = d.fresh(d.pick(*DTYPES), (d.pick(0, 1, 2), c * b * b, d.pick(1, 2), 3))
        options = {"mode": d.pick("DCR", "CRD")} if d.opset >= 11 else {}
        d.node("DepthToSpace", [x], blocksize=b, **options)
    else:
        x = d.fresh(d.pick(*DTYPES), (d.pick(1, 2), c, b * d.pick(1, 2), b))
        d.node("SpaceToDepth", [x], blocksize=b)


@rule(2)
def reverse(d: Drawer) -> None:
    x = d.of(DTYPES, 2)
    a = d.values[x]
    batch = d.pick(0, 1)
    if not a.shape[1 - batch]:
        raise NotDrawnError
    lengths = d.add(d.random.integers(1, a.shape[1 - batch] + 1, a.shape[batch]))
    d.node("ReverseSequence", [x, lengths], batch_axis=batch, time_axis=1 - batch)
