"""Containers of modules and parameters: what PyTorch's do, with the same programs."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
import weft
from weft import nn


def kinds(modules):
    return [type(module).__name__ for module in modules]


def names(module):
    return [name for name, _ in module.named_modules()]


#: Programs on a list of four modules, and what they return; both libraries have to agree.
LIST_PROGRAMS = {
    "pop": lambda n, m: kinds([m.pop(1)]),
    "pop last": lambda n, m: kinds([m.pop(-1)]),
    "delete": lambda n, m: m.__delitem__(0),
    "delete slice": lambda n, m: m.__delitem__(slice(1, 3)),
    "slice": lambda n, m: kinds(m[1:]) + kinds(m[::2]),
    "set": lambda n, m: m.__setitem__(-2, n.Identity()),
    "insert": lambda n, m: m.insert(1, n.Identity()) and None,
    "insert last": lambda n, m: m.insert(4, n.Identity()) and None,
    "append": lambda n, m: names(m.append(n.Identity())),
    "extend": lambda n, m: names(m.extend([n.Identity(), n.Tanh()])),
    "contains": lambda n, m: (m[0] in list(m), len(m), kinds(reversed(m))),
}


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
@pytest.mark.parametrize("program", LIST_PROGRAMS)
def test_lists_do_what_torchs_do(kind, program):
    results = []
    for n in (nn, torch.nn):
        members = [n.ReLU(), n.Linear(2, 2), n.Tanh(), n.Sigmoid()]
        container = getattr(n, kind)(*([members] if kind == "ModuleList" else members))
        outcome = LIST_PROGRAMS[program](n, container)
        results.append((outcome, kinds(container), names(container), list(container.state_dict())))
    assert results[0] == results[1]


def test_sums_and_products_of_lists():
    for n in (nn, torch.nn):
        first, second = n.Sequential(n.ReLU(), n.Tanh()), n.Sequential(n.Sigmoid())
        assert kinds(first + second) == ["ReLU", "Tanh", "Sigmoid"]
        assert kinds(second * 2) == kinds(2 * second) == ["Sigmoid", "Sigmoid"]
        assert len(first) == 2
        third = first
        third += second
        assert third is first
        third *= 2
        assert kinds(first) == ["ReLU", "Tanh", "Sigmoid"] * 2
        modules = n.ModuleList([n.ReLU()])
        assert kinds(modules + [n.Tanh()]) == ["ReLU", "Tanh"]
        modules += [n.Identity()]
        assert names(modules) == ["", "0", "1"]
    modules = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    modules.insert(-1, nn.Identity())
    assert kinds(modules) == ["ReLU", "Identity", "Tanh"]
    with pytest.raises(weft.OptionError, match="can't be repeated 0 times"):
        nn.Sequential() * 0
    with pytest.raises(weft.OutOfBoundsError, match="index 3 is out of range for 1"):
        nn.ModuleList([nn.ReLU()]).insert(3, nn.ReLU())
    with pytest.raises(weft.DTypeError, match="is a int, not a Module"):
        nn.ModuleList([3])


def test_sequential_of_names():
    for n in (nn, torch.nn):
        module = n.Sequential(OrderedDict(first=n.Linear(2, 3), second=n.ReLU()))
        assert module.first is module[0]
        assert names(module[1:]) == ["", "second"]
        del module[0]
        assert names(module) == ["", "0"]


def test_lists_print_like_torchs():
    for make in (
        lambda n: n.ModuleList([n.Linear(2, 2)] * 3 + [n.ReLU()] + [n.Tanh(), n.Tanh()]),
        lambda n: n.ModuleList(),
        lambda n: n.ModuleList([n.Sequential(n.ReLU(), n.Tanh()), n.ReLU()]),
    ):
        assert repr(make(nn)) == repr(make(torch.nn))


DICT_PROGRAMS = {
    "pop": lambda n, m: kinds([m.pop("b")]),
    "clear": lambda n, m: m.clear(),
    "update": lambda n, m: m.update({"c": n.Tanh(), "a": n.Identity()}),
    "update pairs": lambda n, m: m.update([("d", n.Tanh())]),
    "update dict": lambda n, m: m.update(n.ModuleDict({"e": n.Tanh()})),
    "set": lambda n, m: m.__setitem__("a", n.Tanh()),
    "delete": lambda n, m: m.__delitem__("a"),
    "views": lambda n, m: (list(m.keys()), kinds(m.values()), kinds(x for _, x in m.items())),
    "contains": lambda n, m: ("a" in m, "z" in m, len(m), list(m)),
    "attribute": lambda n, m: m.a is m["a"],
}


@pytest.mark.parametrize("program", DICT_PROGRAMS)
def test_dicts_do_what_torchs_do(program):
    results = []
    for n in (nn, torch.nn):
        container = n.ModuleDict({"b": n.Linear(2, 2), "a": n.ReLU()})
        outcome = DICT_PROGRAMS[program](n, container)
        results.append((outcome, kinds(container.values()), list(container.state_dict())))
    assert results[0] == results[1]


def test_names_that_dicts_refuse():
    modules = nn.ModuleDict({"keys": nn.ReLU()})
    assert kinds([modules["keys"]]) == ["ReLU"]
    for name, message in (
        ("a.b", "without dots"),
        ("training", "'training' already"),
        ("", "dots"),
    ):
        with pytest.raises(KeyError, match=message):
            modules[name] = nn.ReLU()
    with pytest.raises(KeyError, match="no member 'z'"):
        modules["z"]
    with pytest.raises(KeyError, match="no member 'z'"):
        modules.pop("z")
    with pytest.raises(TypeError, match="no Module"):
        modules["a"] = 3


def is_parameter(framework, value):
    return isinstance(value, framework.nn.Parameter)


def test_parameter_lists_do_what_torchs_do():
    results = []
    for f in (weft, torch):
        values = f.nn.ParameterList([f.nn.Parameter(f.ones(2)), f.zeros(3)])
        values.append("text").extend([f.ones(1)])
        values += [f.ones(4)]
        values[0] = f.ones(5)
        results.append(
            (
                [is_parameter(f, value) for value in values],
                list(values.state_dict()),
                [tuple(p.shape) for p in values.parameters()],
                len(values),
                values[2],
                len(values[1:4]),
                tuple(values[-1].shape),
            )
        )
    assert results[0] == results[1]
    with pytest.raises(IndexError, match="index 7 is out of range for 5"):
        nn.ParameterList([1, 2, 3, 4, 5])[7]
    with pytest.raises(TypeError, match="several values, not one tensor"):
        nn.ParameterList(weft.ones(3))
    assert repr(nn.ParameterList([weft.ones(2), 3])) == (
        "ParameterList(\n  (0): Parameter of float32 and shape (2,)\n  (1): int: 3\n)"
    )
    assert repr(nn.ParameterList()) == "ParameterList()"


def test_parameter_dicts_do_what_torchs_do():
    results = []
    for f in (weft, torch):
        values = f.nn.ParameterDict({"b": f.ones(2), "a": f.nn.Parameter(f.zeros(3))})
        values["c"] = values.pop("a")
        values.update([("z", f.ones(4))])
        values.update(OrderedDict(y=f.ones(1), x=3))
        first = list(values)
        got = values.get("x"), values.get("none", 5), values.setdefault("w", 7), "b" in values
        other = values | f.nn.ParameterDict({"v": f.ones(1)})
        values |= {"u": 1}
        last = values.popitem()
        results.append(
            (
                first,
                got,
                last,
                list(reversed(values)),
                list(other),
                sorted(values.state_dict()),
                [is_parameter(f, value) for value in values.values()],
                [key for key, _ in values.items()],
                len(values.copy()),
                list(values.fromkeys(["q", "r"], 2).items()),
            )
        )
        values.clear()
        assert len(values) == 0
        assert list(values.parameters()) == []
    assert results[0] == results[1]
    assert nn.ParameterDict({"keys": weft.ones(1)})["keys"].shape == (1,)
    with pytest.raises(KeyError, match="no member 'a'"):
        nn.ParameterDict()["a"]
    with pytest.raises(KeyError, match="without dots"):
        nn.ParameterDict({"a.b": weft.ones(1)})


class Mixture(nn.Module):
    """Parameters found by position, by name, and numbers among them."""

    def __init__(self):
        super().__init__()
        self.scales = nn.ParameterList([weft.ones(2), 2.0])
        self.shifts = nn.ParameterDict({"first": weft.zeros(2)})
        self.layers = nn.ModuleDict({"only": nn.Linear(2, 2)})

    def forward(self, x):
        for scale in self.scales:
            x = x * scale
        return self.layers["only"](x + self.shifts["first"])


def test_compiled_functions_see_changes_of_containers():
    module = Mixture()
    compiled = weft.jit(lambda x: module(x))
    x = weft.asarray([[1.0, 2.0]])

    def check(traces):
        assert np.array_equal(compiled(x), module(x).detach())
        assert compiled.stats()["traces"] == traces

    check(1)
    with weft.no_grad():
        module.scales[0].add_(1.0)
    check(1)
    module.scales[1] = 3.0
    check(2)
    module.scales.append(weft.ones(2) * 5)
    check(3)
    module.shifts["first"] = weft.ones(2)
    check(3)
    module.layers["only"] = nn.Linear(2, 2)
    check(3)
    module.layers.update({"only": nn.Identity()})
    check(4)
    gradients = weft.grad(lambda x: module(x).sum())(x)
    assert np.array_equal(gradients, [[30.0, 30.0]])
