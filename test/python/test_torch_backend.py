"""torch.compile(model, backend="weft"): inference, training, what stays in PyTorch."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

import weft  # noqa: E402
import weft.torch  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(8, 16),
        torch.nn.BatchNorm1d(16),
        torch.nn.GELU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(16, 4),
    )


def compiled(function: Callable, **options: object) -> Callable:
    return torch.compile(function, backend="weft", **options)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_weft_itself_does_not_import_pytorch():
    check = "import sys, weft; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_inference():
    model = network().eval()
    x = torch.randn(5, 8)
    with torch.no_grad():
        close(compiled(model)(x), model(x))


def test_training_has_the_gradients_the_statistics_and_the_random_numbers_of_pytorch():
    theirs = network()
    ours = copy.deepcopy(theirs)
    step = compiled(ours)
    for _ in range(3):
        x = torch.randn(6, 8)
        losses = []
        for model, call in ((theirs, theirs), (ours, step)):
            torch.manual_seed(7)
            model.zero_grad()
            loss = call(x).square().sum()
            loss.backward()
            losses.append(loss)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.01 * parameter.grad
        close(*losses)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(one.grad, other.grad)
    for one, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        close(one, other)


def test_a_parameter_that_is_replaced_or_written_is_seen():
    model = torch.nn.Linear(3, 2)
    call = compiled(model)
    x = torch.randn(4, 3)
    with torch.no_grad():
        close(call(x), model(x))
        model.weight += 1
        close(call(x), model(x))
        model.weight.data = torch.randn(2, 3)
        close(call(x), model(x))


def prepared() -> int:
    return weft.stats()["prepared_values"]


@pytest.mark.parametrize("dynamic", [False, True])
def test_frozen_parameters_are_prepared_once_and_again_after_each_write(dynamic: bool):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 40, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(640, 96)
    )
    plain = compiled(model, dynamic=dynamic)
    torch.compiler.reset()
    frozen = compiled(model, dynamic=dynamic, options={"freezing": True})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    other = [torch.randn_like(p) for p in model.parameters()]
    x = torch.randn(3, 3, 6, 6)

    def copy_of_another() -> None:
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), other, strict=True):
                parameter.copy_(value)

    def step() -> None:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()

    def replaced() -> None:
        model[3].weight.data = torch.randn(96, 640)

    def swapped() -> None:
        model[0].weight = torch.nn.Parameter(torch.randn(40, 3, 3, 3))

    state = {name: torch.randn_like(value) for name, value in model.state_dict().items()}
    for change in (step, copy_of_another, replaced, swapped, lambda: model.load_state_dict(state)):
        change()
        with torch.no_grad():
            before = prepared()
            assert torch.equal(frozen(x), plain(x))
            # 640 roundings of products that are at most as large as the largest result.
            bound = 640 * 2.0**-24 * float(model(x).abs().max())
            torch.testing.assert_close(frozen(x), model(x), rtol=0, atol=bound)
            assert prepared() > before
            before = prepared()
            for size in (3, 5):
                y = torch.randn(size, 3, 6, 6) if dynamic else x
                assert torch.equal(frozen(y), plain(y))
            assert prepared() == before or dynamic


def test_a_frozen_buffer_that_the_graph_writes_is_no_constant():
    class Counter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.zeros(64, 64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.table.add_(x.T @ x)
            return x @ self.table

    theirs = Counter()
    ours = copy.deepcopy(theirs)
    call = compiled(ours, options={"freezing": True})
    with torch.no_grad():
        for _ in range(4):
            x = torch.randn(8, 64)
            torch.testing.assert_close(call(x), theirs(x), rtol=1e-5, atol=1e-3)


def test_frozen_parameters_still_train():
    theirs = network()
    ours = copy.deepcopy(theirs)
    call = compiled(ours, options={"freezing": True})
    x = torch.randn(6, 8)
    for _ in range(2):
        for model, run in ((theirs, theirs), (ours, call)):
            torch.manual_seed(3)
            model.zero_grad()
            run(x).square().sum().backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.01 * parameter.grad
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(one.grad, other.grad)
    with torch.no_grad():
        ours.eval(), theirs.eval()
        close(call(x), theirs(x))


def test_an_option_that_is_unknown_is_refused_by_name():
    call = compiled(lambda x: x + 1, options={"freezing": True, "max_autotune": True})
    with pytest.raises(Exception, match="no option 'max_autotune'; there is \"freezing\""):
        call(torch.ones(3))


DRAWS: dict[str, Callable] = {
    "rand_like": torch.rand_like,
    "randn_like": torch.randn_like,
    "randint_like": lambda x: torch.randint_like(x, 5),
    "bernoulli": lambda x: torch.bernoulli(x, 0.5),
    "exponential_": lambda x: x.clone().exponential_(),
    "normal_": lambda x: x.clone().normal_(),
    "uniform_": lambda x: x.clone().uniform_(),
    "cauchy_": lambda x: x.clone().cauchy_(),
    "geometric_": lambda x: x.clone().geometric_(0.4),
    "dropout": torch.nn.functional.dropout,
    "alpha_dropout": lambda x: torch.nn.functional.alpha_dropout(x, training=True),
}


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", DRAWS)
def test_what_numbers_are_drawn_like_keeps_its_elements(name: str, dynamic: bool):
    def noisy(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        first = DRAWS[name](x)
        return x + first, DRAWS[name](x) * x, x * 2

    call = compiled(noisy, dynamic=dynamic)
    for shape in ((4,), (3, 5), (6, 5)):
        x = torch.rand(shape)
        found = []
        for each in (noisy, call):
            torch.manual_seed(3)
            found.append(each(x))
        for ours, theirs in zip(found[1], found[0], strict=True):
            close(ours, theirs)


def test_one_program_for_all_sizes():
    graphs: list = []
    from weft.torch._backend import make_backend

    model = network().eval()
    call = torch.compile(model, backend=make_backend(graphs.append), dynamic=True)
    with torch.no_grad():
        for count in (2, 3, 7, 19):
            x = torch.randn(count, 8)
            close(call(x), model(x))
    assert len(graphs) == 1
    (piece,) = graphs[0].pieces
    assert piece.program is not None
    assert not piece.specialised


def test_results_may_be_written_and_share_nothing_that_pytorch_would_not():
    def pair(x: torch.Tensor) -> tuple:
        return x + 1, (x + 1).clone(), x.t().contiguous(), torch.ones(3)

    call = compiled(pair)
    x = torch.randn(3, 3)
    for _ in range(2):
        results = call(x)
        for result, expected in zip(results, pair(x), strict=True):
            close(result, expected)
            assert result.stride() == expected.stride()
            result.add_(1)


@pytest.mark.parametrize("dynamic", [False, True])
def test_results_that_look_into_one_memory_share_it(dynamic: bool):
    def parts(x: torch.Tensor, y: torch.Tensor) -> tuple:
        whole = x * 2
        return whole, whole[1:, None], whole.chunk(2, 1)[1].t(), y.unbind(0)[1], (x + 1)[:2]

    call = compiled(parts, dynamic=dynamic)
    for size in (4, 6):
        x, y = torch.randn(size, 4), torch.randn(2, 3, requires_grad=True)
        results, expected = call(x, y), parts(x, y)
        for i in (0, 1, 2, 4):
            for each in (results, expected):
                each[i].mul_(i + 2)
            for result, right in zip(results, expected, strict=True):
                close(result, right)
        assert results[1].stride() == expected[1].stride()
        assert results[3].data_ptr() == y[1].data_ptr()


@pytest.mark.parametrize("view", [lambda x: x.t(), lambda x: x[::2], lambda x: x[:1].expand(4, 6)])
def test_inputs_of_any_layout(view: Callable):
    x = view(torch.randn(4, 6))
    close(compiled(lambda x: x.exp().t() * 2)(x), x.exp().t() * 2)


def test_images_keep_their_channels_last():
    model = torch.nn.Conv2d(3, 8, 3, padding=1).to(memory_format=torch.channels_last).eval()
    x = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    with torch.no_grad():
        result, expected = compiled(model)(x), model(x)
    close(result, expected)
    assert result.stride() == expected.stride()


def test_what_is_changed_in_place():
    def append(cache: torch.Tensor, row: torch.Tensor, place: int) -> torch.Tensor:
        cache[:, place] = row
        return cache.sum(0)

    ours, theirs = torch.zeros(2, 5), torch.zeros(2, 5)
    call = compiled(append)
    for place in range(3):
        row = torch.randn(2)
        close(call(ours, row, place), append(theirs, row, place))
        close(ours, theirs)


def test_an_op_without_a_rule_runs_in_pytorch_and_is_shown():
    def function(x: torch.Tensor) -> torch.Tensor:
        y = torch.geqrf(x @ x.t())[0]
        return (y * 2).sum(0)

    x = torch.randn(4, 4)
    close(compiled(function)(x), function(x))
    found = weft.torch.explain(function, x)
    assert [left.name for left in found.fallbacks] == ["aten.geqrf.default"]
    assert found.fallbacks[0].place.startswith(__file__)
    assert "2 pieces" in str(found)
    assert "test_torch_backend.py" in str(found)


def test_explain_of_a_model_that_weft_computes_whole():
    model = network()
    found = weft.torch.explain(model, torch.randn(6, 8))
    assert found.captured == 1
    assert found.fallbacks == []
    assert [draw.name for draw in found.draws] == ["aten.bernoulli.p"]
    assert [graph.kind for graph in found.graphs] == ["forward", "backward"]


def test_attention_keeps_only_its_operands_for_the_gradient():
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    inputs = [torch.randn(1, 2, 6, 8, requires_grad=True) for _ in range(3)]
    found = weft.torch.explain(attend, *inputs)
    assert found.fallbacks == []
    expected = torch.autograd.grad(attend(*inputs).square().sum(), inputs)
    result = torch.autograd.grad(compiled(attend)(*inputs).square().sum(), inputs)
    for one, other in zip(result, expected, strict=True):
        close(one, other)
