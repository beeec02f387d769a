"""Figures of a training for those who watch it: TensorBoard's files, Weights & Biases.

A writer is what has ``log(step, values)``; loops are written for that, and do not know which it is.
"""

from __future__ import annotations

import math
import operator
import os
import struct
import time
import weakref
import zlib
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .._arguments import explain_errors
from .._creation import _fail, asarray
from .._dtypes import float32, float64, isdtype
from .._errors import DTypeError, FileError, OptionError, OutOfRangeError, ShapeError
from ._graph import graph_of
from ._needs import needed

#: The largest float64, and half of it: the difference of two numbers has to be a number.
_MOST = int(np.finfo(np.float64).max)
_HALF = np.finfo(np.float64).max / 2
#: Of a histogram: more parts than a screen has columns show nothing, and cost memory and the file.
_MOST_BINS = 1 << 20
#: In seconds: threads wait no longer.
_LONGEST_WAIT = 10**9


@runtime_checkable
class Writer(Protocol):
    """Keeps figures of a training: `SummaryWriter`, `WandbWriter`, or a class of your own."""

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Keeps the values of a step, by their names: numbers and tensors without dimensions as
        scalars, strings as texts, other tensors as the distribution of their elements."""

    def close(self) -> None:
        """Ends; all is kept by then."""


def _checked_tag(tag: Any) -> str:
    if not isinstance(tag, str) or not tag:
        raise _fail(DTypeError, f"a name of values has to be a string that is not empty: {tag!r}")
    return _encodable(tag, "a name of values")


def _encodable(text: str, what: str) -> str:
    """The text. Raises DTypeError for half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _fail(DTypeError, f"{what} is no text of Unicode: {error}") from None
    return text


def _array(tag: str, value: Any) -> np.ndarray:
    """The elements of a tensor, an array or a number, whose precision is kept."""
    try:
        # Python's floats would become float32.
        tensor = asarray(value, dtype=float64 if isinstance(value, float) else None)
    except (TypeError, ValueError) as error:
        message = f"{tag!r} is a {type(value).__name__}, no tensor or number: {error}"
        raise _fail(DTypeError, message) from None
    if isdtype(tensor.dtype, "complex floating"):
        raise _fail(DTypeError, f"{tag!r} is of {tensor.dtype.name}: write its parts")
    if isdtype(tensor.dtype, "real floating") and tensor.dtype.itemsize < 4:
        tensor = tensor.astype(float32)
    return np.asarray(tensor.detach().to("cpu"))


def _scalar(tag: str, value: Any) -> float:
    array = _array(tag, value)
    if array.size != 1:
        raise _fail(ShapeError, f"{tag!r} is a scalar, but has the shape {array.shape}")
    return float(array.reshape(()))


def _narrow_scalar(tag: str, value: Any) -> float:
    """A scalar as TensorBoard's files have it, which is float32."""
    wide = _scalar(tag, value)
    with np.errstate(over="ignore"):
        if math.isfinite(wide) and not np.isfinite(np.float32(wide)):
            message = f"{tag!r} is {wide}, but TensorBoard keeps float32, which has none so large"
            raise _fail(OutOfRangeError, message)
    return wide


def _step(step: Any) -> int:
    if step is None:
        return 0
    try:
        number = operator.index(step)
    except TypeError:
        message = f"the number of a step is an integer, not a {type(step).__name__}"
        raise _fail(DTypeError, message) from None
    if not -(1 << 63) <= number < 1 << 63:
        raise _fail(OutOfRangeError, f"the number of a step is {number}, which has over 64 bits")
    return number


def _seconds(value: Any, what: str, least: float, most: float) -> float:
    """A number of seconds within bounds."""
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError, ShapeError):
        number = math.nan
    if not least <= number <= most:
        shown = value if isinstance(value, (int, float)) else f"a {type(value).__name__}"
        message = f"{what} is a number from {least:g} to {most:g}, in seconds, not {shown}"
        raise _fail(OutOfRangeError, message)
    return number


def _folder(log_dir: Any) -> str:
    try:
        return _encodable(os.fsdecode(log_dir), "log_dir")
    except TypeError:
        kind = type(log_dir).__name__
        raise _fail(DTypeError, f"SummaryWriter: log_dir is a path, not a {kind}") from None


