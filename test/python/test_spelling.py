"""PyTorch's spelling and the array API's: both are taken, as functions and as methods."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, to_numpy

X = np.random.default_rng(5).standard_normal((3, 4, 5)).astype(np.float32)
Y = np.random.default_rng(6).standard_normal((3, 4, 5)).astype(np.float32)

#: What is called on a namespace (weft or torch) and tensors, as PyTorch's programs have it.
PYTORCH = {
    "sum, dim": lambda t, x, y: t.sum(x, dim=1),
    "sum, positional": lambda t, x, y: t.sum(x, 1, True),
    "sum, several": lambda t, x, y: t.sum(x, dim=(0, 2), keepdim=True),
    "mean": lambda t, x, y: t.mean(x, dim=-1, keepdim=True),
    "prod": lambda t, x, y: t.prod(x, dim=0),
    "max, pair": lambda t, x, y: tuple(t.max(x, dim=1)),
    "max, positional": lambda t, x, y: tuple(t.max(x, 2, True)),
    "max, all": lambda t, x, y: t.max(x),
    "min, pair": lambda t, x, y: t.min(x, dim=1).values,
    "argmax": lambda t, x, y: t.argmax(x, dim=2, keepdim=True),
    "argmin": lambda t, x, y: t.argmin(x, 0),
    "var": lambda t, x, y: t.var(x, dim=1),
    "std": lambda t, x, y: t.std(x, 1, unbiased=False),
    "any": lambda t, x, y: t.any(x > 1, dim=1),
    "all": lambda t, x, y: t.all(x > -2, dim=1, keepdim=True),
    "cat": lambda t, x, y: t.cat([x, y], dim=2),
    "cat, positional": lambda t, x, y: t.cat((x, y), 1),
    "stack": lambda t, x, y: t.stack([x, y], dim=-1),
    "unsqueeze": lambda t, x, y: t.unsqueeze(x, 1),
    "squeeze": lambda t, x, y: t.squeeze(x[:1], dim=0),
    "flip": lambda t, x, y: t.flip(x, dims=[0, 2]),
    "flip, positional": lambda t, x, y: t.flip(x, [1]),
    "roll": lambda t, x, y: t.roll(x, 2, 1),
    "roll, keywords": lambda t, x, y: t.roll(x, shifts=(1, 2), dims=(0, 1)),
    "permute": lambda t, x, y: t.permute(x, (2, 0, 1)),
    "transpose": lambda t, x, y: t.transpose(x, 0, 2),
    "cumsum": lambda t, x, y: t.cumsum(x.long(), dim=1),
    "cumprod": lambda t, x, y: t.cumprod(x.long(), 1),
    "sort": lambda t, x, y: tuple(t.sort(x, dim=1, descending=True)),
    "argsort": lambda t, x, y: t.argsort(x, dim=1),
    "topk": lambda t, x, y: tuple(t.topk(x, 2, dim=1)),
    "chunk": lambda t, x, y: list(t.chunk(x, 2, dim=2)),
    "split": lambda t, x, y: list(t.split(x, [1, 3], dim=1)),
    "unbind": lambda t, x, y: list(t.unbind(x, dim=1)),
    "softmax": lambda t, x, y: (
        t.softmax(x.double(), dim=0).round(decimals=12)
        if t is torch
        else t.round(t.softmax(x.double(), dim=0) * 1e12) / 1e12
    ),
    "tril": lambda t, x, y: t.tril(x, diagonal=-1),
    "triu, positional": lambda t, x, y: t.triu(x, 1),
    "input": lambda t, x, y: t.sum(input=x, dim=1),
    "input and other": lambda t, x, y: t.matmul(input=x[0], other=y[0].T),
    "clamp": lambda t, x, y: t.clamp(x, min=-0.5, max=0.5),
    "repeat_interleave": lambda t, x, y: t.repeat_interleave(x, 2, dim=1),
    "diff": lambda t, x, y: t.diff(x, dim=1),
    "count_nonzero": lambda t, x, y: t.count_nonzero(x > 0, dim=1),
    "where, alone": lambda t, x, y: list(t.where(x > 0)),
    "gather": lambda t, x, y: t.gather(x, 1, t.argsort(y, dim=1)),
    "scatter_add": lambda t, x, y: t.scatter_add(x, 1, t.argsort(y, dim=1), y),
    "diagonal": lambda t, x, y: t.diagonal(x, offset=1, dim1=0, dim2=2),
    "amax": lambda t, x, y: t.amax(x, dim=(0, 2)),
    "isclose": lambda t, x, y: t.isclose(x, x + 1e-7),
    "eq": lambda t, x, y: t.eq(x, x),
    "movedim": lambda t, x, y: t.movedim(x, 0, 2),
    "tensor_split": lambda t, x, y: list(t.tensor_split(x, 3, dim=2)),
    "unflatten": lambda t, x, y: t.unflatten(x, 1, (2, -1)),
    "broadcast_to": lambda t, x, y: t.broadcast_to(x, (2, 3, 4, 5)),
    "select": lambda t, x, y: t.select(x, 1, 2),
    "narrow": lambda t, x, y: t.narrow(x, 1, 1, 2),
    "masked_select": lambda t, x, y: t.masked_select(x, x > 0),
    "kron": lambda t, x, y: t.kron(x[0], y[0]),
    "rot90": lambda t, x, y: t.rot90(x, 1, [1, 2]),
    "diag": lambda t, x, y: [t.diag(x[0]), t.diag(x[0, 0], 1)],
    "hstack": lambda t, x, y: t.hstack([x, y]),
    "vstack": lambda t, x, y: t.vstack([x[0, 0], y[0, 0]]),
    "fmod": lambda t, x, y: t.fmod(x, 0.3),
    "lerp": lambda t, x, y: t.lerp(x, x, 0.3),
    "triu_indices": lambda t, x, y: t.triu_indices(3, 4, 1),
    "tril_indices": lambda t, x, y: t.tril_indices(3, 4, -1),
    "take_along_dim": lambda t, x, y: t.take_along_dim(x, t.argsort(x, dim=2), 2),
}

PYTORCH |= {
    "add, alpha": lambda t, x, y: x.add(y, alpha=2),
    "sub, alpha": lambda t, x, y: t.sub(x, y, alpha=2),
    "div, floor": lambda t, x, y: t.div(x, 0.3, rounding_mode="floor"),
    "div, trunc": lambda t, x, y: t.div((x * 9).long(), 4, rounding_mode="trunc"),
    "max of two": lambda t, x, y: t.max(x, y),
    "flip, method": lambda t, x, y: x.flip(dims=(0, 1)),
    "squeeze of more than one": lambda t, x, y: x.squeeze(0),
    "nonzero": lambda t, x, y: (x > 0).nonzero(),
    "nonzero, tuple": lambda t, x, y: list((x > 0).nonzero(as_tuple=True)),
    "cat, tensors": lambda t, x, y: t.cat(tensors=[x, y], dim=1),
    "linspace, steps": lambda t, x, y: t.linspace(0, 1, steps=5),
    "zeros, size": lambda t, x, y: t.zeros(size=(2, 3)),
    "sum of no dimensions": lambda t, x, y: x.long().sum(dim=()),
    "cumsum of a number": lambda t, x, y: x[0, 0, 0].cumsum(0),
    "nan_to_num to inf": lambda t, x, y: (x * 0 / 0).nan_to_num(nan=float("inf")),
    "cross of the first 3": lambda t, x, y: (
        t.linalg.cross(x[:, :3, 0], y[:, :3, 0], dim=0)
        if t is torch
        else t.cross(x[:, :3, 0], y[:, :3, 0])
    ),
    "a diagonal of its own": lambda t, x, y: [x[0].diag().add_(100.0), x[0]],
    "fmod, numbers": lambda t, x, y: [x.half().fmod(3.0), (x * 9).int().fmod(3)],
    "fmod, negative": lambda t, x, y: (x * 9).long().fmod(-4),
    "fmax, numbers": lambda t, x, y: [x.half().fmax(y.half()), x.lerp(y, 0.25)],
}

METHODS = {
    "view and permute": lambda x, y: x.reshape(4, -1).t().contiguous().view(5, 3, 4),
    "repeat": lambda x, y: x.repeat(2, 1, 1),
    "new": lambda x, y: [x.new_zeros(2, 3), x.new_ones((2,)), x.new_full((2,), 3.0)],
    "type_as": lambda x, y: x.type_as(y.double()),
    "expand_as": lambda x, y: x[:1].expand_as(y),
    "clamp_min": lambda x, y: x.clamp_min(0.0),
    "unfold": lambda x, y: x.unfold(2, 3, 2),
    "where": lambda x, y: x.where(x > 0, y),
    "scatter_": lambda x, y: x.clone().scatter_(1, y.argsort(1), 2.0),
    "masked_fill_": lambda x, y: x.clone().masked_fill_(y > 0, -1.0),
    "clamp_": lambda x, y: x.clone().clamp_(-1, 1),
    "relu_": lambda x, y: x.clone().relu_(),
    "index_add_": lambda x, y: x.clone().index_add_(0, y.argmax(0)[0, :3] * 0, y),
    "addcmul_": lambda x, y: x.clone().addcmul_(y, y, value=0.0),
    "floor_divide": lambda x, y: x.floor_divide(0.5),
    "logical_xor": lambda x, y: (x > 0).logical_xor(y > 0),
    "nan_to_num": lambda x, y: (x / 0).nan_to_num(),
    "heaviside": lambda x, y: x.heaviside(y),
    "nansum": lambda x, y: (x * 0 / (x > 0)).nansum(dim=1),
    "equal": lambda x, y: [x.equal(x), x.equal(y), x.allclose(x + 1e-7)],
    "element_size": lambda x, y: [x.element_size(), x.nelement(), x.ndimension()],
    "is": lambda x, y: [x.is_floating_point(), x.long().is_signed(), x.is_cuda],
    "trace": lambda x, y: x[0, :, :4].long().trace(),
    "cross": lambda x, y: x[:, 0].long().cross(y[:, 0].long(), dim=0),
    "take": lambda x, y: x.take(y.argsort(2)),
    "amin": lambda x, y: list(x.aminmax(dim=1)),
    "bitwise": lambda x, y: x.long().bitwise_and(y.long()).bitwise_not(),
    "in place, comparisons": lambda x, y: x.clone().gt_(0.0),
}


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.numpy() if isinstance(value, (torch.Tensor, weft.Tensor)) else value


def _assert_equal(ours: object, theirs: object) -> None:
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for left, right in zip(ours, theirs, strict=True):
            _assert_equal(left, right)
    elif isinstance(theirs, np.ndarray):
        assert_same_bits(ours, theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("name", PYTORCH)
def test_functions_take_what_pytorchs_take(name: str) -> None:
    call = PYTORCH[name]
    ours = call(weft, weft.asarray(X), weft.asarray(Y))
    theirs = call(torch, torch.from_numpy(X), torch.from_numpy(Y))
    if name in ("mean", "prod", "var", "std", "sum, dim", "sum, positional", "sum, several"):
        np.testing.assert_allclose(to_numpy(ours), theirs.numpy(), rtol=2e-6, atol=1e-6)
        return
    if name in ("input", "input and other", "softmax", "cross of the first 3"):
        np.testing.assert_allclose(to_numpy(ours), theirs.numpy(), rtol=2e-6, atol=1e-6)
        return
    _assert_equal(_plain(ours), _plain(theirs))


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_pytorchs(name: str) -> None:
    call = METHODS[name]
    ours = call(weft.asarray(X), weft.asarray(Y))
    theirs = call(torch.from_numpy(X), torch.from_numpy(Y))
    _assert_equal(_plain(ours), _plain(theirs))


@pytest.mark.parametrize("name", ["sum, dim", "cat", "max, pair", "sort", "flip", "cumsum"])
def test_it_is_the_same_compiled(name: str) -> None:
    call = PYTORCH[name]
    function = weft.jit(lambda x, y: call(weft, x, y))
    tensors = weft.asarray(X), weft.asarray(Y)
    assert_same_bits(function(*tensors), call(weft, *tensors))


def test_methods_take_the_array_apis_names() -> None:
    x = weft.asarray(X)
    assert_same_bits(x.cumsum(axis=1), x.cumsum(1))
    assert_same_bits(x.sort(axis=0)[0], weft.sort(x, axis=0))
    assert_same_bits(x.sum(axis=1, keepdims=True), x.sum(1, keepdim=True))
    assert_same_bits(x.amax(axis=1, keepdims=True), x.amax(1, True))
    assert_same_bits(x.unsqueeze(axis=1), x.unsqueeze(1))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8"])
def test_remainders_at_the_least_integer(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.min + 1, 1, 3, 5, limits.max], dtype)
    x, y = np.meshgrid(values, values[values != 0])
    ours = weft.fmod(weft.asarray(x), weft.asarray(y))
    assert_same_bits(ours, torch.fmod(torch.from_numpy(x), torch.from_numpy(y)).numpy())


GRADIENTS = {
    "xlogy": (lambda t, x: t.xlogy(x, t.abs(x) + 1), [0.0, 1.0, 2.0]),
    "hypot": (lambda t, x: t.hypot(x, x.detach() * 0 + math.inf), [1.0, -2.0]),
    "sinc": (lambda t, x: t.sinc(x), [1e-30, 1e-4, 0.3, -2.5, 0.0]),
    "lerp": (lambda t, x: t.lerp(x, x * x, 0.7), [0.5, -1.0]),
    "logit": (lambda t, x: t.logit(x), [0.2, 0.9]),
    "kron": (lambda t, x: t.kron(x, x), [0.5, 2.0]),
    "diagonal": (lambda t, x: t.diagonal(x.reshape(2, 2), offset=1) * 2, [1.0, 2.0, 3.0, 4.0]),
    "diag": (lambda t, x: t.diag(x, 1) ** 2, [1.0, 2.0]),
    "cdist": (lambda t, x: t.cdist(x.reshape(2, 2), x.reshape(2, 2) + 1), [1.0, 2.0, 3.0, 5.0]),
    "quantile": (lambda t, x: t.quantile(x, t.asarray(0.3, dtype=x.dtype)), [3.0, 1.0, 2.0, 9.0]),
    "median": (lambda t, x: t.median(x), [3.0, 1.0, 2.0]),
    "unfold": (lambda t, x: x.unfold(0, 2, 1) ** 2, [3.0, 1.0, 2.0]),
    "nan_to_num": (lambda t, x: t.nan_to_num(x), [3.0, math.nan, math.inf]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_pytorchs(name: str) -> None:
    function, values = GRADIENTS[name]
    mine = weft.tensor(values, dtype="float64", requires_grad=True)
    theirs = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    function(weft, mine).sum().backward()
    function(torch, theirs).sum().backward()
    np.testing.assert_allclose(to_numpy(mine.grad), theirs.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_one_own_keyword_keeps_the_meaning_of_all() -> None:
    x = weft.asarray(X)
    assert_same_bits(weft.var(x, axis=1, keepdim=True), weft.var(x, axis=1, keepdims=True))
    assert_same_bits(weft.var(X, 0), weft.var(x, 0))
    assert isinstance(weft.sort(X, 1), tuple)


def test_the_array_apis_own_spelling_keeps_its_results() -> None:
    x = weft.asarray(X)
    assert isinstance(weft.max(x, axis=1), weft.Tensor)
    assert isinstance(weft.sort(x, axis=1), weft.Tensor)
    assert_same_bits(weft.var(x, axis=1), x.var(1, unbiased=False))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: weft.sum(x, dims_=1),
        lambda x: weft.sum(x, dim=1, axis=1),
        lambda x: weft.cat([x], 0, 1, 2),
        lambda x: x.sort(0, False, True, 4),
        lambda x: weft.concat(),
    ],
)
def test_what_fits_neither_spelling_is_pythons_error(call) -> None:
    with pytest.raises(TypeError):
        call(weft.asarray(X))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: x.long().add_(0.5), weft.DTypeError, "int64"),
        (lambda x: x.long().lerp_(x, 0.5), weft.DTypeError, "does not become int64 in place"),
        (lambda x: x[:1].clone().addcmul_(x, x), weft.ShapeError, "addcmul_: the result has"),
        (lambda x: x.unfold(0, 9, 1), weft.ShapeError, "windows of 9"),
        (lambda x: x[0].cross(x[0]), weft.ShapeError, "is not 3"),
        (lambda x: x.abs().multinomial(9), weft.ShapeError, "9 of 5 without replacement"),
    ],
)
def test_errors_name_the_method(call, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(weft.asarray(X))


def test_random_draws_have_the_shares_of_their_weights() -> None:
    weft.manual_seed(3)
    weights = weft.asarray([[0.0, 1.0, 3.0], [1.0, 0.0, 0.0]])
    drawn = to_numpy(weights.multinomial(4000, replacement=True))
    assert drawn.shape == (2, 4000)
    assert (drawn[1] == 0).all()
    # The share is 3/4, with a standard deviation of 0.0068.
    assert abs((drawn[0] == 2).mean() - 0.75) < 0.035
    assert (drawn[0] != 0).all()
    first = to_numpy(weft.multinomial(weft.asarray([[1.0, 2.0, 4.0]] * 500), 3))
    assert (np.sort(first, axis=1) == [0, 1, 2]).all()
    assert abs((first[:, 0] == 2).mean() - 4 / 7) < 0.12
    flags = to_numpy(weft.bernoulli(weft.full((4000,), 0.3)))
    assert set(flags.tolist()) == {0.0, 1.0}
    assert abs(flags.mean() - 0.3) < 0.04
    assert sorted(to_numpy(weft.randperm(50)).tolist()) == list(range(50))
    assert to_numpy(weft.randint(3, 7, (100,))).min() >= 3
    x = weft.zeros(3000)
    assert abs(to_numpy(x.normal_(2.0, 0.5)).mean() - 2.0) < 0.06
    assert to_numpy(x.uniform_(1, 2)).min() >= 1
    assert weft.randn_like(x).shape == weft.rand_like(x).shape == x.shape


#: Functions of two operands whose order matters, and PyTorch's names of these.
_TWO = {
    **dict.fromkeys(
        [
            *("sub", "subtract", "div", "divide", "true_divide", "remainder", "fmod", "atan2"),
            *("copysign", "floor_divide", "nextafter", "gt", "ge", "lt", "le", "eq", "ne"),
            *("maximum", "hypot", "logaddexp", "isclose", "rsub", "xlogy"),
            *("bitwise_left_shift", "gcd"),
        ],
        ("input", "other"),
    ),
    "pow": ("input", "exponent"),
    "matmul": ("input", "other"),
    "mm": ("input", "mat2"),
    "mv": ("input", "vec"),
    "outer": ("input", "vec2"),
    "dot": ("input", "tensor"),
    "heaviside": ("input", "values"),
}
_MATRICES, _INTEGERS = {"matmul", "mm", "mv"}, {"bitwise_left_shift", "gcd"}


def _two(package: object, name: str) -> tuple:
    if name in _INTEGERS:
        return tuple(package.tensor(x) for x in ([5, 12, 3], [1, 8, 2]))
    x, y = (package.tensor(list(x)) for x in ((5.0, 7.0, -3.0), (1.0, 2.5, 2.0)))
    return (x[:, None] * x, y if name == "mv" else y[:, None] * x) if name in _MATRICES else (x, y)


@pytest.mark.parametrize("name", _TWO)
def test_operands_by_name_keep_their_places(name: str) -> None:
    first, second = _TWO[name]
    found = []
    for package in (weft, torch):
        x, y = _two(package, name)
        function = getattr(package, name)
        calls = [function(x, y), function(x, **{second: y}), function(**{first: x, second: y})]
        calls.append(function(**{second: y, first: x}))
        if hasattr(torch.Tensor, name):
            calls.append(getattr(x, name)(**{second: y}))
        found.append([call.tolist() for call in calls])
    assert found[0] == [found[0][0]] * len(found[0])
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)


_OUT = {
    "exp": lambda t, x, **o: t.exp(x, **o),
    "add": lambda t, x, **o: t.add(x, x, alpha=2, **o),
    "mul": lambda t, x, **o: t.mul(x, other=2.0, **o),
    "matmul": lambda t, x, **o: t.matmul(x, x.mT, **o),
    "sum": lambda t, x, **o: t.sum(x, dim=1, **o),
    "cat": lambda t, x, **o: t.cat([x, x], dim=2, **o),
    "stack": lambda t, x, **o: t.stack([x, x], **o),
    "clamp": lambda t, x, **o: t.clamp(x, min=0.0, **o),
    "max": lambda t, x, **o: t.max(x, dim=1, **o),
    "topk": lambda t, x, **o: t.topk(x, 2, **o),
    "sort": lambda t, x, **o: t.sort(x, dim=0, **o),
    "gt": lambda t, x, **o: t.gt(x, 0.0, **o),
    "inverse": lambda t, x, **o: t.linalg.inv(x @ x.mT + t.eye(4), **o),
    "arange": lambda t, x, **o: t.arange(5, **o),
    "cumsum": lambda t, x, **o: t.cumsum(x, dim=-1, **o),
}


@pytest.mark.parametrize("name", _OUT)
def test_results_that_are_written(name: str) -> None:
    """To a tensor or several, also in compiled functions; what is returned are these."""
    call = _OUT[name]
    wanted = call(torch, torch.tensor(X))
    wanted = [x.numpy() for x in (wanted if isinstance(wanted, tuple) else [wanted])]

    def written(x: weft.Tensor, *outs: weft.Tensor) -> None:
        found = call(weft, x, out=outs[0] if len(outs) == 1 else outs)
        assert all(a is b for a, b in zip([found] if len(outs) == 1 else found, outs, strict=True))

    for function in (written, weft.jit(written)):
        outs = [weft.asarray(np.zeros_like(x)) for x in wanted]
        function(weft.asarray(X), *outs)
        for out, want in zip(outs, wanted, strict=True):
            np.testing.assert_allclose(to_numpy(out), want, rtol=2e-5, atol=2e-5)


def test_results_that_do_not_fit() -> None:
    x = weft.asarray(X)
    for error, message, out in (
        (weft.ShapeError, r"exp: out has shape \(3,\), but the result \(3, 4, 5\)", weft.ones(3)),
        (weft.DTypeError, "exp: the result is float32, but out int32", weft.ones_like(x).int()),
        (weft.DTypeError, "out has to be as the result is, not list", [1]),
    ):
        with pytest.raises(error, match=message):
            weft.exp(x, out=out)
    assert weft.exp(x, out=None).shape == x.shape
    part = weft.zeros((3, 4, 10))
    weft.exp(x, out=part[..., ::2])
    assert_same_bits(part[..., ::2], weft.exp(x))
    for wrong in ({"other": x}, {"input": x}):
        with pytest.raises(TypeError, match=r"fmod\(\)"):
            weft.fmod(x, x, **wrong)
    with pytest.raises(TypeError, match=r"fmod\(\)"):
        weft.fmod(other=x)


def test_three_operands_by_name() -> None:
    for t in (weft, torch):
        x, y = t.tensor([1.0, 2.0]), t.tensor([3.0, 4.0])
        chosen = [
            t.where(x > 1, x, other=y),
            t.where(x > 1, input=x, other=y),
            t.where(condition=x > 1, input=x, other=y),
        ]
        assert [each.tolist() for each in chosen] == [[3.0, 2.0]] * 3
