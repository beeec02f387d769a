"""checkpoint: functions whose gradients compute again what they do not keep."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _core
from ._autodiff import _traced, tree_leaves, tree_map
from ._control_flow import _filled, _Region, _tensors
from ._core import Tensor
from ._creation import _fail, asarray
from ._errors import DTypeError, OptionError


@dataclass(frozen=True)
class _Policy:
    """Which values a checkpoint keeps: a word of the operation, and names."""

    saves: str
    names: tuple[str, ...] = ()


def _by_names(saves: str) -> Callable[..., _Policy]:
    def policy(*names: str) -> _Policy:
        for name in names:
            if not isinstance(name, str):
                raise _fail(DTypeError, f"checkpoint_policies: a name is a string, not {name!r}")
        return _Policy(saves, names)

    return policy


class checkpoint_policies:  # noqa: N801 (JAX's name)
    """What `checkpoint` keeps for the backward pass; JAX's names.

    =============================================  ====================================
    ``everything_saveable``                        all that the backward pass reads
    ``nothing_saveable``                           nothing (as without a policy)
    ``dots_saveable``                              results of matrix products and convolutions
    ``dots_with_no_batch_dims_saveable``           those of products without batch dimensions
    ``save_only_these_names(*names)``              what `checkpoint_name` gave one of the names
    ``save_any_names_but_these(*names)``           what it gave any other name
    ``save_anything_except_these_names(*names)``   all but that
    =============================================  ====================================

    What costs nothing to compute again, as another shape of a value, is never kept. A function of
    several operations that is one, as ``scaled_dot_product_attention``, counts as one.
    """

    everything_saveable = _Policy("everything")
    nothing_saveable = _Policy("")
    dots_saveable = checkpoint_dots = _Policy("contractions")
    dots_with_no_batch_dims_saveable = _Policy("unbatched_contractions")
    checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable
    save_only_these_names = staticmethod(_by_names("names"))
    save_any_names_but_these = staticmethod(_by_names("other_names"))
    save_anything_except_these_names = staticmethod(_by_names("all_but_names"))


def checkpoint_name(x: Any, name: str) -> Any:
    """``x`` itself, by a name that policies of `checkpoint` know.

    Args:
        x: a tensor, or a nested container of tensors.
        name: any string; several values may have one.

    Raises:
        DTypeError: the name is no string.
    """
    if not isinstance(name, str):
        raise _fail(DTypeError, f"checkpoint_name: a name is a string, not {name!r}")
    if not _core.is_tracing():
        return tree_map(asarray, x)
    return tree_map(lambda leaf: _core.named(asarray(leaf), name), x)


def _budget(memory_budget: Any) -> int:
    """A number of bytes; -1 for none."""
    if memory_budget is None:
        return -1
    try:
        count = -1 if isinstance(memory_budget, bool) else operator.index(memory_budget)
    except TypeError:
        count = -1
    if count < 0:
        raise _fail(
            OptionError, f"checkpoint: memory_budget counts bytes, so it can't be {memory_budget!r}"
        )
    return count


def checkpoint(
    fun: Callable,
    *args: Any,
    policy: Any = None,
    memory_budget: int | None = None,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """A function of the same value whose gradients keep none of the values in it.

    The backward pass computes them again, from the arguments and from what the function reads:
    more time, less memory. Values and gradients are the same to the bit, and random numbers that it
    draws are the same ones.

    Args:
        fun: takes and returns nested containers of tensors. It may read tensors from outside, but
            not change them.
        args, kwargs: if there are any, ``fun`` is called with them at once, as by PyTorch's
            ``torch.utils.checkpoint.checkpoint``.
        policy: which values are kept nevertheless, one of `checkpoint_policies`. In effect where
            function and gradient are compiled together: what is called outside of a compiled
            function, and differentiated by ``backward()`` later, keeps its arguments alone.
        memory_budget: how many bytes of such values may be kept, those that spare the most work for
            each byte; without a policy of any values.
        use_reentrant, preserve_rng_state: are there for PyTorch's programs, and change nothing:
            there is one way, and random numbers are always the same.

    Returns:
        The function, or what it returns for the arguments.

    Raises:
        DTypeError: ``fun`` can't be called, or the policy is none. OptionError: the budget is no
        number of bytes. UnsupportedError: ``fun`` changes a tensor from outside.
    """
    if not callable(fun):
        raise _fail(DTypeError, f"checkpoint takes a function, not {fun!r}")
    if policy is not None and not isinstance(policy, _Policy):
        raise _fail(
            DTypeError,
            f"checkpoint: policy is {policy!r}, but has to be one of weft.checkpoint_policies",
        )
    chosen = policy or _Policy("")
    budget = _budget(memory_budget)
    if policy == checkpoint_policies.nothing_saveable:
        budget = -1

    def evaluate(*given: Any, **named: Any) -> Any:
        results: list[Any] = []

        def body(_: list[Tensor]) -> list[Tensor]:
            results.append(_tensors(fun(*given, **named)))
            return tree_leaves(results[0])

        with _Region() as region:
            region.add("checkpoint", [], [], body)
            state = region.hand_on(place=len(tree_leaves(results[0])))
            leaves = _core.checkpoint_op(chosen.saves, list(chosen.names), budget, region.tracked)
        return _filled(results[0], state.left(leaves))

    wrapped = functools.wraps(fun)(_traced(evaluate, fun))
    wrapped._made_of = fun  # type: ignore[attr-defined]
    return wrapped(*args, **kwargs) if args or kwargs else wrapped
