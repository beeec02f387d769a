"""Functions and methods by PyTorch's names over random shapes and dtypes, beside PyTorch's."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from module_twins import leaves
from numerics import eager_and_jit, to_numpy
from torch_comparison import assert_like_torch

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
UNIT = {"float16": 2**-11, "bfloat16": 2**-8, "float32": 2**-24, "float64": 2**-53}


def generator(name: str) -> np.random.Generator:
    """One of its own for each test."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def shapes(draw: np.random.Generator, count: int = 6, least: int = 0) -> list[tuple[int, ...]]:
    """Random ones; among the sizes are 0 and 1."""
    ranks = draw.integers(least, 4, count)
    found = [tuple(int(draw.choice([0, 1, 2, 3, 5])) for _ in range(rank)) for rank in ranks]
    return [*found, (0, 3)[:2], (1,) * max(least, 1), (4, 5)]


def tensor_pair(array: np.ndarray, dtype: str) -> tuple[weft.Tensor, torch.Tensor]:
    """The numbers as a tensor of each library, which hold the same."""
    theirs = torch.from_numpy(np.ascontiguousarray(array)).to(getattr(torch, dtype))
    return weft.from_dlpack(theirs).clone(), theirs


def assert_alike(ours: Any, theirs: Any, roundings: float = 0.0, size: float = 0.0) -> None:
    """Nested results of both: the same numbers, dtypes and shapes, up to so many roundings."""
    if not isinstance(theirs, torch.Tensor):
        if isinstance(theirs, (tuple, list)):
            assert len(ours) == len(theirs)
            for left, right in zip(ours, theirs, strict=True):
                assert_alike(left, right, roundings, size)
        else:
            assert ours == theirs
        return
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(theirs.dtype) == f"torch.{ours.dtype.name}"
    if theirs.is_complex():
        ours, theirs = weft.view_as_real(ours), torch.view_as_real(theirs)
    unit = roundings * UNIT.get(ours.dtype.name, 0.0)
    found = to_numpy(ours.detach().astype("float64" if unit else ours.dtype))
    wanted = theirs.detach().to(torch.float64 if unit else theirs.dtype).numpy()
    np.testing.assert_allclose(found, wanted, rtol=unit, atol=unit * size)


#: Of two arrays of integers.
OF_INTEGERS: dict[str, Callable] = {
    "gcd": lambda m, x, y: [m.gcd(x, y), x.gcd(y), x.clone().gcd_(y)],
    "lcm": lambda m, x, y: [m.lcm(x, y), x.lcm(y), x.clone().lcm_(y)],
    "isreal": lambda m, x, y: m.isreal(x),
    "nanmedian": lambda m, x, y: m.nanmedian(x.reshape(-1)[:5]) if x.numel() else x,
    "ldexp": lambda m, x, y: m.ldexp(x % 7, y % 5),
}


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", OF_INTEGERS)
def test_functions_of_integers(name: str, dtype: str) -> None:
    call, draw = OF_INTEGERS[name], generator(name + dtype)
    limits = np.iinfo(dtype)
    for shape in shapes(draw):
        # Of these no multiple overflows.
        most = int(limits.max**0.5)
        arrays = [draw.integers(-most if limits.min else 0, most, shape) for _ in "xy"]
        arrays[1] = np.where(draw.random(shape) < 0.3, draw.integers(0, 3, shape), arrays[1])
        (x, a), (y, b) = (tensor_pair(array.astype(dtype), dtype) for array in arrays)
        assert_alike(
            eager_and_jit(lambda x, y, call=call: call(weft, x, y), x, y), call(torch, a, b)
        )


@pytest.mark.parametrize("dtype", FLOATS)
def test_mantissas_and_exponents(dtype: str) -> None:
    draw = generator("frexp" + dtype)
    for shape in shapes(draw):
        scale = np.exp2(draw.integers(-1074, 1020, shape).astype(np.float64))
        values = draw.standard_normal(shape) * scale
        flat = values.reshape(-1)
        flat[:3:2] = [0.0, np.inf][: len(flat[:3:2])]
        x, theirs = tensor_pair(values, dtype)
        found = eager_and_jit(lambda x: tuple(weft.frexp(x)), x)
        wide = theirs.double().numpy()
        mantissas, exponents = np.frexp(np.where(np.isfinite(wide), wide, 0))
        np.testing.assert_array_equal(found[1], exponents)
        wanted = np.where(np.isfinite(wide), mantissas, wide)
        np.testing.assert_array_equal(to_numpy(found[0].double()), wanted)


