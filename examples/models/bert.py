"""BERT (Devlin et al., 2019, "Pre-training of deep bidirectional transformers").

    python -m examples.models.bert

Learns to fill gaps in pairs of segments that say the same: what is missing in one is in the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, train, training_step


@dataclass(frozen=True)
class Config:
    """BERT-base."""

    vocabulary: int = 30522
    positions: int = 512
    segments: int = 2
    width: int = 768
    heads: int = 12
    hidden: int = 3072
    layers: int = 12
    dropout: float = 0.1
    epsilon: float = 1e-12
    deviation: float = 0.02
    """That of the weights at first."""


class Embeddings(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.segments = nn.Embedding(config.segments, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens, segments):
        places = self.positions.weight[: tokens.shape[1]]
        return self.dropout(self.norm(self.tokens(tokens) + places + self.segments(segments)))


class Bert(nn.Module):
    """Tokens [N, L] and the numbers of their segments [N, L] to hidden states [N, L, width]."""

    def __init__(self, config: Config):
        super().__init__()
        self.embeddings = Embeddings(config)
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            config.hidden,
            config.dropout,
            activation="gelu",
            layer_norm_eps=config.epsilon,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=config.deviation)

    def forward(self, tokens, segments):
        return self.encoder(self.embeddings(tokens, segments))


class MaskedLanguageModel(nn.Module):
    """The scores [N, L, vocabulary] of which token should be at each place."""

    def __init__(self, config: Config):
        super().__init__()
        self.bert = Bert(config)
        self.dense = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.bias = nn.Parameter(weft.zeros(config.vocabulary))

    def forward(self, tokens, segments):
        x = self.norm(F.gelu(self.dense(self.bert(tokens, segments))))
        return F.linear(x, self.bert.embeddings.tokens.weight, self.bias)


def masked(tokens, vocabulary: int):
    """A text [N, L] with gaps, and what was there: of 15 % of the tokens eight in ten become the
    last of the vocabulary, one any. Places that are not to be guessed are -100."""
    drawn = weft.rand(tokens.shape)
    others = weft.randint(0, vocabulary, tokens.shape)
    wanted = weft.where(drawn < 0.15, tokens, -100)
    seen = weft.where(drawn < 0.135, others, tokens)
    return weft.where(drawn < 0.12, vocabulary - 1, seen), wanted


def pairs(batch: int, length: int, words: int, seed: int) -> Iterator[tuple[weft.Tensor]]:
    """Texts [N, 2 * length] that are said twice."""
    random = np.random.default_rng(seed)
    while True:
        yield (weft.asarray(np.tile(random.integers(0, words, (batch, length)), 2)),)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=300, batch=64, rate=2e-3)
    size = {"width": 64, "heads": 4, "hidden": 256, "layers": 2, "dropout": 0.0}
    length, config = 12, Config(vocabulary=33, positions=24, deviation=0.1, **size)
    model = MaskedLanguageModel(config)
    optimizer = weft.optim.AdamW(model.parameters(), lr=options.rate)
    segments = (weft.arange(2 * length) >= length).long()

    def loss(tokens):
        seen, wanted = masked(tokens, config.vocabulary)
        scores = model(seen, segments.expand(tokens.shape))
        return F.cross_entropy(scores.flatten(0, 1), wanted.flatten())

    batches = pairs(options.batch, length, config.vocabulary - 1, options.seed)
    last = train("BERT", training_step(loss, optimizer), batches, options.steps)
    print(f"BERT: loss {last:.3f} for each gap, of {np.log(config.vocabulary - 1):.3f} by guessing")


if __name__ == "__main__":
    main()
