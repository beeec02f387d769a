"""What mapped functions say of all examples: named axes, and random numbers of their own."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy


def numbers(*shape: int, seed: int = 0) -> weft.Tensor:
    return weft.asarray(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


REDUCTIONS = {
    "psum": (weft.psum, weft.sum),
    "pmean": (weft.pmean, weft.mean),
    "pmax": (weft.pmax, weft.max),
    "pmin": (weft.pmin, weft.min),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5, 3), (1, 2), (4,)])
def test_reductions_are_over_all_examples(name: str, shape: tuple[int, ...]) -> None:
    collective, reduction = REDUCTIONS[name]
    x = numbers(*shape)
    mapped = weft.vmap(lambda row: row * 2 - collective(row * 2, "rows"), axis_name="rows")
    expected = x * 2 - reduction(x * 2, axis=0)
    assert_same_bits(mapped(x), expected)
    assert_same_bits(weft.jit(mapped)(x), expected)
    same = weft.vmap(lambda row: collective(row, "rows"), out_axes=None, axis_name="rows")
    assert_same_bits(same(x), reduction(x, axis=0))


def test_numbers_and_containers_are_reduced() -> None:
    def function(x: weft.Tensor) -> dict:
        return {"count": weft.psum(1, "i"), "sums": [weft.psum(x, "i"), weft.psum(x + 1, "i")]}

    x = numbers(4, 2)
    result = weft.vmap(function, axis_name="i")(x)
    np.testing.assert_array_equal(to_numpy(result["count"]), [4] * 4)
    trees = weft.vmap(lambda x: weft.pmax({"a": x, "b": (x,)}, "i"), axis_name="i")(x)
    assert_same_bits(trees["a"], trees["b"][0])
    assert_same_bits(trees["a"][0], weft.max(x, axis=0))


def test_nested_axes_have_their_own_names() -> None:
    x = numbers(3, 4, 5)

    def function(x: weft.Tensor) -> tuple:
        return (
            weft.psum(x, "outer"),
            weft.psum(x, "inner"),
            weft.psum(x, ("outer", "inner")),
            x + weft.axis_index("outer") * 10 + weft.axis_index("inner"),
            weft.psum(weft.axis_index("inner"), "outer"),
        )

    inner = weft.vmap(function, axis_name="inner")
    result = weft.vmap(inner, axis_name="outer")(x)
    shape = x.shape
    over_outer = weft.sum(x, axis=0)
    assert_same_bits(result[0], weft.broadcast_to(over_outer, shape))
    inside = weft.sum(x, axis=1, keepdims=True)
    assert_same_bits(result[1], weft.broadcast_to(inside, shape))
    assert_same_bits(result[2], weft.broadcast_to(weft.sum(over_outer, axis=0), shape))
    places = np.arange(3).reshape(3, 1, 1) * 10 + np.arange(4).reshape(1, 4, 1)
    np.testing.assert_array_equal(to_numpy(result[3]), to_numpy(x) + places.astype(np.float32))
    np.testing.assert_array_equal(to_numpy(result[4]), np.tile(np.arange(4) * 3, (3, 1)))


def test_one_name_twice_is_the_innermost() -> None:
    x = numbers(2, 3)
    inner = weft.vmap(lambda x: weft.psum(x, "i"), axis_name="i")
    expected = weft.broadcast_to(weft.sum(x, axis=1, keepdims=True), (2, 3))
    assert_same_bits(weft.vmap(inner, axis_name="i")(x), expected)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gathered_values_are_those_of_all(axis: int) -> None:
    x = numbers(3, 4, 5)
    gathered = weft.vmap(lambda x: weft.all_gather(x, "i", axis=axis), axis_name="i")(x)
    assert_same_bits(gathered[1], weft.moveaxis(x, 0, axis))
    tiled = weft.vmap(
        lambda x: weft.all_gather(x, "i", axis=axis, tiled=True), axis_name="i", out_axes=None
    )(x)
    assert_same_bits(tiled, weft.concat(list(x), axis=axis))
    nested = weft.vmap(weft.vmap(lambda x: weft.all_gather(x, "o"), axis_name="i"), axis_name="o")(
        x
    )
    assert_same_bits(nested[2], weft.moveaxis(x, 0, 1))


def test_gradients_of_mapped_functions_flow_through() -> None:
    x, w = numbers(5, 3), numbers(3, seed=1)

    def loss(w: weft.Tensor) -> weft.Tensor:
        def one(row: weft.Tensor) -> weft.Tensor:
            score = (row * w).sum()
            return (score - weft.pmean(score, "i")) ** 2

        return weft.vmap(one, axis_name="i")(x).sum()

    def plain(w: weft.Tensor) -> weft.Tensor:
        scores = (x * w).sum(axis=1)
        return ((scores - weft.mean(scores)) ** 2).sum()

    ours, expected = (to_numpy(weft.grad(f)(w)) for f in (loss, plain))
    # Sums of 15 products in other orders.
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_batch_norm_by_a_named_axis() -> None:
    x = numbers(6, 4)
    mapped = weft.vmap(
        lambda row: (
            (row - weft.pmean(row, "n"))
            / weft.sqrt(weft.pmean(row * row, "n") - weft.pmean(row, "n") ** 2 + 1e-5)
        ),
        axis_name="n",
    )
    expected = weft.nn.functional.batch_norm(x, None, None, training=True)
    np.testing.assert_allclose(to_numpy(mapped(x)), to_numpy(expected), rtol=1e-4, atol=1e-5)


def test_errors_of_names() -> None:
    x = numbers(3)
    with pytest.raises(weft.NameUseError, match=r"named 'j' .there are 'i'.*axis_name"):
        weft.vmap(lambda x: weft.psum(x, "j"), axis_name="i")(x)
    with pytest.raises(weft.NameUseError, match="no axis has a name"):
        weft.axis_index("i")


def _by_hand(f: object, x: weft.Tensor) -> np.ndarray:
    """The gradient of each example's number for all examples, summed over the numbers: what a
    gradient for one example is where all take it at once."""
    total = lambda x: weft.sum(weft.vmap(f, axis_name="i")(x))  # noqa: E731
    return to_numpy(weft.grad(total)(x))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_gradients_of_one_example_reach_all(count: int) -> None:
    x = weft.asarray(np.random.default_rng(count).normal(size=(count, 2)))
    functions = {
        "psum": lambda x: weft.sum(weft.psum(weft.sin(x), "i") * x),
        "pmean": lambda x: weft.sum(weft.pmean(x * x, "i") ** 2 * weft.cos(x)),
        "pmax": lambda x: weft.sum(weft.pmax(x, "i") * x),
        "all_gather": lambda x: (
            weft.sum(weft.all_gather(x, "i") ** 2 * x)
            + weft.sum(weft.all_gather(x, "i", axis=0, tiled=True)[1:] ** 3)
        ),
        "axis_index": lambda x: weft.sum(x * x) * (weft.axis_index("i") + 1),
    }
    for name, f in functions.items():
        ours = eager_and_jit(weft.vmap(weft.grad(f), axis_name="i"), x)
        np.testing.assert_allclose(to_numpy(ours), _by_hand(f, x), rtol=1e-11, err_msg=name)
        along = weft.vmap(lambda x, f=f: weft.jvp(f, (x,), (x,))[1], axis_name="i")(x)
        mapped = lambda x, f=f: weft.vmap(f, axis_name="i")(x)  # noqa: E731
        exact = weft.jvp(mapped, (x,), (x,))[1]
        np.testing.assert_allclose(to_numpy(along), to_numpy(exact), rtol=1e-11, err_msg=name)
    # The transpose of a sum over all is the sum over all: each of n numbers has part in it.
    ones = weft.vmap(weft.grad(lambda x: weft.psum(x, "i")), axis_name="i")(weft.ones(count))
    assert to_numpy(ones).tolist() == [count] * count


@pytest.mark.parametrize("count", [1, 4])
def test_loops_and_branches_reach_all_examples(count: int) -> None:
    x = weft.asarray(np.random.default_rng(count).normal(size=(count, 3)))

    def step(c: weft.Tensor) -> weft.Tensor:
        c = c - weft.pmean(c, "i") + weft.psum(weft.sin(c), "i") * 0.1
        c = c * (weft.axis_index("i") + 1.0) - 0.2 * weft.pmax(c, "i") + 0.1 * weft.pmin(c, "i")
        return c + 0.1 * weft.sum(weft.all_gather(c, "i"), axis=0)

    def unrolled(x: weft.Tensor) -> weft.Tensor:
        return step(step(x))

    def branched(x: weft.Tensor) -> weft.Tensor:
        flag = weft.sum(x) > 0.0
        return weft.cond(flag, lambda x: weft.psum(x, "i"), lambda x: 2.0 * weft.psum(x, "i"), x)

    chosen = lambda x: weft.psum(x, "i") * weft.where(weft.sum(x) > 0.0, 1.0, 2.0)  # noqa: E731
    looped = {
        "scan": lambda x: weft.scan(lambda c, _: (step(c), None), x, None, length=2)[0],
        "fori": lambda x: weft.fori_loop(0, 2, lambda _, c: step(c), x),
        "while": lambda x: weft.while_loop(
            lambda s: s[0] < 2, lambda s: (s[0] + 1, step(s[1])), (0, x)
        )[1],
        "checkpoint": weft.checkpoint(unrolled),
    }
    for name, f in looped.items():
        ours = eager_and_jit(weft.vmap(f, axis_name="i"), x)
        exact = weft.vmap(unrolled, axis_name="i")(x)
        np.testing.assert_allclose(to_numpy(ours), to_numpy(exact), rtol=1e-12, err_msg=name)
        if name == "while":
            continue
        slope = weft.vmap(weft.grad(lambda x, f=f: weft.sum(f(x) ** 2)), axis_name="i")(x)
        by_hand = _by_hand(lambda x: weft.sum(unrolled(x) ** 2), x)
        np.testing.assert_allclose(to_numpy(slope), by_hand, rtol=1e-9, err_msg=name)
    ours, exact = (weft.vmap(f, axis_name="i")(x) for f in (branched, chosen))
    np.testing.assert_allclose(to_numpy(ours), to_numpy(exact), rtol=1e-13)


def test_examples_of_nested_axes_in_a_loop() -> None:
    x = weft.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)))

    def f(x: weft.Tensor) -> weft.Tensor:
        def step(c: weft.Tensor, _: None) -> tuple:
            both = weft.psum(c, ("a", "b")) * 0.1 + weft.all_gather(c, "a")[1]
            return weft.sin(c + both - weft.pmax(c, "b")), None

        return weft.scan(step, x, None, length=2)[0]

    mapped = weft.vmap(weft.vmap(f, axis_name="b"), axis_name="a")
    expected = to_numpy(x)
    for _ in range(2):
        both = expected.sum((0, 1)) * 0.1 + expected[1]
        expected = np.sin(expected + both - expected.max(1, keepdims=True))
    np.testing.assert_allclose(to_numpy(eager_and_jit(mapped, x)), expected, rtol=1e-12)


def test_integers_in_a_loop_are_summed_as_outside() -> None:
    x = weft.asarray(np.array([3, 250], np.uint8))
    outside = weft.vmap(lambda x: (weft.psum(x, "i"), weft.pmean(x, "i")), axis_name="i")(x)
    inside = weft.vmap(
        weft.checkpoint(lambda x: (weft.psum(x, "i"), weft.pmean(x, "i"))), axis_name="i"
    )(x)
    for one, other in zip(inside, outside, strict=True):
        assert_same_bits(one, other)


# Random numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 300, 1000])
def test_each_example_has_its_own_numbers(count: int) -> None:
    draw = weft.vmap(lambda x: x * 0 + weft.rand(4), randomness="different")
    x = weft.ones((count, 4))
    weft.manual_seed(0)
    first, second = draw(x), draw(x)
    weft.manual_seed(0)
    assert_same_bits(draw(x), first)
    values = np.concatenate([to_numpy(first), to_numpy(second)])
    assert len(np.unique(values)) > 0.999 * values.size
    assert abs(values.mean() - 0.5) < 6 * 12**-0.5 / values.size**0.5


def test_draws_are_those_of_split_keys() -> None:
    weft.manual_seed(3)
    ours = weft.vmap(lambda x: weft.random.normal((2,)), randomness="different")(weft.ones(5))
    weft.manual_seed(3)
    key = weft.random._keys.next_key()
    rows = [weft.random.normal((2,), key=own) for own in weft.random.split(key, 5)]
    assert_same_bits(ours, weft.stack(rows))


def test_nested_examples_differ_by_what_each_level_says() -> None:
    x = weft.ones((3, 4))

    def values(outer: str, inner: str) -> np.ndarray:
        mapped = weft.vmap(lambda x: weft.rand(()), randomness=inner, out_axes=0)
        both = weft.vmap(lambda row: mapped(row), randomness=outer)
        return to_numpy(both(x))

    assert len(np.unique(values("different", "different"))) == 12
    by_row = values("different", "same")
    assert len(np.unique(by_row)) == 3
    assert (by_row == by_row[:, :1]).all()
    by_column = values("same", "different")
    assert len(np.unique(by_column)) == 4
    assert (by_column == by_column[:1]).all()
    assert len(np.unique(values("same", "same"))) == 1


def test_dropout_differs_between_examples() -> None:
    x = weft.ones((300, 50))
    dropped = weft.vmap(lambda row: weft.nn.functional.dropout(row, 0.5), randomness="different")(x)
    kept = to_numpy(dropped) != 0
    assert len(np.unique(kept, axis=0)) == 300
    # 15000 fair coins: six standard deviations.
    assert abs(kept.mean() - 0.5) < 6 * 0.5 / 15000**0.5


@pytest.mark.parametrize("count", [2, 257, 600])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keys_of_many_examples_are_one_draw(count: int, dtype: str) -> None:
    keys = weft.random.split(weft.random.key(1), count)
    draw = lambda key: weft.random.normal((3, 5), key=key, dtype=dtype)  # noqa: E731
    mapped = weft.jit(weft.vmap(draw))(keys)
    for i in (0, 1, count - 1):
        assert_same_bits(mapped[i], draw(keys[i]))
    scalar = weft.vmap(lambda key: weft.random.randint(0, 1 << 40, (), key=key))(keys)
    assert scalar.shape == (count,)
    assert scalar[1].item() == weft.random.randint(0, 1 << 40, (), key=keys[1]).item()


def test_the_same_key_is_the_same_for_all() -> None:
    key = weft.random.key(5)
    mapped = weft.vmap(lambda x: x + weft.random.uniform((), key=key), randomness="different")
    assert len(np.unique(to_numpy(mapped(weft.ones(9))))) == 1


def test_what_the_mode_may_be() -> None:
    with pytest.raises(weft.OptionError, match="'error', 'different' or 'same'"):
        weft.vmap(lambda x: x, randomness="other")
    with pytest.raises(weft.UnsupportedError, match='randomness="different"'):
        weft.vmap(lambda x: x + weft.rand(()))(weft.ones(3))
