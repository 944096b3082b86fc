from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from fixtures.make_recording import NETWORK, TINY, TinySource, write
from msgspec.structs import replace
from safetensors.numpy import load_file

import cutaway
from cutaway.errors import CutawayError, RecordingError, SourceError
from cutaway.recording.recorder import half_of
from cutaway.recording.schema import Checkpoint, Summary
from cutaway.recording.writer import Writer, new_recording
from cutaway.samples import Pictures
from cutaway.sources import SampleSet

TESTS = Path(__file__).parent


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestWhatIsWritten:
    def test_the_checked_in_fixture_is_what_its_script_writes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
        write(tmp_path / "run")
        made, kept = files(tmp_path / "run"), files(TINY)
        assert made.keys() == kept.keys()
        assert made["recording.json"] == kept["recording.json"]
        for key in made:
            if key.endswith(".safetensors"):
                ours, theirs = load_file(tmp_path / "run" / key), load_file(TINY / key)
                assert ours.keys() == theirs.keys()
                for name, values in ours.items():
                    np.testing.assert_allclose(values, theirs[name], rtol=1e-6)

    def test_the_whole_layout_is_there_and_nothing_else(self, tmp_path: Path) -> None:
        recording = cutaway.record(TinySource(), out=tmp_path / "deep" / "run", name="mine")
        numbers = ("000000", "000001", "000007")
        assert files(tmp_path).keys() == {
            "deep/run/recording.json",
            "deep/run/samples.safetensors",
            "deep/run/metrics.jsonl",
            "deep/run/insights.jsonl",
            *(f"deep/run/checkpoints/{number}.safetensors" for number in numbers),
            *(f"deep/run/activations/{number}.safetensors" for number in numbers),
            *(f"deep/run/summary/{number}.json" for number in numbers),
        }
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run"]
        assert recording.name == "mine"
        assert recording.path == tmp_path / "deep" / "run"
        labels = load_file(recording.path / "samples.safetensors")["labels"]
        assert labels.dtype == np.int64
        assert labels.tolist() == [2, 0]

    def test_the_loss_on_the_samples_is_the_cross_entropy_of_what_was_recorded(self, tmp_path: Path) -> None:
        recording = cutaway.record(TinySource(), out=tmp_path / "run")
        rows = [row for row in recording.metrics() if "sample_loss" in row]
        assert [row["step"] for row in rows] == [0, 10, 40]
        for checkpoint, row in enumerate(rows):
            chances = [recording.activations("scores", checkpoint, sample) for sample in range(2)]
            assert row["sample_loss"] == pytest.approx(-(np.log(chances[0][2]) + np.log(chances[1][0])) / 2)
            right = [chances[0].argmax() == 2, chances[1].argmax() == 0]
            assert row["sample_accuracy"] == sum(right) / 2

    def test_the_update_ratio_is_against_the_checkpoint_before(self, tmp_path: Path) -> None:
        source = TinySource()
        recording = cutaway.record(source, out=tmp_path / "run")
        steps = [source.parameters(checkpoint)["dense/kernel"].astype(float) for checkpoint in range(3)]
        found = [recording.summary(checkpoint).layers["dense"].update_ratio for checkpoint in range(3)]
        assert found[0] is None
        for before, after, ratio in zip(steps[:-1], steps[1:], found[1:], strict=True):
            assert ratio == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before), rel=1e-6)

    def test_scores_that_are_logits_get_a_softmax_first(self, tmp_path: Path) -> None:
        source = TinySource()
        given = source.activations(0, source.samples)
        given["scores"] = np.array([[1, -2, 3], [0, 0, 0]], np.float32)
        source.activations = lambda checkpoint, samples: given  # type: ignore[method-assign]
        rows = cutaway.record(source, out=tmp_path / "run", checkpoints=[0]).metrics()
        row = next(row for row in rows if "sample_loss" in row)
        first = -np.log(np.exp(3) / (np.exp(1) + np.exp(-2) + np.exp(3)))
        assert row["sample_loss"] == pytest.approx((first + np.log(3)) / 2)

    def test_without_labels_there_is_no_loss(self, tmp_path: Path) -> None:
        source = TinySource()
        source.samples = Pictures(source.samples.images, names=("a", "b"))
        recording = cutaway.record(source, out=tmp_path / "run")
        assert not any("sample_loss" in row for row in recording.metrics())
        assert recording.samples.labels is None

    def test_only_the_chosen_checkpoints_are_recorded(self, tmp_path: Path) -> None:
        recording = cutaway.record(TinySource(), out=tmp_path / "run", checkpoints=[-1, 0])
        assert [checkpoint.index for checkpoint in recording.checkpoints] == [0, 7]
        with pytest.raises(SourceError, match="no checkpoint at position 3; it has 0 to 2"):
            cutaway.record(TinySource(), out=tmp_path / "other", checkpoints=[3])
        with pytest.raises(SourceError, match="no checkpoint to record"):
            cutaway.record(TinySource(), out=tmp_path / "other", checkpoints=[])

    def test_values_that_are_not_finite_are_recorded_and_counted(self, tmp_path: Path) -> None:
        source = TinySource()
        source.drift["scores/bias"][:] = np.nan
        recording = cutaway.record(source, out=tmp_path / "run")
        assert np.isnan(recording.parameters("scores", "bias", 1)).all()
        assert recording.summary(1).layers["scores"].parameters["bias"].not_finite == 3
        scores = recording.summary(1).layers["scores"].activations
        assert scores is not None
        assert scores.not_finite == 6
        losses = [row["sample_loss"] for row in recording.metrics() if "sample_loss" in row]
        assert np.isnan(losses).all()

    def test_progress_is_told_before_each_checkpoint_and_at_the_end(self, tmp_path: Path) -> None:
        told: list[tuple[int, int, str]] = []
        cutaway.record(TinySource(), out=tmp_path / "run", progress=lambda *what: told.append(what))
        assert told == [(0, 3, "epoch 0"), (1, 3, "epoch 0.5"), (2, 3, "epoch 2"), (3, 3, "done")]

    def test_samples_may_be_given(self, tmp_path: Path) -> None:
        images = np.full((1, 6, 5, 1), 255, np.uint8)
        recording = cutaway.record(TinySource(), Pictures(images, names=("white",)), tmp_path / "run")
        assert recording.samples.names == ("white",)
        np.testing.assert_array_equal(recording.activations("input", 0, 0), np.ones((1, 6, 5)))


