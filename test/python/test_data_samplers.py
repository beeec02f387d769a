"""Samplers, datasets made of others, and batches, against PyTorch's where nothing is random."""

import collections
import itertools
import random

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils import data as torch_data
from weft import data
from weft.data import DataLoader, DistributedSampler

few = settings(max_examples=25, deadline=None)

Pair = collections.namedtuple("Pair", ["first", "second"])


def plain(value):
    """Tensors of both libraries as (dtype, shape, elements), containers with their types."""
    if isinstance(value, (weft.Tensor, torch.Tensor)):
        name = str(value.dtype).rpartition(".")[2]
        return name, tuple(value.shape), np.asarray(value).tolist()
    if isinstance(value, collections.abc.Mapping):
        return type(value), {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value), [plain(item) for item in value]
    return type(value), value


# Samplers ----------------------------------------------------------------------------------------


@few
@given(st.integers(0, 20), st.integers(1, 7), st.booleans())
def test_batches_of_numbers_are_torchs(count, size, drop_last):
    samplers = [library.SequentialSampler(range(count)) for library in (data, torch_data)]
    ours, theirs = (
        library.BatchSampler(sampler, size, drop_last)
        for library, sampler in zip((data, torch_data), samplers, strict=True)
    )
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)
    assert list(samplers[0]) == list(samplers[1])


@few
@given(st.integers(1, 20), st.booleans(), st.one_of(st.none(), st.integers(1, 50)))
def test_random_samples_are_drawn_evenly(count, replacement, wanted):
    sampler = data.RandomSampler(range(count), replacement, wanted, generator=7)
    first, second = list(sampler), list(sampler)
    assert len(first) == len(sampler) == sampler.num_samples == (wanted or count)
    assert all(type(number) is int and 0 <= number < count for number in first)
    if not replacement:
        times = collections.Counter(first)
        assert max(times.values()) - min(times[number] for number in range(count)) <= 1
    again = data.RandomSampler(range(count), replacement, wanted, generator=7)
    assert [list(again), list(again)] == [first, second]


def test_orders_differ_and_follow_what_they_are_drawn_from():
    def orders(generator):
        sampler = data.RandomSampler(range(30), generator=generator)
        return [list(sampler) for _ in range(2)]

    for make in (lambda: 3, lambda: weft.random.key(3), lambda: np.random.default_rng(3)):
        one, two = orders(make())
        assert one != two
        assert orders(make()) == [one, two]
    weft.random.seed(4)
    drawn = orders(None)
    weft.random.seed(4)
    assert orders(None) == drawn
    assert drawn[0] != drawn[1]
    # A generator is used as it is: others draw from it too.
    numbers = np.random.default_rng(3)
    assert orders(numbers)[0] != orders(numbers)[0]


def test_a_subset_in_random_order():
    sampler = data.SubsetRandomSampler([3, 30, 300], generator=1)
    found = [tuple(sampler) for _ in range(60)]
    assert len(sampler) == 3
    assert set(found) == set(itertools.permutations([3, 30, 300]))


def test_weights_are_probabilities():
    weights = [1.0, 0.0, 3.0, 4.0]
    sampler = data.WeightedRandomSampler(weights, 8000, generator=1)
    times = collections.Counter(sampler)
    for number, weight in enumerate(weights):
        expected = weight * 1000
        # Five standard deviations of a binomial distribution.
        assert abs(times[number] - expected) <= 5 * (expected * (1 - weight / 8)) ** 0.5
    drawn = [
        tuple(data.WeightedRandomSampler(weights, 3, replacement=False, generator=seed))
        for seed in range(300)
    ]
    assert all(sorted(order) == [0, 2, 3] for order in drawn)
    firsts = collections.Counter(order[0] for order in drawn)
    assert firsts[3] > firsts[2] > firsts[0] > 0


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("num_samples has to be", lambda: data.RandomSampler(range(3), num_samples=0)),
        ("replacement has to be a bool", lambda: data.RandomSampler(range(3), replacement=1)),
        ("there are no samples", lambda: list(data.RandomSampler([], num_samples=2))),
        ("num_samples has to be", lambda: data.WeightedRandomSampler([1.0], True)),
        ("weights have shape", lambda: data.WeightedRandomSampler([[1.0]], 1)),
        ("weights have to be finite", lambda: data.WeightedRandomSampler([1.0, -1.0], 1)),
        ("not all 0", lambda: data.WeightedRandomSampler([0.0], 1)),
        ("without replacement", lambda: data.WeightedRandomSampler([1.0, 0.0], 2, False)),
        ("batch_size has to be", lambda: data.BatchSampler([1], 0, False)),
        ("drop_last has to be a bool", lambda: data.BatchSampler([1], 2, None)),
    ],
)
def test_mistakes_of_samplers(message, make):
    with pytest.raises(weft.OptionError, match=message):
        make()


