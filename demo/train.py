"""Trains the small LeNet of the bundled demo on MNIST, and records it: `cutaway demo` opens what this writes.

    python demo/train.py --mnist DIR --out src/cutaway/demo/recording

One run is one thread and fixed seeds: on the same machine with the same PyTorch it writes the same bytes again.
README.md beside this file says what to install and what was measured.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cutaway.network import Attributes, Edge, Layer, Network, Parameter
from cutaway.recording.schema import Checkpoint, Completeness

CHECKPOINT_STEPS = (0, 10, 20, 40, 80, 160, 320, 640, 1280)
"""Doubling: most of what a network learns, it learns in the first few hundred steps. The last step comes on top."""

STEPS = 2560
BATCH = 64
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.2
SHIFT_PX = 2

SEED = 2
"""Of eleven seeds tried, the one whose six first kernels differ most to the eye."""

SAMPLES = (
    *(1517, 430, 503, 1683, 163, 6257, 3603, 5317, 470, 1423),
    *(717, 9017, 4950, 4657, 1270, 1003, 217, 1283, 1850, 3597),
)
"""Images of the MNIST test set, chosen by eye among those held out under both splits of `load`: a clear 0 to 9, then
0 to 9 as the network gets them wrong for a while; the last, a 9 for anybody, is still a 3 to it at the end."""


# ------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Data:
    """Images are uint8 [n, 28, 28], labels int64 [n]. `test_ids` are positions in the MNIST test set."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_ids: np.ndarray
    description: str


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes, gzipped. Format: http://yann.lecun.com/exdb/mnist/ ("the IDX file format")."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise SystemExit(f"{path}: not an IDX file of unsigned bytes; it starts with {raw[:4].hex()}")
    shape = tuple(np.frombuffer(raw, ">u4", count=raw[3], offset=4).astype(int))
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def load(folder: Path) -> Data:
    """MNIST as it lies in `folder`; without the 60,000 training images, the test set is split in two."""
    if not (folder / "t10k-images-idx3-ubyte.gz").is_file():
        raise SystemExit(f"{folder}: no t10k-images-idx3-ubyte.gz there; --mnist takes the folder with the IDX files")
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz").astype(np.int64)
    ids = np.arange(len(images))
    if (folder / "train-images-idx3-ubyte.gz").is_file():
        train_images = read_idx(folder / "train-images-idx3-ubyte.gz")
        train_labels = read_idx(folder / "train-labels-idx1-ubyte.gz").astype(np.int64)
        said = f"{len(train_images):,} training images; tested on the {len(images):,} test images"
        return Data(train_images, train_labels, images, labels, ids, said)
    held_out = np.isin(ids % 20, (3, 10, 17))
    train = ~held_out
    said = (
        f"no training set in {folder}: the {len(images):,} test images are split, "
        f"{train.sum():,} to train and {held_out.sum():,} held out (position mod 20 is 3, 10 or 17)"
    )
    return Data(images[train], labels[train], images[held_out], labels[held_out], ids[held_out], said)