#: Functions of two arrays of floating numbers with gradients, in roundings of numbers around 4.
SMOOTH: dict[str, tuple[Callable, float]] = {
    "erfc": (lambda m, x, y: m.erfc(x) + y.erfc(), 8),
    "i0": (lambda m, x, y: m.i0(x) + y.i0(), 16),
    "polygamma": (lambda m, x, y: m.polygamma(2, x * x + 2) + (y * y + 2).polygamma(2), 32),
    "mvlgamma": (lambda m, x, y: m.mvlgamma(x * x + 2, 3) + (y * y + 2).mvlgamma(2), 64),
    "matrix_exp": (lambda m, x, y: m.matrix_exp((x @ y.mT) / 4), 256),
    "lu_solve": (
        lambda m, x, y: m.lu_solve(x, *m.lu((y @ y.mT) + 4 * m.eye(4, dtype=x.dtype))),
        64,
    ),
    "lu_unpack": (
        lambda m, x, y: m.cat(m.lu_unpack(*m.lu(x @ y.mT + 3 * m.eye(4, dtype=x.dtype))), 1),
        512,
    ),
    "logaddexp2": (lambda m, x, y: m.logaddexp2(x, y), 4),
    "frexp": (lambda m, x, y: m.frexp(x * y)[0], 2),
    "ldexp": (lambda m, x, y: m.ldexp(x, y), 1),
    "rsub": (lambda m, x, y: m.rsub(x, y, alpha=2.0), 1),
    "renorm": (lambda m, x, y: m.renorm(x + y, 2, 0, 1.5), 8),
    "renorm of order 1": (lambda m, x, y: (x * y).renorm(1, -1, 0.7), 8),
    "nanmedian": (lambda m, x, y: m.nanmedian(x + y, 1).values, 1),
    "nanquantile": (lambda m, x, y: m.nanquantile(x + y, 0.3, dim=0, keepdim=True), 4),
    "norm_except_dim": (lambda m, x, y: m.norm_except_dim(x + y, 2, 1), 8),
    "norms": (lambda m, x, y: m.frobenius_norm(x * y, dim=1, keepdim=True), 8),
    "nuclear_norm": (lambda m, x, y: m.nuclear_norm(x @ y.mT), 40),
    "sum_to_size": (lambda m, x, y: (x * y).sum_to_size(1, x.shape[1]), 4),
    "addbmm": (lambda m, x, y: m.addbmm(x[:, :1], x[None], y.mT[None, :, :1], beta=0.5), 16),
    "chain_matmul": (lambda m, x, y: m.chain_matmul(x, y.mT, x), 64),
    "svd": (lambda m, x, y: m.svd(x + y).S, 40),
    "qr": (lambda m, x, y: m.qr((x + y).mT)[1].abs(), 40),
    "triangular_solve": (
        lambda m, x, y: m.triangular_solve(
            x, m.triu(y @ y.mT + 3 * m.eye(4, dtype=x.dtype)), transpose=True
        )[0],
        40,
    ),
    "stft": (
        lambda m, x, y: m.view_as_real(m.stft(x, 4, window=y[0, :4], return_complex=True)),
        40,
    ),
    "istft": (
        lambda m, x, y: m.istft(m.complex(x[:3], y[:3]), 4, hop_length=2, length=9).to(x.dtype),
        60,
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_functions_with_gradients(name: str) -> None:
    call, roundings = SMOOTH[name]
    draw = generator(name)
    for dtype in ("float64", "float32"):
        inputs = [draw.standard_normal((4, 6)) for _ in "xy"]
        assert_like_torch(
            lambda x, y: call(weft, x, y),
            lambda x, y: call(torch, x, y),
            inputs,
            dtype=dtype,
            roundings=roundings,
            size=8,
        )


def test_numbers_that_are_none() -> None:
    draw = generator("nan")
    for shape in [(5,), (3, 4), (1, 1), (2, 6)]:
        values = np.where(draw.random(shape) < 0.4, np.nan, draw.standard_normal(shape))
        values[0] = np.where(draw.random() < 0.5, np.nan, values[0])
        x, theirs = tensor_pair(values, "float64")

        def call(m: Any, x: Any) -> list:
            q = m.asarray([0.0, 0.25, 0.9, 1.0], dtype=x.dtype)
            return [
                m.nanmedian(x, 0).values,
                m.nanmedian(x, -1, True).values,
                m.nanmedian(x),
                m.nanquantile(x, 0.5),
                m.nanquantile(x, q, dim=-1),
                x.nanquantile(q, 0, True),
                x.nanquantile(0.7, keepdim=True),
            ]

        assert_alike(
            eager_and_jit(lambda x, call=call: call(weft, x), x), call(torch, theirs), 4, 4
        )


WINDOWS = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 8, 25])
def test_windows(name: str, length: int) -> None:
    for periodic in (True, False):
        for dtype in ("float32", "float64"):
            ours, theirs = (
                getattr(m, name)(length, periodic, dtype=getattr(m, dtype)) for m in (weft, torch)
            )
            # PyTorch computes in the dtype, and I0 by another series.
            assert_alike(ours, theirs, 24, 1)
    assert_alike(
        weft.hamming_window(9, False, 0.6, 0.4), torch.hamming_window(9, False, 0.6, 0.4), 8, 1
    )