class TestHalf:
    def test_it_is_half_the_size_and_close(self, tmp_path: Path) -> None:
        whole = cutaway.record(TinySource(), out=tmp_path / "whole")
        half = cutaway.record(TinySource(), out=tmp_path / "half", half=True)
        for key, dtypes in (("checkpoints", {"float16"}), ("activations", {"float16"})):
            found = load_file(tmp_path / "half" / key / "000001.safetensors")
            assert {str(values.dtype) for values in found.values()} == dtypes
        for layer in NETWORK:
            expected = whole.activations(layer.id, 1, 0)
            error = np.abs(half.activations(layer.id, 1, 0) - expected).max()
            assert error <= 1e-3 * np.abs(expected).max()
        assert any("16-bit" in note for note in half.completeness.notes)
        assert not any("16-bit" in note for note in whole.completeness.notes)

    def test_a_sample_still_lies_in_one_piece(self, tmp_path: Path) -> None:
        recording = cutaway.record(TinySource(), out=tmp_path / "half", half=True)
        header = recording.header("activations/000000.safetensors")
        assert header["00000/input"].start % 8 == 0  # whatever the header's length
        entries = [header[f"00001/{layer.id}"] for layer in NETWORK]
        assert [entry.stop for entry in entries[:-1]] == [entry.start for entry in entries[1:]]

    def test_what_overflows_keeps_float32_tensor_by_tensor(self, tmp_path: Path) -> None:
        source = TinySource()
        source.start["dense/kernel"][0, 0] = 70_000
        cutaway.record(source, out=tmp_path / "half", half=True)
        found = load_file(tmp_path / "half/checkpoints/000000.safetensors")
        assert {name: str(v.dtype) for name, v in found.items() if v.dtype != np.float16} == {"dense/kernel": "float32"}

    def test_activations_are_halved_all_or_none(self, tmp_path: Path) -> None:
        source = TinySource()
        source.start["dense/bias"][0] = 1e6
        cutaway.record(source, out=tmp_path / "half", half=True)
        found = load_file(tmp_path / "half/activations/000000.safetensors")
        assert {str(values.dtype) for values in found.values()} == {"float32"}

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0.0, 0.0], np.float16),
            ([1.0, np.nan, np.inf], np.float16),
            ([65504.0], np.float16),
            ([65520.0], np.float32),
            ([1e-9, 2e-9], np.float32),  # below the smallest float16
            ([9.98378e-6], np.float32),  # among the last few float16s, 3 parts in a thousand off
            ([0.33333333], np.float16),
            ([], np.float16),
        ],
    )
    def test_the_rule(self, values: list[float], expected: type) -> None:
        assert half_of([np.array(values, np.float32)]) is expected


