"""Transformations of functions by the names that PyTorch's module of this name has.

They are those of `weft` itself: `grad`, `vjp`, `jvp`, `vmap` and the others follow JAX, as
PyTorch's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._autodiff import grad, jvp, value_and_grad, vjp
from ._batching import hessian, jacfwd, jacrev, vmap
from ._core import Tensor
from ._creation import _fail
from ._errors import DTypeError, OptionError
from ._linearize import linearize
from ._manipulation import stack
from ._refused import refusing as _refusing
from .nn._functional_call import functional_call
from .nn._module import Module
from .nn._normalization import _BatchNorm

__all__ = [
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]


def grad_and_value(
    func: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable:
    """A function that returns the gradient first and then the value; see `weft.value_and_grad`."""
    both = value_and_grad(func, argnums=argnums, has_aux=has_aux)

    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        value, gradient = both(*args, **kwargs)
        return gradient, value

    return evaluate


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """``func`` itself: in a trace each tensor is a value, so that nothing is left to take out.

    What changes tensors in place, or through views, is recorded as what it makes of them.

    Raises:
        OptionError: ``remove`` is neither "mutations" nor "mutations_and_views".
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise _fail(
            OptionError,
            f'functionalize: remove has to be "mutations" or "mutations_and_views", not {remove!r}',
        )
    return func


def stack_module_state(
    models: Sequence[Module],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of several modules of one make, each stacked: for an ensemble
    by ``vmap`` of `functional_call`.

    Returns:
        Two dicts by dotted names, of tensors [len(models), ...]. The parameters are leaves of their
        own, which require gradients as those of the modules do.

    Raises:
        OptionError: there is no module, or their classes, modes or names differ. ShapeError: their
            shapes do. DTypeError: one is no module.
    """
    models = list(models)
    if not models:
        raise _fail(OptionError, "stack_module_state: there has to be a module")
    for model in models:
        if not isinstance(model, Module):
            raise _fail(DTypeError, f"stack_module_state: {model!r} is not a module")
        if type(model) is not type(models[0]) or model.training != models[0].training:
            raise _fail(
                OptionError,
                "stack_module_state: all modules have to be of one class, and either in training "
                f"or not; the first is a {type(models[0]).__name__}",
            )
    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return _stacked(parameters, True), _stacked(buffers, False)


def _stacked(tables: list[dict[str, Any]], are_leaves: bool) -> dict[str, Tensor]:
    if any(table.keys() != tables[0].keys() for table in tables):
        raise _fail(OptionError, "stack_module_state: the modules have tensors of other names")
    result = {}
    for name, first in tables[0].items():
        made = stack([table[name].detach() for table in tables])
        result[name] = made.requires_grad_() if are_leaves and first.requires_grad else made
    return result


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Makes all `BatchNorm` layers in a module, itself included, use each batch's own statistics:
    there are no running ones left, which `vmap` could not change. Returns the module."""
    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.track_running_stats = False
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(module, name, None)
    return root


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("func")
