"""The optimizers beside SGD and Adam against PyTorch's, and what all optimizers share."""

import copy
import inspect

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits
from weft import nn, optim

STEPS = 6
SHAPES = ((3, 4), (5,), (2, 3, 4))
#: Matrices alone.
MATRICES = ((3, 4), (5, 2))

OPTIMIZERS = {
    "rmsprop": ("RMSprop", {}),
    "rmsprop_all": (
        "RMSprop",
        {"lr": 0.02, "alpha": 0.9, "momentum": 0.7, "centered": True, "weight_decay": 0.1},
    ),
    "adagrad": (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2},
    ),
    "adadelta": ("Adadelta", {"lr": 0.7, "rho": 0.8, "weight_decay": 0.1}),
    "adamax": ("Adamax", {"lr": 0.01, "weight_decay": 0.1, "maximize": True}),
    "nadam": ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.01}),
    "nadam_decoupled": ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam": ("RAdam", {"lr": 0.01, "weight_decay": 0.1}),
    # The fifth step is the first one that divides by the root.
    "radam_soon": (
        "RAdam",
        {"lr": 0.02, "betas": (0.8, 0.99), "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "asgd": ("ASGD", {"t0": 2, "lambd": 0.1, "weight_decay": 0.1}),
    "rprop": ("Rprop", {"lr": 0.02}),
    "adafactor": ("Adafactor", {"lr": 0.1, "weight_decay": 0.1, "d": 1.5, "eps": (1e-4, 1e-2)}),
    "adafactor_plain": ("Adafactor", {"maximize": True}),
    "muon": ("Muon", {"lr": 0.02}),
    "muon_all": (
        "Muon",
        {"lr": 0.02, "nesterov": False, "momentum": 0.5, "adjust_lr_fn": "match_rms_adamw"},
    ),
    "adam_decoupled": ("Adam", {"lr": 0.02, "weight_decay": 0.2, "decoupled_weight_decay": True}),
}
KINDS = sorted({kind for kind, _ in OPTIMIZERS.values()} | {"SGD", "Adam", "AdamW", "LBFGS"})


def values(kind, seed, dtype):
    """Starts or gradients of the parameters of a test."""
    rng = np.random.default_rng(seed)
    shapes = MATRICES if kind == "Muon" else SHAPES
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def both(kind, options, dtype=np.float32):
    """Equal parameters, and an optimizer of each library."""
    ours = [nn.Parameter(weft.asarray(x)) for x in values(kind, 100, dtype)]
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in values(kind, 100, dtype)]
    return (
        (ours, getattr(optim, kind)(ours, **options)),
        (theirs, getattr(torch.optim, kind)(theirs, **options)),
    )


def train(parameters, optimizer, kind, steps, convert, dtype=np.float32):
    for step in steps:
        gradients = values(kind, step, dtype)
        # One that has no gradient once: its count and state stay behind.
        gradients[-1] = None if step == 2 else gradients[-1]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else convert(gradient)
        optimizer.step()


