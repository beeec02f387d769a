"""Loops and branches: compiled, at once, and against NumPy."""

import random
import signal
import threading
import time

import numpy as np
import pytest
import weft
from loop_programs import DTYPES, Body, NumPy, random_array, random_shape
from numerics import assert_same_bits, to_numpy


def bits(value):
    return np.asarray(value).tobytes(), value.dtype.name, tuple(value.shape)


def assert_same(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert bits(one) == bits(other)


def assert_close(values, reference):
    for value, other in zip(values, reference, strict=True):
        assert np.asarray(value).shape == np.shape(other)
        if "float" in value.dtype.name:
            np.testing.assert_allclose(np.asarray(value), other, rtol=1e-4, atol=1e-4)
        else:
            np.testing.assert_array_equal(np.asarray(value), other)


class ScanCase:
    """A random scan: carried values, slices, captured tensors."""

    def __init__(self, seed):
        rng = random.Random(seed)
        self.length = rng.choice([0, 1, 2, 3, 7])
        self.reverse = rng.random() < 0.5
        draw = lambda count: [  # noqa: E731
            (random_shape(rng), rng.choice(DTYPES)) for _ in range(count)
        ]
        carried, sliced, captured, made = draw(rng.randrange(3)), draw(2), draw(1), draw(2)
        self.carried = [random_array(rng, *entry) for entry in carried]
        self.sliced = [random_array(rng, (self.length, *shape), dtype) for shape, dtype in sliced]
        self.captured = [random_array(rng, *entry) for entry in captured]
        self.made = made
        self.body = Body(rng, len(carried) + 3, carried + made)
        # Some bodies hand values on as they are, or let them change places.
        self.turned = rng.random() < 0.3 and len(carried) == 2 and carried[0] == carried[1]
        self.kept = rng.random() < 0.3

    def step(self, xp, captured):
        def run(carry, x):
            made = self.body(xp, [*carry, *x, *captured])
            count = len(self.carried)
            following = list(carry) if self.kept else made[:count]
            if self.turned:
                following.reverse()
            return following, tuple(made[count:])

        return run

    def reference(self):
        carry, rows = list(self.carried), []
        order = range(self.length)
        step = self.step(NumPy, self.captured)
        for number in reversed(order) if self.reverse else order:
            carry, row = step(carry, [part[number] for part in self.sliced])
            rows.append(row)
        if self.reverse:
            rows.reverse()
        stacked = [
            np.stack([row[place] for row in rows]) if rows else np.zeros((0, *shape), dtype)
            for place, (shape, dtype) in enumerate(self.made)
        ]
        return carry + stacked

    def run(self, carried, sliced, captured):
        carry, made = weft.scan(
            self.step(weft, captured), carried, sliced, length=self.length, reverse=self.reverse
        )
        return [*carry, *made]

    def arguments(self):
        return [
            [weft.array(part) for part in own] for own in (self.carried, self.sliced, self.captured)
        ]


@pytest.mark.parametrize("seed", range(60))
def test_random_scans(seed):
    case = ScanCase(seed)
    with np.errstate(all="ignore"):
        reference = case.reference()
    compiled = weft.jit(case.run)(*case.arguments())
    assert_close(compiled, reference)
    assert_same(case.run(*case.arguments()), compiled)


@pytest.mark.parametrize("seed", range(30))
def test_random_branches(seed):
    rng = random.Random(seed)
    entries = [(random_shape(rng), rng.choice(DTYPES)) for _ in range(2)]
    outputs = [(random_shape(rng), rng.choice(DTYPES)) for _ in range(2)]
    arrays = [random_array(rng, *entry) for entry in entries]
    bodies = [Body(rng, 2, outputs) for _ in range(rng.randint(1, 4))]

    def run(index, *tensors):
        return weft.switch(
            index, [lambda *own, body=body: body(weft, own) for body in bodies], *tensors
        )

    compiled = weft.jit(run)
    for index in range(-1, len(bodies) + 1):
        chosen = bodies[min(max(index, 0), len(bodies) - 1)]
        with np.errstate(all="ignore"):
            reference = chosen(NumPy, arrays)
        tensors = [weft.array(array) for array in arrays]
        made = compiled(weft.array(index), *tensors)
        assert_close(made, reference)
        assert_same(run(index, *tensors), made)


@pytest.mark.parametrize("seed", range(30))
def test_random_while_loops(seed):
    rng = random.Random(seed)
    entries = [(random_shape(rng), rng.choice(DTYPES)) for _ in range(rng.randint(1, 3))]
    arrays = [random_array(rng, *entry) for entry in entries]
    body, count = Body(rng, len(entries) + 1, entries), rng.choice([0, 1, 2, 5])

    def run(last, captured, *tensors):
        state = {"i": 0, "own": list(tensors)}
        return weft.while_loop(
            lambda now: now["i"] < last,
            lambda now: {"i": now["i"] + 1, "own": body(weft, [*now["own"], captured])},
            state,
        )

    captured = random_array(rng, (3,), "int64")
    reference = list(arrays)
    for _ in range(count):
        with np.errstate(all="ignore"):
            reference = body(NumPy, [*reference, captured])
    arguments = [weft.array(count), weft.array(captured), *map(weft.array, arrays)]
    made = weft.jit(run)(*arguments)
    assert int(made["i"]) == count
    assert_close(made["own"], reference)
    assert_same(run(*arguments)["own"], made["own"])


def test_loops_in_loops_and_branches():
    def run(x, n):
        def outer(total, i):
            inner = weft.fori_loop(0, i + 1, lambda j, value: value + weft.sin(x) * j, total)
            chosen = weft.cond(i % 2 == 0, lambda: inner, lambda: inner - x)
            return chosen, weft.sum(chosen)

        return weft.scan(outer, weft.zeros(3), weft.arange(4) + n)

    x = weft.array([0.5, 1.0, 2.0])
    made = weft.jit(run)(x, 2)
    assert_same(run(x, 2), made)
    total, rows = np.zeros(3, "float32"), []
    for i in range(2, 6):
        total = total + np.sin(np.asarray(x)) * sum(range(i + 1)) - (i % 2) * np.asarray(x)
        rows.append(total.sum())
    np.testing.assert_allclose(np.asarray(made[0]), total, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(made[1]), rows, rtol=1e-5)


def test_trees_numbers_and_none():
    def run(x):
        carry, made = weft.scan(
            lambda c, s: ({"a": (c["a"][0] + 1, c["a"][1] * s)}, {"y": [s, None], "z": 2}),
            {"a": (0, x)},
            weft.arange(3, dtype="float32"),
        )
        mapped = weft.map(lambda s: (s, {"twice": s * 2}), weft.arange(3))
        return carry, made, mapped, weft.fori_loop(3, 1, lambda i, v: v + i, 5)

    for call in (run, weft.jit(run)):
        carry, made, mapped, kept = call(weft.array(2.0))
        assert int(carry["a"][0]) == 3
        assert float(carry["a"][1]) == 0.0
        assert made["y"][1] is None
        assert made["z"].tolist() == [2, 2, 2]
        assert made["z"].dtype is weft.int64
        assert mapped[1]["twice"].tolist() == [0, 2, 4]
        assert int(kept) == 5


def test_dicts_are_told_by_their_keys():
    """A branch or body may make the keys in another order."""

    def branches(flag, x):
        return weft.cond(
            flag, lambda x: {"a": x, "b": x * 2}, lambda x: {"b": x * 3, "a": x * 4}, x
        )

    x = weft.asarray([1.0, 2.0])
    for flag in (True, False):
        plain, compiled = (f(weft.asarray(flag), x) for f in (branches, weft.jit(branches)))
        for key in ("a", "b"):
            assert_same_bits(compiled[key], plain[key])
    turned = lambda _, d: {"b": d["b"] * 2, "a": d["a"] + 1}  # noqa: E731
    start = {"a": x, "b": x * 10}
    looped = weft.jit(lambda d: weft.fori_loop(0, 3, turned, d))(start)
    assert_same_bits(looped["a"], x + 3)
    assert_same_bits(looped["b"], x * 80)


def test_bounds_may_be_tensors_or_numbers_of_calls():
    run = weft.jit(lambda low, high, x: weft.fori_loop(low, high, lambda i, v: v * 2 + i, x))
    for low, high in ((0, 5), (3, 3), (4, 1), (-2, 2)):
        expected = 1
        for i in range(low, high):
            expected = expected * 2 + i
        assert int(run(low, high, weft.array(1))) == expected
        assert int(run(weft.array(low), weft.array(high), weft.array(1))) == expected
    assert run.traces <= 2 if hasattr(run, "traces") else True


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 6, 9])
@pytest.mark.parametrize("axis", [0, -1])
def test_associative_scans(count, axis, reverse):
    numbers = np.random.default_rng(count).integers(0, 9, (count, 2, count)).astype("int64")
    sums = weft.array(numbers)

    def run(x):
        return weft.associative_scan(
            lambda a, b: {"sum": a["sum"] + b["sum"], "last": b["last"] + 0 * a["last"]},
            {"sum": x, "last": x},
            reverse=reverse,
            axis=axis,
        )

    order = (lambda a: np.flip(a, axis)) if reverse else (lambda a: a)
    reference = order(np.cumsum(order(numbers), axis=axis))
    for call in (run, weft.jit(run)):
        made = call(sums)
        np.testing.assert_array_equal(np.asarray(made["sum"]), reference)
        np.testing.assert_array_equal(np.asarray(made["last"]), numbers)


