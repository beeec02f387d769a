"""Connectionist temporal classification against PyTorch's."""

import math

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits
from torch_comparison import assert_like_torch

nn, F, TF = weft.nn, weft.nn.functional, torch.nn.functional

STEPS, COUNT, CLASSES, LONGEST = 6, 4, 5, 3
TIMES, LENGTHS = [6, 5, 3, 6], [3, 0, 1, 2]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape) * 2


def labels(blank=0, seed=0):
    """Labels other than the blank, of which one row has equal neighbours."""
    found = np.random.default_rng(seed).integers(1, CLASSES, (COUNT, LONGEST))
    found[0] = [2, 2, 3]
    return (found + blank) % CLASSES


def loss_of(library, **options):
    """By the logits: by the logarithms of probabilities PyTorch's gradient is another."""

    def loss(x, targets, times, lengths):
        return library.ctc_loss(library.log_softmax(x, -1), targets, times, lengths, **options)

    return loss


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padded_targets(dtype, blank, reduction):
    options = {"blank": blank, "reduction": reduction}
    assert_like_torch(
        loss_of(F, **options),
        loss_of(TF, **options),
        [drawn(STEPS, COUNT, CLASSES)],
        [labels(blank), np.array(TIMES), np.array(LENGTHS)],
        dtype=dtype,
        roundings=64,
    )


@pytest.mark.parametrize("known", [False, True])
def test_targets_one_after_the_other(known):
    rows = labels()
    targets = np.concatenate([row[:length] for row, length in zip(rows, LENGTHS, strict=True)])
    lengths = (tuple(TIMES), tuple(LENGTHS)) if known else (np.array(TIMES), np.array(LENGTHS))
    both = [loss_of(library, reduction="none") for library in (F, TF)]
    assert_like_torch(*both, [drawn(STEPS, COUNT, CLASSES)], [targets, *lengths], roundings=64)


def test_one_sequence():
    for lengths in ((np.array(5), np.array(2)), (np.array([5]), np.array([2]))):
        both = [loss_of(library, reduction="none") for library in (F, TF)]
        x = [drawn(STEPS, CLASSES)]
        if lengths[0].ndim == 0:
            assert_like_torch(*both, x, [np.array([3, 1]), *lengths], roundings=64)
        loss = both[0](weft.asarray(x[0]), weft.asarray([3, 1]), *map(weft.asarray, lengths))
        assert loss.shape == ()


def test_targets_without_an_alignment():
    """Too few time steps, for equal neighbours one more than labels; and no time at all."""
    x, targets = drawn(3, 4, CLASSES), np.array([[1, 2, 3, 4], [2, 2, 1, 1], [1, 1, 1, 1], [1] * 4])
    times, lengths = np.array([3, 3, 3, 0]), np.array([4, 3, 1, 0])
    logits = weft.tensor(x, requires_grad=True)
    arguments = [weft.asarray(each) for each in (targets, times, lengths)]
    loss = loss_of(F, reduction="none")(logits, *arguments)
    expected = loss_of(TF, reduction="none")(
        torch.tensor(x), *map(torch.tensor, (targets, times, lengths))
    )
    np.testing.assert_allclose(loss.detach().numpy(), expected.numpy(), rtol=1e-13)
    assert list(np.isinf(loss.detach().numpy())) == [True, True, False, False]
    loss.sum().backward()
    assert np.isfinite(logits.grad.numpy()).all()
    both = [loss_of(library, zero_infinity=True) for library in (F, TF)]
    assert_like_torch(*both, [x], [targets, times, lengths], roundings=64)


def test_impossible_classes():
    """Probabilities of 0 beside paths that are possible."""
    shares = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])
    with np.errstate(divide="ignore"):
        scores = np.log(shares)[:, None]
    x = weft.tensor(scores, requires_grad=True)
    loss = F.ctc_loss(x, weft.asarray([[1]]), (3,), (1,), reduction="sum")
    # Paths 111, 11-, -11 and -1-.
    np.testing.assert_allclose(float(loss), -math.log(0.5), rtol=1e-14)
    loss.backward()
    wanted = -np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])[:, None]
    np.testing.assert_allclose(x.grad.numpy(), wanted, atol=1e-14)


def test_half_precision_is_computed_in_float32():
    scores = weft.log_softmax(weft.asarray(drawn(STEPS, COUNT, CLASSES)).astype("float16"), -1)
    rest = (weft.asarray(labels()), TIMES, LENGTHS)
    loss = F.ctc_loss(scores, *rest)
    assert loss.dtype == weft.float16
    assert_same_bits(loss, F.ctc_loss(scores.astype("float32"), *rest).astype("float16"))


def test_module():
    ours, theirs = (library.CTCLoss(blank=1, reduction="sum") for library in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    x = drawn(STEPS, COUNT, CLASSES)
    mine = ours(weft.log_softmax(weft.asarray(x), -1), weft.asarray(labels(1)), TIMES, LENGTHS)
    logits = torch.log_softmax(torch.tensor(x), -1)
    expected = theirs(logits, torch.tensor(labels(1)), tuple(TIMES), tuple(LENGTHS))
    np.testing.assert_allclose(float(mine), float(expected), rtol=1e-13)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"log_probs": weft.ones(2)}, "Shape", r"\[T, N, C\] or \[T, C\]"),
        ({"log_probs": weft.ones(6, 4, 5, dtype=weft.int64)}, "DType", "has to be floating"),
        ({"targets": weft.ones(4, 3)}, "DType", "have to be integers"),
        ({"targets": weft.ones(3, 3, dtype=weft.int64)}, "Shape", "the targets have shape"),
        ({"targets": weft.full((4, 3), 5)}, "OutOfBounds", "label 5"),
        ({"targets": weft.ones(7, dtype=weft.int64)}, "Shape", "7 targets"),
        ({"input_lengths": (6, 6, 6)}, "Shape", "input lengths have shape"),
        ({"input_lengths": (6, 6, 6, 7)}, "OutOfBounds", "input length 7"),
        ({"target_lengths": (4, 0, 0, 0)}, "OutOfBounds", "target length 4"),
        ({"target_lengths": (-1, 0, 0, 0)}, "OutOfBounds", "target length -1"),
        ({"blank": 5}, "OutOfBounds", "blank 5"),
        ({"reduction": "max"}, "Option", "reduction"),
    ],
)
def test_errors(change, error, message):
    arguments = {
        "log_probs": weft.log_softmax(weft.asarray(drawn(STEPS, COUNT, CLASSES)), -1),
        "targets": weft.asarray(labels()),
        "input_lengths": TIMES,
        "target_lengths": LENGTHS,
    }
    with pytest.raises(getattr(weft, f"{error}Error"), match=message):
        F.ctc_loss(**{**arguments, **change})


def test_what_is_out_of_range_gives_nan_in_compiled_functions():
    scores = weft.log_softmax(weft.asarray(drawn(STEPS, COUNT, CLASSES)), -1)
    compiled = weft.jit(lambda *rest: F.ctc_loss(scores, *rest, reduction="none"))
    loss = compiled(weft.asarray(labels()), weft.asarray([7, 6, -1, 6]), weft.asarray([1, 4, 1, 1]))
    assert list(np.isnan(loss.numpy())) == [True, True, True, False]
    wrong = labels()
    wrong[0, 0], wrong[1, 1], wrong[2, 2] = CLASSES, -1, CLASSES
    loss = compiled(weft.asarray(wrong), weft.asarray([6] * 4), weft.asarray([2] * 4))
    assert list(np.isnan(loss.numpy())) == [True, True, False, False]
