"""Layers and functions that PyTorch has by older names, for sizes that come later, or for special
cases: results and gradients beside PyTorch's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from devices import DEVICES, moved
from module_twins import array, assert_close, compare, twins
from numerics import assert_same_bits, eager_and_jit, to_numpy
from test_pytorch_names import assert_alike, generator, tensor_pair

nn, F, TF = weft.nn, weft.nn.functional, torch.nn.functional

# Sizes that come later -----------------------------------------------------------------------

#: A layer, and a shape of an input for it.
LAZY: dict[str, tuple[Callable, tuple[int, ...]]] = {
    "LazyLinear": (lambda m: m.nn.LazyLinear(3), (2, 4, 5)),
    "LazyLinear without a bias": (lambda m: m.nn.LazyLinear(3, bias=False), (5,)),
    "LazyConv1d": (lambda m: m.nn.LazyConv1d(4, 3, 2, bias=False), (2, 3, 9)),
    "LazyConv2d": (lambda m: m.nn.LazyConv2d(4, (3, 2), padding=1, groups=2), (2, 6, 5, 5)),
    "LazyConv2d of one": (
        lambda m: m.nn.LazyConv2d(4, 3, padding_mode="circular", padding=1),
        (2, 5, 5),
    ),
    "LazyConv3d": (lambda m: m.nn.LazyConv3d(2, 2), (1, 2, 3, 4, 3)),
    "LazyConvTranspose1d": (lambda m: m.nn.LazyConvTranspose1d(4, 3, 2, 1, 1), (2, 3, 5)),
    "LazyConvTranspose2d": (lambda m: m.nn.LazyConvTranspose2d(4, 3, groups=2), (2, 6, 3, 3)),
    "LazyConvTranspose3d": (lambda m: m.nn.LazyConvTranspose3d(1, 2), (1, 2, 3, 2, 3)),
    "LazyBatchNorm1d": (lambda m: m.nn.LazyBatchNorm1d(), (4, 3)),
    "LazyBatchNorm2d": (lambda m: m.nn.LazyBatchNorm2d(momentum=None), (4, 3, 2, 2)),
    "LazyBatchNorm3d": (lambda m: m.nn.LazyBatchNorm3d(affine=False), (2, 3, 2, 2, 2)),
    "LazyInstanceNorm1d": (lambda m: m.nn.LazyInstanceNorm1d(affine=True), (2, 3, 5)),
    "LazyInstanceNorm2d": (
        lambda m: m.nn.LazyInstanceNorm2d(affine=True, track_running_stats=True),
        (2, 3, 4, 4),
    ),
    "LazyInstanceNorm3d": (lambda m: m.nn.LazyInstanceNorm3d(), (2, 3, 2, 2, 2)),
}


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_sizes_that_come_with_the_first_input(name: str) -> None:
    make, shape = LAZY[name]
    x = array(*shape)
    theirs, ours = make(torch), make(weft)
    assert list(dict(ours.named_parameters())) == list(dict(theirs.named_parameters()))
    assert list(dict(ours.named_buffers())) == list(dict(theirs.named_buffers()))
    assert ours.has_uninitialized_params() == theirs.has_uninitialized_params()
    copied = copy.deepcopy(ours)
    theirs(torch.from_numpy(x))
    ours(weft.asarray(x))
    assert type(ours) is getattr(nn, type(theirs).__name__)
    assert repr(ours).split("bias=")[0] == repr(theirs).split("bias=")[0]
    # Loading a state gives the shapes too; the first call then changes no value.
    for module in (ours, copied):
        module.load_state_dict(theirs.state_dict())
        compare(module, copy.deepcopy(theirs), [x], terms=30)
        assert type(module) is type(ours)


def test_what_lazy_layers_refuse() -> None:
    layer = nn.LazyLinear(3)
    assert "Uninitialized" in repr(layer.weight)
    for call, kind, words in [
        (lambda: layer.weight.shape, weft.UnsupportedError, "no shape yet"),
        (lambda: layer.bias.numel(), weft.UnsupportedError, "no shape yet"),
        (lambda: layer.weight.size(0), weft.UnsupportedError, "no shape yet"),
        (lambda: layer.state_dict(), weft.UnsupportedError, "weight, bias have no shapes yet"),
        (lambda: weft.jit(layer)(weft.ones(2)), weft.UnsupportedError, "once before"),
        (lambda: weft.optim.Adam(layer.parameters()), weft.UnsupportedError, "no shape yet"),
        (lambda: nn.LazyConv2d(4, 3)(weft.ones(3)), weft.ShapeError, "3 or 4 dimensions"),
        (lambda: nn.LazyConv1d(4, 3, groups=2)(weft.ones(3, 9)), weft.ShapeError, "2 groups"),
        (lambda: nn.LazyBatchNorm2d()(weft.ones(3)), weft.ShapeError, "dimensions"),
        (lambda: nn.UninitializedBuffer(True), weft.DTypeError, "no gradients"),
        (lambda: nn.LazyConv2d(4, 3, 1, stride=1), TypeError, "other arguments"),
    ]:
        with pytest.raises(kind, match=words):
            call()
    layer.double()
    layer(weft.ones(2, 5, dtype="float64"))
    assert layer.weight.dtype == "float64"
    assert isinstance(layer.weight, nn.Parameter)
    assert not isinstance(layer.weight, nn.UninitializedParameter)
    assert weft.jit(layer)(weft.ones(5, dtype="float64")).shape == (3,)
    assert pickle.loads(pickle.dumps(layer)).weight.shape == (3, 5)
    parameter = nn.UninitializedParameter()
    parameter.materialize((2, 3))
    assert parameter.shape == (2, 3)
    assert parameter.requires_grad


# Layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_softmax_of_many_classes(single: bool, bias: bool) -> None:
    ours, theirs = twins(
        lambda m: m.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [3, 7, 12], 2.0, head_bias=bias)
    )
    rows = () if single else (9,)
    target = generator("classes").integers(0, 20, rows)
    x = array(*rows, 8)
    compare(
        ours,
        theirs,
        [x],
        terms=20,
        run=lambda module, x, target: module(x, target),
        options={"target": np.asarray(target)},
    )
    given = (weft.asarray(x), torch.from_numpy(x))
    if single:
        assert_same_bits(ours.log_prob(given[0]), ours.log_prob(given[0][None])[0])
        assert ours.predict(given[0]).shape == ()
    else:
        assert_close(ours.log_prob(given[0]), theirs.log_prob(given[1]), 20)
        assert_alike(ours.predict(given[0]), theirs.predict(given[1]))
    with pytest.raises(weft.OutOfBoundsError, match="class 20"):
        ours(given[0], weft.full(rows, 20, dtype="int64"))
    for cutoffs in ([], [5, 3], [0, 3], [20], [3, 3]):
        with pytest.raises(weft.OptionError, match="cutoffs"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_normalisation_across_maps(size: int) -> None:
    ours, theirs = twins(lambda m: m.nn.CrossMapLRN2d(size, 0.5, 0.6, 1.5))
    values = array(2, 7, 3, 3)
    found = ours(weft.asarray(values))
    assert_close(found, theirs(torch.from_numpy(values)), 10)
    reach = (size - 1) // 2

    def sums(x: torch.Tensor) -> torch.Tensor:
        """What PyTorch computes; its own derivative of it is that of other sums."""
        near = [x[:, max(c - reach, 0) : c + reach + 1].square().sum(1) for c in range(7)]
        first = x[:, 0].square()
        near = [total + first if c > reach else total for c, total in enumerate(near)]
        return x / (1.5 + 0.5 / size * torch.stack(near, 1)) ** 0.6

    compare(ours, theirs, [values], terms=10, run_theirs=lambda module, x: sums(x))
    with pytest.raises(weft.ShapeError, match="CrossMapLRN2d"):
        ours(weft.ones(2, 3))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("indices", [False, True])
def test_pooling_at_random_distances(dimensions: int, indices: bool) -> None:
    draw = generator(f"fractional{dimensions}{indices}")
    for shape, window, options in [
        ((2, 3, 9, 11, 8)[: dimensions + 2], 2, {"output_size": (4, 5, 3)[:dimensions]}),
        ((2, 9, 8, 7)[: dimensions + 1], 3, {"output_ratio": (0.5, 0.7, 0.4)[:dimensions]}),
        ((1, 1, 5, 6, 5)[: dimensions + 2], (2, 3, 1)[:dimensions], {"output_size": 1}),
    ]:
        batch = shape[:2] if len(shape) == dimensions + 2 else (1, shape[0])
        samples = draw.random((*batch, dimensions))
        name = f"FractionalMaxPool{dimensions}d"
        values = draw.standard_normal(shape)

        def make(m: Any, name: str = name, window: Any = window, options: dict = options) -> Any:
            given = m.asarray(samples)
            return getattr(m.nn, name)(
                window, **options, return_indices=indices, _random_samples=given
            )

        ours, theirs = make(weft), make(torch)
        if not indices:
            compare(ours, theirs, [values], terms=1)
        found = eager_and_jit(ours, weft.asarray(values))
        assert_alike(found, theirs(torch.from_numpy(values)))
    weft.manual_seed(0)
    drawn = [F.fractional_max_pool2d(weft.arange(64.0).reshape(1, 8, 8), 2, 5) for _ in range(8)]
    assert len({tuple(to_numpy(x).reshape(-1)) for x in drawn}) > 1
    for options, kind in [
        ({}, weft.OptionError),
        ({"output_size": 2, "output_ratio": 0.5}, weft.OptionError),
        ({"output_ratio": 1.5}, weft.OptionError),
        ({"output_size": 8}, weft.ShapeError),
        ({"output_size": 2, "_random_samples": weft.ones(2)}, weft.ShapeError),
    ]:
        with pytest.raises(kind, match="fractional_max_pool2d"):
            F.fractional_max_pool2d(weft.ones(1, 8, 8), 2, **options)


def test_layers_for_several_processes() -> None:
    ours, theirs = (m.nn.BatchNorm2d(3) for m in (weft, torch))
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(ours))
    model.train()
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert isinstance(converted[1][0], nn.SyncBatchNorm)
    assert converted[1][0].weight is ours.weight
    compare(converted[1][0], theirs, [array(4, 3, 2, 2)], terms=16)
    assert nn.SyncBatchNorm(3)(weft.ones(4, 3)).shape == (4, 3)
    with pytest.raises(weft.OptionError, match="new_group"):
        nn.SyncBatchNorm(3, process_group=object())
    with pytest.raises(weft.ShapeError, match="two dimensions"):
        nn.SyncBatchNorm(3)(weft.ones(3))
    ours, theirs = twins(lambda m: m.nn.DataParallel(m.nn.Linear(3, 2)))
    compare(ours, theirs, [array(4, 3)], terms=4)
    for devices in ([0, 1], ["cpu", "cuda"]):
        with pytest.raises(weft.UnsupportedError, match="one device"):
            nn.DataParallel(nn.Linear(3, 2), devices)
    assert nn.DataParallel(nn.Linear(3, 2), ["cpu"], "cpu")(weft.ones(3)).shape == (2,)


@pytest.mark.parametrize("more", [(), (2,), (2, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_cross_entropy_of_a_linear_layer(more: tuple[int, ...], bias: bool) -> None:
    draw = generator(f"linear cross entropy {more}")
    for reduction in ("mean", "none"):
        options = {"bias": bias, "reduction": reduction, "label_smoothing": 0.1}
        ours, theirs = twins(
            lambda m, options=options: m.nn.LinearCrossEntropyLoss(
                5, 4, out_features=more, **options
            )
        )
        target = draw.integers(0, 4, (3, *more))
        compare(ours, theirs, [array(3, 5)], terms=30, options={"target": target})
    target.reshape(-1)[0] = 2
    x, weight = array(3, 5), array(4, *more, 5)
    (a, b), (w, v) = (tensor_pair(each, "float32") for each in (x, weight))
    found, wanted = (
        m.nn.functional.linear_cross_entropy(x, w, m.asarray(target), ignore_index=2)
        for m, x, w in ((weft, a, w), (torch, b, v))
    )
    assert_close(found, wanted, 20)
    with pytest.raises(weft.UnsupportedError, match="options"):
        F.linear_cross_entropy(a, w, weft.asarray(target), options=1)


# Functions -----------------------------------------------------------------------------------

#: Functions of a library and of a matrix; with gradients by it.
FUNCTIONS: dict[str, Callable] = {
    "pdist": lambda m, x: m.pdist(x),
    "pdist of order 1": lambda m, x: m.nn.functional.pdist(x, 1.0),
    "pdist of the maximum": lambda m, x: m.pdist(x, float("inf")),
    "conv_tbc": lambda m, x: m.conv_tbc(x[:, None], x[None].mT[:, :, :2] @ x[:2, :3], x[0, :3], 1),
    "upsample": lambda m, x: m.nn.functional.upsample(x[None], scale_factor=2.0),
    "upsample_bilinear": lambda m, x: m.nn.functional.upsample_bilinear(x[None, None], (3, 7)),
    "upsample_nearest": lambda m, x: m.nn.functional.upsample_nearest(x[None, None], 3),
    "max_pool1d_with_indices": lambda m, x: m.nn.functional.max_pool1d_with_indices(x, 2, 1),
    "of torch, with indices": lambda m, x: m.max_pool1d_with_indices(x, 3, 2, 1, 1, True),
    "max_pool2d_with_indices": lambda m, x: m.nn.functional.max_pool2d_with_indices(x[None], 2),
    "max_pool3d_with_indices": lambda m, x: m.nn.functional.max_pool3d_with_indices(
        x[None, None], (1, 2, 2)
    ),
    "adaptive_max_pool1d": lambda m, x: m.adaptive_max_pool1d(x, 3),
    "adaptive_max_pool2d_with_indices": (
        lambda m, x: m.nn.functional.adaptive_max_pool2d_with_indices(x[None], 2)
    ),
    "adaptive_avg_pool1d": lambda m, x: m.adaptive_avg_pool1d(x, 2),
    "bilinear": lambda m, x: m.bilinear(x, x * 2, (x.mT @ x)[None]),
    "channel_shuffle": lambda m, x: (
        m.channel_shuffle(x[None, :, :, None], 5) + m.native_channel_shuffle(x[None, :, :, None], 1)
    ),
    "batch_norm": lambda m, x: m.batch_norm(x, x[0], x[1], None, None, True, 0.1, 1e-5, False),
    "batch_norm by statistics": lambda m, x: m.batch_norm(
        x, None, None, x[0].detach(), x[1].detach() ** 2, False, 0.1, 1e-5, False
    ),
    "instance_norm": lambda m, x: m.instance_norm(
        x[None], x[:, 0], x[:, 1], None, None, True, 0.1, 1e-5, False
    ),
    "constant_pad_nd": lambda m, x: m.constant_pad_nd(x, (1, 2), 0.5),
    "convolution": lambda m, x: m.convolution(
        x[None], x[None, :, :2] * 1, None, [2], [1], [1], False, [0], 1
    ),
    "convolution, transposed": lambda m, x: m.convolution(
        x[None, :, None], x[:, None, None, :2], x[0, :1], [1, 2], [0, 1], [1, 1], True, [0, 1], 1
    ),
    "grid_sampler": lambda m, x: m.grid_sampler(
        x[None, None], x[None, :, None, :2] / 3, 0, 1, False
    ),
    "grid_sampler_2d": lambda m, x: m.grid_sampler_2d(
        x[None, None], x[None, :, None, :2] / 3, 0, 0, True
    ),
    "affine_grid_generator": lambda m, x: m.affine_grid_generator(
        x[None, :2, :3], (1, 1, 2, 3), True
    ),
    "binary_cross_entropy_with_logits": lambda m, x: m.binary_cross_entropy_with_logits(
        x, m.sigmoid(x * 2).detach(), None, x[0].detach().abs(), 2
    ),
    "cosine_embedding_loss": lambda m, x: m.cosine_embedding_loss(
        x, x.flip(1), m.sign(x[:, 0]).detach(), 0.1, reduction=0
    ),
    "hinge_embedding_loss": lambda m, x: m.hinge_embedding_loss(x, m.sign(x).detach(), 0.5, 1),
    "kl_div": lambda m, x: m.kl_div(x, m.sigmoid(x).detach(), 2),
    "margin_ranking_loss": lambda m, x: m.margin_ranking_loss(
        x, x.flip(1), m.sign(x).detach(), 0.5
    ),
    "poisson_nll_loss": lambda m, x: m.poisson_nll_loss(x, m.abs(x).detach(), True, False, 1e-8, 2),
    "triplet_margin_loss": lambda m, x: m.triplet_margin_loss(
        x, x.flip(1), x * 0.5, 1.0, 2.0, 1e-6, False, 0
    ),
    "ctc_loss": lambda m, x: m.ctc_loss(
        m.log_softmax(x, 1)[:, None], m.asarray([[1, 2]]), m.asarray([5]), m.asarray([2]), 0, 2
    ),
    "hardshrink": lambda m, x: x.hardshrink(0.3) + x.prelu(x[0, :1]),
}


def parts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_functions(name: str) -> None:
    call = FUNCTIONS[name]
    x, theirs = tensor_pair(generator(name).standard_normal((5, 6)), "float64")
    found = parts(eager_and_jit(lambda x: call(weft, x), x))
    if name == "channel_shuffle":
        # PyTorch's has no derivative here.
        assert_alike(found, parts(call(torch, theirs)))
        return
    mine = x.clone()
    mine.requires_grad = theirs.requires_grad = True
    wanted = parts(call(torch, theirs))
    assert_alike(found, wanted, 400, 1)
    weights = np.asarray(array(*wanted[0].shape, dtype="float64"))
    (parts(call(weft, mine))[0] * weft.asarray(weights)).sum().backward()
    (wanted[0] * torch.from_numpy(weights)).sum().backward()
    size = float(theirs.grad.abs().max())
    np.testing.assert_allclose(
        to_numpy(mine.grad), theirs.grad.numpy(), rtol=1e-12, atol=1e-12 * max(size, 1)
    )


@pytest.mark.parametrize("count", [0, 1, 2])
def test_distances_of_few_rows(count: int) -> None:
    found, wanted = (m.pdist(m.zeros(count, 3, dtype=m.float64)) for m in (weft, torch))
    assert_alike(found, wanted)
    mine, theirs = (m.zeros(3, 2, dtype=m.float64) for m in (weft, torch))
    mine.requires_grad = theirs.requires_grad = True
    weft.pdist(mine).sum().backward()
    torch.pdist(theirs).sum().backward()
    assert mine.grad.tolist() == theirs.grad.tolist()


ACTIVATIONS = {
    "celu_": (0.5,),
    "elu_": (1.3,),
    "hardtanh_": (-0.4, 0.6),
    "leaky_relu_": (0.2,),
    "relu_": (),
    "rrelu_": (0.1, 0.3),
    "selu_": (),
    "threshold_": (0.2, -1.0),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_in_place(name: str) -> None:
    x, theirs = tensor_pair(generator(name).standard_normal((3, 5)), "float64")
    spaces = [(F, TF)] + ([(weft, torch)] if hasattr(torch, name) else [])
    for ours, other in spaces:

        def call(x: weft.Tensor, ours: Any = ours) -> weft.Tensor:
            own = x.clone()
            assert getattr(ours, name)(own, *ACTIVATIONS[name]) is own
            return own

        wanted = getattr(other, name)(theirs.clone(), *ACTIVATIONS[name])
        assert_alike(eager_and_jit(call, x), wanted, 8, 1)
    leaf = x.clone()
    leaf.requires_grad = True
    other_leaf = theirs.clone().requires_grad_()
    getattr(F, name)(leaf * 2, *ACTIVATIONS[name]).sum().backward()
    getattr(TF, name)(other_leaf * 2, *ACTIVATIONS[name]).sum().backward()
    np.testing.assert_allclose(to_numpy(leaf.grad), other_leaf.grad.numpy(), rtol=1e-14)
    with pytest.raises(weft.DTypeError, match="in place"):
        getattr(F, name)([1.0], *ACTIVATIONS[name])


@pytest.mark.parametrize("name", ["dropout_", "alpha_dropout_", "feature_dropout_"])
def test_dropouts_in_place(name: str) -> None:
    x = weft.ones(20, 30, 5)
    assert getattr(weft, name)(x, 0.5, False) is x
    assert bool((x == 1).all())
    assert getattr(weft, name)(x, 0.5, True) is x
    kept = (x > 0).float()
    # 3,000 or 600 coins: the share is 1/2 with a deviation of at most 0.021.
    assert abs(float(kept.mean()) - 0.5) < 0.1
    if name == "feature_dropout_":
        assert bool((kept == kept[:, :, :1]).all())


# Recurrent layers and attention --------------------------------------------------------------


@pytest.mark.parametrize("mode", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_recurrent_layers_of_lists_of_parameters(mode: str, both: bool, bias: bool) -> None:
    theirs = getattr(torch.nn, mode)(3, 4, 2, bias=bias, bidirectional=both).double()
    x = array(5, 2, 3, dtype="float64")
    start = [array(2 * (1 + both), 2, 4, seed=i, dtype="float64") for i in range(2)]
    name = {"RNN": "rnn_tanh"}.get(mode, mode.lower())

    def call(m: Any, x: Any, start: list, flat: list) -> list:
        hx = tuple(start) if mode == "LSTM" else start[0]
        return list(getattr(m, name)(x, hx, flat, bias, 2, 0.0, False, both, False))

    wanted = call(
        torch, torch.from_numpy(x), list(map(torch.from_numpy, start)), [*theirs.parameters()]
    )
    flat = [weft.asarray(p.detach().numpy()) for p in theirs.parameters()]
    found = eager_and_jit(
        lambda x, a, b, *flat: call(weft, x, [a, b], list(flat)),
        weft.asarray(x),
        *map(weft.asarray, start),
        *flat,
    )
    assert_alike(found, wanted, 64, 1)
    with pytest.raises(weft.ShapeError, match="parameters are not those"):
        call(weft, weft.asarray(x), list(map(weft.asarray, start)), flat[1:])


@pytest.mark.parametrize("name", ["lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"])
def test_recurrent_cells(name: str) -> None:
    gates = {"lstm_cell": 4, "gru_cell": 3}.get(name, 1)
    shapes = [(2, 3), (2, 4), (2, 4), (gates * 4, 3), (gates * 4, 4), (gates * 4,), (gates * 4,)]
    arrays = [array(*shape, seed=i, dtype="float64") for i, shape in enumerate(shapes)]

    def call(m: Any, x: Any, h: Any, c: Any, *weights: Any) -> list:
        return parts(getattr(m, name)(x, (h, c) if gates == 4 else h, *weights))

    found = eager_and_jit(lambda *t: call(weft, *t), *map(weft.asarray, arrays))
    assert_alike(found, call(torch, *map(torch.from_numpy, arrays)), 32, 1)
    without = call(weft, *map(weft.asarray, arrays[:5]))
    assert_alike(without, call(torch, *map(torch.from_numpy, arrays[:5])), 32, 1)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("more", [False, True])
def test_attention_of_its_parameters(separate: bool, more: bool) -> None:
    wide = {"kdim": 3, "vdim": 5} if separate else {}
    theirs = torch.nn.MultiheadAttention(
        4, 2, add_bias_kv=more, add_zero_attn=more, **wide
    ).double()
    inputs = [array(3, 2, 4), array(6, 2, wide.get("kdim", 4)), array(6, 2, wide.get("vdim", 4))]
    inputs = [x.astype(np.float64) for x in inputs]
    state = {name: value.detach().numpy() for name, value in theirs.named_parameters()}
    hidden = generator("mask").random((3, 6)) < 0.3
    padded = generator("padding").random((2, 6)) < 0.2

    def call(m: Any, *inputs: Any) -> list:
        own = {name: m.asarray(value) for name, value in state.items()}
        weights = {name: own[name] for name in own if name[:2] in ("q_", "k_", "v_")}
        result = m.nn.functional.multi_head_attention_forward(
            *inputs,
            4,
            2,
            own.get("in_proj_weight"),
            own["in_proj_bias"],
            own.get("bias_k"),
            own.get("bias_v"),
            more,
            0.0,
            own["out_proj.weight"],
            own["out_proj.bias"],
            key_padding_mask=m.asarray(padded),
            attn_mask=m.asarray(hidden),
            use_separate_proj_weight=separate,
            average_attn_weights=not more,
            **weights,
        )
        return list(result)

    found = eager_and_jit(lambda *t: call(weft, *t), *map(weft.asarray, inputs))
    assert_alike(found, call(torch, *map(torch.from_numpy, inputs)), 64, 1)
    x = weft.ones(3, 2, 4)
    rest = (None, None, None, None, False, 0.0, weft.ones(4, 4), None)
    for arguments, options, kind in [
        ((x, x, x, 5, 2, *rest), {}, weft.ShapeError),
        ((x, x, x, 4, 2, *rest), {}, weft.OptionError),
        ((x, x, x, 4, 2, *rest), {"static_k": x}, weft.UnsupportedError),
    ]:
        with pytest.raises(kind, match="multi_head_attention_forward"):
            F.multi_head_attention_forward(*arguments, **options)


def test_numbers_of_reductions_and_modes() -> None:
    x = weft.ones(2, 3)
    assert_same_bits(weft.kl_div(x, x, reduction="sum"), weft.kl_div(x, x, 2))
    with pytest.raises(weft.OptionError, match="kl_div: 3 is none of none, mean, sum"):
        weft.kl_div(x, x, 3)
    with pytest.raises(weft.OptionError, match="kl_div: 7 arguments"):
        weft.kl_div(x, x, 1, 2, 3, 4, 5)
    with pytest.raises(weft.OptionError, match="grid_sampler: 9 is none of"):
        weft.grid_sampler(x, x, 9, 0, True)
    with pytest.raises(weft.UnsupportedError, match="packed"):
        weft.lstm(x, x, x, (x, x), True, 1, 0.0, False, False)
    with pytest.raises(weft.ShapeError, match="convolution"):
        weft.convolution(x, x, None, 1, 0, 1, False, 0, 1)


def test_older_names() -> None:
    for name in ("normal", "uniform", "constant", "xavier_uniform", "orthogonal", "dirac"):
        assert getattr(nn.init, name) is getattr(nn.init, f"{name}_")
        assert hasattr(torch.nn.init, name)
    assert nn.utils.clip_grad_norm is nn.utils.clip_grad_norm_


# Devices, and what is mapped or exported -------------------------------------------------------

#: Functions of a matrix of floats, one of integers, and images.
ELSEWHERE: dict[str, Callable] = {
    "gcd": lambda x, i, images: weft.gcd(i, i + 3),
    "frexp": lambda x, i, images: list(weft.frexp(x)),
    "powers": lambda x, i, images: [
        weft.ldexp(x, 2),
        weft.float_power(x.abs(), 2),
        weft.rsub(x, 2),
    ],
    "nanmedian": lambda x, i, images: [*weft.nanmedian(x, 1), weft.nanmedian(i)],
    "quantiles": lambda x, i, images: [weft.nanquantile(x, 0.3, 1), weft.quantile(x, 0.3, 1)],
    "renorm": lambda x, i, images: x.renorm(2, 0, 1.0),
    "histogram": lambda x, i, images: list(weft.histogram(x, 4)),
    "histogramdd": lambda x, i, images: weft.histogramdd(x[:, :2], 3)[0],
    "nonzero_static": lambda x, i, images: (x > 0).nonzero_static(size=40),
    "in place": lambda x, i, images: [weft.relu_(x.clone()), F.elu_(x.clone())],
    "windows": lambda x, i, images: [weft.hann_window(5, device=x.device) * x[:, 0]],
    "pdist": lambda x, i, images: weft.pdist(x),
    "lrn": lambda x, i, images: nn.CrossMapLRN2d(3)(images),
    "fractional": lambda x, i, images: F.fractional_max_pool2d(
        images, 2, 4, _random_samples=images[:, :, 0, :2] * 0 + 0.3
    ),
    "cross entropy": lambda x, i, images: F.linear_cross_entropy(x, x[:4], i[:, 0] % 4),
}


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("device", DEVICES)
def test_functions_on_devices(name: str, device: str) -> None:
    call = ELSEWHERE[name]
    x, images = array(5, 6), array(2, 3, 9, 8)
    tensors = [weft.asarray(each) for each in (x, generator(name).integers(0, 40, (5, 3)), images)]
    expected = parts(call(*tensors))
    for found, wanted in zip(parts(call(*moved(tensors, device))), expected, strict=True):
        assert found.device == weft.device(device)
        # Sums of up to 30 numbers around 1 in another order.
        np.testing.assert_allclose(
            to_numpy(found.cpu()), to_numpy(wanted), rtol=64 * 2**-24, atol=64 * 2**-24
        )


def test_functions_that_are_mapped_and_exported() -> None:
    x = weft.asarray(array(3, 5, 6))
    for call in (
        weft.pdist,
        lambda a: weft.nanmedian(a, 1)[0],
        lambda a: weft.histogram(a, 3)[0],
        lambda a: weft.renorm(a, 2, 0, 1.0),
        lambda a: weft.view_as_real(weft.stft(a, 4, return_complex=True)),
    ):
        wanted = weft.stack([call(part) for part in x])
        np.testing.assert_allclose(
            to_numpy(weft.vmap(call)(x)), to_numpy(wanted), rtol=1e-5, atol=1e-5
        )
    program = weft.export(
        lambda x: (weft.nanmedian(x, 1)[0], weft.renorm(x, 2, 0, 1.0), weft.histogram(x, 3)[0]),
        weft.spec(("n", 6)),
    )
    for part in (x[0], x[1, :1]):
        wanted = [
            weft.nanmedian(part, 1)[0],
            weft.renorm(part, 2, 0, 1.0),
            weft.histogram(part, 3)[0],
        ]
        assert_same_bits(list(program(part)), wanted)
