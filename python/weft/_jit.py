"""Compiling functions."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from ._creation import _fail
from ._errors import DTypeError, OptionError
from ._profile import Profile


class CompiledFunction(_core.JitFunction):
    """What `jit` returns: called as the function itself.

    Copies and pickles as functions do, by reference; a copy of a bound method belongs to the copy
    of its object.
    """

    _options: tuple[tuple[int, ...], tuple[str, ...], bool, bool, str]

    def __copy__(self) -> CompiledFunction:
        return self

    def __deepcopy__(self, memo: dict) -> CompiledFunction:
        function = copy.deepcopy(self._function, memo)
        return self if function is self._function else _compiled(function, *self._options)

    def __reduce__(self) -> str | tuple:
        found: Any = sys.modules.get(self.__module__)
        for name in self.__qualname__.split("."):
            found = getattr(found, name, None)
        return self.__qualname__ if found is self else (_compiled, (self._function, *self._options))

    def lower(self, *args: Any, target: str = "", **kwargs: Any) -> _core.Lowered:
        """The traced function for these arguments.

        Its ``ir(level)`` is the IR at level "weft", "kernels", "loops", "llvm" or "asm".

        Args:
            target: a GPU, "cuda:sm_80" or "cuda:sm_90a", whose last level is "ptx" instead of
                "asm"; by default this processor.
        """
        return self._lower(*args, **kwargs)._for_target(target)

    def stats(self) -> dict[str, Any]:
        """Counters and seconds of this function.

        Counted are ``calls``, ``traces``, ``compiles``, the ``kernels`` that they launch, of which
        ``kernels_compiled`` were compiled, and ``cache_hits`` in this process and
        ``disk_cache_hits`` were found. ``compile_seconds`` is spent in passes, in emitting LLVM IR,
        in generating code and in loading it (``pass_seconds``, ``emit_seconds``,
        ``codegen_seconds``, ``load_seconds``); ``trace_seconds`` before that.
        ``retraces`` says for each trace after the first what had changed, ``not_watched`` what
        traces read that later calls can't compare. ``uncompiled_calls`` ran the function as it is,
        ``uncompiled`` says which question had too many answers.
        """
        return self._statistics()

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """What the call with these arguments runs: kernel by kernel, and why it was traced anew.

        Apart stand the kernels that run when tensors from outside are first seen: what they
        compute is kept with these tensors. Of a function that asks for values of tensors, all paths
        that calls with such arguments took are listed, with the lines that cut it and the answers.
        """
        from ._explain import explain_paths, explain_text

        found = self._paths(*args, **kwargs)
        if found is not None:
            paths, kernels = found
            return explain_paths(paths, kernels, self._statistics())
        lowered = self._lower(*args, **kwargs)
        return explain_text(lowered._kernels(), lowered._kernels(True), self._statistics())

    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """The time of each kernel of the call with these arguments; prints as a table.

        The kernels run some ten times on their own: the call itself is not made, and no tensor
        changes.
        """
        return Profile(self._profile(*args, **kwargs))


def _static_parameters(
    function: Callable, numbers: Sequence[int], names: Sequence[str]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Static arguments by position and by name, each given in both ways where possible."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return tuple(numbers), tuple(names)
    known = [parameter.name for parameter in parameters]
    for name in names:
        if (
            name not in known
            and parameters[-1:]
            and parameters[-1].kind is not inspect.Parameter.VAR_KEYWORD
        ):
            raise _fail(OptionError, f"static_argnames: the function has no parameter {name!r}")
    numbers = [number % len(known) if number < 0 else number for number in numbers]
    all_names = set(names) | {known[number] for number in numbers if number < len(known)}
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    all_numbers = set(numbers) | {
        i
        for i, parameter in enumerate(parameters)
        if parameter.name in all_names and parameter.kind in positional
    }
    return tuple(sorted(all_numbers)), tuple(sorted(all_names))


def jit(
    fun: Callable | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    strict: bool = False,
    prepare: bool = True,
    matmul_precision: str | None = None,
) -> Any:
    """Compiles a function; usable as a decorator.

    The function is run once on tracers for each new structure, dtype and shape of its arguments.
    Tensors that it reads from outside become inputs of the compiled code, tensors that it changes
    become outputs; all else that it reads from outside is compared at each call, and a change
    traces again. See docs/compiled-functions.md.

    Args:
        fun: a function of nested containers of tensors, arrays and numbers, and of any objects.
        static_argnums, static_argnames: arguments that are constants of the compiled code, numbers
            in them too; another type or value traces again, and so does a change of a list, dict
            or object.
        strict: whether reading what can't be watched (a clock, a file, an iterator) is an error,
            and asking for the value of a tensor (``if``, ``.item()``), which cuts the function in
            pieces.
        prepare: whether what depends on tensors from outside alone, as a transposed weight, is
            computed once for each of them and kept with it. The results are the same.
        matmul_precision: "bf16" rounds the operands of products and convolutions of float32, also
            those of gradients that the function computes, to bfloat16: weights are kept and read as
            such. Sums stay float32: an element of a product differs by at most 2^-7 of the sum of
            the products' sizes, unless a number is rounded to infinity (from 3.39e38). A backward()
            outside of the function is of float32.

    Raises:
        DTypeError: ``fun`` can't be called. OptionError: a static argument has no parameter;
            matmul_precision is neither "bf16" nor None, or that of a function that is called in
            another one which has it not.
        UnsupportedError: at a call with ``strict``: names what is read or asked, and where.
    """
    if fun is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            strict=strict,
            prepare=prepare,
            matmul_precision=matmul_precision,
        )
    if matmul_precision not in (None, "bf16"):
        raise _fail(
            OptionError, f'jit: matmul_precision is "bf16" or None, not {matmul_precision!r}'
        )
    if not callable(fun):
        raise _fail(DTypeError, f"jit takes a function, not a {type(fun).__name__}")
    if isinstance(fun, CompiledFunction):
        if matmul_precision in (None, precision_of(fun)):
            return fun
        return _compiled(fun._function, *fun._options[:-1], matmul_precision)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    static = _static_parameters(fun, numbers, names)
    return _compiled(fun, *static, strict, prepare, matmul_precision or "")


def precision_of(function: Any) -> str | None:
    """The matmul_precision of a compiled function, or of the one that another is made of: a bound
    method, a partial function, a gradient, a module's forward."""
    while function is not None and not isinstance(function, CompiledFunction):
        if isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, functools.partial):
            function = function.func
        else:
            forward = getattr(type(function), "forward", None)
            function = getattr(function, "_made_of", forward)
    return None if function is None else function._options[-1] or None


def _compiled(
    function: Callable,
    numbers: tuple[int, ...],
    names: tuple[str, ...],
    strict: bool = False,
    prepare: bool = True,
    matmul_precision: str = "",
) -> CompiledFunction:
    result = CompiledFunction(function, numbers, names, strict, prepare, matmul_precision)
    result._options = numbers, names, strict, prepare, matmul_precision
    functools.update_wrapper(result, function, updated=())
    return result
