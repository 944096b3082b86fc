"""Making a recording: whole or not at all, and checkpoint after checkpoint.

`new_recording` gives a hidden folder beside RUN that becomes RUN only when everything is in it. `Writer` puts
checkpoints into a folder, each file under a temporary name first and the index last, so that a reader at any moment
sees only whole checkpoints; a training run that is still going on writes straight into RUN with it.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import math
import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType

import msgspec
import numpy as np

from cutaway.errors import RecordingError
from cutaway.recording import store, tensors
from cutaway.recording.activations import Activations
from cutaway.recording.check import check_index
from cutaway.recording.lock import lock_of, locked
from cutaway.recording.schema import Checkpoint, Index, Insight, Summary

OWN_ENTRIES = {
    "recording.json",
    "samples.safetensors",
    "metrics.jsonl",
    "insights.jsonl",
    "checkpoints",
    "activations",
    "gradients",
    "summary",
    "orders",
}
"""What a recording's folder may hold; `overwrite` deletes nothing else."""


class Writer:
    """Puts checkpoints into a recording's folder. Nothing is visible to readers before `write_index`."""

    def __init__(self, folder: Path, index: Index, run: Path | None = None) -> None:
        """`index` tells everything but the checkpoints, which `add_checkpoint` appends to those it lists.

        `run` is the name that errors show, where `folder` is only its stand-in. Every method that writes raises
        RecordingError when the disk is full or refuses.
        """
        self.folder = folder
        self.index = index
        self.run = run or folder
        self.dropped: list[int] = []
        self.outdated: list[int] = []
        """Checkpoints that the last index but one listed, and the last one does not."""

    def write_samples(self, images: np.ndarray, labels: Iterable[int | None] | None) -> None:
        """images [sample, H, W, C] uint8 or float32; labels are class indices, stored as -1 where not known."""
        content: dict[str, np.ndarray] = {"images": images}
        if labels is not None:
            content["labels"] = np.array([-1 if label is None else label for label in labels], np.int64)
        self.put(store.SAMPLES_KEY, tensors.encode(content))

    def add_checkpoint(
        self,
        checkpoint: Checkpoint,
        parameters: Mapping[str, np.ndarray],
        activations: Mapping[str, np.ndarray] | Activations,
        summary: Summary,
        gradients: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Writes one checkpoint's files and lists it in the index (in memory, until `write_index`).

        `parameters` and `gradients` by key; `activations` by layer id, [sample, …output shape], all of one dtype; as
        `Activations` they lie in a file already, which is taken.
        """
        self.put(store.parameters_key(checkpoint.index), tensors.encode(parameters))
        key = store.activations_key(checkpoint.index)
        if isinstance(activations, Activations):
            if activations:
                with explained(self.run):
                    (self.folder / key).parent.mkdir(exist_ok=True)
                    activations.move_to(self.folder / key)
        elif activations:
            self.put(key, tensors.encode(by_sample(activations)))
        if gradients:
            self.put(store.gradients_key(checkpoint.index), tensors.encode(gradients))
        self.put(store.summary_key(checkpoint.index), [msgspec.json.encode(summary)])
        self.index = msgspec.structs.replace(self.index, checkpoints=(*self.index.checkpoints, checkpoint))

    def write_metrics(self, rows: Iterable[Mapping[str, float]]) -> None:
        """All rows of metrics.jsonl at once."""
        self.put(store.METRICS_KEY, (metrics_line(row) for row in rows))

    def write_insights(self, insights: Iterable[Insight]) -> None:
        """All lines of insights.jsonl at once."""
        self.put(store.INSIGHTS_KEY, (insight_line(insight) for insight in insights))

    def append(self, key: str, lines: Iterable[bytes]) -> None:
        """Lines at the end of a .jsonl file. Readers leave out a last line that is not finished."""
        with explained(self.run), (self.folder / key).open("ab") as file:
            file.write(b"".join(lines))

    def drop_checkpoint(self, number: int) -> None:
        """Takes a checkpoint out of the index (in memory, until `write_index`)."""
        rest = tuple(one for one in self.index.checkpoints if one.index != number)
        self.index = msgspec.structs.replace(self.index, checkpoints=rest)
        self.dropped.append(number)

    def write_index(self) -> None:
        """Makes everything added so far visible. Raises RecordingError for an index that contradicts itself.

        Files of checkpoints that were dropped stay until the next index is written, for readers of the last one.
        """
        check_index(self.index, str(self.folder / store.INDEX_KEY))
        self.put(store.INDEX_KEY, [msgspec.json.encode(self.index)])
        self.delete(self.outdated)
        self.outdated, self.dropped = self.dropped, []

    def sweep(self) -> None:
        """Deletes what `write_index` has left for readers of the last index; for the end."""
        self.delete(self.outdated)
        self.outdated = []

    def delete(self, numbers: Iterable[int]) -> None:
        with explained(self.run):
            for number in numbers:
                for key in store.checkpoint_keys(number):
                    (self.folder / key).unlink(missing_ok=True)

    def put(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Writes one file under a temporary name and renames it, so that no reader meets half of it."""
        path = self.folder / key
        temporary = path.with_name(f".{path.name}.partial")
        with explained(self.run):
            path.parent.mkdir(exist_ok=True)
            try:
                with temporary.open("wb") as file:
                    for piece in pieces:
                        file.write(piece)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise


def by_sample(activations: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Layer id -> [sample, …] becomes "<sample>/<layer>" -> […], sample after sample: one range request each."""
    count = len(next(iter(activations.values())))
    return {
        store.activation_name(sample, layer): values[sample]
        for sample in range(count)
        for layer, values in activations.items()
    }


def metrics_line(row: Mapping[str, float]) -> bytes:
    """One line of metrics.jsonl; a value that is not finite is null, which JSON can carry."""
    finite = {key: value if math.isfinite(value) else None for key, value in row.items()}
    return msgspec.json.encode(finite) + b"\n"


def insight_line(insight: Insight) -> bytes:
    """One line of insights.jsonl."""
    return msgspec.json.encode(insight) + b"\n"


def timestamp() -> str:
    """Now in UTC, or the moment that SOURCE_DATE_EPOCH names, for recordings that come out the same every time."""
    moment = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.datetime.now(datetime.UTC)
    if moment.isdecimal():
        now = datetime.datetime.fromtimestamp(int(moment), datetime.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def new_recording(run: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A hidden folder beside `run` that becomes `run` when the block ends well, and vanishes when it does not.

    With `overwrite` a recording that is there is replaced, only then. Raises RecordingError, in one line, when `run`
    exists (or holds other files), when somebody else is writing it, without permission and on a full disk. Ctrl-C
    and SIGTERM leave nothing behind either.
    """
    run = Path(os.path.realpath(run))
    with contextlib.ExitStack() as stack:
        with explained(run):
            stack.enter_context(sigterm_raises())
            stack.enter_context(parents_of(run))
            stack.enter_context(locked(lock_of(run), run))
            refuse_existing(run, overwrite)
            staging = run.with_name(f".{run.name}.partial")
            shutil.rmtree(staging, ignore_errors=True)  # left by a run that was killed; we hold the lock
            staging.mkdir()
            stack.callback(shutil.rmtree, staging, ignore_errors=True)
        yield staging
        with explained(run):
            refuse_existing(run, overwrite)
            swap_in(staging, run)


def refuse_existing(run: Path, overwrite: bool) -> None:
    """Raises RecordingError when RUN is there and may not be replaced."""
    if not os.path.lexists(run):
        return
    if not overwrite:
        raise RecordingError(f"{run}: exists already; choose another name, or replace it with --overwrite")
    if not run.is_dir():
        raise RecordingError(f"{run}: is a file, not a recording; move it away or choose another name")
    foreign = sorted({entry.name for entry in run.iterdir()} - OWN_ENTRIES)
    if foreign:
        raise RecordingError(
            f"{run}: holds {foreign[0]!r}, which is no part of a recording, so nothing was deleted; "
            "move it away or choose another name"
        )


def swap_in(staging: Path, run: Path) -> None:
    """Renames the finished folder to RUN; an old RUN is deleted only after that."""
    if not run.exists():
        staging.rename(run)
        return
    old = run.with_name(f".{run.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    run.rename(old)
    try:
        staging.rename(run)
    except BaseException:
        old.rename(run)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def explained(run: Path) -> Iterator[None]:
    """Turns what the operating system refuses into one line with a remedy."""
    try:
        yield
    except OSError as error:
        place = run.parent
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            text = f"{run}: no space left on the disk; free some, or record to another place (--half needs half)"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"{place}: no permission to write here; choose another place for the recording"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            text = f"{place}: is not a folder; choose another place for the recording"
        else:
            text = f"{run}: can't be written ({error.strerror or error}); choose another place for the recording"
        raise RecordingError(text) from error


@contextlib.contextmanager
def parents_of(run: Path) -> Iterator[None]:
    """Makes the folders above RUN, and takes them away again when nothing was put into them."""
    made = [folder for folder in run.parents if not folder.exists()]
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()  # refuses where something is inside


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """While recording, SIGTERM unwinds the stack like Ctrl-C does, so that what was begun is taken away."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield  # only the main thread may; a handler that somebody else has set is theirs
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
