"""Models as modules of WebAssembly: called by Node.js, compared with this machine's results.

WebAssembly has no fused multiply-add. What multiplies and adds to compute a function of a number
does the same exactly, so that programs without sums of products have the bits of other targets. Of
sums of products each product is rounded: they are compared with NumPy, which does just that, and
with the other targets within the bounds for two sums of the same terms (Higham, Accuracy and
Stability of Numerical Algorithms, 3.1).
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_cases import cases, convolutional_network, normal
from aot_models import CC, ROOT, WEFTC, Case, assert_same_bits, run, tool
from test_weftc import error_of as error_of_weftc
from web_models import arrays_of, call, compile_module, error_of, given, module_of
from weft import nn

CASES = cases()
# Programs with sums of products of floats.
PRODUCTS = {
    "dense",
    "network",
    "several outputs",
    "parts of arguments",
    "loops of products",
    "loops over constants",
    "float16",
    "bfloat16",
    "float32",
    "float64",
}
UNIT = 2.0**-24  # of rounding, in float32


def results(case: Case, folder: Path, *flags: str) -> list[np.ndarray]:
    """What Node.js computes."""
    script = module_of(case.text(), folder, *flags)
    [answer] = call(script, [given(x) for x in case.inputs])
    return arrays_of(answer, case.expected())


@pytest.mark.parametrize("name", [name for name in CASES if name not in PRODUCTS])
def test_bits_are_those_of_jit(name: str, tmp_path: Path) -> None:
    assert_same_bits(results(CASES[name], tmp_path), CASES[name].expected())


FUNCTIONS = ["exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sinh", "asin", "atan"]
FUNCTIONS += ["erf", "acosh", "asinh", "atanh", "sqrt", "round", "floor", "abs", "sign"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_functions_of_numbers_have_the_bits_of_jit(dtype: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = np.concatenate(
        [generator.standard_normal(300) * scale for scale in (1e-30, 1e-3, 1, 30, 1e4)]
        + [np.array([0.0, -0.0, 1, -1, 0.5, np.inf, -np.inf, 65504, 65520, 6e-8, 3e-8, 1e-45])]
    )
    x = np.array(weft.asarray(x).astype(dtype))
    names = [name for name in FUNCTIONS if hasattr(weft, name)]
    assert len(names) > 15
    case = Case(
        lambda a: (
            tuple(getattr(weft, name)(a) for name in names)
            + (weft.remainder(a, a + 3), a**1.7, a.astype("float64").astype(dtype))
        ),
        [x],
    )
    for output, expected in zip(results(case, tmp_path), case.expected(), strict=True):
        # The signs and payloads of NaNs are the engine's.
        wide = expected.astype(np.float64)
        assert np.array_equal(np.isnan(output.astype(np.float64)), np.isnan(wide))
        regular = ~np.isnan(wide)
        assert_same_bits([output[regular]], [expected[regular]])


def rounded_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of matrices, each number a sum in order of rounded products."""
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        total += a[:, k : k + 1] * b[k]
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_products_round_each_product(dtype: type, tmp_path: Path) -> None:
    program = weft.export(
        lambda a, b: a @ b, weft.spec(("n", "k"), dtype), weft.spec(("k", "m"), dtype)
    )
    program.save(tmp_path / "net.weft")
    script = compile_module(tmp_path / "net.weft", tmp_path)
    generator = random.Random(0)
    shapes = [(1, 1, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0), (65, 130, 47)]
    shapes += [tuple(generator.randrange(1, 70) for _ in range(3)) for _ in range(20)]
    pairs = [(normal(n, k, dtype=dtype), normal(k, m, dtype=dtype, seed=1)) for n, k, m in shapes]
    answers = call(script, *([given(a), given(b)] for a, b in pairs))
    for (a, b), answer in zip(pairs, answers, strict=True):
        expected = rounded_products(a, b)
        assert_same_bits(arrays_of(answer, [expected]), [expected])


def difference_of_sums(terms: int, magnitude: np.ndarray) -> np.ndarray:
    """How far two sums of `terms` products, the sum of whose magnitudes is given, can be apart."""
    return 2 * (terms + 1) * UNIT / (1 - (terms + 1) * UNIT) * magnitude


