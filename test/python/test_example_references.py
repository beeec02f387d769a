"""The models of examples/models beside the same written anew, of PyTorch's functions alone.

`test_example_models.py` compares ops; here each model is compared with its paper: layers by their
names in the state dict, attention as a softmax of products, experts and buckets token by token.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import weft
from example_models import EXAMPLES, assert_near, assert_near_change, in_float64
from numerics import assert_same_bits
from torch.nn import functional as F

from examples.models import written_in

State = dict[str, torch.Tensor]


def normalized(s: State, x: torch.Tensor, convolution: str, norm: str, **options: int) -> Any:
    """A convolution that keeps the size of images, and its normalization."""
    weight = s[f"{convolution}.weight"]
    x = F.conv2d(x, weight, padding=weight.shape[-1] // 2, **options)
    mean, variance = s[f"{norm}.running_mean"], s[f"{norm}.running_var"]
    scale = s[f"{norm}.weight"] / torch.sqrt(variance + 1e-5)
    shift = s[f"{norm}.bias"] - mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def linear(s: State, x: torch.Tensor, name: str) -> torch.Tensor:
    return x @ s[f"{name}.weight"].T + s.get(f"{name}.bias", torch.zeros(()))


def layer_norm(s: State, x: torch.Tensor, name: str, epsilon: float = 1e-5) -> torch.Tensor:
    x = x - x.mean(-1, keepdim=True)
    variance = (x * x).mean(-1, keepdim=True)
    return x / torch.sqrt(variance + epsilon) * s[f"{name}.weight"] + s[f"{name}.bias"]


def rms_norm(s: State, x: torch.Tensor, name: str, epsilon: float) -> torch.Tensor:
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * s[f"{name}.weight"]


def attention(query: Any, key: Any, value: Any, bias: Any = 0.0, scale: float | None = None) -> Any:
    """Of [N, L, H, D], [N, S, H, D] and [N, S, H, D], to [N, L, H * D]."""
    scores = torch.einsum("nlhd,nshd->nhls", query, key)
    scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale) + bias
    weights = torch.exp(scores) / torch.exp(scores).sum(-1, keepdim=True)
    return torch.einsum("nhls,nshd->nlhd", weights, value).flatten(2)


def causal(length: int) -> torch.Tensor:
    return torch.full((length, length), -math.inf).double().triu(1)


def of_resnet(s: State, x: torch.Tensor) -> torch.Tensor:
    x = normalized(s, x, "conv1", "bn1", stride=2).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    blocks = sorted({key.rpartition(".conv")[0] for key in s if ".conv" in key})
    for block in blocks:
        deep = f"{block}.conv3.weight" in s
        stride = 2 if block[5] > "1" and block.endswith(".0") else 1
        strides = (1, stride, 1) if deep else (stride, 1)
        y = x
        for number, step in enumerate(strides, 1):
            y = normalized(s, y, f"{block}.conv{number}", f"{block}.bn{number}", stride=step)
            y = y.relu() if number < len(strides) else y
        if f"{block}.downsample.0.weight" in s:
            x = normalized(s, x, f"{block}.downsample.0", f"{block}.downsample.1", stride=stride)
        x = (x + y).relu()
    return linear(s, x.mean((2, 3)), "fc")


def of_mobilenet(s: State, x: torch.Tensor) -> torch.Tensor:
    x = normalized(s, x, "features.0.0", "features.0.1", stride=2).clamp(0, 6)
    strides = (1, 2, 1, 1, 1)
    for number, stride in enumerate(strides, 1):
        name, y, place = f"features.{number}.conv", x, 0
        if number > 1:
            y = normalized(s, y, f"{name}.0.0", f"{name}.0.1").clamp(0, 6)
            place = 1
        y = normalized(
            s, y, f"{name}.{place}.0", f"{name}.{place}.1", stride=stride, groups=y.shape[1]
        ).clamp(0, 6)
        y = normalized(s, y, f"{name}.{place + 1}", f"{name}.{place + 2}")
        x = x + y if x.shape == y.shape else y
    x = normalized(s, x, "features.6.0", "features.6.1").clamp(0, 6)
    return linear(s, x.mean((2, 3)), "classifier.1")


def of_unet(s: State, x: torch.Tensor) -> torch.Tensor:
    def level(x, name):
        x = normalized(s, x, f"{name}.0", f"{name}.1").relu()
        return normalized(s, x, f"{name}.3", f"{name}.4").relu()

    first = level(x, "down.0")
    second = level(F.max_pool2d(first, 2), "down.1")
    x = level(F.max_pool2d(second, 2), "down.2")
    for number, beside in enumerate((second, first)):
        larger = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = level(torch.cat([beside, larger], 1), f"up.{number}")
    return F.conv2d(x, s["scores.weight"], s["scores.bias"])


def of_gpt2(s: State, tokens: torch.Tensor) -> torch.Tensor:
    length = tokens.shape[1]
    x = s["wte.weight"][tokens] + s["wpe.weight"][:length]
    for block in ("h.0", "h.1"):
        parts = linear(s, layer_norm(s, x, f"{block}.ln_1"), f"{block}.attn.c_attn").split(24, -1)
        heads = [part.reshape(-1, length, 3, 8) for part in parts]
        x = x + linear(s, attention(*heads, causal(length)), f"{block}.attn.c_proj")
        y = linear(s, layer_norm(s, x, f"{block}.ln_2"), f"{block}.mlp.c_fc")
        y = y / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
        x = x + linear(s, y, f"{block}.mlp.c_proj")
    return layer_norm(s, x, "ln_f") @ s["wte.weight"].T


def encoder_layer(s: State, x: torch.Tensor, name: str, heads: int) -> torch.Tensor:
    """A layer of BERT: normalizations after the branches."""
    y = x @ s[f"{name}.self_attn.in_proj_weight"].T + s[f"{name}.self_attn.in_proj_bias"]
    parts = [part.unflatten(-1, (heads, -1)) for part in y.chunk(3, -1)]
    x = x + linear(s, attention(*parts), f"{name}.self_attn.out_proj")
    x = layer_norm(s, x, f"{name}.norm1", 1e-12)
    y = linear(s, x, f"{name}.linear1")
    y = y / 2 * (1 + torch.erf(y / math.sqrt(2)))
    return layer_norm(s, x + linear(s, y, f"{name}.linear2"), f"{name}.norm2", 1e-12)


def of_bert(s: State, tokens: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
    table = "embeddings.{}.weight".format
    x = s[table("tokens")][tokens] + s[table("segments")][segments]
    x = layer_norm(s, x + s[table("positions")][: x.shape[1]], "embeddings.norm", 1e-12)
    for number in range(2):
        x = encoder_layer(s, x, f"encoder.layers.{number}", 3)
    return x


def of_vit(s: State, images: torch.Tensor) -> torch.Tensor:
    pieces = images.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3)
    x = pieces.flatten(1, 2) @ s["conv_proj.weight"].flatten(1).T + s["conv_proj.bias"]
    x = torch.cat([s["class_token"].expand(2, 1, 24), x], 1) + s["encoder.pos_embedding"]
    for number in range(2):
        name = f"encoder.layers.encoder_layer_{number}"
        y = layer_norm(s, x, f"{name}.ln_1", 1e-6)
        y = y @ s[f"{name}.self_attention.in_proj_weight"].T
        y = y + s[f"{name}.self_attention.in_proj_bias"]
        parts = [part.unflatten(-1, (3, 8)) for part in y.chunk(3, -1)]
        x = x + linear(s, attention(*parts), f"{name}.self_attention.out_proj")
        y = linear(s, layer_norm(s, x, f"{name}.ln_2", 1e-6), f"{name}.mlp.0")
        x = x + linear(s, y / 2 * (1 + torch.erf(y / math.sqrt(2))), f"{name}.mlp.3")
    return linear(s, layer_norm(s, x, "encoder.ln", 1e-6)[:, 0], "heads.head")


def turned(x: torch.Tensor, base: float) -> torch.Tensor:
    """[N, L, H, D], whose elements d and d + D / 2 are a complex number, turned by its position."""
    half = x.shape[-1] // 2
    speeds = base ** -(torch.arange(half).double() / half)
    angles = torch.arange(x.shape[1])[:, None] * speeds
    numbers = torch.complex(x[..., :half], x[..., half:])
    numbers = numbers * torch.polar(torch.ones_like(angles), angles)[:, None]
    return torch.cat([numbers.real, numbers.imag], -1)


def llama_attention(s: State, x: torch.Tensor, name: str, base: float) -> torch.Tensor:
    """Of 4 heads of queries, and 2 of keys."""
    query, key, value = (
        linear(s, x, f"{name}.{part}_proj").unflatten(-1, (-1, 8)) for part in "qkv"
    )
    query, key = turned(query, base), turned(key, base)
    key, value = (part.repeat_interleave(2, 2) for part in (key, value))
    return linear(s, attention(query, key, value, causal(x.shape[1])), f"{name}.o_proj")


def of_llama(s: State, tokens: torch.Tensor) -> torch.Tensor:
    x = s["embed_tokens.weight"][tokens]
    for name in ("layers.0", "layers.1"):
        y = rms_norm(s, x, f"{name}.input_layernorm", 1e-5)
        x = x + llama_attention(s, y, f"{name}.self_attn", 500000.0)
        y = rms_norm(s, x, f"{name}.post_attention_layernorm", 1e-5)
        gate = linear(s, y, f"{name}.mlp.gate_proj")
        y = gate * torch.sigmoid(gate) * linear(s, y, f"{name}.mlp.up_proj")
        x = x + linear(s, y, f"{name}.mlp.down_proj")
    return linear(s, rms_norm(s, x, "norm", 1e-5), "lm_head")


def mixture(
    s: State, x: torch.Tensor, name: str, chosen: int, room: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token by token: x [T, W] to the sum of its experts, and how unevenly tokens are spread."""
    likely = torch.softmax(linear(s, x, f"{name}.router"), -1)
    tokens, experts = likely.shape
    limit = math.ceil(room * tokens * chosen / experts)
    order = likely.argsort(-1, descending=True)[:, :chosen]
    taken, wanted, y = [0] * experts, [0] * experts, torch.zeros_like(x)
    for choice in range(chosen):
        for token in range(tokens):
            expert = int(order[token, choice])
            wanted[expert] += 1
            if taken[expert] == limit:
                continue
            taken[expert] += 1
            gate = x[token] @ s[f"{name}.gate"][expert]
            made = gate * torch.sigmoid(gate) * (x[token] @ s[f"{name}.up"][expert])
            share = likely[token, expert] / likely[token, order[token]].sum()
            y[token] += share * (made @ s[f"{name}.down"][expert])
    parts = torch.tensor(wanted).double() / sum(wanted)
    return y, experts * (parts * likely.mean(0)).sum()