def test_associative_scan_keeps_the_order():
    matrices = np.random.default_rng(0).standard_normal((7, 3, 3)).astype("float32")
    made = weft.jit(lambda m: weft.associative_scan(weft.matmul, m))(weft.array(matrices))
    product = np.eye(3)
    for number in range(7):
        product = product @ matrices[number]
        np.testing.assert_allclose(np.asarray(made[number]), product, rtol=1e-3, atol=1e-4)


#
# What a body may read, and not change
#


def test_bodies_read_tensors_from_outside_and_see_new_values():
    factor = weft.array([1.0, 2.0])
    views = weft.array([[1.0, 2.0], [3.0, 4.0]])
    row = views[1]
    run = weft.jit(lambda x: weft.fori_loop(0, 3, lambda i, v: v * factor + row, x))
    first = run(weft.array([1.0, 1.0]))
    assert first.tolist() == [10.0, 36.0]
    factor.assign(weft.array([0.0, 1.0]))
    views[1] = 1.0
    assert run(weft.array([1.0, 1.0])).tolist() == [1.0, 4.0]


def test_a_view_read_in_a_body_is_read_outside_too():
    def run(x):
        y = x * 1
        view = y[0]
        y[0] = 5.0
        inside = weft.cond(x[1] > 0, lambda: view * 2, lambda: view)
        return inside + view

    x = weft.array([1.0, 2.0])
    assert float(run(x)) == float(weft.jit(run)(x)) == 15.0


