"""Random programs that keep state in Python: objects, containers, closures, globals and tensors.

A program is source text: a module of state with a function ``step``, and the calls of it with
changes of the state between. It is run twice on state of its own, plain and compiled; after each
call the results and all state have to be the same to the bit.
"""

from __future__ import annotations

import collections
import dataclasses
import random
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import weft

#: What programs may do; each is a kind of statement.
FEATURES = frozenset(
    {"effects", "in_place", "in_place_outside", "views", "rebinding", "gradients", "aliases"}
)

_STATE = """
import collections, enum, functools, types
import weft
from weft import nn

class Mode(enum.Enum):
    ON = 1.0
    OFF = 2.0

class Thing:
    kind = 1.5
    shared = [0.5]
    def __init__(self, scale):
        self.scale, self.count, self.mode = scale, 0, Mode.ON
        self.items, self.table = [1.0, 0.5], {"a": 2.0, "b": 0.25}
        self.weight = tensor(1)
    def act(self, x):
        return x * self.scale + self.bias
    @property
    def bias(self):
        return self.items[-1] * self.kind

class Slotted:
    __slots__ = ("rate", "extra")
    def __init__(self):
        self.rate = 0.75

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(tensor(2))
        self.register_buffer("mean", tensor(3))
        self.factor, self.factors = 1.25, [0.5, 2.0]
    def forward(self, x):
        x = x * self.weight + self.mean
        return x * self.factor if self.training else x * self.factors[0]

def closure():
    rate, kept = 1.5, [0.5]
    def scaled(x):
        return x * rate + sum(kept)
    def change(value):
        nonlocal rate
        rate = value
        kept.append(value)
    return scaled, change

thing, other = Thing(2.0), Thing(0.5)
space = types.SimpleNamespace(a=0.5, b=[1.0], inner=types.SimpleNamespace(c=2.0))
slotted = Slotted()
net = Net()
scaled, change = closure()
partial = functools.partial(lambda rate, x: x * rate, 0.5)
ring = collections.deque([1.0, 0.5], maxlen=3)
ordered = collections.OrderedDict(p=1.0, q=0.5)
LIST, TABLE, SET, NUMBER = [1.0, 0.5], {"a": 0.5, "b": 1.5}, {1}, 0.5
WEIGHT, TENSORS = tensor(4), [tensor(5), tensor(6)]
A, B = tensor(7), tensor(8)

def later():
    try:
        return 0.5 if LATER else 1.5
    except NameError:
        return 0.75

def helper(x, rates=[0.5], *, offset={"o": 0.25}):
    return x * rates[-1] + offset["o"] * NUMBER
"""

_NUMBERS = (
    "NUMBER",
    "thing.scale",
    "thing.kind",
    "other.scale",
    "thing.bias",
    "space.a",
    "space.inner.c",
    "slotted.rate",
    "LIST[0]",
    "len(LIST) * 0.25",
    "sum(LIST)",
    "sum(thing.items)",
    "sum(thing.shared)",
    "thing.table['a']",
    "TABLE.get('z', 0.75)",
    "list(TABLE.values())[0]",
    "list(ordered)[0].count('p') + 0.5",
    "sum(ring)",
    "getattr(thing, 'sc' + 'ale')",
    "getattr(space, 'missing', 0.25)",
    "vars(other)['scale']",
    "globals()['NUM' + 'BER']",
    "thing.mode.value",
    "(1.0 if thing.mode is Mode.ON else 0.5)",
    "(1.0 if thing.items is LIST else 0.5)",
    "later()",
    "net.factors[-1]",
    "(1.5 if 1 in SET else 0.5)",
)
_TENSORS = (
    "x",
    "y",
    "WEIGHT",
    "thing.weight",
    "other.weight",
    "TENSORS[0]",
    "TENSORS[-1]",
    "net.mean",
    "scaled(x)",
    "thing.act(y)",
    "net(x)",
    "helper(y)",
    "partial(x)",
)
_CHANGES = (
    "NUMBER = {n}",
    "thing.scale = {n}",
    "thing.scale = -thing.scale",
    "thing.kind = {n}",
    "Thing.kind = {n}",
    "Thing.shared.append({n})",
    "Thing.act = lambda self, x: x * {n}",
    "thing.act = lambda x: x + {n}",
    "thing.mode = Mode.OFF",
    "thing.items.append({n})",
    "thing.items = LIST",
    "thing.items = [1.0, {n}]",
    "thing.table['a'] = {n}",
    "thing.table = dict(thing.table)",
    "thing.__dict__.update(scale={n})",
    "thing = Thing({n})",
    "thing = other",
    "thing, other = other, thing",
    "other.scale = {n}",
    "space.a = {n}",
    "space.inner.c = {n}",
    "space.missing = {n}",
    "space = types.SimpleNamespace(a={n}, b=[], inner=space.inner)",
    "slotted.rate = {n}",
    "slotted = Slotted()",
    "LIST.append({n})",
    "LIST[0] = {n}",
    "LIST = list(LIST)",
    "LIST.reverse()",
    "TABLE['z'] = {n}",
    "TABLE['a'] = {n}",
    "TABLE = dict(reversed(TABLE.items()))",
    "ordered.move_to_end('p')",
    "ring.append({n})",
    "SET.discard(1)",
    "SET.add(1)",
    "change({n})",
    "helper.__defaults__[0].append({n})",
    "helper.__kwdefaults__['offset']['o'] = {n}",
    "partial = functools.partial(lambda rate, x: x + rate, {n})",
    "LATER = {n} > 0.5",
    "len = lambda items: {n}",
    "net.factor = {n}",
    "net.factors.append({n})",
    "net.eval()",
    "net.train()",
    "net.mean = tensor({s})",
    "WEIGHT = tensor({s})",
    "WEIGHT = thing.weight",
    "thing.weight = tensor({s})",
    "other.weight = thing.weight",
    "TENSORS.reverse()",
    "TENSORS[0] = WEIGHT",
    "TENSORS.append(tensor({s}))",
    "A = tensor({s})",
)
_CALLS = ("A, B", "B, A", "A, A", "A, WEIGHT", "thing.weight, B", "TENSORS[0], TENSORS[-1]")
#: Variables of the program's module that are compared.
_ROOTS = ("thing", "other", "space", "slotted", "net", "LIST", "TABLE", "SET", "NUMBER", "WEIGHT")
_MORE_ROOTS = ("TENSORS", "A", "B", "ring", "ordered", "results")


