"""Values at the edges of dtypes and ranges: numbers, indices, masks; NumPy and PyTorch decide."""

import copy
import itertools
import math
import operator
import pickle

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from weft import nn

F, TF = nn.functional, torch.nn.functional
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]


def outcome(function, *arguments):
    """What a call gives: a NumPy array, or the class of its error."""
    try:
        return np.asarray(function(*arguments).detach())
    except weft.WeftError as error:
        return type(error)


def assert_same_outcome(function, *arguments):
    """Eager and compiled: equal bits, or an error of one class."""
    eager, compiled = outcome(function, *arguments), outcome(weft.jit(function), *arguments)
    if isinstance(eager, type) or isinstance(compiled, type):
        assert eager is compiled
    else:
        assert eager.dtype == compiled.dtype
        assert eager.tobytes() == compiled.tobytes()
    return eager


# Making tensors ------------------------------------------------------------------------------


def test_numbers_beside_float64_are_exact():
    x = weft.asarray(0.3, dtype="float64")
    mixed = [
        weft.asarray([x, 0.1]),
        weft.asarray([0.1, np.float64(0.3)]),
        weft.asarray([[0.1], [x]]),
        weft.asarray([np.asarray(0.3), 0.1]),
        weft.stack([x, weft.asarray(np.float64(0.1))]),
        weft.asarray(np.float64(0.1)),
        weft.full((1,), np.float64(0.1)),
        weft.full((1,), 0.1, dtype="float64"),
        weft.scatter_add(weft.zeros(1, dtype="float64"), [0], [0.1]),
        weft.where(x > 0, x, 0.1) * 0 + 0.1,
        weft.clip(x, 0.0, 0.1),
        weft.zeros(1, dtype="float64").copy_(0.1),
        weft.zeros(2, dtype="float64").copy_([0.1, 0.1]),
        weft.tensor([0.1], dtype="float64"),
        weft.pad(weft.zeros(1, dtype="float64"), [(0, 1)], 0.1),
    ]
    for result in mixed:
        assert result.dtype is weft.float64
        assert 0.1 in result.numpy().ravel(), result
    assert weft.asarray([0.1]).dtype is weft.float32, "a Python number alone stays weak"
    assert weft.asarray([np.float32(0.1), 0.1]).dtype is weft.float32
    assert weft.asarray([weft.asarray(1), 0.5]).dtype is weft.float32


FOREIGN = [
    np.array([1 + 2j], np.clongdouble),
    np.array([1], np.longdouble),
    np.array([None]),
    np.array(["a"]),
    np.array([b"a"]),
    np.array(["2020-01-01"], "M8[s]"),
    np.array([1], "m8[s]"),
    np.zeros(2, [("a", "f4")]),
]


@pytest.mark.parametrize("array", FOREIGN, ids=lambda array: str(array.dtype))
def test_foreign_dtypes_are_refused(array):
    ways = [
        lambda: weft.asarray(array),
        lambda: weft.array(array),
        lambda: weft.asarray(list(array)),
        lambda: weft.asarray(array[0]),
        lambda: weft.asarray([weft.ones(()), array[0]]),
        lambda: weft.ones(1) + array,
        lambda: weft.asarray(array, dtype="float32"),
        lambda: weft.jit(lambda x: x)(array),
        lambda: weft.result_type(array.dtype),
    ]
    for way in ways:
        with pytest.raises(weft.DTypeError):
            way()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_that_do_not_fit_are_refused(dtype):
    limits = weft.iinfo(dtype)
    for number in (limits.min - 1, limits.max + 1, 2**64, -(2**63) - 1, 2**70):
        for make in (
            lambda number: weft.asarray(number, dtype=dtype),
            lambda number: weft.asarray([number], dtype=dtype),
            lambda number: weft.full((2,), number, dtype=dtype),
            lambda number: weft.zeros(2, dtype=dtype).fill_(number),
        ):
            with pytest.raises(weft.OutOfRangeError):
                make(number)
    for number in (limits.min, limits.max):
        assert weft.asarray([number], dtype=dtype).item() == number
    wide = weft.asarray([math.nan, math.inf, -math.inf, 1.9, -1.9], dtype=dtype)
    assert wide.tolist() == [0, limits.max, limits.min, 1, max(-1, limits.min)]


