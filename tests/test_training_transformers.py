"""`cutaway.training.transformers.Callback` in a real Trainer: what it records, and that the training is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="trains with Transformers, which is not installed")
pytest.importorskip("accelerate", reason="Transformers trains with Accelerate, which is not installed")

import torch
import transformers
from training_models import numbers

import cutaway
from cutaway.errors import CutawayError
from cutaway.training.transformers import Callback

IMAGES = 24
STEPS_PER_EPOCH = 4


def resnet() -> Any:
    """A ResNet of Transformers in its smallest size, with random weights."""
    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "num_channels": 3,
        "embedding_size": 4,
        "hidden_sizes": [4, 6],
        "depths": [1, 1],
        "layer_type": "basic",
        "num_labels": 3,
    }
    config = transformers.ResNetConfig(**sizes)
    return transformers.ResNetForImageClassification(config)


def pictures() -> list[dict[str, Any]]:
    """Float [3, 16, 16] each, with their labels."""
    random = torch.Generator().manual_seed(5)
    return [{"pixel_values": torch.rand((3, 16, 16), generator=random), "labels": at % 3} for at in range(IMAGES)]


def samples() -> np.ndarray:
    return np.stack([numbers(one["pixel_values"]) for one in pictures()[:4]])


class Noting(transformers.TrainerCallback):
    """Losses that are logged, and by step what the model holds just behind the optimiser."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.weights: dict[int, np.ndarray] = {}
        self.gradients: dict[int, np.ndarray] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.weights[state.global_step] = numbers(given["model"].classifier[1].weight).copy()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        weight = given["model"].classifier[1].weight
        self.weights[state.global_step + 1] = numbers(weight).copy()
        self.gradients[state.global_step + 1] = numbers(weight.grad).copy()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **given: Any) -> None:
        if "loss" in logs:
            self.losses.append(logs["loss"])


def train(place: Path, *callbacks: Any, resume: str | None = None, **options: Any) -> Any:
    common: dict[str, Any] = {
        "output_dir": str(place / "out"),
        "per_device_train_batch_size": 6,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "use_cpu": True,
        "disable_tqdm": True,
        "report_to": "none",
        "seed": 3,
        "save_strategy": "no",
        "learning_rate": 1e-2,
    }
    trainer = transformers.Trainer(
        model=resnet(),
        args=transformers.TrainingArguments(**common | options),
        train_dataset=pictures(),
        eval_dataset=pictures()[:6],
        callbacks=list(callbacks),
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.mark.parametrize("options", [{}, {"every": 1, "gradients": True}])
def test_the_training_is_the_same_to_the_last_bit(tmp_path: Path, options: dict[str, Any]) -> None:
    alone, watched = Noting(), Noting()
    without = train(tmp_path, alone)
    with_it = train(tmp_path, Callback(tmp_path / "run", samples(), **options), watched)
    assert watched.losses == alone.losses
    assert len(alone.losses) == 2 * STEPS_PER_EPOCH
    state = with_it.model.state_dict()
    assert all(torch.equal(one, state[name]) for name, one in without.model.state_dict().items())
    cutaway.open(tmp_path / "run").check()


@pytest.mark.parametrize("named", [False, True])
def test_weights_activations_and_numbers_are_those_of_their_moment(tmp_path: Path, named: bool) -> None:
    given = {"pixel_values": samples()} if named else samples()
    noting = Noting()
    trainer = train(tmp_path, Callback(tmp_path / "run", given, gradients=True), noting, eval_strategy="epoch")
    recording = cutaway.open(tmp_path / "run")
    assert [(one.epoch, one.step) for one in recording.checkpoints] == [(0, 0), (1, 4), (2, 8)]
    for position, moment in enumerate(recording.checkpoints):
        assert moment.step is not None
        found = recording.parameters("classifier.1", "kernel", position)
        np.testing.assert_array_equal(found, noting.weights[moment.step])
        if moment.step:
            key = f"gradients/{moment.index:06d}.safetensors"
            found = recording.read(key, "classifier.1/kernel", recording.header(key)["classifier.1/kernel"], None)
            np.testing.assert_array_equal(found, noting.gradients[moment.step])
    with torch.no_grad():
        scores = numbers(trainer.model.eval()(torch.from_numpy(samples())).logits)
    found = np.stack([recording.activations("classifier.1", -1, sample) for sample in range(4)])
    np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-5)
    rows = recording.metrics()
    steps = [row for row in rows if "loss" in row]
    assert [row["loss"] for row in steps] == noting.losses
    assert [row["step"] for row in steps] == list(range(1, 9))
    assert {"grad_norm", "learning_rate"} <= steps[0].keys()
    assert [row["epoch"] for row in rows if "val_loss" in row] == [1, 2]
    assert not any("runtime" in name or "per_second" in name for row in rows for name in row)


def test_goes_on_from_a_checkpoint_and_makes_again_what_was_recorded_behind_it(tmp_path: Path) -> None:
    train(tmp_path, Callback(tmp_path / "run", samples()), save_strategy="epoch", num_train_epochs=3)
    noting, saved = Noting(), str(tmp_path / "out" / "checkpoint-4")
    train(tmp_path, Callback(tmp_path / "run", samples()), noting, num_train_epochs=2, resume=saved)
    recording = cutaway.open(tmp_path / "run")
    recording.check()
    assert [(one.epoch, one.step) for one in recording.checkpoints] == [(0, 0), (1, 4), (2, 8)]
    np.testing.assert_array_equal(recording.parameters("classifier.1", "kernel", -1), noting.weights[8])
    assert [row["step"] for row in recording.metrics() if "loss" in row] == list(range(1, 9))


def test_a_second_training_is_appended(tmp_path: Path) -> None:
    callback = Callback(tmp_path / "run", samples())
    train(tmp_path, callback, num_train_epochs=1)
    train(tmp_path, callback, num_train_epochs=1)
    assert [(one.epoch, one.step) for one in cutaway.open(tmp_path / "run").checkpoints] == [(0, 0), (1, 4), (2, 8)]


def test_a_training_that_raised_leaves_its_folder_to_the_next(tmp_path: Path) -> None:
    class Failing(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if state.global_step == 6:
                raise ValueError("out of luck")

    with pytest.raises(ValueError, match="out of luck"):
        train(tmp_path, Callback(tmp_path / "run", samples()), Failing())
    train(tmp_path, Callback(tmp_path / "run", samples(), overwrite=True), num_train_epochs=1)
    assert [one.epoch for one in cutaway.open(tmp_path / "run").checkpoints] == [0, 1]


def test_a_wrong_option_is_told_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(CutawayError, match="no option 'evry'"):
        Callback(tmp_path / "run", samples(), evry=1)
