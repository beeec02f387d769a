"""A network of dense layers (Rumelhart, Hinton and Williams, 1986), on Fashion-MNIST.

python -m examples.models.mlp
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import weft
from weft import nn
from weft.nn import functional as F

from ..common import FASHION, accuracy, command_line, fashion, train, training_step


@dataclass(frozen=True)
class Config:
    """The widths from inputs to outputs, and the module between two layers."""

    sizes: tuple[int, ...] = (784, 1024, 1024, 1024, 10)
    activation: type[nn.Module] = nn.GELU


class MLP(nn.Sequential):
    """[N, ...], of sizes[0] elements for each example, to [N, sizes[-1]]."""

    def __init__(self, config: Config):
        layers = [nn.Flatten()]
        for inputs, outputs in pairwise(config.sizes):
            layers += [nn.Linear(inputs, outputs), config.activation()]
        super().__init__(*layers[:-1])


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=1000, batch=64, rate=1e-3, data=FASHION)
    model = MLP(Config((784, 256, 256, 10)))
    optimizer = weft.optim.Adam(model.parameters(), lr=options.rate)
    step = training_step(lambda x, labels: F.cross_entropy(model(x), labels), optimizer)
    loss = train("MLP", step, fashion(options), options.steps)
    print(f"MLP: loss {loss:.3f}, accuracy {accuracy(model, options):.3f} on test pictures")


if __name__ == "__main__":
    main()
