"""Files for TensorBoard, read by TensorBoard; Weights & Biases through the same hook."""

from __future__ import annotations

import contextlib
import io
import math
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from weft.profiler import SummaryWriter, WandbWriter, Writer

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def read(folder: Path) -> Any:
    """What TensorBoard finds there; nothing is left out."""
    everything = dict.fromkeys(accumulators.DEFAULT_SIZE_GUIDANCE, 0)
    found = accumulators.EventAccumulator(str(folder), size_guidance=everything)
    found.Reload()
    return found


def test_scalars(tmp_path: Path) -> None:
    values = [1.5, np.float32(2.5), weft.asarray(3), weft.asarray([[4.0]]), float("nan"), True]
    with SummaryWriter(tmp_path) as writer:
        for step, value in enumerate(values):
            writer.add_scalar("loss", value, step)
        writer.add_scalar("half", weft.asarray(0.1, dtype=weft.bfloat16))
        writer.add_scalar("then", 1, 7, 123.5)
    found = read(tmp_path)
    assert found.Tags()["scalars"] == ["loss", "half", "then"]
    assert [event.step for event in found.Scalars("loss")] == list(range(6))
    np.testing.assert_array_equal(
        [event.value for event in found.Scalars("loss")], [1.5, 2.5, 3, 4, np.nan, 1]
    )
    assert found.Scalars("half")[0].value == 0.10009765625
    assert (found.Scalars("then")[0].step, found.Scalars("then")[0].wall_time) == (7, 123.5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int8", "bool"])
@pytest.mark.parametrize("shape", [(1,), (37,), (4, 0, 2), (3, 5, 7)])
def test_histograms(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    generator = np.random.default_rng(len(shape))
    source = weft.asarray(10 * generator.standard_normal(shape)).astype(getattr(weft, dtype))
    with SummaryWriter(tmp_path) as writer:
        if 0 in shape:
            with pytest.raises(weft.ShapeError, match="'weights' has no elements"):
                writer.add_histogram("weights", source, 3)
            return
        writer.add_histogram("weights", source, 3, bins=9)
    (event,) = read(tmp_path).Histograms("weights")
    elements = np.asarray(source.astype(weft.float64)).ravel()
    found = event.histogram_value
    assert event.step == 3
    assert (found.min, found.max, found.num) == (elements.min(), elements.max(), elements.size)
    # Sums of float64 in another order.
    bound = elements.size * np.finfo(np.float64).eps * np.abs(elements).sum()
    assert abs(found.sum - elements.sum()) <= bound
    assert abs(found.sum_squares - (elements**2).sum()) <= bound * max(1, np.abs(elements).max())
    limits = np.asarray(found.bucket_limit)
    assert len(limits) == 9
    places = np.minimum(np.searchsorted(limits, elements, side="right"), 8)
    np.testing.assert_array_equal(found.bucket, np.bincount(places, minlength=9))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("formats", ["CHW", "HWC", "HW"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_pictures(channels: int, formats: str, dtype: str, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(channels)
    pixels = generator.integers(0, 256, (5, 7, 1 if formats == "HW" else channels), np.uint8)
    given = {"CHW": pixels.transpose(2, 0, 1), "HWC": pixels, "HW": pixels[..., 0]}[formats]
    scaled = given if dtype == "uint8" else (given / 255).astype(dtype)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("picture", weft.asarray(scaled), 2, dataformats=formats)
    (event,) = read(tmp_path).Images("picture")
    assert (event.step, event.height, event.width) == (2, 5, 7)
    read_back = np.asarray(image.open(io.BytesIO(event.encoded_image_string)))
    np.testing.assert_array_equal(read_back.reshape(pixels.shape), pixels)


def test_texts(tmp_path: Path) -> None:
    from tensorboard.util.tensor_util import make_ndarray

    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "**grüße**", 4)
    found = read(tmp_path)
    assert found.SummaryMetadata("note/text_summary").plugin_data.plugin_name == "text"
    (event,) = found.Tensors("note/text_summary")
    assert event.step == 4
    assert make_ndarray(event.tensor_proto).item().decode() == "**grüße**"


def test_graphs(tmp_path: Path) -> None:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    model = weft.nn.Sequential(weft.nn.Linear(3, 4), weft.nn.ReLU())
    with SummaryWriter(tmp_path / "module") as writer:
        writer.add_graph(model, weft.spec(("batch", 3)))
    with SummaryWriter(tmp_path / "program") as writer:
        writer.add_graph(weft.export(weft.jit(lambda x, y: weft.sort(x) + y), *[weft.spec(5)] * 2))
    graph = GraphDef.FromString(read(tmp_path / "module").Graph().SerializeToString())
    nodes = {node.name: node for node in graph.node}
    assert len(nodes) == len(graph.node)
    assert all(edge.partition(":")[0] in nodes for node in graph.node for edge in node.input)
    operations = [node.op for node in graph.node]
    assert "weft.matmul" in operations
    inputs = [node for node in graph.node if node.op == "input"]
    (shape,) = inputs[0].attr["_output_shapes"].list.shape
    assert [size.size for size in shape.dim] == [-1, 3]
    assert nodes["result"].op == "func.return"
    # From the result one comes to the input.
    reached, waiting = set(), ["result"]
    while waiting:
        name = waiting.pop().partition(":")[0]
        if name not in reached:
            reached.add(name)
            waiting += nodes[name].input
    assert inputs[0].name in reached
    program = read(tmp_path / "program").Graph()
    assert sum(node.op == "input" for node in program.node) == 2


def test_hyperparameters(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    with SummaryWriter(tmp_path) as writer:
        chosen = {"rate": 0.1, "layers": 3, "name": "x", "fast": True}
        writer.add_hparams(chosen, {"accuracy": weft.asarray(0.75)}, 9)
        with pytest.raises(weft.DTypeError, match="'what' is a list"):
            writer.add_hparams({"what": []}, {})
    found = read(tmp_path)
    content = found.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert start.hparams["rate"].number_value == 0.1
    assert start.hparams["layers"].number_value == 3
    assert start.hparams["name"].string_value == "x"
    assert start.hparams["fast"].bool_value
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    assert [info.name.tag for info in experiment.metric_infos] == ["accuracy"]
    assert [(e.step, e.value) for e in found.Scalars("accuracy")] == [(9, 0.75)]


def test_one_hook_for_all(tmp_path: Path) -> None:
    def trained(writer: Writer) -> None:
        weight = weft.asarray([1.0, 2.0, 3.0])
        for step in range(3):
            writer.log(step, {"loss": weft.asarray(1.0 / (step + 1)), "weight": weight, "of": "me"})

    with SummaryWriter(tmp_path) as writer:
        assert isinstance(writer, Writer)
        trained(writer)
    found = read(tmp_path)
    assert [e.value for e in found.Scalars("loss")] == [1.0, 0.5, np.float32(1 / 3)]
    assert [e.histogram_value.num for e in found.Histograms("weight")] == [3, 3, 3]
    assert len(found.Tensors("of/text_summary")) == 3


WRONG = [
    ({"a": float}, weft.DTypeError, "'a' is a type"),
    ({"": 1.0}, weft.DTypeError, "has to be a string"),
    ({3: 1.0}, weft.DTypeError, "has to be a string"),
    ({"a": [float("inf"), 1.0]}, weft.OutOfRangeError, "'a': 1 of 2 elements are NaN or infinite"),
    ({"a": np.zeros((2, 0))}, weft.ShapeError, "'a' has no elements"),
    ({"a": 1e39}, weft.OutOfRangeError, "'a' is 1e.39, but TensorBoard keeps float32"),
    ({"a": "half \ud800"}, weft.DTypeError, "the text of 'a' is no text of Unicode"),
    ({"\ud800": 1}, weft.DTypeError, "a name of values is no text of Unicode"),
    ({"a": 1j}, weft.DTypeError, "'a' is of complex64"),
]


@pytest.mark.parametrize(("values", "error", "message"), WRONG)
def test_wrong_values_lose_nothing(
    values: dict, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.log(0, {"good": 1.0})
        with pytest.raises(error, match=message):
            writer.log(1, {"before": 2.0} | values)
        writer.log(2, {"good": 3.0})
    found = read(tmp_path)
    assert found.Tags()["scalars"] == ["good"]
    assert [(e.step, e.value) for e in found.Scalars("good")] == [(0, 1.0), (2, 3.0)]


def drawn_elements(generator: np.random.Generator) -> np.ndarray:
    """Numbers of any size, that lie apart, near each other, or on top of each other."""
    count = int(generator.integers(1, 200))
    dtype = str(generator.choice(["float64", "float32", "int64", "uint64", "bool"]))
    if dtype.startswith(("float", "bool")):
        elements = generator.standard_normal(count)
        if generator.integers(2):
            middle = generator.standard_normal()
            elements = middle + np.spacing(abs(middle)) * generator.integers(0, 40, count)
        largest = {"float64": 307, "float32": 37}.get(dtype, 0)
        return (elements * 10.0 ** generator.integers(-largest, largest + 1)).astype(dtype)
    info = np.iinfo(dtype)
    least = max(info.min, info.max - int(generator.choice([2, 5000, 2**63 - 1])))
    return generator.integers(least, info.max, count, dtype, endpoint=True)


@pytest.mark.filterwarnings("ignore:overflow")  # of TensorBoard's, which reads the largest numbers
@pytest.mark.parametrize("seed", range(40))
def test_histograms_of_any_numbers_count_them(seed: int, tmp_path: Path) -> None:
    """Each part has what is between the end of the one before, and its own."""
    generator = np.random.default_rng(seed)
    elements = drawn_elements(generator)
    bins = int(generator.choice([1, 2, 30, 64]))
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("a", elements, bins=bins)
        extremes = np.finfo(np.float64).max * np.array([-1.0, 1.0, 0.25])
        writer.add_histogram("all", extremes, bins=4)
    found, wide = read(tmp_path), elements.astype(np.float64)
    counted = found.Histograms("a")[0].histogram_value
    assert (counted.min, counted.max, counted.num) == (wide.min(), wide.max(), wide.size)
    assert sum(counted.bucket) == wide.size
    limits = np.array(counted.bucket_limit)
    assert (np.diff(limits) >= 0).all()
    assert limits[-1] >= wide.max()
    # An element at an end is in the part behind, or, where parts are single numbers, before it.
    below = np.cumsum(counted.bucket)
    assert (below >= (wide[:, None] < limits).sum(axis=0)).all()
    assert (below <= (wide[:, None] <= limits).sum(axis=0)).all()
    assert list(found.Histograms("all")[0].histogram_value.bucket) == [1, 0, 1, 1]


def test_steps_and_chosen_numbers_that_no_file_has(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(weft.OutOfRangeError, match="has over 64 bits"):
            writer.log(1 << 63, {"a": 1.0})
        with pytest.raises(weft.OutOfRangeError, match="'rate' is beyond float64"):
            writer.add_hparams({"rate": 10**400}, {})
        with pytest.raises(weft.OutOfRangeError, match="TensorBoard keeps float32"):
            writer.add_hparams({"rate": 1}, {"loss": -1e300})
        with pytest.raises(weft.DTypeError, match="the text of 'how' is no text"):
            writer.add_hparams({"how": "\ud800"}, {})
    assert not any(read(tmp_path).Tags()[kind] for kind in ("scalars", "tensors"))


def test_wrong_pictures_and_steps(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(weft.ShapeError, match="no picture CHW"):
            writer.add_image("a", np.zeros((3, 4)))
        with pytest.raises(weft.ShapeError, match="1, 3 or 4 channels"):
            writer.add_image("a", np.zeros((2, 4, 4)))
        with pytest.raises(weft.OutOfRangeError, match="not within 0 and 1"):
            writer.add_image("a", np.full((1, 4, 4), 1.5))
        with pytest.raises(weft.OutOfRangeError, match="not within 0 and 1"):
            writer.add_image("a", np.full((1, 4, 4), np.nan))
        with pytest.raises(weft.DTypeError, match="uint8 or floating"):
            writer.add_image("a", np.zeros((1, 4, 4), np.int32))
        with pytest.raises(weft.OptionError, match="dataformats is"):
            writer.add_image("a", np.zeros((1, 4, 4)), dataformats="NCHW")
        with pytest.raises(weft.DTypeError, match="global_step has to be an integer"):
            writer.add_scalar("a", 1.0, 1.5)
        with pytest.raises(weft.ShapeError, match=r"is a scalar, but has the shape \(2,\)"):
            writer.add_scalar("a", np.zeros(2))
        with pytest.raises(weft.OptionError, match="there are from one"):
            writer.add_histogram("a", np.zeros(2), bins=0)
        with pytest.raises(weft.DTypeError, match="is a text"):
            writer.add_text("a", 3)
    writer.close()
    with pytest.raises(weft.OptionError, match="is closed"):
        writer.add_scalar("a", 1.0)
    assert not any(read(tmp_path).Tags()[kind] for kind in ("scalars", "images", "histograms"))


def test_folders_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(weft.FileError, match=r"SummaryWriter: .*file"):
        SummaryWriter(tmp_path / "file" / "run")


def test_an_open_writer_is_closed_with_the_process(tmp_path: Path) -> None:
    code = (
        "import sys, weft; writer = weft.profiler.SummaryWriter(sys.argv[1], flush_secs=1000)\n"
        "for step in range(100): writer.add_scalar('a', step, step)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(read(tmp_path).Scalars("a")) == 100


class FakeRun:
    """What wandb.init gives, as far as it is used."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict]] = []
        self.finished = 0

    def log(self, values: dict, step: int) -> None:
        self.rows.append((step, values))

    def finish(self) -> None:
        self.finished += 1


def test_weights_and_biases(monkeypatch: pytest.MonkeyPatch) -> None:
    run, options = FakeRun(), {}
    module = types.ModuleType("wandb")
    module.init = lambda **given: (options.update(given), run)[1]  # type: ignore[attr-defined]
    module.Histogram = lambda np_histogram: np_histogram  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    with WandbWriter(project="p", mode="offline") as writer:
        assert isinstance(writer, Writer)
        writer.log(5, {"loss": weft.asarray(0.5), "note": "x", "w": weft.asarray([0.0, 1.0])})
        with pytest.raises(weft.OutOfRangeError, match="NaN"):
            writer.log(6, {"loss": 1.0, "w": weft.asarray([float("nan")])})
    assert options == {"project": "p", "mode": "offline"}
    ((step, values),) = run.rows
    assert (step, values["loss"], values["note"]) == (5, 0.5, "x")
    counts, edges = values["w"]
    assert (counts.sum(), edges[0], edges[-1]) == (2, 0.0, 1.0)
    writer.close()
    assert run.finished == 1
    with pytest.raises(weft.OptionError, match="is closed"):
        writer.log(7, {})


def test_weights_and_biases_offline(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    with WandbWriter(project="p", mode="offline", dir=str(tmp_path)) as writer:
        writer.log(3, {"loss": 0.5, "note": "x", "w": weft.asarray([0.0, 1.0])})
        assert writer.run.step == 3
    assert wandb.run is None
    (path,) = tmp_path.rglob("*.wandb")
    # The values are JSON in the records of the run.
    content = path.read_bytes()
    assert all(part in content for part in (b"loss", b"0.5", b"note", b"histogram"))


@pytest.mark.parametrize(
    ("package", "make"),
    [("wandb", WandbWriter), ("tensorboard", lambda: SummaryWriter("folder"))],
)
def test_a_missing_package_is_one_clear_error(
    package: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(weft.UnsupportedError, match=f"{package}: pip install {package}"):
        make()


#: What may be given by mistake for any argument.
ANYTHING: list[Any] = [None, "abc", "", "a\0b", "\ud800", b"x", -1, 0, 1.5, math.nan, math.inf]
ANYTHING += [10**12, 10**30, True, [], {}, object(), (1, 2), np.ones(3), np.float32(1), 1 + 2j]
ANYTHING += [weft.ones(2), weft.ones((1, 2, 2)), [None], {"a": None}, {1: 2}, float, 1e300]
GOOD: dict[str, dict[str, Any]] = {
    "add_scalar": {"tag": "a", "scalar_value": 1.0, "global_step": 1, "walltime": 1.0},
    "add_histogram": {"tag": "a", "values": np.ones(3), "bins": 4, "walltime": 1.0},
    "add_image": {"tag": "a", "img_tensor": weft.ones((1, 2, 2)), "dataformats": "CHW"},
    "add_text": {"tag": "a", "text_string": "x", "global_step": 1, "walltime": 1.0},
    "add_hparams": {"hparam_dict": {"a": 1}, "metric_dict": {"b": 1.0}, "global_step": 1},
    "add_graph": {"model": weft.jit(lambda: weft.ones(2))},
    "log": {"step": 1, "values": {"a": 1}},
}


@pytest.mark.parametrize("method", GOOD)
def test_any_argument_is_written_or_one_clear_error(method: str, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for name in GOOD[method]:
            for value in ANYTHING:
                with contextlib.suppress(weft.WeftError):
                    getattr(writer, method)(**(GOOD[method] | {name: value}))
        writer.add_scalar("last", 1.0, 7)
    found = read(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("last")] == [(7, 1.0)]
    for tag in found.Tags()["scalars"]:
        assert all(math.isfinite(event.wall_time) for event in found.Scalars(tag))


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", ["log_dir", "flush_secs"])
def test_writers_of_any_arguments(name: str, tmp_path: Path) -> None:
    """What is wrong is said at once, and not by a thread that ends."""
    for value in ANYTHING:
        if (
            name == "log_dir"
            and isinstance(value, (str, bytes))
            and value not in ("a\0b", "\ud800")
        ):
            continue  # These are folders.
        options = {"log_dir": tmp_path, name: value}
        with contextlib.suppress(weft.WeftError), SummaryWriter(**options) as writer:
            writer.add_scalar("a", 1.0)


def test_bins_that_no_memory_has(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for bins in (0, -1, 1 << 21, 10**12, 10**30):
            with pytest.raises(weft.OptionError, match=f"add_histogram: {bins} bins; there are"):
                writer.add_histogram("a", weft.ones(3), bins=bins)


def test_control_flow_is_a_box_of_its_operations(tmp_path: Path) -> None:
    def function(x: weft.Tensor) -> Any:
        x = weft.while_loop(lambda c: c.sum() < 10, lambda c: c * 2 + 1, x)
        x = weft.cond(x.sum() > 3, weft.sin, lambda a: weft.cos(a) + 1, x)

        def step(carry: weft.Tensor, row: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
            carry = weft.cond(row.sum() > 3, weft.tan, lambda a: a @ a, carry)
            return carry, carry.sum()

        return weft.scan(step, x, weft.ones((3, 2)))

    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(function, weft.spec((2, 2)))
    nodes = {node.name: node for node in read(tmp_path).Graph().node}
    assert nodes["while/condition/sum"].op == "weft.sum"
    assert nodes["while/body/multiply"].op == "weft.multiply"
    assert {nodes[f"case/branch_{i}/{op}"].op for i, op in enumerate(("cos", "sin"))} == {
        "weft.cos",
        "weft.sin",
    }
    assert nodes["scan/body/case/branch_1/tan"].op == "weft.tan"
    assert list(nodes["while/body/input_0"].input) == ["x"]
    # Each edge is one between nodes, and from the result one comes to all operations.
    reached, waiting = set(), ["result"]
    while waiting:
        name = waiting.pop().partition(":")[0]
        if name not in reached:
            reached.add(name)
            waiting += nodes[name].input
    assert reached == set(nodes)