@pytest.mark.parametrize("generator", [torch.Generator(), "3", -1, 0.5, weft.asarray(0.5)])
def test_what_is_no_generator(generator):
    with pytest.raises(weft.DTypeError, match=r"a seed of at least 0, a key of weft\.random"):
        data.RandomSampler(range(3), generator=generator)


# Datasets ----------------------------------------------------------------------------------------


class Squares(data.Dataset):
    """Numbers and their squares; a subclass of PyTorch's class is the twin."""

    def __init__(self, count, start=0):
        self.count, self.start = count, start

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not -self.count <= index < self.count:
            raise IndexError(index)
        number = self.start + index % self.count
        return number, np.float32(number * number)


class TorchSquares(torch_data.Dataset):
    __init__, __len__, __getitem__ = Squares.__init__, Squares.__len__, Squares.__getitem__


class Stream(data.IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class SizedStream(Stream):
    def __len__(self):
        return len(self.items)


@few
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_datasets_one_after_the_other(counts):
    ours, theirs = (
        library.ConcatDataset([kind(count, 10 * n) for n, count in enumerate(counts)])
        for library, kind in ((data, Squares), (torch_data, TorchSquares))
    )
    total = sum(counts)
    assert len(ours) == len(theirs) == total
    assert ours.cumulative_sizes == theirs.cumulative_sizes
    assert [ours[n] for n in range(-total, total)] == [theirs[n] for n in range(-total, total)]
    with pytest.raises(IndexError):
        ours[total]


def test_sums_of_datasets():
    both = Squares(2) + Squares(2, 7)
    assert [pair[0] for pair in both] == [0, 1, 7, 8]
    chain = Stream([1, 2]) + SizedStream([3])
    assert isinstance(chain, data.ChainDataset)
    assert list(chain) == [1, 2, 3]
    with pytest.raises(TypeError, match=r"has no len\(\)"):
        len(chain)
    assert len(SizedStream([3]) + SizedStream([4, 5])) == 3
    assert list(data.ChainDataset([torch_data.ChainDataset([]), Stream([1])])) == [1]


def test_datasets_side_by_side():
    for kwargs in (False, True):
        ours, theirs = (
            library.StackDataset(a=kind(3), b=kind(3, 5))
            if kwargs
            else library.StackDataset(kind(3), kind(3, 5))
            for library, kind in ((data, Squares), (torch_data, TorchSquares))
        )
        assert len(ours) == 3
        assert [ours[n] for n in range(3)] == [theirs[n] for n in range(3)]
        assert ours.__getitems__([2, 0]) == theirs.__getitems__([2, 0])
        assert plain(next(iter(DataLoader(ours, 2)))) == plain(
            next(iter(torch_data.DataLoader(theirs, 2)))
        )


def test_many_samples_are_asked_for_at_once():
    class Many(Squares):
        asked = ()

        def __getitems__(self, indices):
            self.asked = (*self.asked, tuple(indices))
            return [self[index] for index in indices]

    dataset = Many(5)
    list(DataLoader(dataset, 2, num_workers=0))
    assert dataset.asked == ((0, 1), (2, 3), (4,))
    nested = Many(5)
    list(DataLoader(data.StackDataset(data.Subset(nested, [4, 2, 0])), 2, num_workers=0))
    assert nested.asked == ((4, 2), (0,))
    Many.__getitems__ = lambda self, indices: []
    with pytest.raises(weft.ShapeError, match="number 0 gave 0 samples for 2 places"):
        data.StackDataset(dataset).__getitems__([0, 1])


@pytest.mark.filterwarnings("ignore:Length of split")
@few
@given(st.integers(0, 30), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_splits_by_fractions_are_as_large_as_torchs(count, parts):
    fractions = [part / sum(parts) for part in parts]
    if sum(fractions) > 1:
        fractions[0] -= sum(fractions) - 1
    ours = data.random_split(Squares(count), fractions, generator=3)
    theirs = torch_data.random_split(TorchSquares(count), fractions)
    assert [len(part) for part in ours] == [len(part) for part in theirs]
    numbers = [pair[0] for part in ours for pair in part]
    assert sorted(numbers) == list(range(count))


def test_splits_by_sizes():
    first, second = data.random_split(Squares(9), [6, 3], generator=3)
    assert (len(first), len(second)) == (6, 3)
    assert sorted(first.indices + second.indices) == list(range(9))
    assert first.indices != sorted(first.indices)
    again = data.random_split(Squares(9), [6, 3], generator=weft.random.key(3))
    assert sorted(again[0].indices + again[1].indices) == list(range(9))
    tensors = data.TensorDataset(np.arange(9), weft.arange(9))
    batch = next(iter(DataLoader(data.random_split(tensors, [4, 5], generator=1)[0], 4)))
    assert batch[0].tolist() == batch[1].tolist()


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (
            weft.OptionError,
            "make 5, but there are 4",
            lambda: data.random_split(Squares(4), [2, 3]),
        ),
        (weft.OptionError, "in .0, 1.", lambda: data.random_split(Squares(4), [1.5, -0.5])),
        (weft.OptionError, "there are no datasets", lambda: data.ConcatDataset([])),
        (weft.DTypeError, "number 1 is iterated", lambda: Squares(1) + Stream([])),
        (weft.DTypeError, "number 0 can't be iterated", lambda: list(data.ChainDataset([3]))),
        (weft.OptionError, "not both", lambda: data.StackDataset()),
        (weft.OptionError, "not both", lambda: data.StackDataset([1], a=[1])),
        (weft.ShapeError, r"different lengths, \[1, 2\]", lambda: data.StackDataset([1], [1, 2])),
        (IndexError, "sample 4 is out of range", lambda: data.Subset(Squares(9), [1])[4]),
    ],
)
def test_mistakes_of_datasets(error, message, make):
    with pytest.raises(error, match=message):
        make()


