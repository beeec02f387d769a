"""A function compiled, and its gradient."""

import weft


@weft.jit
def energy(x, scale):
    return weft.sum(weft.tanh(x * scale) ** 2)


gradient = weft.jit(weft.grad(energy))

x = weft.linspace(-1.0, 1.0, 5)
print("energy  ", energy(x, 2.0).item())
print("gradient", gradient(x, 2.0))
print("kernels of the gradient:\n" + gradient.explain(x, 2.0))
