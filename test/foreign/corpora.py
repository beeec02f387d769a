"""The files that damaged ones are made of: small programs in each format."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

_LARGEST = 6000


def onnx_models() -> list[bytes]:
    """Small models: one for most nodes' tests of the package onnx, and some of several nodes."""
    import onnx
    from onnx.backend.test.case import node

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of the infinities that are computed there
        cases = [case.model for case in node.collect_testcases(None) if case.model is not None]
    models = [m.SerializeToString() for m in cases]
    texts = [onnx.parser.parse_model(text).SerializeToString() for text in _ONNX_TEXTS]
    return [*texts * 20, *(m for m in models if len(m) < _LARGEST)]


_HEAD = '<ir_version: 10, opset_import: ["" : 21, "own" : 1]>\n'
_ONNX_TEXTS = (
    _HEAD + "m (float[n, 6] x) => (float[n, 2, 3] y) <float[2] w = {1.0, 2.0}> {\n"
    "  s = Shape(x)\n z = Constant<value_ints: ints = [0]>()\n b = Gather(s, z)\n"
    "  t = Constant<value_ints: ints = [2, 3]>()\n c = Concat<axis = 0>(b, t)\n"
    "  y = Reshape(x, c)\n}",
    _HEAD + "m (float[n, 4] x, bool p) => (float[n, 4] y) {\n"
    "  y = If (p) <then_branch = a () => (float[n, 4] q) { q = Relu(x) },\n"
    "    else_branch = b () => (float[n, 4] r) { r = own.twice(x) }>\n}\n"
    '<domain: "own", opset_import: ["" : 21]> twice (v) => (w) { w = Add(v, v) }',
    _HEAD + "m (float[4] x, int64 k) => (float[4] y) {\n"
    "  c = Constant<value_int: int = 1>()\n t = Cast<to = 9>(c)\n"
    "  y = Loop (k, t, x) <body = l (int64 i, bool g, float[4] a) => (bool h, float[4] b) {\n"
    "    h = Identity(g)\n b = Sin(a)\n }>\n}",
    _HEAD + "m (float[1, 3, 9, 9] x) => (float[1, 2, 4, 4] y)\n"
    "<float[2, 3, 3, 3] w = {0.5" + ", 0.5" * 53 + "}> {\n"
    "  c = Conv<strides = [2, 2]>(x, w)\n y = Relu(c)\n}",
    _HEAD + "m (float[3, 8] x, float[8, 4] w) => (float[3, 4] y) {\n"
    "  a = MatMul(x, w)\n b = Softmax<axis = -1>(a)\n k = Constant<value_ints: ints = [2]>()\n"
    "  v, i = TopK(b, k)\n s = ReduceSum<keepdims = 1>(v)\n y = Mul(b, s)\n}",
)


def stablehlo_texts() -> list[bytes]:
    """Programs of JAX as text, with loops, branches, sorts, convolutions and open sizes."""
    return [text.encode() for text, _ in _lowered()]


def stablehlo_files() -> list[bytes]:
    """The same as portable artifacts and as MLIR's bytecode."""
    from jaxlib.mlir import ir
    from weft.stablehlo import _parse

    files = [artifact for _, artifact in _lowered()]
    for text, _ in _lowered():
        with _parse.context():
            file = io.BytesIO()
            ir.Module.parse(text).operation.write_bytecode(file)
            files.append(file.getvalue())
    return files


def _lowered() -> list[tuple[str, bytes]]:
    import jax
    import jax.numpy as jnp
    from jax import export, lax

    f32 = np.float32
    rows = jax.ShapeDtypeStruct(export.symbolic_shape("n, 4"), f32)
    square = jax.ShapeDtypeStruct((4, 4), f32)
    image = jax.ShapeDtypeStruct((1, 6, 6, 2), f32)
    window = jax.ShapeDtypeStruct((3, 3, 2, 2), f32)
    layout = ("NHWC", "HWIO", "NHWC")
    programs: list[tuple[Any, tuple]] = [
        (lambda x: jnp.tanh(x) @ jnp.ones((4, 2)), (rows,)),
        (lambda x: lax.fori_loop(0, 3, lambda i, a: a * 2 + i, x), (square,)),
        (lambda x: lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x), (square,)),
        (lambda x: jnp.sort(x, axis=0)[::-1], (square,)),
        (lambda x: jnp.cumsum(jax.nn.softmax(x), axis=1), (square,)),
        (lambda x: x.at[1:3, jnp.array([0, 2])].add(1.5), (square,)),
        (lambda x, w: lax.conv_general_dilated(x, w, (2, 2), "SAME", dimension_numbers=layout),
         (image, window)),
        (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"), (square,)),
        (lambda x: lax.while_loop(lambda a: a.sum() < 9, lambda a: a + 1, x), (square,)),
        (lambda x: (x.astype(jnp.int8), jnp.argmax(x, 1), lax.top_k(x, 2)), (square,)),
    ]  # fmt: skip
    made = []
    for program, specs in programs:
        exported = export.export(jax.jit(program))(*specs)
        made.append((str(exported.mlir_module()), bytes(exported.mlir_module_serialized)))
    return made


