"""A whole graph as a callable: pieces of weft's, and between them what stays in PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.fx
from torch._subclasses.fake_tensor import unset_fake_temporarily

from . import _sizes
from ._aliases import chain, views_among
from ._graph import attribute, meta, of_sizes_alone
from ._pieces import Piece, SizesNeededError
from ._split import Split, operands, reads_shape_only, size_makers, split


class Compiled:
    """What the backend returns for a graph of ATen's ops; takes a list that it empties."""

    _boxed_call = True

    def __init__(
        self,
        module: torch.fx.GraphModule,
        kept: Sequence[int],
        kind: str,
        freezing: bool = False,
        returned: int | None = None,
    ) -> None:
        self.kind = kind
        self._freezing = freezing
        self._returned = returned
        self.module = module
        nodes = list(module.graph.nodes)
        self.placeholders = [node for node in nodes if node.op == "placeholder"]
        self.outputs = nodes[-1].args[0]
        self.constants = {n: attribute(module, n) for n in nodes if n.op == "get_attr"}
        self._kept = {self.placeholders[i] for i in kept if i < len(self.placeholders)}
        self.failed: dict[torch.fx.Node, str] = {}
        self.pieces: list[Piece] = []
        with unset_fake_temporarily():  # constants are read, not traced
            while not self._built():
                pass

    def _built(self) -> bool:
        """Splits and compiles; False if ops turned out to be beyond weft."""
        self.split: Split = split(self.module.graph, self.failed)
        self.pieces = []
        self.steps: list[Callable[[dict], None]] = []
        home = {n: i for i, stage in enumerate(self.split.stages) for n in stage.weft}
        # What the forward graph keeps for the backward one is nobody's to write to.
        shared = views_among(self.outputs[: self._returned], home)
        views = dict.fromkeys(n for node, root in shared.items() for n in chain(node, root))
        self._views = list(views)
        makers = set(size_makers(self.module.graph).values())
        results = self._results(home, shared)
        for stage in self.split.stages:
            if stage.weft:
                wanted = [n for n in stage.weft if n in results]
                piece = Piece(stage.weft, wanted, self.constants, self._kept, self._freezing)
                failed = piece.compile() if wanted else {}
                if failed:
                    self.failed.update(failed)
                    return False
                if wanted:
                    self.pieces.append(piece)
                    self.steps.append(piece)
            for node in stage.torch:
                self.steps.append(_in_torch(node))
                if node in makers:
                    self.steps.append(functools.partial(self._note_found, node))
        self.steps += [_in_torch(node) for node in views]
        self._note_sizes()
        return True

    def _note_sizes(self) -> None:
        """Which sizes have to be numbers outside of weft's programs."""
        ops = [node for node in self.module.graph.nodes if node.op == "call_function"]
        sized = [node for node in ops if of_sizes_alone(node)]
        readers = [*self.split.reasons, *self._views, self.module.graph.output_node()]
        read = {other for node in readers for other in node.all_input_nodes}
        read |= {n for piece in self.pieces if piece.specialised for n in piece.sizes}
        draws = any(reads_shape_only(node) for node in self.split.reasons)
        late = bool(size_makers(self.module.graph))
        self._needs_sizes = late or draws or any(node in read for node in sized)
        self._computed_sizes = sized if self._needs_sizes else []

    def _results(
        self, home: dict[torch.fx.Node, int], shared: dict[torch.fx.Node, torch.fx.Node]
    ) -> set[torch.fx.Node]:
        """The tensors of weft's stages that another stage, PyTorch or the caller reads."""
        returned = self.module.graph.output_node().all_input_nodes
        found = {shared.get(n, n) for n in returned if n in home}
        for node in self.module.graph.nodes:
            if node.op == "call_function":
                for other in operands(node):
                    if other in home and home[other] != home.get(node, -1):
                        found.add(other)
        return {node for node in found if isinstance(meta(node), torch.Tensor)}

    def __call__(self, args: list) -> Any:
        values: dict[Any, Any] = dict(zip(self.placeholders, args))
        args.clear()
        if self.constants:
            values.update(self.constants)
        if self._needs_sizes:
            self._bind(values)
        for step in self.steps:
            try:
                step(values)
            except SizesNeededError:
                self._note_sizes()
                self._bind(values)
                step(values)
        return [values.get(x) if isinstance(x, torch.fx.Node) else x for x in self.outputs]

    def _bind(self, values: dict) -> None:
        """The numbers of all sizes that ops outside of weft need."""
        numbers: dict[Any, Any] = {}
        for node in self.placeholders:
            _sizes.bind(meta(node), values[node], numbers)
        values["numbers"] = numbers
        self._compute_sizes(values)

    def _note_found(self, node: torch.fx.Node, values: dict) -> None:
        """The sizes that elements tell are known once PyTorch has computed the node."""
        _sizes.bind(meta(node), values[node], values["numbers"])
        self._compute_sizes(values)

    def _compute_sizes(self, values: dict) -> None:
        """The numbers of all sizes whose symbols are known."""
        numbers = values["numbers"]
        for node in self._computed_sizes:
            if node not in values and _sizes.symbols(meta(node)) <= numbers.keys():
                values[node] = _sizes.number_of(meta(node), numbers)


def _in_torch(node: torch.fx.Node) -> Callable[[dict], None]:
    """A step that calls a node's op in PyTorch."""
    shape_only = reads_shape_only(node)

    def step(values: dict) -> None:
        def given(other: torch.fx.Node) -> Any:
            return values[other]

        args = torch.fx.map_arg(node.args[shape_only:], given)
        if shape_only:
            # What is there stays: others read its elements.
            like: Any = node.args[0]
            known = values.get(like)
            args = (_stand_in(meta(like), values["numbers"]) if known is None else known, *args)
        target: Any = node.target
        values[node] = target(*args, **torch.fx.map_arg(node.kwargs, given))

    return step


def _stand_in(like: torch.Tensor, numbers: dict) -> torch.Tensor:
    """A tensor of that shape whose elements nobody reads."""
    shape = [_sizes.number_of(size, numbers) for size in like.shape]
    return torch.empty(shape, dtype=like.dtype)