def _finite(tag: str, array: np.ndarray) -> np.ndarray:
    elements = array.astype(np.float64).reshape(-1)
    if not elements.size:
        raise _fail(ShapeError, f"{tag!r} has no elements to count")
    if wrong := int(np.count_nonzero(~np.isfinite(elements))):
        message = f"{tag!r}: {wrong} of {elements.size} elements are NaN or infinite"
        raise _fail(OutOfRangeError, message)
    return elements


def _counted(elements: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """How many elements each of so many equal parts has, and the ends of the parts."""
    least, most = elements.min(), elements.max()
    half = most / 2 - least / 2
    if half >= _HALF:  # NumPy takes the difference of both.
        counts, edges = np.histogram(elements / 2, bins=bins)
        return counts, np.minimum(edges, _HALF) * 2
    try:
        if half == 0 or half > np.spacing(max(abs(least), abs(most))) * bins:
            return np.histogram(elements, bins=bins)
    except ValueError:  # One number, beside which there is no other within 1.
        pass
    # There are hardly as many numbers in between as parts: each has its own.
    limits, counts = np.unique(elements, return_counts=True)
    return counts, np.concatenate([limits[:1], limits])


def _pixels(tag: str, image: np.ndarray, formats: str) -> np.ndarray:
    """Bytes [height, width, channels]."""
    if sorted(formats) not in (sorted("CHW"), sorted("HW")):
        raise _fail(OptionError, f'dataformats is "CHW", "HWC" or "HW", not {formats!r}')
    if image.ndim != len(formats):
        raise _fail(ShapeError, f"{tag!r}: shape {image.shape} is no picture {formats}")
    rows = image[..., None] if formats == "HW" else image.transpose(*map(formats.index, "HWC"))
    if rows.shape[2] not in (1, 3, 4) or 0 in rows.shape:
        message = f"{tag!r}: a picture has 1, 3 or 4 channels, and pixels; not {image.shape}"
        raise _fail(ShapeError, message)
    if rows.dtype == np.uint8:
        return np.ascontiguousarray(rows)
    if not np.issubdtype(rows.dtype, np.floating):
        raise _fail(DTypeError, f"{tag!r}: pixels are of uint8 or floating, not of {rows.dtype}")
    if not (np.min(rows) >= 0 and np.max(rows) <= 1):
        message = f"{tag!r}: pixels from {np.min(rows)} to {np.max(rows)}, not within 0 and 1"
        raise _fail(OutOfRangeError, message)
    return np.rint(rows * 255).astype(np.uint8)


def _png(pixels: np.ndarray) -> bytes:
    """A PNG file (ISO/IEC 15948): 8 bits a channel, rows without filters."""
    height, width, channels = pixels.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows.tobytes())))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