class TestSourcesThatContradictThemselves:
    """Each is one line, and leaves nothing behind."""

    def refused(self, source: TinySource, out: Path) -> str:
        with pytest.raises(SourceError) as caught:
            cutaway.record(source, out=out)
        assert list(out.parent.iterdir()) == []
        return str(caught.value)

    def test_a_parameter_of_another_shape(self, tmp_path: Path) -> None:
        source = TinySource()
        source.start["dense/kernel"] = source.start["dense/kernel"].T
        source.drift["dense/kernel"] = source.drift["dense/kernel"].T
        text = self.refused(source, tmp_path / "run")
        assert text == "layer 'dense': the kernel has shape [12, 5] at epoch 0, the network says [5, 12]"

    def test_a_missing_parameter(self, tmp_path: Path) -> None:
        source = TinySource()
        del source.start["scores/bias"]
        assert "layer 'scores': the bias is missing at epoch 0" in self.refused(source, tmp_path / "run")

    def test_other_activations_than_the_network_says(self, tmp_path: Path) -> None:
        class Wrong(TinySource):
            def activations(self, checkpoint: int, samples: SampleSet) -> dict[str, np.ndarray]:
                return {"pool": np.zeros((3, 3, 2, 2), np.float32)}

        text = self.refused(Wrong(), tmp_path / "run")
        assert text == "layer 'pool': activations have shape [3, 3, 2, 2] at epoch 0, expected [2, 3, 2, 2]"

    @pytest.mark.parametrize("images", [np.zeros((2, 6, 5), np.uint8), np.zeros((2, 6, 5, 1), np.float64)])
    def test_pictures_of_another_kind(self, tmp_path: Path, images: np.ndarray) -> None:
        source = TinySource()
        source.samples = Pictures(images, names=("a", "b"))
        assert "samples must be pictures" in self.refused(source, tmp_path / "run")

    def test_labels_for_other_samples(self, tmp_path: Path) -> None:
        source = TinySource()
        source.samples = Pictures(source.samples.images, names=("a", "b"), labels=(1, 2, 0))
        assert self.refused(source, tmp_path / "run") == "3 labels for 2 samples; give one for each"


