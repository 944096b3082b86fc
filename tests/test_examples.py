"""The examples that no test of their source runs: as they stand, from a folder that is not theirs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import cutaway

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(example: str, *arguments: str | Path, cwd: Path) -> str:
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, cwd=cwd)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_tensorflow_checkpoint_is_recorded_without_tensorflow(tmp_path: Path) -> None:
    with_default = run("record_tensorflow.py", cwd=tmp_path)
    assert with_default.strip()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed")
def test_a_keras_model_is_recorded_live_and_from_its_file(tmp_path: Path) -> None:
    run("record_keras_model.py", tmp_path / "run", cwd=tmp_path)
    recording = cutaway.open(tmp_path / "run")
    recording.check()
    assert recording.completeness.runnable
    assert any(layer.kind == "conv2d" for layer in recording.network)


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_a_pytorch_training_is_recorded_while_it_runs(tmp_path: Path) -> None:
    recording = trained("record_pytorch.py", tmp_path)
    assert recording.summary(-1).layers["fc2"].gradients.keys() == {"kernel", "bias"}


@pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed")
def test_a_keras_training_is_recorded_while_it_runs(tmp_path: Path) -> None:
    recording = trained("record_keras.py", tmp_path)
    assert recording.network.layer("conv1").fused == ("batch_norm", "relu")
    assert any("val_accuracy" in row for row in recording.metrics())


@pytest.mark.skipif(find_spec("lightning") is None, reason="Lightning is not installed")
def test_a_lightning_training_is_recorded_while_it_runs(tmp_path: Path) -> None:
    recording = trained("record_lightning.py", tmp_path)
    assert recording.summary(-1).layers["net.11"].gradients.keys() == {"kernel", "bias"}
    assert any("val_accuracy" in row for row in recording.metrics())


def trained(example: str, place: Path) -> cutaway.Recording:
    """What an example records in two epochs of a hundred steps: it has learnt something, and nothing is missing."""
    printed = run(example, "--out", place / "run", "--epochs", "2", cwd=place)
    recording = cutaway.open(place / "run")
    recording.check()
    assert [recording.checkpoints[0].step, recording.checkpoints[-1].step] == [0, 200]
    assert recording.metrics()[-1]["epoch"] == 2
    last = recording.network.outputs[0]
    right = [recording.activations(last, -1, sample).argmax() for sample in range(recording.samples.count)]
    assert sum(one == label for one, label in zip(right, recording.samples.labels or (), strict=True)) >= 5
    assert "9 checkpoints" in printed or "left out" in " ".join(recording.completeness.notes)
    return recording
