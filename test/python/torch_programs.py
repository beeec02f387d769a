"""Small programs over PyTorch's common functions, as torch.compile meets them, with arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

#: By name: the program, and what makes its arguments.
PROGRAMS: dict[str, tuple[Callable, Callable[[], list[torch.Tensor]]]] = {}


def normal(*shapes: tuple[int, ...]) -> Callable[[], list[torch.Tensor]]:
    return lambda: [torch.randn(shape) for shape in shapes]


def program(*shapes: tuple[int, ...]) -> Callable:
    """Notes a program whose arguments are of these shapes."""
    return noted(normal(*shapes))


def noted(make: Callable[[], list[torch.Tensor]]) -> Callable:
    def note(function: Callable) -> Callable:
        PROGRAMS[function.__name__.strip("_")] = (function, make)
        return function

    return note


def _with_places(shape: tuple[int, ...], count: int, *more: tuple[int, ...]) -> Callable:
    """Arguments: numbers of a shape, places in their first dimension, more numbers."""
    return lambda: [
        torch.randn(shape),
        torch.randint(0, shape[0], (count,)),
        *(torch.randn(each) for each in more),
    ]


# Views and writes ----------------------------------------------------------------------------


@noted(_with_places((4, 5, 4), 3))
def indices_around_a_slice(x: Any, i: Any) -> Any:
    return x[i, :, i], x[i, None, i], x[:, i][..., ::2]


@noted(_with_places((5, 3), 8, (8, 3)))
def indices_added(x: Any, i: Any, v: Any) -> Any:
    return x.index_put((i,), v, accumulate=True), x.index_add(0, i, v, alpha=2.5)


@program((5, 4), (2, 2))
def parts_written(x: Any, v: Any) -> Any:
    y = x.clone()
    y[1:3, ::2] = v
    y[:, 0] += 1
    y.t()[1] = 7
    return y * x


@program((4, 6))
def written_through_views(x: Any) -> Any:
    y = x * 1
    y.add_(1).mul_(2).clamp_(-1, 2)
    y.view(-1)[::3] = 0
    y.transpose(0, 1).copy_(y.transpose(0, 1) * 2)
    return y


@program((3, 4, 3))
def diagonals_written(x: Any) -> Any:
    y = x.clone()
    y.diagonal(dim1=0, dim2=2).fill_(2.0)
    return y * x


@program((9,))
def overlapping_windows(x: Any) -> Any:
    return x.unfold(0, 3, 2).sum(-1) * 2 + x.unfold(0, 3, 2).amax(-1)


@program((4, 5))
def drawn_like_an_argument(x: Any) -> Any:
    return x + torch.randn_like(x), F.dropout(x) * x, x * torch.rand(x.shape)


@program((3, 4), (2, 2))
def memory_read_and_written(x: Any, v: Any) -> Any:
    y = x * 2
    scattered = torch.as_strided_scatter(y, v, (2, 2), (4, 2), 1)
    return scattered * x, y.view(torch.int32) >> 4, torch.tril_indices(3, 4), scattered


@program((4, 3), (1,))
def masks_written(x: Any, v: Any) -> Any:
    columns = torch.tensor([True, False, True])
    y = x * 1
    y[:, columns] = v
    return x.index_put((x > 0,), v, accumulate=True), y


# Elements ------------------------------------------------------------------------------------


@noted(lambda: [torch.randint(-4, 5, (4,)), torch.randint(1, 5, (4,))])
def integers(a: Any, b: Any) -> Any:
    shifts = a << 1, a >> 1, torch.gcd(a, b), torch.lcm(a, b)
    return a / b, a // b, a % b, torch.fmod(a, b), a & 3, a | 4, a ^ 5, ~a, *shifts


@noted(lambda: [torch.randint(0, 9, (4,), dtype=torch.int8), torch.randn(4)])
def dtypes_that_meet(a: Any, b: Any) -> Any:
    wide, halves = torch.tensor(2.5, dtype=torch.float64), b.half() + b.bfloat16()
    return a * b, a + 2.5, a + a.to(torch.uint8), b + wide, halves, a.bool() | (b > 0)


@program((5, 4), (4,))
def limits(a: Any, b: Any) -> Any:
    return a.clamp(min=b), a.clip(b - 1, b + 1), torch.lerp(a, a * 2, 0.3), torch.hypot(a, a + 1)


@program((3, 3), (3, 3))
def complex_numbers(a: Any, b: Any) -> Any:
    z = torch.complex(a, b)
    y = z.clone()
    torch.view_as_real(y)[..., 0] += 1
    y.imag.mul_(2)
    parts = (z @ z.mH).abs(), z.exp().real, torch.polar(a.abs(), b).angle()
    return *parts, torch.view_as_real(y * z.conj()), torch.fft.irfft(torch.fft.rfft(a), n=3)


# Reductions and orders -----------------------------------------------------------------------


@program((3, 4, 5))
def reductions(x: Any) -> Any:
    sums = x.sum(0), x.mean((0, 2)), x.var(-1), x.std(1, unbiased=False), x.nansum()
    return *sums, x.amax(1), x.logsumexp(2), x.norm(dim=1), x.argmax(1), x.aminmax(dim=0)


@noted(lambda: [torch.randn(9), torch.tensor([2, 0, 4, 3])])
def segments(x: Any, lengths: Any) -> Any:
    kinds = "sum", "mean", "max", "min", "prod"
    found = [torch.segment_reduce(x, kind, lengths=lengths, initial=1.5) for kind in kinds]
    return found, torch.histogram(x.detach(), 4, range=(-1.0, 1.5)), x.detach().histc(4, -1, 1.5)


@program((3, 4), (3, 4))
def complex_sums_of_exponentials(a: Any, b: Any) -> Any:
    z = torch.complex(a, 3 * b)
    found = z.logsumexp(1), z.logsumexp((0, 1), keepdim=True), z[:, :1].logsumexp(1)
    return [torch.view_as_real(x) for x in found]


@program((3, 4))
def norms(x: Any) -> Any:
    vectors = [torch.linalg.vector_norm(x, p, dim=1) for p in (0, 1, 2, 3, 0.5, float("inf"))]
    return vectors, torch.linalg.matrix_norm(x, "nuc"), torch.linalg.matrix_norm(x, 1)


@program((4, 5))
def cumulative(x: Any) -> Any:
    return x.cumsum(1), x.cumprod(0), x.cummax(1), x.logcumsumexp(1), x.flip(0), torch.diff(x, n=2)


@noted(lambda: [torch.tensor(1.5)])
def without_dimensions(x: Any) -> Any:
    reduced = x.index_reduce(0, torch.tensor([0]), x, "prod")
    return x.cummax(0), x.cummin(0), x.logcumsumexp(0), x.sort()[0], x.softmax(0), reduced


@program((5, 6))
def orders(x: Any) -> Any:
    sorted_rows = x.sort(1, descending=True)
    return sorted_rows, x.topk(3, 0, largest=False), x.kthvalue(2, 1), x.quantile(0.3, 1)


@program((4, 3), (5, 3))
def distances(a: Any, b: Any) -> Any:
    pairs = [F.pdist(a, p) for p in (0.0, 1.0, 2.0)]
    pairs += [torch.cdist(a, b, p) for p in (0.0, 1.0, 2.0, 3.0)]
    return pairs, F.cosine_similarity(a, b[:4], 1)


# Linear algebra ------------------------------------------------------------------------------


def _regular(x: torch.Tensor) -> torch.Tensor:
    return x @ x.mT + 2 * torch.eye(x.shape[-1])


@program((2, 4, 4))
def determinants(x: Any) -> Any:
    a = _regular(x)
    return torch.linalg.det(a), torch.linalg.slogdet(a), torch.logdet(a), torch.linalg.det(x.mT)


@program((4, 4), (4, 2))
def solutions(x: Any, b: Any) -> Any:
    a = _regular(x)
    ex = torch.linalg.solve_ex
    return ex(a, b)[0], ex(a, b[:, 0])[0], ex(a.mT, b.mT, left=False)[0], torch.linalg.inv_ex(a)[0]


@program((3, 5))
def factors(x: Any) -> Any:
    packed = torch.linalg.lu_factor_ex(x.mT)
    return torch.linalg.lu(x), torch.lu_unpack(packed.LU, packed.pivots)


@program((3, 5))
def pseudoinverses(x: Any) -> Any:
    return torch.linalg.pinv(x), torch.linalg.pinv(x, rtol=0.5)


# Layers --------------------------------------------------------------------------------------


@program((2, 4, 11), (8, 2, 3), (4, 4, 3))
def convolutions(x: Any, w: Any, turned: Any) -> Any:
    plain = F.conv1d(x, w, stride=2, padding=1, dilation=2, groups=2)
    return plain, F.conv_transpose1d(x, turned, None, 2, 1, 1, 2), F.conv1d(x, w[:, :2], groups=2)


@program((2, 3, 9, 10))
def pools(x: Any) -> Any:
    windows = F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, True, False)
    return *windows, F.adaptive_max_pool2d(x, 3), F.adaptive_avg_pool2d(x, (2, 5))


@program((2, 3, 6, 7))
def borders(x: Any) -> Any:
    modes = "constant", "reflect", "replicate", "circular"
    return [F.pad(x, (2, 1, 1, 0), mode) for mode in modes]


@program((2, 3, 6, 7))
def sizes_changed(x: Any) -> Any:
    smooth = F.interpolate(x, scale_factor=1.7, mode="bilinear", align_corners=True)
    near = F.interpolate(x, size=5, mode="nearest")
    return smooth, near, F.interpolate(x, size=4, mode="bicubic")


@program((2, 3, 6, 7))
def sizes_changed_over_many_elements(x: Any) -> Any:
    x = x.detach()  # PyTorch 2.13 traces no gradient of these by symbolic sizes
    wide = F.interpolate(x, size=(3, 9), mode="bicubic", antialias=True)
    narrow = F.interpolate(x, size=(4, 3), mode="bilinear", antialias=True, align_corners=True)
    return wide, narrow, F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)


@program((2, 3, 6, 7), (2, 3, 2), (2, 2, 5, 6, 7), (2, 2, 3))
def pools_at_random_places(x: Any, a: Any, y: Any, b: Any) -> Any:
    flat = F.fractional_max_pool2d(x, 2, (3, 4), _random_samples=a.detach().sigmoid())
    return flat, F.fractional_max_pool3d(y, 2, (2, 3, 4), _random_samples=b.detach().sigmoid())


@program((2, 2, 3, 4, 5), (2, 2, 3, 2, 3))
def read_on_grids_in_space(x: Any, grid: Any) -> Any:
    edges = F.grid_sample(x, grid, "nearest", "border", align_corners=True)
    return F.grid_sample(x, grid, align_corners=False), edges


def _bags() -> list[torch.Tensor]:
    places = torch.tensor([0, 3, 3, 5, 1, 0, 2, 3])
    return [torch.randn(6, 3), places, torch.tensor([0, 2, 2, 7]), torch.rand(8)]


@noted(_bags)
def bags_of_rows(table: Any, i: Any, offsets: Any, scale: Any) -> Any:
    found = [F.embedding_bag(i, table, offsets, mode=mode) for mode in ("sum", "mean", "max")]
    for mode in ("sum", "mean", "max"):
        found.append(F.embedding_bag(i, table, offsets, mode=mode, padding_idx=3))
    found.append(F.embedding_bag(i, table, offsets, mode="sum", per_sample_weights=scale))
    return found, F.embedding_bag(i.reshape(2, 4), table, mode="max")


@program((4, 6))
def activations(x: Any) -> Any:
    given = F.gelu, F.elu, F.silu, F.mish, F.softplus, F.hardswish, F.tanhshrink, F.logsigmoid
    return [function(x) for function in given], F.glu(x, 1), x.log_softmax(-1), F.normalize(x)


@program((5, 6, 4), (4,))
def normalized(x: Any, w: Any) -> Any:
    groups = F.group_norm(x, 3), F.instance_norm(x), F.batch_norm(x, None, None, training=True)
    return F.layer_norm(x, (4,), w), F.rms_norm(x, (4,), w), *groups


@program((2, 2, 4, 8), (2, 2, 4, 8), (4, 4))
def attention(q: Any, k: Any, mask: Any) -> Any:
    attend = F.scaled_dot_product_attention
    return attend(q, k, k, is_causal=True), attend(q, k, k, mask), attend(q, k, k, mask > 0)


@noted(lambda: [torch.randn(6, 4), torch.randint(0, 4, (6,))])
def losses(x: Any, t: Any) -> Any:
    found = []
    for reduction in ("mean", "sum", "none"):
        found += [
            F.cross_entropy(x, t, ignore_index=1, reduction=reduction, label_smoothing=0.1),
            F.multi_margin_loss(x, t, reduction=reduction),
            F.huber_loss(x, x.detach() * 2, reduction=reduction),
            F.kl_div(x.log_softmax(1), x.detach().softmax(1), reduction=reduction),
        ]
    return found
