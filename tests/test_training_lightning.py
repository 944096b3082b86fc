"""`cutaway.training.lightning.Callback` in a real Trainer: what is recorded, and that the training stays the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightning.pytorch", reason="trains with Lightning, which is not installed")

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from training_models import STEPS_PER_EPOCH, Small, images, numbers

import cutaway
from cutaway.errors import CutawayError
from cutaway.training.lightning import Callback

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and progress bars


class Digits(lightning.LightningModule):
    """The network is a part of it, beside a loss that has no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Small()
        self.loss = nn.CrossEntropyLoss()
        self.losses: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], at: int) -> Tensor:
        loss: Tensor = self.loss(self.net(batch[0]), batch[1])
        self.losses.append(loss.item())
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], at: int) -> None:
        self.log("val_loss", self.loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


class WithForward(Digits):
    def forward(self, pictures: Tensor) -> Any:
        return self.net(pictures)


class Noting(lightning.Callback):
    """Weights and gradients by step, as they are when Lightning says that the step is done."""

    def __init__(self) -> None:
        self.weights: dict[int, np.ndarray] = {}
        self.gradients: dict[int, np.ndarray] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.weights[trainer.global_step] = numbers(pl_module.net.conv.weight).copy()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *given: Any) -> None:
        self.weights[trainer.global_step] = numbers(pl_module.net.conv.weight).copy()
        self.gradients[trainer.global_step] = numbers(pl_module.net.conv.weight.grad).copy()


def fit(model: Any, place: Path, *callbacks: Any, resume: str | None = None, **options: Any) -> Any:
    pictures, labels = images()
    data = TensorDataset(pictures, labels)
    silent: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False
    )
    common: dict[str, Any] = {"max_epochs": 3, "accelerator": "cpu", "default_root_dir": place}
    trainer = lightning.Trainer(**silent | common | options, callbacks=list(callbacks))
    torch.manual_seed(0)
    loaders = DataLoader(data, batch_size=8, shuffle=True), DataLoader(data, batch_size=16)
    trainer.fit(model, *loaders, ckpt_path=resume)
    return trainer


def watch(place: Path, **options: Any) -> Callback:
    pictures, labels = images()
    return Callback(place / "run", samples=pictures[:4], labels=labels[:4], **options)


def made(kind: type[Digits] = Digits) -> Any:
    torch.manual_seed(1)
    return kind()


@pytest.mark.parametrize("options", [{}, {"every": 1, "gradients": True}])
def test_the_training_is_the_same_to_the_last_bit(tmp_path: Path, options: dict[str, Any]) -> None:
    alone, watched = made(), made()
    fit(alone, tmp_path)
    fit(watched, tmp_path, watch(tmp_path, **options))
    assert watched.losses == alone.losses
    assert all(torch.equal(one, watched.state_dict()[name]) for name, one in alone.state_dict().items())
    cutaway.open(tmp_path / "run").check()


def test_weights_activations_and_numbers_are_those_of_their_moment(tmp_path: Path) -> None:
    model, noting = made(), Noting()
    fit(model, tmp_path, watch(tmp_path, every="4 steps"), noting)
    recording = cutaway.open(tmp_path / "run")
    places = [place for one in recording.checkpoints[:3] for place in (one.step, one.epoch)]
    assert places == pytest.approx([0, 0, 4, 4 / 6, 8, 1 + 2 / 6], abs=1e-6)
    for position, moment in enumerate(recording.checkpoints):
        assert moment.step is not None
        found = recording.parameters("conv", "kernel", position)
        np.testing.assert_array_equal(found, noting.weights[moment.step])
    with torch.no_grad():
        scores = numbers(model.net.eval()(images()[0][:4]))
    found = np.stack([recording.activations("fc", -1, sample) for sample in range(4)])
    np.testing.assert_allclose(found, scores, rtol=1e-5, atol=1e-6)
    rows = recording.metrics()
    assert [row["loss"] for row in rows if "loss" in row] == pytest.approx(model.losses)
    epochs = [row for row in rows if "val_loss" in row]
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert all("train_loss" in row for row in epochs)


def test_gradients_are_those_of_the_last_step_though_a_validation_has_cleared_them(tmp_path: Path) -> None:
    noting = Noting()
    fit(made(), tmp_path, watch(tmp_path, gradients=True), noting)
    recording = cutaway.open(tmp_path / "run")
    for position, moment in enumerate(recording.checkpoints[1:], start=1):
        assert moment.step is not None
        key = f"gradients/{moment.index:06d}.safetensors"
        found = recording.read(key, "conv/kernel", recording.header(key)["conv/kernel"], None)
        np.testing.assert_array_equal(found, noting.gradients[moment.step])
        before, after = noting.weights[moment.step - 1], noting.weights[moment.step]
        ratio = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert recording.summary(position).layers["conv"].step_update_ratio == pytest.approx(ratio, rel=1e-4)


