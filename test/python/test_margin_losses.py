"""Losses of pairs, triplets and labels against PyTorch's: at kinks too."""

import math

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF
from torch_comparison import assert_like_torch

nn, F, TF = weft.nn, weft.nn.functional, torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
REDUCTIONS = ["mean", "sum", "none"]
DTYPES = sorted(UNIT_ROUNDOFF)


def drawn(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).standard_normal(shape) * scale


def signs(*shape, seed=0):
    return np.random.default_rng(seed).choice([-1, 1], shape)


# Of elements and pairs -----------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (6,), (0,), (2, 3)])
@pytest.mark.parametrize("name", ["hinge_embedding_loss", "soft_margin_loss"])
def test_losses_of_elements(name, shape, reduction):
    options = {"margin": 0.5} if shape == (6,) and name[0] == "h" else {}
    target = signs(*shape, seed=1)
    for dtype in DTYPES if shape == (2, 3) else ["float64"]:
        assert_like_torch(
            lambda x, y: getattr(F, name)(x, y, reduction=reduction, **options),
            lambda x, y: getattr(TF, name)(x, y, reduction=reduction, **options),
            [drawn(*shape, scale=2.0)],
            [np.asarray(target)],
            dtype=dtype,
            roundings=16,
            size=4.0,
        )


def test_hinges_at_kinks():
    x = np.array([1.0, 1.0, 0.0, 2.0, 0.5, 3.0, math.inf, -math.inf])
    target = np.array([1, -1, -1, -1, 0, 0, -1, 1])
    both = [lambda x, y, f=f: f.hinge_embedding_loss(x, y, reduction="none") for f in (F, TF)]
    assert_like_torch(*both, [x], [target])


def test_soft_margins_do_not_overflow():
    x = weft.tensor([1e4, -1e4, 80.0], requires_grad=True)
    loss = F.soft_margin_loss(x, weft.asarray([-1, -1, 1]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [1e4, 0.0, math.exp(-80)], rtol=1e-5)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1.0, 0.0, -math.exp(-80)], rtol=1e-5)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_margin_ranking(dtype, reduction):
    cases = [((4,), (4,), (4,)), ((3, 1), (1, 2), (3, 2)), ((), (), ()), ((0,), (0,), (0,))]
    for shapes in cases if dtype == "float64" else cases[:1]:
        x, y = drawn(*shapes[0]), drawn(*shapes[1], seed=1)
        assert_like_torch(
            lambda x, y, t: F.margin_ranking_loss(x, y, t, 0.5, reduction=reduction),
            lambda x, y, t: TF.margin_ranking_loss(x, y, t, 0.5, reduction=reduction),
            [x, y],
            [np.asarray(signs(*shapes[2]))],
            dtype=dtype,
            size=4.0,
        )


def test_ranks_at_kinks():
    x, y = np.array([1.0, 1.0, 0.0]), np.array([0.5, 0.5, 0.5])
    both = [
        lambda x, y, t, f=f: f.margin_ranking_loss(x, y, t, 0.5, reduction="none") for f in (F, TF)
    ]
    assert_like_torch(*both, [x, y], [np.array([1, -1, -1])])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cosine_embedding(dtype, reduction):
    for shape in [(5, 3), (3,), (0, 3)] if dtype == "float64" else [(5, 3)]:
        x, y = drawn(*shape), drawn(*shape, seed=1)
        assert_like_torch(
            lambda x, y, t: F.cosine_embedding_loss(x, y, t, 0.25, reduction=reduction),
            lambda x, y, t: TF.cosine_embedding_loss(x, y, t, 0.25, reduction=reduction),
            [x, y],
            [np.asarray(signs(*shape[:-1]))],
            dtype=dtype,
            roundings=16,
            size=4.0,
        )