def outside(change):
    state = weft.zeros(3)

    def run(x):
        def body(i, value):
            change(state, value)
            return value + state

        return weft.fori_loop(0, 3, body, x)

    return run


@pytest.mark.parametrize(
    "change",
    [
        lambda state, value: state.assign(value),
        lambda state, value: state.__setitem__(0, value[0]),
        lambda state, value: state[1:].fill_(1.0),
        lambda state, value: state.__iadd__(value),
    ],
)
def test_a_body_that_changes_a_tensor_from_outside_is_refused(change):
    with pytest.raises(
        weft.UnsupportedError, match=r"the body changes a tensor from outside \(.*py"
    ):
        weft.jit(outside(change))(weft.ones(3))


def test_a_tensor_of_the_function_is_outside_of_a_body_too():
    def run(x):
        total = x * 0

        def body(i, value):
            total.assign(total + value)
            return value

        weft.fori_loop(0, 3, body, x)
        return total

    with pytest.raises(weft.UnsupportedError, match="the body changes a tensor from outside"):
        weft.jit(run)(weft.ones(3))


def test_a_body_may_change_what_it_makes():
    def run(x):
        def body(i, value):
            made = value * 1
            made[i] = 7.0
            made += 1
            return made

        return weft.fori_loop(0, 2, body, x)

    x = weft.ones(3)
    assert weft.jit(run)(x).tolist() == run(x).tolist() == [9.0, 8.0, 3.0]