def test_a_validation_in_the_midst_of_an_epoch_has_a_row_of_its_own(tmp_path: Path) -> None:
    fit(made(), tmp_path, watch(tmp_path), max_epochs=2, val_check_interval=0.5)
    rows = [row for row in cutaway.open(tmp_path / "run").metrics() if "val_loss" in row]
    assert [(row["step"], row.get("epoch")) for row in rows] == [(3, 0.5), (6, 1), (9, 1.5), (12, 2)]


def test_gradients_that_are_added_up_are_one_step(tmp_path: Path) -> None:
    fit(made(), tmp_path, watch(tmp_path), accumulate_grad_batches=3, max_epochs=2)
    assert [one.step for one in cutaway.open(tmp_path / "run").checkpoints] == [0, 2, 4]


def test_goes_on_from_a_checkpoint_and_makes_again_what_was_recorded_behind_it(tmp_path: Path) -> None:
    model = made()
    trainer = fit(model, tmp_path, watch(tmp_path), max_epochs=1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    fit(model, tmp_path, watch(tmp_path), max_epochs=3, resume=str(tmp_path / "one.ckpt"))
    noting, again = Noting(), made()
    fit(again, tmp_path, watch(tmp_path), noting, max_epochs=2, resume=str(tmp_path / "one.ckpt"))
    recording = cutaway.open(tmp_path / "run")
    recording.check()
    assert [(one.epoch, one.step) for one in recording.checkpoints] == [(0, 0), (1, 6), (2, 12)]
    np.testing.assert_array_equal(recording.parameters("conv", "kernel", -1), noting.weights[12])
    steps = [row["step"] for row in recording.metrics() if "loss" in row]
    assert steps == list(range(1, 2 * STEPS_PER_EPOCH + 1))


def test_a_second_training_is_appended(tmp_path: Path) -> None:
    model, callback = made(), watch(tmp_path)
    fit(model, tmp_path, callback, max_epochs=1)
    fit(model, tmp_path, callback, max_epochs=2)
    assert [(one.epoch, one.step) for one in cutaway.open(tmp_path / "run").checkpoints] == [
        (epoch, epoch * STEPS_PER_EPOCH) for epoch in range(4)
    ]


def test_a_training_that_raises_leaves_its_folder_free(tmp_path: Path) -> None:
    class Failing(Digits):
        def training_step(self, batch: tuple[Tensor, Tensor], at: int) -> Tensor:
            if len(self.losses) == 8:
                raise ValueError("out of luck")
            return super().training_step(batch, at)

    with pytest.raises(ValueError, match="out of luck"):
        fit(made(Failing), tmp_path, watch(tmp_path))
    recording = cutaway.open(tmp_path / "run")
    recording.check()
    assert [one.epoch for one in recording.checkpoints] == [0, 1]
    fit(made(), tmp_path, watch(tmp_path, overwrite=True), max_epochs=1)


class TestWhatIsRecordedOfTheModule:
    def test_the_module_itself_where_it_has_a_forward(self, tmp_path: Path) -> None:
        model = made(WithForward)
        fit(model, tmp_path, watch(tmp_path), max_epochs=1)
        recording = cutaway.open(tmp_path / "run")
        np.testing.assert_array_equal(recording.parameters("net.conv", "kernel", -1), numbers(model.net.conv.weight))

    def test_the_part_that_was_named(self, tmp_path: Path) -> None:
        fit(made(WithForward), tmp_path, watch(tmp_path, module="net"), max_epochs=1)
        assert "conv" in [layer.id for layer in cutaway.open(tmp_path / "run").network]

    def test_what_can_not_be_told_is_asked(self, tmp_path: Path) -> None:
        class Two(Digits):
            def __init__(self) -> None:
                super().__init__()
                self.other = Small()

        with pytest.raises(CutawayError, match="name the part: module='net' or module='other'"):
            fit(made(Two), tmp_path, watch(tmp_path))
        with pytest.raises(CutawayError, match="has no part 'nte'; it has net, loss"):
            fit(made(), tmp_path, watch(tmp_path, module="nte"))

    def test_a_wrong_option_is_told_before_the_training(self, tmp_path: Path) -> None:
        with pytest.raises(CutawayError, match="no option 'evry'"):
            watch(tmp_path, evry=1)