def test_cosines_of_multiples_and_of_zeros():
    x, y = drawn(4, 3), drawn(4, 3, seed=1)
    y[0], y[1], x[2], y[2] = x[0] * 2, 0.0, 0.0, 0.0
    both = [
        lambda x, y, t, f=f: f.cosine_embedding_loss(x, y, t, 0.0, reduction="none")
        for f in (F, TF)
    ]
    # PyTorch has the 1e-12 in float32, also where the tensors are of float64.
    rounded = UNIT_ROUNDOFF["float32"] / UNIT_ROUNDOFF["float64"]
    assert_like_torch(*both, [x, y], [np.array([1, 1, -1, -1])], roundings=rounded)


def test_cosines_of_long_vectors():
    x = weft.full((2, 3), 1e15)
    loss = F.cosine_embedding_loss(x, x, weft.asarray([1, -1]), reduction="none")
    np.testing.assert_allclose(loss.numpy(), [0.0, 1.0], atol=1e-6)


# Of triplets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"swap": True, "margin": 0.5}, {"p": 1, "eps": 2.0**-6}])
def test_triplets(options, dtype, reduction):
    shapes = [(4, 3)] * 3
    others = [[(3,)] * 3, [(2, 1, 3), (1, 2, 3), (2, 2, 3)], [(0, 3)] * 3]
    for each in [shapes, *others] if dtype == "float64" else [shapes]:
        triplet = [drawn(*shape, seed=seed) for seed, shape in enumerate(each)]
        assert_like_torch(
            lambda a, p, n: F.triplet_margin_loss(a, p, n, reduction=reduction, **options),
            lambda a, p, n: TF.triplet_margin_loss(a, p, n, reduction=reduction, **options),
            triplet,
            dtype=dtype,
            roundings=32,
            size=4.0,
        )


def test_triplets_at_kinks():
    triplet = [
        np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
        np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 0.0]]),
        np.array([[0.0, 0.0], [3.0, 3.0], [2.0, 0.0]]),
    ]
    both = [
        lambda a, p, n, f=f: f.triplet_margin_loss(a, p, n, eps=0.0, swap=True, reduction="none")
        for f in (F, TF)
    ]
    assert_like_torch(*both, triplet)


def test_triplets_with_another_distance():
    triplet = [drawn(4, 3, seed=seed) for seed in range(3)]

    def distance(x, y):
        return abs(x - y).sum(-1)

    for swap in (False, True):
        options = {"margin": 0.5, "swap": swap}
        for function in (None, distance):
            assert_like_torch(
                lambda *x: F.triplet_margin_with_distance_loss(
                    *x, distance_function=function, **options
                ),
                lambda *x: TF.triplet_margin_with_distance_loss(
                    *x, distance_function=function, **options
                ),
                triplet,
                roundings=32,
            )


# Of labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_multi_margin(weighted, p, reduction):
    options = {"p": p, "margin": 0.5, "reduction": reduction}
    for shape in [(5, 3), (3,), (2, 1)]:
        target = np.random.default_rng(1).integers(0, shape[-1], shape[:-1])
        weight = np.linspace(0.5, 2.0, shape[-1])
        for dtype in ("float32", "float64"):
            kept = weight.astype(dtype)
            assert_like_torch(
                lambda x, t: F.multi_margin_loss(
                    x, t, weight=weft.asarray(kept) if weighted else None, **options
                ),
                lambda x, t: TF.multi_margin_loss(
                    x, t, weight=torch.tensor(weight) if weighted else None, **options
                ),
                [drawn(*shape)],
                [np.asarray(target)],
                dtype=dtype,
                roundings=16,
            )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_multilabel_margin(reduction):
    cases = [
        np.array([[0, 2, -1, 1], [1, 1, -1, 0], [-1, 0, 0, 0], [3, 2, 1, 0]]),
        np.array([2, 0, -1, -1]),
        np.array([[0]]),
    ]
    for target in cases:
        for dtype in ("float32", "float64"):
            assert_like_torch(
                lambda x, t: F.multilabel_margin_loss(x, t, reduction=reduction),
                lambda x, t: TF.multilabel_margin_loss(x, t, reduction=reduction),
                [drawn(*target.shape)],
                [target],
                dtype=dtype,
                roundings=16,
                size=4.0,
            )


