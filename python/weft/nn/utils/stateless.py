"""Calls of modules with other parameters, where older programs of PyTorch look for them."""

from .._functional_call import functional_call

__all__ = ["functional_call"]
