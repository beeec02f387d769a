"""Module's methods: what PyTorch's do, and what compiled functions see of them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import weft
from module_twins import array
from weft import nn


def make(f, **options):
    """A network with a shared layer, buffers and nested modules."""

    class Net(f.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = f.nn.Sequential(f.nn.Linear(3, 3), f.nn.BatchNorm1d(3))
            self.again = self.body[0]
            self.scale = f.nn.Parameter(f.ones(3))
            self.offset = f.nn.Buffer(f.ones(3))
            self.scratch = f.nn.Buffer(f.zeros(2), persistent=False)
            self.register_parameter("none", None)

        def forward(self, x, *, power=1):
            return self.again(self.body(x)) * self.scale * power + self.offset

    return Net()


def names(pairs):
    return [name for name, _ in pairs]


#: What both libraries have to answer alike.
QUESTIONS = {
    "parameters": lambda m: names(m.named_parameters()),
    "parameters of its own": lambda m: names(m.named_parameters(recurse=False)),
    "parameters with prefix": lambda m: names(m.named_parameters(prefix="p")),
    "all names of parameters": lambda m: names(m.named_parameters(remove_duplicate=False)),
    "buffers": lambda m: names(m.named_buffers()),
    "buffers of its own": lambda m: names(m.named_buffers("q", recurse=False)),
    "all names of buffers": lambda m: names(m.named_buffers(remove_duplicate=False)),
    "modules": lambda m: names(m.named_modules()),
    "modules with prefix": lambda m: names(m.named_modules(prefix="p")),
    "all names of modules": lambda m: names(m.named_modules(remove_duplicate=False)),
    "children": lambda m: names(m.named_children()),
    "count": lambda m: (len(list(m.modules())), len(list(m.modules(remove_duplicate=False)))),
    "counts": lambda m: (len(list(m.parameters())), len(list(m.buffers(recurse=False)))),
    "state": lambda m: list(m.state_dict()),
    "state with prefix": lambda m: list(m.state_dict(prefix="p.")),
    "state into": lambda m: list(m.state_dict(destination={"x": 1})),
    "get": lambda m: m.get_submodule("body.0") is m.again and m.get_buffer("offset") is m.offset,
    "get parameter": lambda m: m.get_parameter("body.0.weight") is m.again.weight,
    "keep": lambda m: m.state_dict(keep_vars=True)["scale"] is m.scale,
    "dir": lambda m: {"scale", "offset", "body"} <= set(dir(m)),
    "train": lambda m: [each.training for each in m.train(False).train().eval().modules()],
    "requires": lambda m: [p.requires_grad for p in m.requires_grad_(False).parameters()],
    "set module": lambda m: m.set_submodule("body.0", m.body[1]) or names(m.named_modules()),
    "add module": lambda m: m.add_module("more", m.body) or names(m.named_children()),
    "register module": lambda m: m.register_module("more", None) or names(m.named_children()),
    "delete": lambda m: delattr(m, "scale") or names(m.named_parameters()),
    "buffer again": lambda m: setattr(m, "offset", None) or names(m.named_buffers()),
    "repr": lambda m: repr(m.body[0]),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_modules_answer_like_torchs(question):
    answer = QUESTIONS[question]
    assert answer(make(weft)) == answer(make(torch))


def test_missing_members_have_clear_errors():
    module = make(weft)
    for ask, message in (
        (lambda: module.get_buffer("body.0.mean"), "no buffer 'body.0.mean'"),
        (lambda: module.get_parameter("offset"), "no parameter 'offset'"),
        (lambda: module.get_submodule("body.7"), "no module '7'"),
        (lambda: module.set_submodule("body.new", nn.ReLU(), strict=True), "no module 'new'"),
        (lambda: module.set_submodule("scale", nn.ReLU()), "no module 'scale'"),
    ):
        with pytest.raises(AttributeError, match=message):
            ask()
    with pytest.raises(weft.NameUseError, match="names no place"):
        module.set_submodule("", nn.ReLU())
    with pytest.raises(weft.DTypeError, match="is a int, not a Module"):
        module.set_submodule("body", 3)
    for name, message in (("a.b", "without dots"), ("forward", "'forward' already")):
        with pytest.raises(weft.NameUseError, match=message):
            module.register_parameter(name, None)
        with pytest.raises(weft.NameUseError, match=message):
            module.add_module(name, nn.ReLU())
    with pytest.raises(weft.UnsupportedError, match="belongs to one process"):
        module.share_memory()


def test_conversions():
    module = make(weft)
    assert module.type(weft.float64) is module
    assert module.scale.dtype is module.offset.dtype is weft.float64
    assert module.body[1].num_batches_tracked.dtype is weft.int64
    assert module.to_empty(device="cpu") is module
    assert module.half().scale.dtype is weft.float16
    assert module.to(weft.ones(1)).scale.dtype is weft.float32


def test_gradients_are_removed_or_set_to_zero():
    module = make(weft)
    module(weft.asarray(array(2, 3))).sum().backward()
    module.zero_grad(set_to_none=False)
    assert not np.asarray(module.scale.grad).any()
    module.zero_grad()
    assert module.scale.grad is None


def test_buffers_are_registered():
    module = make(weft)
    assert isinstance(module.offset, nn.Buffer)
    assert not module.offset.requires_grad
    module.offset = weft.ones(3) * 2
    assert names(module.named_buffers(recurse=False)) == ["offset", "scratch"]
    clone = copy.deepcopy(module)
    assert clone.scratch is not module.scratch
    assert "scratch" not in clone.state_dict()
    assert np.array_equal(nn.Buffer([1.0, 2.0]), [1.0, 2.0])


# State ---------------------------------------------------------------------------------------


def test_state_is_loaded_from_torch():
    ours, theirs = make(weft), make(torch)
    theirs(torch.ones(2, 3))
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    x = array(4, 3)
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours.eval()(weft.asarray(x)).detach(), expected, rtol=1e-5)
    ours.double().load_state_dict(theirs.state_dict())
    assert ours.scale.dtype is weft.float64


def test_state_of_halves_is_loaded_from_torch():
    theirs = torch.nn.Linear(2, 2, dtype=torch.bfloat16)
    ours = nn.Linear(2, 2)
    ours.load_state_dict(theirs.state_dict())
    assert np.array_equal(ours.weight.detach(), theirs.weight.detach().float().numpy())


def test_assigned_state_keeps_its_dtype():
    module = make(weft)
    state = {
        name: weft.ones(value.shape, dtype="float64") for name, value in module.state_dict().items()
    }
    former = module.scale
    module.load_state_dict(state, assign=True)
    assert module.scale.dtype is module.offset.dtype is weft.float64
    assert module.scale is not former
    assert isinstance(module.scale, nn.Parameter)
    assert names(module.named_parameters()) == names(make(weft).named_parameters())


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(weft.ones(2))
        self.count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state():
    module, other = nn.Sequential(Counting()), nn.Sequential(Counting())
    module[0].count = 7
    state = module.state_dict()
    assert state["0._extra_state"] == {"count": 7}
    assert other.load_state_dict(state) == ([], [])
    assert other[0].count == 7
    missing, _ = other.load_state_dict({"0.weight": weft.ones(2)}, strict=False)
    assert missing == ["0._extra_state"]
    with pytest.raises(NotImplementedError, match="Module has no get_extra_state"):
        nn.Module().get_extra_state()


def test_hooks_of_the_state():
    module, events = make(weft), []
    module.body.register_state_dict_pre_hook(lambda *all: events.append(all[1:]))
    handle = module.register_state_dict_post_hook(lambda m, state, prefix, _: state.update(more=1))
    assert module.state_dict()["more"] == 1
    assert events == [("body.", False)]
    handle.remove()
    assert "more" not in module.state_dict()

    def rename(m, state, prefix, *_):
        state[prefix + "scale"] = state.pop(prefix + "old")

    state = dict(module.state_dict())
    state["old"] = state.pop("scale") * 3
    module.register_load_state_dict_pre_hook(rename)
    module.register_load_state_dict_post_hook(lambda m, keys: events.append(keys))
    module.load_state_dict(state)
    assert "old" in state
    assert np.array_equal(module.scale.detach(), [3.0] * 3)
    assert events[-1] == ([], [])


# Hooks ---------------------------------------------------------------------------------------


def doubled(module, args):
    return args[0] * 2


def doubled_keywords(module, args, kwargs):
    return args, {**kwargs, "power": kwargs.get("power", 1) * 2}


def increased(module, args, result):
    return result + 1


def scaled_by_keyword(module, args, kwargs, result):
    return result * kwargs.get("power", 1)


def observed(module, args, result):
    return None


#: Hooks in the order in which they are registered.
HOOKS = {
    "before": lambda m: m.register_forward_pre_hook(doubled),
    "before, with keywords": lambda m: m.register_forward_pre_hook(
        doubled_keywords, with_kwargs=True
    ),
    "after": lambda m: m.register_forward_hook(increased),
    "after, with keywords": lambda m: m.register_forward_hook(scaled_by_keyword, with_kwargs=True),
    "after, first": lambda m: m.register_forward_hook(
        lambda module, args, result: result * 5, prepend=True
    ),
    "observing": lambda m: m.register_forward_hook(observed),
    "inside": lambda m: m.body[0].register_forward_hook(increased),
}


@pytest.mark.parametrize("compiled", [False, True])
def test_hooks_run_in_torchs_order(compiled):
    ours, theirs = make(weft).eval().double(), make(torch).eval().double()
    ours.load_state_dict(theirs.state_dict())
    x = array(4, 3).astype(np.float64)
    run = weft.jit(lambda x: ours(x, power=3)) if compiled else lambda x: ours(x, power=3)
    handles = []

    def check():
        expected = theirs(torch.tensor(x), power=3).detach().numpy()
        # Sums cancel: their rounding errors are those of what is largest in them.
        bound = 256 * np.finfo(np.float64).eps * max(1, np.abs(expected).max())
        np.testing.assert_allclose(run(weft.asarray(x)).detach(), expected, rtol=0, atol=bound)

    check()
    for register in HOOKS.values():
        handles.append((register(ours), register(theirs)))
        check()
    for mine, other in handles[::2]:
        mine.remove()
        mine.remove()
        other.remove()
        check()


def test_calls_of_compiled_functions_see_hooks():
    layer = nn.Linear(2, 2)
    compiled = weft.jit(lambda x: layer(x))
    x = weft.ones(1, 2)
    plain = np.asarray(compiled(x))
    handle = layer.register_forward_hook(increased)
    assert np.array_equal(compiled(x), plain + 1)
    assert np.array_equal(compiled(x), plain + 1)
    assert compiled.stats()["traces"] == 2
    with layer.register_forward_pre_hook(doubled):
        assert np.array_equal(compiled(x), np.asarray(layer(x).detach()))
        assert not np.array_equal(compiled(x), plain + 1)
    assert np.array_equal(compiled(x), plain + 1)
    handle.remove()
    assert np.array_equal(compiled(x), plain)
    assert compiled.stats()["traces"] == 3, "what was traced before holds again"


def test_hooks_that_remove_themselves():
    layer = nn.Identity()

    def once(module, args, result):
        module.handle.remove()
        return result + 1

    for run in (layer, weft.jit(lambda x: layer(x))):
        layer.handle = layer.register_forward_hook(once)
        assert [run(weft.zeros(1)).item() for _ in range(3)] == [1, 0, 0]


class Scaling:
    """A hook with a state of its own."""

    def __init__(self):
        self.factor = 2.0

    def __call__(self, module, args, result):
        return result * self.factor


def test_calls_of_compiled_functions_see_the_state_of_hooks():
    layer, hook = nn.Identity(), Scaling()
    layer.register_forward_hook(hook)
    compiled = weft.jit(layer)
    assert compiled(weft.ones(1)).item() == 2.0
    hook.factor = 3.0
    assert compiled(weft.ones(1)).item() == 3.0


def test_hooks_may_keep_what_they_see():
    layer, seen = nn.Linear(2, 2), []
    layer.register_forward_hook(lambda module, args, result: seen.append(result))
    result = weft.jit(lambda x: layer(x) * 2)(weft.ones(1, 2))
    assert len(seen) == 1
    assert np.array_equal(np.asarray(seen[0].detach()) * 2, result.detach())


def test_gradients_flow_through_hooks():
    layer = nn.Linear(2, 1, bias=False)
    layer.register_forward_pre_hook(doubled)
    layer.register_forward_hook(lambda module, args, result: result * 3)
    layer(weft.ones(1, 2)).backward()
    assert np.array_equal(layer.weight.grad, [[6.0, 6.0]])


def test_hooks_that_are_always_called():
    events = []

    class Failing(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError("on purpose")

    module = Failing()
    module.register_forward_hook(lambda *all: events.append("never"))
    module.register_forward_hook(lambda *all: events.append(all[2]), always_call=True)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        module(weft.ones(1))
    assert events == [None]
    module.register_forward_hook(lambda *all: 1 // 0, always_call=True)
    with (
        pytest.warns(UserWarning, match="a hook of Failing failed"),
        pytest.raises(ZeroDivisionError, match="on purpose"),
    ):
        module(weft.ones(1))


def test_hooks_are_copied_with_their_module():
    layer = nn.Linear(2, 2)
    layer.handle = layer.register_forward_hook(increased)
    clone = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    x = weft.ones(1, 2)
    assert np.array_equal(clone(x).detach(), layer(x).detach())
    clone.handle.remove()
    assert np.array_equal(clone(x).detach() + 1, layer(x).detach())


def test_hooks_that_can_not_be_are_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(weft.UnsupportedError, match="use register_full_backward_hook"):
        layer.register_backward_hook(increased)
    with pytest.raises(weft.DTypeError, match="has to be a function, not 3"):
        layer.register_forward_hook(3)
    layer.register_forward_pre_hook(lambda *all: 3, with_kwargs=True)
    with pytest.raises(weft.DTypeError, match=r"return None or \(args, kwargs\), not 3"):
        layer(weft.ones(1, 2))


def test_modules_compile_their_own_calls():
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x = weft.asarray(array(3, 2))
    expected = np.asarray(module(x).detach())
    assert module.compile(strict=True) is None
    assert np.array_equal(module(x).detach(), expected)
    assert module._compiled_call.stats()["calls"] == 1
    module[1] = nn.Tanh()
    module.register_forward_hook(increased)
    assert np.array_equal(module(x).detach(), np.asarray(module._call(x).detach()))
    clone = copy.deepcopy(module)
    clone.load_state_dict({name: value * 0 for name, value in clone.state_dict().items()})
    assert np.array_equal(clone(x).detach(), np.ones((3, 2)))
    loss = (module(x) ** 2).sum()
    loss.backward()
    assert np.asarray(module[0].weight.grad).any()


# Calls with other parameters -----------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_functional_calls_match_torch(compiled):
    ours, theirs = make(weft).eval(), make(torch).eval()
    ours.load_state_dict(theirs.state_dict())
    x = array(4, 3)
    weight, scale = array(3, 3, seed=1), array(3, seed=2)
    given = {"again.weight": weight, "scale": scale}

    def loss(parameters):
        return (weft.functional_call(ours, parameters, weft.asarray(x), {"power": 2}) ** 2).sum()

    before = np.asarray(loss(dict(ours.named_parameters())).detach())
    differentiate = weft.jit(weft.value_and_grad(loss)) if compiled else weft.value_and_grad(loss)
    value, gradients = differentiate({name: weft.asarray(y) for name, y in given.items()})
    leaves = {name: torch.tensor(y, requires_grad=True) for name, y in given.items()}
    result = torch.func.functional_call(theirs, leaves, torch.tensor(x), {"power": 2})
    expected = (result**2).sum()
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-5)
    for name, leaf in leaves.items():
        np.testing.assert_allclose(gradients[name], leaf.grad.numpy(), rtol=1e-4, atol=1e-4)
    assert np.array_equal(before, loss({}).detach()), "the module keeps its own"


def test_functional_calls_with_other_values_trace_nothing_anew():
    layer = nn.Linear(2, 1, bias=False)
    compiled = weft.jit(lambda given, x: weft.functional_call(layer, given, x))
    for factor in (1.0, 2.0):
        result = compiled({"weight": weft.ones(1, 2) * factor}, weft.ones(1, 2))
        assert result.item() == 2 * factor
    assert compiled.stats()["traces"] == 1


def test_functional_calls_change_the_buffers_that_they_are_given():
    module = make(weft)
    mean = weft.zeros(3)
    weft.functional_call(module, ({"body.1.running_mean": mean}, {}), (weft.ones(2, 3),))
    assert np.asarray(mean).any()
    assert not np.asarray(module.body[1].running_mean).any()


def test_mistakes_in_functional_calls_have_clear_errors():
    module, x = make(weft), weft.ones(2, 3)
    for given, options, kind, message in (
        ({"scale": 3}, {}, TypeError, "scale is a int, not a tensor"),
        ({"other": x}, {"strict": True}, KeyError, "missing: .*scale.*unexpected: other"),
        (({"scale": x}, {"scale": x}), {}, KeyError, "scale given twice"),
        (
            {"again.weight": weft.ones(3, 3), "body.0.weight": weft.zeros(3, 3)},
            {},
            KeyError,
            "are one tensor, but several are given",
        ),
    ):
        with pytest.raises(kind, match=message):
            weft.functional_call(module, given, x, **options)
    weft.functional_call(module, {"other": x}, x)
