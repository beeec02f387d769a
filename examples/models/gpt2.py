"""GPT-2 (Radford et al., 2019, "Language models are unsupervised multitask learners").

    python -m examples.models.gpt2

Learns, character by character, to write like Weft's documentation. The names of the weights are
those of the published model, whose matrices `c_attn`, `c_proj` and `c_fc` are transposed.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, documentation, texts, train, training_step


@dataclass(frozen=True)
class Config:
    """GPT-2 small."""

    vocabulary: int = 50257
    positions: int = 1024
    width: int = 768
    heads: int = 12
    layers: int = 12
    dropout: float = 0.1


class Attention(nn.Module):
    """Each token looks at itself and at those before it (Vaswani et al., 2017)."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x):
        heads = self.c_attn(x).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2)
        query, key, value = heads.chunk(3, 1)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.c_proj(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.c_fc = nn.Linear(config.width, 4 * config.width)
        self.c_proj = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attn, self.mlp = Attention(config), FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x):
        x = x + self.dropout(self.attn(self.ln_1(x)))
        return x + self.dropout(self.mlp(self.ln_2(x)))


class GPT2(nn.Module):
    """Tokens [N, L] to the scores of those that come next [N, L, vocabulary]."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocabulary, config.width)
        self.wpe = nn.Embedding(config.positions, config.width)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList([Block(config) for _ in range(config.layers)])
        self.ln_f = nn.LayerNorm(config.width)
        self.apply(self._initialize)

    @staticmethod
    def _initialize(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(self, tokens):
        x = self.drop(self.wte(tokens) + self.wpe.weight[: tokens.shape[1]])
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)

    def generate(self, prompt, count: int):
        """A text [N, L] with so many tokens more, drawn one after the other."""
        end, text = prompt.shape[1], F.pad(prompt, (0, count))
        with weft.no_grad():
            for place in range(end, end + count):
                scores = next_scores(self, text)[:, place - 1]
                text[:, place] = weft.multinomial(weft.softmax(scores, -1), 1)[:, 0]
        return text


@weft.jit
def next_scores(model, tokens):
    """Those of a text whose end is not written yet: no token sees what comes after it."""
    with weft.no_grad():
        return model(tokens)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=200, batch=16, rate=1e-3, characters=120)
    text, alphabet = documentation()
    config = Config(len(alphabet), positions=256, width=128, heads=4, layers=4, dropout=0.0)
    model = GPT2(config)
    optimizer = weft.optim.AdamW(model.parameters(), lr=options.rate)

    def loss(tokens, following):
        return F.cross_entropy(model(tokens).flatten(0, 1), following.flatten())

    last = train("GPT-2", training_step(loss, optimizer), texts(text, options, 128), options.steps)
    count = min(options.characters, config.positions - 16)
    written = model.eval().generate(text[:16].reshape(1, 16), count)
    print("".join(alphabet[token] for token in written[0].tolist()))
    print(f"GPT-2: loss {last:.3f} for each of {len(text):,} characters")


if __name__ == "__main__":
    main()
