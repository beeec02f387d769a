"""Arguments of wrong types, shapes and values: one clear error of weft with the user's line."""

import contextlib
import inspect
import math
import random

import numpy as np
import pytest
import torch
import weft
from weft import nn, optim

TENSORS = [
    lambda: weft.ones(3),
    lambda: weft.ones(2, 3),
    lambda: weft.ones(()),
    lambda: weft.zeros(0, 3),
    lambda: weft.ones(1, 2, 4, 4),
    lambda: weft.asarray([0, 1, 2]),
    lambda: weft.asarray([True, False, True]),
    lambda: weft.ones(3, dtype="float16"),
    lambda: weft.ones(2, 2, dtype="uint8"),
]
OTHERS = [
    *(None, "abc", 1.5, -1, -3, 0, 2, math.nan, math.inf, True, [1, 2], (2, 3), [], {}, object()),
    *([1.5, 2.5], [-1, 2], "float32", "mean", 10**25, 1 + 2j, np.ones(3), (0, 1), [(1, 1)]),
    *([(1, 1), (0, 2)], b"x", {1, 2}, (None,), torch.ones(2), np.complex64(1)),
]

#: They change the process, or take functions and files.
LEFT_OUT = {"set_num_threads", "from_dlpack", "jit", "grad", "value_and_grad", "vjp", "jvp"}
LEFT_OUT |= {"export", "load", "spec", "save_safetensors", "load_safetensors"}
LEFT_OUT |= {"save", "set_printoptions"}


def public_functions():
    for space in (weft, nn.functional, nn.init, nn.utils, weft.random):
        for name in getattr(space, "__all__", dir(space)):
            member = getattr(space, name)
            if inspect.isfunction(member) and not name.startswith("_") and name not in LEFT_OUT:
                yield f"{space.__name__}.{name}", member
    for name in nn.__all__:
        if inspect.isclass(getattr(nn, name)):
            yield f"nn.{name}", getattr(nn, name)
    for name in ("SGD", "Adam", "AdamW"):
        yield f"optim.{name}", getattr(optim, name)
    for name, member in vars(weft.Tensor).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            yield f"Tensor.{name}", member


FUNCTIONS = dict(public_functions())


def drawn_arguments(function, draw):
    """Anything for each argument; most often a tensor where one is expected first."""
    positional, options = [], {}
    for place, parameter in enumerate(inspect.signature(function).parameters.values()):
        pool = TENSORS if place == 0 and draw.random() < 0.7 else TENSORS + OTHERS
        value = draw.choice(pool)
        value = value() if inspect.isfunction(value) else value
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += [value] * draw.randint(0, 2)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            options |= {parameter.name: value} if draw.random() < 0.3 else {}
        elif parameter.kind is not parameter.VAR_KEYWORD:
            if parameter.default is not parameter.empty and draw.random() < 0.5:
                break
            positional.append(value)
    return positional, options


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_only_errors_of_weft_come_out(name):
    draw = random.Random(name)
    for _ in range(20):
        positional, options = drawn_arguments(FUNCTIONS[name], draw)
        with contextlib.suppress(weft.WeftError):
            FUNCTIONS[name](*positional, **options)


