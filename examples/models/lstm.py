"""A classifier of sequences by long short-term memory (Hochreiter and Schmidhuber, 1997).

    python -m examples.models.lstm

Reads the pictures of Fashion-MNIST row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import FASHION, accuracy, command_line, fashion, train, training_step


@dataclass(frozen=True)
class Config:
    inputs: int = 28
    width: int = 128
    layers: int = 2
    classes: int = 10
    dropout: float = 0.0


class LSTMClassifier(nn.Module):
    """Sequences [N, ..., T, inputs] to scores [N, classes], by the state after the last step."""

    def __init__(self, config: Config):
        super().__init__()
        sizes = (config.inputs, config.width, config.layers)
        self.lstm = nn.LSTM(*sizes, batch_first=True, dropout=config.dropout)
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, sequences):
        _, (states, _) = self.lstm(sequences.reshape(-1, *sequences.shape[-2:]))
        return self.head(states[-1])


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=400, batch=64, rate=2e-3, data=FASHION)
    model = LSTMClassifier(Config())
    optimizer = weft.optim.Adam(model.parameters(), lr=options.rate)
    step = training_step(lambda x, labels: F.cross_entropy(model(x), labels), optimizer)
    loss = train("LSTM", step, fashion(options), options.steps)
    print(f"LSTM: loss {loss:.3f}, accuracy {accuracy(model, options):.3f} on test pictures")


if __name__ == "__main__":
    main()
