"""Schedules against PyTorch's: the rates and momentums of 50 steps, for random options."""

import copy
import functools
import math

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_same_bits
from weft import nn
from weft.optim import lr_scheduler, swa_utils

STEPS = 50

pytestmark = pytest.mark.filterwarnings("ignore")
few = settings(max_examples=15, deadline=None)


def optimizers(kind="SGD", rates=(0.1, 0.025), **options):
    """An optimizer of each library, with a group for each rate."""
    result = []
    for library in (weft, torch):
        groups = [{"params": [library.nn.Parameter(library.ones(1))], "lr": r} for r in rates]
        result.append(getattr(library.optim, kind)(groups, **options))
    return result


def settings_of(optimizer):
    """The rate and momentum of each group."""
    return [
        (group["lr"], group.get("momentum"), *group.get("betas", ()))
        for group in optimizer.param_groups
    ]


def module(library, name):
    home = library.optim.swa_utils if name == "SWALR" else library.optim.lr_scheduler
    return getattr(home, name)


def rates_of(optimizer, schedule, steps, *arguments):
    """What a schedule sets in so many steps."""
    found = [settings_of(optimizer)]
    for step in range(steps):
        optimizer.step()
        schedule.step(*(argument[step] for argument in arguments))
        found.append(settings_of(optimizer))
        assert schedule.get_last_lr() == [rate[0] for rate in found[-1]]
    return found


def cases(**options):
    return st.fixed_dictionaries(options)


rate = st.floats(0.001, 1.0)
share = st.floats(0.0, 1.0)
count = st.integers(1, 30)

#: Random options of each schedule; functions are told apart by their numbers.
SCHEDULES = {
    "StepLR": cases(step_size=count, gamma=st.floats(0.1, 1.5)),
    "MultiStepLR": cases(milestones=st.lists(count, max_size=5), gamma=st.floats(0.1, 1.5)),
    "ConstantLR": cases(factor=st.floats(0.1, 1.0), total_iters=count),
    "LinearLR": cases(start_factor=st.floats(0.1, 1.0), end_factor=share, total_iters=count),
    "ExponentialLR": cases(gamma=st.floats(0.5, 1.1)),
    "PolynomialLR": cases(total_iters=count, power=st.floats(0.5, 3.0)),
    "CosineAnnealingLR": cases(T_max=count, eta_min=st.floats(0.0, 0.2)),
    "CosineAnnealingWarmRestarts": cases(
        T_0=count, T_mult=st.integers(1, 3), eta_min=st.floats(0.0, 0.2)
    ),
    "LambdaLR": cases(lr_lambda=st.sampled_from([lambda n: 0.9**n, lambda n: 1 / (1 + n)])),
    "MultiplicativeLR": cases(lr_lambda=st.sampled_from([lambda n: 0.9, lambda n: 1 - 0.01 * n])),
    "CyclicLR": cases(
        base_lr=st.one_of(rate, st.tuples(rate, rate).map(list)),
        max_lr=rate,
        step_size_up=count,
        step_size_down=st.one_of(st.none(), count),
        mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
        gamma=st.floats(0.9, 1.0),
        scale_fn=st.sampled_from([None, lambda n: 1 / (1 + 0.1 * n)]),
        scale_mode=st.sampled_from(["cycle", "iterations"]),
        cycle_momentum=st.booleans(),
        base_momentum=st.sampled_from([0.0, 0.5, 0.8]),
        max_momentum=st.sampled_from([0.8, 0.9]),
    ),
    "OneCycleLR": cases(
        max_lr=st.one_of(rate, st.tuples(rate, rate).map(list)),
        total_steps=st.integers(STEPS, 90),
        pct_start=st.floats(0.1, 0.4),
        anneal_strategy=st.sampled_from(["cos", "linear"]),
        cycle_momentum=st.booleans(),
        base_momentum=st.sampled_from([0.5, 0.85]),
        max_momentum=st.sampled_from([0.9, 0.95]),
        div_factor=st.floats(2.0, 30.0),
        final_div_factor=st.floats(2.0, 1e4),
        three_phase=st.booleans(),
    ),
    "SWALR": cases(
        swa_lr=st.one_of(rate, st.tuples(rate, rate).map(list)),
        anneal_epochs=st.integers(0, 30),
        anneal_strategy=st.sampled_from(["cos", "linear"]),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_and_momentums_are_torchs(name):
    @few
    @given(SCHEDULES[name], st.sampled_from(["SGD", "Adam"]))
    def run(options, kind):
        ours, theirs = optimizers(kind, **({"momentum": 0.9} if kind == "SGD" else {}))
        schedule = module(weft, name)(ours, **options)
        twin = module(torch, name)(theirs, **options)
        # The same operations on Python's floats: the same bits.
        assert rates_of(ours, schedule, STEPS) == rates_of(theirs, twin, STEPS)
        assert schedule.last_epoch == twin.last_epoch == STEPS

    run()


def _metrics(draw):
    falling = np.exp(-np.arange(STEPS) * draw(st.floats(0.0, 0.2)))
    seed = draw(st.integers(0, 1000))
    return falling + np.random.default_rng(seed).normal(0, 0.1, STEPS)


@few
@given(
    cases(
        mode=st.sampled_from(["min", "max"]),
        factor=st.floats(0.1, 0.9),
        patience=st.integers(0, 5),
        threshold=st.floats(0.0, 0.1),
        threshold_mode=st.sampled_from(["rel", "abs"]),
        cooldown=st.integers(0, 4),
        min_lr=st.sampled_from([0.0, [0.001, 0.01]]),
    ),
    st.data(),
)
def test_plateaus_are_torchs(options, data):
    ours, theirs = optimizers()
    metrics = _metrics(data.draw)
    schedule = lr_scheduler.ReduceLROnPlateau(ours, **options)
    twin = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    found = rates_of(ours, schedule, STEPS, [weft.asarray(metric) for metric in metrics])
    assert found == rates_of(theirs, twin, STEPS, metrics)
    for name in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch", "in_cooldown"):
        assert getattr(schedule, name) == getattr(twin, name)


# Composed ----------------------------------------------------------------------------------------

PARTS = {
    "constant": lambda m, o: m.ConstantLR(o, 0.5, total_iters=7),
    "linear": lambda m, o: m.LinearLR(o, 0.25, total_iters=6),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.9),
    "step": lambda m, o: m.StepLR(o, 4, gamma=0.5),
    "milestones": lambda m, o: m.MultiStepLR(o, [3, 9, 9, 20], gamma=0.5),
    "polynomial": lambda m, o: m.PolynomialLR(o, 12, power=2.0),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 8, eta_min=0.01),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 5, 2),
    "lambda": lambda m, o: m.LambdaLR(o, lambda n: 0.95**n),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda n: 0.97),
    "cyclic": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 4, cycle_momentum=False),
    "chained": lambda m, o: m.ChainedScheduler([PARTS["step"](m, o), PARTS["exponential"](m, o)]),
    "sequence": lambda m, o: m.SequentialLR(o, [PARTS["step"](m, o), PARTS["linear"](m, o)], [5]),
}
SINGLE = sorted(set(PARTS) - {"chained", "sequence"})


