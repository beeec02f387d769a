"""Layers and losses against PyTorch with the same weights, and what modules promise."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
import weft
from weft import nn

EPSILON = np.finfo(np.float32).eps


def array(*shape, seed=0, scale=1.0):
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(np.float32)


def assert_close(actual, expected, terms, name=""):
    """Both are float32 results of sums of about ``terms`` products: errors grow with the terms."""
    actual, expected = np.asarray(actual), expected.detach().numpy()
    assert actual.shape == expected.shape, name
    size = max(float(np.abs(expected).max(initial=0.0)), 1e-6)
    bound = 4 * EPSILON * math.sqrt(terms) * size + 8 * EPSILON * size
    np.testing.assert_allclose(actual, expected, rtol=16 * EPSILON, atol=bound, err_msg=name)


def copied(module, twin):
    """``twin`` with the weights of the weft module."""
    twin.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in module.state_dict().items()}
    )
    return twin


def compare(module, twin, *inputs, terms, train=True):
    """Forward and backward of both, with a cotangent that is not constant."""
    copied(module, twin)
    module.train(train)
    twin.train(train)
    ours = [weft.tensor(x, requires_grad=x.dtype == np.float32) for x in inputs]
    theirs = [torch.tensor(x, requires_grad=x.dtype == np.float32) for x in inputs]
    result, expected = module(*ours), twin(*theirs)
    assert_close(result.detach(), expected, terms, "result")
    cotangent = array(*result.shape, seed=9)
    result.backward(weft.asarray(cotangent))
    expected.backward(torch.from_numpy(cotangent))
    for number, (x, y) in enumerate(zip(ours, theirs)):
        if y.grad is not None:
            assert_close(x.grad, y.grad, terms, f"gradient of input {number}")
    for (name, p), q in zip(module.named_parameters(), twin.parameters(), strict=True):
        assert_close(p.grad, q.grad, terms * 4, f"gradient of {name}")
    for (name, p), q in zip(module.named_buffers(), twin.buffers(), strict=True):
        assert_close(p, q, terms, name)


LAYERS = {
    "linear": (lambda n: n.Linear(7, 5), [array(3, 7)], 7),
    "linear_no_bias": (lambda n: n.Linear(7, 5, bias=False), [array(2, 3, 7)], 7),
    "conv": (lambda n: n.Conv2d(3, 4, 3), [array(2, 3, 8, 7)], 80),
    "conv_strided": (
        lambda n: n.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2),
        [array(2, 4, 9, 8)],
        80,
    ),
    "conv_dilated": (
        lambda n: n.Conv2d(2, 3, 3, dilation=2, padding="same", bias=False),
        [array(2, 2, 6, 6)],
        80,
    ),
    "batch_norm1d": (lambda n: n.BatchNorm1d(5), [array(6, 5)], 60),
    "batch_norm1d_length": (lambda n: n.BatchNorm1d(3, momentum=None), [array(4, 3, 5)], 60),
    "batch_norm2d": (lambda n: n.BatchNorm2d(3), [array(4, 3, 5, 5, scale=2.0)], 200),
    "layer_norm": (lambda n: n.LayerNorm((4, 5)), [array(3, 4, 5)], 60),
    "layer_norm_plain": (lambda n: n.LayerNorm(5, elementwise_affine=False), [array(3, 5)], 60),
    "relu": (lambda n: n.ReLU(), [array(4, 5)], 1),
    "leaky_relu": (lambda n: n.LeakyReLU(0.2), [array(4, 5)], 1),
    "elu": (lambda n: n.ELU(1.5), [array(4, 5)], 1),
    "gelu": (lambda n: n.GELU(), [array(4, 5)], 16),
    "gelu_tanh": (lambda n: n.GELU("tanh"), [array(4, 5)], 16),
    "silu": (lambda n: n.SiLU(), [array(4, 5)], 4),
    "sigmoid": (lambda n: n.Sigmoid(), [array(4, 5)], 4),
    "tanh": (lambda n: n.Tanh(), [array(4, 5)], 4),
    "softplus": (lambda n: n.Softplus(), [array(4, 5)], 4),
    "softmax": (lambda n: n.Softmax(dim=1), [array(4, 5, 2)], 10),
    "log_softmax": (lambda n: n.LogSoftmax(dim=-1), [array(4, 5)], 10),
    "flatten": (lambda n: n.Flatten(), [array(2, 3, 4)], 1),
    "identity": (lambda n: n.Identity(1, any=2), [array(2, 3)], 1),
    "max_pool": (lambda n: n.MaxPool2d(2), [array(2, 3, 6, 7)], 1),
    "max_pool_overlapping": (lambda n: n.MaxPool2d(3, stride=2, padding=1), [array(2, 3, 7, 7)], 4),
    "avg_pool": (lambda n: n.AvgPool2d(2), [array(2, 3, 6, 6)], 4),
    "adaptive_avg_pool": (lambda n: n.AdaptiveAvgPool2d(2), [array(2, 3, 6, 6)], 9),
    "network": (
        lambda n: n.Sequential(
            n.Conv2d(1, 4, 3, bias=False),
            n.BatchNorm2d(4),
            n.ReLU(),
            n.MaxPool2d(2),
            n.Flatten(),
            n.Linear(36, 3),
        ),
        [array(5, 1, 8, 8)],
        600,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("train", [True, False])
def test_layer_matches_torch(name, train):
    make, inputs, terms = LAYERS[name]
    weft.random.seed(3)
    compare(make(nn), make(torch.nn), *inputs, terms=terms, train=train)


def test_embedding_matches_torch():
    indices = np.array([[0, 2, 5], [2, 2, 1]])
    for padding in (None, 2, -1):
        layer = nn.Embedding(6, 4, padding_idx=padding)
        if padding is not None:
            assert np.all(np.asarray(layer.weight.detach())[padding] == 0)
        compare(layer, torch.nn.Embedding(6, 4, padding_idx=padding), indices, terms=4)


@pytest.mark.parametrize("masked", [False, True])
def test_multihead_attention_matches_torch(masked):
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    twin = copied(module, torch.nn.MultiheadAttention(8, 2, batch_first=True))
    query, memory = array(2, 3, 8), array(2, 5, 8)
    mask = np.triu(np.ones((3, 5), bool), 2) if masked else None
    result, weights = module(
        weft.asarray(query),
        weft.asarray(memory),
        weft.asarray(memory),
        attn_mask=None if mask is None else weft.asarray(mask),
    )
    ours = (weft.asarray(query), weft.asarray(memory), weft.asarray(memory))
    theirs = (torch.tensor(query), torch.tensor(memory), torch.tensor(memory))
    expected, wanted = twin(*theirs, attn_mask=None if mask is None else torch.tensor(mask))
    assert_close(result.detach(), expected, 64)
    assert_close(weights.detach(), wanted, 64)
    plain, none = module(*ours, need_weights=False)
    assert none is None
    assert_close(plain.detach(), twin(*theirs, need_weights=False)[0], 64)


@pytest.mark.parametrize("needs_weights", [False, True])
@pytest.mark.parametrize("padding", [None, "bool", "added"])
@pytest.mark.parametrize("mask", [None, "bool", "added", "each head"])
def test_masks_of_multihead_attention_match_torch(mask, padding, needs_weights):
    """Each query sees the first key, as PyTorch has NaN for those that see none."""
    generator = np.random.default_rng(3)
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    twin = copied(module, torch.nn.MultiheadAttention(8, 2, batch_first=True))
    query, memory = array(2, 3, 8), array(2, 5, 8)

    def hidden(kind, *shape):
        if kind is None:
            return None
        chosen = generator.random(shape) < 0.4
        chosen[..., 0] = False
        return np.where(chosen, -np.inf, 0.5).astype(np.float32) if kind == "added" else chosen

    masks = {
        "attn_mask": hidden(mask, *((4, 3, 5) if mask == "each head" else (3, 5))),
        "key_padding_mask": hidden(padding, 2, 5),
    }
    ours = module(*map(weft.asarray, (query, memory, memory)), need_weights=needs_weights, **masks)
    theirs = twin(
        *map(torch.tensor, (query, memory, memory)),
        need_weights=needs_weights,
        **{name: None if m is None else torch.tensor(m) for name, m in masks.items()},
    )
    assert_close(ours[0].detach(), theirs[0], 64)
    if needs_weights:
        assert_close(ours[1].detach(), theirs[1], 64)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"key_padding_mask": np.zeros((2, 5), np.int64)}, "key_padding_mask has dtype int64"),
        ({"key_padding_mask": np.zeros((5, 2), bool)}, r"shape \(5, 2\), but has to be \(2, 5\)"),
        ({"attn_mask": np.zeros((3, 5), np.uint8)}, "attn_mask has dtype uint8"),
        ({"attn_mask": np.zeros((2, 6, 5), bool)}, r"has to be \(4, 3, 5\) or \(3, 5\)"),
        ({"attn_mask": np.zeros((5, 3), bool)}, r"has to be \(4, 3, 5\) or \(3, 5\)"),
    ],
)
def test_masks_of_other_shapes_are_refused(masks, message):
    module, memory = nn.MultiheadAttention(8, 2, batch_first=True), weft.ones(2, 5, 8)
    with pytest.raises((weft.ShapeError, weft.DTypeError), match=message):
        module(weft.ones(2, 3, 8), memory, memory, **masks)


LOSSES = {
    "cross_entropy": (lambda n, w: n.CrossEntropyLoss(), "classes"),
    "cross_entropy_weighted": (lambda n, w: n.CrossEntropyLoss(w, ignore_index=1), "classes"),
    "cross_entropy_smoothed": (lambda n, w: n.CrossEntropyLoss(label_smoothing=0.1), "classes"),
    "cross_entropy_all": (
        lambda n, w: n.CrossEntropyLoss(w, ignore_index=1, label_smoothing=0.2),
        "classes",
    ),
    "cross_entropy_sum": (lambda n, w: n.CrossEntropyLoss(reduction="sum"), "classes"),
    "cross_entropy_none": (lambda n, w: n.CrossEntropyLoss(w, reduction="none"), "classes"),
    "cross_entropy_soft": (lambda n, w: n.CrossEntropyLoss(w, label_smoothing=0.1), "shares"),
    "nll": (lambda n, w: n.NLLLoss(w), "classes"),
    "mse": (lambda n, w: n.MSELoss(), "values"),
    "mse_sum": (lambda n, w: n.MSELoss(reduction="sum"), "values"),
    "l1": (lambda n, w: n.L1Loss(), "values"),
    "bce": (lambda n, w: n.BCEWithLogitsLoss(), "shares"),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 2, 2)])
def test_loss_matches_torch(name, shape):
    make, kind = LOSSES[name]
    weight = np.array([0.5, 2.0, 1.0, 0.25], np.float32)
    rng = np.random.default_rng(1)
    targets = {
        "classes": rng.integers(0, 4, (shape[0], *shape[2:])),
        "shares": rng.dirichlet(np.ones(shape[1]), (shape[0], *shape[2:])).astype(np.float32),
        "values": array(*shape, seed=2),
    }
    if len(shape) > 2:
        targets["shares"] = np.ascontiguousarray(np.moveaxis(targets["shares"], -1, 1))
    scores, target = array(*shape, scale=3.0), targets[kind]
    x, y = weft.tensor(scores, requires_grad=True), torch.tensor(scores, requires_grad=True)
    loss = make(nn, weft.asarray(weight))(x, weft.asarray(target))
    expected = make(torch.nn, torch.tensor(weight))(y, torch.tensor(target))
    assert_close(loss.detach(), expected, 64)
    loss.sum().backward()
    expected.sum().backward()
    assert_close(x.grad, y.grad, 64)


def test_ignored_targets_of_the_default_count_for_nothing():
    scores, target = array(4, 3), np.array([0, -100, 2, 1])
    ours = nn.CrossEntropyLoss()(weft.asarray(scores), weft.asarray(target))
    assert_close(ours, torch.nn.CrossEntropyLoss()(torch.tensor(scores), torch.tensor(target)), 8)


@pytest.mark.parametrize(
    ("make", "fan"),
    [(lambda n: n.Linear(300, 200), 300), (lambda n: n.Conv2d(20, 30, 3, groups=2), 90)],
)
def test_initial_weights_have_torchs_distribution(make, fan):
    weft.random.seed(0)
    module = make(nn)
    for parameter in module.parameters():
        values, bound = np.asarray(parameter.detach()), 1 / math.sqrt(fan)
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.97 * bound
        assert abs(values.mean()) < 4 * bound / math.sqrt(3 * values.size)
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    again = copy.deepcopy(module.state_dict())
    weft.random.seed(0)
    for name, value in make(nn).state_dict().items():
        assert np.array_equal(value, again[name])


def test_initialisers():
    weft.random.seed(0)
    tensor = weft.zeros(400, 100)
    spread = {
        "kaiming_normal_": math.sqrt(2 / 100),
        "xavier_normal_": math.sqrt(2 / 500),
        "xavier_uniform_": math.sqrt(2 / 500),
        "kaiming_uniform_": math.sqrt(2 / 100),
    }
    for name, deviation in spread.items():
        assert getattr(nn.init, name)(tensor) is tensor
        assert np.asarray(tensor).std() == pytest.approx(deviation, rel=0.03), name
    nn.init.trunc_normal_(tensor, std=2.0)
    assert np.abs(np.asarray(tensor)).max() <= 2.0
    nn.init.eye_(tensor)
    assert np.array_equal(tensor, np.eye(400, 100))
    with pytest.raises(ValueError, match="frelu"):
        nn.init.calculate_gain("frelu")
    with pytest.raises(weft.ShapeError, match="2 dimensions"):
        nn.init.xavier_uniform_(weft.zeros(3))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
        self.scale = nn.Parameter(weft.ones(3))
        self.register_buffer("calls", weft.asarray(0))
        self.register_buffer("scratch", weft.zeros(2), persistent=False)
        self.power = 1

    def forward(self, x):
        self.calls = self.calls + 1
        return self.body(x) * self.scale * self.power


def test_module_finds_its_members():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["scale", "body.0.weight", "body.0.bias"]
    assert list(net.state_dict()) == ["scale", "calls", "body.0.weight", "body.0.bias"]
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1"]
    assert list(net.children()) == [net.body]
    assert [name for name, _ in net.named_buffers()] == ["calls", "scratch"]
    assert net.get_submodule("body.1") is net.body[1]
    assert net.get_parameter("body.0.bias") is net.body[0].bias
    assert isinstance(net.scale, nn.Parameter)
    assert net.scale.requires_grad
    assert "scale" in dir(net)
    del net.scale
    with pytest.raises(AttributeError, match="no attribute 'scale'"):
        net.scale  # noqa: B018
    assert str(nn.Sequential(nn.Linear(2, 1), nn.ReLU())) == str(
        torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU())
    )


def test_shared_parameters_are_listed_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    both = nn.ModuleList([first, second])
    assert len(list(both.parameters())) == 3
    assert len(both.state_dict()) == 4


def test_module_modes_and_members_can_change():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert net.body[1].training
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    counted = []
    net.apply(lambda module: counted.append(type(module).__name__))
    assert counted == ["Linear", "Dropout", "Sequential", "Net"]
    net.double()
    assert {p.dtype for p in net.parameters()} == {weft.float64}
    assert net.calls.dtype is weft.int64
    assert net.to("cpu").float().scale.dtype is weft.float32


def test_module_mistakes_have_clear_errors():
    net = Net()
    with pytest.raises(TypeError, match="'scale' of Net can be set to a Parameter"):
        net.scale = weft.ones(3)
    with pytest.raises(KeyError, match="dots"):
        net.register_buffer("a.b", None)
    with pytest.raises(KeyError, match="'power' already"):
        net.register_buffer("power", None)
    with pytest.raises(TypeError, match="not a tensor"):
        net.register_buffer("other", 3)
    with pytest.raises(weft.UnsupportedError, match='no device "tpu"'):
        net.to("tpu")
    with pytest.raises(weft.DTypeError, match="floating dtype, not int64"):
        net.to(weft.int64)
    with pytest.raises(NotImplementedError, match="no forward"):
        nn.Module()(1)

    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\)"):
        Forgetful()
    with pytest.raises(weft.ShapeError, match=r"last dimension of 4"):
        net(weft.zeros(2, 5))
    with pytest.raises(weft.ShapeError, match="one value per"):
        nn.BatchNorm1d(3)(weft.zeros(1, 3))
    with pytest.raises(weft.ShapeError, match="groups do not divide"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(weft.ShapeError, match="target of shape"):
        nn.CrossEntropyLoss()(weft.zeros(3, 4), weft.asarray([1, 2]))


def test_state_dict_round_trip(tmp_path):
    net, other = Net(), Net()
    x = weft.asarray(array(2, 4))
    saved = copy.deepcopy(net.state_dict())
    np.savez(tmp_path / "state.npz", **{name: np.asarray(value) for name, value in saved.items()})
    with weft.no_grad():
        net.scale += 1.0
    assert np.array_equal(saved["scale"], np.ones(3)), "a copy keeps its values"
    assert np.array_equal(net.state_dict()["scale"], np.full(3, 2)), "a state dict is views"
    loaded = other.load_state_dict(np.load(tmp_path / "state.npz"))
    assert loaded == ([], [])
    other.eval()
    net.load_state_dict(saved)
    assert np.array_equal(net.eval()(x).detach(), other(x).detach())
    clone = copy.deepcopy(net)
    assert np.array_equal(clone(x).detach(), other(x).detach())
    assert clone.scale is not net.scale
    copied_state = pickle.loads(pickle.dumps(net.state_dict()))
    assert np.array_equal(copied_state["scale"], net.scale.detach())


def test_state_dict_that_does_not_fit_changes_nothing():
    net = Net()
    before = net.state_dict()
    state = {**before, "scale": weft.zeros(4)}
    state["body.0.bias"] = weft.zeros(3)
    with pytest.raises(weft.ShapeError, match=r"scale has shape \(4,\), but \(3,\)"):
        net.load_state_dict(state)
    with pytest.raises(weft.ShapeError, match=r"missing: scale.*unexpected: extra"):
        net.load_state_dict({**{k: v for k, v in before.items() if k != "scale"}, "extra": 1.0})
    for name, value in net.state_dict().items():
        assert np.array_equal(value, before[name])
    missing, unexpected = net.load_state_dict({"extra": 1.0}, strict=False)
    assert unexpected == ["extra"]
    assert "scale" in missing


def test_loading_does_not_share_memory_with_the_source():
    layer, source = nn.Linear(2, 2), {"weight": np.ones((2, 2), np.float32), "bias": np.zeros(2)}
    layer.load_state_dict(source)
    source["weight"][:] = 5
    assert np.array_equal(layer.weight.detach(), np.ones((2, 2)))


def test_containers():
    layers = nn.ModuleList([nn.Linear(2, 2)])
    layers.append(nn.ReLU()).extend([nn.Linear(2, 1)])
    layers.insert(0, nn.Identity())
    assert [type(m).__name__ for m in layers] == ["Identity", "Linear", "ReLU", "Linear"]
    assert len(layers[1:3]) == 2
    del layers[0]
    assert isinstance(layers[-1], nn.Linear)
    assert list(layers.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    with pytest.raises(IndexError, match="out of range for 3"):
        layers[3]
    heads = nn.ModuleDict({"a": nn.Linear(2, 1)})
    heads["b"] = nn.Linear(2, 2)
    assert list(heads.keys()) == ["a", "b"]
    del heads["a"]
    assert "a" not in heads
    named = nn.Sequential({"in": nn.Linear(2, 3), "out": nn.Linear(3, 1)})
    assert named.get_submodule("out") is named[1]
    assert named[:1](weft.zeros(1, 2)).shape == (1, 3)


def test_dropout_drops_and_scales():
    weft.random.seed(1)
    layer, x = nn.Dropout(0.25), weft.ones(100, 100)
    result = np.asarray(layer(x))
    assert set(np.unique(result)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((result == 0).mean() - 0.25) < 0.02
    assert not np.array_equal(result, layer(x)), "each call draws anew"
    assert np.array_equal(layer.eval()(x), x)


def test_jit_sees_changes_of_modules():
    net = Net()
    traced = weft.jit(lambda x: net(x))
    x = weft.asarray(array(2, 4))
    net.eval()
    first = np.asarray(traced(x))
    assert np.array_equal(first, net(x).detach())
    assert net.calls.item() == 2, "a buffer assigned in a trace is updated by each call"
    net.load_state_dict({**net.state_dict(), "scale": weft.ones(3) * 2})
    assert np.array_equal(traced(x), first * 2)
    assert traced.stats()["traces"] == 1, "a new value of a parameter needs no trace"
    net.power = 3
    assert np.array_equal(traced(x), first * 2 * 3)
    assert traced.stats()["traces"] == 2
    net.body[0] = nn.Linear(4, 3)
    assert np.array_equal(traced(x), net(x).detach())
    net.train()
    traced(x)
    assert traced.stats()["traces"] == 4
    net.eval()
    traced(x)
    assert traced.stats()["traces"] == 4, "a former state of the module needs no new trace"


def test_jit_sees_the_settings_of_layers():
    layer = nn.Dropout(0.5)
    traced = weft.jit(lambda x: layer(x))
    x = weft.ones((64,))
    assert not np.array_equal(traced(x), traced(x))
    layer.eval()
    assert np.array_equal(traced(x), x)
    layer.train()
    layer.p = 0.0
    assert np.array_equal(traced(x), x)


def test_clipping_gradients_matches_torch():
    ours, theirs = nn.Linear(4, 3), torch.nn.Linear(4, 3)
    copied(ours, theirs)
    x = array(5, 4, scale=4.0)
    (ours(weft.asarray(x)) ** 2).sum().backward()
    (theirs(torch.tensor(x)) ** 2).sum().backward()
    norm = nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
    assert_close(norm, torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0), 60)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(p.grad, q.grad, 60)
    nn.utils.clip_grad_value_(ours.parameters(), 0.01)
    assert all(np.abs(np.asarray(p.grad)).max() <= np.float32(0.01) for p in ours.parameters())


class Block(nn.Module):
    """Embedding, attention, normalisation, dropout: what a small transformer is made of."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8, padding_idx=0)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norms = nn.ModuleList([nn.LayerNorm(8), nn.LayerNorm(8)])
        self.feed = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 8))
        self.batch_norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 3)

    def forward(self, indices):
        x = self.embedding(indices)
        normal = self.norms[0](x)
        x = x + self.attention(normal, normal, normal, need_weights=False, is_causal=True)[0]
        x = x + self.feed(self.norms[1](x))
        return self.head(self.batch_norm(x.mean(axis=1)))