class TestWhereItIsWritten:
    def test_without_a_place_it_is_refused(self) -> None:
        with pytest.raises(CutawayError, match="record needs out"):
            cutaway.record(TinySource())

    def test_an_existing_recording_is_kept(self, tmp_path: Path) -> None:
        run = shutil.copytree(TINY, tmp_path / "run")
        before = files(run)
        with pytest.raises(RecordingError, match=r"run: exists already; .* --overwrite"):
            cutaway.record(TinySource(), out=run)
        assert files(tmp_path) == {f"run/{key}": data for key, data in before.items()}

    def test_overwrite_replaces_it_after_success_only(self, tmp_path: Path) -> None:
        run = shutil.copytree(TINY, tmp_path / "run")
        before = files(run)

        class Breaking(TinySource):
            def activations(self, checkpoint: int, samples: SampleSet) -> dict[str, np.ndarray]:
                if checkpoint == 1:
                    raise SourceError("it broke")
                return super().activations(checkpoint, samples)

        with pytest.raises(SourceError, match="it broke"):
            cutaway.record(Breaking(), out=run, overwrite=True)
        assert files(run) == before
        recording = cutaway.record(TinySource(), out=run, overwrite=True, name="new", checkpoints=[0])
        assert recording.name == "new"
        assert "activations/000007.safetensors" not in files(run)
        assert [path.name for path in tmp_path.iterdir()] == ["run"]

    def test_overwrite_deletes_nothing_that_is_not_a_recordings(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(RecordingError, match=r"holds 'thesis\.tex', which is no part of a recording"):
            cutaway.record(TinySource(), out=tmp_path, overwrite=True)
        assert files(tmp_path) == {"thesis.tex": b"years of work"}
        with pytest.raises(RecordingError, match="is a file"):
            cutaway.record(TinySource(), out=tmp_path / "thesis.tex", overwrite=True)

    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        run = shutil.copytree(TINY, tmp_path / "elsewhere")
        (tmp_path / "link").symlink_to(run)
        cutaway.record(TinySource(), out=tmp_path / "link", overwrite=True, name="new")
        assert (tmp_path / "link").is_symlink()
        assert cutaway.open(run).name == "new"

    def test_folders_made_on_the_way_vanish_when_it_fails(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            cutaway.record(TinySource(), out=tmp_path / "a/b/run", progress=lambda *_: 1 // 0)
        assert list(tmp_path.iterdir()) == []

    def test_a_parent_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RecordingError, match=r"file: is not a folder"):
            cutaway.record(TinySource(), out=tmp_path / "file/run")

    def test_a_name_too_long_for_the_disk(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match="can't be written"):
            cutaway.record(TinySource(), out=tmp_path / ("x" * 300))

    def test_what_a_killed_run_left_is_cleared_away(self, tmp_path: Path) -> None:
        (tmp_path / ".run.partial").mkdir()
        (tmp_path / ".run.partial/recording.json").write_text("half")
        (tmp_path / ".run.lock").write_text("")
        cutaway.record(TinySource(), out=tmp_path / "run")
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


# A recording that takes its time: in the middle of the second checkpoint it says "begun", and waits for a line.
SLOW = """
import sys
import cutaway
from fixtures.make_recording import TinySource

class Slow(TinySource):
    def activations(self, checkpoint, samples):
        if checkpoint == 1:
            print("begun", flush=True)
            sys.stdin.readline()
        return super().activations(checkpoint, samples)

try:
    cutaway.record(Slow(), out=sys.argv[1])
except cutaway.CutawayError as error:
    print(error)
    sys.exit(1)
"""


def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])},
        **options,  # type: ignore[call-overload]
    )
    return process  # type: ignore[no-any-return]


