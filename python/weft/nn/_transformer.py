"""Transformers (Vaswani et al., 2017), of layers that attend and feed forward."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from .._core import Tensor
from .._creation import _fail, _size, full
from .._dtypes import float32
from .._errors import OptionError, ShapeError
from .._manipulation import triu
from . import functional, init
from ._attention import MultiheadAttention
from ._containers import ModuleList
from ._dropout import Dropout
from ._layers import Linear
from ._module import Module
from ._normalization import LayerNorm

Activation = str | Callable[[Tensor], Tensor]


def _activation(activation: Activation, name: str) -> Callable[[Tensor], Tensor]:
    known: dict[str, Callable[[Tensor], Tensor]]
    known = {"relu": functional.relu, "gelu": functional.gelu}
    if isinstance(activation, str) and activation in known:
        return known[activation]
    if not callable(activation):
        raise _fail(
            OptionError,
            f'{name}: activation has to be "relu", "gelu" or a function, not {activation!r}',
        )
    return activation


class _Layer(Module):
    """What the layers of encoders and decoders share: sublayers, each beside a way around it.

    Args:
        attentions: the names of those that attend.
    """

    def __init__(
        self,
        attentions: tuple[str, ...],
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        device: object,
        dtype: object,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        for name in attentions:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias=bias, batch_first=batch_first, **made
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        numbers = range(1, len(attentions) + 2)
        for number in numbers:
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)
            setattr(self, f"norm{number}", norm)
        for number in numbers:
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation = _activation(activation, type(self).__name__)

    def _around(self, x: Tensor, number: int, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """x plus what a sublayer gives of it, normalised before or after."""
        norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        if self.norm_first:
            return x + dropout(compute(norm(x)))
        return norm(x + dropout(compute(x)))

    def _feed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, and two linear layers, each with a way around it.

    Args:
        d_model: the features E of the sequence.
        nhead: the heads of the attention.
        dim_feedforward: the features between the linear layers.
        dropout: the probability of dropping a weight, and an element of what a sublayer gives.
        activation: between the linear layers: "relu", "gelu" or a function.
        layer_norm_eps: see `LayerNorm`.
        batch_first: sequences are [N, S, E] instead of [S, N, E].
        norm_first: what a sublayer gets is normalised, instead of its sum with the way around.
        bias: with biases of all layers.

    Raises:
        OptionError: there is no such activation. ShapeError: nhead does not divide d_model.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__(
            ("self_attn",),
            *(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps),
            *(batch_first, norm_first, bias, device, dtype),
        )

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The sequence, of the shape of ``src``: [S, N, E], or without N.

        The masks are those of `MultiheadAttention`.
        """

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(
                *(x, x, x, src_key_padding_mask),
                need_weights=False,
                attn_mask=src_mask,
                is_causal=is_causal,
            )[0]

        return self._around(self._around(src, 1, attend), 2, self._feed)


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, attention to another one, and two linear layers, each with
    a way around it.

    Its arguments are those of `TransformerEncoderLayer`.

    Raises:
        OptionError: there is no such activation. ShapeError: nhead does not divide d_model.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__(
            ("self_attn", "multihead_attn"),
            *(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps),
            *(batch_first, norm_first, bias, device, dtype),
        )

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence, of the shape of ``tgt``: [T, N, E], which attends to ``memory`` [S, N, E].

        The masks are those of `MultiheadAttention`, of [T, T] for the sequence and [T, S] for the
        memory.
        """

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(
                *(x, x, x, tgt_key_padding_mask),
                need_weights=False,
                attn_mask=tgt_mask,
                is_causal=tgt_is_causal,
            )[0]

        def attend_to_memory(x: Tensor) -> Tensor:
            return self.multihead_attn(
                *(x, memory, memory, memory_key_padding_mask),
                need_weights=False,
                attn_mask=memory_mask,
                is_causal=memory_is_causal,
            )[0]

        x = self._around(self._around(tgt, 1, attend), 2, attend_to_memory)
        return self._around(x, 3, self._feed)


class _Stack(Module):
    """Copies of a layer, one after the other, and a normalisation at the end."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        name = type(self).__name__
        if _size(num_layers, f"{name}: num_layers") < 0:
            raise _fail(OptionError, f"{name}: there can't be {num_layers} layers")
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.register_module("norm", norm)

    def _normalized(self, x: Tensor) -> Tensor:
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """``num_layers`` copies of a `TransformerEncoderLayer`, which begin with its parameters.

    Args:
        norm: a module for the result of the last one.
        enable_nested_tensor, mask_check: accepted, and change nothing: padded places are computed
            like others. PyTorch gives zeros there in evaluation, when it takes its fast path.

    Raises:
        OptionError: a negative number of layers.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The sequence, of the shape of ``src``; see `TransformerEncoderLayer`."""
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal=bool(is_causal))
        return self._normalized(x)


class TransformerDecoder(_Stack):
    """``num_layers`` copies of a `TransformerDecoderLayer`, which begin with its parameters.

    Args:
        norm: a module for the result of the last one.

    Raises:
        OptionError: a negative number of layers.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence, of the shape of ``tgt``; see `TransformerDecoderLayer`."""
        x = tgt
        for layer in self.layers:
            x = layer(
                *(x, memory, tgt_mask, memory_mask),
                *(tgt_key_padding_mask, memory_key_padding_mask),
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=bool(memory_is_causal),
            )
        return self._normalized(x)


class Transformer(Module):
    """An encoder of one sequence, and a decoder of another one that attends to what it gives.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias: those of `TransformerEncoderLayer`.
        num_encoder_layers, num_decoder_layers: how many layers each has.
        custom_encoder, custom_decoder: modules in their place.

    Raises:
        OptionError: an option is out of its range. ShapeError: nhead does not divide d_model.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        more: Any = (batch_first, norm_first, bias, device, dtype)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(*layer, *more)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*layer, *more)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """What the decoder gives of ``tgt`` [T, N, E], beside ``src`` [S, N, E]: [T, N, E].

        The masks are those of `MultiheadAttention`.

        Raises:
            ShapeError: the sequences differ in their batch, or have other features.
        """
        batch = 0 if self.batch_first else 1
        fits = src.ndim == tgt.ndim and src.ndim in (2, 3)
        if not fits or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise _fail(
                ShapeError,
                f"Transformer: sequences of shapes {src.shape} and {tgt.shape} need 2 dimensions, "
                "or 3 with the same batch",
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise _fail(
                ShapeError,
                f"Transformer: sequences of shapes {src.shape} and {tgt.shape} need "
                f"{self.d_model} features",
            )
        memory = self.encoder(*(src, src_mask, src_key_padding_mask), is_causal=bool(src_is_causal))
        return self.decoder(
            *(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask),
            tgt_is_causal=bool(tgt_is_causal),
            memory_is_causal=bool(memory_is_causal),
        )

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: object = None, dtype: object = None
    ) -> Tensor:
        """A mask [sz, sz] to add: -inf where a key comes after the query, else 0."""
        wanted = float32 if dtype is None else dtype
        return triu(full((sz, sz), -math.inf, dtype=wanted, device=device), k=1)
