"""Losses as modules: ``loss(prediction, target)``.

Of all of them ``reduction`` is "mean", "sum" or "none", and ``size_average`` and ``reduce`` are
PyTorch's older names of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .._core import Tensor
from . import functional
from ._ctc_loss import Lengths
from ._distances import PairwiseDistance
from ._layers import Linear
from ._loss_functions import REDUCTIONS, chosen_reduction
from ._module import Module


class _Loss(Module):
    """A function of `functional`; its options are attributes of the loss."""

    #: The function, the options that it is given by name, and what the reduction may be.
    _function = ""
    _settings: tuple[str, ...] = ()
    _reductions: tuple[str, ...] = REDUCTIONS

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.reduction = chosen_reduction(
            reduction, size_average, reduce, type(self).__name__, self._reductions
        )

    def _loss(self, *tensors: Tensor) -> Tensor:
        options = {name: getattr(self, name) for name in self._settings}
        return getattr(functional, self._function)(*tensors, reduction=self.reduction, **options)


class _PairLoss(_Loss):
    """A loss of one prediction and one target."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the input; see the function of `functional`."""
        return self._loss(input, target)


class _RankedPairLoss(_Loss):
    """A loss of two tensors, and of a target that says how they are to be to each other."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    _settings = ("margin",)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss of both inputs; see the function of `functional`."""
        return self._loss(input1, input2, target)


class _TripletLoss(_Loss):
    """A loss of triplets."""

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of the triplets; see the function of `functional`."""
        return self._loss(anchor, positive, negative)


class _WeightedLoss(_PairLoss):
    """A loss of one prediction and one target with a weight, which is a buffer."""

    _settings: tuple[str, ...] = ("weight",)

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


# Of elements ---------------------------------------------------------------------------------


class MSELoss(_PairLoss):
    """The squared difference of two tensors of one shape."""

    _function = "mse_loss"


class L1Loss(_PairLoss):
    """The absolute difference of two tensors of one shape."""

    _function = "l1_loss"


class SmoothL1Loss(_PairLoss):
    """The absolute difference minus beta / 2; below beta a parabola."""

    _function, _settings = "smooth_l1_loss", ("beta",)

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta


class HuberLoss(_PairLoss):
    """Half the squared difference up to delta, beyond it a line of slope delta."""

    _function, _settings = "huber_loss", ("delta",)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta


class SoftMarginLoss(_PairLoss):
    """log(1 + exp(-target * input)) of targets 1 and -1."""

    _function = "soft_margin_loss"


class HingeEmbeddingLoss(_PairLoss):
    """The input where the target is 1, max(margin - input, 0) where it is -1."""

    _function, _settings = "hinge_embedding_loss", ("margin",)

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


# Of distributions ----------------------------------------------------------------------------


class BCELoss(_WeightedLoss):
    """The cross entropy of probabilities and the target, both of one shape.

    Args:
        weight: a factor for each loss, broadcast.
    """

    _function = "binary_cross_entropy"


class BCEWithLogitsLoss(_WeightedLoss):
    """The cross entropy of sigmoid(input) and the target, both of one shape.

    Args:
        weight: a factor for each loss, broadcast.
        pos_weight: a factor for the share of the positive class, broadcast.
    """

    _function, _settings = "binary_cross_entropy_with_logits", ("weight", "pos_weight")

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)


class KLDivLoss(_PairLoss):
    """target * (log(target) - input); with ``log_target`` of the target's logarithm.

    ``reduction`` may also be "batchmean", which divides by the size of the first dimension.
    """

    _function, _settings = "kl_div", ("log_target",)
    _reductions = (*REDUCTIONS, "batchmean")

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target


class PoissonNLLLoss(_PairLoss):
    """-log of the probability of the target by Poisson's distribution.

    See `functional.poisson_nll_loss` for the arguments.
    """

    _function, _settings = "poisson_nll_loss", ("log_input", "full", "eps")

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps


class GaussianNLLLoss(_Loss):
    """-log of the density of the target by normal distributions, whose variances are given too.

    See `functional.gaussian_nll_loss` for the arguments.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """See `functional.gaussian_nll_loss`."""
        return functional.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