def test_margins_of_labels_at_kinks():
    x = np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 1.0]])
    for p in (1, 2):
        both = [
            lambda x, t, f=f: f.multi_margin_loss(x, t, p, 0.5, reduction="none") for f in (F, TF)
        ]
        assert_like_torch(*both, [x], [np.array([0, 1])])
    both = [lambda x, t, f=f: f.multilabel_margin_loss(x, t) for f in (F, TF)]
    assert_like_torch(*both, [x], [np.array([[0, -1, 0], [2, 0, -1]])])


def test_margins_of_halves():
    x, labels = drawn(2, 3), weft.asarray([0, 2])
    for dtype in ("float16", "bfloat16"):
        half = weft.asarray(x).astype(dtype)
        wide = half.astype("float32")
        assert F.multi_margin_loss(half, labels) == F.multi_margin_loss(wide, labels).astype(dtype)
        listed = weft.asarray([[0, -1, 0], [2, 1, -1]])
        loss = F.multilabel_margin_loss(half, listed)
        assert loss == F.multilabel_margin_loss(wide, listed).astype(dtype)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_multilabel_soft_margin(weighted, dtype, reduction):
    weight = np.array([0.5, 1.0, 2.0])
    for shape in [(4, 3), (3,), (2, 2, 3), (0, 3)] if dtype == "float64" else [(4, 3)]:
        target = np.random.default_rng(1).integers(0, 2, shape)
        assert_like_torch(
            lambda x, t: F.multilabel_soft_margin_loss(
                x,
                t,
                weight=weft.asarray(weight).astype(dtype) if weighted else None,
                reduction=reduction,
            ),
            lambda x, t: TF.multilabel_soft_margin_loss(
                x, t, weight=torch.tensor(weight) if weighted else None, reduction=reduction
            ),
            [drawn(*shape, scale=3.0)],
            [target],
            dtype=dtype,
            roundings=16,
            size=4.0,
        )


# Modules -------------------------------------------------------------------------------------

