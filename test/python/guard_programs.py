"""Functions that read state of every kind from outside, and changes of it."""

from __future__ import annotations

import argparse
import collections
import contextvars
import dataclasses
import decimal
import enum
import functools
import math
import operator
import os
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import weft
from weft import nn, optim

X = weft.asarray([1.0, 2.0])
#: A function of a tensor, and what changes between its calls.
Program = tuple[Callable, list[Callable[[], Any]]]
PROGRAMS: dict[str, Callable[[], Program]] = {}


def _program(make: Callable[[], Program]) -> Callable[[], Program]:
    PROGRAMS[make.__name__] = make
    return make


def bits(tree: Any) -> Any:
    if isinstance(tree, weft.Tensor):
        return str(tree.dtype), tuple(tree.shape), np.asarray(tree).tobytes()
    if isinstance(tree, (list, tuple)):
        return type(tree), [bits(item) for item in tree]
    return type(tree), repr(tree)


class Plain:
    """Anything with attributes."""

    shared: Any = 1.0

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("rate", "unset")

    def __init__(self) -> None:
        self.rate = 2.0


@_program
def simple_namespace() -> Program:
    outside = types.SimpleNamespace(scale=2.0, inner=types.SimpleNamespace(power=2))

    def f(x: Any) -> Any:
        return x * outside.scale + outside.inner.power

    return f, [lambda: setattr(outside, "scale", 3.0), lambda: setattr(outside.inner, "power", 4)]


@_program
def argparse_namespace() -> Program:
    options = argparse.Namespace(scale=2.0)
    return lambda x: x * options.scale, [lambda: setattr(options, "scale", 5.0)]


@_program
def slots() -> Program:
    outside = Slotted()

    def f(x: Any) -> Any:
        return x * outside.rate + (outside.unset if hasattr(outside, "unset") else 0.0)

    return f, [
        lambda: setattr(outside, "rate", 3.0),
        lambda: setattr(outside, "unset", 7.0),
        lambda: delattr(outside, "unset"),
    ]


@_program
def lists_in_objects() -> Program:
    outside = Plain(scales=[1.0, 2.0], table={"a": [1.0]}, ring=collections.deque([1.0]))
    outside.names = {"a"}

    def f(x: Any) -> Any:
        x = x * sum(outside.scales) + outside.table["a"][-1]
        return x + sum(outside.ring) + len(outside.names) + (5.0 if "b" in outside.names else 0.0)

    return f, [
        lambda: outside.scales.append(5.0),
        lambda: outside.table["a"].append(9.0),
        lambda: outside.table.update(a=[4.0]),
        lambda: outside.ring.appendleft(3.0),
        lambda: outside.names.add("b"),
        lambda: outside.names.remove("a"),
    ]


@_program
def lists_in_modules() -> Program:
    class Net(nn.Module):
        kinds: ClassVar[list] = [1.0]

        def __init__(self) -> None:
            super().__init__()
            self.scales = [1.0]
            self.options = {"bias": 0.5}

        def forward(self, x: Any) -> Any:
            return x * sum(self.scales) + self.options["bias"] + sum(self.kinds)

    net = Net()
    return net, [
        lambda: net.scales.append(5.0),
        lambda: net.options.update(bias=1.5),
        lambda: Net.kinds.append(2.0),
        lambda: vars(net).update(scales=[7.0]),
        lambda: setattr(net, "kinds", [3.0]),
    ]


@_program
def environment() -> Program:
    os.environ["WEFT_TEST_SCALE"] = "2"

    def f(x: Any) -> Any:
        return x * float(os.environ["WEFT_TEST_SCALE"]) + float(os.getenv("WEFT_TEST_BIAS", "0"))

    return f, [
        lambda: os.environ.update(WEFT_TEST_SCALE="3"),
        lambda: os.environ.update(WEFT_TEST_BIAS="4"),
        lambda: os.environ.pop("WEFT_TEST_BIAS", None),
    ]