NUMBERS = [0, 1, -1, 127, 128, -128, -129, 255, 256, 300, 2**31, 2**63 - 1, -(2**63), 2**63, 2**70]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_comparisons_with_any_integer_are_those_of_numbers(dtype):
    limits = weft.iinfo(dtype)
    values = [limits.min, 0, 1, limits.max]
    x = weft.asarray(values, dtype=dtype)
    for name, number in itertools.product(COMPARISONS, NUMBERS):
        result = assert_same_outcome(lambda x: getattr(weft, name)(x, number), x)
        expected = [bool(getattr(np, name)(value, number)) for value in values]
        assert result.tolist() == expected, (name, number)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool"])
def test_arithmetic_with_python_numbers_is_the_same_compiled(dtype):
    x = weft.asarray([0, 1, 3], dtype=dtype)
    numbers = [*NUMBERS, 0.1, -0.0, 1e5, 1e39, 1e400, math.nan, 1.00390625 + 2.0**-30, True]
    for name in ("add", "multiply", "maximum", "where", "remainder"):
        for number in numbers:

            def apply(x):
                if name == "where":
                    return weft.where(x == 1, x, number)
                return getattr(weft, name)(x, number)

            result = assert_same_outcome(apply, x)
            fits = not isinstance(number, int) or -(2**63) <= number < 2**63
            if dtype in INTEGERS and type(number) is int:
                limits = weft.iinfo(dtype)
                fits = limits.min <= number <= limits.max
            if type(number) is int and dtype != "bool":
                assert (result is weft.OutOfRangeError) == (not fits and dtype in INTEGERS)


@given(st.integers(0, 6), st.booleans(), st.sampled_from([*FLOATS, *INTEGERS]), st.data())
@settings(max_examples=60, deadline=None)
def test_linspace_and_arange_are_numpys(num, endpoint, dtype, data):
    low, high = (-100.0, 100.0) if dtype in FLOATS else (0.0, 100.0)
    start, stop = (data.draw(st.floats(low, high, width=32)) for _ in range(2))
    ours = weft.linspace(start, stop, num, dtype=dtype, endpoint=endpoint)
    if dtype == "bfloat16":
        if endpoint and num > 1:
            assert ours[-1].item() == weft.asarray(stop, dtype=dtype).item()
        return
    expected = np.linspace(start, stop, num, dtype=dtype, endpoint=endpoint)
    unit = np.spacing(np.abs(expected)) if dtype in FLOATS else 1
    assert np.all(np.abs(ours.numpy() - expected) <= unit)
    if endpoint and num > 1:
        assert ours.numpy()[-1] == expected[-1]
    step = data.draw(st.sampled_from([-3, -0.25, 0.1, 1, 7]))
    assert weft.arange(start, stop, step).shape == np.arange(start, stop, step).shape


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_numbers_stay_below_their_bound(dtype):
    weft.random.seed(3)
    unit = np.asarray(weft.rand(200_000, dtype=dtype).astype("float64"))
    assert unit.min() >= 0
    assert unit.max() < 1
    assert unit.max() > 0.99
    assert abs(unit.mean() - 0.5) < 0.01
    for low, high in ((1.0, 2.0), (-1.0, 1.0), (100.0, 100.5)):
        values = weft.random.uniform((100_000,), low, high, dtype=dtype)
        assert bool((values < high).all())
        assert bool((values >= low).all())
    with pytest.raises(weft.DTypeError):
        weft.rand(2, dtype="int32")


# dtypes --------------------------------------------------------------------------------------


