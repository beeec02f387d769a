"""Models of PyTorch as they are, compiled by Weft's backend of torch.compile beside Inductor's.

The first call of each, which compiles, is measured once in this process, with no
cache of Inductor's; it is a note of the row. The rows are calls after that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import peers
from functions import compare
from harness import WEFT, Bar, Case

LEAST_RATIO = 1.3
"""What is asked: of the time of Inductor's program to that of Weft's."""
TOLERANCE = 1e-4
"""Of the largest number of a result."""


def _bert() -> tuple[Any, dict]:
    import transformers

    torch: Any = peers.torch()
    sizes = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(**sizes, intermediate_size=512)
    return transformers.BertModel(config), {"input_ids": torch.randint(0, 30522, (1, 128))}


def _gpt2() -> tuple[Any, dict]:
    import transformers

    torch: Any = peers.torch()
    config = transformers.GPT2Config(n_layer=4, n_embd=384, n_head=6, use_cache=False)
    return transformers.GPT2Model(config), {"input_ids": torch.randint(0, 50257, (1, 64))}


def _resnet() -> tuple[Any, dict]:
    import transformers

    torch: Any = peers.torch()
    config = transformers.ResNetConfig(
        hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"
    )
    return transformers.ResNetModel(config), {"pixel_values": torch.randn(1, 3, 224, 224)}


MODELS: dict[str, Callable[[], tuple[Any, dict]]] = {
    "BERT of 2 layers, 128 tokens": _bert,
    "GPT-2 of 4 layers, 64 tokens": _gpt2,
    "ResNet-18, 224 x 224": _resnet,
}


def cases() -> Iterator[Case]:
    if not peers.torch_compiles() or not peers.installed("transformers"):
        return
    for name, make in MODELS.items():
        yield _case(name, make, freezing=False)
        yield _case(f"{name}, frozen", make, freezing=True)


def _case(name: str, make: Callable[[], tuple[Any, dict]], freezing: bool) -> Case:
    """`freezing`: both backends may take parameters for constants, as their option of it says."""
    torch: Any = peers.torch()
    import weft.torch  # noqa: F401
    from torch._inductor import config

    config.force_disable_caches = True
    config.freezing = freezing
    torch.manual_seed(0)
    model, inputs = make()
    model.eval()

    def caller(compiled: Callable) -> Callable[[], Any]:
        def call() -> Any:
            with torch.no_grad():
                return compiled(**inputs)

        return call

    calls: dict[str, Callable[[], Any]] = {"torch": caller(model)}
    notes = []
    options = {"freezing": True} if freezing else None
    backends: list[tuple[str, str, Any]] = [
        ("PyTorch's capture alone", "eager", None),
        (WEFT, "weft", options),
        ("torch.compile", "inductor", None),
    ]
    for contender, backend, given in backends:
        torch.compiler.reset()
        call = caller(torch.compile(model, backend=backend, options=given))
        start = time.perf_counter()
        call()
        notes.append(f"{contender} {time.perf_counter() - start:.2f} s")
        if backend != "eager":
            calls[contender] = call
    for peer in ("torch", "torch.compile"):
        compare(f"{name}: {peer}", calls[WEFT]()[0], calls[peer]()[0], TOLERANCE)
    bar = Bar(f">= {LEAST_RATIO} of Inductor's", 1 / LEAST_RATIO, ("torch.compile",))
    return Case(name, calls, bar, notes=["first calls: " + ", ".join(notes)])