@_program
def getenv_alone() -> Program:
    get = os.getenv

    def f(x: Any) -> Any:
        return x * float(get("WEFT_TEST_OTHER", "1"))

    return f, [
        lambda: os.environ.update(WEFT_TEST_OTHER="4"),
        lambda: os.environ.pop("WEFT_TEST_OTHER", None),
    ]


@_program
def computed_attribute_names() -> Program:
    outside = Plain(layer0=1.0, layer1=2.0)

    def f(x: Any) -> Any:
        for i in range(2):
            x = x * getattr(outside, f"layer{i}") + getattr(outside, f"bias{i}", 0.0)
        return x

    return f, [
        lambda: setattr(outside, "layer1", 5.0),
        lambda: setattr(outside, "bias0", 1.0),
    ]


@_program
def attributes_by_getters() -> Program:
    outside = Plain(scale=2.0)
    get = operator.attrgetter("scale")

    def f(x: Any) -> Any:
        return x * get(outside) + vars(outside)["scale"] + outside.__dict__.get("bias", 0.0)

    return f, [lambda: setattr(outside, "scale", 5.0), lambda: setattr(outside, "bias", 5.0)]


@_program
def imports_inside() -> Program:
    module = types.ModuleType("weft_test_settings")
    module.scale = 2.0  # type: ignore[attr-defined]
    sys.modules["weft_test_settings"] = module

    def f(x: Any) -> Any:
        import weft_test_settings
        from weft_test_settings import scale

        return x * weft_test_settings.scale + scale

    def other() -> None:
        replaced = types.ModuleType("weft_test_settings")
        replaced.scale = 11.0  # type: ignore[attr-defined]
        sys.modules["weft_test_settings"] = replaced

    return f, [lambda: setattr(module, "scale", 3.0), other]


def _function_in(source: str, **variables: Any) -> tuple[Callable, dict[str, Any]]:
    variables["__name__"] = "a_users_module"
    exec(source, variables)
    return variables["f"], variables


@_program
def globals_that_appear() -> Program:
    source = """
def f(x):
    try:
        scale = SCALE
    except NameError:
        scale = 1.0
    return x * scale * len([1, 2]) + abs(-2.0)
"""
    f, variables = _function_in(source)
    return f, [
        lambda: variables.update(SCALE=3.0),
        lambda: variables.update(len=lambda items: 7.0),
        lambda: variables.pop("SCALE"),
        lambda: variables.update(abs=lambda item: 9.0),
        lambda: variables.pop("len"),
    ]


@_program
def globals_by_name() -> Program:
    f, variables = _function_in("def f(x):\n    return x * globals()['SC' + 'ALE']\n", SCALE=2.0)
    return f, [lambda: variables.update(SCALE=3.0)]


@_program
def kinds_of_zero_and_one() -> Program:
    outside = Plain(value=0.0, items=(1, 2.0))

    def f(x: Any) -> Any:
        sign = math.copysign(1.0, outside.value)
        kind = {bool: 1, int: 2, float: 3}.get(type(outside.items[0]), 4)
        return x * sign + kind

    return f, [
        lambda: setattr(outside, "value", -0.0),
        lambda: setattr(outside, "items", (True, 2.0)),
        lambda: setattr(outside, "items", (1.0, 2.0)),
        lambda: setattr(outside, "value", math.nan),
        lambda: setattr(outside, "value", -math.nan),
        lambda: setattr(outside, "items", (np.float32(1), 2.0)),
        lambda: setattr(outside, "value", np.float64(-0.0)),
    ]


@_program
def functions_replaced() -> Program:
    module = types.ModuleType("weft_test_functions")
    module.act = lambda x: x * 2.0  # type: ignore[attr-defined]

    class Model:
        def forward(self, x: Any) -> Any:
            return x + 1.0

        @property
        def scale(self) -> float:
            return 2.0

        def __call__(self, x: Any) -> Any:
            return self.forward(x) * self.scale

        def __len__(self) -> int:
            return 2

    model = Model()

    def f(x: Any) -> Any:
        return module.act(model(x)) * len(model)

    def other_code() -> None:
        def forward(self: Any, x: Any) -> Any:
            return x * 8.0

        Model.forward.__code__ = forward.__code__

    return f, [
        lambda: setattr(module, "act", lambda x: x * 3.0),
        lambda: setattr(Model, "forward", lambda self, x: x - 4.0),
        lambda: setattr(Model, "scale", property(lambda self: 5.0)),
        lambda: setattr(model, "forward", lambda x: x + 9.0),
        lambda: setattr(Model, "__len__", lambda self: 6),
        lambda: vars(model).clear(),
        lambda: setattr(Model, "forward", lambda self, x: x),
        other_code,
    ]