SIGNALS = [
    {"n_fft": 8},
    {"n_fft": 8, "hop_length": 3, "center": False},
    {"n_fft": 7, "hop_length": 2, "normalized": True},
    {"n_fft": 8, "win_length": 5, "window": 5, "pad_mode": "constant"},
    {"n_fft": 6, "window": 6, "onesided": False},
]


@pytest.mark.parametrize("options", SIGNALS, ids=str)
@pytest.mark.parametrize("shape", [(40,), (3, 31), (1, 16)])
def test_frames_of_signals(options: dict, shape: tuple[int, ...]) -> None:
    values = generator(str(options)).standard_normal(shape)
    wide = options.get("window")

    def forward(m: Any, x: Any) -> Any:
        window = {} if wide is None else {"window": m.hann_window(wide, dtype=m.float64) + 0.1}
        return m.stft(x, **{**options, **window}, return_complex=True)

    x, theirs = tensor_pair(values, "float64")
    found = eager_and_jit(lambda x: forward(weft, x), x)
    wanted = forward(torch, theirs)
    assert_alike(found, wanted, 64, 4)
    back = {key: options[key] for key in options if key not in ("pad_mode", "window")}

    def backward(m: Any, x: Any) -> Any:
        window = {} if wide is None else {"window": m.hann_window(wide, dtype=m.float64) + 0.1}
        return m.istft(x, **back, **window)

    given = weft.complex(
        *(weft.asarray(part.contiguous().numpy()) for part in (wanted.real, wanted.imag))
    )
    if options.get("center", True):
        assert_alike(
            eager_and_jit(lambda x: backward(weft, x), given), backward(torch, wanted), 64, 4
        )


