"""PyTorch's database of operators, over the core ATen set, forward and gradient."""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from torch_op_samples import DTYPES, Tally, check, core_operators, op_db  # noqa: E402

#: All operators and more samples of each under `tools/test --full`, each seventh one otherwise.
FULL = "WEFT_TEST_EXAMPLES" in os.environ
SAMPLES, EVERY = (8, 1) if FULL else (2, 7)
#: So many of the operators' rows are computed by weft alone; a part may have more of the others.
LEAST = 0.95 if FULL else 0.9


@pytest.fixture(autouse=True)
def _quiet():
    # PyTorch writes a line for each step of each graph where anything listens, as pytest does.
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def test_operators():
    rows: list[tuple[str, Tally]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info in core_operators()[::EVERY]:
            for dtype in DTYPES:
                if dtype not in info.supported_dtypes("cpu"):
                    continue
                with_gradient = dtype == torch.float32 and info.supports_autograd
                for gradients in (False, True) if with_gradient else (False,):
                    tally = check(info, dtype, SAMPLES, gradients)
                    rows.append((f"{info.formatted_name} {dtype}", tally))
    wrong = [text for _, tally in rows for text in tally.wrong]
    assert not wrong, "\n".join(wrong)
    tried = [tally for _, tally in rows if tally.right or tally.left]
    whole = sum(not tally.left for tally in tried)
    left = sum((tally.left for tally in tried), Counter())
    assert len(tried) > 20
    assert whole >= LEAST * len(tried), left.most_common(20)


#: Operators that are not of ATen's core set, of all families that have rules.
MORE = {
    *("_upsample_bilinear2d_aa", "as_strided_scatter", "histogram", "logsumexp", "view"),
    *("addbmm", "angle", "cholesky_solve", "dist", "erfc", "frexp", "histc", "i0", "igamma"),
    *("kthvalue", "ldexp", "matrix_exp", "median", "mode", "norm", "polar", "polygamma", "put"),
    *("linalg.cholesky_ex", "linalg.eigh", "linalg.eigvals", "linalg.householder_product"),
    *("linalg.inv_ex", "linalg.qr", "linalg.slogdet", "linalg.solve_ex", "linalg.svd"),
    *("linalg.solve_triangular", "linalg.svdvals", "linalg.vector_norm", "searchsorted"),
    *("nn.functional.bilinear", "nn.functional.normalize"),
    *("special.airy_ai", "special.bessel_y1", "special.chebyshev_polynomial_w", "special.erfcx"),
    *("special.hermite_polynomial_he", "special.i1e", "special.modified_bessel_k0"),
    *("special.ndtri", "special.spherical_bessel_j0", "special.zeta"),
}


def test_operators_beyond_the_core():
    """None wrong; only gradients that read factors of PyTorch's own, or assert what values are
    (with effects), stay there."""
    by_name = {info.name: info for info in op_db if info.name in MORE}
    assert set(by_name) == MORE
    left: Counter = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(MORE)[:: 1 if FULL else 4]:
            info = by_name[name]
            for gradients in (False, True) if info.supports_autograd else (False,):
                tally = check(info, torch.float32, SAMPLES, gradients)
                assert tally.right or tally.left, name
                assert not tally.wrong, "\n".join(tally.wrong)
                left += Counter(
                    {reason: n for reason, n in tally.left.items() if reason != "samples"}
                )
    known = ("which weft does not make", "with_effects")
    assert all(any(part in reason for part in known) for reason in left), left


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
def test_dtypes_of_sums(name: str):
    """Of any dtype to any one that is asked for, the narrow ones of integers, too."""
    import weft.torch

    wanted = (torch.int8, torch.int32, torch.uint8, torch.int64, torch.float32, None)
    operands = (torch.int8, torch.int32, torch.bool, torch.float32)
    numbers = torch.tensor([[1, 2, 1], [0, 2, 2]])

    def all_of_them(*xs: torch.Tensor) -> list[torch.Tensor]:
        return [getattr(torch, name)(x, 1, dtype=dtype) for x in xs for dtype in wanted]

    given = [numbers.to(dtype) for dtype in operands]
    torch.compiler.reset()
    assert weft.torch.explain(all_of_them, *given).fallbacks == []
    found = torch.compile(all_of_them, backend="weft")(*given)
    for ours, theirs in zip(found, all_of_them(*given), strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("ends", [[2, 5, 7], [0, 0, 7], [7, 7, 7], [0, 3, 3], [0, 0, 0]])
def test_products_by_groups(ends: list[int]):
    """Rows times the matrix of their group, as experts have it, and the gradients."""
    pytest.importorskip("transformers.integrations.moe")
    import weft.torch

    random = torch.Generator().manual_seed(0)
    # Whole numbers, so that sums are exact.
    x = torch.randint(-4, 5, (7, 4), generator=random).float()
    weights = torch.randint(-4, 5, (3, 4, 5), generator=random).float()
    groups = torch.tensor(ends, dtype=torch.int32)

    def products(x: torch.Tensor, weights: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        return torch.ops.transformers.grouped_mm_fallback(x, weights, groups)

    def results(function: Callable) -> list[torch.Tensor]:
        leaves = [x.clone().requires_grad_(), weights.clone().requires_grad_()]
        found = function(*leaves, groups)
        (found * torch.arange(5.0)).sum().backward()
        return [found.detach(), *(leaf.grad for leaf in leaves)]

    torch.compiler.reset()
    assert weft.torch.explain(products, x, weights, groups).fallbacks == []
    found = results(torch.compile(products, backend="weft"))
    for ours, theirs in zip(found, results(products), strict=True):
        assert torch.equal(ours, theirs)
