"""LLaMA (Touvron et al., 2023, "Open and efficient foundation language models"), with the grouped
queries of its successors (Ainslie et al., 2023).

    python -m examples.models.llama

Learns, character by character, to write like Weft's documentation, and writes a text with a cache
of keys and values. The names of the weights are those of the published model.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, documentation, texts, train, training_step


@dataclass(frozen=True)
class Config:
    """LLaMA 3 with 8 billion weights."""

    vocabulary: int = 128256
    positions: int = 8192
    width: int = 4096
    heads: int = 32
    key_heads: int = 8
    hidden: int = 14336
    layers: int = 32
    base: float = 500000.0
    epsilon: float = 1e-5
    tied: bool = False
    """Whether the table of the tokens gives the scores, too."""


@dataclass
class Cache:
    """Keys and values [N, key_heads, S, width / heads] of each layer, written in place."""

    keys: list
    values: list


def angles(config: Config) -> tuple:
    """Cosines and sines [positions, D] of the angles by which positions turn the elements of a
    head's D."""
    width = config.width // config.heads
    speeds = config.base ** -(weft.arange(0, width, 2) / width)
    turned = weft.outer(weft.arange(config.positions), speeds).repeat(1, 2)
    return weft.cos(turned), weft.sin(turned)


def rotated(x, cosines, sines):
    """Pairs of elements of x [..., L, D] turned by the angles of their positions [L, D] (Su et al.,
    2021, "RoFormer")."""
    left, right = x.chunk(2, -1)
    return x * cosines + weft.cat([-right, left], -1) * sines


class Attention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.head_width = config.width // config.heads
        shared = config.key_heads * self.head_width
        self.q_proj = nn.Linear(config.width, config.width, bias=False)
        self.k_proj = nn.Linear(config.width, shared, bias=False)
        self.v_proj = nn.Linear(config.width, shared, bias=False)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x, cosines, sines, places=None, keys=None, values=None):
        query, key, value = (
            y.unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for y in (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        )
        query, key = rotated(query, cosines, sines), rotated(key, cosines, sines)
        seen = None
        if keys is not None:
            key, value = keys.index_copy_(2, places, key), values.index_copy_(2, places, value)
            seen = weft.arange(key.shape[2]) <= places[:, None]
        y = F.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, is_causal=seen is None, enable_gqa=True
        )
        return self.o_proj(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """SwiGLU (Shazeer, 2020, "GLU variants improve transformer")."""

    def __init__(self, config: Config):
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.hidden, bias=False)
        self.up_proj = nn.Linear(config.width, config.hidden, bias=False)
        self.down_proj = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.width, eps=config.epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.width, eps=config.epsilon)
        self.mlp = FeedForward(config)

    def forward(self, x, *attention):
        x = x + self.self_attn(self.input_layernorm(x), *attention)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Tokens [N, L] to the scores of those that come next [N, L, vocabulary].

    With a cache, the tokens are those from position `first` on, which may be a tensor; those before
    it are in the cache, where these are added.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.norm = nn.RMSNorm(config.width, eps=config.epsilon)
        self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)
        if config.tied:
            self.lm_head.weight = self.embed_tokens.weight
        cosines, sines = angles(config)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    def forward(self, tokens, cache: Cache | None = None, first=0):
        return self.lm_head(self.states(tokens, cache, first))

    def states(self, tokens, cache: Cache | None = None, first=0):
        """What the scores are made of [N, L, width]."""
        places = weft.arange(tokens.shape[1]) + first
        cosines, sines = self.cosines[places], self.sines[places]
        x = self.embed_tokens(tokens)
        for number, layer in enumerate(self.layers):
            own = (places, cache.keys[number], cache.values[number]) if cache else ()
            x = layer(x, cosines, sines, *own)
        return self.norm(x)

    def cache(self, texts: int, length: int) -> Cache:
        """An empty one."""
        config = self.config
        shape = (texts, config.key_heads, length, config.width // config.heads)
        return Cache(*([weft.zeros(shape) for _ in self.layers] for _ in range(2)))

    def generate(self, prompt, count: int, temperature: float = 1.0, top_k: int | None = None):
        """A text [N, L] with so many tokens more, drawn from the `top_k` likeliest at each place.

        Temperature 0 takes the likeliest.
        """
        length = prompt.shape[1]
        cache = self.cache(len(prompt), length + count)
        tokens = [prompt]
        for place in range(count):
            first = length + place - 1 if place else 0
            tokens.append(next_token(self, tokens[-1], cache, first, temperature, top_k))
        return weft.cat(tokens, 1)


@weft.jit(static_argnames=("temperature", "top_k"))
def next_token(model, tokens, cache, first, temperature, top_k):
    """The token [N, 1] after these, which begin at position `first`."""
    with weft.no_grad():
        scores = model.lm_head(model.states(tokens, cache, first)[:, -1])
        if temperature == 0:
            return scores.argmax(-1, keepdim=True)
        if top_k is not None:
            least = scores.topk(top_k).values[:, -1:]
            scores = scores.masked_fill(scores < least, -weft.inf)
        return weft.multinomial(weft.softmax(scores / temperature, -1), 1)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=200, batch=16, rate=2e-3, characters=300)
    text, alphabet = documentation()
    size = {"width": 128, "heads": 4, "key_heads": 2, "hidden": 344, "layers": 4}
    model = Llama(Config(len(alphabet), positions=1024, base=10000.0, **size))
    optimizer = weft.optim.AdamW(model.parameters(), lr=options.rate)

    def loss(tokens, following):
        return F.cross_entropy(model(tokens).flatten(0, 1), following.flatten())

    last = train("LLaMA", training_step(loss, optimizer), texts(text, options, 128), options.steps)
    prompt = text[:16].reshape(1, 16)
    written = model.eval().generate(prompt, options.characters, temperature=0.8, top_k=20)
    print("".join(alphabet[token] for token in written[0].tolist()))
    print(f"LLaMA: loss {last:.3f} for each of {len(text):,} characters")


if __name__ == "__main__":
    main()