@dataclasses.dataclass
class Program:
    """Source text: the function, and what happens in turn: changes of state and calls."""

    function: str
    events: list[str]

    def __str__(self) -> str:
        return f"{self.function}\n" + "\n".join(self.events)


class _Writer:
    def __init__(self, seed: int, features: frozenset[str]) -> None:
        self.random = random.Random(seed)
        self.features = features
        self.locals = 0

    def number(self) -> str:
        return str(self.random.choice((0.5, 0.25, 2.0, 1.5, -0.5, 0.0, -0.0, 1)))

    def condition(self) -> str:
        return f"{self.random.choice(_NUMBERS)} > {self.number()}"

    def tensor(self, depth: int = 2) -> str:
        names = [f"v{i}" for i in range(self.locals)]
        kind = self.random.randrange(6) if depth else 0
        if kind <= 1:
            return self.random.choice([*names, *_TENSORS])
        if kind <= 3:
            return f"({self.tensor(depth - 1)} * {self.random.choice(_NUMBERS)})"
        if kind == 4:
            return f"weft.tanh({self.tensor(depth - 1)})"
        return f"({self.tensor(depth - 1)} + {self.tensor(depth - 1)})"

    def target(self) -> str:
        """A tensor that an update in place may change."""
        names = [f"v{i}" for i in range(self.locals)]
        outside = ["x", "y", "WEIGHT", "thing.weight", "TENSORS[0]", "net.mean"]
        return self.random.choice(names + (outside if "in_place_outside" in self.features else []))

    def statements(self) -> Iterator[str]:
        """One statement, perhaps of several lines."""
        kinds = ["local", "local", "branch", "loop", *sorted(self.features)]
        kind = self.random.choice(kinds)
        if kind == "branch":
            yield f"v{self.locals} = x"
            yield f"if {self.condition()}:"
            yield f"    v{self.locals} = {self.tensor()}"
        elif kind == "loop":
            yield f"v{self.locals} = {self.tensor(1)}"
            items = self.random.choice(("LIST", "thing.items", "TABLE.values()", "space.b"))
            yield f"for item in {items}:"
            yield f"    v{self.locals} = weft.tanh(v{self.locals} * item)"
        elif kind in ("effects", "rebinding"):
            yield from getattr(self, kind)()
            return
        elif self.locals and kind in ("in_place", "in_place_outside", "views", "gradients"):
            yield from getattr(self, kind.removesuffix("_outside"))()
            return
        else:
            yield f"v{self.locals} = {self.tensor()}"
        self.locals += 1

    def effects(self) -> Iterator[str]:
        yield self.random.choice(
            (
                "thing.count += 1",
                "LIST.append(0.5)",
                "TABLE['n'] = NUMBER",
                "thing.table = {**thing.table, 'c': 1.0}",
                "other.scale = thing.scale",
                "space.seen = True",
                "global NUMBER; NUMBER = NUMBER * 0.5",
                "change(0.25)",
            )
        )

    def rebinding(self) -> Iterator[str]:
        place = self.random.choice(("thing.weight", "TENSORS[0]", "net.mean", "space.kept"))
        yield f"{place} = {self.tensor()}"

    def in_place(self) -> Iterator[str]:
        target = self.target()
        yield self.random.choice(
            (
                f"{target}[...] = {self.number()}",
                f"{target}[1] = {self.number()}",
                f"{target}[1:3] = {self.tensor(1)}[0:2]",
                f"{target}.copy_({self.tensor(1)})",
                f"{target}.fill_({self.random.choice(_NUMBERS)})",
                f"{target}.mul_({self.random.choice(_NUMBERS)})",
            )
        )

    def views(self) -> Iterator[str]:
        target = self.target()
        view = self.random.choice(
            (
                f"{target}[1:3]",
                f"{target}[0]",
                f"{target}.view(2, 2)[1]",
                f"{target}.reshape(2, 2).T",
                f"{target}.chunk(2)[1]",
                f"{target}.data",
                f"{target}.detach()",
                f"{target}[::2]",
            )
        )
        yield f"view = {view}"
        yield self.random.choice(
            ("view += 1.0", "view.fill_(0.5)", "view.mul_(0.5)", "view[...] = 2.0")
        )

    def gradients(self) -> Iterator[str]:
        yield self.random.choice(
            (
                "net.weight.grad = None",
                f"weft.sum(net(v{self.locals - 1}) * {self.number()}).backward()",
                f"weft.sum(weft.tanh(net(x)) * {self.random.choice(_NUMBERS)}).backward()",
            )
        )

    def program(self) -> Program:
        lines = []
        for _ in range(self.random.randint(2, 5)):
            lines += self.statements()
        result = self.random.choice(
            ("{0}", "({0}, {1})", "[{0}, {{'r': {1}}}]", "{{'k': {0}, 'n': NUMBER}}")
        )
        lines.append("return " + result.format(self.tensor(), self.tensor(1)))
        # `global` comes before any use.
        lines = ["global NUMBER", *(line.replace("global NUMBER; ", "") for line in lines)]
        function = "def step(x, y):\n" + "\n".join("    " + line for line in lines)
        events = []
        calls = _CALLS if "aliases" in self.features else _CALLS[:2]
        for _ in range(self.random.randint(2, 4)):
            for _ in range(self.random.randint(0, 2)):
                change = self.random.choice(_CHANGES)
                events.append(change.format(n=self.number(), s=self.random.randrange(20)))
            events.append(f"results.append(step({self.random.choice(calls)}))")
        return Program(function, events)