def compose(library, optimizer, names, milestones):
    home = library.optim.lr_scheduler
    parts = [PARTS[name](home, optimizer) for name in names]
    if milestones is None:
        return home.ChainedScheduler(parts, optimizer=optimizer)
    return home.SequentialLR(optimizer, parts, milestones=milestones)


@few
@given(st.sampled_from(sorted(PARTS)), st.lists(st.sampled_from(SINGLE), max_size=3), st.data())
def test_sequences_are_torchs(first, others, data):
    names = [first, *others]
    points = st.lists(st.integers(1, 40), min_size=len(others), max_size=len(others))
    milestones = sorted(data.draw(points))
    ours, theirs = optimizers()
    schedule, twin = (
        compose(library, optimizer, names, milestones)
        for library, optimizer in ((weft, ours), (torch, theirs))
    )
    assert rates_of(ours, schedule, STEPS) == rates_of(theirs, twin, STEPS)
    assert schedule.last_epoch == twin.last_epoch


@few
@given(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=3))
def test_chains_are_torchs(names):
    ours, theirs = optimizers()
    schedule, twin = (
        compose(library, optimizer, names, None)
        for library, optimizer in ((weft, ours), (torch, theirs))
    )
    assert rates_of(ours, schedule, STEPS) == rates_of(theirs, twin, STEPS)


# Beginning later, going elsewhere, and going on ---------------------------------------------------

