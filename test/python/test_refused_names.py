"""Each name of PyTorch is there, or its absence says what to write instead."""

from __future__ import annotations

import importlib
import inspect
import pickle
from typing import Any

import pytest
import torch
import weft
from weft._refused import TABLE, why

SPACES: dict[str, tuple[Any, Any]] = {
    "Tensor": (torch.Tensor, weft.Tensor),
    "weft": (torch, weft),
    "nn": (torch.nn, weft.nn),
    "nn.functional": (torch.nn.functional, weft.nn.functional),
    "nn.init": (torch.nn.init, weft.nn.init),
    "nn.utils": (torch.nn.utils, weft.nn.utils),
    "optim": (torch.optim, weft.optim),
    "data": (torch.utils.data, weft.data),
    "nn.attention": (torch.nn.attention, weft.nn.attention),
}
for _space in (
    *("linalg", "fft", "special", "random", "func", "amp", "profiler", "autograd"),
    *("autograd.functional", "autograd.profiler", "optim.lr_scheduler", "optim.swa_utils"),
    *("distributions", "distributions.constraints", "distributions.kl"),
    *("distributions.transforms", "nn.parameter", "nn.utils.rnn", "nn.utils.prune"),
    *("nn.utils.parametrize", "nn.utils.parametrizations", "nn.utils.stateless"),
):
    SPACES[_space] = (
        importlib.import_module(f"torch.{_space}"),
        importlib.import_module(f"weft.{_space}"),
    )


def words(text: str) -> set[str]:
    return set(text.split())


#: What PyTorch's modules import for themselves.
INSIDES = words(
    "ABC TYPE_CHECKING abstractmethod common_notes np reproducibility_notes sparse_support_notes "
    "tf32_notes torch Callable DType Literal Optional ParamSpec TypeVar ScalingType SwizzleType "
    "Tensor assert_int_or_pair boolean_dispatch handle_torch_function has_torch_function "
    "has_torch_function_unary has_torch_function_variadic"
)

#: Where PyTorch has public names that it does not list.
SHOWN = words("Tensor weft nn nn.functional nn.init linalg optim func")


def is_own(member: Any) -> bool:
    """Whether it is PyTorch's: no module of Python's."""
    return not inspect.ismodule(member) or member.__name__.startswith("torch")


def public(space: str) -> list[str]:
    """What PyTorch says is public; of the larger spaces all that they show."""
    theirs = SPACES[space][0]
    names = set(getattr(theirs, "__all__", ()))
    if space in SHOWN or not names:
        names |= set(dir(theirs))
    own = [name for name in names if not name.startswith("_")]
    return sorted(name for name in own if is_own(getattr(theirs, name)))


@pytest.mark.parametrize("space", SPACES)
def test_names_are_there_or_refused(space: str) -> None:
    ours = SPACES[space][1]
    names = [name for name in public(space) if name not in INSIDES]
    assert names
    missing = [name for name in names if not hasattr(ours, name) and why(space, name) is None]
    assert not missing


@pytest.mark.parametrize("space", SPACES)
def test_nothing_is_refused_that_is_there(space: str) -> None:
    ours = SPACES[space][1]
    there = [name for name in dir(ours) if hasattr(ours, name)]
    assert [name for name in there if why(space, name) is not None] == []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.names.split()[0])
def test_errors_say_what_to_write(row: Any) -> None:
    for space in row.spaces.split():
        theirs, ours = SPACES[space]
        for name in row.names.split():
            known = hasattr(theirs, name) if "*" not in name else False
            if not known:
                continue
            for owner in [ours, weft.ones(2)] if space == "Tensor" else [ours]:
                with pytest.raises(AttributeError) as error:
                    getattr(owner, name)
                assert isinstance(error.value, weft.MissingAttributeError)
                assert row.reason in str(error.value)
                assert "; write " in str(error.value)
                assert __file__ in str(error.value)


def test_names_that_nobody_has() -> None:
    for owner in (weft, weft.nn, weft.nn.functional, weft.optim, weft.nn.utils):
        with pytest.raises(AttributeError, match=f"'{owner.__name__}' has no attribute 'nothing'"):
            owner.nothing  # noqa: B018
    x = weft.ones(2)
    with pytest.raises(AttributeError, match="nothing"):
        x.nothing  # noqa: B018
    assert not hasattr(x, "to_sparse")
    assert pickle.loads(pickle.dumps(x)).tolist() == [1, 1]
    parameter = weft.nn.Parameter(x)
    parameter.values = 3
    assert parameter.values == 3
