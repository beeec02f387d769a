"""Multi-head attention."""

from __future__ import annotations

from .._core import Tensor
from .._creation import _fail, empty
from .._errors import ShapeError
from . import init
from ._attention_functions import Heads, attended, thirds
from ._layers import Linear
from ._module import Module
from ._parameter import Parameter


class MultiheadAttention(Module):
    """Attention in ``num_heads`` subspaces: query [L, N, E], key [S, N, kdim], value [S, N, vdim].

    Args:
        embed_dim: E, a multiple of num_heads.
        dropout: the probability of dropping a weight in training.
        bias: with biases of the projections.
        add_bias_kv: a learned key and a learned value stand behind those that are given.
        add_zero_attn: a key and a value of zeros stand behind all others.
        kdim, vdim: the features of key and value; None: E.
        batch_first: inputs and results are [N, L, E] instead.

    Attributes:
        in_proj_weight: [3 E, E]; in_proj_bias: [3 E]; out_proj: a Linear(E, E). If kdim or vdim
            is another one, q_proj_weight [E, E], k_proj_weight [E, kdim] and v_proj_weight
            [E, vdim] in the place of the first.
        bias_k, bias_v: [1, 1, E], the learned key and value; None without.

    Raises:
        ShapeError: num_heads does not divide embed_dim.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise _fail(
                ShapeError, f"MultiheadAttention: {num_heads} heads do not divide {embed_dim}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.head_dim = batch_first, embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        is_joined = self.kdim == self.vdim == embed_dim
        shapes = {
            "in_proj_weight": (3 * embed_dim, embed_dim) if is_joined else None,
            "q_proj_weight": None if is_joined else (embed_dim, embed_dim),
            "k_proj_weight": None if is_joined else (embed_dim, self.kdim),
            "v_proj_weight": None if is_joined else (embed_dim, self.vdim),
            "in_proj_bias": (3 * embed_dim,) if bias else None,
        }
        learned = (1, 1, embed_dim) if add_bias_kv else None
        for name, shape in {**shapes, "bias_k": learned, "bias_v": learned}.items():
            value = None if shape is None else empty(shape, dtype=dtype, device=device)
            self.register_parameter(name, None if value is None else Parameter(value))
        self.out_proj = Linear(embed_dim, embed_dim, bias, device=device, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if getattr(self, name) is not None:
                init.xavier_uniform_(getattr(self, name))
        for learned in (self.bias_k, self.bias_v):
            if learned is not None:
                init.xavier_normal_(learned)
        for start in (self.in_proj_bias, self.out_proj.bias):
            if start is not None:
                init.zeros_(start)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result [L, N, E], and the weights [N, L, S] (per head if not averaged) or None.

        Without a batch all are without N. A query that may see no key gets zeros.

        Args:
            key_padding_mask: [N, S], true (or -inf) where a key is padding.
            attn_mask: [L, S] or [N * heads, L, S], true where a key may not be seen, or added.
            is_causal: query i sees the keys up to i, also without a mask that says so.

        Raises:
            ShapeError: the inputs or masks do not fit.
        """
        separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        joined = self.in_proj_weight
        heads = Heads(
            self.embed_dim,
            self.num_heads,
            separate if joined is None else thirds(joined, self.embed_dim),
            thirds(self.in_proj_bias, self.embed_dim),
            (self.bias_k, self.bias_v),
            self.add_zero_attn,
            self.dropout if self.training else 0.0,
            self.out_proj,
        )
        masks = (key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal)
        return attended(heads, (query, key, value), self.batch_first, *masks)
