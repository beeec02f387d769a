"""Products, convolutions, pooling, normalizations and attention as ONNX nodes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._values import number_of
from ._writer import BOOL, INT32, Op, form, is_open
from ._written_movement import counted, reshaped


def _swapped(op: Op, place: int) -> str:
    order = list(range(len(op.types[place].shape)))
    order[-2:] = order[-1], order[-2]
    return op.node("Transpose", op.inputs[place], perm=order)


@form("matmul")
def _matmul(op: Op) -> str:
    lhs = _swapped(op, 0) if op.options.get("transpose_lhs") else op.inputs[0]
    rhs = _swapped(op, 1) if op.options.get("transpose_rhs") else op.inputs[1]
    return op.node("MatMul", lhs, op.writer.cast(rhs, op.writer.elements[lhs]))


def _borders(op: Op) -> list[int]:
    return [*op.options["padding"], *op.options["padding"]]


@form("conv2d")
def _conv(op: Op) -> str:
    return op.node(
        "Conv",
        *op.inputs,
        strides=op.options["strides"],
        dilations=op.options["dilations"],
        pads=_borders(op),
        group=op.options["groups"],
    )


@form("max_pool2d", "avg_pool2d")
def _pool(op: Op) -> str:
    options = {"kernel_shape": op.options["window"], "strides": op.options["strides"]}
    if op.name == "weft.max_pool2d":
        return op.node("MaxPool", op.inputs[0], pads=_borders(op), **options)
    return op.node("AveragePool", op.inputs[0], pads=_borders(op), count_include_pad=1, **options)


@form("batch_norm")
def _batch_norm(op: Op) -> str:
    x, mean, variance, weight, bias = op.inputs
    given = (x, weight, bias, mean, variance)
    return op.node("BatchNormalization", *given, epsilon=op.options["epsilon"])


@form("layer_norm")
def _layer_norm(op: Op) -> str:
    rank = len(op.types[1].shape)
    return op.node("LayerNormalization", *op.inputs, axis=-rank, epsilon=op.options["epsilon"])


# Attention -----------------------------------------------------------------------------------


@form("scaled_dot_product_attention")
def _attention(op: Op) -> str:
    w = op.writer
    scores = op.node("MatMul", op.inputs[0], _swapped(op, 1))
    scores = op.node("Mul", scores, w.like(scores, op.options["scale"]))
    least = w.like(scores, -np.inf)
    if len(op.inputs) == 4:
        mask = op.inputs[3]
        if w.elements[mask] == BOOL:
            scores = op.node("Where", mask, scores, least)
        else:
            scores = op.node("Add", scores, w.cast(mask, w.elements[scores]))
    if op.options["causal"]:
        scores = op.node("Where", _seen(op), scores, least)
    shares = op.node("Softmax", scores, axis=-1)
    if len(op.inputs) == 4:
        # A query that sees nothing gets 0.
        most = op.node("ReduceMax", scores, w.whole([-1]), keepdims=1)
        shares = op.node("Where", op.node("Equal", most, least), w.like(shares, 0), shares)
    return op.node("MatMul", shares, op.inputs[2])


def _seen(op: Op) -> str:
    """Which keys a query sees that is causal, by its position in its run."""
    queries, keys = op.types[0].shape[-2], op.types[1].shape[-2]
    w, groups = op.writer, op.options["groups"]
    if not (is_open(queries) or is_open(keys)):
        places = np.arange(queries) % max(queries // groups, 1)
        return w.array(places[:, None] >= np.arange(keys))
    places = counted(w, queries)
    if groups != 1:
        places = op.node("Mod", places, op.node("Div", w.size(queries), w.whole([groups])))
    rows = op.node("Unsqueeze", places, w.whole([1]))
    return op.node("GreaterOrEqual", rows, counted(w, keys))


# Channels last: what differentiation leaves of convolutions and pooling ----------------------


@form("convolution")
def _convolution(op: Op) -> str:
    x, weight = op.inputs
    shape, groups = list(op.types[1].shape), 1
    if len(shape) == 5:
        groups, shape = shape[3], [*shape[:3], shape[3] * shape[4]]
        weight = reshaped(op.writer, weight, shape)
        image = op.types[0].shape
        x = reshaped(op.writer, x, [*image[:3], image[3] * image[4]])
    made = op.node(
        "Conv",
        op.node("Transpose", x, perm=[0, 3, 1, 2]),
        op.node("Transpose", weight, perm=[3, 2, 0, 1]),
        strides=op.options["strides"],
        dilations=op.options["dilations"],
        group=groups,
    )
    if op.options.get("channels_first"):
        return made
    made = op.node("Transpose", made, perm=[0, 2, 3, 1])
    return made if groups == 1 and len(op.types[1].shape) == 4 else _in_shape(op, made)


def _in_shape(op: Op, name: str) -> str:
    return reshaped(op.writer, name, op.result.shape)


@form("convolution_weight_gradient")
def _weight_gradient(op: Op) -> str:
    """A convolution that sums over images: channels are its images, steps and gaps swap."""
    grouped = len(op.types[0].shape) == 5
    names = []
    for name, type in zip(op.inputs, op.types, strict=True):
        images, high, wide, *channels = type.shape
        if not grouped:
            names.append(op.node("Transpose", name, perm=[3, 0, 1, 2]))
            continue
        first = not names
        order = [4, 3, 0, 1, 2] if first else [3, 4, 0, 1, 2]
        group, count = channels
        shape = [count, group * images] if first else [group * count, images]
        name = op.node("Transpose", name, perm=order)
        names.append(reshaped(op.writer, name, [*shape, high, wide]))
    made = op.node(
        "Conv",
        *names,
        strides=op.options["dilations"],
        dilations=op.options["strides"],
        group=op.types[0].shape[3] if grouped else 1,
    )
    # What the steps of the convolution left over of the image gives rows too many.
    w, (high, wide) = op.writer, op.result.shape[:2]
    made = w.node("Slice", made, w.whole([0, 0]), w.sizes([high, wide]), w.whole([2, 3]))
    return _in_shape(op, op.node("Transpose", made, perm=[2, 3, 0, 1]))


def _windows(op: Op, shape: tuple) -> Iterator[tuple[int, list[str]]]:
    """Of each element of a window its number, and the bounds of a slice of all windows' ones."""
    w, (down, right) = op.writer, op.options["strides"]
    for high in range(op.options["window"][0]):
        for wide in range(op.options["window"][1]):
            ends = [high + (shape[1] - 1) * down + 1, wide + (shape[2] - 1) * right + 1]
            bounds = [w.whole([high, wide]), w.sizes(ends), w.whole([1, 2]), w.whole([down, right])]
            yield high * op.options["window"][1] + wide, bounds