# Batches -----------------------------------------------------------------------------------------

numbers = st.one_of(
    st.integers(-(2**40), 2**40), st.floats(-10, 10), st.booleans(), st.just(np.float32(0.5))
)
texts = st.sampled_from(["a", "bc", b"d"])
arrays = st.tuples(st.sampled_from([(), (2,), (2, 0), (1, 3)]), st.sampled_from("fdilB?")).map(
    lambda pair: np.ones(pair[0], pair[1])
)


def containers(items):
    return st.one_of(
        st.tuples(items, items),
        st.lists(items, max_size=2),
        st.builds(Pair, items, items),
        st.dictionaries(st.sampled_from(["k", "l"]), items),
        st.dictionaries(st.sampled_from(["k", "l"]), items).map(collections.OrderedDict),
    )


samples = st.recursive(st.one_of(numbers, texts, arrays), containers, max_leaves=5)


@few
@given(samples, st.integers(1, 3))
def test_batches_have_the_structure_of_torchs(sample, count):
    ours = data.default_collate([sample] * count)
    theirs = torch_data.default_collate([sample] * count)
    assert plain(ours) == plain(theirs)
    assert plain(data.default_convert(sample)) == plain(torch_data.default_convert(sample))


def test_tensors_of_any_library_make_batches():
    value = np.arange(3, dtype=np.float32)
    needs_gradient = torch.tensor(value, requires_grad=True)
    for sample in (weft.asarray(value), torch.tensor(value), needs_gradient, value):
        batch = data.default_collate([{"x": sample}] * 2)["x"]
        assert isinstance(batch, weft.Tensor)
        assert batch.tolist() == [[0, 1, 2], [0, 1, 2]]
        assert isinstance(data.default_convert([sample])[0], weft.Tensor)
    rows = [weft.nn.Parameter(weft.asarray(value))] * 2
    assert not data.default_collate(rows).requires_grad


