"""Draws programs. Operations come from the op table; what needs special operands has a rule here.

A rule is a function of a Writer that adds a statement; `rule` registers it with how often it is
drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import weft
from op_row import DTYPE_CLASSES, Operand
from op_table import OPS
from program import Check, Program
from writer import DTYPES, FLOATS, SIZES, Calls, NotDrawnError, Writer, rule

# ---- The op table -------------------------------------------------------------------------------


def _fitting_shape(writer: Writer, shapes: list[tuple[int, ...]]) -> Callable[[weft.Tensor], bool]:
    def fits(x: weft.Tensor) -> bool:
        try:
            return int(np.prod(np.broadcast_shapes(*shapes, x.shape))) <= writer.largest
        except ValueError:
            return False

    return fits


def _dtypes(operand: Operand) -> tuple[str, ...]:
    names: list[str] = []
    for name in operand.dtype_classes:
        names += (
            ("complex64", "complex128") if name == "complex" else DTYPE_CLASSES.get(name, (name,))
        )
    return tuple(names)


@rule(30)
def from_table(writer: Writer) -> None:
    """An op of the table: values whose shapes broadcast, or a Python number for one of them."""
    row = writer.random.choice(OPS)
    operands: list[str] = []
    shapes: list[tuple[int, ...]] = []
    for operand in row.operands:
        if operands and len(row.operands) == 2 and writer.random.random() < 0.25:
            operands.append(writer.number(writer.values[operands[0]].dtype.name))
            continue
        loose = writer.random.random() < 0.1
        dtypes = DTYPES if loose else _dtypes(operand)
        name = writer.of(dtypes, _fitting_shape(writer, shapes))
        operands.append(name)
        shapes.append(tuple(writer.values[name].shape))
    tensors = [name for name in operands if name in writer.values]
    alike = (
        len({writer.values[n].dtype.name for n in tensors if writer.values[n].dtype != "bool"}) < 2
    )
    accepted = all(
        writer.values[name].dtype.name in _dtypes(operand)
        for name, operand in zip(operands, row.operands, strict=True)
        if name in writer.values
    )
    check = None
    if len(tensors) == len(operands) and accepted and alike:
        check = ("row", row.python, tuple(operands))
    if len(operands) == 2 and len(tensors) == 1 and writer.random.random() < 0.5:
        operands.reverse()
    writer.state(f"weft.{row.python}({', '.join(operands)})", check)


@rule(12)
def public_function(writer: Writer) -> None:
    """Any public function or method of one or two tensors."""
    if not writer.calls:
        raise NotDrawnError
    code, count = writer.random.choice(writer.calls)
    operands = [writer.pick()]
    if count == 2:
        fits = _fitting_shape(writer, [tuple(writer.values[operands[0]].shape)])
        operands.append(writer.pick(fits))
    writer.state(code.format(*operands))


# ---- Rules: what has attributes, or operands that are no tensors --------------------------------


@rule(4)
def conversion(writer: Writer) -> None:
    """Another dtype."""
    name = writer.pick()
    dtype = writer.random.choice(DTYPES)
    if "complex" in writer.values[name].dtype.name and not dtype.startswith("complex"):
        writer.state(f"weft.{writer.random.choice(('real', 'imag', 'abs', 'conj'))}({name})")
        return
    writer.state(f"{name}.astype('{dtype}')")


@rule(6)
def reduction(writer: Writer) -> None:
    """Along some axes, or all."""
    name = writer.pick()
    function = writer.random.choice(
        (
            "sum",
            "sum",
            "mean",
            "prod",
            "max",
            "min",
            "var",
            "any",
            "all",
            "argmax",
            "logsumexp",
            "std",
        )
    )
    rank = writer.values[name].ndim
    axes = (
        tuple(sorted(writer.random.sample(range(rank), writer.random.randint(1, rank))))
        if rank
        else ()
    )
    keep = writer.random.choice((True, False))
    axis: object = None if writer.random.random() < 0.2 else axes
    if function == "argmax":
        axis = writer.axis(name)
        function = writer.random.choice(("argmax", "argmin"))
    arguments = f"axis={axis}, keepdims={keep}"
    check = None
    if function in ("sum", "mean") and writer.values[name].dtype != "bool":
        check = ("sum", f"np.{function}(a[0], {arguments})", (name,))
    elif function in ("max", "min", "any", "all", "argmax", "argmin"):
        check = ("value", f"np.{function}(a[0], {arguments})", (name,))
        if "float16" in writer.values[name].dtype.name and "arg" in function:
            check = None  # ml_dtypes has its own order of NaN
    writer.state(f"weft.{function}({name}, {arguments})", check)


@rule(3)
def along_axis(writer: Writer) -> None:
    """Functions along one axis that keep the shape."""
    name = writer.pick()
    axis = writer.axis(name)
    code = writer.random.choice(
        (
            "softmax({}, {})", "log_softmax({}, {})", "cumulative_sum({}, axis={})",
            "cumulative_prod({}, axis={})", "sort({}, axis={})", "argsort({}, axis={})",
            "sort({}, axis={}, descending=True)", "flip({}, axis={})",
            "argsort({}, axis={}, descending=True)",
        )
    )  # fmt: skip
    code = code.format(name, axis)
    check = ("exact", f"np.{code.replace(name, 'a[0]')}", (name,)) if code[:4] == "flip" else None
    writer.state(f"weft.{code}", check)


@rule(2)
def layers(writer: Writer) -> None:
    """Normalization, convolution, pooling, attention."""
    kind = writer.random.randrange(5)
    if kind == 0:
        name = writer.of(FLOATS, lambda x: x.ndim > 0)
        size = writer.values[name].shape[-1]
        writer.state(f"weft.nn.functional.layer_norm({name}, ({size},))")
    elif kind == 1:
        image = writer.of(
            FLOATS, lambda x: x.ndim == 4 and min(x.shape[1:]) > 0 and max(x.shape) < 40
        )
        value = writer.values[image]
        channels = value.shape[1]
        window = [writer.random.randint(1, min(3, size)) for size in value.shape[2:]]
        weight = writer.input(
            value.dtype.name, (writer.random.choice((1, 2, 5)), channels, *window)
        )
        padding, stride = writer.random.randint(0, 2), writer.random.randint(1, 2)
        writer.state(
            f"weft.nn.functional.conv2d({image}, {weight}, padding={padding}, stride={stride})"
        )
    elif kind in (2, 3):
        image = writer.of(FLOATS, lambda x: x.ndim in (3, 4) and min(x.shape[-2:]) > 1)
        writer.state(f"weft.nn.functional.{('max', 'avg')[kind - 2]}_pool2d({image}, 2)")
    else:
        name = writer.of(FLOATS, lambda x: x.ndim in (3, 4))
        causal = writer.random.choice((True, False))
        code = f"({name}, {name}, {name}, is_causal={causal})"
        writer.state(f"weft.nn.functional.scaled_dot_product_attention{code}")


def key_text(writer: Writer, shape: tuple[int, ...]) -> str:
    """An index of numbers and slices, whole, backwards or apart, perhaps with an ellipsis."""
    parts = []
    for size in shape:
        kind = writer.random.randrange(6)
        if kind == 0 and size:
            parts.append(str(writer.random.randrange(-size, size)))
        elif kind <= 2:
            low = writer.random.randint(0, size)
            parts.append(f"{low}:{writer.random.randint(low, size + 1)}")
        elif kind == 3:
            parts.append(writer.random.choice(("::2", "::-1", "1::2", "::-2", "::3", "-2:", ":-1")))
        else:
            parts.append(":")
    if parts and writer.random.random() < 0.2:
        parts[writer.random.randrange(len(parts)) :] = ["..."]
    return ", ".join(parts) or "..."


@rule(10)
def movement(writer: Writer) -> None:
    """Other shapes of the same elements, exactly as NumPy has them."""
    name = writer.pick()
    shape = tuple(writer.values[name].shape)
    rank = len(shape)
    kind = writer.random.randrange(8)
    if kind == 0:
        code = f"weft.permute_dims({{}}, {tuple(writer.random.sample(range(rank), rank))})"
        check = code.replace("weft.permute_dims", "np.transpose")
    elif kind == 1:
        code = check = f"{{}}.reshape({_another_shape(writer, shape)})"
    elif kind == 2:
        wide = tuple(writer.random.choice((2, 3)) if size == 1 else size for size in shape)
        wide = (*((writer.random.choice((1, 2)),) if rank < 4 else ()), *wide)
        code, check = f"weft.broadcast_to({{}}, {wide})", f"np.broadcast_to({{}}, {wide})"
    elif kind in (3, 4):
        code = check = f"{{}}[{key_text(writer, shape)}]"
    elif kind == 5 and rank:
        padding = [(writer.random.randint(0, 2), writer.random.randint(0, 2)) for _ in shape]
        code = check = f"weft.pad({{}}, {padding})"
        check = check.replace("weft", "np")
    elif kind in (5, 6):
        code = f"weft.roll({{}}, {writer.random.randint(-3, 4)}, axis={writer.axis(name)})"
        check = code.replace("weft", "np")
    else:
        code = (
            f"weft.{writer.random.choice(('tril', 'triu'))}({{}}, k={writer.random.randint(-2, 2)})"
        )
        check = code.replace("weft", "np")
    writer.state(code.format(name), ("exact", check.format("a[0]"), (name,)))


def _another_shape(writer: Writer, shape: tuple[int, ...]) -> tuple[int, ...]:
    count = int(np.prod(shape))
    if count == 0:
        return tuple(writer.random.sample(shape, len(shape)))
    result = []
    for _ in range(writer.random.randint(0, 3)):
        result.append(writer.random.choice([d for d in range(1, count + 1) if count % d == 0]))
        count //= result[-1]
    return (*result, count) if result else (count,)


@rule(3)
def joining(writer: Writer) -> None:
    """Concatenation and stacks."""
    name = writer.pick(lambda x: x.ndim > 0)
    value = writer.values[name]
    axis = writer.random.randrange(value.ndim)

    def fits(x: weft.Tensor) -> bool:
        drop = lambda shape: [*shape[:axis], *shape[axis + 1 :]]  # noqa: E731
        return (
            x.ndim == value.ndim and x.dtype == value.dtype and drop(x.shape) == drop(value.shape)
        )

    other = writer.pick(fits)
    function = (
        "concat"
        if writer.values[other].shape != value.shape
        else writer.random.choice(("concat", "stack"))
    )
    numpys = "concatenate" if function == "concat" else function
    check = ("exact", f"np.{numpys}(a, axis={axis})", (name, other))
    writer.state(f"weft.{function}([{name}, {other}], axis={axis})", check)


@rule(4)
def by_index(writer: Writer) -> None:
    """Rows taken, rows added, chosen by arrays of places and masks."""
    name = writer.pick(lambda x: x.ndim > 0 and 0 not in x.shape)
    value = writer.values[name]
    axis = writer.random.randrange(value.ndim)
    size = value.shape[axis]
    places = [writer.random.randrange(-size, size) for _ in range(writer.random.randint(1, 5))]
    index = f"np.array({places})"
    if writer.random.random() < 0.5:
        code = f"take({name}, weft.asarray({index}), axis={axis})"
        writer.state(f"weft.{code}", ("exact", f"np.take(a[0], {index}, axis={axis})", (name,)))
        return
    if value.dtype == "bool":
        raise NotDrawnError
    shape = (*value.shape[:axis], len(places), *value.shape[axis + 1 :])
    updates = writer.input(value.dtype.name, shape)
    writer.state(f"weft.scatter_add({name}, weft.asarray({index}), {updates}, axis={axis})")


@rule(4)
def product(writer: Writer) -> None:
    """Products of matrices."""
    name = writer.pick(lambda x: x.ndim > 0 and x.dtype != "bool")
    value = writer.values[name]
    columns = writer.random.choice(SIZES)
    shape = (value.shape[-1], columns)
    if value.ndim > 2 and writer.random.random() < 0.5:
        shape = (*value.shape[:-2], *shape)
    if writer.random.random() < 0.2:
        shape = shape[-2:-1]
    other = writer.input(value.dtype.name, shape)
    writer.state(f"{name} @ {other}", ("sum", "a[0] @ a[1]", (name, other)))


@rule(3)
def power(writer: Writer) -> None:
    """Powers by Python numbers."""
    name = writer.pick(lambda x: x.dtype != "bool")
    exponent = writer.random.choice(("2", "3", "4", "0.5", "-1", "-2", "-0.5", "0", "1", "1.7"))
    writer.state(f"{name} ** {exponent}")


@rule(3)
def selection(writer: Writer) -> None:
    """Bounds, masks and numbers in comparisons."""
    name = writer.pick(lambda x: "complex" not in x.dtype.name)
    dtype = writer.values[name].dtype.name
    low, high = writer.number(dtype), writer.number(dtype)
    code = writer.random.choice(
        (
            "weft.clip({0}, {1}, {2})", "weft.where({0} > {1}, {0}, {2})",
            "weft.where({0} == {0}, {1}, {0})", "weft.maximum({0}, {1})",
            "weft.nan_to_num({0})", "({0} >= {1}) & ({0} != {2})",
        )
    )  # fmt: skip
    writer.state(code.format(name, low, high))


# ---- In place -----------------------------------------------------------------------------------


def _target(writer: Writer, fits: Callable[[weft.Tensor], bool] = lambda x: True) -> str:
    """A value that may change: in functions one of their own, as what is outside is not theirs."""
    if writer.lines is None:
        return writer.pick(fits)
    name = writer.pick(fits)
    return (
        writer.state(f"{name} * 1")
        if writer.values[name].dtype != "bool"
        else writer.state(f"~{name}")
    )


def _value_for(writer: Writer, view: weft.Tensor) -> str:
    """What can be assigned to a view: a number, or a value that broadcasts to it."""
    dtype = view.dtype.name

    def fits(x: weft.Tensor) -> bool:
        try:
            return x.dtype == view.dtype and np.broadcast_shapes(x.shape, view.shape) == view.shape
        except ValueError:
            return False

    names = writer.names(fits)
    return (
        writer.random.choice(names)
        if names and writer.random.random() < 0.6
        else writer.number(dtype)
    )


@rule(6)
def assignment(writer: Writer) -> None:
    """x[key] = value."""
    name = _target(writer)
    key = key_text(writer, tuple(writer.values[name].shape))
    value = _value_for(writer, writer.values[name][eval(f"np.s_[{key}]")])
    _change(writer, name, [f"{name}[{key}] = {value}"], value)


def _change(writer: Writer, name: str, lines: list[str], *values: str) -> None:
    """Statements that change a value; NumPy changes a copy in the same way, but for the other
    elements of an expanded view that are one with a changed one."""
    expanded = _is_expanded(writer.namespace[name])
    writer.execute(lines)
    others = [value for value in values if value in writer.values and value != name]
    if len(values) != len([v for v in values if v not in writer.values]) + len(others):
        writer.add(lines)  # reads what it changes
        return
    code = "\n".join(lines)
    for number, each in enumerate([name, *others]):
        code = re.sub(rf"\b{each}\b", f"a[{number}]", code)
    known = "weft" not in code and _exact_in_numpy(code) and not expanded
    writer.add(lines, Check("changed", code, (name, *others), name) if known else None)


def _is_expanded(x: weft.Tensor) -> bool:
    try:
        x.copy_(x.clone())
    except weft.UnsupportedError:
        return True
    return False


def _exact_in_numpy(code: str) -> bool:
    return "*=" not in code and "_(" not in code


@rule(6)
def through_view(writer: Writer) -> None:
    """A view of a view is changed, and so what it looks into."""
    name = _target(writer, lambda x: x.ndim > 0)
    view = writer.fresh("v" if writer.lines is None else "b")
    steps = [f"{view} = {name}"]
    for _ in range(writer.random.randint(1, 3)):
        writer.execute(steps)
        shape = tuple(writer.namespace[view].shape)
        kinds = [f"[{key_text(writer, shape)}]", ".reshape(-1)"]
        if len(shape) >= 2:
            kinds += [".T" if len(shape) == 2 else ".mT", ".mT"]
        steps[0] += writer.random.choice(kinds)
    writer.execute(steps)
    writer.learn(view)
    value = _value_for(writer, writer.values[view])
    change = writer.random.choice(
        (
            "{0}[...] = {1}",
            "{0} += {1}",
            "{0} *= {1}",
            "{0}.fill_({2})",
            "{0} -= {1}",
            "{0}.mul_({1})",
        )
    )
    number = writer.number(writer.values[view].dtype.name)
    change = change.format(view, value, number)
    writer.execute([change])
    writer.add([*steps, change])


@rule(2)
def method_in_place(writer: Writer) -> None:
    """A method with an underscore."""
    name = _target(writer)
    method = writer.random.choice(
        ("add_({1})", "neg_()", "abs_()", "clamp_({1}, {1})", "exp_()", "relu_()", "zero_()",
         "sub_({1})", "sigmoid_()", "floor_()", "div_({1})")
    )  # fmt: skip
    value = _value_for(writer, writer.values[name])
    if "clamp" in method:
        value = writer.number(writer.values[name].dtype.name)
    _change(writer, name, [f"{name}.{method.format(name, value)}"], value)


# ---- Functions within ---------------------------------------------------------------------------


@rule(3, draws_functions=True)
def branch(writer: Writer) -> None:
    """weft.cond and weft.switch."""
    name = writer.pick()
    value = writer.values[name]
    first = writer.function([value], writer.random.randint(1, 2), same=True)
    second = writer.function([value], writer.random.randint(1, 2), same=True)
    lines = [*first.lines, *second.lines]
    if writer.random.random() < 0.5:
        flag = (
            writer.pick(lambda x: x.numel() == 1)
            if writer.names(lambda x: x.numel() == 1)
            else None
        )
        condition = writer.random.choice(("True", "False"))
        if flag is not None and "complex" not in writer.values[flag].dtype.name:
            condition = f"{flag}.reshape(()) > 0"
        code = f"weft.cond({condition}, {first.name}, {second.name}, {name})"
    else:
        index = writer.random.randint(-1, 2)
        code = f"weft.switch({index}, [{first.name}, {second.name}], {name})"
    writer.state(code, None, *lines)


@rule(4, draws_functions=True)
def loop(writer: Writer) -> None:
    """weft.scan, fori_loop, while_loop and map."""
    kind = writer.random.randrange(4)
    if kind == 0:
        slices = writer.pick(lambda x: x.ndim > 0 and 0 < x.shape[0] <= 8)
        state = writer.pick()
        carried = writer.function([writer.values[state], writer.values[slices][0]], 2, same=True)
        body = f"lambda s, x: (lambda t: (t, t))({carried.name}(s, x))"
        reverse = writer.random.choice((True, False))
        code = f"weft.scan({body}, {state}, {slices}, reverse={reverse})"
        code += f"[{writer.random.randint(0, 1)}]"
    elif kind == 1:
        state = writer.pick()
        carried = writer.function([writer.values[state]], 2, same=True)
        low, high = writer.random.randint(0, 1), writer.random.randint(0, 3)
        code = f"weft.fori_loop({low}, {high}, lambda i, s: {carried.name}(s), {state})"
    elif kind == 2:
        state = writer.pick()
        carried = writer.function([writer.values[state]], 2, same=True)
        turns = writer.random.randint(0, 3)
        code = (
            f"weft.while_loop(lambda s: s[1] < {turns}, "
            f"lambda s: ({carried.name}(s[0]), s[1] + 1), ({state}, 0))[0]"
        )
    else:
        slices = writer.pick(lambda x: x.ndim > 0 and 0 < x.shape[0] <= 8)
        carried = writer.function([writer.values[slices][0]], 2)
        code = f"weft.map({carried.name}, {slices})"
    writer.state(code, None, *carried.lines)


@rule(4, draws_functions=True)
def gradient(writer: Writer) -> None:
    """weft.grad of the sum of a few operations."""
    name = writer.of(FLOATS)
    drawn = writer.function([writer.values[name]], writer.random.randint(1, 3))
    if drawn.result.dtype.name not in FLOATS:
        raise NotDrawnError
    code = f"weft.grad(lambda x: weft.sum({drawn.name}(x)))({name})"
    writer.state(code, None, *drawn.lines)


@rule(4, draws_functions=True)
def batch(writer: Writer) -> None:
    """weft.vmap, which has to be a loop over the examples, to the bit."""
    name = writer.pick(lambda x: x.ndim > 0 and 0 < x.shape[0] <= 5)
    value = writer.values[name]
    others = writer.names(lambda x: x.ndim > 0 and x.shape[0] == value.shape[0])
    arguments = [name, writer.random.choice(others)][: writer.random.randint(1, 2)]
    drawn = writer.function([writer.values[n][0] for n in arguments], writer.random.randint(1, 3))
    mapped = writer.state(f"weft.vmap({drawn.name})({', '.join(arguments)})", None, *drawn.lines)
    examples = ", ".join(
        f"{drawn.name}({', '.join(f'{n}[{i}]' for n in arguments)})" for i in range(value.shape[0])
    )
    writer.state(f"weft.stack([{examples}])", ("same", "", (mapped,)))


def draw_program(seed: int, calls: Calls = (), large: bool = False) -> Program:
    """The program of a number, with such calls of public functions as names.py finds."""
    return Writer(seed, calls, large).draw()
