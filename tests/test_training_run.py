"""The folder that a training writes: whole at any moment, continued after a crash, and never somebody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_bad_input import mounted
from training_plain import PlainAdapter, check, train

import cutaway
from cutaway.errors import CutawayError, RecordingError
from cutaway.recording.lock import is_held, lock_of
from cutaway.recording.places import MissingKey
from cutaway.training.ranks import rank

TESTS = Path(__file__).parent


def steps(run: Path) -> list[int | None]:
    return [moment.step for moment in cutaway.open(run).checkpoints]


def slowly(run: Path, count: int, **options: object) -> cutaway.Recorder:
    """Steps that wait until what they gave is written, so that no checkpoint is left out."""
    adapter = PlainAdapter()
    recorder = cutaway.Recorder(run, adapter, **options)  # type: ignore[arg-type]
    for _ in range(recorder.steps):
        adapter.train()
    for _ in range(count):
        adapter.train()
        recorder.step(loss=1.0)
        assert recorder.worker is not None
        recorder.worker.drain()
    return recorder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "small", "size=256k")


def held_up(run: Path, **options: object) -> tuple[PlainAdapter, cutaway.Recorder]:
    """A recorder that is busy with its first checkpoint until `adapter.go_on` is set."""
    adapter = PlainAdapter()
    adapter.go_on.clear()
    recorder = cutaway.Recorder(run, adapter, **options)  # type: ignore[arg-type]
    assert adapter.reached.wait(30)
    return adapter, recorder


class TestResuming:
    def test_goes_on_behind_the_last_checkpoint(self, tmp_path: Path) -> None:
        train(tmp_path / "run", 7, every=3).close()
        first = cutaway.open(tmp_path / "run")
        recorder = train(tmp_path / "run", 5, every=3)
        assert recorder.steps == 12
        recorder.close()
        again = cutaway.open(tmp_path / "run")
        assert again.checkpoints[: len(first.checkpoints)] == first.checkpoints
        assert [moment.index for moment in again.checkpoints] == list(range(len(again.checkpoints)))
        assert check(tmp_path / "run") == 12
        assert len([row for row in again.metrics() if "loss" in row]) == 12
        update = again.summary(len(first.checkpoints)).layers["dense"].update_ratio
        assert update is not None
        assert update > 0

    def test_rows_behind_the_last_checkpoint_are_made_again(self, tmp_path: Path) -> None:
        train(tmp_path / "run", 6, every=3).close()
        with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
            file.write('{"step": 7, "loss": 0.5}\n{"step": 8, "lo')
        train(tmp_path / "run", 3, every=3).close()
        assert check(tmp_path / "run") == 9

    def test_in_a_loop_that_tells_only_its_epochs_too(self, tmp_path: Path) -> None:
        def train_epochs() -> None:
            with cutaway.Recorder(tmp_path / "run", PlainAdapter()) as recorder:
                for _ in range(2):
                    recorder.epoch(loss=1.0)
                    assert recorder.worker is not None
                    recorder.worker.drain()

        train_epochs()
        with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
            file.write('{"epoch": 3, "loss": 0.5}\n')
        train_epochs()
        recording = cutaway.open(tmp_path / "run")
        assert [moment.label for moment in recording.checkpoints] == [f"epoch {number}" for number in range(5)]
        assert [row["epoch"] for row in recording.metrics() if "loss" in row] == [1, 2, 3, 4]

    def test_what_a_crash_left_behind_goes_away(self, tmp_path: Path) -> None:
        run = tmp_path / "run"
        train(run, 6, every=3).close()
        (run / "checkpoints" / ".000009.safetensors.partial").write_bytes(b"half")
        (run / "activations" / "000009.safetensors").write_bytes(b"not listed")
        (run / ".recording.json.partial").write_bytes(b"half")
        (run / "notes.txt").write_text("of the user's own")
        lock_of(run).touch()
        train(run, 3, every=100).close()
        assert check(run) == 9
        assert not [path for path in run.rglob(".*")]
        assert (run / "activations" / "000009.safetensors").exists() is False
        assert (run / "notes.txt").exists()

    def test_another_network_or_other_samples_are_refused(self, tmp_path: Path, recording_folder: Path) -> None:
        before = (recording_folder / "recording.json").read_bytes()
        with pytest.raises(RecordingError, match="records another network"):
            cutaway.Recorder(recording_folder, PlainAdapter())
        assert (recording_folder / "recording.json").read_bytes() == before
        train(tmp_path / "run", 1).close()
        other = PlainAdapter()
        other.source.samples.images[0, 0, 0] ^= 1
        with pytest.raises(RecordingError, match="records other samples"):
            cutaway.Recorder(tmp_path / "run", other)

    def test_not_wanted_it_is_refused_or_replaced(self, tmp_path: Path) -> None:
        train(tmp_path / "run", 6, every=3).close()
        with pytest.raises(RecordingError, match="exists already"):
            cutaway.Recorder(tmp_path / "run", PlainAdapter(), resume=False)
        train(tmp_path / "run", 1, every=3, overwrite=True).close()
        assert steps(tmp_path / "run") == [0, 1]

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_folder_with_anything_else_is_left_alone(self, tmp_path: Path, overwrite: bool) -> None:
        (tmp_path / "run" / "checkpoints").mkdir(parents=True)
        (tmp_path / "run" / "checkpoints" / "epoch_3.pt").write_bytes(b"weights of years")
        with pytest.raises(RecordingError, match=r"holds 'checkpoints/epoch_3.pt'"):
            cutaway.Recorder(tmp_path / "run", PlainAdapter(), overwrite=overwrite)
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["epoch_3.pt"]

    def test_two_at_once(self, tmp_path: Path) -> None:
        with cutaway.Recorder(tmp_path / "run", PlainAdapter()):
            assert is_held(lock_of(tmp_path / "run"))
            with pytest.raises(RecordingError, match="another process is recording"):
                cutaway.Recorder(tmp_path / "run", PlainAdapter())
        assert not lock_of(tmp_path / "run").exists()


class TestKilledAndRead:
    def test_killed_fifty_times_it_is_whole_each_time_and_goes_on(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, str(TESTS / "training_plain.py"), str(tmp_path / "run"), "50"],
            capture_output=True,
            text=True,
            timeout=150,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        opened, grown, last = map(int, done.stdout.split())
        assert opened >= 48
        assert grown >= 33
        assert last > 100

    @pytest.mark.parametrize("most", [None, 4])
    def test_a_reader_beside_it_never_meets_half_a_checkpoint(self, tmp_path: Path, most: int | None) -> None:
        run = tmp_path / "run"
        slowly(run, 1, every=1).close()
        ended = threading.Event()

        def write() -> None:
            slowly(run, 60, every=1, max_checkpoints=most).close()
            ended.set()

        thread = threading.Thread(target=write)
        thread.start()
        reached = []
        while not ended.is_set():
            recording = cutaway.open(run)
            try:
                mark = recording.parameters("scores", "bias", -1)[0]
                assert (recording.activations("pool", -1, 1) == mark).all()
                assert recording.summary(-1).layers
            except MissingKey:  # thinned out since: the index is read again
                assert most is not None
                continue
            reached.append(recording.checkpoints[-1].step)
        thread.join()
        assert len(set(reached)) > 3
        assert check(run) == 61

    def test_dropped_checkpoints_stay_for_readers_of_the_last_index(self, tmp_path: Path) -> None:
        run = tmp_path / "run"
        recorder = slowly(run, 3, every=1, max_checkpoints=3)
        listed = {f"{moment.index:06d}.safetensors" for moment in cutaway.open(run).checkpoints}
        there = {path.name for path in (run / "checkpoints").iterdir()}
        assert listed < there
        recorder.close()
        assert {path.name for path in (run / "checkpoints").iterdir()} == listed


class TestTrouble:
    def test_a_full_disk_is_said_once_and_the_training_goes_on(
        self, small_disk: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recorder = slowly(small_disk / "run", 30, every=1)
        assert recorder.steps == 30
        assert recorder.worker is not None
        recorder.worker.thread.join(30)
        assert not is_held(lock_of(small_disk / "run"))
        recorder.close()
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "recording has stopped, the training goes on" in said
        assert "no space left" in said
        recording = cutaway.open(small_disk / "run")
        assert 1 < len(recording.checkpoints) < 31
        check(small_disk / "run")

    def test_any_other_error_too(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        adapter = PlainAdapter()
        recorder = cutaway.Recorder(tmp_path / "run", adapter, every=1)
        assert recorder.worker is not None
        recorder.worker.drain()
        adapter.weights = {"unknown": np.zeros(3)}
        recorder.step(loss=1.0)
        recorder.step(loss=1.0)
        recorder.close()
        assert capsys.readouterr().err.count("recording has stopped") == 1
        assert steps(tmp_path / "run") == [0]

    def test_checkpoints_that_come_too_fast_are_counted(self, tmp_path: Path) -> None:
        adapter, recorder = held_up(tmp_path / "run", every=1)
        for _ in range(20):
            adapter.train()
            recorder.step(loss=1.0)
        adapter.go_on.set()
        recorder.close()
        recording = cutaway.open(tmp_path / "run")
        left_out = 21 - len(recording.checkpoints)
        assert left_out > 15
        assert f"{left_out} checkpoints were left out" in " ".join(recording.completeness.notes)
        assert check(tmp_path / "run") == 20

    def test_the_end_of_an_epoch_takes_the_place_of_an_older_one(self, tmp_path: Path) -> None:
        adapter, recorder = held_up(tmp_path / "run")
        for _ in range(6):
            adapter.train()
            recorder.step(loss=1.0)
            recorder.epoch()
        adapter.go_on.set()
        recorder.close()
        assert steps(tmp_path / "run")[-2:] == [5, 6]
        check(tmp_path / "run")

    def test_metrics_that_are_no_numbers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with cutaway.Recorder(tmp_path / "run", PlainAdapter()) as recorder:
            for _ in range(3):
                recorder.step(loss=float("nan"), phase="warm-up", counts=np.arange(3))
        rows = [row for row in cutaway.open(tmp_path / "run").metrics() if "loss" in row]
        assert len(rows) == 3
        assert all(np.isnan(row["loss"]) for row in rows)
        assert capsys.readouterr().err.splitlines() == [
            "cutaway: the metric 'phase' is no number and is left out",
            "cutaway: the metric 'counts' is no number and is left out",
        ]

    def test_an_exception_in_the_loop_goes_through_and_what_was_recorded_stays(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), cutaway.Recorder(tmp_path / "run", PlainAdapter(), every=1) as recorder:
            recorder.step(loss=1 / 0)
        assert steps(tmp_path / "run") == [0]


class TestOtherProcesses:
    def test_only_the_first_rank_records(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RANK", "1")
        recorder = train(tmp_path / "run", 3, every=1)
        recorder.epoch()
        recorder.close()
        assert not (tmp_path / "run").exists()
        monkeypatch.setenv("RANK", "0")
        train(tmp_path / "run", 3, every=1).close()
        assert check(tmp_path / "run") == 3

    @pytest.mark.parametrize(
        ("cluster", "task", "number"),
        [
            (("worker",), ("worker", 0), 0),
            (("worker",), ("worker", 1), 1),
            (("chief", "worker"), ("chief", 0), 0),
            (("chief", "worker"), ("worker", 0), 1),
        ],
    )
    def test_tensorflow_tells_a_process_its_task(
        self, monkeypatch: pytest.MonkeyPatch, cluster: tuple[str, ...], task: tuple[str, int], number: int
    ) -> None:
        monkeypatch.delenv("RANK", raising=False)
        told = {"cluster": {name: ["host:1"] for name in cluster}, "task": {"type": task[0], "index": task[1]}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(told))
        assert rank() == number
        monkeypatch.setenv("TF_CONFIG", "{")
        assert rank() == 0


class TestGoingOnFromACheckpointOfTheTraining:
    """`steps` and `epochs`: what the training's own checkpoint says."""

    def test_what_was_recorded_behind_it_is_made_again(self, tmp_path: Path) -> None:
        slowly(tmp_path / "run", 8, every=2).close()
        recorder = slowly(tmp_path / "run", 4, every=2, steps=4)
        recorder.close()
        assert recorder.steps == 8
        assert steps(tmp_path / "run") == [0, 2, 4, 6, 8]
        rows = cutaway.open(tmp_path / "run").metrics()
        assert [row["step"] for row in rows if "loss" in row] == list(range(1, 9))

    def test_between_two_checkpoints_the_numbers_of_its_steps_stay(self, tmp_path: Path) -> None:
        slowly(tmp_path / "run", 8, every=4).close()
        slowly(tmp_path / "run", 2, every=4, steps=6).close()
        assert steps(tmp_path / "run") == [0, 4, 6, 8]
        rows = cutaway.open(tmp_path / "run").metrics()
        assert [row["step"] for row in rows if "loss" in row] == list(range(1, 9))

    def test_a_new_recording_begins_there(self, tmp_path: Path) -> None:
        slowly(tmp_path / "run", 4, every=2, steps=6, epochs=1, steps_per_epoch=4).close()
        moments = [(one.step, one.epoch) for one in cutaway.open(tmp_path / "run").checkpoints]
        assert moments == [(6, 1.5), (8, 2.0), (10, 2.0)]

    def test_less_than_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CutawayError, match="steps and epochs must be at least 0, got -1 and 0"):
            slowly(tmp_path / "run", 1, steps=-1)


@pytest.fixture
def built_viewer() -> None:
    if not (Path(cutaway.__file__).parent / "static" / "index.html").is_file():
        pytest.skip("the viewer is not built; `make build` does it")


@pytest.mark.usefixtures("built_viewer")
def test_the_viewer_opens_beside_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("BROWSER", raising=False)
    recorder = slowly(tmp_path / "run", 3, every=1, show=True)
    try:
        assert recorder.viewer is not None
        with urllib.request.urlopen(f"{recorder.viewer.url}recording/recording.json", timeout=10) as answer:
            assert b"cutaway-recording" in answer.read()
    finally:
        recorder.close()
        assert recorder.viewer is not None
        recorder.viewer.close()
