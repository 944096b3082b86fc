"""Writing behind computing: what one piece gave goes to the disk while the next one is computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cutaway.recording.writer import explained


class Behind:
    """Does one thing at a time in a thread, while the next is made ready: what is computed is written meanwhile."""

    def __init__(self, run: Path) -> None:
        """`run` is what errors name."""
        self.run = run
        self.pool = ThreadPoolExecutor(1)
        self.future: Future[object] | None = None

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown()

    def do(self, work: Callable[..., object], *arguments: Any) -> None:
        """Begins, when what was begun before is done. Raises what that raised, RecordingError for a full disk."""
        self.done()
        self.future = self.pool.submit(work, *arguments)

    def done(self) -> None:
        """Waits for what was begun. Raises as `do`."""
        if self.future is not None:
            future, self.future = self.future, None
            with explained(self.run):
                future.result()
