"""Random modules of `torch_layers` as modules of weft, as programs, and as object files."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import warnings
from typing import Any

import numpy as np
import torch
import weft
from torch_generated import unlike
from torch_layers import Arguments, Layer, call_of, difference

#: What a module that keeps to one size, mode or dtype says to other arguments.
REFUSALS = (weft.ShapeError, weft.DTypeError)
#: What PyTorch's manual forbids, and its code does all the same where it comes to no kernel, or to
#: one that does not check.
_LEFT_TO_PYTORCH = (
    r"larger than the padded input \[0,|leaves nothing of an input of shape \(0,"
    r"|output_padding is .* less than stride"
)


def _detached(arguments: Arguments, twin: bool = False) -> list[torch.Tensor]:
    return [x.detach() for x in arguments.make(twin)]


def _leaves(value: Any, kind: type) -> list[Any]:
    found = torch.utils._pytree.tree_leaves(value)
    return [x for x in found if isinstance(x, kind)]


def exported(layer: Layer) -> tuple[torch.nn.Module, torch.export.ExportedProgram] | None:
    """The module in eval mode, and its program for as many sizes as PyTorch and weft allow."""
    model = layer.build().eval()
    # PyTorch 2.13 writes files of programs with examples of size 1 that it can't take apart.
    sizes = {name: max(size, 2) for name, size in layer.calls[0].sizes.items()}
    example = dataclasses.replace(layer.calls[0], sizes=sizes)
    given = tuple(_detached(example))
    for names in ("NLM", "N", ""):
        dynamic = _open(example, names)
        with contextlib.suppress(Exception), torch.no_grad():
            program = torch.export.export(model, given, dynamic_shapes=(dynamic,))
            refusal = _refusal(program)
            if names == "" or "not known while exporting" not in refusal:
                return model, program
    return None


def _open(example: Arguments, names: str) -> tuple[dict[int, Any], ...]:
    """Which dimensions of the arguments are of these sizes."""
    larger = {name: size + (name in names) for name, size in example.sizes.items()}
    pairs = zip(example.make(), dataclasses.replace(example, sizes=larger).make())
    auto = torch.export.Dim.AUTO
    return tuple(
        {i: auto for i, (a, b) in enumerate(zip(x.shape, y.shape)) if a != b} for x, y in pairs
    )


def _refusal(program: torch.export.ExportedProgram) -> str:
    try:
        ours = weft.from_torch(program)
        weft.export(ours, *ours.specs)
    except weft.WeftError as error:
        return str(error)
    return ""


def _moved(x: torch.Tensor) -> Any:
    return weft.asarray(x.contiguous().numpy())


def _different(ours: list[Any], theirs: list[torch.Tensor], true: list[torch.Tensor]) -> str:
    if len(ours) != len(theirs):
        return f"{len(ours)} results for {len(theirs)}"
    for i, (mine, other, exact) in enumerate(zip(ours, theirs, true)):
        found = torch.from_numpy(np.array(mine.detach()))
        if problem := unlike(found, other.detach(), exact.detach(), 1.0):
            return f"result {i}: {problem}"
    return ""


def _gradients(results: list[torch.Tensor], leaves: list[torch.Tensor]) -> list[Any]:
    roots = [x for x in results if x.requires_grad]
    if not roots or not leaves:
        return []
    seeds = [torch.ones_like(x) for x in roots]
    return list(torch.autograd.grad(roots, leaves, seeds, allow_unused=True))


def _slopes_problem(ours: Any, layer: Layer, arguments: Arguments) -> str:
    """Compares the gradients of the results' sum by arguments and parameters."""
    found = []
    for twin in (False, True):
        model = layer.build().eval()
        model = model.double() if twin else model
        given = arguments.make(twin)
        leaves = [x for x in given if x.requires_grad]
        names = [name for name, p in model.named_parameters() if p.requires_grad]
        leaves += [model.get_parameter(name) for name in names]
        found.append(_gradients(_leaves(model(*given), torch.Tensor), leaves))
    if not found[0]:
        return ""
    mine = [_moved(x) for x in _detached(arguments)]
    for x, like in zip(mine, arguments.make()):
        x.requires_grad = like.requires_grad
    results = [x for x in _leaves(ours(*mine), weft.Tensor) if x.requires_grad]
    parameters = dict(ours.named_parameters())
    leaves = [x for x in mine if x.requires_grad] + [parameters[name] for name in names]
    slopes = weft.autograd.grad(
        results, leaves, [weft.ones_like(x) for x in results], allow_unused=True
    )
    largest = max([1.0, *(float(x.abs().max()) for x in found[1] if x is not None and x.numel())])
    for i, (slope, theirs, true) in enumerate(zip(slopes, *found, strict=True)):
        if theirs is None:
            continue
        mine_ = torch.zeros_like(theirs) if slope is None else torch.tensor(np.array(slope))
        if problem := unlike(mine_, theirs, true, largest):
            return f"gradient {i}: {problem}"
    return ""


def module_problem(layer: Layer) -> str | None:
    """What is wrong with `weft.from_torch` of the module; None if PyTorch exports it not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = exported(layer)
        if made is None:
            return None
        model, program = made
        twin = layer.build().double().eval()
        try:
            ours = weft.from_torch(program)
        except weft.UnsupportedError as error:
            return f"refused: {error}"
        fixed = weft.export(ours, *ours.specs)
        for number, arguments in enumerate(layer.calls):
            given = [_moved(x) for x in _detached(arguments)]
            try:
                results = ours(*given)
            except REFUSALS:
                continue
            theirs = _leaves(model(*_detached(arguments)), torch.Tensor)
            true = _leaves(twin(*_detached(arguments, True)), torch.Tensor)
            for name, call in (("eager", None), ("jit", weft.jit(ours)), ("program", fixed)):
                found = results if call is None else call(*given)
                if problem := _different(_leaves(found, weft.Tensor), theirs, true):
                    return f"call {number}, {name}: {problem}"
            if problem := _slopes_problem(ours, layer, arguments):
                return f"call {number}: {problem}"
    return ""


def returned_problem(layer: Layer) -> str | None:
    """What is wrong with `weft.to_torch` of weft's module of that name; None if there is none."""
    if len(layer.modules) != 1 or not re.fullmatch(r"self\.m\[0\]\(a(, b(, c)?)?\)", layer.text):
        return None
    if re.search("Dropout|RReLU|return_indices|LSTM|GRU|RNN", layer.modules[0]):
        return None
    theirs, twin = (layer.build().m[0] for _ in range(2))
    try:
        ours = weft.to_torch(eval(layer.modules[0], {"nn": weft.nn, "torch": weft}))
    except (weft.WeftError, AttributeError):
        return None
    if list(ours.state_dict()) != list(theirs.state_dict()):
        return None
    ours.load_state_dict(theirs.state_dict())
    for number, arguments in enumerate(layer.calls):
        try:
            found = call_of(ours, arguments)
        except weft.WeftError as error:
            if re.search(_LEFT_TO_PYTORCH, str(error)):
                return None
            return f"call {number}: refused: {error}"
        expected, true = call_of(theirs, arguments), call_of(twin.double(), arguments, True)
        for one in (found, expected):  # weft's results are dense, in the order of their dimensions
            one.facts = {n: f[:2] for n, f in one.facts.items() if isinstance(f, tuple)}
        for name, slope in list(found.tensors.items()):
            if name not in expected.tensors and not slope.any():
                del found.tensors[name]  # zero, where PyTorch has none
        if problem := difference(found, expected, true):
            return f"call {number}: {problem}"
    return ""