FIXED = {
    **{
        name: functools.partial(lambda make, library, o: make(library.optim.lr_scheduler, o), make)
        for name, make in PARTS.items()
    },
    "momentum": lambda library, o: library.optim.lr_scheduler.CyclicLR(
        o, 0.01, 0.1, 4, 3, mode="triangular2"
    ),
    "one_cycle": lambda library, o: library.optim.lr_scheduler.OneCycleLR(
        o, 0.2, total_steps=30, three_phase=True
    ),
    "averaging": lambda library, o: library.optim.swa_utils.SWALR(o, 0.02, anneal_epochs=6),
}
LATER = {
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 9]},
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"total_iters": 20},
    "CosineAnnealingLR": {"T_max": 6},
    "CosineAnnealingWarmRestarts": {"T_0": 4, "T_mult": 2},
    "LambdaLR": {"lr_lambda": lambda n: 0.9**n},
    "MultiplicativeLR": {"lr_lambda": lambda n: 0.9},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 40},
    "SWALR": {"swa_lr": 0.02},
}


@pytest.mark.parametrize("last_epoch", [0, 1, 5])
@pytest.mark.parametrize("name", LATER)
def test_a_schedule_that_begins_later(name, last_epoch):
    found = []
    for library, optimizer in zip((weft, torch), optimizers(momentum=0.9), strict=True):
        for group in optimizer.param_groups:
            group.update(
                initial_lr=0.2, max_lr=0.5, min_lr=0.001, max_momentum=0.9, base_momentum=0.5
            )
        schedule = module(library, name)(optimizer, **LATER[name], last_epoch=last_epoch)
        found.append((rates_of(optimizer, schedule, 12), schedule.last_epoch))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", LATER)
def test_steps_to_a_count(name):
    ours, theirs = optimizers(momentum=0.9)
    schedule = module(weft, name)(ours, **LATER[name])
    twin = module(torch, name)(theirs, **LATER[name])
    for epoch in (3, None, 0, 7, None, 2):
        schedule.step(epoch)
        twin.step(epoch)
        assert settings_of(ours) == settings_of(theirs)
        assert schedule.last_epoch == twin.last_epoch


def test_restarts_count_parts_of_steps():
    ours, theirs = optimizers()
    schedule = lr_scheduler.CosineAnnealingWarmRestarts(ours, 3, 2)
    twin = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 3, 2)
    for epoch in (0.5, 1.25, 2.75, 3.0, 8.5, 9.25, 40.5, 1.0):
        schedule.step(epoch)
        twin.step(epoch)
        assert settings_of(ours) == settings_of(theirs)
        assert (schedule.T_cur, schedule.T_i) == (twin.T_cur, twin.T_i)
    with pytest.raises(weft.OptionError, match="negative count"):
        schedule.step(-1)


class Halving:
    """A function with a state, which is saved."""

    def __init__(self):
        self.factor = 0.5

    def __call__(self, count):
        return self.factor**count


@pytest.mark.parametrize("name", [*FIXED, "object"])
def test_states_go_on_and_come_from_torch(name):
    make = FIXED.get(name, lambda library, o: library.optim.lr_scheduler.LambdaLR(o, Halving()))
    made = []
    for library, optimizer in zip((weft, torch), optimizers(momentum=0.9), strict=True):
        schedule = make(library, optimizer)
        if name == "object":
            schedule.lr_lambdas[0].factor = 0.75
        rates_of(optimizer, schedule, 9)
        made.append((optimizer, schedule))
    (ours, schedule), (theirs, twin) = made
    saved = [copy.deepcopy(state.state_dict()) for state in (schedule, twin)]
    # Tensors of one library are no state for the other's; rates need none.
    groups = [{**copy.deepcopy(o.state_dict()), "state": {}} for o in (ours, theirs)]
    expected = rates_of(theirs, twin, 15)
    assert rates_of(ours, schedule, 15) == expected
    for library, state, group in (
        (weft, saved[0], groups[0]),
        (weft, saved[1], groups[1]),
        (torch, saved[0], groups[0]),
    ):
        fresh = optimizers(momentum=0.9, rates=(0.7, 0.3))[library is torch]
        resumed = make(library, fresh)
        fresh.load_state_dict(copy.deepcopy(group))
        resumed.load_state_dict(copy.deepcopy(state))
        assert rates_of(fresh, resumed, 15) == expected