@pytest.fixture
def slow_run(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the middle of recording, and the folder that it records to."""
    process = start(SLOW, tmp_path / "run")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n", process.communicate()[1]
    yield process, tmp_path / "run"
    process.kill()
    process.communicate()


class TestInterrupted:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_leaves_nothing_behind(
        self, slow_run: tuple[subprocess.Popen[str], Path], number: signal.Signals
    ) -> None:
        process, run = slow_run
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode != 0
        assert list(run.parent.iterdir()) == []

    def test_a_killed_run_leaves_no_run_and_the_next_one_works(
        self, slow_run: tuple[subprocess.Popen[str], Path]
    ) -> None:
        process, run = slow_run
        process.kill()
        process.wait()
        assert not run.exists()
        cutaway.record(TinySource(), out=run)
        assert [path.name for path in run.parent.iterdir()] == ["run"]

    def test_two_writers_on_one_run(self, slow_run: tuple[subprocess.Popen[str], Path]) -> None:
        process, run = slow_run
        with pytest.raises(RecordingError, match="run: another process is recording to it"):
            cutaway.record(TinySource(), out=run)
        process.communicate("go on\n", timeout=20)  # the first one is not disturbed
        assert process.returncode == 0
        assert len(cutaway.open(run).checkpoints) == 3
        assert [path.name for path in run.parent.iterdir()] == ["run"]

    def test_two_writers_in_one_process(self, tmp_path: Path) -> None:
        with new_recording(tmp_path / "run"), pytest.raises(RecordingError, match="another process"):
            cutaway.record(TinySource(), out=tmp_path / "run")

    def test_of_many_writers_at_once_one_wins(self, tmp_path: Path) -> None:
        results: list[str] = []

        def write_one() -> None:
            try:
                cutaway.record(TinySource(), out=tmp_path / "run")
                results.append("won")
            except RecordingError as error:
                results.append(str(error).partition(": ")[2].partition(";")[0])

        threads = [threading.Thread(target=write_one) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.count("won") == 1
        assert set(results) <= {"won", "exists already", "another process is recording to it"}
        assert cutaway.open(tmp_path / "run").name == "tiny"
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


RECORD = """
import os
import sys
import cutaway
from fixtures.make_recording import TinySource
source = TinySource()
if "as nobody" in sys.argv and os.geteuid() == 0:
    os.setuid(65534)
try:
    cutaway.record(source, out=sys.argv[1])
except cutaway.CutawayError as error:
    print(error)
"""


class TestDisksThatRefuse:
    def test_a_full_disk(self, tmp_path: Path) -> None:
        def small_files() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

        process = start(RECORD, tmp_path / "run", preexec_fn=small_files)
        said, errors = process.communicate(timeout=20)
        assert said.startswith(f"{tmp_path}/run: no space left on the disk; free some"), errors
        assert list(tmp_path.iterdir()) == []

    def test_a_full_tmpfs(self, tmp_path: Path) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("mounting a small disk takes root")
        try:
            with pytest.raises(RecordingError, match="run: no space left on the disk"):
                cutaway.record(TinySource(), out=tmp_path / "run")
            assert list(tmp_path.iterdir()) == []
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)

    def test_no_permission(self, tmp_path: Path) -> None:
        if os.geteuid() == 0 and not reachable_for_all(tmp_path):
            pytest.skip("another user can't reach the test's folder")
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o555)
        process = start(RECORD, locked / "run", "as nobody")
        said, errors = process.communicate(timeout=20)
        assert said == f"{locked}: no permission to write here; choose another place for the recording\n", errors
        assert list(locked.iterdir()) == []


def reachable_for_all(path: Path) -> bool:
    """Opens the way to a test's folder for other users; pytest closes it."""
    for folder in (path, *path.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            if "pytest" not in folder.name and folder != path:
                return False
            folder.chmod(0o755)
    return True


class TestAppending:
    """How a training run that is still going on will write: straight into RUN, the index after each checkpoint."""

    def test_a_reader_sees_whole_checkpoints_at_any_moment(self, tmp_path: Path) -> None:
        source = TinySource()
        run = cutaway.record(source, out=tmp_path / "run", checkpoints=[0]).path
        assert run is not None
        writer = Writer(run, cutaway.open(run).index)
        parameters: Mapping[str, np.ndarray] = source.parameters(1)
        writer.add_checkpoint(
            Checkpoint(index=1, label="later"), parameters, source.activations(1, source.samples), Summary(layers={})
        )
        assert len(cutaway.open(run).checkpoints) == 1
        writer.write_index()
        recording = cutaway.open(run)
        assert [checkpoint.label for checkpoint in recording.checkpoints] == ["epoch 0", "later"]
        np.testing.assert_array_equal(recording.parameters("dense", "bias", 1), parameters["dense/bias"])
        assert not [path for path in run.rglob("*") if path.name.startswith(".")]

    def test_a_checkpoint_that_fails_leaves_no_half_file(self, tmp_path: Path) -> None:
        run = shutil.copytree(TINY, tmp_path / "run")
        before = files(run)

        def broken() -> Iterator[bytes]:
            yield b"some of it"
            raise OSError(28, "No space left on device")

        with pytest.raises(RecordingError, match="no space left"):
            Writer(run, cutaway.open(run).index).put("checkpoints/000008.safetensors", broken())
        assert files(run) == before

    def test_an_index_that_contradicts_itself_is_not_written(self, tmp_path: Path) -> None:
        run = shutil.copytree(TINY, tmp_path / "run")
        before = (run / "recording.json").read_bytes()
        index = cutaway.open(run).index
        twice = replace(index, checkpoints=index.checkpoints + index.checkpoints[:1])
        with pytest.raises(RecordingError, match="checkpoint 0 is listed twice"):
            Writer(run, twice).write_index()
        assert (run / "recording.json").read_bytes() == before

    def test_readers_meet_no_half_index_while_it_is_replaced(self, tmp_path: Path) -> None:
        run = shutil.copytree(TINY, tmp_path / "run")
        writer = Writer(run, cutaway.open(run).index)
        done = threading.Event()

        def keep_writing() -> None:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                writer.write_index()
            done.set()

        thread = threading.Thread(target=keep_writing)
        thread.start()
        opened = 0
        while not done.is_set():
            assert len(cutaway.open(run).checkpoints) == 3
            opened += 1
        thread.join()
        assert opened > 0