def torch_files() -> list[bytes]:
    """Programs that torch.export.save wrote, one with open sizes."""
    import torch

    class Cut(torch.nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return torch.cat([x, y]).reshape(-1)[: x.shape[0] * 2] + x.shape[0] // 2

    class Several(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            values, places = torch.topk(x, 2, dim=-1)
            return {"sum": values.sum(), "places": (places, torch.where(x > 0, x, 1.0))}

    size = torch.export.Dim("b")
    x, image = torch.ones(4, 3), torch.ones(1, 2, 6, 6)
    convolution = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)).eval()
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU()).eval()
    programs = [
        torch.export.export(Cut(), (x, x), dynamic_shapes=({0: size}, {0: size})),
        torch.export.export(Several(), (x,)),
        torch.export.export(convolution, (image,)),
        torch.export.export(layers, (x,)),
    ]
    files = []
    for program in programs:
        file = io.BytesIO()
        torch.export.save(program, file)
        files.append(file.getvalue())
    return files


def safetensors_files() -> list[bytes]:
    """Named tensors of several dtypes, none among them."""
    rows: dict[str, tuple[str, list[int]]] = {
        "layer.weight": ("F32", [2, 3]),
        "layer.bias": ("BF16", [8]),
        "mask": ("BOOL", [2, 2, 2]),
        "empty": ("I64", [0, 5]),
        "scalar": ("F64", []),
    }
    sizes = {"F32": 4, "BF16": 2, "BOOL": 1, "I64": 8, "F64": 8}
    files = []
    for count in range(len(rows) + 1):
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}} if count % 2 else {}
        data = b""
        for name, (dtype, shape) in list(rows.items())[:count]:
            content = bytes([1]) * (sizes[dtype] * int(np.prod(shape, dtype=int)))
            offsets = [len(data), len(data) + len(content)]
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
            data += content
        text = json.dumps(header).encode()
        files.append(struct.pack("<Q", len(text)) + text + data)
    return files


# Checkpoints: folders, as archives -----------------------------------------------------------


def checkpoints() -> list[bytes]:
    """A language model of a few weights: its settings, weights and tokenizer, in an archive."""
    import small_checkpoint
    import weft

    with tempfile.TemporaryDirectory() as name:
        weights = Path(name) / "model.safetensors"
        weft.save_safetensors(small_checkpoint.weights(), weights)
        tensors = weights.read_bytes()
    return [
        archive(
            {
                "config.json": json.dumps(small_checkpoint.CONFIG).encode(),
                "generation_config.json": b'{"eos_token_id": [2, 3]}',
                "model.safetensors": tensors,
                "tokenizer.json": json.dumps(tokenizer).encode(),
            }
        )
        for tokenizer in _tokenizers()
    ]


def archive(members: dict[str, bytes]) -> bytes:
    """A zip file of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def _tokenizers() -> list[dict[str, Any]]:
    """What tokenizer.json says: of words, and of pairs of bytes."""
    words = {
        word: number
        for number, word in enumerate(
            ["<unk>", "<s>", "</s>", "a", "b", "c", "d", "e", "f", "g", "h"]
        )
    }
    special = [
        {
            "id": number,
            "content": word,
            "special": True,
            "normalized": False,
            **dict.fromkeys(("single_word", "lstrip", "rstrip"), False),
        }
        for word, number in words.items()
        if word.startswith("<")
    ]
    common = {"version": "1.0", "added_tokens": special, "truncation": None, "padding": None}
    merged = {**words, "ab": 10}
    del merged["h"]
    return [
        {
            **common,
            "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"},
            "pre_tokenizer": {"type": "Whitespace"},
        },
        {
            **common,
            "model": {"type": "BPE", "vocab": merged, "merges": [["a", "b"]], "unk_token": "<unk>"},
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        },
    ]
