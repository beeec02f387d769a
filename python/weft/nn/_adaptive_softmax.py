"""A softmax over many classes, most of which are rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .. import _ops
from .._core import Tensor
from .._creation import _fail
from .._errors import OptionError, ShapeError
from .._functional import log_softmax
from .._gathering import take_along_axis
from .._manipulation import concat, expand_dims, integer_indices, narrow, squeeze, without_negative
from .._reductions import argmax, mean
from ._containers import ModuleList, Sequential
from ._layers import Linear
from ._module import Module


class AdaptiveLogSoftmaxOutput(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` returns."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The loss of a softmax over classes in order of how often they are (Grave et al., "Efficient
    softmax approximation for GPUs", 2017).

    A first softmax is over the classes below the first cutoff and the clusters of the others; each
    cluster has one of its own over its classes, of fewer features the rarer they are. All clusters
    are computed for all rows, as shapes do not depend on values.

    Args:
        in_features: those of the input.
        n_classes: how many classes there are.
        cutoffs: where the clusters begin, ascending in (0, n_classes).
        div_value: by which power of it the features of each cluster are fewer.
        head_bias: with a bias in the first softmax.

    Attributes:
        head: a `Linear`; tail: for each cluster two of them.

    Raises:
        OptionError: the cutoffs are not as they have to be.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        given = [int(cutoff) for cutoff in cutoffs]
        if (
            not given
            or given != sorted(set(given))
            or given[0] <= 0
            or given[-1] >= n_classes
            or given != list(cutoffs)
        ):
            raise _fail(
                OptionError,
                "AdaptiveLogSoftmaxWithLoss: cutoffs have to be different integers in (0, "
                f"{n_classes}) in ascending order, not {list(cutoffs)}",
            )
        self.in_features, self.n_classes, self.div_value = in_features, n_classes, div_value
        self.cutoffs, self.head_bias = [*given, n_classes], head_bias
        self.shortlist_size, self.n_clusters = given[0], len(given)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            count = self.cutoffs[i + 1] - self.cutoffs[i]
            first = Linear(in_features, width, bias=False, device=device, dtype=dtype)
            second = Linear(width, count, bias=False, device=device, dtype=dtype)
            self.tail.append(Sequential(first, second))

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        self.head.reset_parameters()
        for layers in self.tail:
            for layer in layers.children():
                layer.reset_parameters()

    def _checked(self, input: Tensor) -> Tensor:
        if input.ndim not in (1, 2) or input.shape[-1] != self.in_features:
            raise _fail(
                ShapeError,
                f"AdaptiveLogSoftmaxWithLoss: the input has shape {input.shape}, but has to be "
                f"[N, {self.in_features}] or [{self.in_features}]",
            )
        return expand_dims(input) if input.ndim == 1 else input

    def forward(self, input: Tensor, target: Tensor) -> AdaptiveLogSoftmaxOutput:
        """The logarithm of each target's probability [N], and minus the mean of these.

        Args:
            input: [N, in_features], or [in_features] of one.
            target: classes [N], or of one [].

        Raises:
            ShapeError: the shapes do not fit. OutOfBoundsError: there is no such class.
        """
        x = self._checked(input)
        classes = integer_indices(target, "AdaptiveLogSoftmaxWithLoss")
        if classes.shape != input.shape[:-1]:
            raise _fail(
                ShapeError,
                f"AdaptiveLogSoftmaxWithLoss: the target has shape {classes.shape}, but the input "
                f"{input.shape}",
            )
        classes = classes if classes.ndim else expand_dims(classes)
        name = "AdaptiveLogSoftmaxWithLoss"
        classes = without_negative(classes, self.n_classes, name, "class")
        head = log_softmax(self.head(x), 1)
        place, parts = classes, []
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:], strict=False)):
            inside = (classes >= low) & (classes < high)
            place = _ops.where(inside, self.shortlist_size + i, place)
            parts.append((inside, _ops.where(inside, classes - low, 0)))
        output = _picked(head, place)
        for layers, (inside, own) in zip(self.tail, parts, strict=True):
            found = _picked(log_softmax(layers(x), 1), own)
            output = output + _ops.where(inside, found, 0.0)
        loss = -mean(output)
        return AdaptiveLogSoftmaxOutput(squeeze(output, 0) if input.ndim == 1 else output, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithms of the probabilities of all classes: [N, n_classes], or [n_classes].

        Raises:
            ShapeError: the input has other features.
        """
        x = self._checked(input)
        head = log_softmax(self.head(x), 1)
        parts = [narrow(head, 1, 0, self.shortlist_size)]
        for i, layers in enumerate(self.tail):
            cluster = narrow(head, 1, self.shortlist_size + i, 1)
            parts.append(log_softmax(layers(x), 1) + cluster)
        result = concat(parts, axis=1)
        return squeeze(result, 0) if input.ndim == 1 else result

    def predict(self, input: Tensor) -> Tensor:
        """The class of the largest probability: [N], or []. Raises ShapeError."""
        return argmax(self.log_prob(input), axis=-1)


def _picked(rows: Tensor, places: Tensor) -> Tensor:
    """Of each row the element at its place."""
    return squeeze(take_along_axis(rows, expand_dims(places, axis=1), axis=1), 1)
