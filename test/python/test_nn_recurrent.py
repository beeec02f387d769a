"""Recurrent layers and packed sequences against PyTorch with the same parameters."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from module_twins import array, assert_close, compare, leaves, twins
from numerics import assert_same_bits
from weft import nn
from weft.nn.utils import rnn

CELLS = {
    "RNNCell": {},
    "RNNCell relu": {"nonlinearity": "relu"},
    "GRUCell": {},
    "LSTMCell": {},
    "LSTMCell plain": {"bias": False},
}


def class_of(framework, name):
    return getattr(framework.nn, name.partition(" ")[0])


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("name", CELLS)
def test_cells_match_torch(name, batch):
    ours, theirs = twins(
        lambda f: class_of(f, name)(4, 5, **CELLS[name], dtype=f.float64, device="cpu")
    )
    assert repr(ours) == repr(theirs)
    states = [array(*batch, 5, seed=n, dtype="float64") for n in range(1 + ("LSTM" in name))]

    def run(module, x, *given):
        first = module(x)
        return first, module(x, given if len(given) > 1 else given[0])

    compare(ours, theirs, [array(*batch, 4, dtype="float64"), *states], terms=10, run=run)


#: Options of a layer; sizes are small, so that few kernels are compiled.
LAYERS = st.fixed_dictionaries(
    {
        "num_layers": st.integers(1, 2),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
        "bidirectional": st.booleans(),
    }
)


def with_options(kind, options):
    options = dict(options)
    if kind == "relu":
        options["nonlinearity"] = "relu"
    if kind == "projected":
        options["proj_size"] = 2
    return {"relu": "RNN", "projected": "LSTM"}.get(kind, kind), options


@pytest.mark.parametrize("kind", ["RNN", "relu", "GRU", "LSTM", "projected"])
@given(LAYERS, st.integers(1, 3), st.sampled_from([None, 1, 3]), st.booleans())
@settings(max_examples=6, deadline=None)
def test_layers_match_torch(kind, options, steps, batch, has_state):
    name, options = with_options(kind, options)
    ours, theirs = twins(lambda f: getattr(f.nn, name)(4, 5, **options, dtype=f.float64))
    assert repr(ours) == repr(theirs)
    shape = (
        [steps] if batch is None else [batch, steps] if options["batch_first"] else [steps, batch]
    )
    rows = options["num_layers"] * (1 + options["bidirectional"])
    widths = [options.get("proj_size") or 5, 5][: 1 + (name == "LSTM")]
    middle = [] if batch is None else [batch]
    states = [
        array(rows, *middle, width, seed=n, dtype="float64") for n, width in enumerate(widths)
    ]

    def run(module, x, *given):
        return module(x, given if len(given) > 1 else given[0]) if has_state else module(x)

    compare(
        *(ours, theirs, [array(*shape, 4, dtype="float64"), *states]),
        terms=20 * steps * options["num_layers"],
        run=run,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_long_sequences(name, dtype):
    ours, theirs = twins(
        lambda f: getattr(f.nn, name)(6, 8, 2, batch_first=True, dtype=getattr(f, dtype))
    )
    compare(ours, theirs, [array(3, 12, 6, dtype=dtype)], terms=12 * 2 * 16)


def test_half_precision_runs():
    layer = nn.LSTM(3, 4, dtype=weft.float16)
    x = weft.asarray(array(2, 2, 3)).astype(weft.float16)
    result, _ = layer(x)
    wide, _ = layer.float()(x.astype(weft.float32))
    assert result.dtype is weft.float16
    np.testing.assert_allclose(np.asarray(result.detach()), np.asarray(wide.detach()), atol=2**-8)


def test_empty_batches():
    ours, theirs = twins(lambda f: f.nn.GRU(3, 4, bidirectional=True))
    x = array(2, 0, 3)
    result, state = ours(weft.asarray(x))
    expected, wanted = theirs(torch.tensor(x))
    assert result.shape == tuple(expected.shape)
    assert state.shape == tuple(wanted.shape)


def test_parameters_are_those_of_torch():
    options = {"num_layers": 2, "bidirectional": True, "proj_size": 3}
    ours, theirs = nn.LSTM(4, 5, **options), torch.nn.LSTM(4, 5, **options)
    shapes = {name: tuple(p.shape) for name, p in theirs.named_parameters()}
    assert {name: p.shape for name, p in ours.named_parameters()} == shapes
    assert [len(weights) for weights in ours.all_weights] == [5] * 4
    ours.flatten_parameters()
    bound = 1 / np.sqrt(5)
    values = np.concatenate([np.asarray(p.detach()).ravel() for p in ours.parameters()])
    assert np.abs(values).max() <= bound
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


def test_dropout_is_between_layers():
    weft.random.seed(0)
    layer = nn.GRU(4, 64, num_layers=2, dropout=0.5)
    x = weft.asarray(array(3, 2, 4))
    assert not np.array_equal(layer(x)[0].detach(), layer(x)[0].detach())
    first = layer(x)[1].detach()[0]
    assert_same_bits(first, layer.eval()(x)[1].detach()[0])
    assert_same_bits(layer(x)[0].detach(), layer(x)[0].detach())
    with pytest.warns(UserWarning, match="does nothing with one layer"):
        nn.LSTM(3, 3, dropout=0.1)


def test_the_inputs_of_all_steps_are_one_product():
    layer = nn.LSTM(8, 4)
    text = weft.jit(lambda x: layer(x)[0]).lower(weft.ones(6, 2, 8)).ir("weft")
    assert text.count("12x8") > 0
    assert "tensor<2x8xf32>, tensor<16x8xf32>" not in text


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_a_layer_gives_the_bits_of_its_cell_step_by_step(name):
    layer, cell = getattr(nn, name)(5, 4), getattr(nn, name + "Cell")(5, 4)
    for own, other in zip(cell.parameters(), layer.parameters(), strict=True):
        own.data = other.data
    x = weft.asarray(array(9, 3, 5, seed=1))
    state, made = None, []
    for step in x:
        state = cell(step, state)
        made.append(leaves(state)[0])
    result, last = layer(x)
    assert_same_bits(result.detach(), weft.stack(made).detach())
    for one, other in zip(leaves(last), leaves(state), strict=True):
        assert_same_bits(one[0].detach(), other.detach())


def test_a_layer_called_eagerly_is_one_program_for_all_steps():
    layer = nn.LSTM(3, 4, num_layers=2)
    counts = []
    for steps in (4, 90):
        layer.zero_grad()
        before = weft.stats()
        layer(weft.ones(steps, 2, 3))[0].sum().backward()
        after = weft.stats()
        counts.append(after["eager_calls"] - before["eager_calls"])
    assert counts[0] == counts[1]


def test_a_layer_called_eagerly_lets_its_memory_go():
    layer = nn.LSTM(3, 4)
    layer(weft.ones(5, 2, 3))[0].sum().backward()
    kept = [weakref.ref(layer), *map(weakref.ref, layer.parameters())]
    del layer
    gc.collect()
    assert [reference() for reference in kept] == [None] * len(kept)


def test_what_changes_between_eager_calls_is_seen():
    x = weft.asarray(array(4, 2, 3, seed=2))
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5)
    outputs = [np.array(layer(x)[0].detach()) for _ in range(2)]
    assert (outputs[0] != outputs[1]).any()  # drawn anew
    layer.eval()
    plain = np.array(layer(x)[0].detach())
    layer.train()
    layer.dropout = 0.0
    assert_same_bits(layer(x)[0].detach(), plain)
    with weft.no_grad():
        layer.weight_hh_l0.mul_(0.5)
    halved = np.array(layer(x)[0].detach())
    assert (halved != plain).any()
    layer.weight_hh_l0 = nn.Parameter(layer.weight_hh_l0.detach() * 2)
    assert_same_bits(layer(x)[0].detach(), plain)
    layer.requires_grad_(False)
    assert not layer(x)[0].requires_grad
    layer.weight_ih_l0.requires_grad_(True)
    layer(x)[0].sum().backward()
    assert layer.weight_ih_l0.grad is not None
    assert layer.weight_hh_l0.grad is None
    with weft.no_grad():
        assert not layer(x)[0].requires_grad


def packed_of(lengths):
    return rnn.pack_sequence([weft.ones(length, 3) for length in lengths], enforce_sorted=False)


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_programs_do_not_grow_with_the_number_of_steps(name, is_packed):
    layer = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True)

    def step(x):
        layer.zero_grad()
        result, _ = layer(x)
        loss = ((result.data if is_packed else result) ** 2).mean()
        loss.backward()
        return loss

    sizes = []
    for steps in (3, 90):
        x = packed_of([steps, 2, steps]) if is_packed else weft.ones(steps, 2, 3)
        text = weft.jit(step).lower(x).ir("kernels")
        sizes.append(text.count("\n"))
    # Where the steps of packed sequences lie is a constant of a line.
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_packed_sequences_equal_eager_to_the_bit(name):
    layer = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True)
    x = [weft.asarray(array(length, 3, seed=length)) for length in (2, 7, 1, 7)]

    def run(packed):
        layer.zero_grad()
        result, states = layer(packed)
        loss = (result.data**2).sum() + sum(part.sum() for part in leaves(states))
        loss.backward()
        return [result.data, *leaves(states), *(p.grad for p in layer.parameters())]

    packed = rnn.pack_sequence(x, enforce_sorted=False)
    for eager, compiled in zip(run(packed), weft.jit(run)(packed), strict=True):
        assert_same_bits(eager.detach(), compiled.detach())


def test_compiled_training_equals_eager_to_the_bit():
    losses = []
    for compiled in (False, True):
        weft.random.seed(2)
        model = nn.LSTM(3, 4, num_layers=2, dropout=0.3, bidirectional=True)
        optimizer = weft.optim.Adam(model.parameters(), lr=0.01)

        def step(x):
            optimizer.zero_grad()
            result, (state, cell) = model(x)
            loss = (result**2).mean() + state.sum() - cell.mean()
            loss.backward()
            optimizer.step()
            return loss

        run = weft.jit(step) if compiled else step
        losses.append([run(weft.asarray(array(3, 2, 3, seed=n))).item() for n in range(3)])
        if compiled:
            assert run.stats()["traces"] == 1
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.LSTM(3, 0), "hidden_size and num_layers have to be positive"),
        (lambda: nn.LSTM(3, 4, num_layers=0), "have to be positive"),
        (lambda: nn.LSTM(3, 4, dropout=1.5), r"dropout has to be in \[0, 1\]"),
        (lambda: nn.LSTM(3, 4, proj_size=4), "proj_size has to be less than hidden_size"),
        (lambda: nn.RNN(3, 4, nonlinearity="elu"), 'has to be "tanh" or "relu"'),
        (lambda: nn.RNNCell(3, 4, nonlinearity="elu"), 'has to be "tanh" or "relu"'),
        (lambda: nn.RNNBase("GRU", 3, 4, proj_size=2), "only an LSTM has a proj_size"),
        (lambda: nn.GRU(3, 4)(weft.ones(2, 2, 2)), "last dimension has to be 3"),
        (lambda: nn.GRU(3, 4)(weft.ones(3)), r"has to be \[T, N, 3\] or \[T, 3\]"),
        (lambda: nn.GRU(3, 4)(weft.ones(0, 2, 3)), "has no steps"),
        (lambda: nn.GRU(3, 4)(weft.ones(1, 2, 3), weft.ones(1, 3, 4)), r"has to be \(1, 2, 4\)"),
        (lambda: nn.GRU(3, 4)(weft.ones(1, 2, 3, dtype="int32")), "has to be floating"),
        (lambda: nn.GRUCell(3, 4)(weft.ones(1, 2, 3)), r"has to be \[N, 3\] or \[3\]"),
        (lambda: nn.GRUCell(3, 4)(weft.ones(2, 3), weft.ones(4)), "the state has shape"),
        (lambda: rnn.pad_sequence([weft.ones(2), weft.ones(2, 3)]), "differ in the first alone"),
        (lambda: rnn.pad_sequence([weft.ones(2)], padding_side="top"), "padding_side has to be"),
        (lambda: rnn.pack_padded_sequence(weft.ones(3, 2), [1, 2]), "have to descend"),
        (lambda: rnn.pack_padded_sequence(weft.ones(3, 2), [4, 2]), "from 1 to 3"),
        (lambda: rnn.pack_padded_sequence(weft.ones(3, 2), [3]), "1 lengths for 2 sequences"),
        (lambda: rnn.unpad_sequence(weft.ones(3, 2), [3]), "1 lengths do not fit"),
    ],
)
def test_mistakes_have_clear_errors(make, message):
    with pytest.raises(weft.WeftError, match=message):
        make()


# Sequences of different lengths --------------------------------------------------------------

LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@given(LENGTHS, st.booleans(), st.sampled_from(["right", "left"]))
@settings(max_examples=15, deadline=None)
def test_padding_matches_torch(lengths, batch_first, side):
    given = [array(length, 2, seed=n) for n, length in enumerate(lengths)]
    ours = rnn.pad_sequence(list(map(weft.asarray, given)), batch_first, 0.5, side)
    theirs = torch.nn.utils.rnn.pad_sequence(list(map(torch.tensor, given)), batch_first, 0.5, side)
    assert np.array_equal(ours, theirs.numpy())
    if side == "right":
        again = rnn.unpad_sequence(ours, weft.asarray(lengths), batch_first)
        assert all(np.array_equal(x, y) for x, y in zip(again, given, strict=True))


@given(LENGTHS, st.booleans(), st.booleans(), st.integers(0, 1))
@settings(max_examples=15, deadline=None)
def test_packing_matches_torch(lengths, batch_first, is_sorted, more):
    lengths = sorted(lengths, reverse=True) if is_sorted else lengths
    shape = (len(lengths), 4) if batch_first else (4, len(lengths))
    x, torchs = array(*shape, 2), torch.nn.utils.rnn
    ours = rnn.pack_padded_sequence(weft.asarray(x), lengths, batch_first, is_sorted)
    theirs = torchs.pack_padded_sequence(torch.tensor(x), lengths, batch_first, is_sorted)
    assert list(ours.batch_sizes) == theirs.batch_sizes.tolist()
    assert (ours.sorted_indices is None) == is_sorted
    total = max(lengths) + more
    padded, counts = rnn.pad_packed_sequence(ours, batch_first, -1.0, total)
    expected, wanted = torchs.pad_packed_sequence(theirs, batch_first, -1.0, total)
    assert np.array_equal(padded, expected.numpy())
    assert counts.tolist() == wanted.tolist() == lengths
    for x, y in zip(rnn.unpack_sequence(ours), torchs.unpack_sequence(theirs), strict=True):
        assert np.array_equal(x, y.numpy())


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "projected"])
def test_layers_of_packed_sequences_match_torch(kind, is_sorted):
    name, options = with_options(kind, {"bidirectional": True, "num_layers": 2})
    ours, theirs = twins(lambda f: getattr(f.nn, name)(3, 4, **options, dtype=f.float64))
    lengths = [4, 2, 2, 1] if is_sorted else [2, 4, 1, 2]
    widths = [options.get("proj_size", 4), 4][: 1 + (name == "LSTM")]
    states = [array(4, 4, width, seed=n, dtype="float64") for n, width in enumerate(widths)]

    def run_by(functions):
        def run(module, x, *given):
            packed = functions.pack_padded_sequence(x, lengths, enforce_sorted=is_sorted)
            result, state = module(packed, given if len(given) > 1 else given[0])
            return functions.pad_packed_sequence(result)[0], state, module(packed)[1]

        return run

    compare(
        *(ours, theirs, [array(4, 4, 3, dtype="float64"), *states]),
        terms=4 * 2 * 10,
        run=run_by(rnn),
        run_theirs=run_by(torch.nn.utils.rnn),
    )


def test_packed_sequences_are_arguments_and_results_of_compiled_functions():
    x = [weft.asarray(array(length, 3, seed=length)) for length in (2, 3)]
    packed = rnn.pack_sequence(x, enforce_sorted=False)
    doubled = weft.jit(lambda p: rnn.PackedSequence(p.data * 2, *p[1:]))
    result = doubled(packed)
    assert isinstance(result, rnn.PackedSequence)
    assert result.batch_sizes == packed.batch_sizes == (2, 2, 1)
    for before, after in zip(x, rnn.unpack_sequence(result), strict=True):
        assert np.array_equal(np.asarray(before) * 2, after)
    doubled(rnn.pack_sequence(x[:1]))
    assert doubled.stats()["traces"] == 2
    assert packed.to(weft.float64).data.dtype is weft.float64
    assert packed.cpu().data.device == "cpu"


def test_the_gradients_of_packed_sequences_are_for_the_padded_ones():
    x = weft.tensor(array(3, 2, 1), requires_grad=True)
    rnn.pack_padded_sequence(x, [3, 1]).data.sum().backward()
    assert np.asarray(x.grad)[:, :, 0].tolist() == [[1, 1], [1, 0], [1, 0]]
    assert leaves((x, None)) == [x]
    assert_close(x.detach(), torch.tensor(array(3, 2, 1)), 1)
