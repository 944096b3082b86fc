"""The command `cutaway`.

stdout carries what was asked for (an address, a table, JSON), stderr everything else. Exit code 0 is success,
2 a wrong use, 1 a failure, told in one line that says what, where, and what to do. Everything beyond typer is
imported by the command that needs it, so that `--help` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from cutaway import __version__
from cutaway.errors import CutawayError

if TYPE_CHECKING:
    from cutaway.recording.store import Recording

INTERRUPTED = 130  # 128 + SIGINT, as shells count

app = typer.Typer(
    name="cutaway",
    help="Opens a convolutional neural network and shows it at work, in 3D, in the browser.",
    epilog="Example: cutaway demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0, or one that is taken: a free one.")]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 shows the recording to the whole network.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the page's address.")]
DEFAULT_PORT = 7410

Samples = Annotated[
    list[str] | None,
    typer.Option(
        help="Folder of pictures (sub-folders are labels), picture, .npy, .npz, IDX; may be given several times. "
        "Without it, a test picture.",
        show_default=False,
    ),
]
Count = Annotated[int | None, typer.Option(min=1, help="How many samples, 20 unless told.", show_default=False)]
Labels = Annotated[str | None, typer.Option(help="File of labels: a number or class a line, .npy, .npz or IDX.")]
Classes = Annotated[str | None, typer.Option(help="File of the classes' names, one a line, or a,b,c.")]
Size = Annotated[str | None, typer.Option(help="Pixels that the model gets, 224 or 240x320 (height x width).")]
Scale = Annotated[str | None, typer.Option(help="Factor for the pixels, 1/255 unless told.")]
Mean = Annotated[str | None, typer.Option(help="Taken off after scaling, one number or one a channel: 0.5,0.5,0.5.")]
Std = Annotated[str | None, typer.Option(help="Divided by after that.")]
Layout = Annotated[str | None, typer.Option(help="NCHW or NHWC, where the model doesn't tell its input's axes.")]
Checkpoints = Annotated[str | None, typer.Option(help='Which checkpoints, counted from 0: "0,1,5-10".')]
Layers = Annotated[
    str | None, typer.Option(help="Activations of these layers only, by id, name or kind: 'conv*,fc'; '*' for all.")
]
Half = Annotated[bool, typer.Option("--half", help="Store float16 where that loses next to nothing.")]
Steps = Annotated[
    bool, typer.Option("--steps", help="Also what attached norms and activations get, to show them as layers.")
]
Trust = Annotated[bool, typer.Option("--trust", help="Let code in the files run: pickles, Lambda layers, TorchScript.")]
MaxBytes = Annotated[str | None, typer.Option(help="The most that a model may unpack to, like 32GB.")]
Input = Annotated[str | None, typer.Option(help="Which of several inputs the samples go to.")]
Model = Annotated[
    str | None, typer.Option(help="package.module:function that builds the model that bare weights belong to.")
]
Weights = Annotated[str | None, typer.Option(help="File with the weights, where SOURCE is the graph alone.")]


def main() -> None:
    """Run the command line; ends the process."""
    try:
        app()
    except CutawayError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:  # `cutaway info run | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("CUTAWAY_DEBUG"):
            raise
        if isinstance(error, OSError) and error.strerror:
            fail(": ".join([str(name) for name in (error.filename,) if name] + [error.strerror]))
        if isinstance(error, MemoryError):
            fail("not enough memory for this; close something, or record fewer samples")
        fail(f"{type(error).__name__}: {error} (a fault of Cutaway's; CUTAWAY_DEBUG=1 shows where)")


def fail(text: str) -> None:
    """End with one line on stderr."""
    sys.stderr.write(f"error: {' '.join(text.split())}\n")
    raise SystemExit(1)


def show_version(wanted: bool) -> None:
    if wanted:
        print(f"cutaway {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: cutaway demo --port 8080 --no-browser")
def demo(port: Port = DEFAULT_PORT, host: Host = "127.0.0.1", no_browser: NoBrowser = False) -> None:
    """Open the bundled recording: a small network that learns to read digits."""
    import cutaway.demo

    if not (cutaway.demo.path() / "recording.json").is_file():
        raise CutawayError(f"the bundled recording is missing at {cutaway.demo.path()}; install the package again")
    present(cutaway.open(cutaway.demo.path()), port, host, no_browser)


@app.command("open", epilog="Example: cutaway open runs/lenet")
def open_(
    context: typer.Context,
    path: Annotated[
        list[str],
        typer.Argument(metavar="PATH_OR_URL...", help="A recording (folder or http address), or what `record` reads."),
    ],
    compare: Annotated[
        str | None, typer.Option(metavar="B", help="A second recording of the same architecture, shown beside it.")
    ] = None,
    port: Port = DEFAULT_PORT,
    host: Host = "127.0.0.1",
    no_browser: NoBrowser = False,
    samples: Samples = None,
    count: Count = None,
    labels: Labels = None,
    classes: Classes = None,
    size: Size = None,
    scale: Scale = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = None,
    checkpoints: Checkpoints = None,
    layers: Layers = None,
    half: Half = False,
    steps: Steps = False,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    input: Input = None,
    model: Model = None,
    weights: Weights = None,
) -> None:
    """Open a recording, or a model that is recorded first into a cache."""
    import cutaway

    options = given(context)
    other = None if compare is None else cutaway.open(compare)
    where = path[0]
    if len(path) > 1 or not (is_address(where) or is_recording(Path(where))):
        from cutaway.cache import recorded

        with progress_shown() as progress, interrupt_on_sigterm():
            where = str(recorded([Path(one) for one in path], progress, **options))
        tell_notes(cutaway.open(where))
    elif options:
        name = next(iter(options)).replace("_", "-")
        raise CutawayError(f"--{name}: {where} is a recording already; options for a model belong to a model")
    present(cutaway.open(where), port, host, no_browser, other)


@app.command(epilog="Example: cutaway record model.onnx --samples images/ --out runs/mine")
def record(
    context: typer.Context,
    source: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="A model: file or folder; several files are its checkpoints."),
    ],
    out: Annotated[Path, typer.Option(metavar="RUN", help="Folder to write the recording into.")],
    name: Annotated[str | None, typer.Option(help="What the recording calls itself; else the source's name.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a recording that is there already.")] = False,
    samples: Samples = None,
    count: Count = None,
    labels: Labels = None,
    classes: Classes = None,
    size: Size = None,
    scale: Scale = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = None,
    checkpoints: Checkpoints = None,
    layers: Layers = None,
    half: Half = False,
    steps: Steps = False,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    input: Input = None,
    model: Model = None,
    weights: Weights = None,
) -> None:
    """Record a model's weights and activations into a folder that `open` shows."""
    import cutaway

    with progress_shown() as progress, interrupt_on_sigterm():
        recording = cutaway.record(
            [str(one) for one in source], out=out, overwrite=overwrite, name=name, progress=progress, **given(context)
        )
    tell_notes(recording)
    say(f"{out}: {summary_line(recording)}")


