"""The joint graph of a training step before it is cut into forward and backward.

ATen's backward of attention reads the logarithms of the forward's sums. Weft's computes what it
needs from the operands, so that nothing but these has to be kept between the two graphs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.fx
from torch._functorch.partitioners import min_cut_rematerialization_partition


@torch.library.custom_op("weft::attention_backward", mutates_args=())
def attention_backward(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    is_causal: bool,
    mask: torch.Tensor | None,
    scale: float | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of attention by query, key and value."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in (query, key, value)]
        q, k, v = leaves
        result = torch.nn.functional.scaled_dot_product_attention(
            *(q, k, v),
            attn_mask=mask,
            is_causal=is_causal,
            scale=scale,
            enable_gqa=q.shape[-3] != k.shape[-3],
        )
    found = torch.autograd.grad(result, leaves, grad)
    return found[0].clone(), found[1].clone(), found[2].clone()


_THEIRS = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default


def partition(joint: torch.fx.GraphModule, *args: Any, **kwargs: Any) -> Any:
    """Cuts the graph where least has to be kept."""
    for node in list(joint.graph.nodes):
        if node.target is not _THEIRS or node.args[6]:
            continue
        grad, query, key, value, _, _, _, is_causal = node.args
        options = (node.kwargs.get("attn_mask"), node.kwargs.get("scale"))
        with joint.graph.inserting_before(node):
            ours = joint.graph.call_function(
                torch.ops.weft.attention_backward.default,
                (grad, query, key, value, is_causal, *options),
            )
        ours.meta = dict(node.meta)
        node.replace_all_uses_with(ours)
        joint.graph.erase_node(node)
    forward, backward = min_cut_rematerialization_partition(joint, *args, **kwargs)
    _note_repeated_draws(backward)
    return forward, backward


def _note_repeated_draws(backward: torch.fx.GraphModule) -> None:
    """Notes what draws give that are repeated in the backward pass, which PyTorch leaves open."""
    for node in backward.graph.nodes:
        if str(node.target) == "run_with_rng_state" and "val" not in node.meta:
            _, draw, *operands = torch.fx.map_arg(node.args, lambda other: other.meta["val"])
            options = torch.fx.map_arg(node.kwargs, lambda other: other.meta["val"])
            node.meta["val"] = draw(*operands, **options)
