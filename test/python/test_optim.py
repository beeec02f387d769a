"""Optimizers and schedules against PyTorch over several steps, eager and compiled."""

import copy

import numpy as np
import pytest
import torch
import weft
from weft import nn, optim

EPSILON = np.finfo(np.float32).eps
STEPS = 6

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_momentum": ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd_nesterov": ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "sgd_dampening": ("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.5}),
    "sgd_maximize": ("SGD", {"lr": 0.01, "maximize": True}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam_decay": ("Adam", {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
    "adam_amsgrad": ("Adam", {"lr": 0.02, "amsgrad": True}),
    "adamw": ("AdamW", {"lr": 0.02}),
    "adamw_decay": ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True}),
}


def gradients(step):
    """Gradients of two parameters at a step; the second has none at step 2."""
    rng = np.random.default_rng(step)
    first = rng.standard_normal((3, 4)).astype(np.float32)
    return first, None if step == 2 else rng.standard_normal(5).astype(np.float32)


def starts():
    rng = np.random.default_rng(100)
    return [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (5,))]


def assert_same_parameters(ours, theirs, steps):
    for p, q in zip(ours, theirs, strict=True):
        expected = q.detach().numpy()
        # Each step rounds the parameter and a quotient of three rounded sums.
        bound = 16 * steps * EPSILON
        np.testing.assert_allclose(np.asarray(p.detach()), expected, rtol=bound, atol=bound)


def set_gradients(parameters, values, convert):
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = None if value is None else convert(value)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_matches_torch(name):
    kind, options = OPTIMIZERS[name]
    ours = [nn.Parameter(weft.asarray(x)) for x in starts()]
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in starts()]
    optimizer = getattr(optim, kind)(ours, **options)
    twin = getattr(torch.optim, kind)(theirs, **options)
    for step in range(STEPS):
        set_gradients(ours, gradients(step), weft.asarray)
        set_gradients(theirs, gradients(step), torch.tensor)
        optimizer.step()
        twin.step()
        assert_same_parameters(ours, theirs, step + 1)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_defaults_are_torchs(kind):
    ours = getattr(optim, kind)([nn.Parameter(weft.zeros(1))])
    theirs = getattr(torch.optim, kind)([torch.nn.Parameter(torch.zeros(1))])
    for name, value in ours.defaults.items():
        assert theirs.defaults[name] == value, name


def quadratic(parameters, x):
    first, second = parameters
    return ((x @ first) ** 2).sum() + (weft.tanh(second) * second).sum()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compiled_step_equals_eager_to_the_bit(name):
    kind, options = OPTIMIZERS[name]
    results = []
    for compiled in (False, True):
        parameters = [nn.Parameter(weft.asarray(x)) for x in starts()]
        optimizer = getattr(optim, kind)(parameters, **options)

        def step(x, parameters=parameters, optimizer=optimizer):
            optimizer.zero_grad()
            loss = quadratic(parameters, x)
            loss.backward()
            optimizer.step()
            return loss

        run = weft.jit(step) if compiled else step
        rng = np.random.default_rng(7)
        losses = [
            run(weft.asarray(rng.standard_normal((2, 3)).astype(np.float32))).item()
            for _ in range(STEPS)
        ]
        if compiled:
            assert run.stats()["traces"] == 1
        state = [
            np.asarray(tensor) for kept in optimizer.state.values() for tensor in kept.values()
        ]
        results.append((losses, [np.asarray(p.detach()) for p in parameters], state))
    assert results[0][0] == results[1][0]
    for eager, jit in zip(
        results[0][1] + results[0][2], results[1][1] + results[1][2], strict=True
    ):
        assert np.array_equal(eager, jit)


def test_a_new_learning_rate_needs_no_trace():
    parameter = nn.Parameter(weft.ones(3))
    optimizer = optim.SGD([parameter], lr=0.5)

    @weft.jit
    def step():
        optimizer.zero_grad()
        parameter.sum().backward()
        optimizer.step()

    step()
    optimizer.param_groups[0]["lr"] = 0.25
    step()
    for group in optimizer.param_groups:
        group["lr"] *= 2
    step()
    assert np.array_equal(parameter.detach(), np.full(3, 1 - 0.5 - 0.25 - 0.5, np.float32))
    assert step.stats()["traces"] == 1
    optimizer.param_groups[0]["weight_decay"] = 0.1
    step()
    assert step.stats()["traces"] == 2