@_program
def methods_that_the_library_calls() -> Program:
    class Mixin:
        def forward(self, x: Any) -> Any:
            return x + 1.0

    class Base(nn.Module):
        def inner(self, x: Any) -> Any:
            return x * 2.0

    class Model(Mixin, Base):
        pass

    model = Model()
    outer = nn.Sequential(Model(), nn.Sequential(model))
    return lambda x: outer(x), [
        lambda: setattr(Mixin, "forward", lambda self, x: x - 4.0),
        lambda: setattr(Model, "forward", lambda self, x: self.inner(x)),
        lambda: setattr(Base, "inner", lambda self, x: x * 3.0),
        lambda: setattr(model, "forward", lambda x: x + 9.0),
        lambda: delattr(model, "forward"),
        lambda: delattr(Model, "forward"),
        lambda: setattr(Model, "__call__", lambda self, x: x * 7.0),
    ]


@_program
def schedules_that_the_library_asks() -> Program:
    class Scheduler(optim.lr_scheduler.LRScheduler):
        def get_lr(self) -> list:
            return [2.0]

    parameter = nn.Parameter(weft.asarray(1.0))
    scheduler = Scheduler(optim.SGD([parameter], lr=1.0))

    def f(x: Any) -> Any:
        scheduler.step()
        parameter.grad = weft.sum(x)
        scheduler.optimizer.step()
        return parameter.detach() + 0.0

    return f, [
        lambda: setattr(Scheduler, "get_lr", lambda self: [5.0]),
        lambda: setattr(scheduler, "get_lr", lambda: [7.0]),
    ]


@_program
def class_attributes() -> Program:
    class Base:
        scale = 2.0
        table: ClassVar[dict] = {"a": 1.0}

    class Model(Base):
        pass

    class Other(Base):
        scale = 50.0

    model = Model()

    def f(x: Any) -> Any:
        return x * model.scale + Model.table["a"] + getattr(Base, "bias", 0.0)

    return f, [
        lambda: setattr(Base, "scale", 3.0),
        lambda: setattr(Model, "scale", 4.0),
        lambda: Base.table.update(a=7.0),
        lambda: setattr(Base, "bias", 8.0),
        lambda: setattr(model, "scale", 9.0),
        lambda: (delattr(model, "scale"), setattr(model, "__class__", Other)),
        lambda: (delattr(Model, "scale"), setattr(model, "__class__", Model)),
        lambda: setattr(Model, "__bases__", (Other,)),
    ]


@_program
def descriptors() -> Program:
    class Scaled:
        def __init__(self) -> None:
            self.factor = 2.0

        def __get__(self, instance: Any, owner: Any) -> float:
            return self.factor * (instance.raw if instance is not None else 1.0)

    class Model:
        scale = Scaled()

        def __init__(self) -> None:
            self.raw = 3.0

        def __getattr__(self, name: str) -> float:
            return vars(self)["fallback"].get(name, 0.0)

    model = Model()
    model.fallback = {"bias": 1.0}  # type: ignore[attr-defined]

    def f(x: Any) -> Any:
        return x * model.scale + model.bias

    return f, [
        lambda: setattr(model, "raw", 4.0),
        lambda: setattr(vars(Model)["scale"], "factor", 5.0),
        lambda: model.fallback.update(bias=6.0),  # type: ignore[attr-defined]
    ]


@_program
def nonlocal_counters() -> Program:
    count = 1.0

    def f(x: Any) -> Any:
        return x * count

    def more() -> None:
        nonlocal count
        count += 1.0

    return f, [more, more]


