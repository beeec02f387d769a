"""Losses and einsum against PyTorch and NumPy over random shapes, extremes and options."""

import math

import numpy as np
import pytest
import torch
import weft
from hypothesis import assume, given, settings
from hypothesis import strategies as st

F, TF = weft.nn.functional, torch.nn.functional
REDUCTIONS = ["mean", "sum", "none"]
EXTREMES = np.array([0.0, -0.0, 1.0, -1.0, 20.0, -20.0, 100.0, -100.0, 1e4, -1e4])


def drawn(seed, shape, extreme):
    rng = np.random.default_rng(seed)
    return rng.choice(EXTREMES, shape) if extreme else rng.standard_normal(shape) * 3


def assert_same_loss(ours, theirs, x, *rest):
    """Value and gradient, eager and compiled, in float64."""
    wanted = torch.tensor(x, requires_grad=True)
    expected = theirs(wanted, *map(torch.tensor, rest))
    expected.sum().backward()
    tensor, others = weft.tensor(x, requires_grad=True), [weft.asarray(y) for y in rest]
    result = ours(tensor, *others)
    result.sum().backward()
    compiled = weft.jit(ours)(weft.asarray(x), *others)
    assert np.asarray(compiled).tobytes() == np.asarray(result.detach()).tobytes()
    # Sums of up to 100 terms in other orders, and functions within 2 ulp.
    np.testing.assert_allclose(result.detach(), expected.detach(), rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(tensor.grad, wanted.grad, rtol=1e-12, atol=1e-13)


SHAPES = st.sampled_from([(), (1,), (4,), (3, 1), (2, 3), (0,), (2, 0)])


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"])
@given(st.integers(0, 99), SHAPES, st.sampled_from(REDUCTIONS), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_losses_of_elements(name, seed, shape, reduction, extreme, weighted):
    x = drawn(seed, shape, extreme)
    y = np.random.default_rng(seed + 1).uniform(0, 1, shape).round(seed % 2 * 3)
    options = {"reduction": reduction}
    factors = np.random.default_rng(seed).uniform(0.5, 2, shape[-1:])

    def ours(x, y):
        more = {}
        if weighted and name[0] == "b":
            more = {"weight": weft.asarray(factors), "pos_weight": weft.asarray(factors)}
        return getattr(F, name)(x, y, **options, **more)

    def theirs(x, y):
        more = {}
        if weighted and name[0] == "b":
            more = {"weight": torch.tensor(factors), "pos_weight": torch.tensor(factors)}
        return getattr(TF, name)(x, y, **options, **more)

    assert_same_loss(ours, theirs, x, y)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@given(
    st.integers(0, 99),
    st.sampled_from([(1, 1), (4, 3), (2, 5, 3), (2, 3, 2, 2), (3,), (0, 3)]),
    st.sampled_from(REDUCTIONS),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.1]),
)
@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_losses_of_classes(name, seed, shape, reduction, extreme, weighted, smoothing):
    rng = np.random.default_rng(seed)
    classes = shape[1 if len(shape) > 1 else 0]
    places = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
    target = np.asarray(rng.integers(0, classes, places))
    if seed % 3 == 0:
        target = np.where(rng.uniform(size=places) < 0.3, -100, target)
    assume(len(shape) > 1 or target != -100)
    x = drawn(seed, shape, extreme)
    if name == "nll_loss":
        x = np.array(torch.log_softmax(torch.tensor(x), 1 if len(shape) > 1 else 0))
    factors = rng.uniform(0.5, 2, classes)
    options = {"reduction": reduction}
    if name == "cross_entropy":
        options["label_smoothing"] = smoothing

    def ours(x, t):
        return getattr(F, name)(x, t, weight=weft.asarray(factors) if weighted else None, **options)

    def theirs(x, t):
        weight = torch.tensor(factors) if weighted else None
        return getattr(TF, name)(x, t, weight=weight, **options)

    assert_same_loss(ours, theirs, x, target)


@given(st.integers(0, 99), st.sampled_from(REDUCTIONS), st.booleans(), st.sampled_from([0.0, 0.2]))
@settings(max_examples=15, deadline=None)
def test_cross_entropy_of_probabilities(seed, reduction, weighted, smoothing):
    x = drawn(seed, (3, 4, 2), seed % 2)
    target = np.random.default_rng(seed).dirichlet(np.ones(4), (3, 2)).transpose(0, 2, 1).copy()
    factors = np.random.default_rng(seed).uniform(0.5, 2, 4)
    options = {"reduction": reduction, "label_smoothing": smoothing}
    assert_same_loss(
        lambda x, t: F.cross_entropy(
            x, t, weight=weft.asarray(factors) if weighted else None, **options
        ),
        lambda x, t: TF.cross_entropy(
            x, t, weight=torch.tensor(factors) if weighted else None, **options
        ),
        x,
        target,
    )


def test_classes_beside_minus_infinity():
    scores = np.array([[0.0, -math.inf, -math.inf], [-math.inf, -1.0, -0.5]])
    for name in ("cross_entropy", "nll_loss"):
        assert_same_loss(getattr(F, name), getattr(TF, name), scores, np.array([0, 2]))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"])
