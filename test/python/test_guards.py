"""What a compiled function reads from outside is compared at each call: nothing is stale."""

from __future__ import annotations

import collections
import functools
import gc
import importlib
import itertools
import math
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import weft
from guard_programs import PROGRAMS, Mode, Plain, X, bits
from weft import nn


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_change_between_calls_is_seen(name: str) -> None:
    plain, changes = PROGRAMS[name]()
    # The state of another copy for the plain function, which may change it too.
    other, other_changes = PROGRAMS[name]()
    compiled = weft.jit(plain)
    assert bits(compiled(X)) == bits(other(X))
    for number, (change, other_change) in enumerate(zip(changes, other_changes, strict=True)):
        change()
        other_change()
        for _ in range(2):
            assert bits(compiled(X)) == bits(other(X)), f"after change {number}"


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_change_is_seen_by_traces_that_start_from_another(name: str) -> None:
    """Each shape has a trace, whose search starts from what that of the shape before has found."""
    plain, changes = PROGRAMS[name]()
    other, other_changes = PROGRAMS[name]()
    compiled = weft.jit(plain)
    shapes = [weft.broadcast_to(X, (rows, 2)) for rows in (1, 2, 3)]
    for number in range(len(changes) + 1):
        # What is traced between two changes starts from what was traced after the first.
        for x in shapes[number % 3 :] + shapes[: number % 3]:
            assert bits(compiled(x)) == bits(other(x)), f"after {number} changes, {x.shape}"
        if number < len(changes):
            changes[number]()
            other_changes[number]()


class _Reading:
    """A function that reads other state for each length; `scales` has more than it reads."""

    def __init__(self) -> None:
        self.first = Plain(value=1.0)
        self.second = Plain(value=2.0, inner=Plain(scale=3.0))
        self.third = Plain(value=4.0)
        self.fourth = Plain(value=5.0)

    def read_first(self) -> float:
        return self.first.value

    def read_second(self) -> float:
        return self.second.value * self.second.inner.scale

    def read_third(self) -> float:
        return self.third.value + self.first.value

    def read_fourth(self) -> float:
        return self.fourth.value

    def __call__(self, x: Any) -> Any:
        kinds = [self.read_first, self.read_second, self.read_third, self.read_fourth]
        return x * kinds[len(x) % 4]()


def test_traces_that_read_what_the_one_before_did_not() -> None:
    for order in itertools.permutations(range(4)):
        outside, other = _Reading(), _Reading()
        compiled = weft.jit(lambda x, outside=outside: outside(x))
        for change in ("first", "second", "third", "fourth", ""):
            for length in order:
                x = weft.ones(length + 4)
                assert bits(compiled(x)) == bits(other(x)), (order, change, length)
            for state in (outside, other) if change else ():
                getattr(state, change).value += 1.0
                if change == "second":
                    state.second.inner = Plain(scale=7.0)


def _scaled(factor: float) -> tuple[Callable, Callable]:
    def scale(number: float) -> float:
        return number * factor

    def change(value: float) -> None:
        nonlocal factor
        factor = value

    return scale, change


def test_functions_of_one_code_that_no_path_reaches() -> None:
    """One trace runs a closure that a path leads to, the next one another closure of its code."""
    scale, _ = _scaled(1.0)
    other, change = _scaled(1.0)
    hidden = np.frompyfunc(other, 1, 1)

    names = {"scale": scale, "hidden": hidden, "__name__": "weft_test_paths"}
    exec("def direct(x): return x * scale(2.0)\ndef indirect(x): return x * hidden(2.0)", names)
    kinds = {"direct": names["direct"], "hidden": names["indirect"]}
    names["f"] = lambda x, kind: kinds[kind](x)
    f: Any = names["f"]
    compiled = weft.jit(f, static_argnums=1)
    for kind in ("direct", "hidden", "direct"):
        compiled(X, kind)
    change(5.0)
    for kind in ("hidden", "direct"):
        assert bits(compiled(X, kind)) == bits(f(X, kind))


def test_fewer_and_more_objects_among_the_arguments() -> None:
    def f(x: Any, *objects: Any) -> Any:
        return x * sum(item.value for item in objects)

    compiled = weft.jit(f)
    objects = [Plain(value=float(number)) for number in range(4)]
    for count in (2, 1, 3, 0, 4, 1):
        assert bits(compiled(X, *objects[:count])) == bits(f(X, *objects[:count]))
    before = _traces(compiled)
    objects[3].value = 7.0
    for count in (1, 2, 3, 0):
        assert bits(compiled(X, *objects[:count])) == bits(f(X, *objects[:count]))
    assert _traces(compiled) == before


