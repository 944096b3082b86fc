"""Recording an nn-visualizer export against `json.load` over the same files: time and size.

    python benchmarks/recording.py FOLDER [--repeat 7] [--half]

Prints the median of each and the two ratios; asked for are at most 3 × the time and half the size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cutaway


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def load_all(files: list[Path]) -> None:
    for path in files:
        with path.open() as file:
            json.load(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--half", action="store_true", help="store float16 where it is close enough")
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.json"))
    json_bytes = sum(path.stat().st_size for path in files)
    loading, recording = [], []
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        for _ in range(options.repeat):  # taking turns, so that a busy machine slows both
            loading.append(seconds(lambda: load_all(files)))
            recording.append(
                seconds(lambda: cutaway.record(options.folder, out=run, half=options.half, overwrite=True))
            )
        run_bytes = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    load, record = statistics.median(loading), statistics.median(recording)
    print(f"json.load   {load:.3f} s   {json_bytes / 1e6:.2f} MB in {len(files)} files")
    print(f"record      {record:.3f} s   {run_bytes / 1e6:.2f} MB")
    print(f"ratio       {record / load:.2f} × the time (≤ 3)   {run_bytes / json_bytes:.3f} × the size (≤ 0.5)")


if __name__ == "__main__":
    main()
