"""Errors about arguments: what Python raises inside of weft becomes an error of weft.

Where a function fails with one of Python's own errors, its arguments are compared with its
annotations: the first that does not fit is named, with what it has to be. Beforehand only those are
looked at that Python takes without an error, and for something else: any object is true or false,
and a float may be as good as an integer for a while.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import numbers
import re
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ._core import SymbolicSize, Tensor
from ._creation import _fail
from ._errors import (
    DTypeError,
    NameUseError,
    OutOfBoundsError,
    OutOfRangeError,
    ShapeError,
    WeftError,
)
from ._spelling import respelled

_PACKAGE = str(Path(__file__).parent)

#: What becomes of Python's errors where the arguments are of the right types; None: nothing.
_KINDS: dict[type[Exception], type[WeftError] | None] = {
    TypeError: DTypeError,
    AttributeError: DTypeError,
    ValueError: ShapeError,
    IndexError: OutOfBoundsError,
    KeyError: NameUseError,
    ArithmeticError: OutOfRangeError,
    RuntimeError: None,
}


def _is_bit(value: Any) -> bool:
    """Whether a number stands for a bool in files of models and in NumPy."""
    return isinstance(value, numbers.Integral) and value in (0, 1)


def _elements_fit(hints: tuple, value: Any) -> bool:
    if not hints or isinstance(value, (str, Tensor, np.ndarray)):
        return True
    wanted = [hint for hint in hints if hint is not Ellipsis]
    items = list(value)
    if len(wanted) > 1:
        return len(wanted) == len(items) and all(map(_fits, wanted, items))
    return all(_fits(wanted[0], item) for item in items)


#: For an annotation what may be given, and how to say it.
_FORMS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    Tensor: (lambda value: isinstance(value, Tensor), "a tensor"),
    int: (lambda value: isinstance(value, (typing.SupportsIndex, SymbolicSize)), "an integer"),
    float: (lambda value: isinstance(value, (numbers.Real, Tensor, SymbolicSize)), "a number"),
    bool: (lambda value: isinstance(value, (bool, np.bool_, Tensor)) or _is_bit(value), "a bool"),
    str: (lambda value: isinstance(value, str), "a string"),
    Sequence: (lambda value: isinstance(value, (list, tuple)), "a sequence"),
    Iterable: (lambda value: hasattr(value, "__iter__"), "an iterable"),
    Mapping: (lambda value: isinstance(value, Mapping), "a mapping"),
    Callable: (callable, "a function"),
    type(None): (lambda value: value is None, "None"),
}
_FORMS[typing.SupportsIndex] = _FORMS[int]
_FORMS[list] = _FORMS[tuple] = _FORMS[Sequence]


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value is what an annotation says; true for annotations not known here."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(option, value) for option in typing.get_args(hint))
    form = _FORMS.get(typing.get_origin(hint) or hint)
    if form is None:
        return not (isinstance(hint, type) and hint.__module__.startswith("weft")) or isinstance(
            value, hint
        )
    return form[0](value) and (
        form in (_FORMS[Callable], _FORMS[Mapping]) or _elements_fit(typing.get_args(hint), value)
    )


def _words(hint: Any) -> str:
    """An annotation in words: "a sequence of integers"."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(option) for option in typing.get_args(hint)))
    form = _FORMS.get(typing.get_origin(hint) or hint)
    if form is None:
        return f"a {getattr(hint, '__name__', hint)}"
    if form not in (_FORMS[Sequence], _FORMS[Iterable]) or typing.get_args(hint) in ((), (Any,)):
        return form[1]
    return f"{form[1]} of which each is {_words(typing.get_args(hint)[0])}"


def _misfit(function: Callable, arguments: tuple, options: dict) -> str | None:
    """What is wrong with the first argument that its annotation does not describe."""
    try:
        bound = inspect.signature(function).bind(*arguments, **options).arguments
        hints = typing.get_type_hints(function)
    except (TypeError, NameError):
        return None
    parameters = inspect.signature(function).parameters
    for name, value in bound.items():
        many = parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        for item in value if many else [value]:
            if name in hints and not _fits(hints[name], item):
                return f"{name} has to be {_words(hints[name])}, not {_shown(item)}"
    return None


def _shown(value: Any) -> str:
    plain = isinstance(value, (str, numbers.Number, type(None)))
    return repr(value) if plain else f"a {type(value).__name__}"


def _is_own(error: BaseException) -> bool:
    """Whether an error comes from weft's own code alone, called as its signature says."""
    trace = error.__traceback__
    files = []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    # Decorators such as no_grad stand between.
    return len(files) > 1 and all(
        file.startswith(_PACKAGE) or file == contextlib.__file__ for file in files
    )


#: The place and the operation that a message begins with.
_NAMED = re.compile(r"(?P<place>(?:[^\n]*?:\d+: )?)(?P<name>\w+): ")
_inner_messages: weakref.WeakKeyDictionary[WeftError, str] = weakref.WeakKeyDictionary()


def _name_caller(error: WeftError, name: str) -> None:
    """Puts the function that the user called before the operation of it that failed."""
    if not error.args or not _is_own(error):
        return
    message = _inner_messages.setdefault(error, str(error.args[0]))
    found = _NAMED.match(message)
    if found:
        rest = message[found.end("place") :]
        # What calls itself by its own functions has its name once.
        named = rest if found["name"] == name else f"{name}: {rest}"
        error.args = (f"{found['place']}{named}", *error.args[1:])


