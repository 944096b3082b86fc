"""`cutaway.training.keras.Callback` in `model.fit` with every backend: what it records, and that nothing else changes.

The trainings are in keras_training.py, which runs once for each backend.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import computed, prepared
from safetensors.numpy import load_file

pytest.importorskip("keras", reason="trains with Keras, which is not installed")

from keras_models import FAMILIES, ODD, L, keras

import cutaway
from cutaway.errors import SourceError
from cutaway.sources import How
from cutaway.sources.keras import open_model
from cutaway.training.keras_model import KerasAdapter

EPOCHS, STEPS = 2, 5
CHILD = Path(__file__).with_name("keras_training.py")


@dataclass(frozen=True)
class Trained:
    """What one backend left: recordings in `place`, and what Keras itself held meanwhile."""

    backend: str
    place: Path
    seen: dict[str, Any]
    weights: dict[str, np.ndarray]
    stderr: str

    def open(self, run: str) -> cutaway.Recording:
        recording = cutaway.open(self.place / run)
        recording.check()
        return recording


@pytest.fixture(scope="module", params=["torch", "jax", "tensorflow"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    backend = str(request.param)
    if find_spec(backend) is None:
        pytest.skip(f"trains with {backend}, which is not installed")
    place = tmp_path_factory.mktemp(backend)
    done = subprocess.run(
        [sys.executable, str(CHILD), str(place)],
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert "ValueError: out of luck" in done.stderr, done.stderr[-2000:]
    seen = json.loads((place / "seen.json").read_text())
    return Trained(backend, place, seen, load_file(place / "weights.safetensors"), done.stderr)


def test_losses_and_weights_are_the_same_to_the_last_bit(trained: Trained) -> None:
    for name in ("own", "noisy"):
        if name in trained.seen:
            assert trained.seen[name]["losses"], name
            assert trained.seen[name]["weights"], name
    assert "recording has stopped" not in trained.stderr


def test_a_checkpoint_before_the_first_step_and_behind_every_epoch(trained: Trained) -> None:
    recording = trained.open("own")
    assert [(one.label, one.epoch, one.step) for one in recording.checkpoints] == [
        (f"epoch {epoch}", epoch, epoch * STEPS) for epoch in range(EPOCHS + 1)
    ]
    assert [layer.id for layer in recording.network][1:] == ["conv", "fc"]


def test_epochs_and_steps_have_the_numbers_that_keras_tells(trained: Trained) -> None:
    rows = trained.open("own").metrics()
    history = trained.seen["own"]["history"]
    epochs = [row for row in rows if "val_loss" in row]
    assert [row["epoch"] for row in epochs] == [1, 2]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [row[name] for row in epochs] == history[name]
    steps = [row for row in rows if "loss" in row and "val_loss" not in row]
    assert [row["step"] for row in steps] == list(range(1, EPOCHS * STEPS + 1))
    assert steps[STEPS - 1]["loss"] == pytest.approx(history["loss"][0])


def test_activations_are_what_the_model_computes(trained: Trained) -> None:
    recording = trained.open("own")
    found = np.stack([recording.activations("fc", -1, sample) for sample in range(4)])
    np.testing.assert_allclose(found, trained.weights["own scores"], rtol=1e-4, atol=1e-6)


def test_weights_are_those_of_the_step(trained: Trained) -> None:
    recording = trained.open("run")
    compared = 0
    for position, moment in enumerate(recording.checkpoints):
        conv = trained.weights.get(f"run/conv/{moment.step}")
        if conv is not None:
            compared += 1
            found = recording.parameters("conv", "kernel", position)
            np.testing.assert_array_equal(found, conv.transpose(3, 2, 0, 1))
            found = recording.parameters("fc", "kernel", position)
            np.testing.assert_array_equal(found, trained.weights[f"run/fc/{moment.step}"].T)
    assert compared >= 2


def test_another_fit_goes_on_in_the_recording(trained: Trained) -> None:
    checkpoints = trained.open("run").checkpoints
    assert (checkpoints[0].step, checkpoints[-1].step) == (0, (EPOCHS + 1) * STEPS)
    assert checkpoints[-1].epoch == EPOCHS + 1


def test_what_lies_behind_the_initial_epoch_is_made_again(trained: Trained) -> None:
    recording = trained.open("again")
    assert [(one.epoch, one.step) for one in recording.checkpoints] == [(epoch, epoch * STEPS) for epoch in range(3)]
    steps = [row["step"] for row in recording.metrics() if "accuracy" in row and row["step"] % STEPS]
    assert steps == [step for step in range(1, 2 * STEPS) if step % STEPS]


def test_an_epoch_of_unknown_length_has_all_its_steps(trained: Trained) -> None:
    recording = trained.open("generated")
    assert [(one.epoch, one.step) for one in recording.checkpoints] == [(0, 0), (1, STEPS)]
    assert [row["step"] for row in recording.metrics() if "accuracy" in row] == [1, 2, 3, 4, 5, 5]


def test_several_steps_at_once_of_a_model_that_takes_any_size(trained: Trained) -> None:
    if trained.backend == "torch":
        pytest.skip("Keras does one step after the other with PyTorch")
    recording = trained.open("several")
    assert recording.network.layers[0].output_shape == (1, 8, 8)
    assert [one.step for one in recording.checkpoints][-1] == 6  # an execution of Keras's counts as two in any case
    for position, moment in enumerate(recording.checkpoints):
        conv = trained.weights.get(f"several/conv/{moment.step}")
        if conv is not None:
            np.testing.assert_array_equal(recording.parameters("conv", "kernel", position), conv.transpose(3, 2, 0, 1))


def test_gradients_where_keras_holds_them(trained: Trained) -> None:
    if trained.backend == "torch":
        summary = trained.open("run").summary(1)
        assert summary.layers["conv"].gradients["kernel"].norm > 0
        assert summary.layers["fc"].step_update_ratio is not None
    else:
        assert "keeps no gradients behind a step; leave it out" in trained.seen["refused"]


def test_a_fit_that_raises_leaves_a_whole_recording(trained: Trained) -> None:
    checkpoints = trained.open("failed").checkpoints
    assert (checkpoints[0].step, len(checkpoints)) == (0, 2)
    assert checkpoints[-1].step in (2, 3)  # where the failing callback was called before or behind this one


@pytest.mark.parametrize("name", [*FAMILIES, *ODD])
def test_the_private_copy_is_the_model_at_every_layer(name: str) -> None:
    keras.utils.clear_session()
    model = {**FAMILIES, **ODD}[name]()
    source, adapter = open_model(model, How()), KerasAdapter(model, How())
    assert adapter.source.network == source.network
    assert adapter.background
    with adapter.reading():
        adapter.load(adapter.take(None, False))
        parameters, values = adapter.source.parameters(0), computed(adapter.source, prepared(source))
    wanted = source.parameters(0)
    assert parameters.keys() == wanted.keys()
    assert all(np.array_equal(array, wanted[key]) for key, array in parameters.items())
    for id, array in computed(source, prepared(source)).items():
        np.testing.assert_allclose(values[id], array, rtol=1e-5, atol=1e-6)


def test_a_layer_that_can_not_be_made_again_is_refused_with_what_to_do() -> None:
    class Scaled(L.Layer):  # type: ignore[misc]
        def __init__(self, how: Any) -> None:
            super().__init__()
            self.how = how

        def call(self, maps: Any) -> Any:
            return self.how(maps)

    model = keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(2, 3), Scaled(lambda maps: 2 * maps)])
    with pytest.raises(
        SourceError, match=r"can't be made again from its configuration .* give layers of your own a get"
    ):
        KerasAdapter(model, How())