@_program
def defaults_that_change() -> Program:
    def scaled(x: Any, scales: list = [2.0], *, options: dict = {"b": 1.0}) -> Any:  # noqa: B006
        return x * sum(scales) + options["b"]

    def f(x: Any) -> Any:
        return scaled(x)

    return f, [
        lambda: scaled.__defaults__[0].append(3.0),
        lambda: scaled.__kwdefaults__.update(options={"b": 4.0}),
        lambda: setattr(scaled, "__defaults__", ([9.0],)),
    ]


class Mode(enum.Enum):
    DOUBLE = 2
    TRIPLE = 3


@_program
def enum_members() -> Program:
    outside = Plain(mode=Mode.DOUBLE)

    def f(x: Any) -> Any:
        return x * (10.0 if outside.mode is Mode.DOUBLE else 20.0) + outside.mode.value

    return f, [lambda: setattr(outside, "mode", Mode.TRIPLE)]


@_program
def key_order() -> Program:
    outside = Plain(table={"a": 2.0, "b": 3.0}, ordered=collections.OrderedDict(a=1.0, b=5.0))

    def f(x: Any) -> Any:
        for table in (outside.table, outside.ordered):
            for value in table.values():
                x = x * 2.0 + value
        return x

    return f, [
        lambda: setattr(outside, "table", {"b": 3.0, "a": 2.0}),
        lambda: outside.ordered.move_to_end("a"),
    ]


@_program
def dataclass_fields() -> Program:
    @dataclasses.dataclass
    class Settings:
        scale: float = 2.0
        layers: list = dataclasses.field(default_factory=lambda: [1.0])

    @dataclasses.dataclass(frozen=True)
    class Fixed:
        scale: float = 2.0

    outside = Plain(settings=Settings(), fixed=Fixed())

    def f(x: Any) -> Any:
        return x * outside.settings.scale + sum(outside.settings.layers) + outside.fixed.scale

    return f, [
        lambda: setattr(outside.settings, "scale", 4.0),
        lambda: outside.settings.layers.append(8.0),
        lambda: setattr(outside, "fixed", Fixed(9.0)),
        lambda: object.__setattr__(outside.fixed, "scale", 10.0),
    ]


@_program
def functions_in_containers() -> Program:
    rate = 2.0

    def change() -> None:
        nonlocal rate
        rate = 5.0

    def inner(x: Any) -> Any:
        return x * rate

    outside = [{"act": functools.partial(lambda k, x: x * k, 3.0)}, [inner]]

    def f(x: Any) -> Any:
        return outside[0]["act"](x) + outside[1][0](x)

    return f, [
        change,
        lambda: outside[0].update(act=functools.partial(lambda k, x: x * k, 4.0)),
        lambda: outside[1].append(None),
        lambda: outside[1].insert(0, lambda x: x),
    ]


@_program
def wrapped_functions() -> Program:
    scales = [2.0]

    def traced(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args) + len(scales)

        return wrapper

    @traced
    @traced
    def f(x: Any) -> Any:
        return x * sum(scales)

    return f, [lambda: scales.append(3.0)]


@_program
def context_variables() -> Program:
    variable: contextvars.ContextVar[float] = contextvars.ContextVar("scale", default=2.0)

    def f(x: Any) -> Any:
        return x * variable.get()

    return f, [lambda: variable.set(3.0)]


@_program
def memory() -> Program:
    array = np.array([2.0, 3.0], np.float32)
    outside = Plain(array=array, raw=bytearray(b"ab"))

    def f(x: Any) -> Any:
        return x * outside.array + float(outside.array[0]) + outside.raw[0]

    return f, [
        lambda: array.__setitem__(0, 7.0),
        lambda: array.fill(-0.0),
        lambda: outside.raw.__setitem__(0, 9),
        lambda: setattr(outside, "array", np.array([1.0, 2.0], np.float64)),
        lambda: setattr(outside, "array", array[::-1]),
        lambda: array.__setitem__(1, 4.0),
    ]


