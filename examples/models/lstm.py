"""Layers of long short-term memory (Hochreiter and Schmidhuber, 1997; the forget gates of Gers et
al., 2000), written out: sequences [N, T, inputs] to hidden states [N, T, width]."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def build(framework: ModuleType, *, inputs: int = 256, width: int = 256, layers: int = 2) -> Any:
    """Layers that begin with zeros; their weights are those of `torch.nn.LSTM`, in its order."""
    nn = framework.nn
    sigmoid, tanh = framework.sigmoid, framework.tanh

    class Layer(nn.Module):
        def __init__(self, inputs: int):
            super().__init__()
            self.of_input = nn.Linear(inputs, 4 * width)
            self.of_state = nn.Linear(width, 4 * width)

        def forward(self, x):
            parts = self.of_input(x)  # Of all steps at once: these do not wait for the state.
            hidden = cell = framework.zeros(x.shape[0], width, dtype=x.dtype)
            states = []
            for step in range(x.shape[1]):
                gates = parts[:, step] + self.of_state(hidden)
                enter, keep, candidate, leave = gates.chunk(4, -1)
                cell = sigmoid(keep) * cell + sigmoid(enter) * tanh(candidate)
                hidden = sigmoid(leave) * tanh(cell)
                states.append(hidden)
            return framework.stack(states, axis=1)

    return nn.Sequential(*[Layer(inputs if number == 0 else width) for number in range(layers)])
