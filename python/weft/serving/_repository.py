"""The models in a folder: which there are, which are loaded, and how one takes another's place."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import models, onnx
from .._errors import FileError, WeftError
from .._export import Exported, export
from .._saving import load
from ..models import Tokenizer
from ._metrics import Metrics
from ._program import Program
from ._queue import RequestQueue, Timing
from ._refusals import Kind, RefusedError, invalid, reason, refused_setting
from ._settings import ModelSettings, read_model_settings
from ._texts import TextWriter

_log = logging.getLogger("weft.serving")

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
#: Texts of reasons are cut off: a list of thousands of missing ops is for the log.
_LONGEST_REASON = 2000


@dataclass(frozen=True)
class Version:
    """A version that is loaded.

    Attributes:
        platform: what it was read from.
        settings: those of the model.
        computes: the program or the language model, and those who wait for it.
    """

    model: str
    number: int
    platform: str
    settings: ModelSettings
    computes: Computer | Author

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self.computes.queue.waiting()


@dataclass(frozen=True)
class Computer:
    """A program, and the requests that wait for it."""

    program: Program
    queue: RequestQueue


@dataclass(frozen=True)
class Author:
    """A language model: its tokenizer, if it has one, and the texts that wait for it.

    Attributes:
        stop: the strings that end a text, if who asks does not say some.
    """

    tokenizer: Tokenizer | None
    queue: TextWriter
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """A line of the repository's index; the names are the protocol's."""

    name: str
    version: str
    state: str
    reason: str


class Repository:
    """A folder of models, ``name/version/`` with ``model.weft``, ``model.onnx`` or a checkpoint.

    What is loaded can be asked for by any thread at any time; loads and unloads follow each other.
    """

    def __init__(self, folder: Path, metrics: Metrics) -> None:
        if not folder.is_dir():
            raise FileError(f"{str(folder)!r} is no folder of models")
        self.folder, self.metrics = folder, metrics
        self._loaded: dict[str, dict[int, Version]] = {}
        self._reasons: dict[str, str] = {}
        self._changing = threading.Lock()

    def names(self) -> list[str]:
        """The models that the folder has."""
        try:
            found = [path.name for path in self.folder.iterdir() if path.is_dir()]
        except OSError as error:
            raise RefusedError(Kind.UNAVAILABLE, f"the repository can't be read: {error}") from None
        return sorted(name for name in found if _NAME.fullmatch(name))

    def load_all(self) -> None:
        """Loads every model; of those that can't be, the index has the reason."""
        for name in self.names():
            try:
                self.load(name)
            except RefusedError as error:
                _log.error("%s", error)

    def load(self, name: str) -> None:
        """Loads a model anew; until it is there, and if it can't be, what was loaded stays.

        Raises:
            RefusedError: there is no such model, or it can't be loaded.
        """
        if not _NAME.fullmatch(name) or not (self.folder / name).is_dir():
            raise RefusedError(Kind.NOT_FOUND, f"the repository has no model {name[:200]!r}")
        with self._changing:
            try:
                versions = self._read(name)
            except Exception as error:
                text = reason(error)[:_LONGEST_REASON]
                self._reasons[name] = text
                stays = "; what was loaded stays" if name in self._loaded else ""
                raise invalid(f"the model {name} can't be loaded: {text}{stays}") from error
            before = self._loaded.get(name, {})
            self._loaded[name] = versions
            self._reasons.pop(name, None)
        self._close(before)

    def unload(self, name: str) -> None:
        """Unloads all versions of a model, after the requests that wait for it."""
        with self._changing:
            versions = self._loaded.pop(name, None)
            if versions is None:
                raise RefusedError(Kind.NOT_FOUND, f"no model {name[:200]!r} is loaded")
            self._reasons[name] = "unloaded"
        self._close(versions)

    def close(self, seconds: float) -> bool:
        """Unloads everything; whether all that waited was computed in this time."""
        with self._changing:
            loaded, self._loaded = self._loaded, {}
        versions = [version for each in loaded.values() for version in each.values()]
        return _close_at_once(versions, seconds)

    def find(self, name: str, version: str = "") -> Version:
        """A version of a model that is loaded, by default the highest. Raises RefusedError."""
        versions = self._loaded.get(name)
        if not versions:
            why = self._reasons.get(name)
            raise RefusedError(
                Kind.NOT_FOUND,
                f"no model {name[:200]!r} is loaded" + (f": {why}" if why is not None else ""),
            )
        if version == "":
            return versions[max(versions)]
        found = versions.get(int(version)) if _VERSION.fullmatch(version) else None
        if found is None:
            there = ", ".join(map(str, sorted(versions)))
            raise RefusedError(
                Kind.NOT_FOUND, f"the model {name} has no version {version[:40]!r}, but {there}"
            )
        return found

    def versions(self, name: str) -> list[str]:
        """The versions of a model that are loaded."""
        return [str(number) for number in sorted(self._loaded.get(name, ()))]

    def index(self, ready_only: bool = False) -> list[State]:
        """What the repository has, and in which state it is."""
        lines = []
        for name in sorted({*self.names(), *self._loaded}):
            loaded = self._loaded.get(name, {})
            why = self._reasons.get(name, "")
            lines += [State(name, str(each), "READY", why) for each in sorted(loaded)]
            if not loaded and not ready_only:
                lines.append(State(name, "", "UNAVAILABLE", why or "not loaded"))
        return lines

    def update_gauges(self) -> None:
        """Sets the metrics that say how it is now."""
        for versions in list(self._loaded.values()):
            for each in versions.values():
                self.metrics.waiting.labels(each.model, str(each.number)).set(each.waiting)

    def _close(self, versions: dict[int, Version]) -> None:
        # After this time nobody waits for them any more.
        seconds = max((each.settings.max_seconds for each in versions.values()), default=0.0)
        _close_at_once(list(versions.values()), seconds + 1.0)
        for each in versions.values():
            if each.number not in self._loaded.get(each.model, {}):
                self.metrics.forget(each.model, str(each.number))

    def _read(self, name: str) -> dict[int, Version]:
        folder = self.folder / name
        settings = read_model_settings(folder / "config.json")
        there = sorted(
            int(path.name)
            for path in folder.iterdir()
            if _VERSION.fullmatch(path.name) and path.is_dir()
        )
        if not there:
            raise FileError(f"{folder} has no version: a folder with a number as name, as 1")
        chosen = {"all": there, "latest": there[-1:]}.get(str(settings.versions), settings.versions)
        missing = sorted(set(chosen) - set(there))
        if missing:
            raise refused_setting(f"{folder} has no version {missing[0]}")
        loaded: dict[int, Version] = {}
        try:
            for number in chosen:
                loaded[number] = self._read_version(name, number, settings)
        except BaseException:
            _close_at_once(list(loaded.values()), 0)
            raise
        return loaded

    def _read_version(self, name: str, number: int, settings: ModelSettings) -> Version:
        folder = self.folder / name / str(number)
        file = _form_of(folder)
        platform, read = _FORMS[file]
        try:
            found = read(folder)
            label = (name, str(number))
            if isinstance(found, models.Decoder):
                computes: Computer | Author = self._author(found, folder, settings, label)
            else:
                computes = self._computer(Program(found, settings), settings, label)
        except WeftError as error:
            raise FileError(f"version {number}, {file}: {reason(error)}") from error
        return Version(name, number, platform, settings, computes)

    def _computer(
        self, program: Program, settings: ModelSettings, label: tuple[str, str]
    ) -> Computer:
        def watch(timing: Timing) -> None:
            self.metrics.watch(*label, timing)

        return Computer(program, RequestQueue(program, settings, watch))

    def _author(
        self, model: models.Decoder, folder: Path, settings: ModelSettings, label: tuple[str, str]
    ) -> Author:
        if settings.max_batch_size > 1 or settings.max_sizes:
            raise refused_setting(
                "max_batch_size and max_sizes are for programs; of a language model "
                "max_sequences says how many texts are written at the same time"
            )
        own = (folder / "tokenizer.json").exists()
        tokenizer = models.load_tokenizer(folder) if own else None
        stop = model.texts.stop
        if stop and tokenizer is None:
            raise refused_setting("generation_config.json has stop_strings: add tokenizer.json")
        queue = TextWriter(model, settings, partial(self.metrics.write, *label))
        return Author(tokenizer, queue, stop)