@_program
def values_that_are_hashed() -> Program:
    outside = Plain(amount=decimal.Decimal("1.0"))

    def f(x: Any) -> Any:
        return x * float(outside.amount) + len(str(outside.amount))

    return f, [
        lambda: setattr(outside, "amount", decimal.Decimal("1.00")),
        lambda: setattr(outside, "amount", decimal.Decimal("-0")),
        lambda: setattr(outside, "amount", decimal.Decimal("0")),
    ]


@_program
def subclasses_of_containers() -> Program:
    class Items(list):
        factor = 2.0

    class Table(dict):
        def __missing__(self, key: str) -> float:
            return self.fallback  # type: ignore[attr-defined]

    items, table = Items([1.0]), Table()
    items.rate = 3.0  # type: ignore[attr-defined]
    table.fallback = 4.0  # type: ignore[attr-defined]
    counts = collections.defaultdict(lambda: 1.0, a=2.0)

    def f(x: Any) -> Any:
        x = x * sum(items) * items.rate * items.factor + table["missing"]
        return x + counts.get("a", 0.0)

    return f, [
        lambda: items.append(2.0),
        lambda: setattr(items, "rate", 5.0),
        lambda: setattr(Items, "factor", 6.0),
        lambda: setattr(table, "fallback", 7.0),
        lambda: table.update(missing=8.0),
        lambda: counts.update(a=9.0),
    ]


@_program
def collections_in_python() -> Program:
    chain = collections.ChainMap({"a": 1.0}, {"b": 2.0})
    user = collections.UserDict(a=3.0)

    def f(x: Any) -> Any:
        return x * chain["a"] + chain["b"] + user["a"]

    return f, [
        lambda: chain.maps[1].update(b=5.0),
        lambda: user.update(a=6.0),
        lambda: chain.update(b=7.0),
    ]


@_program
def identities() -> Program:
    first, second = Plain(value=1.0), Plain(value=1.0)
    outside = Plain(a=first, b=second, items=[first])

    def f(x: Any) -> Any:
        same = outside.a is outside.b
        return x * (3.0 if same else 2.0) + (7.0 if outside.items[0] is outside.a else 1.0)

    return f, [
        lambda: setattr(outside, "b", first),
        lambda: setattr(outside, "a", second),
        lambda: outside.items.__setitem__(0, second),
    ]


@_program
def code_reached_through_c() -> Program:
    f, variables = _function_in(
        """
import functools
def scaled(x): return x * SCALE
def f(x):
    for y in map(scaled, [x]):
        pass
    return functools.reduce(lambda a, b: a + b * OTHER, [y, x, x])
""",
        SCALE=2.0,
        OTHER=1.0,
    )
    return f, [lambda: variables.update(SCALE=3.0), lambda: variables.update(OTHER=4.0)]


@_program
def functions_behind_objects_of_c() -> Program:
    rate = [2.0]

    def scaled(x: Any) -> Any:
        return x * rate[0]

    hidden = weakref.ref(scaled)
    cached = functools.lru_cache(lambda: scaled)
    cached()

    def f(x: Any) -> Any:
        return hidden()(x) + cached()(x)  # type: ignore[misc]

    return f, [lambda: rate.__setitem__(0, 5.0)]


@_program
def values_in_tensors_places() -> Program:
    outside = Plain(weight=weft.asarray([3.0, 4.0]))

    def f(x: Any) -> Any:
        return x * outside.weight

    return f, [
        lambda: setattr(outside, "weight", weft.asarray([5.0, 6.0])),
        lambda: setattr(outside, "weight", 7.0),
        lambda: setattr(outside, "weight", weft.asarray([5, 6])),
        lambda: outside.weight.assign(weft.asarray([7, 8])),
    ]


@_program
def nested_functions() -> Program:
    f, variables = _function_in(
        """
def f(x):
    def inner(y):
        class Local:
            rate = RATE
        return [y * k * Local.rate for k in SCALES]
    return sum(inner(x))
""",
        SCALES=[1.0, 2.0],
        RATE=1.0,
    )
    return f, [lambda: variables["SCALES"].append(4.0), lambda: variables.update(RATE=3.0)]


