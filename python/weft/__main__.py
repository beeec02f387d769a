"""What weft does in a shell.

`python -m weft run folder --prompt "..."`: a model writes, token by token.
`python -m weft run folder --sound speech.wav`: a model writes what is said.
`python -m weft serve folder`: the models in a folder answer requests.
`python -m weft launch -n 4 train.py`: several processes run a program together.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._creation import _fail
from ._errors import OptionError, WeftError

if TYPE_CHECKING:
    from .models import Tokenizer, Whisper
    from .models._writer import Writer

#: So many tokens are written, where the model has the positions and nothing else is asked for.
_TOKENS = 128


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weft", description="What weft does in a shell.")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser(
        "run",
        help="a model writes a text",
        description="Reads a checkpoint (config.json, model.safetensors, tokenizer.json), and "
        "prints what follows or answers a prompt, or what is said in a sound, as it comes. How "
        "long it took goes to standard error.",
    )
    run.add_argument("folder", help="the folder of the checkpoint; nothing is downloaded")
    given = run.add_mutually_exclusive_group(required=True)
    given.add_argument("--prompt", help="the text to go on from; T5: to answer")
    given.add_argument("--sound", metavar="FILE", help="for Whisper: a WAV file of whole numbers")
    run.add_argument(
        "--chat",
        action="store_true",
        help="the prompt is a user's message, by the checkpoint's template for talks",
    )
    run.add_argument("--system", metavar="TEXT", help="with --chat: the system's message before it")
    run.add_argument("--language", help="with --sound: what is spoken, as en; else what is heard")
    run.add_argument("--task", help="with --sound: transcribe, or translate into English")
    run.add_argument(
        "--max-new-tokens", type=int, metavar="N", help=f"at most so many (default: {_TOKENS})"
    )
    _add_drawing(run)
    run.add_argument(
        "--stop",
        action="append",
        default=[],
        metavar="TEXT",
        help="ends the text before this one; may be given several times",
    )
    run.add_argument(
        "--weights",
        choices=("int8", "int4"),
        help="keeps the weights with so few bits, which is faster and less exact",
    )
    run.add_argument(
        "--beams",
        type=int,
        default=1,
        metavar="N",
        help="looks for the likeliest text by N beginnings side by side, and prints it at the end",
    )
    run.set_defaults(command=_run)
    _add_serve(commands)
    _add_launch(commands)
    return parser


def _add_drawing(run: Any) -> None:
    run.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="0 takes the likeliest token (default), 1 draws as the model says, more is wilder",
    )
    run.add_argument("--top-k", type=int, metavar="K", help="draws of the K likeliest tokens")
    run.add_argument(
        "--top-p", type=float, metavar="P", help="draws of the likeliest tokens of probability P"
    )
    run.add_argument(
        "--min-p", type=float, metavar="P", help="draws of those with P times the best's chance"
    )
    run.add_argument("--seed", type=int, help="the same seed gives the same text")


def _add_serve(commands: Any) -> None:
    from .serving import ServerSettings

    serve = commands.add_parser(
        "serve",
        help="the models in a folder answer requests",
        description="Serves models (folder/name/version/model.weft, model.onnx or a checkpoint) by "
        "the Open Inference Protocol, over HTTP and gRPC, until SIGTERM or Ctrl-C.",
    )
    serve.add_argument("folder", help="the folder of the models")
    kinds = {"int": int, "float": float}
    for each in dataclasses.fields(ServerSettings):
        serve.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=kinds.get(str(each.type), str),
            default=each.default,
            help=each.metadata["help"] + (f" (default: {each.default})" if each.default else ""),
        )
    serve.set_defaults(command=_serve)


def _add_launch(commands: Any) -> None:
    launch = commands.add_parser(
        "launch",
        help="several processes run a program together",
        description="Starts a program in several processes, which weft.distributed connects. When "
        "one ends with an error, all are started anew with one fewer, as often as --restarts says: "
        "the program goes on from its last checkpoint.",
    )
    launch.add_argument(
        "-n", "--workers", type=int, required=True, metavar="N", help="how many processes"
    )
    launch.add_argument(
        "--least", type=int, default=1, metavar="N", help="with fewer it ends (default: 1)"
    )
    launch.add_argument(
        "--restarts", type=int, default=3, metavar="N", help="so often at most (default: 3)"
    )
    launch.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="for so long the others may end by themselves behind one that failed (default: 30)",
    )
    launch.add_argument(
        "--by",
        choices=("mpi", "gloo"),
        default="",
        help="what connects them (default: MPI where it is there, PyTorch's gloo otherwise)",
    )
    launch.add_argument(
        "--mpirun",
        default="mpirun",
        metavar="COMMAND",
        help='what starts processes of MPI, as "mpirun --oversubscribe" (default: mpirun)',
    )
    launch.add_argument("program", help="the file of the program")
    launch.add_argument("arguments", nargs=argparse.REMAINDER, help="what the program is given")
    launch.set_defaults(command=_launch)


def _launch(options: argparse.Namespace) -> None:
    from .distributed._launch import LaunchSettings, launch

    names = [each.name for each in dataclasses.fields(LaunchSettings) if each.name != "command"]
    given = {name: getattr(options, name) for name in names}
    launch(LaunchSettings((options.program, *options.arguments), **given))


def _serve(options: argparse.Namespace) -> None:
    from . import serving

    names = [each.name for each in dataclasses.fields(serving.ServerSettings)]
    settings = serving.ServerSettings(**{name: getattr(options, name) for name in names})
    serving.make_server(options.folder, settings).run()


class _Clock:
    """When tokens came."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.times: list[float] = []

    def timed(self, tokens: Iterator[int]) -> Iterator[int]:
        """The same tokens."""
        for token in tokens:
            self.times.append(time.perf_counter())
            yield token

    def report(self, read: str, at_once: bool) -> str:
        """How long it took to read something, and how fast tokens followed, or came at once."""
        times = self.times
        if not times:
            return "no tokens"
        if at_once:
            speed = len(times) / (times[0] - self.start)
            return f"{read}; text: {len(times)} tokens, {speed:.1f} tokens per second"
        text = f"{read}, {times[0] - self.start:.2f} s; text: {len(times)} tokens"
        # The second token may wait for a program that is compiled; all others are alike.
        first = 1 if len(times) > 2 else 0
        if len(times) - 1 > first:
            speed = (len(times) - 1 - first) / (times[-1] - times[first])
            text += f", {speed:.1f} tokens per second"
        return text