def as_input(images: np.ndarray) -> torch.Tensor:
    """uint8 [n, 28, 28] -> float32 [n, 1, 28, 28] between 0 and 1."""
    return torch.from_numpy(images.astype(np.float32) / np.float32(255))[:, None]


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to SHIFT_PX pixels each way; black comes in at the border."""
    padded = np.pad(images, ((0, 0), (SHIFT_PX, SHIFT_PX), (SHIFT_PX, SHIFT_PX)))
    dy, dx = rng.integers(0, 2 * SHIFT_PX + 1, (2, len(images)))
    rows = dy[:, None] + np.arange(28)
    columns = dx[:, None] + np.arange(28)
    return padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


# ---------------------------------------------------------------------------------------------- network


class LeNet(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with fewer units, ReLU and max pooling: 11,930 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 12, 5)
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(12 * 5 * 5, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float [n, 1, 28, 28] -> logits [n, 10]."""
        x = self.pool1(F.relu(self.conv1(images)))
        x = self.pool2(F.relu(self.conv2(x)))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def describe() -> Network:
    """`LeNet` in Cutaway's words. The activation that follows a layer is part of that layer's output."""

    def parameters(id: str, kernel: tuple[int, ...]) -> tuple[Parameter, ...]:
        return (
            Parameter(role="kernel", key=f"{id}/kernel", shape=kernel),
            Parameter(role="bias", key=f"{id}/bias", shape=kernel[:1]),
        )

    def conv(id: str, source: str, kernel: tuple[int, ...], padding: int, shape: tuple[int, ...]) -> Layer:
        return Layer(
            id=id, name=id, kind="conv2d", op="torch.nn.Conv2d", inputs=(Edge(layer=source),), output_shapes=(shape,),
            attributes=Attributes(
                kernel=kernel[2:], stride=(1, 1), padding=((padding, padding),) * 2, dilation=(1, 1), groups=1
            ),
            parameters=parameters(id, kernel), fused=("relu",),
        )  # fmt: skip

    def pool(id: str, source: str, shape: tuple[int, ...]) -> Layer:
        return Layer(
            id=id, name=id, kind="max_pool2d", op="torch.nn.MaxPool2d", inputs=(Edge(layer=source),),
            output_shapes=(shape,),
            attributes=Attributes(kernel=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1)),
        )  # fmt: skip

    def dense(id: str, source: str, kernel: tuple[int, int], activation: str, attributes: Attributes) -> Layer:
        return Layer(
            id=id, name=id, kind="dense", op="torch.nn.Linear", inputs=(Edge(layer=source),),
            output_shapes=(kernel[:1],), attributes=attributes, parameters=parameters(id, kernel), fused=(activation,),
        )  # fmt: skip

    return Network(
        layers=(
            Layer(id="input", name="input", kind="input", output_shapes=((1, 28, 28),)),
            conv("conv1", "input", (6, 1, 5, 5), 2, (6, 28, 28)),
            pool("pool1", "conv1", (6, 14, 14)),
            conv("conv2", "pool1", (12, 6, 5, 5), 0, (12, 10, 10)),
            pool("pool2", "conv2", (12, 5, 5)),
            dense("fc1", "pool2", (32, 300), "relu", Attributes(input_order="CHW")),
            dense("fc2", "fc1", (10, 32), "softmax", Attributes()),
        ),
        inputs=("input",),
        outputs=("fc2",),
    )


def layer_outputs(model: LeNet, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Layer id -> float32 output, as `describe` says: after its ReLU, the last one after softmax.

    Each layer computes in float64 from the float32 output of the layer before, and its own output is rounded once.
    So every recorded value is what its recorded inputs and weights give, also where large terms cancel, and does not
    depend on the order in which this machine adds.
    """
    exact = copy.deepcopy(model).double()
    outputs = {"input": images}

    def put(id: str, value: torch.Tensor) -> torch.Tensor:
        outputs[id] = value.float()
        return outputs[id].double()

    with torch.no_grad():
        x = put("conv1", F.relu(exact.conv1(images.double())))
        x = put("pool1", exact.pool1(x))
        x = put("conv2", F.relu(exact.conv2(x)))
        x = put("pool2", exact.pool2(x))
        x = put("fc1", F.relu(exact.fc1(x.flatten(1))))
        put("fc2", F.softmax(exact.fc2(x), dim=1))
    return outputs


# --------------------------------------------------------------------------------------------- training


@dataclass
class Run:
    """What a training leaves behind: one state dict a checkpoint, and the rows of `metrics.jsonl`."""

    steps_per_epoch: int
    checkpoints: list[Checkpoint]
    states: list[dict[str, torch.Tensor]]
    metrics: list[dict[str, float]]
    predictions: list[np.ndarray]
    """Per checkpoint, the predicted class of every held-out image."""


def evaluate(model: LeNet, data: Data) -> tuple[float, float, np.ndarray]:
    """Loss, accuracy and predicted classes on the held-out images."""
    with torch.no_grad():
        logits = model(as_input(data.test_images))
        loss = F.cross_entropy(logits, torch.from_numpy(data.test_labels)).item()
    predicted = logits.argmax(1).numpy()
    return loss, float((predicted == data.test_labels).mean()), predicted


def is_logged(step: int) -> bool:
    """Every step at first, every fourth later: enough for a curve at any zoom, and a file of some 70 KB."""
    return step < 320 or step % 4 == 0


def train(data: Data, seed: int, steps: int) -> Run:
    """AdamW with a cosine schedule. A row of the metrics at step n: the network after n updates, on its next batch.

    Rows that stand for several steps hold the mean since the row before.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)

    model = LeNet()
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps_per_epoch = len(data.train_images) // BATCH
    kept = sorted({step for step in CHECKPOINT_STEPS if step < steps} | {steps})
    run = Run(steps_per_epoch, [], [], [], [])
    order = np.empty(0, int)
    since: list[tuple[float, float]] = []

    for step in range(steps + 1):
        if step % steps_per_epoch == 0:
            order = rng.permutation(len(data.train_images))
        chosen = order[step % steps_per_epoch * BATCH :][:BATCH]
        target = torch.from_numpy(data.train_labels[chosen])
        logits = model(as_input(shifted(data.train_images[chosen], rng)))
        loss = F.cross_entropy(logits, target)
        since.append((loss.item(), (logits.argmax(1) == target).double().mean().item()))

        epoch = round(step / steps_per_epoch, 4)
        if is_logged(step) or step in kept:
            mean_loss, mean_accuracy = np.mean(since, axis=0).tolist()
            row = {"step": step, "epoch": epoch, "loss": round(mean_loss, 5), "accuracy": round(mean_accuracy, 5)}
            since.clear()
            if step in kept:
                val_loss, val_accuracy, predicted = evaluate(model, data)
                row |= {"val_loss": round(val_loss, 5), "val_accuracy": round(val_accuracy, 5)}
                run.checkpoints.append(
                    Checkpoint(index=len(run.checkpoints), label=f"step {step}", epoch=epoch, step=step)
                )
                run.states.append(copy.deepcopy(model.state_dict()))
                run.predictions.append(predicted)
                print(
                    f"step {step:5d}  epoch {epoch:7.3f}  loss {val_loss:.4f}  accuracy {val_accuracy:.4f}  (held out)"
                )
            run.metrics.append(row)

        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return run