WRONG_KINDS = {"bool": ("no", "", 2, 1.5, [], {}), "int": (2.5, 2.0, np.float32(1), math.nan)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_text_is_a_bool_and_no_float_an_integer(name):
    """Python would take them: any object is true or false."""
    function = FUNCTIONS[name]
    target = function.__init__ if inspect.isclass(function) else function
    if not inspect.isfunction(target) or inspect.unwrap(target).__module__ == "weft._ops":
        return  # These have rules of their own: tensors, and the op records.
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            continue
        for value in WRONG_KINDS.get(str(parameter.annotation).removesuffix(" | None"), ()):
            with pytest.raises(weft.DTypeError, match=f"{parameter.name} has to be"):
                function(**{parameter.name: value})


def group():
    return optim.SGD([nn.Parameter(weft.ones(1))]).param_groups[0]


def small(**options):
    return weft.quantize(nn.Sequential(nn.Linear(8, 4)), **options)


MISTAKES = [
    (lambda: weft.chunk([1], 2), weft.DTypeError, "chunk: x has to be a tensor, not a list"),
    (lambda: weft.stack(None), weft.DTypeError, "stack: arrays has to be a sequence"),
    (lambda: weft.ones(3).split("a"), weft.DTypeError, "split: split_size has to be an integer"),
    (lambda: nn.Conv2d("a", 1, 2), weft.DTypeError, "Conv2d: in_channels has to be an integer"),
    (lambda: weft.zeros(2.5), weft.DTypeError, "a size has to be an integer, not a float"),
    (lambda: weft.zeros(10**25), weft.ShapeError, "too large"),
    (lambda: weft.roll(weft.ones(2, 2), (1, 2), axis=0), weft.ShapeError, "2 shifts for 1 axes"),
    (lambda: nn.functional.dropout(weft.ones(2), {1}), weft.DTypeError, "p has to be a number"),
    (lambda: weft.reshape(weft.ones(4), 2.0), weft.DTypeError, "reshape: shape has to be"),
    (lambda: optim.SGD(3), weft.DTypeError, "SGD: params has to be an iterable"),
    (lambda: optim.SGD([]), weft.OptionError, "no parameters"),
    (lambda: weft.sum(weft.ones(2), axis=math.nan), weft.DTypeError, "an axis has to be"),
    (lambda: nn.ModuleList([])[1], weft.OutOfBoundsError, "out of range"),
    (lambda: nn.Module().register_buffer("a.b", None), weft.NameUseError, "without dots"),
    (lambda: nn.BatchNorm1d(3)("a"), weft.DTypeError, "forward: x has to be a tensor, not 'a'"),
    (lambda: weft.ones(3)["a":], weft.DTypeError, "slice indices must be integers"),
    (lambda: group().__setitem__("lr", "a"), weft.WeftError, "could not convert"),
    (lambda: weft.arange(math.inf), weft.ShapeError, "have to be finite"),
    (lambda: small(symmetric="no"), weft.DTypeError, "quantize: symmetric has to be a bool"),
    (lambda: small(symmetric=0.0), weft.DTypeError, "quantize: symmetric has to be a bool"),
    (lambda: small(group=8.0), weft.DTypeError, "quantize: group has to be an integer or None"),
    (lambda: small(group=True), weft.OptionError, "at least one weight, not True"),
    (lambda: small(include=[5]), weft.OptionError, "names of layers are strings, not 5"),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_messages_name_function_argument_and_line(call, kind, message):
    with pytest.raises(kind, match=rf"test_wrong_arguments.py:\d+: .*{message}"):
        call()


@pytest.mark.parametrize("value", [False, np.False_, 0, np.int64(0)])
def test_what_numpy_and_files_of_models_say_is_a_bool(value):
    assert nn.Linear(2, 3, bias=value).bias is None
    assert small(symmetric=value, group=np.int32(8)).layers[0].after == 4 * 8 + 4 * 4 + 4
    assert weft.sum(weft.ones((2, 2)), axis=0, keepdims=value).shape == (2,)


def test_other_errors_stay_what_they_are():
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            raise ValueError("the user's own")

    with pytest.raises(ValueError, match="the user's own") as caught:
        Module()
    assert not isinstance(caught.value, weft.WeftError)
    with pytest.raises(TypeError, match="missing 1 required positional argument") as caught:
        weft.norm()
    assert not isinstance(caught.value, weft.WeftError)
    for error, function in (
        (ZeroDivisionError, lambda module: 1 // 0),
        (AttributeError, lambda module: module.weight),
    ):
        with pytest.raises(error) as caught:
            nn.Sequential().apply(function)
        assert not isinstance(caught.value, weft.WeftError)