def test_containers_that_can_not_be_rebuilt_become_plain():
    class Frozen(collections.abc.Mapping):
        def __init__(self, items, extra):
            self.items_ = items

        def __getitem__(self, key):
            return self.items_[key]

        def __iter__(self):
            return iter(self.items_)

        def __len__(self):
            return len(self.items_)

    sample = Frozen({"a": 1}, None)
    assert plain(data.default_collate([sample])) == plain(torch_data.default_collate([sample]))
    assert plain(data.default_collate([range(2)])) == plain(torch_data.default_collate([range(2)]))
    words = np.array(["a", "b"])
    assert data.default_convert(words) is words


def test_mistakes_of_batches():
    with pytest.raises(weft.ShapeError, match=r"need one shape, not \[\(1,\), \(2,\)\]"):
        data.default_collate([np.zeros(1), np.zeros(2)])
    with pytest.raises(weft.ShapeError, match=r"need one length, not \[1, 2\]"):
        data.default_collate([[1], [1, 2]])
    with pytest.raises(weft.DTypeError, match="not a NoneType; give a collate_fn"):
        data.default_collate([None])
    with pytest.raises(weft.DTypeError, match="not a ndarray"):
        data.default_collate([np.array(["a"])])


# The loader's options ----------------------------------------------------------------------------

MODES = [{"num_workers": 0}, {"prefetch": 1}, {"prefetch": 3}, {"num_workers": None}]


@pytest.mark.parametrize("mode", MODES)
@few
@given(
    st.integers(0, 12),
    st.one_of(st.none(), st.integers(1, 5)),
    st.booleans(),
    st.sampled_from([None, "sampler", "batch_sampler"]),
)
def test_batches_are_torchs(mode, count, size, drop_last, given_order):
    options = {"batch_size": size, "drop_last": drop_last and size is not None}
    if given_order == "sampler":
        options["sampler"] = [n for n in (4, 0, 2, 2) if n < count]
    elif given_order == "batch_sampler":
        options = {"batch_sampler": [[n] for n in range(count)][::-1]}
    ours = DataLoader(Squares(count), **options, **mode)
    theirs = torch_data.DataLoader(TorchSquares(count), **options)
    assert [plain(batch) for batch in ours] == [plain(batch) for batch in theirs]
    assert len(ours) == len(theirs)
    # PyTorch's datasets are as good.
    mixed = DataLoader(TorchSquares(count), **options, **mode)
    assert [plain(batch) for batch in mixed] == [plain(batch) for batch in theirs]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [None, 1, 2, 5, 9])
@pytest.mark.parametrize("drop_last", [False, True])
def test_streams_are_read_in_batches(mode, size, drop_last):
    class TorchStream(torch_data.IterableDataset):
        __init__, __iter__ = Stream.__init__, Stream.__iter__

    options = {"batch_size": size, "drop_last": drop_last and size is not None}
    items = [(n, np.full(2, n, np.float32)) for n in range(5)]
    theirs = [plain(batch) for batch in torch_data.DataLoader(TorchStream(items), **options)]
    for stream in (SizedStream(items), TorchStream(items)):
        loader = DataLoader(stream, **options, **mode)
        assert [plain(batch) for batch in loader] == theirs
        assert [plain(batch) for batch in loader] == theirs
    assert len(DataLoader(SizedStream(items), **options)) == len(theirs)
    with pytest.raises(TypeError):
        len(DataLoader(Stream(items), **options))


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_of_the_users_stays_as_it_is(mode):
    loader = DataLoader(Squares(4), 2, collate_fn=lambda samples: tuple(samples), **mode)
    assert list(loader) == [((0, 0.0), (1, 1.0)), ((2, 4.0), (3, 9.0))]
    arrays = DataLoader(Squares(2), 2, collate_fn=lambda samples: np.array(samples), **mode)
    assert isinstance(next(iter(arrays)), np.ndarray)
    single = DataLoader(Squares(2), None, collate_fn=lambda sample: sample[0] + 10, **mode)
    assert list(single) == [10, 11]