def _close_at_once(versions: list[Version], seconds: float) -> bool:
    results: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda each=each: results.append(each.computes.queue.close(seconds))
        )
        for each in versions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return all(results)


def _read_weft(folder: Path) -> Exported:
    found = load(folder / "model.weft")
    if not isinstance(found, Exported):
        raise FileError(f"{folder / 'model.weft'} holds tensors, not a program")
    return found


def _read_onnx(folder: Path) -> Exported:
    return onnx.load(folder / "model.onnx").export()


def _read_checkpoint(folder: Path) -> Exported | models.Decoder:
    model: Any = models.load(folder)
    if isinstance(model, models.Decoder):
        model.texts.check()
        return model
    return export(model, **dict(zip(model.input_names, model.specs, strict=True)))


#: The file that tells a form, what the form is called, and who reads it.
_FORMS: dict[str, tuple[str, Callable[[Path], Exported | models.Decoder]]] = {
    "model.weft": ("weft_program", _read_weft),
    "model.onnx": ("onnx", _read_onnx),
    "config.json": ("transformers_checkpoint", _read_checkpoint),
}


def _form_of(folder: Path) -> str:
    """The file that tells the form of a version. Raises FileError unless it is one of `_FORMS`."""
    there = [name for name in _FORMS if (folder / name).exists()]
    if len(there) != 1:
        found = "has " + " and ".join(there) if there else "has none of them"
        raise FileError(
            f"{folder} {found}; a version is model.weft, model.onnx, or a checkpoint with "
            "config.json"
        )
    return there[0]
