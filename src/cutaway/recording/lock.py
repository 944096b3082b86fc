"""One writer at a time: a lock file that the operating system releases even when a process is killed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cutaway.errors import RecordingError

if sys.platform == "win32":
    import msvcrt

    def acquire(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def release(descriptor: int, path: Path) -> None:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # the next writer may have it open already
            path.unlink()
else:
    import fcntl

    def acquire(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(descriptor: int, path: Path) -> None:
        # Unlinked while it is still held: nobody can come to hold a lock on a file that then loses its name.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


ATTEMPTS = 5
"""A lock that somebody has is tried again this often: `is_held` takes it too, for an instant."""

PAUSE_S = 0.02


def lock_of(run: Path) -> Path:
    """The lock file of a recording's folder. It lies beside the folder, which may be replaced while it is held."""
    run = Path(os.path.realpath(run))
    return run.with_name(f".{run.name}.lock")


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock file; false where there is none, or where locks can't be seen (a mounted folder).

    A writer that comes in the instant of asking is not turned away: it tries again.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        acquire(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def locked(path: Path, what: Path) -> Iterator[None]:
    """Holds the lock file `path` for the block. Raises RecordingError when somebody else is writing `what`."""
    descriptor = take(path, what)
    try:
        yield
    finally:
        release(descriptor, path)


def take(path: Path, what: Path) -> int:
    """Descriptor of the locked file."""
    attempts = 0
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            acquire(descriptor)
        except OSError:
            os.close(descriptor)
            attempts += 1
            if attempts < ATTEMPTS:
                time.sleep(PAUSE_S)
                continue
            raise RecordingError(
                f"{what}: another process is recording to it; wait for it or choose another name"
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # the holder before us removed it between our open and our lock