def test_groups_have_options_of_their_own():
    first, second, third = (nn.Parameter(weft.ones(1)) for _ in range(3))
    optimizer = optim.SGD([{"params": [first], "lr": 1.0}, {"params": [second]}], lr=0.5)
    optimizer.add_param_group({"params": third, "lr": 0.25})
    (first + second + third).sum().backward()
    optimizer.step()
    assert [p.item() for p in (first, second, third)] == [0.0, 0.5, 0.75]
    optimizer.zero_grad(set_to_none=False)
    assert first.grad.item() == 0
    optimizer.zero_grad()
    assert first.grad is None


def test_closure_is_called_with_gradients():
    parameter = nn.Parameter(weft.asarray([2.0]))
    optimizer = optim.SGD([parameter], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (parameter * parameter).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert parameter.item() == 0.0


@pytest.mark.parametrize("name", ["sgd_momentum", "adam", "adam_amsgrad"])
def test_state_dict_round_trip_and_torch_layout(name):
    kind, options = OPTIMIZERS[name]

    def make():
        parameters = [nn.Parameter(weft.asarray(x)) for x in starts()]
        return parameters, getattr(optim, kind)(parameters, **options)

    first, optimizer = make()
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in starts()]
    twin = getattr(torch.optim, kind)(theirs, **options)
    for step in (0, 1):
        for parameters, run, convert in (
            (first, optimizer, weft.asarray),
            (theirs, twin, torch.tensor),
        ):
            set_gradients(parameters, gradients(step), convert)
            run.step()
    saved = copy.deepcopy(optimizer.state_dict())
    assert saved["state"].keys() == twin.state_dict()["state"].keys()
    wanted = {name for name, value in twin.state_dict()["state"][0].items() if value is not None}
    assert set(saved["state"][0]) == wanted
    second, resumed = make()
    for p, q in zip(second, first, strict=True):
        p.data = q.detach()
    resumed.load_state_dict(saved)
    third, from_torch = make()
    for p, q in zip(third, theirs, strict=True):
        p.data = weft.asarray(q.detach().numpy().copy())
    from_torch.load_state_dict(twin.state_dict())
    for step in (3, 4):
        for parameters, run in ((first, optimizer), (second, resumed), (third, from_torch)):
            set_gradients(parameters, gradients(step), weft.asarray)
            run.step()
        set_gradients(theirs, gradients(step), torch.tensor)
        twin.step()
    for p, q in zip(first, second, strict=True):
        assert np.array_equal(p.detach(), q.detach())
    assert_same_parameters(third, theirs, 4)
    with pytest.raises(weft.ShapeError, match=r"groups of \[2\] parameters"):
        optim.Adam([nn.Parameter(weft.ones(1))]).load_state_dict(saved)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_zero_grad_leaves_nothing_of_nan(kind):
    parameter = nn.Parameter(weft.ones(3))
    optimizer, module = getattr(optim, kind)([parameter]), nn.Linear(1, 1)
    for owner, held in ((optimizer, parameter), (module, module.weight)):

        def zero(owner=owner):
            owner.zero_grad(set_to_none=False)

        for run in (zero, weft.jit(zero)):
            held.grad = weft.full(held.shape, float("nan"))
            run()
            assert np.array_equal(held.grad, np.zeros(held.shape, np.float32))
        owner.zero_grad()
        assert held.grad is None