def test_dtypes_compare_with_anything():
    everything = [{"a": 1}, None, 1, 1.5, [1], (), "float", "a{", b"f", object(), np.floating]
    for dtype in (weft.float32, weft.float64, weft.int64, weft.bool):
        for other in everything:
            assert (dtype == other) is False
            assert (dtype != other) is True
        assert dtype == dtype.name
        assert dtype == np.dtype(dtype.name)
        assert dtype == np.dtype(dtype.name).type
        assert np.dtype(dtype.name) == dtype
        assert hash(dtype) == hash(dtype.name)
        for copied in (copy.copy(dtype), copy.deepcopy(dtype), pickle.loads(pickle.dumps(dtype))):
            assert copied is dtype
    for other in ({"a": 1}, None, 3, "float8", np.floating, np.clongdouble):
        with pytest.raises(weft.DTypeError):
            weft.asarray([1], dtype=other) if other is not None else weft.promote_types(None, None)


def test_what_the_array_api_asks_of_dtypes():
    for name in INTEGERS:
        ours, numpys = weft.iinfo(name), np.iinfo(name)
        assert (ours.bits, ours.min, ours.max) == (numpys.bits, numpys.min, numpys.max)
        assert ours.dtype is weft.zeros(1, dtype=name).dtype
    assert weft.can_cast("int8", "int16")
    assert not weft.can_cast("int16", "int8")
    assert not weft.can_cast("float16", "bfloat16")
    assert weft.isdtype(weft.uint8, "unsigned integer")
    assert weft.isdtype(weft.bfloat16, ("bool", "real floating"))
    assert not weft.isdtype(weft.bool, "numeric")
    with pytest.raises(weft.DTypeError):
        weft.isdtype(weft.bool, "number")
    assert weft.result_type(np.float64(1), weft.float32) is weft.float64
    with pytest.raises(IndexError):
        weft.ones(2, 3)[weft.ones(3) > 0]


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_vecdot_keeps_the_dtype(dtype):
    x = np.array([[1, 2, 3], [100, 100, 100]])
    ours = weft.vecdot(weft.asarray(x).astype(dtype), weft.asarray(x[:1]).astype(dtype))
    assert ours.dtype == dtype
    if dtype in INTEGERS:
        expected = np.vecdot(x.astype(dtype), x[:1].astype(dtype))
        assert np.array_equal(ours, expected)
    with pytest.raises(weft.ShapeError):
        weft.vecdot(weft.ones(2, 3), weft.ones(2, 1))


# Indices -------------------------------------------------------------------------------------

INDEXED = {
    "take": (lambda i: weft.take(weft.asarray([1.0, 2.0, 3.0]), i), True),
    "embedding": (lambda i: F.embedding(i, weft.ones(3, 2))[:, 0], False),
    "one_hot": (lambda i: weft.one_hot(i, 3, dtype="float32").sum(axis=1), False),
    "cross_entropy": (lambda i: F.cross_entropy(weft.ones(2, 3), i, reduction="none"), False),
    "nll_loss": (lambda i: F.nll_loss(weft.ones(2, 3), i, reduction="none"), False),
}


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", INDEXED)
def test_index_out_of_range(name, dtype):
    function, from_end = INDEXED[name]
    for index in (3, 100, -1, -3, -4):
        if index < 0 and dtype.startswith("u"):
            continue
        indices = weft.asarray([1, index], dtype=dtype)
        compiled = np.asarray(weft.jit(function)(indices))
        assert not math.isnan(compiled[0])
        if from_end and -3 <= index < 0:
            assert np.array_equal(compiled, function(indices))
            continue
        with pytest.raises(weft.OutOfBoundsError, match=rf"test_values.py:\d+: {name}: .*{index}"):
            function(indices)
        assert math.isnan(compiled[1])