def _other_spelling(
    function: Callable, owner: type, arguments: tuple, options: dict, error: Exception
) -> Callable[[], Any] | None:
    """The call as the other spelling has it, if it did not fit the signature."""
    trace = error.__traceback__
    if not isinstance(error, TypeError) or trace is None or trace.tb_next is not None:
        return None
    return respelled(function, owner is not object, arguments, options)


def _raise_own(function: Callable, arguments: tuple, options: dict, error: Exception) -> NoReturn:
    """Raises one of weft's errors for one of Python's that comes from inside of the function."""
    name = function.__name__.strip("_")
    if name == "init" and arguments:
        name = type(arguments[0]).__name__
    misfit = _misfit(function, arguments, options)
    if misfit is not None:
        raise _fail(DTypeError, f"{name}: {misfit}") from None
    kind = next(own for python, own in _KINDS.items() if isinstance(error, python))
    if kind is None:
        raise error
    raise _fail(kind, f"{name}: {error}") from error


class _DeceivingError(TypeError):
    """An argument that Python would take for something else."""


#: Annotations whose arguments are looked at beforehand, as they are written.
_FLAGS = {f"{name}{end}" for name in ("bool", "builtins.bool") for end in ("", " | None")}
_COUNTS = {f"{name}{end}" for name in ("int", "builtins.int") for end in ("", " | None")}
#: Stands for an argument that is not given.
_NOT_GIVEN = True


def _deceptive(function: Callable) -> list[tuple[int, str, bool]]:
    """Place and name of the parameters that are bools or integers, and whether they are bools."""
    found = []
    for place, parameter in enumerate(inspect.signature(function).parameters.values()):
        hint = parameter.annotation
        hint = getattr(hint, "__name__", hint)
        is_single = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if is_single and hint in _FLAGS | _COUNTS:
            by_place = parameter.kind is not parameter.KEYWORD_ONLY
            found.append((place if by_place else sys.maxsize, parameter.name, hint in _FLAGS))
    return found


def _refuse_deceiving(name: str, value: Any, is_flag: bool) -> None:
    """Raises _DeceivingError for what is no bool, or a float in the place of an integer."""
    if is_flag and not (value is None or _fits(bool, value)):
        raise _DeceivingError(f"{name} has to be a bool, not {_shown(value)}")
    if not is_flag and isinstance(value, (float, np.floating)):
        raise _DeceivingError(f"{name} has to be an integer, not {_shown(value)}")


@functools.cache
def explained(function: Callable, owner: type = object) -> Callable:
    """The function, with errors of weft where Python's own come from inside of it.

    As a method it refuses to be called on anything but an ``owner``.
    """
    deceptive = _deceptive(function)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            if arguments and not isinstance(arguments[0], owner):
                raise _fail(
                    DTypeError,
                    f"{function.__name__.strip('_')}: a {type(arguments[0]).__name__} is no "
                    f"{owner.__name__}",
                )
            for place, name, is_flag in deceptive:
                given = place < len(arguments)
                value = arguments[place] if given else options.get(name, _NOT_GIVEN)
                if value.__class__ is not bool:
                    _refuse_deceiving(name, value, is_flag)
            return function(*arguments, **options)
        except WeftError as error:
            if owner is object:
                _name_caller(error, function.__name__)
            raise
        except tuple(_KINDS) as error:
            other = _other_spelling(function, owner, arguments, options, error)
            if other is None and not (isinstance(error, _DeceivingError) or _is_own(error)):
                raise
            if other is None:
                _raise_own(function, arguments, options, error)
        return other()

    # Functions are pickled by the name that they have in their own module.
    home = vars(sys.modules[function.__module__])
    if owner is object and home.get(function.__name__) is function:
        home[function.__name__] = call
    _explained.add(call)
    return call


def spelled(function: Callable, owner: type = object) -> Callable:
    """A function of an op record, which checks its arguments itself, for PyTorch's spelling, too.

    It is the public one, by whose name it is pickled, or a method of ``owner``; the package's own
    calls need no such.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except TypeError as error:
            other = _other_spelling(function, owner, arguments, options, error)
            if other is None:
                raise
        return other()

    if owner is object:
        call.__module__ = "weft"
    return call


_explained: set[Callable] = set()


def explain_errors(namespace: dict[str, Any] | type, names: Iterable[str]) -> None:
    """Puts `explained` functions in the place of those of a module or class with these names.

    Functions that the op records generate check their arguments themselves; see `spelled`.
    """
    members = vars(namespace) if isinstance(namespace, type) else namespace
    for name in names:
        member = members.get(name)
        if not isinstance(member, types.FunctionType) or member in _explained:
            continue
        if member.__module__ == "weft._ops":
            if isinstance(namespace, type):
                setattr(namespace, name, spelled(member, namespace))
            elif namespace is vars(sys.modules["weft"]):
                namespace[name] = spelled(member)
            continue
        if isinstance(namespace, type):
            setattr(namespace, name, explained(member, namespace))
        else:
            namespace[name] = explained(member)
