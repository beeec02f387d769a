"""Well-known models, one a file, each one program for PyTorch and for Weft.

`build(framework, ...)` makes a model of the modules of `framework`, which is `weft` or `torch`:
`bert.build(weft)`. The sizes are keyword arguments, whose defaults are those of the real model.
Models of both frameworks have the same state dict.
"""