def assert_close(ours, theirs, kind, steps):
    for p, q in zip(ours, theirs, strict=True):
        found, expected = np.asarray(p.detach()), q.detach().numpy()
        # Each step rounds the parameter and a quotient of a few rounded sums. Muon's direction is
        # of bfloat16: its roundings may fall the other way, by 2**-8 of elements of at most 1, and
        # grow by the polynomial's slope where singular values are small.
        bound = 16 * steps * np.finfo(found.dtype).eps
        bound += steps * 0.02 * 4 * 2.0**-8 if kind == "Muon" else 0
        np.testing.assert_allclose(found, expected, rtol=bound, atol=bound)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_matches_torch(name, dtype):
    kind, options = OPTIMIZERS[name]
    (ours, optimizer), (theirs, twin) = both(kind, options, dtype)
    for step in range(STEPS):
        train(ours, optimizer, kind, [step], weft.asarray, dtype)
        train(theirs, twin, kind, [step], torch.tensor, dtype)
        assert_close(ours, theirs, kind, step + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_and_defaults_are_torchs(kind):
    ours, theirs = (
        list(inspect.signature(getattr(library, kind).__init__).parameters.values())
        for library in (optim, torch.optim)
    )
    assert [(p.name, p.kind, p.default) for p in ours] == [
        (p.name, p.kind, p.default) for p in theirs
    ]
    shape = (1, 1) if kind == "Muon" else (1,)
    first = getattr(optim, kind)([nn.Parameter(weft.zeros(shape))])
    second = getattr(torch.optim, kind)([torch.nn.Parameter(torch.zeros(shape))])
    assert first.defaults == second.defaults


def lion_step(value, momentum, gradient, lr, betas, weight_decay):
    """Algorithm 2 of the paper."""
    beta1, beta2 = betas
    direction = np.sign(beta1 * momentum + (1 - beta1) * gradient) + weight_decay * value
    return value - lr * direction, beta2 * momentum + (1 - beta2) * gradient


@pytest.mark.parametrize("maximize", [False, True])
def test_lion_is_the_papers(maximize):
    options = {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}
    ours = [nn.Parameter(weft.asarray(x)) for x in values("Lion", 100, np.float64)]
    optimizer = optim.Lion(ours, **options, maximize=maximize)
    expected = [(np.array(p.detach()), np.zeros(p.shape)) for p in ours]
    for step in range(STEPS):
        gradients = values("Lion", step, np.float64)
        for parameter, gradient in zip(ours, gradients, strict=True):
            parameter.grad = weft.asarray(gradient)
        optimizer.step()
        signs = [-gradient if maximize else gradient for gradient in gradients]
        expected = [lion_step(*pair, g, **options) for pair, g in zip(expected, signs, strict=True)]
    for parameter, (value, momentum) in zip(ours, expected, strict=True):
        np.testing.assert_allclose(parameter.detach(), value, rtol=1e-14, atol=1e-14)
        kept = optimizer.state[parameter]["exp_avg"]
        np.testing.assert_allclose(kept, momentum, rtol=1e-14, atol=1e-14)
    assert optim.Lion(ours).defaults["betas"] == (0.9, 0.99)
    assert optim.Lion(ours).defaults["lr"] == 1e-4


def quadratic(parameters, x):
    first, *others = parameters
    return ((x @ first) ** 2).sum() + sum((weft.tanh(p) * p).sum() for p in others)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "lion"])
def test_compiled_step_equals_eager_to_the_bit(name):
    kind, options = OPTIMIZERS.get(name, ("Lion", {"lr": 0.01, "weight_decay": 0.1}))
    results = []
    for compiled in (False, True):
        parameters = [nn.Parameter(weft.asarray(x)) for x in values(kind, 100, np.float32)]
        optimizer = getattr(optim, kind)(parameters, **options)

        def step(x, parameters=parameters, optimizer=optimizer):
            optimizer.zero_grad()
            loss = quadratic(parameters, x)
            loss.backward()
            optimizer.step()
            return loss

        run = weft.jit(step) if compiled else step
        rng = np.random.default_rng(7)
        losses = []
        for number in range(STEPS):
            # A new rate is seen, and traces nothing.
            optimizer.param_groups[0]["lr"] = 0.02 / (1 + number)
            losses.append(run(weft.asarray(rng.standard_normal((2, 3)).astype(np.float32))).item())
        if compiled:
            assert run.stats()["traces"] == 1
        state = [tensor for kept in optimizer.state.values() for tensor in kept.values()]
        results.append([losses, [p.detach() for p in parameters], state])
    assert_same_bits(*results)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_of_torch_goes_on(name):
    kind, options = OPTIMIZERS[name]
    (ours, _), (theirs, twin) = both(kind, options)
    train(theirs, twin, kind, [0, 1, 2], torch.tensor)
    for p, q in zip(ours, theirs, strict=True):
        p.data = weft.asarray(q.detach().numpy().copy())
    # All options come with the state; but what it takes to make the optimizer.
    optimizer = getattr(optim, kind)(ours, lr=0.7)
    optimizer.load_state_dict(copy.deepcopy(twin.state_dict()))
    train(ours, optimizer, kind, [3, 4, 5], weft.asarray)
    train(theirs, twin, kind, [3, 4, 5], torch.tensor)
    assert_close(ours, theirs, kind, 3)
    saved, expected = optimizer.state_dict(), twin.state_dict()
    assert saved["state"].keys() == expected["state"].keys()
    for number, kept in expected["state"].items():
        assert list(saved["state"][number]) == list(kept)
    assert saved["param_groups"] == expected["param_groups"]
    # And back: PyTorch's goes on from ours.
    _, (copies, resumed) = both(kind, {})
    with torch.no_grad():
        for p, q in zip(copies, ours, strict=True):
            p.copy_(torch.tensor(np.asarray(q.detach())))
    tensors = {
        number: {key: torch.tensor(np.asarray(value)) for key, value in kept.items()}
        for number, kept in saved["state"].items()
    }
    resumed.load_state_dict({"state": tensors, "param_groups": saved["param_groups"]})
    train(ours, optimizer, kind, [6, 7], weft.asarray)
    train(copies, resumed, kind, [6, 7], torch.tensor)
    assert_close(ours, copies, kind, 2)