@pytest.mark.parametrize("source", [weft, torch])
def test_a_plateaus_state_goes_on(source):
    metrics = [1.0, 0.5, 0.6, 0.7, 0.4, 0.5, 0.6, 0.7, 0.8]
    found = []
    for library in (weft, torch):
        plateau = {
            name: lambda o, m=m: m.optim.lr_scheduler.ReduceLROnPlateau(o, patience=1, cooldown=1)
            for name, m in (("source", source), ("target", library))
        }
        optimizer = optimizers()[source is torch]
        schedule = plateau["source"](optimizer)
        rates_of(optimizer, schedule, 4, metrics)
        fresh = optimizers(rates=(0.7, 0.3))[library is torch]
        resumed = plateau["target"](fresh)
        fresh.load_state_dict({**optimizer.state_dict(), "state": {}})
        resumed.load_state_dict(schedule.state_dict())
        found.append(rates_of(fresh, resumed, 5, metrics[4:]))
    assert found[0] == found[1]


def test_a_list_of_milestones_is_loaded():
    ours, _ = optimizers()
    schedule = lr_scheduler.MultiStepLR(ours, [1])
    schedule.load_state_dict({**schedule.state_dict(), "milestones": [2, 2, 4]})
    assert schedule.milestones == {2: 2, 4: 1}
    with pytest.raises(weft.NameUseError, match="there is no 'last_epoch'"):
        schedule.load_state_dict({})


# Compiled ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", FIXED)
def test_a_schedule_in_a_compiled_step(name, kind):
    options = {"momentum": 0.9} if kind == "SGD" else {}
    eager, compiled = (optimizers(kind, **options)[0] for _ in range(2))
    twin, schedule = (FIXED[name](weft, optimizer) for optimizer in (eager, compiled))

    @weft.jit
    def step(gradient):
        for group in compiled.param_groups:
            group["params"][0].grad = gradient
        compiled.step()
        schedule.step()

    for number in range(25):
        gradient = weft.asarray([math.sin(number)])
        step(gradient)
        for group in eager.param_groups:
            group["params"][0].grad = gradient
        eager.step()
        twin.step()
        # Cosines of kernels and of Python differ by some units of 2**-53, which a quotient by a
        # small number makes more of; rates are at most 0.2.
        np.testing.assert_allclose(
            np.array(settings_of(compiled), float),
            np.array(settings_of(eager), float),
            rtol=1e-11,
            atol=1e-15,
        )
        for first, second in zip(compiled.param_groups, eager.param_groups, strict=True):
            p, q = first["params"][0].detach(), second["params"][0].detach()
            np.testing.assert_allclose(p, q, rtol=1e-6, atol=1e-7)
    assert step.stats()["traces"] == 1


def test_a_plateau_in_a_compiled_step():
    metrics = [1.0, 0.5, 0.6, 0.7, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9]
    (eager, _), (compiled, _) = optimizers(), optimizers()
    twin, schedule = (
        lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, cooldown=1, min_lr=0.001)
        for optimizer in (eager, compiled)
    )
    step = weft.jit(lambda metric: schedule.step(metric.mean()))
    for metric in metrics:
        step(weft.asarray([metric, metric]))
        twin.step(metric)
        np.testing.assert_allclose(schedule.get_last_lr(), twin.get_last_lr(), rtol=1e-14)
        assert schedule.num_bad_epochs == twin.num_bad_epochs
        assert schedule.best == np.float32(twin.best)
    assert step.stats()["traces"] == 1
    with pytest.raises(weft.ShapeError, match=r"the measure has shape \(2,\)"):
        weft.jit(schedule.step)(weft.ones(2))


def test_a_schedule_outside_of_a_compiled_step_traces_nothing():
    """The momentum too: it is not a new option, but a new number."""
    (optimizer, _), (other, _) = optimizers(momentum=0.9), optimizers(momentum=0.9)
    schedules = [lr_scheduler.OneCycleLR(o, 0.2, total_steps=12) for o in (optimizer, other)]
    results = []
    for run, schedule in zip((optimizer, other), schedules, strict=True):

        def step(gradient, run=run):
            for group in run.param_groups:
                group["params"][0].grad = gradient
            run.step()

        compiled = weft.jit(step) if run is optimizer else step
        for number in range(10):
            compiled(weft.asarray([math.sin(number)]))
            schedule.step()
        results.append([group["params"][0].detach() for group in run.param_groups])
        if run is optimizer:
            assert compiled.stats()["traces"] == 1
    assert_same_bits(*results)


def test_the_end_of_one_cycle():
    ours, _ = optimizers(momentum=0.9)
    schedule = lr_scheduler.OneCycleLR(ours, 0.2, total_steps=5)
    for _ in range(5):
        schedule.step()
    with pytest.raises(weft.OptionError, match="step 6 is beyond the 5 steps"):
        schedule.step()
    ours, _ = optimizers(momentum=0.9)
    schedule = lr_scheduler.OneCycleLR(ours, 0.2, total_steps=5)
    step = weft.jit(schedule.step)
    rates = []
    for _ in range(7):
        step()
        rates.append(schedule.get_last_lr())
    assert rates[4] == rates[5] == rates[6]