def draws_of_the_generator(x):
    """Loops in loops, branches of which one draws, dropout, and what is drawn behind them."""

    def step(carry, _):
        kept = weft.nn.functional.dropout(carry, 0.5)
        inner = weft.fori_loop(0, 2, lambda i, v: v + weft.random.normal((3,)) * i, kept)
        more = weft.cond(
            weft.sum(inner) > 0.0, lambda: weft.random.uniform((3,)), lambda: weft.zeros(3)
        )
        return inner + more, weft.random.uniform((2,))

    last, rows = weft.scan(step, x, None, length=4)
    grown = weft.while_loop(
        lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * weft.random.uniform((3,))), (0, last)
    )
    again = weft.checkpoint(lambda v: weft.sin(v * weft.random.uniform((3,))))(last)
    return last, rows, grown[1], again, weft.random.uniform((2,))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_generator_goes_on_through_loops_and_branches(sign):
    """Compiled bodies draw what they draw outside, call after call, and leave the same state."""
    compiled = weft.jit(draws_of_the_generator)
    runs = []
    for run in (draws_of_the_generator, compiled):
        weft.random.seed(11)
        runs.append([run(weft.ones(3) * sign) for _ in range(2)])
    for plain, other in zip(*runs, strict=True):
        assert_same_bits(plain, other)
    assert not np.array_equal(to_numpy(runs[0][0][1])[0], to_numpy(runs[0][0][1])[1])


def test_gradients_of_loops_that_draw():
    def loss(x):
        step = lambda c, _: (weft.sin(weft.nn.functional.dropout(c, 0.5)) + x, None)  # noqa: E731
        return weft.sum(weft.scan(step, x, None, length=3)[0])

    def unrolled(x):
        value = x
        for _ in range(3):
            value = weft.sin(weft.nn.functional.dropout(value, 0.5)) + x
        return weft.sum(value)

    x = weft.asarray(np.linspace(0.1, 1.0, 16))
    slopes = []
    for f in (loss, unrolled):
        weft.random.seed(5)
        slopes.append(to_numpy(weft.grad(f)(x)))
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-13)


def test_draws_of_the_generator_that_have_no_way_out_are_refused():
    x = weft.ones(3)
    draw = lambda v: v + weft.random.normal((3,))  # noqa: E731
    looped = lambda x: weft.fori_loop(0, 3, lambda _, v: draw(v), x)  # noqa: E731
    condition = lambda v: weft.sum(draw(v)) < 1.0  # noqa: E731
    custom = weft.custom_vjp(draw)
    custom.defvjp(lambda v: (draw(v), None), lambda kept, g: (g,))
    for run, name in (
        (weft.vmap(looped, randomness="same"), "fori_loop"),
        (lambda x: weft.while_loop(condition, lambda v: v, x[0]), "while_loop: the condition"),
        (lambda x: custom(x[0]), "custom_vjp of"),
    ):
        with pytest.raises(weft.UnsupportedError, match=f"{name}.*give the draw a key") as caught:
            weft.jit(run)(x[None])
        assert "test_control_flow.py" in str(caught.value)


