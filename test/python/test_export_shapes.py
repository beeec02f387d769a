"""Symbolic sizes: what shape code can do with them, and what it is told it can't."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import weft
from numerics import assert_same_bits
from weft import nn
from weft.nn import functional as F

_KERNEL = weft.asarray(np.random.default_rng(9).standard_normal((4, 3, 3, 3)).astype(np.float32))
_TABLE = weft.asarray(np.random.default_rng(8).standard_normal((40, 6)).astype(np.float32))

#: Functions of x [b, n, 6], exported with b and n symbolic.
_FUNCTIONS: dict[str, Callable] = {
    "reshape": lambda x: x.reshape(-1, 3),
    "reshape to named": lambda x: x.reshape(x.shape[0] * x.shape[1], 2, -1),
    "flatten": lambda x: x.flatten(1),
    "last": lambda x: x[:, -1],
    "first": lambda x: x[:, 0],
    "without ends": lambda x: x[:, 1:-1],
    "last two": lambda x: x[:, -2:],
    "every second": lambda x: x[:, ::2],
    "at a size": lambda x: x[:, x.shape[1] - 2],
    "table rows": lambda x: x + _TABLE[: x.shape[1]],
    "new axis": lambda x: x[None, ..., None] * 2,
    "flip": lambda x: weft.flip(x, axis=(1, 2)),
    "roll": lambda x: weft.roll(x, (1, -2), axis=(1, 2)),
    "broadcast": lambda x: x + weft.mean(x, axis=(0, 1)) - x.mean(2, keepdim=True),
    "mean of all": lambda x: x.mean(),
    "variance": lambda x: x.var(1),
    "mean by hand": lambda x: x.sum(1) / x.shape[1],
    "size times": lambda x: x * x.shape[0] - (x.shape[1] + 1),
    "size as tensor": lambda x: weft.asarray(x.shape[1]) * 2,
    "softmax": lambda x: weft.softmax(x, dim=1),
    "extremum": lambda x: x.max(dim=1).values + x.argmax(1),
    "arange": lambda x: x + weft.arange(x.shape[1]).reshape(-1, 1),
    "arange from": lambda x: weft.arange(1, x.shape[1] + 1, 2).astype("float32"),
    "ones": lambda x: x * weft.ones(x.shape) + weft.zeros_like(x),
    "triangle": lambda x: weft.tril(x @ x.mT),
    "concatenate": lambda x: weft.concat([x, x * 2, x[:, :1]], axis=1),
    "chunk": lambda x: weft.concat(weft.concat([x, -x], axis=1).chunk(2, 1), axis=2),
    "split": lambda x: weft.stack(x.split(3, dim=2)),
    "stack": lambda x: weft.stack([x, x + 1], axis=1),
    "pad": lambda x: weft.pad(x, ((0, 0), (1, 2), (0, 0))),
    "repeat": lambda x: weft.repeat(x, 2, axis=1),
    "tile": lambda x: weft.tile(x, (1, 3, 1)),
    "einsum": lambda x: weft.einsum("bnd,bmd->bnm", x, x),
    "matmul": lambda x: x @ weft.ones(6, 5) + x @ weft.ones(6, 5),
    "expand": lambda x: x[:, :1].expand(-1, x.shape[1], -1),
    "permute": lambda x: x.permute(2, 0, 1),
    "assign": lambda x: _assigned(x),
    "linear": lambda x: F.linear(x, _TABLE),
    "layer_norm": lambda x: F.layer_norm(x, (6,)),
    "convolution": lambda x: F.conv2d(x.reshape(x.shape[0], 3, -1, 2), _KERNEL, padding=1),
    "pool": lambda x: F.avg_pool2d(x[:, None], 2, padding=1),
    "cross entropy": lambda x: F.cross_entropy(x.mT, x.argmax(2)),
    "soft cross entropy": lambda x: F.cross_entropy(x.mT, weft.softmax(x.mT, 1)),
    "batch statistics": lambda x: F.batch_norm(x.mT, None, None, training=True),
    "one hot": lambda x: F.one_hot(x.argmax(2), 6),
    "identity": lambda x: weft.eye(x.shape[1]),
    "standard deviation": lambda x: x.std(dim=(0, 1)),
    "numel": lambda x: x / x.numel(),
}


def _assigned(x: weft.Tensor) -> weft.Tensor:
    result = x * 1
    result[:, 0] = 5.0
    result[:, 1:] = result[:, 1:] * 2
    return result


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_shape_code(name: str) -> None:
    function = _FUNCTIONS[name]
    exported = weft.export(function, weft.spec(("b", "n", 6)))
    compiled = weft.jit(function)
    for sizes in ((2, 5, 6), (3, 4, 6), (1, 2, 6)):
        x = np.random.default_rng(3).standard_normal(sizes).astype(np.float32)
        result, expected = np.asarray(exported(x)), np.asarray(compiled(x))
        assert result.shape == expected.shape
        assert result.dtype == expected.dtype
        assert result.tobytes() == expected.tobytes()


#: Slices and elements of a size that may be too short for them.
_ENDS: dict[str, Callable] = {
    "last two": lambda x: x[:, -2:],
    "before the last": lambda x: x[:, -3:-1],
    "every second of the last": lambda x: x[:, -3::2],
    "none of the last": lambda x: x[:, -2:-3],
    "the last": lambda x: x[:, -1],
    "the one before": lambda x: x[:, -2],
    "at both": lambda x: x[-1:, -2:, 3],
    "a mean of the last": lambda x: x[:, -2:].mean(),
    "a product of the last": lambda x: x[:, -1] @ weft.ones(6, 3),
}
#: What a compiled function refuses where there is no element, as the maximum of none, and a program
#: does not.
_ANSWERED = {"reshape to named", "convolution", "chunk", "extremum"}


@pytest.mark.parametrize("name", [*_FUNCTIONS, *_ENDS])
def test_shape_code_of_few_elements_and_none(name: str) -> None:
    """A program gives what a compiled function does, or refuses what it was not exported for."""
    if name in _ANSWERED:
        return
    function = _FUNCTIONS.get(name) or _ENDS[name]
    exported = weft.export(function, weft.spec(("b", "n", 6)))
    compiled = weft.jit(function)
    for sizes in ((2, 3, 6), (2, 2, 6), (1, 1, 6), (0, 4, 6), (2, 0, 6), (0, 0, 6)):
        x = np.random.default_rng(3).standard_normal(sizes).astype(np.float32)
        try:
            expected = np.asarray(compiled(x))
        except weft.WeftError:
            with pytest.raises(weft.WeftError):
                exported(x)
            continue
        try:
            result = np.asarray(exported(x))
        except weft.ShapeError:
            assert sizes != (2, 3, 6)  # long enough for every slice
            continue
        assert_same_bits(result, expected)


def test_attention_module_with_padding() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def function(x: weft.Tensor, padding: weft.Tensor) -> tuple:
        return attention(x, x, x, key_padding_mask=padding, is_causal=True)

    exported = weft.export(
        function, weft.spec(("batch", "length", 8)), weft.spec(("batch", "length"), "bool")
    )
    for batch, length in ((2, 5), (1, 1), (3, 7)):
        x = np.random.default_rng(1).standard_normal((batch, length, 8)).astype(np.float32)
        padding = np.zeros((batch, length), bool)
        padding[:, 3:] = True
        results, expected = exported(x, padding), weft.jit(function)(x, padding)
        for left, right in zip(results, expected, strict=True):
            assert np.asarray(left).tobytes() == np.asarray(right).tobytes()


_REFUSED: dict[str, Callable] = {
    "if x.shape[0] > 3": lambda x: x if x.shape[0] > 3 else -x,
    "if size": lambda x: x if x.shape[0] else -x,
    "range()": lambda x: [x for _ in range(x.shape[0])],
    "list index": lambda x: [x, x][x.shape[0]],
    "float()": lambda x: x * float(x.shape[0]),
    "int()": lambda x: x * int(x.shape[0]),
    "len()": lambda x: x * len(x),
    "iteration": lambda x: [row for row in x],  # noqa: C416
    "division": lambda x: x * (1 / x.shape[0]),
    "remainder": lambda x: x * (x.shape[0] % 2),
    "times a float": lambda x: x * (x.shape[0] * 0.5),
    "max()": lambda x: x * max(x.shape[0], 1),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_what_needs_the_number_is_refused(name: str) -> None:
    with pytest.raises(weft.ConcretizationError) as error:
        weft.export(_REFUSED[name], weft.spec(("n", 2)))
    message = str(error.value)
    assert message.startswith(f"{__file__}:")
    assert "needs the size n, which is not known while exporting" in message


def test_what_does_not_need_the_number_is_answered() -> None:
    seen: list[object] = []

    def function(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        n, m = x.shape[0], y.shape[0]
        seen.extend([n == n, n == m, n == 3, n >= 0, n < 0, n + 1 > 0, n + m >= n, n != m])
        seen.extend([str(2 * n + m), (4 * n) // 2 == 2 * n, (6 * n) % 3, n - n, bool(n + 1)])
        seen.extend([hash(n) == hash(x.shape[0]), n**2 == n * n, f"{(n + 1) // 2}", -n + n])
        return x.sum() + y.sum()

    weft.export(function, weft.spec("n"), weft.spec("m"))
    assert seen == [
        *(True, False, False, True, False, True, True, True),
        *("2*n + m", True, 0, 0, True),
        *(True, True, "floor((n + 1) / 2)", 0),
    ]


def test_formulas_bind_and_check() -> None:
    def function(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        return x.reshape(2, -1).sum(0) + y[1:]

    exported = weft.export(function, weft.spec("2*n"), weft.spec("n + 1"))
    assert exported.symbols == ("n",)
    x, y = np.arange(6, dtype=np.float32), np.arange(4, dtype=np.float32)
    assert np.asarray(exported(x, y)).tolist() == [4.0, 7.0, 10.0]
    with pytest.raises(weft.ShapeError, match=r"y has to be float32\[n \+ 1\], where n is 3, but"):
        exported(x, x)
    with pytest.raises(weft.ShapeError, match=r"x has to be float32\[2\*n\], but is float32\[3\]"):
        exported(x[:3], y)


def test_sizes_out_of_range_are_found_in_calls() -> None:
    exported = weft.export(lambda x: x[:, :4] * x[:, -1:], weft.spec((2, "n")))
    assert exported(np.ones((2, 5), np.float32)).shape == (2, 4)
    with pytest.raises(weft.ShapeError):
        exported(np.ones((2, 3), np.float32))


def test_different_names_are_different_sizes() -> None:
    with pytest.raises(weft.ShapeError, match=r"add: shapes \(n,\) and \(m,\) do not broadcast"):
        weft.export(lambda x, y: x + y, weft.spec("n"), weft.spec("m"))
    with pytest.raises(weft.ShapeError, match=r"\(n, 4\) has 4\*n elements, which \(-1, 3\)"):
        weft.export(lambda x: x.reshape(-1, 3), weft.spec(("n", 4)))


@pytest.mark.parametrize("shape", ["n n", "2 n", "", "n/2", -1, (3, -2), 1.5, (None,), "4 - 5"])
def test_bad_specs(shape: object) -> None:
    with pytest.raises(weft.ShapeError, match="spec: "):
        weft.spec(shape)


def test_a_size_that_no_argument_tells() -> None:
    with pytest.raises(weft.ShapeError, match=r"tells the number [mn]: the size m\*n of x"):
        weft.export(lambda x: x, weft.spec("n*m"))


def test_sizes_of_specs_can_be_computed_with() -> None:
    x = weft.spec(("n", 3))
    n = x.shape[0]
    assert isinstance(n, weft.SymbolicSize)
    assert repr(weft.spec((n * 2 + 1, 3), "int32")) == "int32[2*n + 1, 3]"


#: What looks at values for its shape, told how many elements there are at most.
BOUNDED = {
    "nonzero": lambda x, n: (weft.nonzero(x, size=n)[0], weft.count_nonzero(x)),
    "compress": lambda x, n: (weft.compress(x > 0, x, size=n), (x > 0).sum()),
    "unique": lambda x, n: weft.unique_counts(x, size=n),
    "repeat": lambda x, n: weft.repeat(x, weft.astype(x, "int64"), size=n),
    "bincount": lambda x, n: weft.bincount(weft.astype(x, "int64"), length=n),
    "segments": lambda x, n: weft.ops.segment_sum(x, weft.astype(x, "int64"), num_segments=n),
    "searchsorted": lambda x, n: weft.searchsorted(weft.sort(x), x + 0.5),
    "isin": lambda x, n: weft.isin(x, weft.asarray([0.0, 2.0])),
}
#: The same without, and the option that the error names.
UNBOUNDED = {
    "nonzero": (weft.nonzero, "size="),
    "mask": (lambda x: x[x > 0], "size="),
    "masked_select": (lambda x: weft.masked_select(x, x > 0), "size="),
    "compress": (lambda x: weft.compress(x > 0, x), "size="),
    "unique": (weft.unique, "size="),
    "repeat": (lambda x: weft.repeat(x, weft.astype(x, "int64")), "size="),
    "bincount": (lambda x: weft.bincount(weft.astype(x, "int64")), "length="),
    "segments": (lambda x: weft.ops.segment_sum(x, weft.astype(x, "int64")), "num_segments="),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_of_shapes_that_values_decide(name: str) -> None:
    bounded = BOUNDED[name]
    program = weft.export(lambda x: bounded(x, x.shape[0]), weft.spec("n"))
    for count in (1, 2, 7, 20):
        x = weft.asarray(np.random.default_rng(count).integers(0, 3, count).astype(np.float32))
        assert_same_bits(program(x), bounded(x, count))


@pytest.mark.parametrize("name", UNBOUNDED)
@pytest.mark.parametrize("size", ["n", 4])
def test_errors_name_the_option_that_says_a_bound(name: str, size: str | int) -> None:
    function, option = UNBOUNDED[name]
    with pytest.raises(weft.UnsupportedError, match=f"exported.* by .*{option}"):
        weft.export(function, weft.spec(size))
    with pytest.raises(weft.UnsupportedError, match=f"vmap.* by .*{option}"):
        weft.vmap(function)(weft.ones((2, 4)))