def of_moe(
    s: State, tokens: torch.Tensor, chosen: int = 2, room: float = 1.25
) -> tuple[torch.Tensor, torch.Tensor]:
    x, spreads = s["tokens.weight"][tokens], []
    for name in ("layers.0", "layers.1"):
        y = rms_norm(s, x, f"{name}.norm_before", 1e-5)
        x = x + llama_attention(s, y, f"{name}.attention", 1000000.0)
        y = rms_norm(s, x, f"{name}.norm_after", 1e-5)
        y, spread = mixture(s, y.flatten(0, 1), f"{name}.mixture", chosen, room)
        x = x + y.reshape(x.shape)
        spreads.append(spread)
    return linear(s, rms_norm(s, x, "norm", 1e-5), "head"), sum(spreads) / 2


def bucket_of(distance: int, two_sided: bool, buckets: int, farthest: int) -> int:
    """Of one distance from a query to a key."""
    first = 0
    if two_sided:
        buckets //= 2
        first = buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    exact = buckets // 2
    if distance < exact:
        return first + distance
    grown = math.log(distance / exact) / math.log(farthest / exact) * (buckets - exact)
    return first + min(exact + int(grown), buckets - 1)


def t5_stack(s: State, x: torch.Tensor, name: str, read: torch.Tensor | None) -> torch.Tensor:
    length, two_sided = x.shape[1], read is None
    numbers = [
        [bucket_of(key - query, two_sided, 8, 9) for key in range(length)]
        for query in range(length)
    ]
    bias = s[f"{name}.bias.table.weight"][torch.tensor(numbers)].permute(2, 0, 1)
    bias = bias if two_sided else bias + causal(length)

    def attend(x, y, part, bias):
        heads = [
            linear(s, z, f"{part}.{kind}").unflatten(-1, (3, 5))
            for z, kind in zip((x, y, y), "qkv")
        ]
        return linear(s, attention(*heads, bias, 1.0), f"{part}.o")

    for number in range(2):
        layer = f"{name}.layers.{number}"
        y = rms_norm(s, x, f"{layer}.norms.0", 1e-6)
        x = x + attend(y, y, f"{layer}.attention", bias)
        if read is not None:
            y = rms_norm(s, x, f"{layer}.norms.1", 1e-6)
            x = x + attend(y, read, f"{layer}.other", 0.0)
        y = rms_norm(s, x, f"{layer}.norms.{1 if two_sided else 2}", 1e-6)
        x = x + linear(s, linear(s, y, f"{layer}.wi").relu(), f"{layer}.wo")
    return rms_norm(s, x, f"{name}.norm", 1e-6)


