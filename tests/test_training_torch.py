"""PyTorch modules of all sorts while they train: the recording is of them, and they don't notice."""

from __future__ import annotations

import copy
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from training_models import Small, images, train

import cutaway
from cutaway.errors import CutawayError

TESTS = Path(__file__).parent


def recorded(run: Path, model: nn.Module, **options: Any) -> cutaway.Recorder:
    pictures, labels = images()
    return cutaway.Recorder(run, model, pictures[:4], labels=labels[:4], **options)


def made(build: Any) -> Any:
    torch.manual_seed(1)
    return build()


class Unsure(Small):
    """Drops units also when it only runs, and shakes its scores with NumPy's random numbers."""

    def forward(self, images: Tensor) -> Tensor:
        maps = F.dropout(torch.relu(self.norm(self.conv(images))), 0.3, training=True)
        scores: Tensor = self.fc(maps.flatten(1)) + 0.01 * float(np.random.random())  # noqa: NPY002
        return scores


class Locked(Small):
    """Holds what can't be copied, and the last result, which has a history."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.last: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        with self.lock:
            self.last = super().forward(images)
            return self.last


class Keeping(Small):
    """Keeps the last result, which has a history."""

    def forward(self, images: Tensor) -> Tensor:
        self.last = super().forward(images)
        return self.last


class Normed(Small):
    """A weight that a hook of PyTorch's makes before each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.utils.weight_norm(self.fc)


class Choosing(Small):
    """Goes one way or the other by the values that come."""

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.norm(self.conv(images)))
        if images.mean() > 0.35:
            maps = torch.tanh(maps)
        scores: Tensor = self.fc(maps.flatten(1))
        return scores


def compiled() -> Any:
    return torch.compile(Small(), backend="eager")


def partly_compiled() -> Any:
    model = Small()
    model.add_module("conv", torch.compile(model.conv, backend="eager"))  # type: ignore[arg-type]
    return model


@pytest.mark.parametrize("build", [Unsure, Locked, Keeping, Normed, Choosing, partly_compiled, compiled])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_no_loss_and_no_weight_changes(tmp_path: Path, build: Any) -> None:
    def begun() -> None:
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)

    losses, state = train(made(build), begun=begun)
    after = torch.get_rng_state(), np.random.random(), random.random()  # noqa: NPY002
    found, end = train(made(build), lambda model: recorded(tmp_path / "run", model, every=2), begun=begun)
    assert found == losses
    assert all(torch.equal(end[name], tensor) for name, tensor in state.items())
    assert torch.equal(torch.get_rng_state(), after[0])
    assert (np.random.random(), random.random()) == after[1:]  # noqa: NPY002
    recording = cutaway.open(tmp_path / "run")
    assert len(recording.checkpoints) > 2
    assert recording.checkpoints[-1].step == len(losses)
    last = recording.parameters("fc", "kernel", -1)
    fc = end.get("fc.weight", end.get("_orig_mod.fc.weight"))
    if fc is not None:
        np.testing.assert_array_equal(last, fc.numpy())
    assert np.isfinite(recording.activations("fc", -1, 0)).all()
    assert (recording.activations("fc", -1, 0) != recording.activations("fc", 0, 0)).any()


class LaterUnsure(Small):
    """Begins to draw random numbers when it has learnt for a while."""

    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        if not self.training and int(self.norm.num_batches_tracked) > 3:  # type: ignore[arg-type]
            scores = scores + torch.rand_like(scores)
        return scores


def test_random_numbers_that_are_drawn_only_later_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses, _ = train(made(LaterUnsure))
    found, _ = train(made(LaterUnsure), lambda model: recorded(tmp_path / "run", model, every=1))
    assert found == losses
    assert capsys.readouterr().err.count("draws random numbers, which the model did not do when") == 1
    assert len(cutaway.open(tmp_path / "run").checkpoints) >= 1


THREADS: list[tuple[str, int]] = []
"""Of each pass through a `Telling`: whose it was, and how many threads compute with it."""


class Telling(Small):
    def forward(self, images: Tensor) -> Tensor:
        THREADS.append((threading.current_thread().name, torch.get_num_threads()))
        return super().forward(images)


@pytest.mark.skipif(
    "parallel backend: OpenMP" not in torch.__config__.parallel_info(), reason="this PyTorch has one pool for all"
)
def test_the_background_has_no_threads_beside_the_trainings(tmp_path: Path) -> None:
    THREADS.clear()
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(made(Telling), lambda model: recorded(tmp_path / "run", model), epochs=1)
        assert {count for name, count in THREADS if name == "cutaway-recorder"} == {1}
        assert {count for name, count in THREADS if name != "cutaway-recorder"} == {3}
        later = threading.Thread(target=lambda: THREADS.append(("later", torch.get_num_threads())))
        later.start()
        later.join()
        assert THREADS[-1] == ("later", 3)
    finally:
        torch.set_num_threads(before)


def test_hooks_mode_and_gradients_stay_the_users_own(tmp_path: Path) -> None:
    model = made(Small)
    model.conv.weight.requires_grad_(False)
    model.norm.eval()
    calls: list[bool] = []
    model.fc.register_forward_hook(lambda module, args, output: calls.append(torch.is_grad_enabled()))
    model(images()[0]).sum().backward()
    gradient = model.fc.weight.grad
    before = copy.deepcopy(gradient)
    with recorded(tmp_path / "run", model, gradients=True) as recorder:
        recorder.epoch()
    assert calls == [True]
    assert model.fc.weight.grad is gradient
    assert torch.equal(gradient, before)
    assert model.conv.weight.grad is None
    assert not model.conv.weight.requires_grad
    assert (model.training, model.conv.training, model.norm.training) == (True, True, False)
    assert not model.conv._forward_hooks
    assert len(model.fc._forward_hooks) == 1
    assert set(cutaway.open(tmp_path / "run").summary(1).layers["conv"].gradients) == {"bias", "beta", "gamma"}