def test_reads_do_not_add_up_over_traces() -> None:
    scales = {f"scale{number}": 1.0 for number in range(12)}
    text = "".join(f"def read{n}(): return scale{n}\n" for n in range(12))
    exec(text, scales)  # type: ignore[arg-type]
    readers = [scales[f"read{n}"] for n in range(12)]
    compiled = weft.jit(lambda x: x * readers[len(x)]())
    for number in range(12):
        compiled(weft.ones(number))
    for number in range(10):
        scales[f"scale{number}"] = 2.0
    before = _traces(compiled)
    compiled(weft.ones(11))
    assert _traces(compiled) == before


def _traces(compiled: Any) -> int:
    return compiled.stats()["traces"]


def test_what_no_code_names_traces_nothing() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.scale, self.steps, self.history = 2.0, 0, [0.0]

        def forward(self, x: Any) -> Any:
            return x * self.scale

    trainer = Trainer()
    compiled = weft.jit(trainer.forward)
    for _ in range(5):
        compiled(X)
        trainer.steps += 1
        trainer.history.append(1.0)
        globals()["_an_unrelated_global"] = trainer.steps
    assert _traces(compiled) == 1


def test_equal_objects_trace_nothing() -> None:
    outside = Plain(settings=Plain(scale=2.0, sizes=[1, 2]), weight=weft.asarray([1.0, 2.0]))

    def f(x: Any) -> Any:
        return x * outside.settings.scale * len(outside.settings.sizes) * outside.weight

    compiled = weft.jit(f)
    for i in range(4):
        outside.settings = Plain(scale=2.0, sizes=[1, 2])
        outside.weight = weft.asarray([1.0, float(i)])
        assert bits(compiled(X)) == bits(f(X))
    assert _traces(compiled) == 1


def test_a_failed_check_changes_nothing() -> None:
    first = Plain(weight=weft.asarray([1.0, 2.0]), scale=2.0)
    second = Plain(weight=weft.asarray([5.0, 6.0]), scale=3.0)
    outside = Plain(model=first)

    def f(x: Any) -> Any:
        return x * outside.model.weight * outside.model.scale

    compiled = weft.jit(f)
    for model in (first, second, first, second, first):
        outside.model = model
        assert bits(compiled(X)) == bits(f(X))
    # The weight came before the scale that differs; each trace still knows its own.
    assert _traces(compiled) == 2