LATER = [
    ("SGD", {"lr": 0.1}, {"momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.5}, {"dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.5}, {"nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.5}, {"momentum": 0.0}),
    ("Adam", {"lr": 0.1}, {"betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}, {"maximize": True}),
]


@pytest.mark.parametrize(("kind", "options", "changes"), LATER)
@pytest.mark.parametrize("compiled", [False, True])
def test_options_change_and_groups_come_later(kind, options, changes, compiled):
    ours = [nn.Parameter(weft.asarray(x)) for x in starts()]
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in starts()]
    optimizer = getattr(optim, kind)(ours[:1], **options)
    twin = getattr(torch.optim, kind)(theirs[:1], **options)
    step_once = weft.jit(optimizer.step) if compiled else optimizer.step
    for step in range(STEPS):
        if step == 2:
            for group in (*optimizer.param_groups, *twin.param_groups):
                for name, value in changes.items():
                    group[name] = value
        if step == 3:
            optimizer.add_param_group({"params": ours[1:], "lr": 0.02})
            twin.add_param_group({"params": theirs[1:], "lr": 0.02})
        count = 1 if step < 3 else 2
        values = [value for value in gradients(step)[:count] if value is not None]
        set_gradients(ours[: len(values)], values, weft.asarray)
        set_gradients(theirs[: len(values)], values, torch.tensor)
        step_once()
        twin.step()
        assert_same_parameters(ours, theirs, step + 1)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("steps", [0, 2])
def test_torchs_state_loads_into_an_optimizer_with_other_options(kind, steps):
    options = {"lr": 0.05, "weight_decay": 0.1}
    options |= {"momentum": 0.9, "dampening": 0.2} if kind == "SGD" else {"amsgrad": True}
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in starts()]
    twin = getattr(torch.optim, kind)(theirs, **options)
    for step in range(steps):
        set_gradients(theirs, gradients(step), torch.tensor)
        twin.step()
    ours = [nn.Parameter(weft.asarray(p.detach().numpy().copy())) for p in theirs]
    optimizer = getattr(optim, kind)(ours, lr=1.0)
    optimizer.load_state_dict(twin.state_dict())
    for step in (3, 4, 5):
        set_gradients(ours, gradients(step), weft.asarray)
        set_gradients(theirs, gradients(step), torch.tensor)
        optimizer.step()
        twin.step()
        assert_same_parameters(ours, theirs, step)


def test_a_state_that_does_not_fit_changes_nothing():
    parameter = nn.Parameter(weft.ones(3))
    optimizer = optim.SGD([parameter], lr=0.1)
    good = optim.SGD([nn.Parameter(weft.ones(3))], lr=0.5, momentum=0.9).state_dict()
    for state, groups, error in (
        ({0: {"momentum_buffer": weft.ones(4)}}, good["param_groups"], weft.ShapeError),
        ({}, [{**good["param_groups"][0], "momentum": -1.0}], weft.OptionError),
        ({}, [], weft.ShapeError),
    ):
        with pytest.raises(error):
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        assert optimizer.param_groups[0]["momentum"] == 0
        assert optimizer.param_groups[0]["lr"] == 0.1
    with pytest.raises(weft.NameUseError):
        optimizer.load_state_dict({})


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_float64_parameters_step_in_float64(kind):
    options = {"lr": 0.1, "momentum": 0.9, "dampening": 0.1} if kind == "SGD" else {"lr": 0.1}
    ours = nn.Parameter(weft.asarray(np.array([0.1, 0.2])))
    theirs = torch.nn.Parameter(torch.tensor([0.1, 0.2], dtype=torch.float64))
    optimizer = getattr(optim, kind)([ours], **options)
    twin = getattr(torch.optim, kind)([theirs], **options)
    for _ in range(3):
        ours.grad, theirs.grad = ours.detach() * 0.7, theirs.detach() * 0.7
        optimizer.step()
        twin.step()
        np.testing.assert_allclose(ours.detach(), theirs.detach(), rtol=1e-14)


def test_an_optimizer_is_copied_with_its_parameters():
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    twin_model, twin = copy.deepcopy((model, optimizer))
    twin.param_groups[0]["dampening"] = 0.5
    twin_model(weft.ones(1, 2)).sum().backward()
    twin.step()
    assert optimizer.state[model.weight].keys() == {"momentum_buffer"}
    assert np.array_equal(twin_model.bias.detach(), model.bias.detach() - 0.5)


def test_mistakes_have_clear_errors():
    parameter = nn.Parameter(weft.ones(1))
    with pytest.raises(ValueError, match="no parameters"):
        optim.SGD([])
    with pytest.raises(ValueError, match="given twice"):
        optim.SGD([parameter, parameter])
    with pytest.raises(weft.DTypeError, match="iterable of parameters"):
        optim.SGD(parameter)
    with pytest.raises(weft.DTypeError, match="no floating tensor"):
        optim.SGD([weft.asarray(1)])
    with pytest.raises(ValueError, match="lr has to be at least 0, not -1"):
        optim.Adam([parameter], lr=-1)
    with pytest.raises(ValueError, match=r"betas\[1\].*less than 1"):
        optim.Adam([parameter], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="nesterov needs momentum"):
        optim.SGD([parameter], nesterov=True)
    with pytest.raises(weft.DTypeError, match="no optimizer"):
        optim.lr_scheduler.StepLR(3, 1)


SCHEDULES = {
    "step": lambda m, o: m.StepLR(o, 3, gamma=0.5),
    "multi_step": lambda m, o: m.MultiStepLR(o, [2, 5, 5], gamma=0.1),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.9),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 4, eta_min=0.01),
    "linear": lambda m, o: m.LinearLR(o, 0.25, 1.0, total_iters=5),
    "lambda": lambda m, o: m.LambdaLR(o, lambda epoch: 0.95**epoch),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_matches_torch(name):
    ours = optim.SGD([nn.Parameter(weft.ones(1))], lr=0.1)
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    schedule = SCHEDULES[name](optim.lr_scheduler, ours)
    twin = SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    for _ in range(12):
        assert schedule.get_last_lr() == pytest.approx(twin.get_last_lr(), rel=1e-13)
        theirs.step()
        schedule.step()
        twin.step()
    assert schedule.last_epoch == twin.last_epoch == 12
    for state in (schedule.state_dict(), twin.state_dict()):
        fresh = optim.SGD([nn.Parameter(weft.ones(1))], lr=0.7)
        resumed = SCHEDULES[name](optim.lr_scheduler, fresh)
        fresh.load_state_dict(ours.state_dict())
        resumed.load_state_dict(state)
        assert resumed.last_epoch == 12
        assert resumed.base_lrs == [0.1]
        expected = copy.deepcopy(twin)
        for _ in range(5):
            resumed.step()
            expected.step()
            assert resumed.get_last_lr() == pytest.approx(expected.get_last_lr(), rel=1e-13)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_in_a_compiled_step(name):
    parameter = nn.Parameter(weft.ones(1))
    compiled, eager = (optim.SGD([p], lr=0.1) for p in (parameter, nn.Parameter(weft.ones(1))))
    schedule = SCHEDULES[name](optim.lr_scheduler, compiled)
    twin = SCHEDULES[name](optim.lr_scheduler, eager)

    @weft.jit
    def step():
        compiled.zero_grad()
        parameter.sum().backward()
        compiled.step()
        schedule.step()

    for _ in range(8):
        step()
        twin.step()
        rates = [optimizer.param_groups[0]["lr"] for optimizer in (compiled, eager)]
        assert rates[0] == pytest.approx(rates[1], rel=1e-13)
    assert step.stats()["traces"] == 1


def test_a_learning_rate_is_one_of_pythons_numbers():
    """Also where it is traced: beside a tensor it takes its dtype, and it is set exactly."""
    optimizer, other = (optim.SGD([nn.Parameter(weft.ones(1))], lr=0.1) for _ in range(2))

    def step(group, x):
        group["lr"] *= 0.3
        return x * group["lr"], x.astype("float16") * group["lr"], weft.cos(group["lr"])

    compiled = weft.jit(lambda x: step(optimizer.param_groups[0], x))
    x = weft.asarray([1.0, 2.0])
    for _ in range(3):
        results = zip(compiled(x), step(other.param_groups[0], x), strict=True)
        for found, expected in results:
            assert found.dtype is expected.dtype
            assert np.array_equal(np.asarray(found), np.asarray(expected))
        assert optimizer.param_groups[0]["lr"] == other.param_groups[0]["lr"]


# Groups and state that the user changes ----------------------------------------------------------


def _changes(library):
    """What users do to an optimizer of three parameters in two groups, between steps."""
    parameter = library.nn.Parameter

    def replaced(optimizer):
        optimizer.param_groups[0]["params"][0] = parameter(library.tensor([9.0]))

    def added(optimizer):
        optimizer.param_groups[0]["params"].append(parameter(library.tensor([9.0])))

    def moved(optimizer):
        groups = optimizer.param_groups
        groups[1]["params"].append(groups[0]["params"].pop(0))

    def deleted(optimizer):
        del optimizer.param_groups[0]["params"][0]

    def zeroed(optimizer):
        for kept in optimizer.state.values():
            for name, value in kept.items():
                if name != "step":
                    kept[name] = library.zeros_like(value)

    def forgotten(optimizer):
        optimizer.state[optimizer.param_groups[0]["params"][0]] = {}

    return {
        "replaced": replaced,
        "added": added,
        "moved": moved,
        "deleted": deleted,
        "zeroed": zeroed,
        "forgotten": forgotten,
        "reversed": lambda optimizer: optimizer.param_groups.reverse(),
        "group_gone": lambda optimizer: optimizer.param_groups.pop(0),
        "cleared": lambda optimizer: optimizer.state.clear(),
    }


def _values_after(library, kind, options, change, compiled):
    parameter = library.nn.Parameter
    first = [parameter(library.tensor([float(i)])) for i in (1, 2, 3)]
    optimizer = getattr(library.optim, kind)(
        [{"params": first[:2]}, {"params": first[2:], "lr": 0.02}], lr=0.1, **options
    )

    def step(scale):
        optimizer.zero_grad()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        sum((p * p * scale).sum() for p in parameters).backward()
        optimizer.step()

    run = weft.jit(step) if compiled else step
    for _ in range(2):
        run(library.tensor(1.0))
    _changes(library)[change](optimizer)
    for _ in range(3):
        run(library.tensor(0.5))
    found = [p for group in optimizer.param_groups for p in group["params"]]
    return [p.item() for p in [*first, *found]]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("change", _changes(torch))
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_users_may_change_groups_and_state(kind, change, compiled):
    options = {"momentum": 0.9} if kind == "SGD" else {}
    ours = _values_after(weft, kind, options, change, compiled)
    theirs = _values_after(torch, kind, options, change, False)
    np.testing.assert_allclose(ours, theirs, rtol=64 * EPSILON, atol=64 * EPSILON)
