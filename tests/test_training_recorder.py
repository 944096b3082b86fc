"""`cutaway.Recorder` in a PyTorch loop: what is in the recording, and that the training is none the wiser."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_models import STEPS_PER_EPOCH, Small, images, numbers, train

import cutaway
from cutaway.errors import CutawayError


def recorded(run: Path, model: nn.Module, **options: Any) -> cutaway.Recorder:
    pictures, labels = images()
    return cutaway.Recorder(run, model, pictures[:4], labels=labels[:4], **options)


def small() -> Small:
    torch.manual_seed(1)
    return Small()


class TestWhatIsRecorded:
    def test_a_checkpoint_before_the_first_step_and_behind_every_epoch(self, tmp_path: Path) -> None:
        train(small(), lambda model: recorded(tmp_path / "run", model))
        recording = cutaway.open(tmp_path / "run")
        assert [(one.index, one.label, one.epoch, one.step) for one in recording.checkpoints] == [
            (number, f"epoch {number}", number, number * STEPS_PER_EPOCH) for number in range(4)
        ]
        assert recording.samples.labels == (0, 1, 2, 0)

    def test_files_that_readers_ask_for_are_there_though_nothing_is_in_them(self, tmp_path: Path) -> None:
        pictures, _ = images()
        cutaway.Recorder(tmp_path / "run", small(), pictures[:4]).close()
        assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == b""
        assert (tmp_path / "run" / "insights.jsonl").read_bytes() == b""

    def test_parameters_and_activations_are_those_of_that_moment(self, tmp_path: Path) -> None:
        model, moments = small(), []

        class Noting(cutaway.Recorder):
            def epoch(self, **metrics: Any) -> None:
                moments.append(copy.deepcopy(model).eval())
                super().epoch(**metrics)

        pictures, labels = images()
        moments.append(copy.deepcopy(model).eval())
        train(model, lambda model: Noting(tmp_path / "run", model, pictures[:4], labels=labels[:4]))
        recording = cutaway.open(tmp_path / "run")
        for checkpoint, then in enumerate(moments):
            np.testing.assert_array_equal(recording.parameters("conv", "kernel", checkpoint), numbers(then.conv.weight))
            np.testing.assert_array_equal(
                recording.parameters("conv", "mean", checkpoint), numbers(then.norm.running_mean)
            )
            with torch.no_grad():
                scores = numbers(then(pictures[:4]))
            found = np.stack([recording.activations("fc", checkpoint, sample) for sample in range(4)])
            np.testing.assert_allclose(found, scores, rtol=1e-5, atol=1e-6)

    def test_every_step_and_epoch_has_its_row(self, tmp_path: Path) -> None:
        losses, _ = train(small(), lambda model: recorded(tmp_path / "run", model))
        rows = cutaway.open(tmp_path / "run").metrics()
        steps = [row for row in rows if "loss" in row]
        assert [row["loss"] for row in steps] == losses
        assert [row["step"] for row in steps] == list(range(1, len(losses) + 1))
        assert steps[-3]["epoch"] == pytest.approx(2 + 4 / 6)
        assert [row["epoch"] for row in rows if "train_loss" in row] == [1, 2, 3]
        assert [row["step"] for row in rows if "sample_loss" in row] == [0, 6, 12, 18]

    def test_gradients_and_the_size_of_one_step(self, tmp_path: Path) -> None:
        model = small()
        before: dict[int, np.ndarray] = {}
        after: dict[int, np.ndarray] = {}
        gradients: dict[int, np.ndarray] = {}

        class Noting(cutaway.Recorder):
            def step(self, **metrics: Any) -> None:
                after[self.steps + 1] = numbers(model.fc.weight).copy()
                before[self.steps + 2] = after[self.steps + 1]
                gradients[self.steps + 1] = numbers(model.fc.weight.grad).copy()
                super().step(**metrics)

        pictures, labels = images()

        def record(model: nn.Module) -> cutaway.Recorder:
            return Noting(tmp_path / "run", model, pictures[:4], labels=labels[:4], every=5, gradients=True)

        train(model, record)
        recording = cutaway.open(tmp_path / "run")
        assert recording.summary(0).layers["fc"].gradients == {}
        found = 0
        for checkpoint, moment in enumerate(recording.checkpoints[1:], start=1):
            assert moment.step is not None
            layer = recording.summary(checkpoint).layers["fc"]
            assert layer.gradients["kernel"].norm == pytest.approx(np.linalg.norm(gradients[moment.step]), rel=1e-5)
            key = f"gradients/{moment.index:06d}.safetensors"
            entry = recording.header(key)["fc/kernel"]
            np.testing.assert_array_equal(recording.read(key, "fc/kernel", entry, None), gradients[moment.step])
            if layer.step_update_ratio is not None:
                found += 1
                step = np.linalg.norm(after[moment.step] - before[moment.step]) / np.linalg.norm(before[moment.step])
                assert layer.step_update_ratio == pytest.approx(step, rel=1e-4)
        assert found


class TestTheTrainingIsTheSame:
    @pytest.mark.parametrize("every", ["epoch", 1, "log"])
    @pytest.mark.parametrize("momentum", [False, True])
    def test_losses_and_weights_to_the_last_bit(self, tmp_path: Path, every: Any, momentum: bool) -> None:
        def optimiser(parameters: Any) -> Any:
            if momentum:
                return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-3)
            return torch.optim.Adam(parameters, lr=0.01)

        losses, state = train(small(), optimiser=optimiser)
        found, end = train(
            small(),
            lambda model: recorded(tmp_path / "run", model, every=every, gradients=True),
            optimiser=optimiser,
        )
        assert found == losses
        assert all(torch.equal(end[name], tensor) for name, tensor in state.items())


class TestWrongArguments:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"every": "0 epochs"}, "every must be at least 1 epoch, got 0"),
            ({"every": 0}, "every must be at least 1 step, got 0"),
            ({"every": "sometimes"}, "every must be"),
            ({"max_checkpoints": 1}, "max_checkpoints must be at least 2"),
        ],
    )
    def test_one_line_and_nothing_written(self, tmp_path: Path, options: dict[str, Any], text: str) -> None:
        with pytest.raises(CutawayError, match=text):
            recorded(tmp_path / "run", small(), **options)
        assert not list(tmp_path.iterdir())
