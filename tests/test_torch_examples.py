"""What the documentation promises, as a user would run it."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_models as models
from safetensors.torch import save_file
from torch_helpers import STATISTICS, exported

import cutaway as package

ROOT = Path(__file__).resolve().parents[1]

NET = """
from torch import nn
def build():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
"""


def test_the_example_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples/record_pytorch_model.py", "--out", tmp_path / "runs"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    right = re.search(r"(\d+) of 12 right", done.stdout)
    assert right
    assert int(right[1]) >= 9
    run = package.open(tmp_path / "runs/shapes")
    assert [moment.epoch for moment in run.checkpoints] == [0, 1, 2, 3]
    assert [layer.id for layer in run.network] == ["input", "conv1", "pool", "conv2", "add", "pool:2", "fc"]
    assert run.network.layer("add").fused == ("relu",)
    live = package.open(tmp_path / "runs/live")
    # The live model's first sample ran alone, the file's with others: PyTorch adds up in another order.
    np.testing.assert_allclose(live.activations("fc", -1, 0), run.activations("fc", -1, 0), rtol=1e-5)
    run.check()


def test_the_commands_of_the_page(cutaway: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to give weights, on the command line, in a folder with the user's own code."""
    monkeypatch.chdir(tmp_path)
    Path("my_net.py").write_text(NET)
    space: dict[str, Any] = {}
    exec(NET, space)
    model = models.spread(space["build"]())
    state = model.state_dict()
    Path("checkpoints").mkdir()
    for epoch in (1, 5):
        torch.save(state, f"checkpoints/epoch_{epoch}.pth")
    torch.save({"state_dict": {f"model.{k}": v for k, v in state.items()}, "epoch": 3, "global_step": 9}, "last.ckpt")
    save_file(state, "weights.safetensors")
    exported(model, [(1, 8, 8)], Path("net.pt2"), dynamic=True)
    images = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    np.save("images.npy", images)
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    given = ("--model", "my_net.py:build")
    ways: list[tuple[object, ...]] = [
        ("checkpoints", *given),
        ("checkpoints/epoch_1.pth", "checkpoints/epoch_5.pth", "--model", "my_net:build"),
        ("last.ckpt", *given),
        ("weights.safetensors", *given),
        ("net.pt2",),
    ]
    for number, way in enumerate(ways):
        done = cutaway("record", *way, "--samples", "images.npy", "--out", f"run{number}")
        assert done.returncode == 0, done.stderr
        run = package.open(f"run{number}")
        for sample in range(2):
            assert np.allclose(run.activations("4", -1, sample), expected[sample], rtol=0, atol=1e-5)
    done = cutaway("record", "last.ckpt", "--samples", "images.npy", "--out", "none")
    assert done.returncode == 1
    assert "--model package.module:function" in done.stderr
    done = cutaway("info", "net.pt2", "--json")
    assert done.returncode == 0
    told = [layer["parameters"] for layer in json.loads(done.stdout)["layers"]]
    learned = sum(math.prod(shape) for roles in told for role, shape in roles.items() if role not in STATISTICS)
    assert learned == sum(p.numel() for p in model.parameters())