MISTAKES = [
    (weft.OptionError, "ConstantLR: factor has to be in", "ConstantLR", {"factor": 2.0}),
    (
        weft.OptionError,
        "LambdaLR: lr_lambda has 3 values for 2",
        "LambdaLR",
        {"lr_lambda": [abs] * 3},
    ),
    (
        weft.DTypeError,
        "MultiplicativeLR: lr_lambda has to be functions",
        "MultiplicativeLR",
        {"lr_lambda": 3},
    ),
    (weft.OptionError, "T_0 has to be an integer", "CosineAnnealingWarmRestarts", {"T_0": 0}),
    (
        weft.DTypeError,
        "T_mult has to be an integer",
        "CosineAnnealingWarmRestarts",
        {"T_0": 1, "T_mult": 0.5},
    ),
    (
        weft.OptionError,
        "eta_min has to be a number",
        "CosineAnnealingWarmRestarts",
        {"T_0": 1, "eta_min": "0"},
    ),
    (
        weft.OptionError,
        "CyclicLR: mode has to be one of",
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.2, "mode": "square"},
    ),
    (
        weft.OptionError,
        "CyclicLR: max_lr has 1 values",
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": [0.2]},
    ),
    (
        weft.OptionError,
        "CyclicLR: Adagrad has neither momentum",
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.2},
    ),
    (weft.OptionError, "give total_steps, or both", "OneCycleLR", {"max_lr": 0.1, "epochs": 3}),
    (
        weft.OptionError,
        "integers of at least 1, not 0",
        "OneCycleLR",
        {"max_lr": 0.1, "total_steps": 0},
    ),
    (
        weft.OptionError,
        "pct_start has to be",
        "OneCycleLR",
        {"max_lr": 0.1, "total_steps": 9, "pct_start": 2.0},
    ),
    (
        weft.OptionError,
        "anneal_strategy has to be",
        "OneCycleLR",
        {"max_lr": 0.1, "total_steps": 9, "anneal_strategy": "steps"},
    ),
    (weft.OptionError, "factor has to be below 1", "ReduceLROnPlateau", {"factor": 1.0}),
    (weft.OptionError, "mode has to be 'min' or 'max'", "ReduceLROnPlateau", {"mode": "less"}),
    (
        weft.OptionError,
        "SWALR: anneal_strategy has to be",
        "SWALR",
        {"swa_lr": 0.1, "anneal_strategy": "steps"},
    ),
    (
        weft.OptionError,
        "SWALR: anneal_epochs has to be",
        "SWALR",
        {"swa_lr": 0.1, "anneal_epochs": -1},
    ),
    (weft.NameUseError, 'needs an "initial_lr"', "ExponentialLR", {"gamma": 0.5, "last_epoch": 3}),
]


@pytest.mark.parametrize(("error", "message", "name", "options"), MISTAKES)
def test_mistakes_have_clear_errors(error, message, name, options):
    optimizer = optimizers("Adagrad")[0]
    with pytest.raises(error, match=message):
        module(weft, name)(optimizer, **options)


@pytest.mark.parametrize("name", LATER)
def test_a_schedule_needs_an_optimizer(name):
    with pytest.raises(weft.DTypeError, match=f"{name}: int is no optimizer"):
        module(weft, name)(3, **LATER[name])


def test_mistakes_of_composed_schedules():
    first, second = optimizers()[0], optimizers()[0]
    one, other = (lr_scheduler.ExponentialLR(o, 0.5) for o in (first, second))
    plateau = lr_scheduler.ReduceLROnPlateau(first)
    with pytest.raises(weft.OptionError, match="there are no schedules"):
        lr_scheduler.ChainedScheduler([])
    with pytest.raises(weft.OptionError, match="number 1 is of another optimizer"):
        lr_scheduler.ChainedScheduler([one, other])
    with pytest.raises(weft.OptionError, match="number 0 is a ReduceLROnPlateau"):
        lr_scheduler.SequentialLR(first, [plateau, one], [3])
    with pytest.raises(weft.DTypeError, match="number 1 is a int, not a schedule"):
        lr_scheduler.SequentialLR(first, [one, 3], [3])
    with pytest.raises(weft.OptionError, match="2 schedules need 1 milestones, not 2"):
        lr_scheduler.SequentialLR(first, [one, one], [3, 4])
    inner = lr_scheduler.ChainedScheduler([one])
    late = lr_scheduler.SequentialLR(first, [one, inner], [1])
    with pytest.raises(weft.UnsupportedError, match="can't begin later"):
        late.step()


