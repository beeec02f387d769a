"""Multi-head attention and transformers against PyTorch with the same parameters."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from module_twins import array, compare, twins
from weft import nn

#: PyTorch tells of its fast path, and of masks of different dtypes.
pytestmark = pytest.mark.filterwarnings("ignore")


def hidden(kind, *shape, seed=0):
    """A mask of PyTorch's kind, under which each query sees the first key."""
    if kind is None:
        return None
    chosen = np.random.default_rng([seed, *shape]).random(shape) < 0.4
    chosen[..., 0] = False
    return np.where(chosen, -np.inf, 0.25) if kind == "added" else chosen


MASKS = st.sampled_from([None, "bool", "added"])


@given(
    st.fixed_dictionaries(
        {
            "add_bias_kv": st.booleans(),
            "add_zero_attn": st.booleans(),
            "batch_first": st.booleans(),
            "bias": st.booleans(),
            "kdim": st.sampled_from([None, 3]),
            "vdim": st.sampled_from([None, 5]),
        }
    ),
    *(MASKS, MASKS, st.sampled_from([None, 1, 2]), st.booleans(), st.booleans()),
)
@settings(max_examples=25, deadline=None)
def test_attention_matches_torch(options, mask, padding, batch, needs_weights, averaged):
    ours, theirs = twins(lambda f: f.nn.MultiheadAttention(4, 2, **options, dtype=f.float64))
    middle = [] if batch is None else [batch]

    def shaped(length, features):
        first = options["batch_first"] and middle
        return (*middle, length, features) if first else (length, *middle, features)

    masks = {
        "attn_mask": hidden(mask, 3, 4),
        "key_padding_mask": hidden(padding, *middle, 4, seed=1),
    }

    def run(module, query, key, value, **masks):
        result, weights = module(
            *(query, key, value),
            need_weights=needs_weights,
            average_attn_weights=averaged,
            **masks,
        )
        assert (weights is None) != needs_weights
        return (result, weights) if needs_weights else result

    inputs = [shaped(3, 4), shaped(4, options["kdim"] or 4), shaped(4, options["vdim"] or 4)]
    given_arrays = [array(*shape, seed=n, dtype="float64") for n, shape in enumerate(inputs)]
    compare(ours, theirs, given_arrays, terms=64, run=run, options=masks)


@pytest.mark.parametrize("extra", [False, True])
def test_causal_attention_is_that_of_the_causal_mask(extra):
    module = nn.MultiheadAttention(4, 2, add_bias_kv=extra, add_zero_attn=extra)
    x = weft.asarray(array(3, 2, 4))
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    expected, weights = module(x, x, x, attn_mask=mask)
    result, causal = module(x, x, x, is_causal=True)
    assert np.array_equal(result.detach(), expected.detach())
    assert np.array_equal(weights.detach(), causal.detach())
    joined, _ = module(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)
    np.testing.assert_allclose(joined.detach(), expected.detach(), atol=1e-6)


def test_a_mask_for_each_head_of_one_sequence():
    ours, theirs = twins(lambda f: f.nn.MultiheadAttention(4, 2, dtype=f.float64))
    masks = {"attn_mask": hidden("bool", 2, 3, 3)}
    compare(
        *(ours, theirs, [array(3, 4, dtype="float64")]),
        terms=64,
        run=lambda module, x, **masks: module(x, x, x, **masks),
        options=masks,
    )


LAYER = st.fixed_dictionaries(
    {
        "activation": st.sampled_from(["relu", "gelu", "tanh"]),
        "norm_first": st.booleans(),
        "batch_first": st.booleans(),
        "bias": st.booleans(),
        "layer_norm_eps": st.sampled_from([1e-5, 0.1]),
    }
)


def layer_options(framework, options):
    named = options["activation"] in ("relu", "gelu")
    activation = options["activation"] if named else getattr(framework, options["activation"])
    return {**options, "activation": activation, "dtype": framework.float64}


@given(LAYER, MASKS, MASKS, st.booleans())
@settings(max_examples=10, deadline=None)
def test_encoder_layers_match_torch(options, mask, padding, is_single):
    ours, theirs = twins(
        lambda f: f.nn.TransformerEncoderLayer(4, 2, 6, 0.0, **layer_options(f, options))
    )
    shape = (3, 4) if is_single else (2, 3, 4) if options["batch_first"] else (3, 2, 4)
    masks = {
        "src_mask": hidden(mask, 3, 3),
        "src_key_padding_mask": hidden(padding, *([3] if is_single else [2, 3]), seed=1),
    }
    compare(
        *(ours, theirs, [array(*shape, dtype="float64")]),
        terms=256,
        options=masks,
    )


