"""Random programs that keep state in Python: objects, containers, closures, globals and tensors.

A program is source text: a module of state with a function ``step``, and the calls of it with
changes of the state between. state_runs.py runs it.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

#: What programs may do: kinds of statements; and of calls: with tensors that share elements, with
#: writes to earlier results, from several threads.
FEATURES = frozenset(
    {
        "effects",
        "exchanges",
        "numbers",
        "in_place",
        "in_place_outside",
        "views",
        "rebinding",
        "gradients",
        "weights",
        "kinds",
        "structures",
        "aliases",
        "results",
        "errors",
        "threads",
    }
)
_STATEMENTS = FEATURES - {"aliases", "results", "threads"}
#: Statements that make no local variable.
_WITHOUT_LOCAL = frozenset(
    {"effects", "exchanges", "numbers", "rebinding", "weights", "kinds", "errors", "counter"}
)
#: What changes the state that all threads see, in an order that they do not agree on.
_SHARED = frozenset(
    {"effects", "exchanges", "numbers", "rebinding", "gradients", "weights", "kinds", "errors"}
)

#: What all programs begin with.
STATE = """
import collections, contextlib, dataclasses, enum, functools, types
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
    @bias.setter
    def bias(self, value):
        self.items[-1] = value
    @classmethod
    def of(cls, scale):
        return cls(scale)
    @staticmethod
    def half(x):
        return x * 0.5

@dataclasses.dataclass
class Point:
    place: object
    rate: float = 0.5
    tags: dict = dataclasses.field(default_factory=lambda: {"t": 1.5})
    def moved(self, x):
        return self.place * self.rate + x