def convolved(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """In float64."""
    x, weight = (weft.asarray(np.asarray(value, np.float64)) for value in (x, weight))
    return np.array(nn.functional.conv2d(x, weight, padding=1))


def pooled(x: np.ndarray) -> np.ndarray:
    """The largest of each square of four, which is no further apart than they are."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))


def test_convolutional_network(tmp_path: Path) -> None:
    case = CASES["network"]
    x, *filters, dense = (np.asarray(value, np.float64) for value in case.inputs)
    apart = np.zeros_like(x)
    for weight in filters:
        terms = weight[0].size
        apart = convolved(apart, np.abs(weight)) + difference_of_sums(
            terms, convolved(np.abs(x) + apart, np.abs(weight))
        )
        x, apart = pooled(np.maximum(convolved(x, weight), 0)), pooled(apart)
    x, apart = x.reshape(len(x), -1), apart.reshape(len(x), -1)
    bound = apart @ np.abs(dense) + difference_of_sums(
        dense.shape[0], (np.abs(x) + apart) @ np.abs(dense)
    )
    [output], [expected] = results(case, tmp_path), case.expected()
    # Logarithms of softmax move by twice what their arguments do, and round a few times.
    largest = np.abs(x @ dense).max() + np.abs(expected).max()
    assert np.abs(output - expected).max() <= 2 * bound.max() + 16 * UNIT * largest
    assert 2 * bound.max() < 0.1 * np.abs(expected).max()
    assert convolutional_network.__name__ in str(case.function)


def attention(q: weft.Tensor, k: weft.Tensor, v: weft.Tensor) -> weft.Tensor:
    """Scaled products of queries and keys weigh the values."""
    return nn.functional.scaled_dot_product_attention(q, k, v)


def test_attention(tmp_path: Path) -> None:
    q, k, v = (normal(2, 3, 70, 32, seed=seed) for seed in range(3))
    case = Case(attention, [q, k, v])
    [output], [expected] = results(case, tmp_path), case.expected()
    scale = 1 / np.sqrt(32)
    magnitude = np.abs(q).astype(np.float64) @ np.abs(k).swapaxes(-1, -2) * scale
    # Scores, and so their exponentials' logarithms, are apart by this; weights by e^(2 score).
    score = difference_of_sums(32, magnitude).max() + 4 * UNIT * magnitude.max()
    relative = np.expm1(2 * score) + 16 * UNIT
    bound = (relative + 2 * (70 + 1) * UNIT) * np.abs(v).max()
    assert np.abs(output - expected).max() <= bound < 0.001


def network_program(path: Path) -> tuple[nn.Module, Path]:
    """A small network, exported with an open size."""
    weft.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    network.eval()

    def classify(images: weft.Tensor) -> weft.Tensor:
        return weft.softmax(network(images), dim=-1)

    weft.export(classify, weft.spec(("batch", 64))).save(path)
    return network, path


def test_from_python(tmp_path: Path) -> None:
    program = weft.export(lambda x: weft.exp(x), weft.spec(("n",)))
    script = tmp_path / "net.mjs"
    program.compile_object(tmp_path / "net.wasm", "wasm32", javascript=script)
    assert {path.name for path in tmp_path.iterdir()} == {"net.wasm", "net.mjs", "net.d.mts"}
    x = normal(1000)
    expected = [np.array(weft.exp(weft.asarray(x)))]
    [answer] = call(script, [given(x, shape=False)])
    assert_same_bits(arrays_of(answer, expected), expected)
    with pytest.raises(weft.WeftError, match="--target=wasm32"):
        program.compile_object(tmp_path / "net.o", javascript=script)


@pytest.mark.parametrize("weights", [False, True])
def test_open_sizes_and_weights(weights: bool, tmp_path: Path) -> None:
    network, program = network_program(tmp_path / "net.weft")
    flags = ["--weights", tmp_path / "net.safetensors"] if weights else []
    script = compile_module(program, tmp_path, *flags)
    batches = [normal(n, 64, seed=n) for n in (1, 0, 3, 129)]
    calls = [[given(x, shape=len(x) != 129)] for x in batches]
    calls.append([{"images": given(batches[0], shape=False)}])
    *answers, named = call(script, *calls)
    for x, answer in zip([*batches, batches[0]], [*answers, named], strict=True):
        expected = np.array(weft.softmax(network(weft.asarray(x)), dim=-1))
        [output] = arrays_of(answer, [expected])
        # Of probabilities, whose logits differ by far less.
        np.testing.assert_allclose(output, expected, rtol=0, atol=2e-6)
        np.testing.assert_allclose(output.sum(-1), 1, atol=1e-6)


def test_weights_of_another_training(tmp_path: Path) -> None:
    _, program = network_program(tmp_path / "net.weft")
    file = tmp_path / "net.safetensors"
    script = compile_module(program, tmp_path, "--weights", file)
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    assert "is not the one" in error_of(call(script)[0])
    file.write_bytes(damaged[:-4])
    assert "is not the one" in error_of(call(script)[0])
    file.unlink()
    assert "net.safetensors" in error_of(call(script)[0])


def test_scalars_and_dtypes(tmp_path: Path) -> None:
    program = weft.export(
        lambda x, n, flag: (weft.where(flag, x * n, x), n + 1),
        weft.spec((3,), "int64"),
        weft.spec((), "int64"),
        weft.spec((), "bool"),
    )
    program.save(tmp_path / "net.weft")
    script = compile_module(tmp_path / "net.weft", tmp_path)
    x = np.array([2**62, -5, 7])
    [answer] = call(script, [given(x), 3, True])
    with np.errstate(over="ignore"):
        expected = [x * 3, np.asarray(4)]
    assert_same_bits(arrays_of(answer, expected), expected)
    assert [output["dtype"] for output in answer["outputs"]] == ["int64", "int64"]
    assert answer["outputs"][0]["kind"] == "BigInt64Array"


def test_sizes_that_are_computed(tmp_path: Path) -> None:
    program = weft.export(
        lambda a, b: (weft.concat([a, b, a], axis=0), a[: a.shape[0] // 2]),
        weft.spec(("n", 2)),
        weft.spec(("m", 2)),
    )
    program.save(tmp_path / "net.weft")
    script = compile_module(tmp_path / "net.weft", tmp_path)
    pairs = [(normal(n, 2), normal(m, 2, seed=1)) for n, m in ((5, 3), (1, 0), (0, 4))]
    answers = call(script, *([given(a), given(b, shape=False)] for a, b in pairs))
    for (a, b), answer in zip(pairs, answers, strict=True):
        expected = [np.concatenate([a, b, a]), a[: len(a) // 2]]
        assert_same_bits(arrays_of(answer, expected), expected)


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    program = weft.export(
        lambda a, b, flags: (a + b, flags),
        weft.spec(("n", 4)),
        weft.spec(("n", 4)),
        weft.spec((2,), "bool"),
    )
    program.save(tmp_path / "net.weft")
    script = compile_module(tmp_path / "net.weft", tmp_path)
    a, flags = given(normal(3, 4)), given(np.array([True, False]))
    wrong = {
        "TypeError: net: takes 3 arrays": [a, a],
        "TypeError: net: flags, bool[2], is missing": [{"a": a, "b": a}],
        "TypeError: net: no input is called c; there are a, b, flags": [{"c": a}],
        "has to be a Float32Array or { data: Float32Array, shape }, and not a Float64Array": [
            a,
            given(normal(3, 4).astype(np.float64)),
            flags,
        ],
        "and not a Number": [1, a, flags],
        "b, float32[n, 4], has the shape [2, 4], with n = 3": [a, given(normal(2, 4)), flags],
        "has the shape [3, 4, 1]": [given(normal(3, 4, 1)), a, flags],
        "has 12 elements, and not those of the shape [4, 4]": [a | {"shape": [4, 4]}, a, flags],
        "can't be told from 7 elements": [given(normal(7), shape=False), a, flags],
        "RangeError: net: flags, bool[2], has a byte that is neither 0 nor 1": [
            a,
            a,
            given(np.array([2, 0], np.uint8)),
        ],
    }
    answers = call(script, *wrong.values(), [a, a, flags])
    for message, answer in zip(wrong, answers[:-1], strict=True):
        assert message in error_of(answer)
    assert "outputs" in answers[-1]


def test_memory_grows_and_ends(tmp_path: Path) -> None:
    program = weft.export(
        lambda n: weft.sum(weft.sort(weft.reshape(weft.exp(n), (-1,)))), weft.spec(("n", 4))
    )
    program.save(tmp_path / "net.weft")
    script = compile_module(tmp_path / "net.weft", tmp_path)
    large = normal(1 << 18, 4)
    [first, second] = call(script, [given(large)], [given(large[:1])])
    expected = np.exp(large.astype(np.float64)).sum()
    assert abs(arrays_of(first, [np.zeros((), np.float32)])[0] / expected - 1) < 1e-4
    assert "outputs" in second


def test_only_the_models_functions_are_shown(tmp_path: Path) -> None:
    case = CASES["softmax"]
    script = module_of(case.text(), tmp_path)
    code = (
        "const m = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));"
        "console.log(JSON.stringify([WebAssembly.Module.imports(m),"
        "WebAssembly.Module.exports(m).map((e) => e.name).sort()]))"
    )
    imports, exports = json.loads(run([tool("node"), "-e", code, script.with_suffix(".wasm")]))
    assert imports == []
    assert exports == sorted(
        ["memory", "__heap_base"]
        + [f"net_{suffix}" for suffix in ("run", "invoke", "workspace_bytes", "error_text")]
    )


def test_a_module_says_what_is_in_it(tmp_path: Path) -> None:
    script = module_of(CASES["softmax"].text(), tmp_path)
    [model] = json.loads(run([WEFTC, "--inspect", "--json", script.with_suffix(".wasm")]))
    assert model["target"] == "wasm32"
    assert model["name"] == "net"
    # Damaged files are errors of one line.
    contents = script.with_suffix(".wasm").read_bytes()
    damaged = tmp_path / "damaged.wasm"
    generator = random.Random(0)
    for _ in range(40):
        damaged.write_bytes(contents[: generator.randrange(4, len(contents) - 1)])
        error_of_weftc("--inspect", damaged)


def test_errors_of_the_command_line(tmp_path: Path) -> None:
    program = tmp_path / "net.mlir"
    program.write_text(CASES["scalar"].text())
    out = ["-o", tmp_path / "net.wasm"]
    web = [*out, "--target=wasm32"]
    assert "--threads=pool" in error_of_weftc(program, *web, "--threads=pool")
    assert "--emit=wasm" in error_of_weftc(program, *web, "--emit=shared")
    assert "--target=wasm32" in error_of_weftc(program, *out, "--javascript", tmp_path / "net.js")
    assert "--target=wasm32" in error_of_weftc(program, *out, "--emit=wasm")
    assert ".mjs" in error_of_weftc(program, *web, "--javascript", tmp_path / "net")
    script = tmp_path / "absent" / "net.js"
    assert "absent" in error_of_weftc(program, *web, "--javascript", script)
    assert '"then"' in error_of_weftc(
        program, *web, "--javascript", tmp_path / "net.js", "--name=then"
    )
    elsewhere = {"WEFT_LLVM_TOOLS": str(tmp_path), "PATH": ""}
    assert "wasm-ld" in error_of_weftc(program, *web, env=elsewhere)
    assert list(tmp_path.iterdir()) == [program]


def test_library_operations_are_refused(tmp_path: Path) -> None:
    program = tmp_path / "net.weft"
    weft.export(lambda x: weft.linalg.svd(x)[1], weft.spec((4, 4))).save(program)
    message = error_of_weftc(program, "-o", tmp_path / "net.wasm", "--target=wasm32")
    assert "test_browser.py" in message
    assert "svd" in message
    assert list(tmp_path.iterdir()) == [program]


def test_arithmetic_of_modules(tmp_path: Path) -> None:
    """What modules have instead of a C library computes what a C library does."""
    source = ROOT / "lib" / "Runtime" / "artifact" / "webassembly.c"
    names = ("fma", "fmod", "fmodf", "sin", "cos", "tan")
    renamed = [f"-I{ROOT}", "-fno-builtin", *(f"-D{name}=weft_{name}" for name in names)]
    program = tmp_path / "check"
    run([CC, "-O2", *renamed, "-ffp-contract=off", "-c", source, "-o", tmp_path / "parts.o"])
    check = ROOT / "test" / "aot" / "check_arithmetic.c"
    run([CC, "-O2", "-ffp-contract=off", check, tmp_path / "parts.o", "-lm", "-o", program])
    run([program])