def test_several_inputs(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(1, 2, 3), nn.Linear(5, 2)

        def forward(self, picture: Tensor, numbers: Tensor) -> Tensor:
            scores: Tensor = self.left(picture).mean((2, 3)) + self.right(numbers)
            return scores

    model = made(Two)
    model.example_input_array = (torch.zeros(1, 1, 8, 8), torch.zeros(1, 5))
    given = {"picture": torch.rand(3, 1, 8, 8).numpy(), "numbers": torch.rand(3, 5).numpy()}
    with cutaway.Recorder(tmp_path / "run", model, given) as recorder:
        recorder.epoch()
    recording = cutaway.open(tmp_path / "run")
    with torch.no_grad():
        expected = model(*map(torch.from_numpy, given.values())).numpy()
    output = recording.network.outputs[0]
    found = np.stack([recording.activations(output, -1, sample) for sample in range(3)])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_lower_precision(tmp_path: Path) -> None:
    model = made(Small).to(torch.bfloat16)
    with recorded(tmp_path / "run", model) as recorder:
        recorder.epoch()
    recording = cutaway.open(tmp_path / "run")
    np.testing.assert_array_equal(recording.parameters("fc", "kernel", 0), model.fc.weight.float().detach().numpy())


def test_a_loss_is_what_it_was_at_its_step(tmp_path: Path) -> None:
    """Also where the loop goes on with the same tensor."""
    total = torch.zeros((), requires_grad=False)
    with recorded(tmp_path / "run", made(Small)) as recorder:
        for _ in range(5):
            total += 1
            recorder.step(loss=total)
    rows = [row["loss"] for row in cutaway.open(tmp_path / "run").metrics() if "loss" in row]
    assert rows == [1, 2, 3, 4, 5]


def test_a_module_that_changes_its_shape_ends_the_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = made(Small)
    with recorded(tmp_path / "run", model, every=1) as recorder:
        recorder.step(loss=1.0)
        model.fc = nn.Linear(4 * 6 * 6, 7)
        recorder.step(loss=1.0)
        recorder.step(loss=1.0)
        assert recorder.steps == 3
    assert capsys.readouterr().err.count("Small has other parameters than when the recording began") == 1
    assert len(cutaway.open(tmp_path / "run").checkpoints) >= 1


def test_what_can_not_be_recorded_is_said_at_the_door(tmp_path: Path) -> None:
    lazy = made(Small)
    lazy.fc = nn.LazyLinear(3)
    with pytest.raises(CutawayError, match=r"fc.weight has no values yet; run the module once"):
        recorded(tmp_path / "run", lazy)
    sharded = made(Small)
    sharded.fc = type("FullyShardedDataParallel", (nn.Linear,), {})(144, 3)
    with pytest.raises(CutawayError, match="spread over several processes"):
        recorded(tmp_path / "run", sharded)
    with pytest.raises(CutawayError, match="can't be recorded while it trains"):
        recorded(tmp_path / "run", "model.onnx")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_bytes_on_the_disk_are_those_of_the_tensors(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(288, 512))
    with recorded(tmp_path / "run", model):
        pass
    recording = cutaway.open(tmp_path / "run")
    raw = sum(p.numel() for p in model.parameters()) * 4
    raw += 4 * 4 * sum(int(np.prod(layer.output_shape)) for layer in recording.network)
    written = sum(
        path.stat().st_size for part in ("checkpoints", "activations") for path in (tmp_path / "run" / part).iterdir()
    )
    assert raw <= written <= 1.05 * raw


def test_half_precision_and_some_layers(tmp_path: Path) -> None:
    with recorded(tmp_path / "run", made(Small), half=True, layers="conv", every=1, gradients=True) as recorder:
        recorder.step(loss=1.0)
    recording = cutaway.open(tmp_path / "run")
    assert recording.header("checkpoints/000000.safetensors")["conv/kernel"].dtype == np.float16
    assert {name.partition("/")[2] for name in recording.header("activations/000001.safetensors")} == {
        "input",
        "conv",
        *recording.network.outputs,
    }


PARALLEL = """
import os
import sys
from pathlib import Path
import torch
import torch.distributed as dist
from training_models import Small, images
import cutaway

child = os.fork()
dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}/meet", rank=0 if child else 1, world_size=2)
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(Small())
pictures, labels = images()
updating = torch.optim.SGD(model.parameters(), lr=0.1)
with cutaway.Recorder(f"{sys.argv[1]}/run", model, pictures[:4], labels=labels[:4]) as recorder:
    for epoch in range(2):
        for start in range(0, 24, 8):
            part = slice(start + 24 * dist.get_rank(), start + 24 * dist.get_rank() + 8)
            updating.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(pictures[part]), labels[part])
            loss.backward()
            updating.step()
            recorder.step(loss=loss)
        recorder.epoch()
torch.save(model.module.state_dict(), f"{sys.argv[1]}/rank{dist.get_rank()}.pt")
dist.destroy_process_group()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)
"""


def test_of_two_processes_in_parallel_the_first_records(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, "-c", PARALLEL, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr[-3000:]
    recording = cutaway.open(tmp_path / "run")
    assert [moment.step for moment in recording.checkpoints] == [0, 3, 6]
    assert len([row for row in recording.metrics() if "loss" in row]) == 6
    state = torch.load(tmp_path / "rank0.pt")
    np.testing.assert_array_equal(recording.parameters("fc", "kernel", -1), state["fc.weight"].numpy())