# Averages ----------------------------------------------------------------------------------------

AVERAGES = {
    "equal": lambda m: {},
    "ema": lambda m: {"avg_fn": m.get_ema_avg_fn(0.9)},
    "ema_lists": lambda m: {"multi_avg_fn": m.get_ema_multi_avg_fn(0.9)},
    "ema_fast": lambda m: {"multi_avg_fn": m.get_ema_multi_avg_fn(0.25)},
    "equal_lists": lambda m: {"multi_avg_fn": m.get_swa_multi_avg_fn()},
    "own": lambda m: {"avg_fn": lambda kept, value, count: kept * 0.5 + value / (count + 1)},
    "buffers": lambda m: {"avg_fn": m.get_ema_avg_fn(0.5), "use_buffers": True},
}


def models():
    """Equal networks with a batch norm."""
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    )
    ours.load_state_dict({k: v.numpy().copy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def change(model, library, step):
    """Other parameters and statistics, the same for both libraries."""
    rng = np.random.default_rng(step)
    with library.no_grad():
        for parameter in model.parameters():
            parameter.copy_(library.tensor(rng.standard_normal(parameter.shape).astype("float32")))
        model(library.tensor(rng.standard_normal((5, 3)).astype("float32")))


def assert_same_state(ours, theirs, bound):
    saved, expected = ours.state_dict(), theirs.state_dict()
    assert list(saved) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(
            np.asarray(saved[name]), value.numpy(), rtol=bound, atol=bound, err_msg=name
        )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", AVERAGES)
def test_averages_are_torchs(name, compiled):
    model, twin = models()
    ours = swa_utils.AveragedModel(model, **AVERAGES[name](swa_utils))
    theirs = torch.optim.swa_utils.AveragedModel(twin, **AVERAGES[name](torch.optim.swa_utils))
    update = weft.jit(lambda: ours.update_parameters(model)) if compiled else None
    for step in range(4):
        change(model, weft, step)
        change(twin, torch, step)
        update() if compiled else ours.update_parameters(model)
        theirs.update_parameters(twin)
        # Statistics are sums of 5 products of about 1; each update rounds three times.
        assert_same_state(ours, theirs, 64 * 2.0**-23)
    if compiled:
        assert update.stats()["traces"] == 1
    x = np.random.default_rng(9).standard_normal((4, 3)).astype("float32")
    ours.eval()
    theirs.eval()
    np.testing.assert_allclose(
        ours(weft.asarray(x)).detach(),
        theirs(torch.tensor(x)).detach().numpy(),
        rtol=1e-4,
        atol=1e-4,
    )


def test_averages_have_the_same_bits_compiled():
    results = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model, _ = models()
        average = swa_utils.AveragedModel(
            model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
        )

        def update(average=average, model=model):
            average.update_parameters(model)

        run = weft.jit(update) if compiled else update
        for step in range(3):
            change(model, weft, step)
            run()
        results.append(list(average.state_dict().values()))
    assert_same_bits(*results)


@pytest.mark.parametrize("pairs", [False, True])
def test_statistics_are_computed_anew(pairs):
    model, twin = models()
    rng = np.random.default_rng(0)
    batches = [rng.standard_normal((6, 3)).astype("float32") for _ in range(3)]
    model.eval()
    twin.eval()
    for library, network in ((weft, model), (torch, twin)):
        tensors = [library.tensor(batch) for batch in batches]
        loader = [(tensor, 1) for tensor in tensors] if pairs else tensors
        library.optim.swa_utils.update_bn(loader, network)
    assert_same_state(model, twin, 64 * 2.0**-23)
    assert not model.training
    assert model[1].momentum == 0.1
    swa_utils.update_bn([], nn.Linear(1, 1))


def test_mistakes_of_averages():
    average = swa_utils.get_ema_avg_fn()
    with pytest.raises(weft.OptionError, match="not both"):
        swa_utils.AveragedModel(nn.Linear(1, 1), avg_fn=average, multi_avg_fn=average)
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(weft.OptionError, match=r"decay has to be in \[0, 1\], not 1.5"):
            make(1.5)