@form("window_max_index")
def _window_max_index(op: Op) -> str:
    w, (x,) = op.writer, op.inputs
    best = place = ""
    for number, bounds in _windows(op, op.result.shape):
        part = op.node("Slice", x, *bounds)
        if not best:
            best, place = part, op.node("Mul", w.cast(part, INT32), w.whole32(0))
            continue
        better = op.node("Greater", part, best)
        if op.is_float:
            news = op.node("And", op.node("IsNaN", part), op.node("Not", op.node("IsNaN", best)))
            better = op.node("Or", better, news)
        best = op.node("Where", better, part, best)
        place = op.node("Where", better, w.whole32(number), place)
    return w.cast(place, number_of(op.result.dtype))


@form("window_gather")
def _window_gather(op: Op) -> str:
    x, index = op.inputs
    w, made = op.writer, ""
    index = w.cast(index, INT32)
    for number, bounds in _windows(op, op.result.shape):
        part = op.node("Slice", x, *bounds)
        hit = op.node("Equal", index, w.whole32(number))
        made = op.node("Where", hit, part, made) if made else part
    return made


@form("window_sum")
def _window_sum(op: Op) -> str:
    made = ""
    for _, bounds in _windows(op, op.result.shape):
        part = op.node("Slice", op.inputs[0], *bounds)
        made = op.node("Add", made, part) if made else part
    return made


@form("window_scatter", "window_spread")
def _window_scatter(op: Op) -> str:
    """The sum over the elements of a window of what each gets: x with gaps, at its place."""
    w, x = op.writer, op.inputs[0]
    index = w.cast(op.inputs[1], INT32) if len(op.inputs) == 2 else ""
    made = ""
    for number, _ in _windows(op, op.types[0].shape):
        part = x
        if index:
            hit = op.node("Equal", index, w.whole32(number))
            part = op.node("Where", hit, x, w.like(x, 0))
        part = _placed(op, part, divmod(number, op.options["window"][1]))
        made = op.node("Add", made, part) if made else part
    return made


def _placed(op: Op, part: str, place: tuple[int, int]) -> str:
    """One element of each window, zeros around it."""
    w, sizes = op.writer, list(op.types[0].shape)
    for axis, step in zip((1, 2), op.options["strides"], strict=True):
        if step > 1:
            part = w.node("Unsqueeze", part, w.whole([axis + 1]))
            part = w.node("Pad", part, w.whole([0, step - 1]), w.like(part, 0), w.whole([axis + 1]))
            sizes[axis] = sizes[axis] * step
            part = reshaped(w, part, sizes)
    high = [op.result.shape[d] - place[d - 1] - sizes[d] for d in (1, 2)]
    pads = w.sizes([0, *place, 0, 0, *high, 0])
    return w.node("Pad", part, pads, w.like(part, 0))