class SummaryWriter:
    """Writes files that TensorBoard shows: ``tensorboard --logdir folder``.

    ::

        with weft.profiler.SummaryWriter("runs/first") as writer:
            for step, batch in enumerate(batches):
                writer.add_scalar("loss", train(batch), step)

    The files are written by the package tensorboard, whose they are; names and arguments are
    those of PyTorch's ``SummaryWriter``. What a call refuses is not written, and all the rest
    stays; a writer that is dropped, or open at the end of the process, is closed.

    Args:
        log_dir: a folder for one run, which is made.
        flush_secs: after so many seconds what was added is in the file, and visible to others.

    Raises:
        UnsupportedError: the package tensorboard is missing. FileError: the folder or the file
        can't be written, at this call or a later one. DTypeError, OutOfRangeError: ``log_dir`` is
        no path, ``flush_secs``, or a later ``walltime``, no such time.
    """

    def __init__(self, log_dir: str | os.PathLike, *, flush_secs: float = 10) -> None:
        what = "weft.profiler.SummaryWriter"
        self._summaries = needed("tensorboard.compat.proto.summary_pb2", what)
        self._protocol = needed("tensorboard.compat.proto.event_pb2", what)
        writers = needed("tensorboard.summary.writer.event_file_writer", what)
        self.log_dir = _folder(log_dir)
        flush_secs = _seconds(flush_secs, "SummaryWriter: flush_secs", 0, _LONGEST_WAIT)
        try:
            # TensorBoard's writer gives its thread no name that it could be asked for.
            self._file: Any = writers.EventFileWriter(self.log_dir, flush_secs=flush_secs)
        except (OSError, ValueError) as error:  # A path of the system has no NUL.
            raise _fail(FileError, f"SummaryWriter: {self.log_dir!r}: {error}") from error
        # When the writer is dropped, or the process ends.
        self._end = weakref.finalize(self, self._file.close)

    # What is written --------------------------------------------------------------------------

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A number, NaN and infinity too. Raises ShapeError for a tensor of more elements,
        OutOfRangeError for a number beyond float32, which such files have."""
        value = _narrow_scalar(_checked_tag(tag), scalar_value)
        self._add(tag, global_step, walltime, simple_value=value)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: int = 64,
        walltime: float | None = None,
    ) -> None:
        """The distribution of the elements of a tensor, in ``bins`` equal parts.

        Raises ShapeError for a tensor without elements, OutOfRangeError for NaN and infinities,
        OptionError for less than one bin, or over a million.
        """
        if not 1 <= operator.index(bins) <= _MOST_BINS:
            message = f"add_histogram: {bins} bins; there are from one to {_MOST_BINS:,}"
            raise _fail(OptionError, message)
        elements = _finite(tag, _array(_checked_tag(tag), values))
        counts, edges = _counted(elements, bins)
        with np.errstate(over="ignore"):  # Infinity then says that it is too large.
            total, squares = elements.sum(), np.square(elements).sum()
        self._add(
            tag,
            global_step,
            walltime,
            histo=self._summaries.HistogramProto(
                min=elements.min(),
                max=elements.max(),
                num=elements.size,
                sum=total,
                sum_squares=squares,
                bucket_limit=edges[1:].tolist(),
                bucket=counts.tolist(),
            ),
        )

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture of 1, 3 or 4 channels, of uint8 or of floats from 0 to 1.

        Raises ShapeError, DTypeError and OutOfRangeError for other tensors, OptionError for other
        orders than "CHW", "HWC" and "HW".
        """
        pixels = _pixels(tag, _array(_checked_tag(tag), img_tensor), dataformats)
        height, width, channels = pixels.shape
        image = self._summaries.Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=_png(pixels)
        )
        self._add(tag, global_step, walltime, image=image)

    def add_text(
        self,
        tag: str,
        text_string: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A text in Markdown. Raises DTypeError for other than strings."""
        if not isinstance(text_string, str):
            message = f"{tag!r} is a text, not a {type(text_string).__name__}"
            raise _fail(DTypeError, message)
        _encodable(text_string, f"the text of {tag!r}")
        metadata = needed("tensorboard.plugins.text.metadata", "add_text")
        tensors = needed("tensorboard.util.tensor_util", "add_text")
        self._add(
            f"{_checked_tag(tag)}/text_summary",
            global_step,
            walltime,
            metadata=metadata.create_summary_metadata(display_name=tag, description=""),
            tensor=tensors.make_tensor_proto([text_string.encode()], dtype="string"),
        )

    def add_graph(self, model: Any, *args: Any) -> None:
        """The operations of a function, a module or an exported program, and what flows between
        them. ``args`` are specs or arrays, as `weft.export` takes them; of an exported program
        there are none. Raises what `weft.export` raises."""
        content = graph_of(model, args).SerializeToString()
        self._write(self._protocol.Event(graph_def=content), None)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        global_step: int | None = None,
    ) -> None:
        """What was chosen for this run (numbers, bools, strings), and what came of it.

        Raises DTypeError for other values.
        """
        plugin = needed("tensorboard.plugins.hparams.summary_v2", "add_hparams")
        for name, value in hparam_dict.items():
            if not isinstance(value, (bool, int, float, str)):
                kind = type(value).__name__
                raise _fail(DTypeError, f"add_hparams: {name!r} is a {kind}, no number or string")
            if isinstance(value, str):
                _encodable(value, f"add_hparams: the text of {name!r}")
            elif type(value) is int and not -_MOST <= value <= _MOST:
                raise _fail(OutOfRangeError, f"add_hparams: {name!r} is beyond float64")
        metrics = {
            _checked_tag(tag): _narrow_scalar(tag, value) for tag, value in metric_dict.items()
        }
        chosen = [plugin.HParam(_checked_tag(name)) for name in hparam_dict]
        shown = [plugin.Metric(tag) for tag in metrics]
        for content in (
            plugin.hparams_config_pb(hparams=chosen, metrics=shown),
            plugin.hparams_pb(dict(hparam_dict), trial_id=self.log_dir),
        ):
            self._write(self._protocol.Event(summary=content), None)
        for tag, value in metrics.items():
            self.add_scalar(tag, value, global_step)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Writer.log`. What is wrong raises an error before anything is written."""
        number = _step(step)
        checked = [(_checked_tag(tag), value, _kind(tag, value)) for tag, value in values.items()]
        for tag, value, kind in checked:
            if kind == "scalar":
                _narrow_scalar(tag, value)
        for tag, value, kind in checked:
            if kind == "text":
                self.add_text(tag, value, number)
            elif kind == "scalar":
                self.add_scalar(tag, value, number)
            else:
                self.add_histogram(tag, value, number)

    # The file ---------------------------------------------------------------------------------

    def flush(self) -> None:
        """Returns once all is in the file. Raises FileError if it can't be written."""
        self._guarded(lambda file: file.flush())

    def close(self) -> None:
        """Writes what is left, and ends; a second call does nothing."""
        self._file = None
        if self._end.alive:
            try:
                self._end()
            except OSError as error:
                raise _fail(FileError, f"SummaryWriter: {self.log_dir}: {error}") from error

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, tag: str, step: Any, walltime: float | None, **content: Any) -> None:
        value = self._summaries.Summary.Value(tag=tag, **content)
        summary = self._summaries.Summary(value=[value])
        self._write(self._protocol.Event(summary=summary, step=_step(step)), walltime)

    def _write(self, event: Any, walltime: float | None) -> None:
        now = time.time() if walltime is None else walltime
        event.wall_time = _seconds(now, "walltime", 0, _HALF)
        self._guarded(lambda file: file.add_event(event))

    def _guarded(self, action: Any) -> None:
        if self._file is None:
            raise _fail(OptionError, f"the SummaryWriter of {self.log_dir} is closed")
        try:
            action(self._file)
        except OSError as error:
            raise _fail(FileError, f"SummaryWriter: {self.log_dir}: {error}") from error


