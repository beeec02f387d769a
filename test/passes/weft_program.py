"""Programs of weft ops as text, with symbolic sizes or with numbers in their place."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor

Size = int | str


def evaluate(size: Size, values: Mapping[str, int]) -> int:
    """The number that a size is: an expression as "floor((h + 1) / 2)", or a number."""
    if isinstance(size, int):
        return size
    return int(eval(size, {"floor": floor, "__builtins__": {}}, dict(values)))


class Program:
    """The text of @main, op by op. Without `values` sizes stay symbolic."""

    def __init__(self, values: Mapping[str, int] | None = None) -> None:
        """Begins an empty function."""
        self.values = values
        self.arguments: list[str] = []
        self.lines: list[str] = []
        self.types: dict[str, str] = {}

    def type(self, *sizes: Size, dtype: str = "f32") -> str:
        """A tensor type."""
        if self.values is not None:
            sizes = tuple(evaluate(size, self.values) for size in sizes)
        shape = "".join(f"{size}x" if isinstance(size, int) else "?x" for size in sizes)
        if all(isinstance(size, int) for size in sizes):
            return f"tensor<{shape}{dtype}>"
        names = ", ".join(str(size) if isinstance(size, int) else f'"{size}"' for size in sizes)
        return f"tensor<{shape}{dtype}, #weft.shape<[{names}]>>"

    def argument(self, *sizes: Size, dtype: str = "f32") -> str:
        """A new argument."""
        name = f"%arg{len(self.arguments)}"
        self.types[name] = self.type(*sizes, dtype=dtype)
        self.arguments.append(f"{name}: {self.types[name]}")
        return name

    def op(self, name: str, *operands: str, result: str, **attributes: str) -> str:
        """A new op; attributes are MLIR's text."""
        value = f"%{len(self.lines)}"
        self.types[value] = result
        values = ", ".join(operands)
        types = ", ".join(self.types[operand] for operand in operands)
        pairs = ", ".join(f"{key} = {text}" for key, text in attributes.items())
        self.lines.append(
            f'  {value} = "weft.{name}"({values}) {{{pairs}}} : ({types}) -> {result}'
        )
        return value

    def like(self, name: str, *operands: str, **attributes: str) -> str:
        """An op whose result has the type of its first operand."""
        return self.op(name, *operands, result=self.types[operands[0]], **attributes)

    def constant(self, value: float, *sizes: Size) -> str:
        """A tensor of equal elements."""
        result = self.type(*sizes)
        shape = "tensor<f32>" if "#weft" in result else result
        return self.op("constant", result=result, value=f"dense<{value:e}> : {shape}")

    def text(self, *results: str, attributes: str = "") -> str:
        """The module, which returns `results`."""
        types = ", ".join(self.types[result] for result in results)
        head = f"func.func @main({', '.join(self.arguments)}) -> ({types}) {attributes} {{"
        tail = [f"  return {', '.join(results)} : {types}", "}"]
        return "\n".join([head, *self.lines, *tail])


def integers(*values: int) -> str:
    """A list of integers as an attribute."""
    return f"array<i64: {', '.join(map(str, values))}>"


def mlp(program: Program) -> str:
    """Two layers and a softmax."""
    x, b = program.argument("n", 20), program.argument(32)
    w1, w2 = program.argument(20, 32), program.argument(32, 10)
    hidden = program.op("matmul", x, w1, result=program.type("n", 32))
    bias = program.op("broadcast", b, result=program.type("n", 32), dimensions=integers(1))
    active = program.like(
        "maximum", program.like("add", hidden, bias), program.constant(0, "n", 32)
    )
    logits = program.op("matmul", active, w2, result=program.type("n", 10))
    return program.text(program.like("softmax", logits, axis="1 : i64"))


def convolution(program: Program, height: Size = 12) -> str:
    """Convolution, pooling and a classifier over the mean."""
    x, w = program.argument("n", 3, height, 12), program.argument(8, 3, 3, 3)
    pooled = height // 2 if isinstance(height, int) else f"floor(({height}) / 2)"
    two, zero, one = integers(2, 2), integers(0, 0), integers(1, 1)
    image = program.op(
        *("conv2d", x, w),
        result=program.type("n", 8, height, 12),
        strides=one,
        padding=one,
        dilations=one,
        groups="1 : i64",
    )
    active = program.like("maximum", image, program.constant(0, "n", 8, height, 12))
    small = program.op(
        *("max_pool2d", active),
        result=program.type("n", 8, pooled, 6),
        window=two,
        strides=two,
        padding=zero,
    )
    mean = program.op("mean", small, result=program.type("n", 8), axes=integers(2, 3))
    return program.text(program.op("exp", mean, result=program.type("n", 8)))


def symbolic_image(program: Program) -> str:
    """The same with a height that is symbolic, too."""
    return convolution(program, "4*h + 2")


def attention(program: Program) -> str:
    """Causal attention of n sequences of s elements, with a residual and its norm."""
    shape: tuple[Size, ...] = ("n", 4, "s", 8)
    q, k, v = (program.argument(*shape) for _ in range(3))
    attended = program.like(
        "scaled_dot_product_attention", q, k, v, scale="0.25 : f64", causal="true"
    )
    flat = program.op("reshape", program.like("add", attended, q), result=program.type("4*n*s", 8))
    weight, bias = program.argument(8), program.argument(8)
    return program.text(program.like("layer_norm", flat, weight, bias, epsilon="1.0e-5 : f64"))


def statistics(program: Program) -> str:
    """Mean and variances along symbolic dimensions."""
    x = program.argument("n", "s", 6)
    mean = program.op("mean", x, result=program.type(6), axes=integers(0, 1))
    scalar = program.op("mean", x, result=program.type(), axes=integers(0, 1, 2))
    unbiased = program.op(
        "variance", x, result=program.type("n", 6), axes=integers(1), correction="1.0 : f64"
    )
    return program.text(mean, scalar, unbiased)


def concatenation(program: Program) -> str:
    """Rows of several symbolic counts, a slice of them, and a border around them."""
    x, y = program.argument("n", 6), program.argument("s", 6)
    both = program.op("concatenate", x, y, x, result=program.type("2*n + s", 6), axis="0 : i64")
    inner = program.op(
        *("slice", program.like("exp", both)),
        result=program.type("2*n + s - 2", 3),
        starts=integers(1, 0),
        steps=integers(1, 2),
    )
    zero = program.op("constant", result="tensor<f32>", value="dense<0.0> : tensor<f32>")
    padded = program.op(
        *("pad", inner, zero),
        result=program.type("4*n + 2*s - 4", 5),
        low=integers(1, 1),
        interior=integers(1, 0),
    )
    return program.text(padded)


def training_step(program: Program) -> str:
    """A loss over classes and its gradients for two layers."""
    x, labels = program.argument("n", 20), program.argument("n", dtype="i64")
    w1, w2 = program.argument(20, 32), program.argument(32, 10)
    hidden = program.op("matmul", x, w1, result=program.type("n", 32))
    active = program.like("tanh", hidden)
    logits = program.op("matmul", active, w2, result=program.type("n", 10))
    losses = program.op("cross_entropy", logits, labels, result=program.type("n"))
    loss = program.op("mean", losses, result=program.type(), axes=integers(0))
    return program.text(loss, attributes="attributes {weft.differentiate = [2, 3]}")


PROGRAMS = (
    mlp,
    convolution,
    symbolic_image,
    attention,
    statistics,
    concatenation,
    training_step,
)