@dataclasses.dataclass(frozen=True)
class Fixed:
    rate: float = 0.25

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
GRID, COUNTER = tensor(9, "float32", (4, 4)), weft.zeros(4)
point, fixed = Point(tensor(10)), Fixed()
INTS, BYTES, MASK = tensor(11, "int32"), tensor(12, "uint8"), tensor(13, "bool")
DOUBLES, HALVES = tensor(14, "float64"), tensor(15, "float16")
EMPTY, ROW, ONE = tensor(16, "float32", (0, 4)), tensor(17, "float32", (1, 4)), weft.ones(())

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
_STRUCTURE_NUMBERS = (
    "rate",
    "own.scale",
    "own.bias",
    "point.rate",
    "fixed.rate",
    "point.tags['t']",
    "dataclasses.asdict(fixed)['rate']",
    "(1.5 if own is thing else 0.5)",
    "(1.5 if point.place is WEIGHT else 0.5)",
    "step.__name__.count('s') * 0.5",
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
_STRUCTURE_TENSORS = (
    "own.weight",
    "own.act(x)",
    "Thing.half(y)",
    "Thing.of(NUMBER).act(x)",
    "point.place",
    "point.moved(x)",
    "helper(x, [NUMBER])",
    "helper(y, offset={'o': point.rate})",
    "helper(**{'x': y, 'rates': LIST})",
    "dataclasses.replace(point, rate=NUMBER).moved(y)",
    "(lambda v, by=NUMBER: v * by + x)(y)",
    "functools.reduce(lambda v, item: v * item, thing.items, x)",
    "sum([part * 0.5 for part in (x, y)])",
    "weft.concat([part * NUMBER for part in x.chunk(2)])",
    "dict(a=x, b=y)[min('a', 'b')]",
    "max((x, 1), (y, 2), key=lambda pair: pair[1])[0]",
)
_KIND_TENSORS = (
    "(x + INTS)",
    "(x * BYTES)",
    "weft.where(MASK, x, y)",
    "DOUBLES.astype(weft.float32)",
    "(HALVES * 0.5).astype(weft.float32)",
    "(x + ROW)[0]",
    "(ROW.squeeze(0) * y)",
    "(x * ONE)",
    "(x + weft.sum(EMPTY, axis=0))",
    "(y + weft.concat([EMPTY, ROW])[0])",
    "(INTS // 2 + BYTES).astype(weft.float32)",
    "(x > INTS).astype(weft.float32)",
    "x.reshape(1, 4, 1)[0, :, 0]",
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
_STRUCTURE_CHANGES = (
    "point.rate = {n}",
    "point.place = tensor({s})",
    "point.place = WEIGHT",
    "point = Point(tensor({s}), {n})",
    "point.tags = {{'t': {n}}}",
    "point.tags['u'] = {n}",
    "fixed = Fixed({n})",
    "thing.bias = {n}",
    "Thing.half = staticmethod(lambda x: x + {n})",
    "Point.moved = lambda self, x: x * self.rate",
)
_KIND_CHANGES = (
    "INTS = tensor({s}, 'int64')",
    "INTS = tensor({s}, 'int32')",
    "DOUBLES = tensor({s}, 'float64')",
    "HALVES = HALVES * {n}",
    "EMPTY = tensor({s}, 'float32', (2, 4))",
    "EMPTY = tensor({s}, 'float32', (0, 4))",
    "ROW = tensor({s}, 'float32', (1, 4))",
    "MASK = ~MASK",
    "ONE = tensor({s}, 'float32', ())",
)
_WEIGHT_CHANGES = (
    "net.weight = nn.Parameter(tensor({s}))",
    "net.load_state_dict(Net().state_dict())",
    "net.state_dict()['weight'].data.mul_(2.0)",
    "net.requires_grad_(False)",
    "net.requires_grad_(True)",
    "net.weight.data = tensor({s})",
    "net.zero_grad()",
)
_CALLS = ("A, B", "B, A")
_NUMBER_CALLS = ("A, B, rate={n}", "B, A, rate={n}")
_STRUCTURE_CALLS = (
    "A, B, other",
    "x=A, y=B",
    "B, y=A, own=Thing({n})",
    "A, B, rate={n}",
    "*(A, B), **{{'rate': {n}}}",
)
_ALIASED_CALLS = (
    "A, A",
    "A, WEIGHT",
    "thing.weight, B",
    "TENSORS[0], TENSORS[-1]",
    "A, A[:]",
    "A.view(4), A",
    "A.data, B",
    "WEIGHT.detach(), A",
    "GRID[0], GRID[1]",
    "GRID[0], GRID.T[0]",
    "GRID.T[1], GRID[1]",
    "GRID[0], WEIGHT",
    "latest(results, A), B",
    "A, latest(results, B)",
)


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
        # All that threads change is their own.
        self.threads = "threads" in features and self.random.randrange(3) > 0
        if self.threads:
            self.features = features - _SHARED
        self.numbers: tuple[str, ...] = _NUMBERS
        self.tensors: tuple[str, ...] = _TENSORS
        if "structures" in self.features:
            self.numbers += _STRUCTURE_NUMBERS
            self.tensors += _STRUCTURE_TENSORS
        if "kinds" in self.features:
            self.tensors += _KIND_TENSORS

    def number(self) -> str:
        return str(self.random.choice((0.5, 0.25, 2.0, 1.5, -0.5, 0.0, -0.0, 1)))

    def condition(self) -> str:
        return f"{self.random.choice(self.numbers)} > {self.number()}"

    def tensor(self, depth: int = 2) -> str:
        names = [f"v{i}" for i in range(self.locals)]
        kind = self.random.randrange(6) if depth else 0
        if kind <= 1:
            return self.random.choice([*names, *self.tensors])
        if kind <= 3:
            return f"({self.tensor(depth - 1)} * {self.random.choice(self.numbers)})"
        if kind == 4:
            return f"weft.tanh({self.tensor(depth - 1)})"
        return f"({self.tensor(depth - 1)} + {self.tensor(depth - 1)})"

    def own(self, tensor: str) -> str:
        """What a local may be, which is changed in place: no tensor that other threads see."""
        return f"({tensor} * 1)" if self.threads else tensor

    def target(self) -> str:
        """A tensor that an update in place may change."""
        names = [f"v{i}" for i in range(self.locals)]
        outside = ["x", "y", "WEIGHT", "thing.weight", "TENSORS[0]", "net.mean"]
        if self.threads:
            outside = ["x", "y", "own.weight"]
        return self.random.choice(names + (outside if "in_place_outside" in self.features else []))

    def statements(self) -> Iterator[str]:
        """One statement, perhaps of several lines."""
        kinds = ["local", "local", "branch", "loop", *sorted(self.features & _STATEMENTS)]
        if self.threads:
            kinds.append("counter")
        kind = self.random.choice(kinds)
        if kind == "branch":
            yield f"v{self.locals} = x"
            yield f"if {self.condition()}:"
            yield f"    v{self.locals} = {self.own(self.tensor())}"
        elif kind == "loop":
            yield f"v{self.locals} = {self.own(self.tensor(1))}"
            items = self.random.choice(("LIST", "thing.items", "TABLE.values()", "space.b"))
            yield f"for item in {items}:"
            yield f"    v{self.locals} = weft.tanh(v{self.locals} * item)"
        elif kind in _WITHOUT_LOCAL:
            yield from getattr(self, "numbers_kept" if kind == "numbers" else kind)()
            return
        elif self.locals and kind in ("in_place", "in_place_outside", "views", "gradients"):
            yield from getattr(self, kind.removesuffix("_outside"))()
            return
        elif kind == "structures":
            yield from self.structures()
        else:
            yield f"v{self.locals} = {self.own(self.tensor())}"
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

    def exchanges(self) -> Iterator[str]:
        """Other objects take the places of some that are alike."""
        yield self.random.choice(
            (
                "thing, other = other, thing",
                "thing.weight, other.weight = other.weight, thing.weight",
                "WEIGHT, thing.weight = thing.weight, WEIGHT",
                "TENSORS[0], TENSORS[-1] = TENSORS[-1], TENSORS[0]",
                "TENSORS.reverse()",
                "TENSORS.append(TENSORS.pop(0))",
                "TENSORS[0], point.place = point.place, TENSORS[0]",
                "ring.rotate(1)",
                "thing.items, LIST = LIST, thing.items",
                "thing.items = list(thing.items)",
                "thing.table = dict(thing.table)",
                "space.inner = types.SimpleNamespace(c=space.inner.c)",
                "space.b = [*space.b]",
                "point.tags = {**point.tags}",
                "net.factors = list(net.factors)",
                "point.place, other.weight = other.weight, point.place",
                "slotted.rate, slotted.extra = 0.5, [slotted.rate]",
            )
        )

    def numbers_kept(self) -> Iterator[str]:
        """The number among the arguments becomes state."""
        yield self.random.choice(
            (
                "thing.scale = rate",
                "other.scale = max(other.scale, rate)",
                "LIST.append(rate)",
                "thing.items[0] = rate * 2",
                "TABLE['a'] = rate",
                "TABLE[rate] = 0.5",
                "SET.add(rate)",
                "ring.append(rate + 1.0)",
                "space.kept = (rate, [rate])",
                "slotted.rate = -rate",
                "space.missing = rate",
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
                f"{target}.fill_({self.random.choice(self.numbers)})",
                f"{target}.mul_({self.random.choice(self.numbers)})",
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
                f"weft.sum(weft.tanh(net(x)) * {self.random.choice(self.numbers)}).backward()",
                f"held = ({self.tensor(1)}).detach().requires_grad_(); "
                f"weft.sum(held * {self.tensor(1)}).backward(); v{self.locals - 1} = held.grad",
            )
        )

    def weights(self) -> Iterator[str]:
        view = self.random.choice(
            (
                "net.weight[1:3]",
                "net.weight.view(2, 2)[0]",
                "net.weight.data",
                "net.weight.detach()[::2]",
                "net.state_dict()['weight']",
                "net.mean[1:]",
                "net.mean.data",
                "net.weight",
                "next(net.parameters())",
            )
        )
        yield "with weft.no_grad():"
        yield f"    view = {view}"
        yield "    " + self.random.choice(
            (
                f"view.mul_({self.random.choice(self.numbers)})",
                "view.fill_(0.5)",
                "view[0] = 2.0",
                "view += 1.0",
                f"view.copy_({self.tensor(1)}[: view.shape[0]])",
                "net.load_state_dict({'weight': x, 'mean': y})",
                "net.weight.data = net.weight * 0.5",
            )
        )

    def kinds(self) -> Iterator[str]:
        yield self.random.choice(
            (
                "INTS[1] = 7",
                "INTS.add_(3)",
                "INTS[1:3].mul_(BYTES[1:3])",
                "BYTES.view(2, 2)[0] = 255",
                "MASK[0] = ~MASK[1]",
                "DOUBLES.copy_(x)",
                "HALVES.mul_(0.5)",
                "HALVES[::2] = x[::2]",
                "EMPTY.fill_(1.0)",
                "EMPTY[:, 1:3].add_(1.0)",
                "EMPTY[:0].mul_(2.0)",
                "ROW[0] = y",
                "ROW.view(4)[1:3] = 0.5",
                "ROW.squeeze(0).add_(x)",
                "ROW.T[2] = 1.5",
                "ONE.mul_(0.5)",
                "ONE.view(1)[0] = 2.0",
                "ONE[...] = x[0]",
                "ONE.reshape(1, 1)[0].fill_(0.25)",
            )
        )

    def errors(self) -> Iterator[str]:
        """Exceptions that the function catches, with changes before, between and after."""
        effect = next(iter(self.effects())).replace("global NUMBER; ", "")
        number = self.random.choice(self.numbers)
        yield from self.random.choice(
            (
                ("try:", f"    {effect}", "    TABLE['missing'] + 1", "except KeyError:",
                 f"    LIST.append({self.number()})", "finally:", "    thing.count += 1"),
                ("try:", "    held = 1.0 / thing.count", "except ZeroDivisionError as error:",
                 "    held = str(error).count('z')", "else:", f"    {effect}",
                 "ring.append(held)"),
                ("with contextlib.suppress(ValueError):", f"    if {self.condition()}:",
                 "        raise ValueError", f"    {effect}"),
                ("try:", f"    for item in LIST + [{number}]:", "        if item < 0.3:",
                 "            raise StopIteration(item)", "except StopIteration as error:",
                 "    space.a = error.args[0]"),
                ("try:", "    slotted.unknown = 1.0", "except AttributeError:", f"    {effect}"),
                ("try:", "    x.reshape(3)", "except Exception:", f"    {effect}"),
            )
        )  # fmt: skip

    def escape(self) -> Iterator[str]:
        """An exception that leaves the function, before it has changed a tensor."""
        yield f"if {self.condition()}:"
        yield f"    {next(iter(self.effects())).replace('global NUMBER; ', '')}"
        yield "    raise ValueError('early')"

    def structures(self) -> Iterator[str]:
        """A local variable by way of functions and containers of the program's own."""
        name, tensor = f"v{self.locals}", self.tensor(1)
        yield from self.random.choice(
            (
                (f"def inner(v, by={self.random.choice(self.numbers)}):", "    return v * by + y",
                 f"{name} = inner({tensor})"),
                (f"first, second = ({tensor}).chunk(2)", "first = first * second",
                 f"{name} = weft.concat([first, second])"),
                (f"{name} = {tensor} * 1.0", f"first, second = {name}[:2], {name}[2:]",
                 "first.mul_(0.5)", "second += first"),
                (f"held = {{'a': {tensor}, 'b': x}}", "held['a'] = held['a'] * 0.5",
                 "held = {**held, 'b': y}", f"{name} = held['a'] + held['b']"),
                (f"held = [{tensor}, x]", "held[1:] = [y]", "held.append(held.pop(0))",
                 f"{name} = held[0] * held[-1]"),
                (f"held = Point({tensor}, NUMBER)", "held.place = held.moved(x)",
                 f"{name} = held.place"),
                (f"{name} = weft.stack([part for part in ({tensor}).unbind()])",),
                (f"{name} = {tensor}", "def inner(v):", f"    nonlocal {name}",
                 f"    {name} = {name} * v", "inner(0.5)"),
                ("held = Thing(NUMBER)", "held.bias = rate", f"held.weight = {tensor}",
                 f"{name} = held.act(held.weight)"),
            )
        )  # fmt: skip

    def counter(self) -> Iterator[str]:
        """What all threads change in any order."""
        yield "COUNTER.add_(1.0)"

    def result(self) -> str:
        forms = ["{0}", "({0}, {1})", "[{0}, {{'r': {1}}}]", "{{'k': {0}, 'n': NUMBER}}"]
        if "results" in self.features:
            forms += [
                "({0}, x[1:3])",
                "(x.view(2, 2), y.data, {0})",
                "[{1}.detach(), x.T, x]",
                "tuple({0}.chunk(2))",
                "(lambda v: (v, v[::2], v.view(2, 2)))({0})",
                "(WEIGHT[::2], {0})",
                "{{'w': thing.weight, 'm': net.mean[1:]}}",
                "collections.OrderedDict(p={0}, q=y[:2])",
            ]
        return self.random.choice(forms).format(self.tensor(), self.tensor(1))

    def call(self) -> str:
        """An event: a call of the function."""
        if self.threads:
            own = ", ".join(
                f"(tensor({self.random.randrange(20)}), tensor({self.random.randrange(20)}),"
                f" Thing({self.number()}))"
                for _ in range(self.random.randint(2, 3))
            )
            return f"results.append(at_once(step, [{own}]))"
        calls: tuple[str, ...] = _CALLS
        if "numbers" in self.features:
            calls += _NUMBER_CALLS
        if "structures" in self.features:
            calls += _STRUCTURE_CALLS
        if "aliases" in self.features:
            calls += _ALIASED_CALLS
        return f"results.append(step({self.random.choice(calls)}))".format(n=self.number())

    def changes(self) -> tuple[str, ...]:
        changes: tuple[str, ...] = _CHANGES
        if "structures" in self.features:
            changes += _STRUCTURE_CHANGES
        if "kinds" in self.features:
            changes += _KIND_CHANGES
        if "weights" in self.features:
            changes += _WEIGHT_CHANGES
        return changes

    def program(self) -> Program:
        lines: list[str] = []
        if "errors" in self.features and not self.random.randrange(3):
            lines += self.escape()
        for _ in range(self.random.randint(2, 5)):
            lines += self.statements()
        lines.append("return " + self.result())
        # `global` comes before any use.
        lines = [
            "global NUMBER, WEIGHT, LIST, thing, other",
            *(line.replace("global NUMBER; ", "") for line in lines),
        ]
        head = "def step(x, y, own=thing, *, rate=0.5):\n"
        function = head + "\n".join("    " + line for line in lines)
        events = []
        for _ in range(self.random.randint(2, 4)):
            for _ in range(self.random.randint(0, 2)):
                change = self.random.choice(self.changes())
                events.append(change.format(n=self.number(), s=self.random.randrange(20)))
            events.append(self.call())
            if "results" in self.features and not self.random.randrange(2):
                events.append(f"write(results[-1], {self.number()})")
            elif "gradients" in self.features and not self.random.randrange(2):
                events.append("learn(results[-1])")
        return Program(function, events)


def random_program(seed: int, features: frozenset[str] = frozenset()) -> Program:
    """The program of a number."""
    return _Writer(seed, features).program()