def _kind(tag: str, value: Any) -> str:
    """What `Writer.log` takes a value for."""
    if isinstance(value, str):
        _encodable(value, f"the text of {tag!r}")
        return "text"
    array = _array(tag, value)
    if array.ndim == 0:
        return "scalar"
    _finite(tag, array)
    return "histogram"


class WandbWriter:
    """Sends figures to Weights & Biases, by its package wandb.

    ::

        writer = weft.profiler.WandbWriter(project="clothes", mode="offline")
        writer.log(step, {"loss": loss, "weights": model.weight})

    Args:
        options: what ``wandb.init`` takes: ``project``, ``name``, ``config``, ``mode``, ``dir``.

    Raises:
        UnsupportedError: the package wandb is missing.
    """

    def __init__(self, **options: Any) -> None:
        self._wandb = needed("wandb", "weft.profiler.WandbWriter")
        self.run: Any = self._wandb.init(**options)
        """What ``wandb.init`` gave."""

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Writer.log`. What is wrong raises an error before anything is sent."""
        if self.run is None:
            raise _fail(OptionError, "the WandbWriter is closed")
        number, found = _step(step), {}
        for tag, value in values.items():
            kind = _kind(_checked_tag(tag), value)
            if kind == "text":
                found[tag] = value
            elif kind == "scalar":
                found[tag] = _scalar(tag, value)
            else:
                counts = _counted(_finite(tag, _array(tag, value)), 64)
                found[tag] = self._wandb.Histogram(np_histogram=counts)
        self.run.log(found, step=number)

    def close(self) -> None:
        """Ends the run; a second call does nothing."""
        run, self.run = self.run, None
        if run is not None:
            run.finish()

    def __enter__(self) -> WandbWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


for _class in (SummaryWriter, WandbWriter):
    explain_errors(_class, ["__init__", *(name for name in vars(_class) if name[0] != "_")])