WEIGHT = np.array([0.5, 2.0, 1.0])
#: The options, and what comes after the inputs.
MODULES = {
    "HingeEmbeddingLoss": ({"margin": 0.5}, 1, signs(4, 3)),
    "SoftMarginLoss": ({"reduction": "sum"}, 1, signs(4, 3)),
    "MarginRankingLoss": ({"margin": 0.5}, 2, signs(4, 3)),
    "CosineEmbeddingLoss": ({"margin": 0.25, "reduction": "none"}, 2, signs(4)),
    "TripletMarginLoss": ({"margin": 0.5, "p": 1.0, "swap": True}, 3, None),
    "TripletMarginWithDistanceLoss": ({"margin": 0.5, "swap": True}, 3, None),
    "MultiMarginLoss": ({"p": 2, "margin": 0.5, "weight": WEIGHT}, 1, np.array([0, 2, 1, 1])),
    "MultiLabelMarginLoss": ({}, 1, np.array([[0, -1, 0]] * 4)),
    "MultiLabelSoftMarginLoss": ({"weight": WEIGHT}, 1, signs(4, 3) > 0),
    "NLLLoss": ({"weight": WEIGHT, "ignore_index": 1}, 1, np.array([0, 2, 1, 1])),
    "NLLLoss2d": ({}, 1, np.array([0, 2, 1, 1])),
    "CrossEntropyLoss": ({"weight": WEIGHT}, 1, np.array([0, 2, 1, 1])),
}


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    options, count, target = MODULES[name]

    def made(library, tensor):
        return getattr(library, name)(
            **{k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        )

    ours, theirs = made(nn, weft.asarray), made(torch.nn, torch.tensor)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    inputs = [drawn(4, 3, seed=seed) for seed in range(count)]
    if target is not None and target.dtype == bool:
        target = target.astype(np.int64)
    assert_like_torch(ours, theirs, inputs, [] if target is None else [target], roundings=32)


# Errors --------------------------------------------------------------------------------------


def ones(*shape):
    return weft.ones(shape)


def zeros(*shape):
    return weft.zeros(shape, dtype=weft.int64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.margin_ranking_loss(ones(2), ones(2), ones(2, 1)), "Shape", "one number of dim"),
        (lambda: F.cosine_embedding_loss(ones(2, 3), ones(2, 3), ones()), "Shape", r"\[N, D\]"),
        (lambda: F.cosine_embedding_loss(*[ones(2, 2, 3)] * 2, ones(2, 2)), "Shape", r"\[N, D\]"),
        (lambda: F.triplet_margin_loss(ones(2), ones(2), ones(1, 2)), "Shape", "one number of dim"),
        (lambda: F.triplet_margin_loss(*[ones(2)] * 3, margin=0.0), "Option", "positive"),
        (
            lambda: F.triplet_margin_with_distance_loss(*[ones(2)] * 3, margin=-1.0),
            "Option",
            "triplet_margin_with_distance_loss: margin is -1.0",
        ),
        (lambda: F.multi_margin_loss(ones(2, 3), zeros(2), p=3), "Option", "p is 3"),
        (lambda: F.multi_margin_loss(ones(2, 3), zeros(3)), "Shape", "need a target"),
        (lambda: F.multi_margin_loss(ones(2, 0), zeros(2)), "Shape", "a class at least"),
        (lambda: F.multi_margin_loss(ones(2, 3), ones(2)), "DType", "integers"),
        (lambda: F.multi_margin_loss(ones(2, 3), zeros(2) + 3), "OutOfBounds", "class 3"),
        (lambda: F.multi_margin_loss(ones(2, 3), zeros(2) - 1), "OutOfBounds", "class -1"),
        (
            lambda: F.multi_margin_loss(ones(2, 3), zeros(2), weight=ones(2)),
            "Shape",
            "each of 3 classes",
        ),
        (lambda: F.multilabel_margin_loss(ones(2, 3), zeros(2)), "Shape", "have to be equal"),
        (lambda: F.multilabel_margin_loss(ones(2, 3), zeros(2, 3) + 3), "OutOfBounds", "label 3"),
        (lambda: F.multilabel_margin_loss(ones(2, 3), ones(2, 3)), "DType", "integers"),
        (lambda: F.multilabel_margin_loss(ones(), zeros()), "Shape", r"\[N, C\] or \[C\]"),
        (lambda: F.multilabel_soft_margin_loss(ones(), ones()), "Shape", r"\[\.\.\., C\]"),
        (lambda: F.hinge_embedding_loss(ones(2), ones(2, 1)), "Shape", "have to be equal"),
        (lambda: F.soft_margin_loss(zeros(2), ones(2)), "DType", "has to be floating"),
        (lambda: F.soft_margin_loss(ones(2), ones(2), reduction="max"), "Option", "reduction"),
        (lambda: nn.MultiLabelMarginLoss(reduction="max"), "Option", "MultiLabelMarginLoss"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(getattr(weft, f"{error}Error"), match=message):
        call()


def test_classes_out_of_range_give_nan_in_compiled_functions():
    multi = weft.jit(lambda x, t: F.multi_margin_loss(x, t, reduction="none"))
    for wrong in (3, -1):
        loss = multi(ones(2, 3), weft.asarray([0, wrong]))
        assert list(np.isnan(loss.numpy())) == [False, True]
    multilabel = weft.jit(lambda x, t: F.multilabel_margin_loss(x, t, reduction="none"))
    loss = multilabel(ones(2, 3), weft.asarray([[0, -1, 5], [3, -1, 0]]))
    assert list(np.isnan(loss.numpy())) == [False, True]
