"""Where `cutaway open MODEL` keeps the recordings that it makes, so that the second time is instant.

A folder's name in the cache is the digest of the files' content: the same files at another place are found
again, and a changed file is recorded anew.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cutaway import __version__
from cutaway.errors import CutawayError, RecordingError, SourceError

Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and what it is."""

BUDGET_BYTES = 8 << 30
CHUNK = 1 << 20


def cache_folder() -> Path:
    """The system's folder for what can be made again, or what CUTAWAY_CACHE names."""
    if named := os.environ.get("CUTAWAY_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "cutaway"


def recorded(paths: Sequence[Path], progress: Progress | None = None, **options: Any) -> Path:
    """The recording of what lies at `paths` (checkpoints of one model), made now or found in the cache.

    `options` are those of `cutaway.record`. Raises CutawayError where a path can't be read as a model or the recording
    can't be written.
    """
    import cutaway

    if not all(looks_readable(path) for path in paths):
        # Tells what is wrong, before somebody's whole home folder is read for its digest.
        cutaway.open_source(paths, model=options.get("model"))
    cache = cache_folder()
    kept = cache / digest_of(paths, options, progress)
    if (kept / "recording.json").is_file():
        os.utime(kept)  # used today: `make_room` drops what was used longest ago
        return kept
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"{cache}: recordings can't be kept here ({error.strerror}); set CUTAWAY_CACHE to a folder of yours"
        ) from None
    # Made beside its place, so that two commands at once don't meet; the later one finds the other's.
    making = cache / f"{kept.name}.{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    try:
        cutaway.record(paths, out=making, progress=progress, **options)
        try:
            making.rename(kept)
        except OSError:
            if not (kept / "recording.json").is_file():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
        with contextlib.suppress(OSError):
            cache.rmdir()  # refuses where something is inside
    make_room(cache, keep=kept)
    return kept


def as_recording(what: Any, samples: Any = None, **options: Any) -> Any:
    """A recording, or the path or address of one, as it is; anything else is recorded first.

    A model's files go into the cache with their samples' files; a live model, or samples that are arrays, into a
    folder that is taken away when this process ends. `options` are those of `cutaway.record`. Raises CutawayError.
    """
    import cutaway
    from cutaway.cli import is_address, is_recording

    path = Path(what) if isinstance(what, str | os.PathLike) else None
    if isinstance(what, cutaway.Recording) or (path is not None and (is_address(str(what)) or is_recording(path))):
        if samples is not None or options:
            raise CutawayError("samples and options belong to a model; this is a recording already")
        return what
    if path is not None and (samples is None or isinstance(samples, str | os.PathLike)):
        if samples is not None:
            options["samples"] = os.fspath(samples)
        return recorded([path], **options)
    folder = Path(tempfile.mkdtemp(prefix="cutaway-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return cutaway.record(what, samples, folder / "run", **options)


def looks_readable(path: Path) -> bool:
    """Whether it looks like a model in a format that this version reads."""
    from cutaway.sources.recognise import FILES, FOLDERS, first

    try:
        found = first(FOLDERS if path.is_dir() else FILES, path)
    except OSError:
        return False
    return found is not None and found.opener is not None


def digest_of(paths: Sequence[Path], options: Mapping[str, Any], progress: Progress | None) -> str:
    """One digest of several paths, the options, and the files that these name."""
    files = [file for path in paths for file in parts_of(path)]
    for name in ("samples", "labels", "classes", "weights"):
        given = options.get(name, ())
        for one in given if isinstance(given, list) else [given] if given else []:
            named = Path(str(one))
            files += [named] if named.exists() else []
            files += [beside for beside in named.parent.glob("*labels*ubyte*") if name == "samples"]
    code = str(options.get("model", "")).partition(":")[0]
    files += [place for place in (Path(code), Path(code.replace(".", "/") + ".py")) if code and place.is_file()]
    found = [digest(file, progress) for file in files]
    if len(files) == 1 and not options:
        return found[0]
    said = "\n".join([*found, *(path.name for path in paths), repr(sorted(options.items()))])
    return hashlib.sha256(said.encode()).hexdigest()[:40]


def parts_of(path: Path) -> list[Path]:
    """The path; or the files of a TensorFlow checkpoint, which go by one common name."""
    beside = path.with_suffix("") if path.suffix in (".index", ".meta") or ".data-" in path.suffix else path
    several = sorted(file for file in beside.parent.glob(f"{beside.name}.*") if file.is_file())
    return several if beside != path or not path.exists() else [path]


def digest(path: Path, progress: Progress | None = None) -> str:
    """40 hexadecimal digits that stand for the content and the names of the files at `path`."""
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    total = sum(file.stat().st_size for file in files)
    done = 0
    whole = hashlib.sha256(f"cutaway {__version__}\n".encode())
    for file in files:
        try:
            with file.open("rb") as opened:
                one = hashlib.sha256()
                while piece := opened.read(CHUNK):
                    one.update(piece)
                    done += len(piece)
                    if progress is not None:
                        progress(done, total, "reading")
        except OSError as error:
            raise SourceError(f"{file} can't be read: {error.strerror}; check its permissions") from None
        whole.update(f"{one.hexdigest()} {file.relative_to(path).as_posix()}\n".encode())
    return whole.hexdigest()[:40]


def folder_bytes(folder: Path) -> int:
    """Size of all files in a folder, or of the file."""
    if folder.is_file():
        return folder.stat().st_size
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def make_room(cache: Path, keep: Path, budget_bytes: int = BUDGET_BYTES) -> None:
    """Delete the recordings that were used longest ago until the rest fits into the budget."""
    entries = [entry for entry in cache.iterdir() if entry.is_dir() and len(entry.name) == 40 and entry != keep]
    entries.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    left = budget_bytes - folder_bytes(keep)
    for entry in entries:
        left -= folder_bytes(entry)
        if left < 0:
            shutil.rmtree(entry, ignore_errors=True)