@pytest.mark.parametrize("mode", MODES)
def test_orders_follow_the_generator(mode):
    def orders(**options):
        loader = DataLoader(Squares(20), 4, shuffle=True, **mode, **options)
        return [[n for batch in loader for n in batch[0].tolist()] for _ in range(2)]

    one, two = orders(generator=5)
    assert sorted(one) == list(range(20))
    assert one != two
    assert orders(generator=5) == [one, two]
    assert orders(generator=weft.random.key(5))[0] != orders(generator=weft.random.key(6))[0]
    weft.random.seed(1)
    drawn = [orders(), weft.random.randint(1 << 30).item()]
    weft.random.seed(1)
    assert [orders(), weft.random.randint(1 << 30).item()] == drawn
    random_sampler = DataLoader(Squares(2), shuffle=True).sampler
    assert isinstance(random_sampler, data.RandomSampler)


def test_samplers_run_in_the_callers_thread():
    """What they draw by weft.random is drawn in order, whatever a thread does meanwhile."""
    import threading

    threads = set()

    def numbers():
        for number in range(6):
            threads.add(threading.get_ident())
            yield number

    list(DataLoader(Squares(6), 2, sampler=numbers()))
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("shuffle or sampler, not both", {"shuffle": True, "sampler": [1]}),
        ("takes the place of batch_size", {"batch_size": 2, "batch_sampler": [[1]]}),
        ("takes the place of batch_size", {"drop_last": True, "batch_sampler": [[1]]}),
        ("no last one to drop", {"batch_size": None, "drop_last": True}),
        ("have to be at least 0, not -1", {"num_workers": -1}),
        ("prefetch_factor has to be at least 1", {"num_workers": 1, "prefetch_factor": 0}),
        ("prefetch_factor need workers", {"prefetch_factor": 2}),
        ("persistent_workers and timeout need", {"persistent_workers": True, "timeout": 1.0}),
        ("multiprocessing_context need workers", {"multiprocessing_context": "fork"}),
        ("seed or generator, not both", {"seed": 1, "generator": 2, "shuffle": True}),
    ],
)
def test_mistakes_of_loaders(message, options):
    with pytest.raises(weft.OptionError, match=message):
        DataLoader(Squares(4), **options)


@pytest.mark.parametrize("name", ["shuffle", "sampler", "batch_sampler"])
def test_a_stream_has_no_order(name):
    with pytest.raises(weft.OptionError, match="decides its order itself"):
        DataLoader(Stream([]), **{name: True if name == "shuffle" else [[1]]})
    assert list(DataLoader(Stream([]), shuffle=False)) == []


def test_options_that_change_nothing_are_taken():
    loader = DataLoader(Squares(2), 2, pin_memory=True, pin_memory_device="cuda", in_order=True)
    assert [batch[0].tolist() for batch in loader] == [[0, 1]]
    state = random.getstate()
    list(DataLoader(Squares(4), 2, shuffle=True))
    assert random.getstate() == state


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 12, 13])
def test_shares_of_processes(count, drop_last):
    """PyTorch's arithmetic of shares, of samples in order; and all samples of a drawn order."""
    for replicas in (1, 3, 5):
        for rank in range(replicas):
            options = {"num_replicas": replicas, "rank": rank, "drop_last": drop_last}
            ours = DistributedSampler(range(count), shuffle=False, **options)
            if not (drop_last and count < replicas):
                theirs = torch_data.DistributedSampler(range(count), shuffle=False, **options)
                assert (list(ours), len(ours)) == (list(theirs), len(theirs))
            assert len(list(ours)) == len(ours)
        shares = [
            DistributedSampler(range(count), replicas, rank, seed=3, drop_last=drop_last)
            for rank in range(replicas)
        ]
        drawn = [number for share in shares for number in share]
        assert set(drawn) <= set(range(count))
        if drop_last:
            assert len(set(drawn)) == len(drawn) == count // replicas * replicas
        else:
            assert set(drawn) == set(range(count))


def test_epochs_of_shares():
    sampler = DistributedSampler(range(100), 2, 0)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


@pytest.mark.parametrize(
    ("message", "arguments", "options"),
    [
        ("num_replicas has to be", (0, 0), {}),
        ("rank has to be an integer of 0 to 1", (2, 2), {}),
        ("rank has to be", (2, -1), {}),
        ("seed has to be", (2, 1), {"seed": -1}),
        ("shuffle has to be a bool", (2, 1), {"shuffle": 1}),
    ],
)
def test_mistakes_of_shares(message, arguments, options):
    with pytest.raises(weft.OptionError, match=message):
        DistributedSampler(range(4), *arguments, **options)