def test_what_integers_out_of_range_give_compiled():
    indices = weft.asarray([1, 3])
    taken = weft.jit(lambda x, i: weft.take(x, i))
    assert taken(weft.asarray([1, 2, 3]), indices).tolist() == [2, 0]
    assert taken(weft.asarray([True, True, True]), indices).tolist() == [True, False]
    assert weft.jit(lambda i: weft.one_hot(i, 3))(indices).tolist() == [[0, 1, 0], [0, 0, 0]]
    added = weft.jit(lambda x, i: weft.scatter_add(x, i, weft.ones(2, dtype=x.dtype)))
    assert added(weft.zeros(3, dtype="int32"), indices).tolist() == [0, 1, 0]
    assert weft.isnan(added(weft.zeros(3), indices)).tolist() == [False, True, True]
    with pytest.raises(weft.OutOfBoundsError, match="scatter_add: index 3"):
        weft.scatter_add(weft.zeros(3), indices, weft.ones(2))
    assert weft.take(weft.ones(0, 2), [], axis=0).shape == (0, 2)


# Masked attention ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bool", "additive", "module", "causal"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_query_that_sees_no_key_gets_zeros(kind, compiled):
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((2, 2, n, 4)).astype(np.float32) for n in (3, 5, 5))
    seen = np.array([[True] * 5, [False] * 5, [False, True, False, True, False]])

    def attend(q, k, v):
        if kind == "causal":
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mask = weft.asarray(seen)
        if kind == "additive":
            mask = weft.where(mask, 0.0, -math.inf)
        return F.scaled_dot_product_attention(q, k, v, mask)

    if kind == "module":
        layer = nn.MultiheadAttention(4, 2, batch_first=True)
        hidden = weft.asarray(~seen)
        x, y = weft.asarray(q[:, 0]), weft.asarray(k[:, 0])
        run = weft.jit(layer.__call__) if compiled else layer
        result, weights = run(x, y, y, attn_mask=hidden)
        assert np.array_equal(weights[:, 1], np.zeros((2, 5), np.float32))
        assert np.allclose(result.detach()[:, 1], layer.out_proj.bias.detach())
        result.sum().backward()
        assert all(bool(weft.isfinite(p.grad).all()) for p in layer.parameters())
        return
    gradients = weft.vjp(attend, *map(weft.asarray, (q, k, v)))
    ours, back = gradients
    theirs = [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
    mask = None if kind == "causal" else torch.tensor(seen)
    expected = TF.scaled_dot_product_attention(*theirs, mask, is_causal=kind == "causal")
    expected.sum().backward()
    run = weft.jit(attend) if compiled else attend
    for result in (ours, run(*map(weft.asarray, (q, k, v)))):
        np.testing.assert_allclose(result, expected.detach(), atol=2e-6)
    for gradient, tensor in zip(back(weft.ones(*ours.shape)), theirs, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad, atol=4e-6)


def test_softmax_of_nothing_but_infinities_stays_nan():
    assert bool(weft.isnan(weft.softmax(weft.full((2, 3), -math.inf))).all())


# Copies --------------------------------------------------------------------------------------


@weft.jit
def doubled(x):
    return x * 2


class Compiled(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(weft.ones(2), requires_grad=False)
        self.run = weft.jit(self._run)

    def _run(self, x):
        return x * self.factor


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
@pytest.mark.parametrize("dtype", [*FLOATS, "int8", "bool"])
def test_copies_keep_what_a_tensor_is(how, dtype):
    copied = copy.deepcopy if how == "deepcopy" else lambda x: pickle.loads(pickle.dumps(x))
    x = weft.asarray([1, 0, 1], dtype=dtype)
    assert copied(x).dtype is x.dtype
    assert copied(x).tolist() == x.tolist()
    assert type(copied(x)) is weft.Tensor
    if dtype not in FLOATS:
        return
    for requires_grad in (False, True):
        for kind in (nn.Parameter, lambda x, requires_grad: weft.tensor(x, None, requires_grad)):
            tensor = kind(x, requires_grad=requires_grad)
            assert copied(tensor).requires_grad is requires_grad
            assert type(copied(tensor)) is type(tensor)
    parameter = nn.Parameter(x)
    parameter.note = ["kept"]
    assert copied(parameter).note == ["kept"]


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_compiled_functions_are_copied_by_reference(how):
    assert how(doubled) is doubled
    module = Compiled()
    twin = how(module)
    if twin.factor is not module.factor:
        twin.factor.assign(weft.ones(2) * 3)
        assert twin.run(weft.ones(2)).tolist() == [3, 3], "the copy's own method"
        assert not twin.factor.requires_grad
    assert module.run(weft.ones(2)).tolist() == [1, 1]


# Division ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*INTEGERS, "float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
def test_division_at_the_edges_is_numpys(name, dtype):
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        values = np.unique(np.array([limits.min, limits.min // 2, -3, -1, 0, 1, 2, 7, limits.max]))
        values = values[values >= limits.min].astype(dtype)
    else:
        values = np.array([0.0, -0.0, 1, -1, 2.5, -7, 6e4, np.inf, -np.inf, np.nan], dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    result = assert_same_outcome(getattr(weft, name), weft.asarray(x), weft.asarray(y))
    assert np.array_equal(result, expected, equal_nan=dtype not in INTEGERS)
    if dtype not in INTEGERS:
        known = ~np.isnan(expected)
        assert np.array_equal(np.signbit(result)[known], np.signbit(expected)[known])


class TestNumbersAmongTheArguments:
    """A Python number that is passed to a compiled function is as exact there as outside."""

    @staticmethod
    def _set(assignment: str):  # type: ignore[no-untyped-def]
        names: dict = {"weft": weft}
        exec(f"def function(x, v):\n    x = x * 1\n    {assignment}\n    return x", names)
        return names["function"]

    @pytest.mark.parametrize(
        "assignment",
        [
            "x[0] = v",
            "x[:] = v",
            "x[:] = [v, 1, v]",
            "x[x == 0] = v",
            "x[weft.asarray([0, 2])] = v",
            "x.fill_(v)",
            "x.copy_(v)",
            "x.add_(v)",
            "x.add_(x + 1, alpha=v)",
            "x[0] = v + 0",
            "x[1:] = -v",
        ],
    )
    @pytest.mark.parametrize(("dtype", "value"), [("float64", 0.1), ("int64", 2**53 + 1)])
    def test_assignment(self, assignment: str, dtype: str, value: float) -> None:
        function, x = self._set(assignment), weft.zeros(3, dtype=dtype)
        assert (
            weft.jit(function)(x, value).numpy().tobytes() == function(x, value).numpy().tobytes()
        )

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64"])
    @pytest.mark.parametrize("value", [0.1, 3])
    @pytest.mark.parametrize(
        "function",
        [
            lambda x, v: weft.maximum(v, 2) + x,
            lambda x, v: weft.sqrt(v) * x,
            lambda x, v: weft.asarray(v) + x,
            lambda x, v: weft.asarray(v, dtype="float64") + x,
            lambda x, v: weft.asarray([v, 1, v], dtype="float64") + x,
            lambda x, v: weft.asarray([x[0], v, 1]),
            lambda x, v: weft.where(x == 0, v, v + 1) + x,
            lambda x, v: weft.where(x == 0, v, x),
            lambda x, v: (v * 2 + 1) * x,
            lambda x, v: weft.sum(v) + x,
            lambda x, v: weft.clip(v, 0, 1) + x,
            lambda x, v: weft.clip(x + 1, v, v + 1),
            lambda x, v: weft.full(3, v) + x,
            lambda x, v: weft.full_like(x, v),
            lambda x, v: weft.full(3, v, dtype="float64"),
            lambda x, v: weft.stack([x[0], weft.asarray(v)]),
            lambda x, v: v ** (x + 2),
            lambda x, v: (x + 2) ** v,
            lambda x, v: divmod(v, 2)[1] + x,
            lambda x, v: divmod(x + 5, 3)[0] * v,
            lambda x, v: abs(-v) + round(v, 1) + x,
            lambda x, v: weft.linspace(v, v, 3, dtype="float64") + x,
            lambda x, v: weft.pad(x, [(1, 1)], value=v),
            lambda x, v: v,
        ],
    )
    def test_functions(self, function, value: float, dtype: str) -> None:  # type: ignore[no-untyped-def]
        x, results = weft.zeros(3, dtype=dtype), []
        for call in (function, weft.jit(function)):
            try:
                result = weft.asarray(call(x, value))
                results.append((result.dtype, result.numpy().tobytes()))
            except weft.WeftError as error:
                results.append(type(error))
        assert results[0] == results[1]


def test_sequences_of_integers_fit() -> None:
    with pytest.raises(weft.OutOfRangeError, match="does not fit into int8"):
        weft.arange(0, 300, 50, dtype="int8")
    with pytest.raises(weft.OutOfRangeError, match="does not fit into uint8"):
        weft.arange(3, -3, -1, dtype="uint8")
    with pytest.raises(weft.OutOfRangeError, match="does not fit into int8"):
        weft.linspace(0, 300, 4, dtype="int8")
    assert weft.arange(0, 128, 127, dtype="int8").tolist() == [0, 127]
    assert weft.arange(0, dtype="int8").tolist() == []


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_deviation_of_large_halves(dtype: str) -> None:
    x = weft.asarray([1000.0, 2000.0, 3000.0], dtype=dtype)
    expected = torch.tensor([1000.0, 2000.0, 3000.0], dtype=getattr(torch, dtype)).std().item()
    assert weft.std(x, correction=1).item() == expected
    assert weft.jit(lambda x: x.std())(x).item() == expected


@pytest.mark.parametrize("order", ["fro", 1, 2, 3, float("inf")])
def test_the_norm_of_a_method_is_pytorchs(order) -> None:  # type: ignore[no-untyped-def]
    numbers = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
    x, theirs = weft.asarray(numbers), torch.from_numpy(numbers)
    np.testing.assert_allclose(x.norm(order), theirs.norm(order), rtol=1e-6)
    if order != "fro":
        np.testing.assert_allclose(x.norm(order, 1), theirs.norm(order, 1), rtol=1e-6)
        ours = x.norm(order, dim=0, keepdim=True)
        np.testing.assert_allclose(ours, theirs.norm(order, dim=0, keepdim=True), rtol=1e-6)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**70, -(10**30)])
def test_integers_beyond_int64_are_as_in_eager(number: int) -> None:
    x = weft.asarray([1.5, -2.0])
    for function in (
        lambda t, n: t * n,
        lambda t, n: n - t,
        lambda t, n: t < n,
        lambda t, n: weft.where(t.astype("int32") < n, t, -t),
        lambda t, n: t + len(str(n)),
    ):
        assert_same_outcome(function, x, number)
    compiled = weft.jit(lambda t, n: t * n)
    for n in (1, number, 2, number + 1):
        assert np.array_equal(compiled(x, n), x * n)


def test_threads_beyond_any_number() -> None:
    for count in (0, -1, 2**40, -(2**70)):
        with pytest.raises(weft.OptionError, match="from 1 to 1024"):
            weft.set_num_threads(count)


@pytest.mark.parametrize("number", [True, False, 3, -2, 0, 2.5, -0.0])
def test_operators_of_numbers_are_pythons(number) -> None:
    operators = [operator.neg, operator.pos, abs, operator.invert, operator.not_, bool, float, int]
    operators += [lambda n: n + n, lambda n: n // 2, lambda n: n**2, lambda n: n << 1, round]
    for function in operators:
        try:
            expected = f"{function(number)}"
        except TypeError:
            continue
        seen = []

        def traced(x, n, function=function, seen=seen):
            seen.append(f"{function(n)}")
            return x + 1

        weft.jit(traced)(weft.zeros(1), number)
        assert seen == [expected]
