"""What regions of an exported program refuse: an error where they run, and only there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import weft
from numerics import to_numpy

T = weft.Tensor


def _scan(x: T, count: int, body: Callable[[T], T]) -> T:
    start = weft.zeros((), dtype="float32")
    return weft.scan(lambda c, _: (c + body(x), c), start, weft.zeros(count))[0]


def _loop(x: T, p: T, body: Callable[[T], T]) -> T:
    """As often as p says."""
    start = p * 1, weft.zeros((), dtype="float32")
    return weft.while_loop(lambda s: s[0] > 0, lambda s: (s[0] - 1, s[1] + body(x)), start)[1]


def _inner(x: T, p: T) -> T:
    return weft.cond(p > 1, weft.max, weft.sum, x)


#: Of x [n] and a number p: each asks for an element of x where p is large, and some where it is 1.
FUNCTIONS: dict[str, Callable[[T, T], T | tuple[T, ...]]] = {
    "cond": lambda x, p: weft.cond(p > 0, weft.max, weft.sum, x),
    "cond, the other branch": lambda x, p: weft.cond(p > 0, weft.sum, weft.min, x),
    "both branches": lambda x, p: weft.cond(p > 0, weft.argmax, weft.argmin, x),
    "switch": lambda x, p: weft.switch(p, [weft.sum, weft.max, weft.min], x),
    "scan": lambda x, p: _scan(x, 3, weft.max) + p,
    "scan of nothing": lambda x, p: _scan(x, 0, weft.max) + p,
    "while_loop": lambda x, p: _loop(x, p, weft.max),
    "condition of while_loop": lambda x, p: weft.while_loop(
        lambda s: (s < p) & (weft.max(x) < 9), lambda s: s + 1, p * 0
    ),
    "cond in cond": lambda x, p: weft.cond(p > 0, lambda: _inner(x, p), lambda: weft.sum(x)),
    "cond in while_loop": lambda x, p: _loop(x, p, lambda x: _inner(x, p)),
    "while_loop in cond": lambda x, p: weft.cond(
        p > 1, lambda: _loop(x, p, weft.max), lambda: weft.sum(x)
    ),
    "cond in scan": lambda x, p: _scan(x, 2, lambda x: _inner(x, p)),
    "several axes": lambda x, p: weft.cond(
        p > 0, lambda x: weft.max(x[None] + weft.ones(3, 1)), weft.sum, x
    ),
    "more than one": lambda x, p: weft.cond(
        p > 0, lambda x: weft.max(x) + weft.argmin(x), weft.sum, x
    ),
    "checkpoint": lambda x, p: weft.checkpoint(weft.max)(x) + p,
    "checkpoint in cond": lambda x, p: weft.cond(p > 0, weft.checkpoint(weft.max), weft.sum, x),
    "before and after": lambda x, p: weft.cond(p > 0, weft.max, weft.sum, x * 2) + weft.sum(x),
    "a result of a region and x": lambda x, p: (weft.cond(p > 0, weft.max, weft.sum, x), x + 1),
}


def _outcome(call: Callable) -> object:
    """The results as arrays, or the kind and the text of the error without places and shapes."""
    try:
        found = call()
    except weft.WeftError as error:
        text = re.search(r"\w+: there is no element along axis \d", str(error))
        return type(error), text and text[0]
    return [to_numpy(x) for x in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_regions_that_refuse(name: str, tmp_path: Path) -> None:
    """The exported program, loaded too, does what the function does: a value or the error."""
    function = FUNCTIONS[name]
    program = weft.export(function, weft.spec(["n"]), weft.spec((), "int64"))
    program.save(tmp_path / "program.weft")
    for each in (program, weft.load(tmp_path / "program.weft")):
        for size, number in ((0, 0), (2, 1), (0, 1), (0, 2), (3, 2), (0, 0)):
            x, p = weft.arange(1.0 * size, dtype="float32"), weft.asarray(number)
            expected = _outcome(lambda x=x, p=p: function(x, p))
            found = _outcome(lambda x=x, p=p, each=each: each(x, p))
            if isinstance(expected, tuple) or isinstance(found, tuple):
                assert found == expected, (size, number)
                continue
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jit_does_what_eager_calls_do(name: str) -> None:
    function = FUNCTIONS[name]
    for number in range(3):
        x, p = weft.zeros(0), weft.asarray(number)
        found = _outcome(lambda x=x, p=p: weft.jit(function)(x, p))
        expected = _outcome(lambda x=x, p=p: function(x, p))
        if isinstance(expected, tuple) or isinstance(found, tuple):
            assert found == expected
            continue
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["cond", "while_loop", "cond in scan"])
def test_on_a_device(name: str) -> None:
    device = weft.device("emulator")
    compiled = weft.jit(FUNCTIONS[name])
    for size, number in ((2, 1), (0, 0), (0, 2)):
        x, p = weft.arange(1.0 * size, dtype="float32"), weft.asarray(number)
        expected = _outcome(lambda x=x, p=p: FUNCTIONS[name](x, p))
        found = _outcome(lambda x=x, p=p: compiled(x.to(device), p.to(device)).cpu())
        assert found == expected


def test_transformed_functions_refuse_as_well() -> None:
    def chosen(x: T) -> T:
        return weft.cond(weft.sum(x) < 5, weft.max, weft.sum, x)

    gradient = weft.export(weft.grad(chosen), weft.spec(["n"]))
    np.testing.assert_array_equal(gradient(weft.asarray([1.0, 2.0])), [0, 1])
    with pytest.raises(weft.ShapeError, match="max: there is no element"):
        gradient(weft.zeros(0))
    mapped = weft.export(weft.vmap(chosen), weft.spec([3, "n"]))
    np.testing.assert_array_equal(mapped(weft.ones(3, 2)), [1, 1, 1])
    np.testing.assert_array_equal(weft.vmap(chosen)(weft.ones(3, 2)), [1, 1, 1])
    with pytest.raises(weft.ShapeError, match="max: there is no element"):
        mapped(weft.zeros(3, 0))


def test_the_error_names_the_line_in_the_region() -> None:
    program = weft.export(lambda x: weft.cond(x.sum() > 0, weft.sum, weft.max, x), weft.spec(["n"]))
    with pytest.raises(weft.ShapeError, match="max: there is no element along axis 0") as error:
        program(weft.zeros(0))
    assert __file__ in str(error.value)


def test_indices_of_a_loop_are_checked() -> None:
    def fifth(x: T, p: T) -> T:
        return _loop(x, p, lambda x: x[4])

    program = weft.export(fifth, weft.spec(["n"]), weft.spec((), "int64"))
    assert program(weft.ones(5), weft.asarray(3)).item() == 3
    with pytest.raises(weft.WeftError):
        program(weft.ones(4), weft.asarray(3))
