"""Tables of rows as layers."""

from __future__ import annotations

from .. import _ops
from .._core import Tensor
from .._creation import _fail, arange, empty, zeros_like
from .._errors import OptionError, ShapeError, UnsupportedError
from . import functional, init
from ._module import Module
from ._parameter import Parameter


class _Table(Module):
    """What `Embedding` and `EmbeddingBag` share: a weight [num_embeddings, embedding_dim]."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Tensor | None,
        freeze: bool,
        device: object,
        dtype: object,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if max_norm is not None:
            raise _fail(
                UnsupportedError,
                f"{name}: max_norm changes the weight while it is read; scale its rows after each "
                "step of the optimizer",
            )
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise _fail(
                    ShapeError,
                    f"{name}: padding_idx {padding_idx} is out of range for {num_embeddings} rows",
                )
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if weight is None:
            table = empty(num_embeddings, embedding_dim, dtype=dtype, device=device)
            self.weight = Parameter(table, requires_grad=not freeze)
            self.reset_parameters()
        elif weight.shape != (num_embeddings, embedding_dim):
            raise _fail(
                ShapeError,
                f"{name}: the weight has shape {weight.shape}, but has to be "
                f"{(num_embeddings, embedding_dim)}",
            )
        else:
            self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draws the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            rows = arange(self.num_embeddings, device=self.weight.device)
            is_padding = (rows == self.padding_idx).reshape(-1, 1)
            kept = _ops.where(is_padding, zeros_like(self.weight[:1, :1]), self.weight.detach())
            self.weight.data = kept

    def _line(self, *more: str) -> str:
        """The layer's settings: the shape of the table, ``more``, and which row is padding."""
        settings = [f"{self.num_embeddings}, {self.embedding_dim}", *more]
        if self.padding_idx is not None:
            settings.append(f"padding_idx={self.padding_idx}")
        return ", ".join(settings)


def _check_pretrained(embeddings: Tensor, name: str) -> None:
    if embeddings.ndim != 2:
        raise _fail(
            ShapeError,
            f"{name}.from_pretrained: the table has shape {embeddings.shape}, but has to be [N, D]",
        )


class Embedding(_Table):
    """Rows of a table by their numbers: integers [...] to [..., embedding_dim].

    Args:
        num_embeddings, embedding_dim: the shape of the table.
        padding_idx: a row that is zero at first and gets no gradient.
        max_norm, norm_type: are not supported.
        scale_grad_by_freq: whether the gradient of a row is divided by how often it is read.
        sparse: is accepted; gradients have the same values, but are never sparse.
        _weight: the table, if it is there already; with _freeze it gets no gradient.
        device, dtype: of the table.

    Attributes:
        weight: [num_embeddings, embedding_dim], standard normal at first.

    Raises:
        ShapeError: padding_idx is out of range. UnsupportedError: max_norm is given.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: object = None,
        dtype: object = None,
    ) -> None:
        options = (max_norm, norm_type, scale_grad_by_freq, sparse, _weight, _freeze)
        super().__init__(num_embeddings, embedding_dim, padding_idx, *options, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer with a table [N, D] that is there already, and with ``freeze`` gets no gradient.

        The other arguments are those of the constructor. Raises ShapeError unless it is a matrix.
        """
        _check_pretrained(embeddings, "Embedding")
        count, width = embeddings.shape
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return cls(count, width, *options, _weight=embeddings, _freeze=freeze)

    def forward(self, input: Tensor) -> Tensor:
        """The rows at ``input`` [...]: [..., embedding_dim]."""
        return functional.embedding(
            input, self.weight, self.padding_idx, scale_grad_by_freq=self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        options = ("scale_grad_by_freq", "sparse")
        return ", ".join(
            [self._line(), *(f"{name}=True" for name in options if getattr(self, name))]
        )


class EmbeddingBag(_Table):
    """Sums, means or largest elements of bags of rows of a table; see `functional.embedding_bag`.

    Args:
        num_embeddings, embedding_dim: the shape of the table.
        max_norm, norm_type: are not supported.
        scale_grad_by_freq: whether the gradient of a row is divided by how often it is read.
        mode: "sum", "mean" or "max".
        sparse: is accepted; gradients have the same values, but are never sparse.
        _weight: the table, if it is there already.
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: a row that is zero at first, and is left out of the bags.
        device, dtype: of the table.

    Attributes:
        weight: [num_embeddings, embedding_dim], standard normal at first.

    Raises:
        ShapeError: padding_idx is out of range. OptionError: there is no such mode.
        UnsupportedError: max_norm is given.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: object = None,
        dtype: object = None,
    ) -> None:
        if mode not in ("sum", "mean", "max"):
            raise _fail(
                OptionError, f'EmbeddingBag: mode is {mode!r}, but has to be "sum", "mean" or "max"'
            )
        options = (max_norm, norm_type, scale_grad_by_freq, sparse, _weight, False)
        super().__init__(num_embeddings, embedding_dim, padding_idx, *options, device, dtype)
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer with a table [N, D] that is there already, and with ``freeze`` gets no gradient.

        The other arguments are those of the constructor. Raises ShapeError unless it is a matrix.
        """
        _check_pretrained(embeddings, "EmbeddingBag")
        count, width = embeddings.shape
        layer = cls(
            count,
            width,
            *(max_norm, norm_type, scale_grad_by_freq, mode, sparse),
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        layer.weight.requires_grad = not freeze
        return layer

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        """Integers [bags, n], or [n] with offsets [bags], to [bags, embedding_dim]."""
        return functional.embedding_bag(
            input,
            self.weight,
            offsets,
            scale_grad_by_freq=self.scale_grad_by_freq,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        frequency = ["scale_grad_by_freq=True"] * bool(self.scale_grad_by_freq)
        return self._line(*frequency, f"mode={self.mode!r}")