def test_losses_do_not_broadcast(name):
    for shapes in (((4, 1), (4,)), ((4,), (1,)), ((4,), ())):
        with pytest.raises(weft.ShapeError, match="have to be equal"):
            getattr(F, name)(*(weft.ones(*shape) for shape in shapes))
    with pytest.raises(weft.OptionError):
        getattr(F, name)(weft.ones(2), weft.ones(2), reduction="average")
    with pytest.raises(weft.DTypeError):
        getattr(F, name)(weft.asarray([1, 2]), weft.asarray([1, 2]))


def test_small_losses_of_sure_logits_in_float32():
    x = weft.tensor([20.0, -20.0, 100.0, -100.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(
        x, weft.asarray([1.0, 0.0, 1.0, 0.0]), reduction="none"
    )
    np.testing.assert_allclose(
        loss.detach(), [2.0611537e-9, 2.0611537e-9, 3.78e-44, 3.78e-44], rtol=1e-2
    )
    loss.sum().backward()
    assert np.abs(np.asarray(x.grad)).max() < 1e-7


@pytest.mark.parametrize("size", [(1, 2), (2, 2), (4, 3), (3, 4), (2, 6)])
@pytest.mark.parametrize("dilation", [1, 2, (3, 1)])
@pytest.mark.filterwarnings("ignore")
def test_same_padding_of_any_window(size, dilation):
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((2, 3, 9, 8)), rng.standard_normal((4, 3, *size))
    assert_same_loss(
        lambda x, w: F.conv2d(x, w, padding="same", dilation=dilation),
        lambda x, w: TF.conv2d(x, w, padding="same", dilation=dilation),
        x,
        weight,
    )
    with pytest.raises(weft.OptionError, match="stride 1"):
        F.conv2d(weft.asarray(x), weft.asarray(weight), padding="same", stride=2)
    with pytest.raises(weft.OptionError, match="'full'"):
        F.conv2d(weft.asarray(x), weft.asarray(weight), padding="full")


# einsum --------------------------------------------------------------------------------------

SUBSCRIPTS = [
    "ij,jk",
    "ij,jk->ik",
    "ij , jk -> ki",
    "bij,bjk->bik",
    "ii",
    "ii->i",
    "iij->j",
    "iji->ij",
    "iii->i",
    "i,i",
    "i,j->ij",
    "i,j,k->kij",
    ",i->i",
    "->",
    ",",
    "ij->",
    "ij->ji",
    "...",
    "...ij,...jk->...ik",
    "...i,...i",
    "i...->...i",
    "...ii->...i",
    "ij,ij->ij",
    "ij,ij,ij->j",
    "ab,bc,cd",
    "ii,i->i",
    "ba",
    "aB,B",
]


@given(st.sampled_from(SUBSCRIPTS), st.sampled_from(["float64", "int64", "uint8"]), st.data())
@settings(max_examples=120, deadline=None)
def test_einsum_is_numpys(subscripts, dtype, data):
    sizes = {letter: data.draw(st.integers(0, 4), letter) for letter in "abcdijkB"}
    rng, operands = np.random.default_rng(0), []
    for label in subscripts.split("->")[0].replace(" ", "").split(","):
        hidden = (
            data.draw(st.sampled_from([(), (2,), (3, 2), (1,), (1, 2)])) if "." in label else ()
        )
        names = label.replace("...", "*")
        shape = [size for name in names for size in (hidden if name == "*" else (sizes[name],))]
        if "*" not in names and len(set(names)) == len(names):
            # A size of 1 is repeated.
            shape = [1 if data.draw(st.integers(0, 5)) == 0 else size for size in shape]
        operands.append(rng.integers(0, 9, shape).astype(dtype))
    try:
        expected = np.einsum(subscripts, *operands)
    except ValueError:
        with pytest.raises(weft.ShapeError):
            weft.einsum(subscripts, *map(weft.asarray, operands))
        return
    result = weft.einsum(subscripts, *map(weft.asarray, operands))
    assert result.dtype == dtype
    assert result.shape == expected.shape
    assert np.array_equal(result, expected), "small integers: exact in any order"


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (4, 2)]),
        ("ij", [(2,)]),
        ("ij,jk", [(2, 3)]),
        ("ij->ijk", [(2, 3)]),
        ("ij->ii", [(2, 3)]),
        ("i j k,->", [(2, 3)]),
        ("i1->i", [(2, 3)]),
        ("ii", [(2, 3)]),
        ("", [(2,)]),
        ("i->i->i", [(2,)]),
        ("......", [(2,)]),
        ("i..", [(2, 2)]),
    ],
)
def test_einsum_refuses(subscripts, shapes):
    with pytest.raises(weft.ShapeError, match="einsum"):
        weft.einsum(subscripts, *(weft.ones(*shape) for shape in shapes))


def test_einsum_has_the_gradient_of_torchs():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 3, 4)), rng.standard_normal((4, 1))
    assert_same_loss(
        lambda x, y: weft.einsum("iij,jk->ik", x, y),
        lambda x, y: torch.einsum("iij,jk->ik", x, y),
        x,
        y,
    )