def draws(x, key):
    def step(carry, i):
        first, second = weft.random.split(weft.random.fold_in(key, i))
        carry = carry + weft.random.normal(carry.shape, key=first)
        return carry, weft.random.uniform((3,), key=second)

    def walk(state):
        place, key, count = state
        key, own = weft.random.split(key)
        step = weft.cond(
            weft.random.uniform((), key=own) > 0.5,
            lambda: weft.random.normal((), key=own),
            lambda: weft.random.exponential((), key=own),
        )
        return place + step, key, count + 1

    walked = weft.while_loop(lambda state: state[2] < 5, walk, (weft.asarray(0.5), key, 0))
    return (*weft.scan(step, x, weft.arange(4)), *walked)


def test_draws_in_bodies_have_keys(tmp_path):
    x, key = weft.ones(5), weft.random.key(3)
    wanted = draws(x, key)
    assert len(np.unique(np.asarray(wanted[1]))) == 12
    assert_same(weft.jit(draws)(x, key), wanted)
    weft.export(draws, weft.spec((5,)), key).save(tmp_path / "draws.weft")
    assert_same(weft.load(tmp_path / "draws.weft")(x, key), wanted)
    keys = weft.random.split(key)
    many = weft.vmap(draws, in_axes=(None, 0))(x, keys)
    for number in range(2):
        assert_same([part[number] for part in many], draws(x, keys[number]))
    gradient = weft.grad(lambda x: weft.sum(draws(x, key)[0] ** 2))(x)
    np.testing.assert_allclose(np.asarray(gradient), 2 * np.asarray(wanted[0]), rtol=1e-6)


def test_backward_in_a_body_is_refused():
    weight = weft.ones(3)
    weight.requires_grad = True

    def run(x):
        def body(i, value):
            weft.sum(weight * value).backward()
            return value

        return weft.fori_loop(0, 3, body, x)

    with pytest.raises(weft.UnsupportedError, match=r"backward\(\) in the body"):
        weft.jit(run)(weft.ones(3))


def test_what_leaves_a_body_is_refused():
    def run(x):
        left = []

        def body(i, value):
            left.append(value * 2)
            return value + 1

        return weft.fori_loop(0, 3, body, x) + left[0]

    with pytest.raises(weft.UnsupportedError, match="has left it; return it from there"):
        weft.jit(run)(weft.ones(3))


def test_a_body_that_fails_leaves_nothing():
    def run(x):
        def body(i, value):
            if x.shape == (3,):
                raise KeyError("mine")
            return value

        try:
            made = weft.fori_loop(0, 3, body, x)
        except KeyError:
            made = x
        return made + weft.scan(lambda c, _: (c + 1, None), x, None, length=2)[0]

    assert weft.jit(run)(weft.ones(3)).tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("call", [lambda f: f, weft.jit])
@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (
            lambda x: weft.fori_loop(0, 3, lambda i, v: v.astype("float64"), x),
            weft.DTypeError,
            r"fori_loop: .* has float64\[3\] in the place of float32\[3\]",
        ),
        (
            lambda x: weft.scan(lambda c, _: (c[:2], None), x, None, length=3),
            weft.ShapeError,
            r"scan: .* has float32\[2\] in the place of float32\[3\]",
        ),
        (
            lambda x: weft.while_loop(lambda c: c[0][0] > 0, lambda c: (c[0] - 1,), [x]),
            weft.ShapeError,
            "while_loop: the body's result has another structure",
        ),
        (
            lambda x: weft.while_loop(lambda c: c > 0, lambda c: c - 1, x),
            weft.ShapeError,
            r"while_loop: the condition has shape \(3,\)",
        ),
        (
            lambda x: weft.scan(lambda c, _: c, x, None, length=3),
            weft.DTypeError,
            "scan: the body has to return a pair",
        ),
        (lambda x: weft.scan(lambda c, _: (c, c), x), weft.ShapeError, "needs the length"),
        (
            lambda x: weft.scan(lambda c, s: (c, c), x, (x, x[:2])),
            weft.ShapeError,
            r"different numbers of slices: \[3, 2\]",
        ),
        (lambda x: weft.switch(0, [], x), weft.OptionError, "no branches"),
        (lambda x: weft.switch(x[0], [lambda v: v], x), weft.DTypeError, "the index is float32"),
        (
            lambda x: weft.fori_loop(0, 2.5, lambda i, v: v, x),
            weft.DTypeError,
            "a bound is float32",
        ),
    ],
)
def test_wrong_programs(call, program, error, message):
    with pytest.raises(error, match=message):
        call(lambda x: program(x))(weft.ones(3))


