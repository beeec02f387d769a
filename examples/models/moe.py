"""A language model of mixtures of experts (Shazeer et al., 2017; Fedus, Zoph and Shazeer, 2022,
"Switch transformers"; Jiang et al., 2024, "Mixtral of experts").

    python -m examples.models.moe

LLaMA, each of whose tokens is sent to some of several feed-forward networks. Learns, character by
character, to write like Weft's documentation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, documentation, texts, train, training_step
from .llama import Attention, angles
from .llama import Config as LlamaConfig


@dataclass(frozen=True)
class Config(LlamaConfig):
    """Mixtral 8x7B, with room for a quarter more tokens than each expert gets on average."""

    vocabulary: int = 32000
    experts: int = 8
    chosen: int = 2
    room: float = 1.25
    base: float = 1000000.0


class MixtureOfExperts(nn.Module):
    """Tokens [T, width] to [T, width], and how unevenly they are spread: 1 if not at all.

    An expert takes the tokens that want it in their order, those of which it is the first choice
    before others; what is more than it has room for, it leaves out.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        shape = (config.experts, config.width, config.hidden)
        self.router = nn.Linear(config.width, config.experts, bias=False)
        self.gate, self.up = (nn.Parameter(weft.empty(shape)) for _ in range(2))
        self.down = nn.Parameter(weft.empty(config.experts, config.hidden, config.width))
        for weight in (self.gate, self.up, self.down):
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)

    def experts(self, x):
        """[experts, room, width] to the same, by each expert for its own tokens."""
        return (F.silu(x @ self.gate) * (x @ self.up)) @ self.down

    def forward(self, x):
        tokens, experts, chosen = len(x), self.config.experts, self.config.chosen
        room = math.ceil(self.config.room * tokens * chosen / experts)
        likely = weft.softmax(self.router(x), -1)
        shares, numbers = likely.topk(chosen)
        shares = shares / shares.sum(-1, keepdim=True)
        wanted = numbers.T.flatten()  # All first choices, then all second ones.
        sent = F.one_hot(wanted, experts)
        place = ((sent.cumsum(0) - 1) * sent).sum(-1)
        slot = weft.where(place < room, wanted * room + place, experts * room)
        rows = weft.zeros(experts * room + 1, x.shape[1], dtype=x.dtype)
        rows = rows.index_add(0, slot, x.repeat(chosen, 1))
        made = self.experts(rows[:-1].unflatten(0, (experts, room))).flatten(0, 1)
        made = F.pad(made, (0, 0, 0, 1))[slot]  # The last row is of those that found no room.
        y = (made * shares.T.reshape(-1, 1)).unflatten(0, (chosen, tokens)).sum(0)
        spread = sent.to(x.dtype).mean(0) * likely.mean(0)
        return y, experts * spread.sum()


class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.norm_before = nn.RMSNorm(config.width, eps=config.epsilon)
        self.attention = Attention(config)
        self.norm_after = nn.RMSNorm(config.width, eps=config.epsilon)
        self.mixture = MixtureOfExperts(config)

    def forward(self, x, cosines, sines):
        x = x + self.attention(self.norm_before(x), cosines, sines)
        y, spread = self.mixture(self.norm_after(x).flatten(0, 1))
        return x + y.reshape(x.shape), spread


class Mixtral(nn.Module):
    """Tokens [N, L] to the scores of those that come next [N, L, vocabulary], and the mean of how
    unevenly the layers spread them."""

    def __init__(self, config: Config):
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.norm = nn.RMSNorm(config.width, eps=config.epsilon)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        cosines, sines = angles(config)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    def forward(self, tokens):
        x, spreads = self.tokens(tokens), []
        length = tokens.shape[1]
        for layer in self.layers:
            x, spread = layer(x, self.cosines[:length], self.sines[:length])
            spreads.append(spread)
        return self.head(self.norm(x)), weft.stack(spreads).mean()


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=200, batch=16, rate=2e-3)
    text, alphabet = documentation()
    size = {"width": 96, "heads": 4, "key_heads": 2, "hidden": 128, "layers": 3, "experts": 4}
    model = Mixtral(Config(len(alphabet), positions=128, base=10000.0, **size))
    optimizer = weft.optim.AdamW(model.parameters(), lr=options.rate)

    def loss(tokens, following):
        scores, spread = model(tokens)
        return F.cross_entropy(scores.flatten(0, 1), following.flatten()) + 0.01 * spread

    batches = texts(text, options, 128)
    last = train("Mixtral", training_step(loss, optimizer), batches, options.steps)
    with weft.no_grad():
        _, spread = model.eval()(next(batches)[0])
    print(f"Mixtral: loss {last:.3f}, experts used unevenly by {spread.item():.3f} (1: evenly)")


if __name__ == "__main__":
    main()