def of_t5(s: State, texts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    table = s["shared.weight"]
    read = t5_stack(s, table[texts], "encoder", None)
    return t5_stack(s, table[answers], "decoder", read) / math.sqrt(24) @ table.T


def of_gcn(s: State, x: torch.Tensor, source: Any, target: Any, weights: Any) -> torch.Tensor:
    matrix = torch.zeros(9, 9).double()
    matrix[target, source] = weights
    x = (matrix @ x @ s["first.linear.weight"].T + s["first.bias"]).relu()
    return matrix @ x @ s["second.linear.weight"].T + s["second.bias"]


def of_gat(s: State, x: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Node by node, head by head."""

    def layer(x, name, heads):
        y = torch.stack((x @ s[f"{name}.linear.weight"].T).chunk(heads, -1))
        rows = torch.zeros(len(x), heads, y.shape[-1]).double()
        for head in range(heads):
            a, b = s[f"{name}.of_target"][head], s[f"{name}.of_source"][head]
            for node in range(len(x)):
                others = y[head][source[target == node]]
                scores = F.leaky_relu(a @ y[head, node] + others @ b, 0.2)
                rows[node, head] = torch.softmax(scores, 0) @ others
        return rows + s[f"{name}.bias"]

    return layer(F.elu(layer(x, "first", 3).flatten(1)), "second", 1)[:, 0]


REFERENCES = {
    "resnet": of_resnet,
    "resnet of basic blocks": of_resnet,
    "mobilenet": of_mobilenet,
    "unet": of_unet,
    "gpt2": of_gpt2,
    "bert": of_bert,
    "vit": of_vit,
    "llama": of_llama,
    "moe": of_moe,
    "moe with little room": lambda s, tokens: of_moe(s, tokens, 1, 0.8),
    "t5": of_t5,
    "gcn": of_gcn,
    "gat": of_gat,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_model_is_that_of_its_paper(name: str) -> None:
    ours, theirs, arguments = EXAMPLES[name].pair()
    state = {key: value.detach() for key, value in theirs.double().state_dict().items()}
    with weft.no_grad():
        found = weft.jit(ours.forward)(*map(weft.asarray, arguments))
    assert_near(found, REFERENCES[name](state, *map(in_float64, arguments)))


@pytest.mark.parametrize("two_sided", [True, False])
def test_buckets_are_those_of_each_distance(two_sided: bool) -> None:
    bucket = written_in(weft, "t5").bucket
    distances = np.arange(-300, 301)
    # Where a logarithm is a whole number, its rounding decides: at powers of 2 ** (1 / 4) times 8.
    exact = [d for d in distances if abs(d) not in (16, 32, 64, 128)]
    found = np.asarray(bucket(weft.asarray(np.array(exact)), two_sided, 32, 128))
    assert found.tolist() == [bucket_of(int(d), two_sided, 32, 128) for d in exact]


def test_lstm_reads_pictures_row_by_row() -> None:
    ours, theirs, (sequences,) = EXAMPLES["lstm"].pair()
    s = theirs.double().state_dict()
    x = in_float64(sequences)[:, 0]
    for layer in range(2):
        hidden = cell = torch.zeros(2, 7).double()
        states = []
        for step in range(6):
            gates = x[:, step] @ s[f"lstm.weight_ih_l{layer}"].T + s[f"lstm.bias_ih_l{layer}"]
            gates = gates + hidden @ s[f"lstm.weight_hh_l{layer}"].T + s[f"lstm.bias_hh_l{layer}"]
            enter, keep, candidate, leave = gates.chunk(4, -1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
            hidden = torch.sigmoid(leave) * torch.tanh(cell)
            states.append(hidden)
        x = torch.stack(states, 1)
    assert_near(ours(weft.asarray(sequences)), linear(s, x[:, -1], "head"))


def test_loss_of_vae_is_likelihood_and_divergence() -> None:
    ours, theirs, (pictures, noise) = EXAMPLES["vae"].pair()
    pictures = 1 / (1 + np.exp(-pictures))
    scores, mean, log_variance = theirs.double()(*map(in_float64, (pictures, noise)))
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(
        normal(mean, torch.exp(log_variance / 2)), normal(0.0, 1.0)
    )
    pixels = F.binary_cross_entropy(torch.sigmoid(scores), in_float64(pictures), reduction="sum")
    wanted = (pixels + divergence.sum()) / 5
    assert_near(ours.loss(weft.asarray(pictures), weft.asarray(noise)), wanted)


def test_diffusion_is_the_chain_of_single_steps() -> None:
    """The mean and the variance of `noisy` are those of adding noise time by time, and `earlier`
    has those of the posterior where the model finds the noise that was added."""
    program = written_in(weft, "diffusion")
    chain = program.Diffusion(50)
    added = np.linspace(0.1 / 50, 20.0 / 50, 50)
    random = np.random.default_rng(0)
    image, noise, drawn = (random.standard_normal((1, 1, 2, 2)) for _ in range(3))
    factor, variance = 1.0, 0.0
    for time, beta in enumerate(added):
        factor, variance = factor * math.sqrt(1 - beta), variance * (1 - beta) + beta
        arrays = [weft.asarray(x.astype(np.float32)) for x in (image, noise)]
        found = np.asarray(chain.noisy(*arrays, weft.tensor([time])))
        wanted = factor * image + math.sqrt(variance) * noise
        np.testing.assert_allclose(found, wanted, rtol=0, atol=4e-6)
        back = chain.earlier(
            lambda *_: weft.asarray(noise.astype(np.float32)),
            weft.asarray(wanted.astype(np.float32)),
            weft.asarray(drawn.astype(np.float32)),
            weft.tensor(time),
        )
        before = factor / math.sqrt(1 - beta)  # The factor of the image one time earlier.
        ahead = (variance - beta) / (1 - beta)
        mean = before * beta / variance * image + math.sqrt(1 - beta) * ahead / variance * wanted
        expected = mean + (math.sqrt(beta) * drawn if time else 0.0)
        np.testing.assert_allclose(np.asarray(back), expected, rtol=0, atol=4e-5)


def test_worth_of_actions_is_what_comes_after() -> None:
    ours, theirs, (states,) = EXAMPLES["dqn"].pair()
    target = EXAMPLES["dqn"].build(weft)
    random = np.random.default_rng(0)
    actions, over = random.integers(0, 2, 5), np.array([0, 1, 0, 0, 1], np.float32)
    rewards = random.standard_normal(5).astype(np.float32)
    following = random.standard_normal((5, 4)).astype(np.float32)
    other = EXAMPLES["dqn"].build(torch).double()
    other.load_state_dict({k: in_float64(v.numpy()) for k, v in target.state_dict().items()})
    batch = (states, actions, rewards, following, over)
    loss = written_in(weft, "dqn").temporal_difference
    found = loss(ours, target, 0.9, *map(weft.asarray, batch))
    with torch.no_grad():
        worth, after = theirs.double()(in_float64(states)), other(in_float64(following))
    total = 0.0
    for row in range(5):
        wanted = rewards[row] + (0.0 if over[row] else 0.9 * float(after[row].max()))
        error = abs(float(worth[row, actions[row]]) - wanted)
        total += error**2 / 2 if error < 1 else error - 0.5
    assert found.item() == pytest.approx(total / 5, rel=1e-5)
    found.backward()
    assert all(parameter.grad is None for parameter in target.parameters())
    assert all(parameter.grad is not None for parameter in ours.parameters())


def test_adversarial_step_is_that_of_pytorch() -> None:
    """Both networks and both losses after three steps; compiled and eager agree to the bit."""
    random = np.random.default_rng(0)
    batches = [
        (
            random.standard_normal((4, 1, 28, 28)).astype(np.float32),
            random.standard_normal((4, 5)).astype(np.float32),
        )
        for _ in range(3)
    ]
    states = [EXAMPLES[name].pair()[1].state_dict() for name in ("generator", "discriminator")]

    def trained(framework: Any, convert: Any, make_step: Any) -> list[Any]:
        models = [EXAMPLES[name].build(framework) for name in ("generator", "discriminator")]
        for model, state in zip(models, states, strict=True):
            model.load_state_dict(state)
            model.to(convert(batches[0][0]).dtype)
        program = written_in(framework, "gan")
        optimizers = tuple(framework.optim.SGD(m.parameters(), lr=0.02) for m in models)
        step = make_step(program.adversarial_step(*models, optimizers))
        losses = [loss for batch in batches for loss in step(*map(convert, batch))]
        return [x.detach().numpy() for x in [*losses, *models[0].parameters()]]

    eager = trained(weft, weft.asarray, lambda step: step)
    assert_same_bits(eager, trained(weft, weft.asarray, weft.jit))
    narrow, wide = (trained(torch, x, lambda step: step) for x in (torch.from_numpy, in_float64))
    for number, values in enumerate(zip(eager, narrow, wide, strict=True)):
        assert_near_change(f"result {number}", *values)
