"""nn.utils.prune beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from weft import nn

torch = pytest.importorskip("torch")
ours_of, theirs_of = nn.utils.prune, pytest.importorskip("torch.nn.utils.prune")


def pair(shape=(6, 5)):
    """The same layer of both."""
    torch.manual_seed(0)
    theirs = torch.nn.Linear(shape[1], shape[0])
    ours = nn.Linear(shape[1], shape[0])
    ours.load_state_dict({name: x.detach().numpy() for name, x in theirs.state_dict().items()})
    return ours, theirs


CALLS = {
    "l1, a part": lambda p, layer: p.l1_unstructured(layer, "weight", 0.3),
    "l1, a number": lambda p, layer: p.l1_unstructured(layer, "weight", amount=7),
    "l1, none": lambda p, layer: p.l1_unstructured(layer, "weight", amount=0),
    "l1, all": lambda p, layer: p.l1_unstructured(layer, "weight", amount=1.0),
    "rows": lambda p, layer: p.ln_structured(layer, "weight", 0.5, n=2, dim=0),
    "columns": lambda p, layer: p.ln_structured(layer, "weight", 2, n=1, dim=-1),
    "bias": lambda p, layer: p.l1_unstructured(layer, "bias", 0.5),
    "identity": lambda p, layer: p.identity(layer, "weight"),
    "all": lambda p, layer: p.global_unstructured(
        [(layer, "weight"), (layer, "bias")], pruning_method=p.L1Unstructured, amount=0.4
    ),
}


@pytest.mark.parametrize("first", CALLS)
@pytest.mark.parametrize("second", [None, "l1, a part", "rows", "all"])
def test_masks_are_those_of_torch(first, second):
    ours, theirs = pair()
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    for name in filter(None, (first, second)):
        CALLS[name](ours_of, ours)
        CALLS[name](theirs_of, theirs)
    state = ours.state_dict()
    assert set(state) == set(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(np.array(state[name]), value.numpy())
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(np.array(ours(weft.asarray(x))), expected, rtol=1e-5, atol=1e-6)
    compiled = weft.jit(ours.__call__)(weft.asarray(x))
    assert np.array(compiled).tobytes() == np.array(ours(weft.asarray(x))).tobytes()
    assert ours_of.is_pruned(ours) == theirs_of.is_pruned(theirs)
    for name in ("weight", "bias"):
        if hasattr(theirs, name + "_mask"):
            ours_of.remove(ours, name)
    assert not ours_of.is_pruned(nn.Sequential(ours))
    np.testing.assert_array_equal(np.array(ours.weight), theirs.weight.detach().numpy())


@pytest.mark.parametrize("function", ["random_unstructured", "random_structured"])
def test_random_masks(function):
    ours, _ = pair((20, 10))
    options = {"dim": 0} if function == "random_structured" else {}
    getattr(ours_of, function)(ours, "weight", 0.25, **options)
    mask = np.array(ours.weight_mask)
    assert mask.sum() == 150
    if options:
        assert sorted(set(mask.sum(axis=1))) == [0, 10]


def test_what_is_masked_is_not_learned():
    layer, _ = pair()
    ours_of.l1_unstructured(layer, "weight", 0.5)
    optimizer = weft.optim.SGD(layer.parameters(), lr=0.1)
    before, mask = np.array(layer.weight), np.array(layer.weight_mask)

    @weft.jit
    def step():
        optimizer.zero_grad()
        (layer(weft.ones((2, 5))) ** 2).sum().backward()
        optimizer.step()

    step()
    after = np.array(layer.weight)
    assert (after[mask == 0] == 0).all()
    assert (after[mask == 1] != before[mask == 1]).all()


def test_mistakes():
    layer, _ = pair()
    with pytest.raises(weft.OptionError, match="a number of those that are left, 30"):
        ours_of.l1_unstructured(layer, "weight", 31)
    with pytest.raises(weft.OptionError, match="amount -1"):
        ours_of.l1_unstructured(layer, "weight", -1)
    with pytest.raises(weft.OptionError, match="no parameters"):
        ours_of.global_unstructured([], ours_of.L1Unstructured, amount=1)
    with pytest.raises(weft.NameUseError, match="has no parameter 'heavy'"):
        ours_of.identity(layer, "heavy")
    with pytest.raises(weft.NameUseError, match="is not pruned"):
        ours_of.remove(layer, "weight")
    with pytest.raises(weft.ShapeError, match="of shape"):
        ours_of.custom_from_mask(layer, "weight", weft.ones((2, 2)))
    ours_of.identity(layer, "weight")
    with pytest.raises(weft.UnsupportedError, match=r"prune\.remove before"):
        layer.weight = weft.ones((6, 5))
