"""What mapped functions say of all examples: named axes, and random numbers of their own."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, to_numpy


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
    with pytest.raises(weft.UnsupportedError, match="differentiate the mapped function"):
        weft.vmap(weft.grad(lambda x: weft.psum(x, "i") * x), axis_name="i")(x)

    def looped(x: weft.Tensor) -> weft.Tensor:
        return weft.fori_loop(0, 3, lambda _, x: weft.psum(x, "i"), x)

    with pytest.raises(weft.UnsupportedError, match="body of a loop or branch"):
        weft.jit(weft.vmap(looped, axis_name="i"))(x)


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