# -------------------------------------------------------------------------------------------- recording


@dataclass(frozen=True)
class Pictures:
    """The recorded samples: a `cutaway.sources.SampleSet`."""

    images: np.ndarray
    labels: Sequence[int | None]
    names: Sequence[str]
    preprocessing: str | None = "÷ 255"


class TrainingRun:
    """A finished `Run` as a `cutaway.sources.Source`."""

    name = "LeNet on MNIST"
    producer = f"demo/train.py (torch {torch.__version__.split('+')[0]})"
    classes = tuple("0123456789")
    completeness = Completeness()

    def __init__(self, data: Data, run: Run) -> None:
        chosen = sample_positions(data)
        self.run = run
        self.network = describe()
        self.checkpoints = run.checkpoints
        self.samples = Pictures(
            images=np.ascontiguousarray(data.test_images[chosen][..., None]),
            labels=data.test_labels[chosen].tolist(),
            names=[f"MNIST test {id}" for id in data.test_ids[chosen]],
        )

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        roles = {"weight": "kernel", "bias": "bias"}
        found = {}
        for name, tensor in self.run.states[checkpoint].items():
            layer, role = name.split(".")
            found[f"{layer}/{roles[role]}"] = tensor.numpy()
        return found

    def activations(self, checkpoint: int, samples: Any) -> Mapping[str, np.ndarray]:
        images = np.asarray(getattr(samples, "images", samples))
        model = LeNet()
        model.load_state_dict(self.run.states[checkpoint])
        return {id: output.numpy() for id, output in layer_outputs(model, as_input(images[..., 0])).items()}

    def metrics(self) -> Sequence[Mapping[str, float]]:
        return self.run.metrics


def sample_positions(data: Data) -> np.ndarray:
    """Where `SAMPLES` are among the held-out images."""
    position = {id: i for i, id in enumerate(data.test_ids.tolist())}
    return np.array([position[id] for id in SAMPLES])


def print_mistakes(data: Data, run: Run) -> None:
    """One line a sample: what the network takes it for at every checkpoint, a dot where that is right."""
    print("sample         " + "".join(f"{checkpoint.step:>6}" for checkpoint in run.checkpoints))
    for i in sample_positions(data):
        label = data.test_labels[i]
        guesses = [str(predicted[i]) if predicted[i] != label else "·" for predicted in run.predictions]
        print(f"{label}  test {data.test_ids[i]:<6}" + "".join(f"{guess:>6}" for guess in guesses))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="folder with the MNIST files (*-ubyte.gz)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the recording")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS, help=f"updates of the weights (default {STEPS})")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing recording")
    arguments = parser.parse_args()

    import cutaway

    data = load(arguments.mnist)
    print(data.description)
    started = time.perf_counter()
    run = train(data, arguments.seed, arguments.steps)
    print(f"trained in {time.perf_counter() - started:.0f} s")
    print_mistakes(data, run)
    cutaway.record(TrainingRun(data, run), out=arguments.out, overwrite=arguments.overwrite)
    size = sum(file.stat().st_size for file in arguments.out.rglob("*") if file.is_file())
    print(f"{arguments.out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
