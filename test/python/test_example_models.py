"""The models of examples/models at small sizes: eager and compiled agree to the bit, and both with
PyTorch's results in float64 within rounding; so do some steps of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import weft
from example_models import (
    EXAMPLES,
    LLAMA,
    TOLERANCE,
    Example,
    assert_near,
    assert_near_change,
    in_float64,
    results_of,
    words,
)
from numerics import assert_same_bits, eager_and_jit, to_numpy

from examples.models import written_in

STEPS = 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_eager_compiled_and_pytorch_agree(name: str) -> None:
    ours, theirs, arguments = EXAMPLES[name].pair()

    def inference(*tensors: weft.Tensor) -> Any:
        with weft.no_grad():
            return ours(*tensors)

    found = eager_and_jit(inference, *map(weft.asarray, arguments))
    with torch.no_grad():
        assert_near(found, theirs.double()(*map(in_float64, arguments)))


def state_of(model: Any) -> dict[str, np.ndarray]:
    """Copies of all weights and of what normalizations have seen."""
    return {name: np.array(value.detach().numpy()) for name, value in model.state_dict().items()}


def step_of(model: Any, optimizer: Any, cotangents: list[Any]) -> Any:
    """The training step whose loss is the sum of all results times these numbers."""

    def step(*arguments: Any) -> Any:
        optimizer.zero_grad()
        results = model(*arguments)
        results = results if isinstance(results, tuple) else (results,)
        loss = sum((x * y).sum() for x, y in zip(results, cotangents, strict=True))
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def trained(
    framework: Any, model: Any, arguments: list[Any], cotangents: list[Any], compiled: bool = False
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """The losses of some steps, and how the state has changed by them."""
    before = state_of(model)
    optimizer = framework.optim.SGD(model.train().parameters(), lr=0.01, momentum=0.9)
    step = step_of(model, optimizer, cotangents)
    step = weft.jit(step) if compiled else step
    losses = [np.array(step(*arguments).numpy()) for _ in range(STEPS)]
    return losses, {name: value - before[name] for name, value in state_of(model).items()}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if "no rows" not in name])
def test_training_is_that_of_pytorch(name: str) -> None:
    example = EXAMPLES[name]
    _, theirs, arrays = example.pair()
    shapes = [one.shape for one in results_of(theirs(*map(torch.from_numpy, arrays)))]
    random = np.random.default_rng(1)
    cotangents = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
    found = []
    for compiled in (False, True):
        ours = example.pair()[0]
        tensors, factors = (list(map(weft.asarray, x)) for x in (arrays, cotangents))
        found.append(trained(weft, ours, tensors, factors, compiled))
    (losses, changes), (compiled_losses, compiled_changes) = found
    assert_same_bits(losses, compiled_losses)
    assert_same_bits(list(changes.values()), list(compiled_changes.values()))
    before = state_of(theirs)
    narrow = trained(torch, theirs, *(list(map(torch.from_numpy, x)) for x in (arrays, cotangents)))
    wide = trained(
        torch,
        example.pair()[1].double(),
        *(list(map(in_float64, x)) for x in (arrays, cotangents)),
    )
    assert any(np.abs(change).max() > 1e-3 for change in wide[1].values())
    assert_near_change("loss", losses[-1], narrow[0][-1], wide[0][-1], 0.0)
    for key, change in changes.items():
        size = np.abs(before[key]).max(initial=0.0)
        assert_near_change(key, change, narrow[1][key], wide[1][key], float(size))


@pytest.fixture(scope="module")
def llama() -> tuple[Any, Any]:
    ours, theirs, _ = Example("llama", "Llama", LLAMA, words((2, 7))).pair()
    return ours, theirs.double()


def test_llama_goes_on_as_if_it_had_read_all(llama: tuple[Any, Any]) -> None:
    """A text in parts of any length, with a cache, has the scores of one that is read at once."""
    ours, theirs = llama
    tokens = words((2, 12))(np.random.default_rng(1))[0]
    expected = theirs(torch.from_numpy(tokens))
    step = weft.jit(lambda *arguments: ours(*arguments))
    for parts in ([12], [5, 1, 1, 1, 1, 1, 1, 1], [1, 4, 7], [3, 3, 6]):
        cache, scores, first = ours.cache(2, 16), [], 0
        for length in parts:
            part = weft.asarray(tokens[:, first : first + length])
            with weft.no_grad():
                scores.append(step(part, cache, first))
            first += length
        assert_near(weft.cat(scores, 1), expected)
        assert not to_numpy(cache.keys[0][:, :, 12:]).any()
    assert step.stats()["traces"] == len({12, 5, 1, 4, 7, 3, 6})


def test_llama_generates_what_the_whole_text_says(llama: tuple[Any, Any]) -> None:
    ours, theirs = llama
    prompt = words((2, 4))(np.random.default_rng(2))[0]
    found = np.asarray(ours.generate(weft.asarray(prompt), 9, temperature=0))
    text = torch.from_numpy(prompt)
    for _ in range(9):
        scores = theirs(text)[:, -1].sort(-1).values
        assert (scores[:, -1] - scores[:, -2]).min() > 1e-4, "no tie that rounding decides"
        text = torch.cat([text, theirs(text)[:, -1:].argmax(-1)], 1)
    np.testing.assert_array_equal(found, text.numpy())


def test_llama_draws_from_the_likeliest(llama: tuple[Any, Any]) -> None:
    """Each token has the frequency that its score says among the likeliest, and no other comes."""
    ours, theirs = llama
    weft.manual_seed(3)
    prompt = words((1, 4))(np.random.default_rng(3))[0]
    count, temperature, likeliest = 4000, 0.7, 3
    drawn = ours.generate(weft.asarray(prompt.repeat(count, 0)), 1, temperature, likeliest)[:, -1]
    scores, tokens = theirs(torch.from_numpy(prompt))[0, -1].topk(likeliest)
    expected = torch.softmax(scores / temperature, 0).detach().numpy()
    found = [(np.asarray(drawn) == token).mean() for token in tokens.numpy()]
    assert sum(found) == pytest.approx(1.0)
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / count))


def test_gpt2_and_t5_generate_what_the_whole_text_says() -> None:
    ours, theirs, (prompt,) = EXAMPLES["gpt2"].pair()
    weft.manual_seed(0)
    found = ours.generate(weft.asarray(prompt[:, :3]), 6)
    assert found.shape == (2, 9)
    np.testing.assert_array_equal(np.asarray(found[:, :3]), prompt[:, :3])
    ours, theirs, (texts, _) = EXAMPLES["t5"].pair()
    found = np.asarray(ours.answer(weft.asarray(texts), 5))
    answers = torch.zeros(2, 1, dtype=torch.int64)
    for _ in range(5):
        scores = theirs(torch.from_numpy(texts), answers)
        answers = torch.cat([answers, scores[:, -1:].argmax(-1)], 1)
    np.testing.assert_array_equal(found, answers[:, 1:].numpy())


@pytest.mark.parametrize(
    ("module", "kind", "millions"),
    [
        ("mlp", "MLP", 2.9),
        ("resnet", "ResNet", 25.557032),
        ("mobilenet", "MobileNetV2", 3.504872),
        ("bert", "Bert", 108.9),
        ("gpt2", "GPT2", 124.439808),
        ("vit", "ViT", 86.567656),
        ("llama", "Llama", 8030.261248),
        ("t5", "T5", 60.506624),
        ("moe", "Mixtral", 46702.792704),
        ("unet", "UNet", 1.9),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_defaults_are_the_published_sizes(module: str, kind: str, millions: float) -> None:
    program = written_in(torch, module)
    with torch.device("meta"):
        model = getattr(program, kind)(program.Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=5e-7 if millions * 10 % 1 else 0.05)


def test_tolerance_is_far_below_what_a_wrong_model_gives() -> None:
    ours, theirs, (tokens,) = EXAMPLES["gpt2"].pair()
    with torch.no_grad():
        theirs.double().h[0].attn.c_attn.weight[0, 0] += 0.01
        wanted = theirs(torch.from_numpy(tokens)).numpy()
    found = to_numpy(ours(weft.asarray(tokens)).detach())
    assert np.abs(found - wanted).max() > TOLERANCE * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("resnet", ("conv1.weight", "layer1.0.bn3.running_var", "layer2.0.downsample.1.bias")),
        ("mobilenet", ("features.0.0.weight", "features.1.conv.0.0.weight", "classifier.1.bias")),
        ("vit", ("encoder.layers.encoder_layer_1.mlp.3.bias", "conv_proj.bias", "heads.head.bias")),
        ("gpt2", ("wte.weight", "h.1.attn.c_attn.bias", "h.0.mlp.c_fc.weight", "ln_f.bias")),
        ("llama", ("layers.1.self_attn.q_proj.weight", "layers.0.mlp.down_proj.weight")),
        ("lstm", ("lstm.weight_ih_l0", "lstm.bias_hh_l1", "head.weight")),
    ],
)
def test_weights_have_their_usual_names(name: str, keys: tuple[str, ...]) -> None:
    assert set(keys) <= set(EXAMPLES[name].build(weft).state_dict())