def test_branches_have_to_be_alike():
    run = weft.jit(lambda x: weft.cond(x[0] > 0, lambda v: v, lambda v: v[:2], x))
    with pytest.raises(weft.ShapeError, match="cond: a branch has"):
        run(weft.ones(3))
    assert run is not None


def test_only_one_branch_runs():
    # The other one would not end.
    def run(x):
        return weft.cond(
            x > 0, lambda: x, lambda: weft.while_loop(lambda v: v < 1, lambda v: v - 1, x)
        )

    assert float(weft.jit(run)(weft.array(3.0))) == 3.0


#
# Programs in files
#


def exported_program(x, limit):
    def step(state):
        total, count = state
        return weft.cond(count % 2 == 0, lambda: total * 2, lambda: total - 1), count + 1

    total, count = weft.while_loop(lambda state: state[1] < limit, step, (x, 0))
    last, rows = weft.scan(lambda c, row: (c + row, c * 2), weft.sum(x, axis=0), x)
    return total, count, last, rows, weft.map(lambda row: row - weft.sum(row), x)


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("spec", [None, "n"])
def test_exported_loops(tmp_path, spec, rows):
    x, limit = weft.asarray(np.arange(rows * 4, dtype="float32").reshape(rows, 4)), weft.asarray(5)
    shape = ("n", 4) if spec else (rows, 4)
    program = weft.export(exported_program, weft.spec(shape), limit)
    program.save(tmp_path / "loops.weft")
    wanted = weft.jit(exported_program)(x, limit)
    assert_same(program(x, limit), wanted)
    assert_same(weft.load(tmp_path / "loops.weft")(x, limit), wanted)


#
# What a loop costs
#


def test_compiling_does_not_depend_on_the_number_of_iterations():
    counts = []
    for length in (3, 300):
        run = weft.jit(lambda x: weft.scan(lambda c, s: (weft.sin(c) + s, c), x[0], x))
        lowered = run.lower(weft.ones((length, 4)))
        counts.append(lowered.ir("weft").count("\n"))
    assert counts[0] == counts[1]


def test_a_row_of_a_carried_tensor_costs_a_row():
    def body(i, cache):
        cache = cache.clone()
        cache[i] = 1.0
        return cache

    run = weft.jit(lambda cache: weft.fori_loop(0, 100, body, cache))
    cache = weft.zeros((4096, 64))
    made = run(cache)
    assert made.shape == (4096, 64)
    assert float(weft.sum(made)) == 100 * 64
    assert float(weft.sum(cache)) == 0
    rows = [
        row for row in run.profile(cache).kernels if "update" in row.name or "scatter" in row.name
    ]
    assert rows
    assert all(row.bytes < 8 * 64 * 4 for row in rows)


def products(state, inputs, weight):
    """A recurrence over what is computed of a weight: `exp` and packing need it alone."""

    def step(state, x):
        state = weft.tanh(state @ weft.exp(weight).mT + x)
        return state, state

    return weft.scan(step, state, inputs)


def launches_of(table):
    """How often stages run in a call, by the profile's names, of loops once for all iterations."""
    return [row.name.split("_")[0] for row in table.kernels]


