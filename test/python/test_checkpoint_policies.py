"""What checkpoints keep: policies, names, budgets, measured; random numbers in checkpoints."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy

_POLICIES = weft.checkpoint_policies
_N = 64


def _block(x: Any, w: Any) -> Any:
    y = weft.checkpoint_name(weft.tanh(x @ w), "hidden")
    return weft.sin(weft.exp(weft.checkpoint_name(y @ w, "other")) * 0.1)


def _loss(**options: Any) -> Any:
    block = weft.checkpoint(_block, **options)
    return lambda x, w: weft.sum(block(block(x, w), w))


def _arguments() -> tuple[weft.Tensor, weft.Tensor]:
    random = np.random.default_rng(0)
    return tuple(weft.asarray(random.normal(size=(_N, _N)) * 0.1) for _ in range(2))


_ALL = {
    "everything": _POLICIES.everything_saveable,
    "nothing": _POLICIES.nothing_saveable,
    "dots": _POLICIES.dots_saveable,
    "unbatched": _POLICIES.dots_with_no_batch_dims_saveable,
    "hidden": _POLICIES.save_only_these_names("hidden"),
    "not hidden": _POLICIES.save_any_names_but_these("hidden"),
    "all but": _POLICIES.save_anything_except_these_names("hidden"),
}


@pytest.mark.parametrize("name", _ALL)
def test_policies_change_no_bit(name: str) -> None:
    x, w = _arguments()
    plain = eager_and_jit(weft.value_and_grad(_loss(), 1), x, w)
    kept = eager_and_jit(weft.value_and_grad(_loss(policy=_ALL[name]), 1), x, w)
    for one, other in zip(weft.tree.leaves(plain), weft.tree.leaves(kept), strict=True):
        assert_same_bits(one, other)
    # Without a checkpoint the gradients of w are summed in another order.
    exact = weft.grad(lambda x, w: weft.sum(_block(_block(x, w), w)), 1)(x, w)
    np.testing.assert_allclose(to_numpy(kept[1]), to_numpy(exact), rtol=1e-12, atol=1e-13)
    mapped = weft.vmap(weft.grad(_loss(policy=_ALL[name])), in_axes=(0, None))(x[None], w)
    assert_same_bits(mapped[0], weft.grad(_loss())(x, w))
    step = weft.checkpoint(_block, policy=_ALL[name])

    def looped(w: Any, block: Any) -> Any:
        return weft.sum(weft.scan(lambda c, _: (block(c, w), None), x, None, length=3)[0])

    again = weft.checkpoint(_block)
    slope = weft.grad(lambda w: looped(w, step))(w)
    assert_same_bits(slope, weft.grad(lambda w: looped(w, again))(w))


def _peak(step: Any, *arguments: Any) -> int:
    step(*arguments)
    weft.stats(reset_peak=True)
    before = weft.stats()["peak_bytes_in_use"]
    step(*arguments)
    return weft.stats()["peak_bytes_in_use"] - before


_LARGE = 1 << 16


def _tall(x: Any) -> Any:
    for number in range(6):
        x = weft.checkpoint_name(weft.sin(weft.cumulative_sum(x)), f"part {number}")
    return x


def _tensors_at_peak(depth: int, looped: bool, part: Any) -> int:
    def loss(x: Any) -> Any:
        if looped:
            return weft.sum(weft.scan(lambda c, _: (part(c), None), x, None, length=depth)[0])
        for _ in range(depth):
            x = part(x)
        return weft.sum(x)

    return _peak(weft.jit(weft.grad(loss)), weft.ones(_LARGE)) // (4 * _LARGE)


@pytest.mark.parametrize("looped", [False, True])
def test_memory_by_policy(looped: bool) -> None:
    """Tensors that each of four more blocks keeps, of the at least twelve that it computes."""

    def growth(**options: Any) -> float:
        part = weft.checkpoint(_tall, **options) if options else _tall
        few, many = (_tensors_at_peak(depth, looped, part) for depth in (4, 8))
        return (many - few) / 4

    plain = growth()
    nothing = growth(policy=_POLICIES.nothing_saveable)
    everything = growth(policy=_POLICIES.everything_saveable)
    two = growth(policy=_POLICIES.save_only_these_names("part 1", "part 3"))
    budget = growth(memory_budget=2 * 4 * _LARGE)
    assert plain >= 6
    assert everything >= plain - 1
    assert nothing <= 1.5
    assert nothing + 1 <= two <= nothing + 2.5
    assert nothing + 1 <= budget <= nothing + 2.5
    assert growth(memory_budget=0) == nothing


def test_dots_are_kept_by_what_they_declare() -> None:
    """The policy asks whether an operation contracts, and whether it has batch dimensions."""

    def products(f: Any, shape: tuple[int, ...], policy: Any) -> int:
        loss = lambda w: weft.sum(weft.checkpoint(f, policy=policy)(w))  # noqa: E731
        text = weft.jit(weft.value_and_grad(loss)).lower(weft.ones(shape)).ir("kernels")
        return len(re.findall(r"weft\.launch @\w*matmul", text))

    chain = lambda w: weft.sin(weft.sin(w @ w) @ w)  # noqa: E731
    again = products(chain, (4, 4), None)
    assert products(chain, (4, 4), _POLICIES.dots_saveable) < again
    assert products(chain, (4, 4), _POLICIES.dots_with_no_batch_dims_saveable) < again
    again = products(chain, (2, 4, 4), None)
    assert products(chain, (2, 4, 4), _POLICIES.dots_saveable) < again
    assert products(chain, (2, 4, 4), _POLICIES.dots_with_no_batch_dims_saveable) == again


def test_names_are_values_of_their_own() -> None:
    x = weft.asarray([1.0, 2.0])
    assert_same_bits(weft.checkpoint_name({"a": x}, "n")["a"], x)
    assert_same_bits(weft.grad(lambda x: weft.sum(weft.checkpoint_name(x * x, "n")))(x), x * 2.0)
    assert_same_bits(weft.vmap(lambda x: weft.checkpoint_name(x * x, "n"))(x), x * x)
    with pytest.raises(weft.DTypeError, match="a name is a string"):
        weft.checkpoint_name(x, 3)  # type: ignore[arg-type]
    with pytest.raises(weft.DTypeError, match="a name is a string"):
        _POLICIES.save_only_these_names(3)


def test_random_numbers_are_the_same_again() -> None:
    x = weft.asarray(np.linspace(0.5, 1.5, 64))

    def noisy(x: Any) -> Any:
        dropped = weft.nn.functional.dropout(weft.sin(x), 0.5)
        return weft.sum(dropped * weft.exp(x) * weft.random.normal((64,), dtype="float64"))

    def run(f: Any) -> list[weft.Tensor]:
        weft.random.seed(7)
        return [*weft.value_and_grad(f)(x), *weft.value_and_grad(f)(x), weft.random.uniform((2,))]

    plain = run(noisy)
    for again in (run(weft.checkpoint(noisy)), run(weft.jit(weft.checkpoint(noisy)))):
        for one, other in zip(plain, again, strict=True):
            assert_same_bits(one, other)
    leaf = x.clone()
    leaf.requires_grad = True
    weft.random.seed(7)
    weft.checkpoint(noisy, leaf, use_reentrant=False, preserve_rng_state=True).backward()
    assert_same_bits(leaf.grad, plain[1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"policy": "dots"}, weft.DTypeError, "one of weft.checkpoint_policies"),
        ({"memory_budget": -1}, weft.OptionError, "counts bytes"),
        ({"memory_budget": 0.5}, weft.DTypeError, "memory_budget has to be an integer or None"),
        ({"memory_budget": True}, weft.OptionError, "counts bytes"),
    ],
)
def test_wrong_options_are_named(options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        weft.checkpoint(weft.sin, **options)