@given(LAYER, MASKS, MASKS)
@settings(max_examples=10, deadline=None)
def test_decoder_layers_match_torch(options, mask, padding):
    ours, theirs = twins(
        lambda f: f.nn.TransformerDecoderLayer(4, 2, 6, 0.0, **layer_options(f, options))
    )
    first = options["batch_first"]
    target, memory = ((2, 3, 4), (2, 5, 4)) if first else ((3, 2, 4), (5, 2, 4))
    masks = {
        "tgt_mask": hidden(mask, 3, 3),
        "memory_mask": hidden(padding, 3, 5),
        "tgt_key_padding_mask": hidden(padding, 2, 3, seed=1),
        "memory_key_padding_mask": hidden(mask, 2, 5, seed=2),
    }
    compare(
        *(ours, theirs, [array(*target, dtype="float64"), array(*memory, dtype="float64")]),
        terms=256,
        options=masks,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_transformers_match_torch(batch_first, dtype):
    ours, theirs = twins(
        lambda f: f.nn.Transformer(
            *(4, 2, 2, 2, 6, 0.0),
            batch_first=batch_first,
            norm_first=batch_first,
            dtype=getattr(f, dtype),
        )
    )
    source, target = ((2, 5, 4), (2, 3, 4)) if batch_first else ((5, 2, 4), (3, 2, 4))

    def run(module, source, target, **padding):
        mask = type(module).generate_square_subsequent_mask(3, dtype=target.dtype)
        return module(source, target, tgt_mask=mask, tgt_is_causal=True, **padding)

    padding = hidden("bool", 2, 5)
    compare(
        *(ours, theirs, [array(*source, dtype=dtype), array(*target, dtype=dtype)]),
        terms=1024,
        run=run,
        options={"src_key_padding_mask": padding, "memory_key_padding_mask": padding},
    )


@pytest.mark.parametrize("norm", [False, True])
def test_stacks_match_torch(norm):
    def encoder(f):
        layer = f.nn.TransformerEncoderLayer(4, 2, 6, 0.0, dtype=f.float64)
        return f.nn.TransformerEncoder(
            layer, 2, f.nn.LayerNorm(4, dtype=f.float64) if norm else None
        )

    def decoder(f):
        layer = f.nn.TransformerDecoderLayer(4, 2, 6, 0.0, dtype=f.float64)
        return f.nn.TransformerDecoder(
            layer, 2, f.nn.LayerNorm(4, dtype=f.float64) if norm else None
        )

    x, memory = array(3, 2, 4, dtype="float64"), array(2, 2, 4, dtype="float64")
    ours, theirs = twins(encoder)
    compare(ours, theirs, [x], terms=512)
    starts = [np.asarray(layer.linear1.weight.detach()) for layer in ours.layers]
    assert np.array_equal(*starts), "copies begin alike"
    assert ours.layers[0].linear1.weight is not ours.layers[1].linear1.weight
    ours, theirs = twins(decoder)
    compare(ours, theirs, [x, memory], terms=512)


@pytest.mark.parametrize("activation", ["relu", "gelu", weft.tanh])
def test_layers_are_pickled(activation):
    layer = nn.TransformerEncoderLayer(4, 2, 4, activation=activation).eval()
    clone = pickle.loads(pickle.dumps(layer))
    x = weft.asarray(array(3, 2, 4))
    assert np.array_equal(clone(x).detach(), layer(x).detach())


def test_the_causal_mask():
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    expected = torch.nn.Transformer.generate_square_subsequent_mask(3)
    assert np.array_equal(mask, expected.numpy())
    assert nn.Transformer.generate_square_subsequent_mask(2, dtype=weft.float64).dtype == "float64"


def test_compiled_training_with_dropout_equals_eager_to_the_bit():
    losses = []
    for compiled in (False, True):
        weft.random.seed(4)
        model = nn.Transformer(8, 2, 1, 1, 16, 0.3)
        optimizer = weft.optim.SGD(model.parameters(), lr=0.1)

        def step(source, target):
            optimizer.zero_grad()
            loss = (model(source, target, tgt_is_causal=True) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = weft.jit(step) if compiled else step
        x = [weft.asarray(array(3, 2, 8, seed=n)) for n in range(2)]
        losses.append([run(*x).item() for _ in range(3)])
        if compiled:
            assert run.stats()["traces"] == 1
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MultiheadAttention(4, 3), "3 heads do not divide 4"),
        (
            lambda: nn.MultiheadAttention(4, 2)(
                weft.ones(3, 4), weft.ones(3, 1, 4), weft.ones(3, 4)
            ),
            "need 3 dimensions, or 2 without a batch",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(*[weft.ones(n, 2, 4) for n in (1, 2, 3)]),
            "key and value one length",
        ),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="elu"), 'has to be "relu", "gelu"'),
        (lambda: nn.TransformerEncoder(nn.Linear(2, 2), -1), "there can't be -1 layers"),
        (
            lambda: nn.Transformer(4, 2, 1, 1, 4)(weft.ones(3, 2, 4), weft.ones(3, 1, 4)),
            "with the same batch",
        ),
        (
            lambda: nn.Transformer(4, 2, 1, 1, 4)(weft.ones(3, 2, 5), weft.ones(3, 2, 4)),
            "need 4 features",
        ),
    ],
)
def test_mistakes_have_clear_errors(make, message):
    with pytest.raises(weft.WeftError, match=message):
        make()