def test_what_is_the_same_in_all_iterations_is_computed_once():
    weight = weft.array(np.random.default_rng(0).standard_normal((64, 64)).astype("float32") / 8)
    arguments = weft.ones((4, 64)), weft.ones((9, 4, 64))
    # Of an argument once in a call, before the loop: the body has one kernel.
    run = weft.jit(products)
    text = run.lower(*arguments, weight).ir("kernels")
    assert text.split("func.func private")[1].count("weft.launch") == 1
    assert launches_of(run.profile(*arguments, weight)) == ["exp", "matmul", "matmul"]
    wanted = run(*arguments, weight)
    assert_same(products(*arguments, weight), wanted)
    # Of a tensor from outside once for its storage.
    kept = weft.jit(lambda state, inputs: products(state, inputs, weight))
    before = weft.stats()["prepared_values"]
    assert_same(kept(*arguments), wanted)
    assert weft.stats()["prepared_values"] == before + 2
    assert_same(kept(*arguments), wanted)
    assert weft.stats()["prepared_values"] == before + 2
    assert launches_of(kept.profile(*arguments)) == ["matmul"]
    weight.assign(weight * 2)
    assert_same(kept(*arguments), products(*arguments, weight))


@pytest.mark.parametrize("captured", [False, True])
def test_branches_in_loops_read_what_was_packed_before(captured):
    rng = np.random.default_rng(1)
    weights = [weft.array(rng.standard_normal((64, 64)).astype("float32") / 8) for _ in range(2)]

    def run(x, first, second):
        def body(i, value):
            branches = [lambda: value @ first, lambda: value @ second, lambda: value @ (first * 2)]
            value = weft.switch(i % 3, branches)
            return weft.fori_loop(0, 2, lambda j, own: weft.tanh(own @ second), value)

        return (weft.fori_loop(0, 7, body, x),)

    x = weft.ones((4, 64))
    compiled = weft.jit((lambda x: run(x, *weights)) if captured else run)
    given = [] if captured else weights
    for _ in range(2):
        assert_same(compiled(x, *given), run(x, *weights))
    for tensor in weights:
        tensor.assign(tensor * 0.5)
    assert_same(compiled(x, *given), run(x, *weights))


def _alarm(*_):
    raise TimeoutError


def test_a_loop_without_end_is_interrupted_and_lets_other_threads_run():
    run = weft.jit(lambda x: weft.while_loop(lambda v: v >= 0, lambda v: (v + 1) % 7, x))
    seen, done = [], threading.Event()

    def watch():
        while not done.wait(0.01):
            seen.append(time.monotonic())

    former = signal.signal(signal.SIGALRM, _alarm)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        x = weft.array(0)
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with pytest.raises(TimeoutError):
            run(x)
        assert int(x) == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        done.set()
        watcher.join()
    assert len(seen) > 5


def write_rows(i, cache):
    def inner(j, own):
        own = own.clone()
        own[2 * i + j] = own[2 * i + j] + 1.0 * (i + j)
        return own

    return weft.fori_loop(0, 2, inner, cache)


def test_loops_in_loops_write_in_place():
    run = weft.jit(lambda cache: weft.fori_loop(0, 50, write_rows, cache))
    cache = weft.zeros((100, 64))
    expected = np.repeat(np.array([[i + j] for i in range(50) for j in range(2)], "float32"), 64, 1)
    np.testing.assert_array_equal(np.asarray(run(cache)), expected)
    assert float(weft.sum(cache)) == 0
    rows = [row for row in run.profile(cache).kernels if "scatter" in row.name]
    assert rows
    assert all(row.bytes < 8 * 64 * 4 for row in rows)


def test_a_loop_changes_a_state_that_nobody_else_keeps_in_place():
    state = weft.zeros((100, 8))
    step = weft.jit(lambda: state.assign(weft.fori_loop(0, 50, write_rows, state)))
    step()
    kept = state.clone()
    before = kept.numpy().copy()
    step()
    np.testing.assert_array_equal(np.asarray(kept), before)
    np.testing.assert_array_equal(np.asarray(state), 2 * before)