# Of pairs and triplets -----------------------------------------------------------------------


class MarginRankingLoss(_RankedPairLoss):
    """max(margin - target * (input1 - input2), 0) of targets 1 and -1."""

    _function = "margin_ranking_loss"


class CosineEmbeddingLoss(_RankedPairLoss):
    """1 - cos of vectors where the target is 1, max(cos - margin, 0) where it is -1."""

    _function = "cosine_embedding_loss"


class TripletMarginLoss(_TripletLoss):
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0) of the distance of order p.

    See `functional.triplet_margin_loss` for the arguments.
    """

    _function, _settings = "triplet_margin_loss", ("margin", "p", "eps", "swap")

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap


class TripletMarginWithDistanceLoss(_TripletLoss):
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0) of any distance d.

    See `functional.triplet_margin_with_distance_loss` for the arguments.
    """

    _function = "triplet_margin_with_distance_loss"
    _settings = ("distance_function", "margin", "swap")

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.distance_function = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin, self.swap = margin, swap


# Of classes and labels -----------------------------------------------------------------------


class _ClassLoss(_WeightedLoss):
    """A loss of class numbers, of which one may count for nothing."""

    _settings: tuple[str, ...] = ("weight", "ignore_index")

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index


class CrossEntropyLoss(_ClassLoss):
    """-log_softmax(input) at the target classes: input [N, C, ...], target [N, ...] of integers.

    Args:
        weight: a factor for each class [C].
        ignore_index: targets that count for nothing.
        label_smoothing: the share of the target that goes to all classes alike.
    """

    _function, _settings = "cross_entropy", ("weight", "ignore_index", "label_smoothing")

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        self.label_smoothing = label_smoothing


class NLLLoss(_ClassLoss):
    """-input at the target classes: input [N, C, ...] are logarithms of probabilities."""

    _function = "nll_loss"


class NLLLoss2d(NLLLoss):
    """`NLLLoss`, which takes images too; PyTorch's older name of it."""


class MultiMarginLoss(_WeightedLoss):
    """The mean over the classes of max(margin - own + other, 0) to the power of p.

    See `functional.multi_margin_loss` for the arguments.
    """

    _function, _settings = "multi_margin_loss", ("p", "margin", "weight")

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.p, self.margin = p, margin


class MultiLabelMarginLoss(_PairLoss):
    """The sum of max(1 - own + other, 0) over the labels' scores and those of the other classes."""

    _function = "multilabel_margin_loss"


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over the classes of the cross entropies of sigmoid(input) and the target.

    Args:
        weight: a factor for each class [C].
    """

    _function = "multilabel_soft_margin_loss"


# Of sequences --------------------------------------------------------------------------------


class CTCLoss(_Loss):
    """-log of the probability of labels, over all their alignments to the time steps.

    See `functional.ctc_loss` for the arguments.
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths
    ) -> Tensor:
        """See `functional.ctc_loss`."""
        return functional.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )


class LinearCrossEntropyLoss(Module):
    """`CrossEntropyLoss` of a `Linear` of the input; see `functional.linear_cross_entropy`.

    Args:
        in_features: those of the input.
        num_classes: C.
        out_features: the sizes of what there is a class for at each place, by default one.
        bias: whether the `Linear` has a bias.
        device, dtype: of the `Linear`.
        weight, reduction, ignore_index, label_smoothing: those of `CrossEntropyLoss`.
        options: only None.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: object = None,
        dtype: object = None,
        weight: Tensor | None = None,
        reduction: str = "mean",
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: None = None,
    ) -> None:
        super().__init__()
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        self.reduction = chosen_reduction(reduction, None, None, "LinearCrossEntropyLoss")
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.options = options
        self.register_buffer("weight", weight)
        rows = num_classes * math.prod(self.out_features)
        self.linear = Linear(in_features, rows, bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the input [N, in_features] or [in_features]; see `functional`."""
        shape, weight = (self.num_classes, *self.out_features), self.linear.weight
        bias = self.linear.bias
        return functional.linear_cross_entropy(
            input,
            weight.reshape((*shape, weight.shape[-1])),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )
