"""The thread that writes, and the short queue before it."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutaway.errors import CutawayError
from cutaway.recording.schema import Checkpoint
from cutaway.training.commit import Commit, Content
from cutaway.training.rows import Rows

WAITING = 2
"""Snapshots in the queue, besides the one that is being written: the memory that a recording takes is this many copies
of the model's tensors, one more, and the private copy."""

FLUSH_S = 0.5
"""Rows of metrics are written at least this often."""


@dataclass
class Job:
    """One moment to record. `content` is what was read of it already, in the loop's thread."""

    moment: Checkpoint
    snapshot: Any
    step_before: Any | None = None
    content: Content | None = None
    keep: bool = False
    """Whether it stays in the queue when a newer one wants its place."""


class Worker:
    """Takes jobs while there is room, and writes them one after the other. An error is said once, and ends it."""

    def __init__(self, commit: Commit, rows: Rows, began: Callable[[], object], ended: Callable[[], object]) -> None:
        """began: called behind the first checkpoint; ended: when nothing is going to be written any more."""
        self.commit = commit
        self.rows = rows
        self.began = began
        self.ended = ended
        self.waiting: deque[Job] = deque()
        self.free: list[Any] = []
        self.change = threading.Condition()
        self.busy = False
        self.closing = False
        self.stopped = False
        self.skipped = 0
        self.unread: set[str] = set()
        settled = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(settled,), name="cutaway-recorder", daemon=True)
        self.thread.start()
        settled.wait()

    # --- the loop's side ---------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        return len(self.waiting) >= WAITING

    def room(self, newest_counts: bool) -> bool:
        """Whether a job would be taken now; what is not is counted. With `newest_counts` an older one makes room."""
        with self.change:
            oldest = next((job for job in self.waiting if not job.keep), None)
            if self.full and newest_counts and oldest is not None:
                self.waiting.remove(oldest)
                self.release(oldest)
                self.skipped += 1
            self.skipped += self.full
            return not self.full

    def memory(self) -> Any | None:
        """A snapshot that nobody needs any longer."""
        with self.change:
            return self.free.pop() if self.free else None

    def give(self, job: Job) -> None:
        with self.change:
            self.waiting.append(job)
            self.change.notify()

    def drain(self) -> None:
        """Waits until everything that was given is written."""
        with self.change:
            self.change.wait_for(lambda: not (self.waiting or self.busy) or self.stopped)

    def close(self) -> None:
        """Writes what is left, and ends."""
        with self.change:
            self.closing = True
            self.change.notify()
        self.thread.join()

    # --- the background ----------------------------------------------------------------------------------------------

    def run(self, settled: threading.Event) -> None:
        try:
            try:
                self.commit.adapter.settle()
            finally:
                settled.set()
            self.commit.catch_up()
            while True:
                job = self.next()
                self.flush()
                if self.stopped or (job is None and self.closing):
                    return self.finish()
                if job is not None:
                    self.record(job)
        except Exception as error:  # whatever it is, the training goes on
            self.stop(error)
        finally:
            self.ended()

    def next(self) -> Job | None:
        with self.change:
            self.busy = False
            self.change.notify_all()
            if not self.waiting and not self.closing:
                self.change.wait(FLUSH_S)
            job = self.waiting.popleft() if self.waiting else None
            self.busy = job is not None
            return job

    def record(self, job: Job) -> None:
        content = job.content or self.commit.read(job.snapshot, job.step_before, self.flush)
        first = self.commit.number == 0
        try:
            self.commit.write(job.moment, content, self.skipped)
        finally:
            content.discard()
        self.release(job)
        if first:
            self.began()

    def finish(self) -> None:
        """What stands until the end: rows that are joined of several, and files that no index lists any longer."""
        if not self.stopped:
            self.flush(rest=True)
            self.commit.writer.sweep()

    def release(self, job: Job) -> None:
        """Its memory is free for other snapshots."""
        if job.content is not None:
            job.content.discard()
        self.free += [snapshot for snapshot in (job.snapshot, job.step_before) if snapshot is not None]

    def flush(self, rest: bool = False) -> None:
        """Writes the rows that have come since the last time."""
        self.commit.write_rows(self.rows.take(self.unreadable, rest))

    def unreadable(self, key: str) -> None:
        if key not in self.unread:
            self.unread.add(key)
            say(f"the metric {key!r} is no number and is left out")

    def stop(self, error: Exception) -> None:
        """Says what happened, once; what was written stays."""
        with self.change:
            if self.stopped:
                return
            self.stopped = True
            for job in self.waiting:
                self.release(job)
            self.waiting.clear()
            self.free.clear()
            self.rows.waiting.clear()
            self.change.notify_all()
        text = str(error) if isinstance(error, CutawayError) else f"{type(error).__name__}: {first_line(error)}"
        say(f"recording has stopped, the training goes on: {text}")
        if os.environ.get("CUTAWAY_DEBUG"):
            sys.excepthook(type(error), error, error.__traceback__)


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def say(text: str) -> None:
    print(f"cutaway: {text}", file=sys.stderr, flush=True)