def random_program(seed: int, features: frozenset[str] = frozenset()) -> Program:
    """The program of a number."""
    return _Writer(seed, features).program()


def _tensor(seed: int) -> weft.Tensor:
    values = np.random.default_rng(seed).standard_normal(4).astype(np.float32)
    return weft.asarray(values, copy=True)


class _Facts:
    """State as something that compares by `==`: values to the bit, and which objects are one."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.kept: list[Any] = []

    def of(self, value: Any) -> Any:
        if isinstance(value, weft.Tensor):
            grad = self.of(value.grad) if value.grad is not None else None
            bits = np.asarray(value.detach()).tobytes()
            return str(value.dtype), tuple(value.shape), bits, value.requires_grad, grad
        if isinstance(value, (float, int, str, bytes, type(None))):
            return type(value).__name__, repr(value)
        if id(value) in self.numbers:
            return "same", self.numbers[id(value)]
        self.numbers[id(value)] = len(self.numbers)
        self.kept.append(value)
        if isinstance(value, dict):
            return "dict", [(key, self.of(item)) for key, item in value.items()]
        if isinstance(value, (list, tuple, set, collections.deque)):
            return type(value).__name__, [self.of(item) for item in value]
        if isinstance(value, (types.FunctionType, type)):
            return value.__name__
        names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
        return type(value).__name__, [
            (name, self.of(getattr(value, name))) for name in names if hasattr(value, name)
        ]


def _module(program: Program, compiled: bool) -> dict[str, Any]:
    variables: dict[str, Any] = {"__name__": "a_users_program", "tensor": _tensor, "results": []}
    exec(compile(_STATE + program.function, "<program>", "exec"), variables)
    if compiled:
        variables["step"] = weft.jit(variables["step"])
    return variables


@dataclasses.dataclass
class Outcome:
    """How a program ended: nothing differs, unless `difference` says what."""

    difference: str | None = None
    refused: str | None = None
    calls: int = 0


def run(program: Program) -> Outcome:
    """Runs a program plain and compiled."""
    plain, compiled = _module(program, False), _module(program, True)
    outcome = Outcome()
    for event in program.events:
        errors = []
        for variables in (plain, compiled):
            try:
                exec(event, variables)
            except Exception as error:
                errors.append(error)
            else:
                errors.append(None)
        ours, theirs = errors[1], errors[0]
        if isinstance(ours, (weft.UnsupportedError, weft.ConcretizationError)) and theirs is None:
            outcome.refused = str(ours)
            return outcome
        if type(ours) is not type(theirs):
            outcome.difference = f"after {event}: {theirs!r} is {ours!r} when compiled"
            return outcome
        if theirs is not None:
            return outcome
        outcome.calls += "step(" in event
        roots = (*_ROOTS, *_MORE_ROOTS)
        before, after = _Facts(), _Facts()
        for name in roots:
            want, have = before.of(plain[name]), after.of(compiled[name])
            if want != have:
                outcome.difference = f"after {event}: {name} is\n  {have}\nnot\n  {want}"
                return outcome
    return outcome
