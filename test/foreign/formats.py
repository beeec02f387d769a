"""What reads each format, with its corpus, its mutations, and what must hold for any input."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import corpora
import mutations

#: Of memory beyond what the process has, and of time, for one input.
BYTES, SECONDS = 3 << 30, 30
#: A message that is longer is not read by anybody.
LONGEST_MESSAGE = 8000


@dataclass(frozen=True)
class Format:
    """A format: the suffix of its files, its inputs, what changes them, and what reads them."""

    name: str
    suffix: str
    corpus: Callable[[], list[bytes]]
    mutations: tuple[mutations.Mutation, ...]
    take: Callable[[Path], Any]
    #: Modules without which it can't be read.
    needs: tuple[str, ...] = ()
    #: Makes what is read of the file, where that is no file.
    unpack: Callable[[Path], Path] = lambda path: path

    def mutated(self, inputs: list[bytes], seed: int, kept: set[int] | None = None) -> bytes:
        """Input number `seed`: of its changes those in `kept`, all if there is none."""
        draw = random.Random(seed)
        data = draw.choice(inputs)
        for number in range(draw.choice((1, 1, 2, 3, 5))):
            change, own = draw.choice(self.mutations), random.Random(draw.random())
            other = draw.choice(inputs)
            if kept is None or number in kept:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of zipfile, about members of one name
                    data = change(data, other, own)
        return data


def _take_onnx(path: Path) -> None:
    import weft

    weft.onnx.load(path).export()


def _take_torch(path: Path) -> None:
    import weft

    module = weft.from_torch(path)
    weft.export(module, *module.specs)


def _take_stablehlo(path: Path) -> None:
    import weft
    from weft.stablehlo.__main__ import _specs

    program = weft.stablehlo.load(path)
    weft.export(program, *_specs(program, {}))


def _take_safetensors(path: Path) -> None:
    import numpy as np
    import weft

    for tensor in weft.load_safetensors(path).values():
        np.asarray(tensor.astype("float32")).sum()


def _take_checkpoint(folder: Path) -> None:
    import weft

    # By weft alone: other tasks are transformers' to read, whose import alone takes long.
    model = weft.models.load(folder, task="text-generation")
    tokenizer = weft.models.load_tokenizer(folder)
    text = model.generate(tokenizer.encode("a b abc"), 2)
    tokenizer.decode(text.tolist())


def _unpacked(path: Path) -> Path:
    """The folder that an archive of a checkpoint holds, without what an earlier one had."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as members:
        for member in members.infolist():
            (folder / member.filename).write_bytes(members.read(member))
    return folder


_BYTES, _TEXT = mutations.mutate_bytes, mutations.mutate_text
_NUMBERS = mutations.mutate_numbers
_ONNX, _ARCHIVE = mutations.mutate_onnx, mutations.mutate_archive
FORMATS = {
    form.name: form
    for form in (
        Format("onnx", ".onnx", corpora.onnx_models, (_ONNX, _ONNX, _ONNX, _BYTES), _take_onnx,
               ("onnx",)),
        Format("stablehlo-text", ".mlir", corpora.stablehlo_texts, (_TEXT, _TEXT, _NUMBERS, _BYTES),
               _take_stablehlo, ("jax",)),
        Format("stablehlo-bytecode", ".mlirbc", corpora.stablehlo_files, (_BYTES,),
               _take_stablehlo, ("jax",)),
        Format("pt2", ".pt2", corpora.torch_files, (_ARCHIVE, _ARCHIVE, _ARCHIVE, _BYTES),
               _take_torch, ("torch",)),
        Format("safetensors", ".safetensors", corpora.safetensors_files,
               (mutations.mutate_safetensors, _BYTES), _take_safetensors),
        Format("checkpoint", ".zip", corpora.checkpoints, (mutations.mutate_checkpoint,),
               _take_checkpoint, ("tokenizers",), _unpacked),
    )
}  # fmt: skip


# What must hold ------------------------------------------------------------------------------


class Watch:
    """Notes what reading a file must not do: the interpreter tells of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.realpath(folder)
        self.seen: list[str] = []
        self._watches = False
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Whatever happens inside is noted."""
        self._watches = True
        try:
            yield
        finally:
            self._watches = False

    def _hear(self, event: str, arguments: tuple) -> None:
        if not self._watches:
            return
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path, flags = os.path.realpath(os.fsdecode(arguments[0])), arguments[2] or 0
            inside = path.startswith((self._folder, "/dev/", "/proc/self/"))
            if not inside and (flags & (os.O_WRONLY | os.O_RDWR) or path.startswith("/etc/")):
                self.seen.append(f"opens {path}")
        elif event == "pickle.find_class":
            if not str(arguments[0]).startswith(("torch", "collections", "_codecs")):
                self.seen.append(f"unpickles {arguments[0]}.{arguments[1]}")
        elif event in ("os.system", "os.exec", "os.posix_spawn", "socket.connect", "os.remove"):
            self.seen.append(f"{event} {arguments!r}"[:200])


def fault_of(form: Format, path: Path, watch: Watch) -> tuple[str, str]:
    """Whether the file is accepted or refused; and what is wrong with how, empty if nothing."""
    import weft

    watch.seen.clear()
    verdict, fault = "accepted", ""
    given = form.unpack(path)
    signal.alarm(SECONDS)  # which ends the process
    try:
        with warnings.catch_warnings(), watch.watching():
            warnings.simplefilter("ignore")
            form.take(given)
    except weft.WeftError as error:
        verdict = f"refused: {type(error).__name__}"
        text = str(error)
        if not text.strip() or len(text) > LONGEST_MESSAGE:
            fault = f"a message of {len(text)} characters: {text[:200]}"
    except BaseException as error:
        fault = f"{type(error).__name__}: {str(error)[:300]}{_where(error)}"
    finally:
        signal.alarm(0)
    if watch.seen:
        fault = fault or watch.seen[0]
    return verdict, fault


def _where(error: BaseException) -> str:
    """The innermost line of weft's own that the error went through."""
    place, frame = "", error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        if "weft" in code.co_filename:
            place = f" ({code.co_filename.rpartition('weft/')[2]}:{frame.tb_lineno})"
        frame = frame.tb_next
    return place


def parse_in_forked_children() -> None:
    """StableHLO is tried in a child process that is a fork: a hundred times as many as new ones."""
    from weft.stablehlo import _parse, _reading

    def try_in_child(data: bytes, name: str, unregistered: bool) -> None:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGALRM):
                    signal.signal(number, signal.SIG_DFL)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                signal.alarm(SECONDS // 2)
                with (where := _parse.context(unregistered=unregistered)):
                    _parse._touch(_parse.parse(data, where).operation)
                status = 0
            finally:
                os._exit(status)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            raise _reading._damaged(name, "a process that read it ended")

    _reading._try_in_child = try_in_child