@_program
def python_state_that_the_function_changes() -> Program:
    log: list[float] = []
    outside = Plain(flag=False, calls=0)

    def f(x: Any) -> Any:
        outside.calls += 1
        log.append(1.0)
        outside.flag = True
        return x * outside.calls + len(log)

    return f, [lambda: setattr(outside, "flag", False), lambda: None, lambda: log.clear()]


class Shaped:
    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.inner = Plain(rate=scale)

    def by(self, factor: float) -> float:
        return self.scale * factor


GET_SCALE = operator.attrgetter("scale")
GET_BOTH = operator.attrgetter("scale", "inner.rate")
CALL_BY = operator.methodcaller("by", 2.0)
CALL_BY_NAME = operator.methodcaller("by", factor=3.0)
READ = getattr
READS = {"get": getattr, "has": hasattr}


def _of_shaped(read: Callable[[Shaped], float]) -> Program:
    outside = Shaped(2.0)

    def f(x: Any) -> Any:
        return x * read(outside)

    return f, [
        lambda: setattr(outside, "scale", 5.0),
        lambda: setattr(outside.inner, "rate", 7.0),
        lambda: setattr(outside, "inner", Plain(rate=9.0)),
        lambda: setattr(outside, "by", lambda factor: factor),
    ]


#: Reads of attributes that the code of the function does not name.
_READERS: dict[str, Callable[[Shaped], float]] = {
    "getter": lambda s: GET_SCALE(s),
    "getter_of_several": lambda s: sum(GET_BOTH(s)),
    "sorted_by_getter": lambda s: sorted([s, Shaped(3.0)], key=GET_SCALE)[0].scale,
    "method_caller": lambda s: CALL_BY(s),
    "method_caller_by_name": lambda s: CALL_BY_NAME(s),
    "alias_of_getattr": lambda s: READ(s, "".join(["sca", "le"])),
    "getattr_in_a_dict": lambda s: READS["get"](READS["get"](s, "".join(["in", "ner"])), "rate"),
    "format": lambda s: float(f"{s.scale}") + float(f"{s.inner.rate}"),
    "format_spec": lambda s: float(format(s.scale, ".3f")),
    "formatted": lambda s: float(f"{s.scale:.2f}"),
}
for _name, _reader in _READERS.items():
    PROGRAMS[f"read_by_{_name}"] = functools.partial(_of_shaped, _reader)


@_program
def partial_of_getattr() -> Program:
    outside = Plain(scale=2.0)
    get = functools.partial(getattr, outside, "scale")
    return lambda x: x * get(), [lambda: setattr(outside, "scale", 5.0)]


@_program
def getattr_by_map() -> Program:
    outside = [Plain(scale=2.0), Plain(scale=3.0)]
    names = ["sca" + "le", "scale"]
    return lambda x: x * sum(map(getattr, outside, names)), [
        lambda: setattr(outside[1], "scale", 5.0)
    ]


def _of_weft(use: Callable[[Any, Any], Any], objects: Callable[[], list[Any]]) -> Program:
    """Objects of Weft's classes, whose attributes only Weft's own code reads."""
    found = objects()
    outside = Plain(value=found[0])
    changes = [functools.partial(setattr, outside, "value", each) for each in found[1:]]
    return lambda x: use(x, outside.value), changes


def _groups() -> list[weft.distributed.Group]:
    return [weft.distributed.Group(i, range(i, -1, -1), 0) for i in range(3)]


_AFFINE, _NORMAL = weft.distributions.AffineTransform, weft.distributions.Normal
for _kind, _use, _objects in (
    ("group", lambda x, g: x * weft.distributed.rank(g), _groups),
    ("transform", lambda x, t: t(x), lambda: [_AFFINE(1.0, b) for b in (2.0, 3.0)]),
    ("distribution", lambda x, d: d.log_prob(x), lambda: [_NORMAL(0.0, b) for b in (2.0, 3.0)]),
    ("compiled", lambda x, f: f(x), lambda: [weft.jit(lambda x, b=b: x + b) for b in (1, 2)]),
):
    PROGRAMS[f"{_kind}_of_weft"] = functools.partial(_of_weft, _use, _objects)
