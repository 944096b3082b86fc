"""How a recording is seen to change: in a folder by the state of its files, on a web server by what it says of them."""

from __future__ import annotations

import hashlib
import math
import os
import stat
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request

from cutaway.recording.lock import is_held, lock_of
from cutaway.recording.store import INDEX_KEY, INSIGHTS_KEY, METRICS_KEY
from cutaway.server.events import Look, Sight
from cutaway.server.files import etag_of
from cutaway.server.remote import fetch, remote_fields

KEYS = (INDEX_KEY, METRICS_KEY, INSIGHTS_KEY)

RECENT_S = 10.0
"""A file that was changed no longer ago than this counts as being written, where no lock can tell."""


def look_at(recording: Path | Callable[[str], str]) -> Look:
    """A look at a recording's folder, or at one whose keys have these addresses."""
    return FolderLook(recording) if isinstance(recording, Path) else RemoteLook(recording)


class Activity:
    """Whether changes come as they do while a training runs."""

    def __init__(self) -> None:
        self.seen: tuple[str | None, ...] | None = None
        self.changed_at = -math.inf
        self.gap_s = 0.0

    def goes_on(self, versions: tuple[str | None, ...]) -> bool:
        """Tells it what is seen now. A training that writes every few minutes is not over after ten seconds."""
        now = time.monotonic()
        if self.seen is not None and versions != self.seen:
            self.gap_s = now - self.changed_at if math.isfinite(self.changed_at) else 0
            self.changed_at = now
        self.seen = versions
        return now - self.changed_at < max(RECENT_S, 3 * self.gap_s)


class FolderLook:
    """Looks at a folder: a few calls to the operating system."""

    every_s = 0.2

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = lock_of(folder)
        self.was_held = False
        self.activity = Activity()

    def __call__(self) -> Sight:
        about = [state_of(self.folder / key) for key in KEYS]
        recording, metrics, insights = (None if file is None else etag_of(file) for file in about)
        held = is_held(self.lock)
        active = self.activity.goes_on((recording, metrics, insights))
        self.was_held = self.was_held or held
        # Who once held the lock was seen to let go of it. A lock that nobody ever holds may be held elsewhere.
        foreign = not self.was_held and (active or (self.lock.exists() and any(map(is_recent, about))))
        return Sight(recording, metrics, insights, held or foreign)


def state_of(path: Path) -> os.stat_result | None:
    """None for what is not there, and for what is no plain file."""
    try:
        about = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return about if stat.S_ISREG(about.st_mode) else None


def is_recent(about: os.stat_result | None) -> bool:
    return about is not None and abs(time.time() - about.st_mtime) < RECENT_S


class RemoteLook:
    """Asks a web server for its files' ETags."""

    every_s = 1.0

    def __init__(self, url: Callable[[str], str]) -> None:
        self.files = [RemoteFile(url(key)) for key in KEYS]
        self.activity = Activity()

    def __call__(self) -> Sight:
        recording, metrics, insights = (file.version() for file in self.files)
        return Sight(recording, metrics, insights, self.activity.goes_on((recording, metrics, insights)))


class RemoteFile:
    """One file on a web server, known by ETag or date, or by its content where the server tells neither."""

    TIMEOUT_S = 5.0
    LONGEST_WAIT_S = 30.0

    def __init__(self, url: str) -> None:
        self.url = url
        self.known: str | None = None
        self.wait_s = 0.0
        self.due = 0.0

    def version(self) -> str | None:
        """As it was last known, where the server does not answer now."""
        if time.monotonic() < self.due:
            return self.known
        try:
            with fetch(Request(self.url, headers=remote_fields(), method="HEAD"), self.TIMEOUT_S) as answer:
                if answer.status in (403, 404, 410):  # buckets answer 403 for what is not there
                    self.known = None
                    return None
                told = [answer.headers[name] for name in ("etag", "last-modified") if name in answer.headers]
                if answer.status == 200 and told:
                    # A date has whole seconds only: the length tells what was added within one.
                    self.known = " ".join([told[0], answer.headers.get("content-length", "")]).strip()
                    return self.known
            return self.content()
        except (OSError, HTTPException, ValueError):
            return self.known

    def content(self) -> str | None:
        """By the bytes themselves, less and less often while they stay the same."""
        begun = time.monotonic()
        with fetch(Request(self.url, headers=remote_fields()), self.TIMEOUT_S) as answer:
            found = hashlib.sha256(answer.read()).hexdigest() if answer.status == 200 else None
        took_s = time.monotonic() - begun
        self.wait_s = 0.0 if found != self.known else min(self.LONGEST_WAIT_S, max(1.0, 2 * self.wait_s))
        self.known = found
        self.due = time.monotonic() + max(self.wait_s, 20 * took_s)
        return found
