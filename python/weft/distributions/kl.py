"""Divergences of distributions, where PyTorch's programs look for them."""

from ._divergence import kl_divergence, register_kl

__all__ = ["kl_divergence", "register_kl"]