@pytest.mark.parametrize("kind", ["ASGD", "Rprop"])
def test_the_first_step_has_the_rate_of_then(kind):
    (ours, optimizer), (theirs, twin) = both(kind, {"lr": 0.5})
    for group in (*optimizer.param_groups, *twin.param_groups):
        group["lr"] = 0.125
    train(ours, optimizer, kind, range(3), weft.asarray)
    train(theirs, twin, kind, range(3), torch.tensor)
    assert_close(ours, theirs, kind, 3)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["RMSprop", "Adamax", "RAdam", "Adafactor", "SGD"])
def test_halves_match_torch(kind, name):
    options = {"lr": 0.125}
    starts = values(kind, 100, np.float32)
    ours = [nn.Parameter(weft.asarray(x).astype(name)) for x in starts]
    theirs = [torch.nn.Parameter(torch.tensor(x).to(getattr(torch, name))) for x in starts]
    optimizer = getattr(optim, kind)(ours, **options)
    twin = getattr(torch.optim, kind)(theirs, **options)
    for step in range(3):
        for p, q, gradient in zip(ours, theirs, values(kind, step, np.float32), strict=True):
            p.grad = weft.asarray(gradient).astype(name)
            q.grad = torch.tensor(gradient).to(q.dtype)
        optimizer.step()
        twin.step()
    for p, q in zip(ours, theirs, strict=True):
        # Each operation rounds, where PyTorch rounds a few of them at once: steps of at most 1/2
        # and parameters of up to 4 in units of 2**-11 or 2**-8, some eight of each.
        bound = 3 * 8 * float(weft.finfo(name).eps)
        found = np.asarray(p.detach().astype("float32"))
        np.testing.assert_allclose(found, q.detach().float().numpy(), rtol=bound, atol=bound)