def test_complex_signals() -> None:
    values = generator("complex").standard_normal((2, 30, 2))
    x, theirs = (m.view_as_complex(m.asarray(values)) for m in (weft, torch))
    found, wanted = (m.stft(y, 8, return_complex=True) for m, y in ((weft, x), (torch, theirs)))
    assert_alike(found, wanted, 64, 4)
    ours, back = (
        m.istft(y, 8, return_complex=True, onesided=False)
        for m, y in ((weft, found), (torch, wanted))
    )
    assert_alike(ours, back, 64, 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_histograms(dtype: str) -> None:
    draw = generator("histogram" + dtype)
    for shape in [(0,), (1,), (7,), (3, 5)]:
        # Multiples of 1/8 and 8 intervals of whole widths: no rounding decides where one lies.
        values = draw.integers(-16, 17, shape) / 8.0
        weights = draw.integers(1, 9, shape) / 4.0
        (x, a), (w, v) = (tensor_pair(each, dtype) for each in (values, weights))

        def call(m: Any, x: Any, w: Any) -> list:
            edges = m.asarray([-1.5, -0.5, 0.25, 2.0], dtype=x.dtype)
            found = [
                m.histogram(x, 8, range=(-1.0, 1.0)),
                m.histogram(x, edges, weight=w),
                x.histogram(4, range=(-2.0, 2.0), weight=w, density=x.numel() > 0),
            ]
            return [list(each) for each in found]

        assert_alike(
            eager_and_jit(lambda *t, call=call: call(weft, *t), x, w), call(torch, a, v), 4, 1
        )
        if x._size:
            assert_alike(list(weft.histogram(x, 1)), list(torch.histogram(a, 1)), 2, 1)


def test_histograms_of_points() -> None:
    draw = generator("histogramdd")
    for count in (1, 20):
        values = draw.integers(-16, 17, (count, 2)) / 8.0
        weights = draw.integers(1, 9, count) / 4.0
        (x, a), (w, v) = (tensor_pair(each, "float64") for each in (values, weights))

        def call(m: Any, x: Any, w: Any) -> list:
            edges = [
                m.asarray([-2.0, 0.0, 1.0], dtype=x.dtype),
                m.asarray([-2.0, 2.0], dtype=x.dtype),
            ]
            found = [
                m.histogramdd(x, [4, 2], range=[-2.0, 2.0, -1.0, 1.0], weight=w),
                m.histogramdd(x, edges, density=True),
                m.histogramdd(x, 8, range=[-2.0, 2.0, -2.0, 2.0]),
            ]
            return [[each[0], *each[1]] for each in found]

        assert_alike(
            eager_and_jit(lambda *t, call=call: call(weft, *t), x, w), call(torch, a, v), 4, 1
        )


#: Arguments of functions in place; of the others there are none.
MORE_ARGUMENTS = {
    "addmv_": lambda m, x: (m.outer(x, x), x),
    "clamp_": lambda m, x: (0.3, 0.6),
    "clamp_max_": lambda m, x: (0.5,),
    "clamp_min_": lambda m, x: (0.5,),
    "clip_": lambda m, x: (0.3, None),
    "fill_": lambda m, x: (0.25,),
    "gcd_": lambda m, x: (x * 2,),
    "index_put_": lambda m, x: ((m.asarray([0, 1]),), x[0]),
    "lcm_": lambda m, x: (x * 2,),
    "ldexp_": lambda m, x: (x,),
    "xlogy_": lambda m, x: (x,),
}
#: Those that are methods; of the others test_nn_names.py.
IN_PLACE = [name for name in dir(torch) if hasattr(weft, name) and hasattr(weft.Tensor, name)]
IN_PLACE = [name for name in IN_PLACE if name.endswith("_") and not name.endswith("__")]


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("shape", [(4, 4), (1, 1), (0, 0)])
def test_functions_in_place(name: str, shape: tuple[int, ...]) -> None:
    if name == "addmv_":
        shape = shape[:1]
    if name == "index_put_":
        shape = (2, *shape)
    whole = name in ("gcd_", "lcm_")
    values = generator(name).uniform(0.1, 0.9, shape) + ("acosh" in name)
    array = (values * 90).astype(np.int64) if whole else values
    x, theirs = tensor_pair(array, "int64" if whole else "float64")
    more = MORE_ARGUMENTS.get(name, lambda m, x: ())
    wanted = getattr(torch, name)(theirs, *more(torch, theirs.clone()))

    def call(x: weft.Tensor) -> weft.Tensor:
        own = x.clone()
        result = getattr(weft, name)(own, *more(weft, x))
        assert result is own
        return own

    assert_alike(eager_and_jit(call, x), wanted, 16, 1)
    with pytest.raises(weft.DTypeError, match="can't change in place"):
        getattr(weft, name)([0.5], *more(weft, x))


COPIES: dict[str, Callable] = {
    "detach_copy": lambda m, x: m.detach_copy(x),
    "diagonal_copy": lambda m, x: m.diagonal_copy(x, 1),
    "expand_copy": lambda m, x: m.expand_copy(x, (2, *x.shape)),
    "narrow_copy": lambda m, x: [m.narrow_copy(x, 1, 1, 2), x.narrow_copy(0, 0, 1)],
    "permute_copy": lambda m, x: m.permute_copy(x, (1, 0)),
    "select_copy": lambda m, x: m.select_copy(x, 0, 1),
    "slice_copy": lambda m, x: m.slice_copy(x, 1, 0, 4, 2),
    "split_copy": lambda m, x: m.split_copy(x, 2, 1),
    "split_with_sizes_copy": lambda m, x: m.split_with_sizes_copy(x, [1, 4], 1),
    "squeeze_copy": lambda m, x: m.squeeze_copy(x[:1]),
    "t_copy": lambda m, x: m.t_copy(x),
    "transpose_copy": lambda m, x: m.transpose_copy(x, 0, 1),
    "unbind_copy": lambda m, x: m.unbind_copy(x, 1),
    "unfold_copy": lambda m, x: m.unfold_copy(x, 1, 2, 2),
    "unsqueeze_copy": lambda m, x: m.unsqueeze_copy(x, 1),
    "view_as_complex_copy": lambda m, x: m.view_as_complex_copy(m.stack([x, x * 2], -1)),
    "view_as_real_copy": lambda m, x: m.view_as_real_copy(m.complex(x, x)),
    "view_copy": lambda m, x: m.view_copy(x, (-1,)),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_tensors_of_their_own(name: str) -> None:
    call = COPIES[name]
    x, theirs = tensor_pair(generator(name).standard_normal((3, 5)), "float64")
    found = eager_and_jit(lambda x: call(weft, x), x)
    assert_alike(found, call(torch, theirs))
    before = x.tolist()
    for part in leaves(call(weft, x)):
        part.zero_()
    assert x.tolist() == before


def test_incomplete_gammas_and_reflections() -> None:
    draw = generator("igamma")
    for shape in [(0,), (1,), (3, 4)]:
        arrays = [draw.uniform(0.1, 5, shape) for _ in "xy"]
        (x, a), (y, b) = (tensor_pair(array, "float64") for array in arrays)

        def call(m: Any, x: Any, y: Any) -> list:
            return [m.igamma(x, y), x.igammac(y), x.clone().igamma_(y), x.clone().erfc_(), x.i0()]

        found = eager_and_jit(lambda x, y, call=call: call(weft, x, y), x, y)
        assert_alike(found, call(torch, a, b), 64, 1)
    matrix, theirs = tensor_pair(draw.standard_normal((2, 4, 4)), "float64")
    factors, tau = torch.geqrf(theirs)
    found = weft.orgqr(*(weft.from_dlpack(part.contiguous()) for part in (factors, tau)))
    assert_alike(found, torch.orgqr(factors, tau), 64, 1)
    assert [tuple(part.shape) for part in weft.lu_unpack(*matrix.lu(), unpack_data=False)] == [
        (2, 4, 4),
        (0,),
        (0,),
    ]
    assert len(weft.lu(matrix, get_infos=True)) == len(torch.lu(theirs, get_infos=True)) == 3


def test_small_questions() -> None:
    for m in (weft, torch):
        x = m.ones(2, 3)
        assert [x.is_nonzero() for x in (m.ones(1), m.zeros(1, 1))] == [True, False]
        assert m.is_same_size(x, x + 1)
        assert not x.is_same_size(x[0])
        assert m.get_device(x) == -1
        assert not x.is_conj()
        assert not m.is_neg(x)
        assert x.resolve_conj().shape == x.resolve_neg().shape == (2, 3)
        assert m.isreal(m.asarray([1 + 1j, 2 + 0j])).tolist() == [False, True]
        assert m.nonzero_static(x[:1], size=5).tolist() == [
            [0, 0],
            [0, 1],
            [0, 2],
            [-1, -1],
            [-1, -1],
        ]
        assert [tuple(part.shape) for part in m.unsafe_chunk(x, 2, 1)] == [(2, 2), (2, 1)]
        assert m.float_power(m.asarray([2, 3]), 2).tolist() == [4.0, 9.0]
        assert m.float_power(x, x).dtype == m.float64
        assert x.clone().arccos_().tolist() == [[0.0] * 3] * 2
        assert x.sum_to_size((1,)).tolist() == [6.0]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: weft.gcd(x, x), weft.DTypeError, "gcd: the operands have to be integers"),
        (lambda x: weft.frexp(x.long()), weft.DTypeError, "frexp: x has dtype int64"),
        (lambda x: x.is_nonzero(), weft.ShapeError, "has not one element"),
        (lambda x: x.sum_to_size(5), weft.ShapeError, "does not broadcast"),
        (lambda x: weft.stft(x[0], 4), weft.UnsupportedError, "return_complex=True"),
        (
            lambda x: weft.stft(x[0], 9, center=False, return_complex=True),
            weft.ShapeError,
            "a frame",
        ),
        (lambda x: weft.istft(x, 4), weft.DTypeError, "not a complex one"),
        (
            lambda x: weft.istft(weft.complex(x, x), 2, 1, window=weft.zeros(2), onesided=True),
            weft.OptionError,
            "leave a place of the signal unseen",
        ),
        (lambda x: weft.histogram(x, 0), weft.OptionError, "0 intervals"),
        (lambda x: weft.histogram(x, 2, range=(1, 0)), weft.OptionError, "is none"),
        (lambda x: weft.histogramdd(x, [2]), weft.ShapeError, "do not fit"),
        (lambda x: weft.hann_window(-1), weft.ShapeError, "must not be negative"),
        (lambda x: weft.hann_window(3, dtype="int32"), weft.DTypeError, "floating dtype"),
        (lambda x: x.renorm(0, 0, 1), weft.OptionError, "p has to be positive"),
        (lambda x: x.addbmm(x, x), weft.ShapeError, "no two batches"),
        (lambda x: x.nanmedian(0)[0][:, None][:, :0].nanmedian(1), weft.ShapeError, "no element"),
    ],
)
def test_errors_say_what_is_wrong(call: Callable, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(weft.ones(2, 3))


def test_states_of_the_generator() -> None:
    for m in (weft, torch):
        m.manual_seed(5)
        assert m.initial_seed() == 5
        state = m.get_rng_state()
        first = m.rand(4).tolist()
        assert m.rand(4).tolist() != first
        m.set_rng_state(state)
        assert m.rand(4).tolist() == first
        number = m.seed()
        assert m.initial_seed() == number
    with pytest.raises(weft.DTypeError, match="set_rng_state"):
        weft.set_rng_state(weft.ones(2))
    weft.manual_seed(1)
    drawn = weft.binomial(weft.full((4000,), 10.0), weft.full((4000,), 0.3))
    assert drawn.dtype == "float32"
    # A standard deviation of 0.023.
    assert abs(float(drawn.mean()) - 3) < 0.12


def test_tensors_that_are_made() -> None:
    for m in (weft, torch):
        assert m.scalar_tensor(3).dtype == m.float32
        assert m.scalar_tensor(3, dtype=m.int64).tolist() == 3
        assert m.range(1, 2, 0.25).tolist() == [1, 1.25, 1.5, 1.75, 2]
        assert m.range(3, 0, -1, dtype=m.int64).tolist() == [3, 2, 1, 0]
        data = np.arange(6, dtype=np.int16).tobytes()
        assert m.frombuffer(bytearray(data), dtype=m.int16, offset=2).tolist() == [1, 2, 3, 4, 5]
        assert m.frombuffer(bytearray(data), dtype=m.int16, count=2).tolist() == [0, 1]
        assert m.fill(m.zeros(2, dtype=m.int64), 3).tolist() == [3, 3]
        x = m.asarray(2.0)
        x.requires_grad = True
        m.fill(m.zeros(3), x).sum().backward()
        assert x.grad.tolist() == 3
        assert m.empty_permuted((2, 3), (1, 0)).shape == (2, 3)
    assert weft.from_dlpack(torch.ones(2)).tolist() == [1, 1]
    assert torch.from_dlpack(weft.to_dlpack(weft.ones(2))).tolist() == [1, 1]
    for call, words in [
        (lambda: weft.frombuffer(b"abc", dtype="int16"), "a whole number of int16"),
        (lambda: weft.frombuffer(b"abcd", dtype="int16", count=3), "are not 3 of int16"),
        (lambda: weft.range(1, 2, -1), "no steps of -1"),
        (lambda: weft.range(1, 2, 0), "no steps of 0"),
        (lambda: weft.fill(weft.ones(2), weft.ones(2)), "needs"),
        (lambda: weft.empty_permuted((2, 3), (0, 0)), "no order"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


def test_settings_that_hold() -> None:
    weft.use_deterministic_algorithms(True)
    assert weft.are_deterministic_algorithms_enabled()
    weft.set_default_dtype(weft.float32)
    assert weft.get_default_dtype() == weft.zeros(1).dtype
    weft.set_default_device("cpu")
    assert weft.get_default_device() == weft.zeros(1).device
    weft.set_float32_matmul_precision("high")
    assert weft.get_float32_matmul_precision() == "highest"
    assert not weft.set_flush_denormal(True)
    weft.set_num_interop_threads(weft.get_num_interop_threads())
    assert weft.typename(weft.nn.Linear(1, 1)).endswith(".Linear")
    for call in (
        lambda: weft.set_default_dtype(weft.float64),
        lambda: weft.set_default_device("cuda"),
        lambda: weft.set_num_interop_threads(4),
    ):
        with pytest.raises(weft.UnsupportedError):
            call()
    with pytest.raises(weft.OptionError):
        weft.set_float32_matmul_precision("low")


def test_how_tensors_are_printed() -> None:
    from weft._pytorch_settings import print_options

    before = repr(weft.asarray([1 / 3, 1e-9]))
    try:
        weft.set_printoptions(precision=2, sci_mode=False)
        assert "0.33" in repr(weft.asarray([1 / 3]))
        assert "0.333" not in repr(weft.asarray([1 / 3]))
        weft.set_printoptions(sci_mode=True)
        assert "3.33e-01" in repr(weft.asarray([1 / 3]))
        weft.set_printoptions(profile="short", threshold=4)
        assert "..." in repr(weft.arange(10))
        weft.set_printoptions(profile="full")
        assert "..." not in repr(weft.arange(3000))
        with pytest.raises(weft.OptionError, match="profile"):
            weft.set_printoptions(profile="long")
    finally:
        print_options.clear()
    assert repr(weft.asarray([1 / 3, 1e-9])) == before


def test_random_numbers_are_put_back_where_they_were() -> None:
    weft.manual_seed(4)
    expected = [weft.rand(3).tolist() for _ in range(2)]
    weft.random.manual_seed(4)
    with weft.random.fork_rng():
        weft.rand(5)
        weft.random.manual_seed(9)
    assert weft.random.initial_seed() == 4
    assert weft.rand(3).tolist() == expected[0]
    with weft.random.fork_rng(enabled=False):
        assert weft.rand(3).tolist() == expected[1]
    forked = weft.random.fork_rng()
    forked.__enter__()
    weft.random.manual_seed(9)
    assert not forked.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert weft.random.initial_seed() == 4


def test_ways_to_compute_attention_change_nothing() -> None:
    backend = weft.nn.attention.SDPBackend
    assert {each.name: each.value for each in backend} == {
        name: int(each) for name, each in torch.nn.attention.SDPBackend.__members__.items()
    }
    query = weft.random.normal((1, 2, 3, 4), key=weft.random.key(0))
    attend = weft.nn.functional.scaled_dot_product_attention
    with weft.nn.attention.sdpa_kernel([backend.MATH, backend.FLASH_ATTENTION], set_priority=True):
        found = attend(query, query, query)
    assert found.tolist() == attend(query, query, query).tolist()
    for wrong in ([], "math", [1]):
        with pytest.raises(weft.OptionError, match="sdpa_kernel"):
            weft.nn.attention.sdpa_kernel(wrong).__enter__()


def test_what_all_tensors_are() -> None:
    x, y = weft.ones(2), torch.ones(2)
    for name in ("sparse", "quantized", "meta", "nested", "mkldnn", "xla", "mps", "sparse_csr"):
        assert getattr(x, f"is_{name}") is getattr(y, f"is_{name}") is False
    assert x.layout is weft.strided
    assert isinstance(x.layout, weft.layout)
    assert pickle.loads(pickle.dumps(weft.strided)) is weft.strided
    assert isinstance(x.dtype, weft.dtype)
    assert weft.short is weft.int16
    assert weft.nn.parameter.Parameter is weft.nn.Parameter
    assert weft.nn.parameter.is_lazy(weft.nn.LazyLinear(3).weight)
    assert not weft.nn.parameter.is_lazy(weft.nn.Linear(3, 3).weight)


@pytest.mark.parametrize("wanted", ["int32", "uint32", "float32"])
def test_bits_are_read_and_written_as_another_dtype(wanted: str) -> None:
    draw = generator(wanted)
    for shape in shapes(draw):
        x, y = tensor_pair(draw.normal(size=shape), "float32")
        ours, theirs = x.view(getattr(weft, wanted)), y.view(getattr(torch, wanted))
        assert_alike(ours, theirs)
        ours.fill_(3)
        theirs.fill_(3)
        assert_alike(x, y)
    for dtype in (weft.float64, weft.bool, weft.complex64, weft.int8):
        with pytest.raises(weft.DTypeError, match=r"view: the bits of float32 are not those of"):
            weft.ones(2).view(dtype)