class Bad:
    """Compares with nothing."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("these can't be compared")

    def __hash__(self) -> int:
        return 1


def test_comparisons_run_no_code_of_the_users() -> None:
    outside = Plain(items=[Bad(2.0)], table={"a": np.ones(2)})

    def f(x: Any) -> Any:
        return x * outside.items[0].value + float(outside.table["a"][0])

    compiled = weft.jit(f)
    for value in (2.0, 3.0, 2.0):
        outside.items = [Bad(value)]
        outside.table = {"a": np.full(2, value)}
        assert bits(compiled(X)) == bits(f(X))


def test_an_exception_in_a_property_is_the_users() -> None:
    class Model:
        def __init__(self) -> None:
            self.ready = True

        @property
        def scale(self) -> float:
            if not self.ready:
                raise LookupError("not ready")
            return 2.0

    model = Model()
    compiled = weft.jit(lambda x: x * model.scale)
    expected = bits(compiled(X))
    model.ready = False
    with pytest.raises(LookupError, match="not ready"):
        compiled(X)
    model.ready = True
    assert bits(compiled(X)) == expected
    assert _traces(compiled) == 2


# Arguments ---------------------------------------------------------------------------------------


def test_callables_among_the_arguments_are_looked_into() -> None:
    rates = [2.0]

    class Scale:
        def __init__(self) -> None:
            self.rate = 3.0

        def __call__(self, x: Any) -> Any:
            return x * self.rate

        def method(self, x: Any) -> Any:
            return x + self.rate

    scale = Scale()
    functions: list[Callable] = [
        lambda x: x * rates[0],
        functools.partial(lambda k, x: x * k[0], rates),
        scale,
        scale.method,
    ]

    def f(function: Callable, x: Any) -> Any:
        return function(x)

    for function in functions:
        compiled = weft.jit(f)
        for value in (4.0, 5.0, 4.0):
            rates[0] = scale.rate = value
            assert bits(compiled(function, X)) == bits(f(function, X))
        before = _traces(compiled)
        compiled(function, X)
        assert _traces(compiled) == before


def test_a_lambda_made_at_each_call_traces_once() -> None:
    compiled = weft.jit(lambda function, x: function(x))
    for value in (1.0, 2.0):
        for _ in range(3):
            assert bits(compiled(lambda x: x * value, X)) == bits(X * value)
    assert _traces(compiled) == 2


def test_methods_of_plain_classes() -> None:
    class Model:
        def __init__(self, scale: float) -> None:
            self.scales, self.weight = [scale], weft.asarray([1.0, 2.0])

        @weft.jit
        def forward(self, x: Any) -> Any:
            return x * sum(self.scales) * self.weight

        @functools.partial(weft.jit, static_argnums=0)
        def static(self, x: Any) -> Any:
            return x * sum(self.scales) * self.weight

    models = [Model(2.0), Model(3.0)]
    for change in (2.0, 3.0):
        for model in models:
            model.scales.append(change)
            model.weight = weft.asarray([change, 1.0])
            expected = bits(X * sum(model.scales) * model.weight)
            assert bits(model.forward(X)) == expected
            assert bits(model.static(X)) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (0.0, -0.0),
        (1, True),
        (1, 1.0),
        (math.nan, -math.nan),
        ((1, 0.0), (1, -0.0)),
        ((1, (2,)), (1, (2.0,))),
        ([1.0], [1]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.array([0.0]), np.array([-0.0])),
        (np.float32(1), np.float64(1)),
        (frozenset({1}), frozenset({True})),
        ("a", b"a"),
        (slice(1), slice(True)),
        (Mode.DOUBLE, Mode.TRIPLE),
        (weft.float32, weft.float64),
        (len, max),
        (int, float),
    ],
)
def test_static_arguments_compare_by_type_andbits(first: Any, second: Any) -> None:
    def f(x: Any, option: Any) -> Any:
        return x + 1.0

    compiled = weft.jit(f, static_argnums=1)
    for _ in range(2):
        compiled(X, first)
        compiled(X, second)
    assert _traces(compiled) == 2


def test_static_arguments_that_change() -> None:
    options = {"scales": [2.0]}
    compiled = weft.jit(lambda x, options: x * sum(options["scales"]), static_argnums=1)
    for value in (1.0, 2.0):
        options["scales"].append(value)
        assert bits(compiled(X, options)) == bits(X * sum(options["scales"]))


# What can't be watched ----------------------------------------------------------------------------


def _uses_iterator(iterator: Iterator = itertools.count(1)) -> Callable:  # noqa: B008
    return lambda x: x * next(iterator)


_UNWATCHED: dict[str, tuple[Callable, str]] = {
    "time": (lambda x: x * time.perf_counter(), "perf_counter"),
    "random": (lambda x: x * random.random(), "random"),
    "iterator": (_uses_iterator(), "iterator"),
    "numpy_random": (lambda x: x * np.random.rand(), "rand"),
    "lock": (lambda x: x * bool(_LOCK), "_LOCK"),
}
_LOCK = threading.Lock()


@pytest.mark.parametrize("name", list(_UNWATCHED))
def test_what_cannot_be_watched_is_named(name: str) -> None:
    function, word = _UNWATCHED[name]
    compiled = weft.jit(function)
    compiled(X)
    notes = [line for line in compiled.explain(X).splitlines() if "not watched" in line]
    assert any(word in note and "test_guards.py:" in note for note in notes), notes
    with pytest.raises(weft.UnsupportedError, match=word):
        weft.jit(function, strict=True)(X)


def test_strict_functions_of_what_is_watched() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.BatchNorm1d(2))
    table = {"scale": [2.0]}
    compiled = weft.jit(lambda x: net(x) * table["scale"][0], strict=True)
    compiled(weft.ones((4, 2)))
    assert not compiled.stats()["not_watched"]


# Bounds -------------------------------------------------------------------------------------------


def _nested(depth: int) -> list:
    items: list = []
    for _ in range(depth):
        items = [items]
    return items


def test_deep_globals_are_compared() -> None:
    deep = _nested(100_000)
    compiled = weft.jit(lambda x: x * len(deep))
    assert bits(compiled(X)) == bits(X)
    deep.append(1)
    assert bits(compiled(X)) == bits(X * 2)


def test_globals_that_hold_themselves() -> None:
    knot: list = [1.0]
    knot.append(knot)
    table: dict = {"scale": 2.0}
    table["self"] = table
    compiled = weft.jit(lambda x: x * knot[1][1][0] * table["self"]["scale"])
    for value in (2.0, 3.0):
        knot[0] = table["scale"] = value
        assert bits(compiled(X)) == bits(X * value * value)


@pytest.mark.parametrize("deep", [_nested(100_000), _nested(1_001)])
def test_deep_arguments_are_refused(deep: list) -> None:
    with pytest.raises(weft.UnsupportedError, match="nested more than 1000 deep"):
        weft.jit(lambda x, items: x)(X, deep)
    with pytest.raises(weft.UnsupportedError, match="nested more than 1000 deep"):
        weft.jit(lambda x: (x, deep))(X)


def test_arguments_that_hold_themselves_are_refused() -> None:
    knot: list = []
    knot += [knot, knot]
    with pytest.raises(weft.UnsupportedError, match="holds itself"):
        weft.jit(lambda x, items: x)(X, knot)


def test_too_much_state_is_refused() -> None:
    many = list(range(300_000))
    with pytest.raises(weft.UnsupportedError, match=r"`many`.*too many to compare"):
        weft.jit(lambda x: x * many[0])(X)


# Lifetime -----------------------------------------------------------------------------------------


def test_a_method_compiled_into_its_object_is_freed() -> None:
    class Model:
        def __init__(self) -> None:
            self.weight = weft.asarray([1.0, 2.0])
            self.step = weft.jit(self._step)

        def _step(self, x: Any) -> Any:
            return x * self.weight

    model = Model()
    model.step(X)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_types_of_arguments_are_freed_and_not_confused() -> None:
    compiled = weft.jit(lambda pair: pair[0] * len(type(pair).__name__))
    for length in range(1, 10):
        kind = collections.namedtuple("A" * length, "x")
        assert bits(compiled(kind(X))) == bits(X * length)
        gone = weakref.ref(kind)
        del kind
        compiled = weft.jit(lambda pair: pair[0] * len(type(pair).__name__))
        gc.collect()
        assert gone() is None


def test_the_profiler_that_was_there_goes_on() -> None:
    events = []
    sys.setprofile(lambda frame, event, argument: events.append(frame.f_code.co_name))
    try:
        weft.jit(_named_for_the_profiler)(X)
    finally:
        sys.setprofile(None)
    assert "_named_for_the_profiler" in events


def _named_for_the_profiler(x: Any) -> Any:
    return x * 2.0


def test_reloaded_modules(tmp_path: Any) -> None:
    (tmp_path / "weft_test_reload.py").write_text("def scaled(x):\n    return x * 2.0\n")
    sys.path.insert(0, str(tmp_path))
    try:
        module = importlib.import_module("weft_test_reload")
        compiled = weft.jit(lambda x: module.scaled(x))
        assert bits(compiled(X)) == bits(X * 2.0)
        (tmp_path / "weft_test_reload.py").write_text("def scaled(x):\n    return x * 30.0\n")
        importlib.invalidate_caches()
        importlib.reload(module)
        assert bits(compiled(X)) == bits(module.scaled(X))
    finally:
        sys.path.remove(str(tmp_path))


def test_no_table_keeps_the_classes_of_a_program() -> None:
    variables: dict = {"weft": weft, "__name__": "a_program"}
    exec(
        "class Own(weft.nn.Module):\n"
        "    scale = 2.0\n"
        "    def forward(self, x):\n"
        "        return x * self.scale\n"
        "own = Own()\n"
        "step = weft.jit(lambda x: own(x))\n"
        "step(weft.ones(2))",
        variables,
    )
    reference = weakref.ref(variables["Own"])
    variables.clear()
    gc.collect()
    assert reference() is None


def test_what_watches_the_collector_is_no_part_of_the_function():
    class Watch:
        def hook(self, phase, info):
            self.at = time.perf_counter()

    watch, before = Watch(), gc.get_threshold()

    def function(x):
        gc.collect()
        return x + 1

    gc.callbacks.append(watch.hook)
    gc.set_threshold(1)
    try:
        assert np.array_equal(weft.jit(function, strict=True)(X), np.asarray(X) + 1)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(watch.hook)
    assert watch.at