def _run(options: argparse.Namespace) -> None:
    import weft

    from . import models
    from .models._load import load_writer
    from .models._stops import checked_stops

    model = load_writer(options.folder)
    if options.weights:
        weft.quantize(model, options.weights, group=32)
    tokenizer = models.load_tokenizer(options.folder)
    clock = _Clock()
    if isinstance(model, models.Whisper):
        given, read = _heard(model, options)
    else:
        given, read = _read(model, tokenizer, options)
    names = ("temperature", "top_k", "top_p", "min_p", "seed")
    drawing = {name: getattr(options, name) for name in names}
    stop = checked_stops(options.stop) or model.texts.stop
    # The text of the tokens ends at these strings, and asks for no more tokens.
    tokens = model.stream(**given, **drawing, num_beams=options.beams, stop=[])
    try:
        for piece in tokenizer.stream(clock.timed(tokens), stop=stop):
            print(piece, end="", flush=True)
    finally:
        print(flush=True)
        print(clock.report(read, options.beams > 1), file=sys.stderr)


def _read(
    model: Writer, tokenizer: Tokenizer, options: argparse.Namespace
) -> tuple[dict[str, Any], str]:
    """The prompt that is to go on or to be answered, and how much that is."""
    from .models import Decoder

    if options.prompt is None or options.language is not None or options.task is not None:
        raise _fail(
            OptionError,
            f"{options.folder}: {model.config.family} reads a text: give --prompt, and no "
            "--language or --task",
        )
    if options.system is not None and not options.chat:
        raise _fail(OptionError, "--system is for a talk: give --chat, too")
    if options.chat:
        said = [("system", options.system), ("user", options.prompt)]
        talk = [{"role": role, "content": text} for role, text in said if text is not None]
        prompt = tokenizer.chat(talk)
    else:
        prompt = tokenizer.encode(options.prompt)
    taken = len(prompt) if isinstance(model, Decoder) else 1
    name = "prompt" if isinstance(model, Decoder) else "input_ids"
    count = _count(model, taken, options.max_new_tokens)
    return {name: prompt, "max_new_tokens": count}, f"prompt: {len(prompt)} tokens"


def _heard(model: Whisper, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The sound of which is said what is to be written, and how long that is."""
    from . import models

    if options.sound is None:
        raise _fail(
            OptionError, f"{options.folder}: whisper takes a sound, not a text: give --sound"
        )
    features = models.load_sound_features(options.folder)
    sound, rate = models.read_sound(options.sound)
    # As many tokens at most as tell the model what to do.
    count = _count(model, 4, options.max_new_tokens)
    given = {
        "input_features": features(sound, rate),
        "max_new_tokens": count,
        "language": options.language,
        "task": options.task,
    }
    return given, f"sound: {len(sound) / rate:.1f} s"


def _count(model: Writer, length: int, asked: int | None) -> int:
    return min(_TOKENS, max(model.positions - length, 1)) if asked is None else asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status is 1 for what can't be read or done."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a text may have what a terminal has not
    try:
        options.command(options)
    except (WeftError, OSError) as error:
        # Without the place in this file, which is no line of the user's.
        print(f"weft: error: {re.sub(r'^[^ ]*:[0-9]+: ', '', str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