@pytest.mark.parametrize("as_argument", [False, True])
def test_compiled_training_equals_eager_to_the_bit(as_argument):
    """With the module and the optimizer found outside of the function, or among its arguments."""
    results = []
    for compiled in (False, True):
        weft.random.seed(5)
        model = Block()
        optimizer = weft.optim.AdamW(model.parameters(), lr=1e-2)
        loss_function = nn.CrossEntropyLoss(label_smoothing=0.1)

        def step(model, optimizer, x, y, loss_function=loss_function):
            optimizer.zero_grad()
            loss = loss_function(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            return loss

        def closed(x, y, model=model, optimizer=optimizer, step=step):
            return step(model, optimizer, x, y)

        run = step if as_argument else closed
        run = weft.jit(run) if compiled else run
        rng, losses = np.random.default_rng(0), []
        for _ in range(4):
            batch = (weft.asarray(rng.integers(0, 11, (5, 6))), weft.asarray(rng.integers(0, 3, 5)))
            losses.append(run(*((model, optimizer) if as_argument else ()), *batch).item())
        if compiled:
            assert run.stats()["traces"] == 1
        assert model.batch_norm.num_batches_tracked.item() == 4
        assert np.all(np.asarray(model.embedding.weight.detach())[0] == 0)
        results.append((losses, {k: np.array(v) for k, v in model.state_dict().items()}))
    assert results[0][0] == results[1][0]
    for name, value in results[0][1].items():
        assert np.array_equal(value, results[1][1][name]), name