# Options that move -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "dampening": 0.2}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("RMSprop", {"momentum": 0.5}),
        ("Adam", {}),
        ("NAdam", {}),
    ],
)
def test_a_momentum_that_moves_traces_nothing(kind, options):
    """Also where it is 0 for a while: PyTorch leaves the directions then."""
    (ours, optimizer), (theirs, twin) = both(kind, options | {"lr": 0.05})
    name = "betas" if "betas" in optimizer.defaults else "momentum"
    optimizer.param_groups[0].let_move(name)
    eager = copy.deepcopy((ours, optimizer))

    @weft.jit
    def step(gradients):
        for parameter, gradient in zip(ours, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    for number, momentum in enumerate([0.9, 0.5, 0.0, 0.0, 0.7, 0.25]):
        value = (momentum, 0.99) if name == "betas" else momentum
        for group in (optimizer, eager[1], twin):
            group.param_groups[0][name] = value
        assert optimizer.param_groups[0][name] == value
        gradients = values(kind, number, np.float32)
        step([weft.asarray(gradient) for gradient in gradients])
        for parameters, run, convert in ((*eager, weft.asarray), (theirs, twin, torch.tensor)):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = convert(gradient)
            run.step()
        assert_close(ours, theirs, kind, number + 1)
        for p, q in zip(ours, eager[0], strict=True):
            assert_same_bits(p.detach(), q.detach())
    assert step.stats()["traces"] == 1
    resumed = getattr(optim, kind)([nn.Parameter(p) for p in ours], **options)
    resumed.param_groups[0].let_move(name)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert resumed.param_groups[0][name] == value
    assert [len(kept) for kept in resumed.state.values()] == [
        len(kept) for kept in optimizer.state.values()
    ]


# Hooks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_hooks_are_called_around_steps(compiled):
    parameter = nn.Parameter(weft.asarray([1.0]))
    optimizer = optim.SGD([parameter], lr=0.5)

    def halve(optimizer, args, kwargs):
        assert args == (optimizer,)
        assert kwargs == {}
        parameter.grad = parameter.grad * 0.5

    def shift(optimizer, args, kwargs):
        with weft.no_grad():
            parameter.add_(10.0)

    def step():
        parameter.grad = weft.asarray([2.0])
        optimizer.step()

    run = weft.jit(step) if compiled else step
    run()
    assert parameter.item() == 0.0
    first = optimizer.register_step_pre_hook(halve)
    second = optimizer.register_step_post_hook(shift)
    run()
    assert parameter.item() == 9.5
    first.remove()
    run()
    assert parameter.item() == 18.5
    second.remove()
    run()
    assert parameter.item() == 17.5
    second.remove()
    with optimizer.register_step_pre_hook(halve):
        run()
    assert parameter.item() == 17.0
    run()
    assert parameter.item() == 16.0


def test_a_hook_may_change_the_arguments():
    parameter = nn.Parameter(weft.asarray([1.0]))
    optimizer = optim.SGD([parameter], lr=0.5)
    handle = optimizer.register_step_pre_hook(
        lambda optimizer, args, kwargs: ((optimizer, lambda: "loss"), {})
    )
    assert optimizer.step() == "loss"
    handle.remove()
    assert optimizer.step() is None
    optimizer.register_step_pre_hook(lambda optimizer, args, kwargs: "wrong")
    with pytest.raises(weft.DTypeError, match="has to return None or"):
        optimizer.step()
    with pytest.raises(weft.DTypeError, match="has to be a function"):
        optimizer.register_step_post_hook(3)


def test_hooks_around_the_state():
    optimizer = optim.SGD([nn.Parameter(weft.ones(1))], lr=0.5)
    seen = []
    optimizer.register_state_dict_pre_hook(lambda optimizer: seen.append("before saving"))
    optimizer.register_state_dict_post_hook(lambda optimizer, state: {**state, "extra": 1})
    optimizer.register_state_dict_post_hook(
        lambda optimizer, state: seen.append("extra" in state), prepend=True
    )
    saved = optimizer.state_dict()
    assert saved["extra"] == 1
    assert seen == ["before saving", False]

    def faster(optimizer, state):
        groups = [{**group, "lr": 2.0} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(faster)
    optimizer.register_load_state_dict_post_hook(lambda optimizer: seen.append("loaded"))
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 2.0
    assert seen[-1] == "loaded"
    assert saved["param_groups"][0]["lr"] == 0.5


# Groups ------------------------------------------------------------------------------------------


def test_names_of_parameters_are_kept():
    model, theirs = nn.Linear(2, 1), torch.nn.Linear(2, 1)
    optimizer = optim.SGD(model.named_parameters(), lr=0.5)
    twin = torch.optim.SGD(theirs.named_parameters(), lr=0.5)
    assert optimizer.state_dict()["param_groups"] == twin.state_dict()["param_groups"]
    with pytest.raises(weft.OptionError, match="some groups have names"):
        optimizer.add_param_group({"params": [nn.Parameter(weft.ones(1))]})
    with pytest.raises(weft.OptionError, match="some parameters of a group have names"):
        optim.SGD([("a", nn.Parameter(weft.ones(1))), nn.Parameter(weft.ones(1))])


def test_an_optimizer_of_ones_own():
    """As it is written for PyTorch: with a step() and state of its own."""

    class Own(optim.Optimizer):
        def __init__(self, params, lr=0.5):
            super().__init__(params, {"lr": lr})

        @weft.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for parameter in group["params"]:
                    state = self.state[parameter]
                    state.setdefault("total", weft.zeros_like(parameter))
                    state["total"].add_(parameter.grad)
                    parameter.sub_(state["total"] * group["lr"])

    for compiled in (False, True):
        parameter = nn.Parameter(weft.asarray([4.0]))
        optimizer = Own([parameter])

        def step(parameter=parameter, optimizer=optimizer):
            parameter.grad = weft.asarray([2.0])
            optimizer.step()

        run = weft.jit(step) if compiled else step
        for _ in range(3):
            run()
        assert parameter.item() == 4 - 1 - 2 - 3
        assert optimizer.state_dict()["state"][0]["total"].item() == 6


MISTAKES = [
    (weft.UnsupportedError, "differentiable=True", "SGD", {"differentiable": True}),
    (weft.OptionError, "fused and foreach", "Adam", {"fused": True, "foreach": True}),
    (weft.OptionError, "RMSprop: alpha has to be at least 0", "RMSprop", {"alpha": -1.0}),
    (weft.OptionError, "Adagrad: lr_decay has to be", "Adagrad", {"lr_decay": -1.0}),
    (weft.OptionError, r"Adadelta: rho has to be in \[0, 1\]", "Adadelta", {"rho": 1.5}),
    (weft.OptionError, r"Adamax: betas\[1\] has to be", "Adamax", {"betas": (0.9, 1.0)}),
    (weft.OptionError, "NAdam: momentum_decay has to be", "NAdam", {"momentum_decay": -1.0}),
    (weft.OptionError, "RAdam: eps has to be", "RAdam", {"eps": -1.0}),
    (weft.OptionError, "ASGD: weight_decay has to be", "ASGD", {"weight_decay": -1.0}),
    (weft.OptionError, "Rprop: etas have to be below and above 1", "Rprop", {"etas": (1.5, 2.0)}),
    (weft.OptionError, "Adafactor: beta2_decay has to be at most 0", "Adafactor", {"d": 0.5}),
    (weft.OptionError, r"Adafactor: eps\[0\] has to be", "Adafactor", {"eps": (-1.0, 0.1)}),
    (weft.OptionError, "Muon: adjust_lr_fn has to be None", "Muon", {"adjust_lr_fn": "other"}),
    (weft.OptionError, "Muon: ns_steps has to be at least 0 and less", "Muon", {"ns_steps": 100}),
    (weft.OptionError, "Muon: ns_coefficients have to be 3", "Muon", {"ns_coefficients": (1, 2)}),
    (weft.OptionError, "Lion: lr has to be at least 0", "Lion", {"lr": -1.0}),
    (weft.OptionError, "LBFGS: line_search_fn has to be", "LBFGS", {"line_search_fn": "armijo"}),
    (weft.OptionError, "LBFGS: history_size has to be at least 1", "LBFGS", {"history_size": 0}),
]


@pytest.mark.parametrize(("error", "message", "kind", "options"), MISTAKES)
def test_wrong_options_have_clear_errors(error, message, kind, options):
    parameter = nn.Parameter(weft.ones(1, 1))
    with pytest.raises(error, match=message):
        getattr(optim, kind)([parameter], **options)


def test_wrong_parameters_have_clear_errors():
    parameter = nn.Parameter(weft.ones(1))
    with pytest.raises(weft.ShapeError, match=r"Muon: a parameter has shape \(1,\)"):
        optim.Muon([parameter])
    with pytest.raises(weft.DTypeError, match="a set has not"):
        optim.SGD([{"params": {parameter}}])
    with pytest.raises(weft.OptionError, match="computed from others"):
        optim.SGD([parameter * 2])
    with pytest.raises(weft.OptionError, match="LBFGS: all parameters have to be of one group"):
        optim.LBFGS([{"params": parameter}, {"params": nn.Parameter(weft.ones(1))}])
    optimizer = optim.RMSprop([parameter])
    state = {"step": weft.asarray(1.0), "square_avg": weft.ones(2)}
    saved = {"state": {0: state}, "param_groups": optimizer.state_dict()["param_groups"]}
    with pytest.raises(weft.ShapeError, match=r"square_avg of parameter 0 has shape \(2,\)"):
        optimizer.load_state_dict(saved)
    saved["param_groups"][0]["differentiable"] = True
    with pytest.raises(weft.UnsupportedError, match="differentiable=True"):
        optimizer.load_state_dict(saved)


# LBFGS -------------------------------------------------------------------------------------------


def rosenbrock(x, y):
    """A valley that bends; the minimum is where all are 1."""
    return ((1 - x) ** 2).sum() + 100 * ((y - x * x) ** 2).sum()


def lbfgs_run(library, options, steps, compiled=False):
    """The losses, and the parameters after each step."""
    parameter = library.nn.Parameter
    x = parameter(library.tensor([-1.2, 0.5, 2.0], dtype=library.float64))
    y = parameter(library.tensor([[1.0, -1.0, 0.3]], dtype=library.float64))
    optimizer = library.optim.LBFGS([x, y], **options)
    calls = []

    def closure():
        calls.append(None)
        optimizer.zero_grad()
        loss = rosenbrock(x, y[0])
        loss.backward()
        return loss

    def evaluated():
        optimizer.zero_grad()
        loss = rosenbrock(x, y[0])
        loss.backward()
        return loss

    run, results = weft.jit(evaluated) if compiled else closure, []
    for _ in range(steps):
        loss = optimizer.step(run)
        found = [np.asarray(p.detach()).ravel() for p in (x, y)]
        results.append(np.concatenate([[loss.item()], *found]))
    return np.array(results), optimizer, len(calls)


LBFGS_OPTIONS = {
    "fixed": ({"lr": 0.02, "max_iter": 4}, 3),
    "short_history": ({"lr": 0.05, "max_iter": 5, "history_size": 2}, 3),
    "line_search": ({"line_search_fn": "strong_wolfe", "max_iter": 4}, 4),
    "long_line_search": ({"line_search_fn": "strong_wolfe", "history_size": 3}, 2),
    "few_evaluations": ({"line_search_fn": "strong_wolfe", "max_eval": 3}, 4),
    "converged": ({"line_search_fn": "strong_wolfe", "max_iter": 60}, 3),
}


@pytest.mark.parametrize("name", LBFGS_OPTIONS)
def test_lbfgs_matches_torch(name):
    options, steps = LBFGS_OPTIONS[name]
    ours, optimizer, calls = lbfgs_run(weft, options, steps)
    theirs, twin, expected_calls = lbfgs_run(torch, options, steps)
    assert calls == expected_calls
    # Products are summed in another order; the valley's curvatures, 1 to 1000, make that grow in
    # each iteration.
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)
    saved, expected = optimizer.state_dict(), twin.state_dict()
    assert saved["state"].keys() == expected["state"].keys()
    assert set(saved["state"][0]) == set(expected["state"][0]) - {"al"}
    assert saved["state"][0]["func_evals"] == expected["state"][0]["func_evals"]
    assert saved["param_groups"] == expected["param_groups"]


def test_lbfgs_with_a_compiled_closure():
    options, steps = LBFGS_OPTIONS["line_search"]
    eager, _, _ = lbfgs_run(weft, options, steps)
    compiled, _, _ = lbfgs_run(weft, options, steps, compiled=True)
    assert_same_bits(compiled, eager)


def test_lbfgs_goes_on_from_torchs_state():
    options = {"line_search_fn": "strong_wolfe", "max_iter": 4}
    _, twin, _ = lbfgs_run(torch, options, 2)
    expected, _, _ = lbfgs_run(torch, options, 4)
    x, y = (
        nn.Parameter(weft.asarray(p.detach().numpy().copy()))
        for p in twin.param_groups[0]["params"]
    )
    optimizer = optim.LBFGS([x, y], lr=0.5)
    optimizer.load_state_dict(twin.state_dict())

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x, y[0])
        loss.backward()
        return loss

    for row in expected[2:]:
        loss = optimizer.step(closure)
        assert loss.item() == pytest.approx(row[0], rel=1e-8)
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["d"] = weft.ones(4)
    with pytest.raises(weft.ShapeError, match=r"d has shape \(4,\), but \(6,\) is needed"):
        optimizer.load_state_dict(state)


def test_lbfgs_is_refused_where_it_can_not_work():
    parameter = nn.Parameter(weft.asarray([1.0]))
    optimizer = optim.LBFGS([parameter])

    def closure():
        optimizer.zero_grad()
        loss = (parameter * parameter).sum()
        loss.backward()
        return loss

    with pytest.raises(weft.UnsupportedError, match="reads losses to decide"):
        weft.jit(lambda: optimizer.step(closure))()
    with pytest.raises(weft.DTypeError, match="needs a closure"):
        optimizer.step()
    assert parameter.item() == 1.0