MODEL_OPTIONS = (
    *("samples", "count", "labels", "classes", "size", "scale", "mean", "std", "layout", "checkpoints", "layers"),
    *("half", "steps", "trust", "max_bytes", "input", "model", "weights"),
)


def given(context: typer.Context) -> dict[str, Any]:
    """The options about a model that the user gave, as `cutaway.record` takes them. Raises CutawayError."""
    options = {name: context.params[name] for name in MODEL_OPTIONS if context.params.get(name) not in (None, False)}
    several = list(options.pop("samples", ()))
    if several:
        options["samples"] = several if len(several) > 1 else several[0]
    if "max_bytes" in options:
        options["max_bytes"] = read_bytes(options["max_bytes"])
    return options


def read_bytes(text: str) -> int:
    """32000000000 of "32GB", "32e9" or "32000000000". Raises CutawayError."""
    amount = text.strip().upper().removesuffix("B")
    power = "KMGT".find(amount[-1:]) + 1 if amount else 0
    try:
        number = float(amount[:-1] if power else amount) * 1000**power
        if 1 <= number < 1e18:
            return int(number)
    except ValueError:
        pass
    raise CutawayError(f"--max-bytes {text}: must be a size like 500MB or 32GB")


def tell_notes(recording: Recording) -> None:
    """What was done to the samples, and what the recording lacks."""
    if recording.samples.preprocessing:
        say(f"samples: {recording.samples.preprocessing}")
    for note in recording.completeness.notes:
        say(f"note: {note}")


@app.command(epilog="Example: cutaway info runs/lenet --json")
def info(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A recording (folder or http address), or what `record` reads.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
    model: Model = None,
    trust: Trust = False,
    weights: Weights = None,
    size: Size = None,
    max_bytes: MaxBytes = None,
) -> None:
    """Tell what is in a recording or a model: layers, checkpoints, samples, and what is missing."""
    from cutaway.info import describe, print_json, print_text
    from cutaway.samples.options import read_size

    limit = None if max_bytes is None else read_bytes(max_bytes)
    how = {"model": model, "trust": trust, "weights": weights, "size": read_size(size), "max_bytes": limit}
    (print_json if json else print_text)(describe(path, **how))


def is_address(path: str) -> bool:
    """Whether it is a web address rather than a path. Raises CutawayError for one that can't be."""
    if not path.lower().startswith(("http://", "https://")):
        return False
    try:
        if urlsplit(path).hostname:
            return True
    except ValueError:
        pass
    raise CutawayError(f"{path}: not a web address; it looks like https://host/folder")


def is_recording(path: Path) -> bool:
    """Whether a recording lies there, whole or not: its index, or the index itself."""
    return (path / "recording.json").exists() or path.name == "recording.json"


def present(recording: Recording, port: int, host: str, no_browser: bool, compare: Recording | None = None) -> None:
    """Serve until Ctrl-C. The page's address is the first line on stdout, alone, for programs that wait for it."""
    from cutaway.server import serve

    def announce(url: str) -> None:
        print(url, flush=True)
        beside = "" if compare is None else f"compared with {summary_line(compare)} · "
        say(f"{summary_line(recording)} · {beside}Ctrl-C ends")

    serve(recording, compare=compare, host=host, port=port, open_browser=not no_browser, announce=announce)


def summary_line(recording: Recording) -> str:
    """A recording in one line."""
    counts = (
        (len(recording.network.layers), "layer"),
        (len(recording.checkpoints), "checkpoint"),
        (recording.samples.count, "sample"),
    )
    return f"{recording.name} · " + ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress_shown() -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal, a plain line for every tenth of the way elsewhere; both on stderr."""
    if not sys.stderr.isatty():
        last = -1

        def plain(done: int, total: int, text: str) -> None:
            nonlocal last
            tenth = 10 * done // total if total else 10
            if tenth != last:  # smaller than the last one where another piece of work begins
                last = tenth
                say(f"{10 * tenth:3d} %  {text}")

        yield plain
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total, text: bars.update(task, completed=done, total=total, description=text)


@contextmanager
def interrupt_on_sigterm() -> Iterator[None]:
    """SIGTERM clears up as Ctrl-C does: nothing half-made stays behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
