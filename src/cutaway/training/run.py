"""The folder that a training is recorded into: a new one, one that goes on, or one that is replaced."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from cutaway.errors import RecordingError
from cutaway.network import Layer, Network
from cutaway.recording import store
from cutaway.recording.lock import lock_of, locked
from cutaway.recording.places import FolderPlace
from cutaway.recording.schema import Checkpoint, Index
from cutaway.recording.store import Recording
from cutaway.recording.writer import Writer, explained, parents_of
from cutaway.samples import Prepared

FOLDERS = ("checkpoints", "activations", "gradients", "summary", "orders")
FILES = (store.INDEX_KEY, store.SAMPLES_KEY, store.METRICS_KEY, store.INSIGHTS_KEY)
NUMBERED = re.compile(r"\d{6}\.(safetensors|json)")

HALF = re.compile(r"\..+\.partial(\.converted)?")
"""Names of files that a writer which was killed had not finished."""


class Run:
    """RUN, locked for this writer until `close`. `before` is what was recorded into it earlier, None for a new one."""

    def __init__(self, out: str | os.PathLike[str]) -> None:
        """Raises RecordingError when somebody else is writing there, or nobody may."""
        self.path = Path(os.path.realpath(Path(out).expanduser()))
        self.before: Recording | None = None
        self.stack = contextlib.ExitStack()
        with explained(self.path):
            self.stack.enter_context(parents_of(self.path))
            self.stack.enter_context(locked(lock_of(self.path), self.path))

    def begin(
        self, index: Index, samples: Prepared | None, *, resume: bool, overwrite: bool, until: int | None = None
    ) -> Writer:
        """What writes there, after everything that a crash left behind is gone, and what is from behind step `until`.

        An earlier recording of the same network and samples is continued with `resume`, with `overwrite` any is
        replaced. Raises RecordingError, with everything as it was, for one that is neither.
        """
        if (self.path / store.INDEX_KEY).is_file() and not overwrite:
            if not resume:
                raise RecordingError(f"{self.path}: exists already; choose another name, or replace it: overwrite=True")
            self.before = Recording(FolderPlace(self.path))
            same(self.before, index, samples)
            index = msgspec.structs.replace(index, created=self.before.index.created)
            if until is not None:
                self.before = forgotten(self.path, self.before, until)
            if self.before is not None:
                index = msgspec.structs.replace(index, checkpoints=self.before.checkpoints)
        writer = Writer(self.path, index)
        if self.before is None:
            self.clear()
            # There from the beginning: a reader need not ask in vain.
            writer.write_metrics(())
            writer.write_insights(())
            if samples is not None:
                writer.write_samples(np.asarray(samples.images), samples.labels)
        else:
            with explained(self.path):
                tidy(self.path, [checkpoint.index for checkpoint in index.checkpoints])
            cut_back(writer, self.before, until)
        return writer

    def clear(self) -> None:
        """An empty folder, whatever of a recording was in it before. Raises RecordingError when it holds more."""
        with explained(self.path):
            self.path.mkdir(exist_ok=True)
            own, foreign = contents(self.path)
            if foreign:
                raise RecordingError(
                    f"{self.path}: holds {foreign[0]!r}, which is no part of a recording, so nothing was deleted; "
                    "move it away or choose another name"
                )
            for key in own:
                (self.path / key).unlink()

    def close(self) -> None:
        self.stack.close()


def same(before: Recording, index: Index, samples: Prepared | None) -> None:
    """Raises RecordingError unless the recording is of that network and of those samples."""
    remedy = "choose another name, or replace it: overwrite=True"
    if shapes_of(before.network) != shapes_of(index.network):
        raise RecordingError(f"{before.location}: records another network ({before.name}); {remedy}")
    images = None if samples is None else np.asarray(samples.images)
    count = 0 if images is None else len(images)
    if before.samples.count != count or (images is not None and not np.array_equal(before.images, images)):
        raise RecordingError(f"{before.location}: records other samples; give the same ones, {remedy}")


def forgotten(run: Path, before: Recording, until: int) -> Recording | None:
    """The recording without the checkpoints from behind that step; None where none is left."""
    kept = tuple(checkpoint for checkpoint in before.checkpoints if (checkpoint.step or 0) <= until)
    if len(kept) == len(before.checkpoints) or not kept:
        return before if kept else None
    Writer(run, msgspec.structs.replace(before.index, checkpoints=kept)).write_index()
    return Recording(FolderPlace(run))


def shapes_of(network: Network) -> list[Layer]:
    """The layers without the lines of code that they come from."""
    return [msgspec.structs.replace(layer, source=None) for layer in network]


def contents(folder: Path) -> tuple[list[str], list[str]]:
    """(keys of a recording's files, half ones included, the index first; everything else) in a folder."""
    paths = [path for path in folder.iterdir() if path.name not in FOLDERS]
    inner = [path for part in FOLDERS if (folder / part).is_dir() for path in (folder / part).iterdir()]
    own = {path for path in paths if path.name in FILES} | {path for path in inner if NUMBERED.fullmatch(path.name)}
    own |= {path for path in (*paths, *inner) if HALF.fullmatch(path.name)}
    keys = {path: path.relative_to(folder).as_posix() for path in sorted((*paths, *inner))}
    first = sorted(own, key=lambda path: path.name != store.INDEX_KEY)
    return [keys[path] for path in first], [key for path, key in keys.items() if path not in own]


def tidy(folder: Path, listed: Iterable[int]) -> None:
    """Deletes half files, and files of checkpoints that the index does not list."""
    kept = {*FILES, *(key for number in listed for key in store.checkpoint_keys(number))}
    for key in contents(folder)[0]:
        if key not in kept:
            (folder / key).unlink()


def cut_back(writer: Writer, before: Recording, until: int | None = None) -> None:
    """Takes away rows of steps behind `until`, or the last checkpoint, which are going to be made again."""
    last = before.checkpoints[-1] if before.checkpoints else Checkpoint(index=0, label="", epoch=0.0, step=0)
    if until is not None:
        last = msgspec.structs.replace(last, step=until)
    rows, insights = before.metrics(), before.insights()
    kept = [row for row in rows if not behind(last, row.get("step"), row.get("epoch"))]
    if rows and (len(kept) < len(rows) or not before.place.get(store.METRICS_KEY).endswith(b"\n")):
        writer.write_metrics(kept)
    said = [insight for insight in insights if not behind(last, insight.step, insight.epoch)]
    if len(said) < len(insights):
        writer.write_insights(said)


def behind(last: Checkpoint, step: float | None, epoch: float | None) -> bool:
    """Whether a step, or else an epoch, comes after a checkpoint."""
    if step is not None and last.step is not None:
        return step > last.step
    return epoch is not None and last.epoch is not None and epoch > last.epoch
