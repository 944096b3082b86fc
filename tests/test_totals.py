"""`cutaway info` counts parameters as the frameworks' own summaries do, for the well-known families of networks."""

from __future__ import annotations

import re
from pathlib import Path

import keras_models
import numpy as np
import onnx_models
import pytest
import torch
import torch_models

from cutaway.info import describe, print_text

FAMILIES = ("resnet", "inception", "unet", "mobilenet", "densenet")

# Keras's own, on PyTorch.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def told(capsys: pytest.CaptureFixture[str], path: Path, **how: object) -> tuple[int, int]:
    """(parameters, the same with running means and variances) as `cutaway info` prints them."""
    print_text(describe(str(path), **how))
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("parameters "))
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", line)]
    return numbers[0], numbers[-1]


@pytest.mark.parametrize("family", FAMILIES)
def test_pytorch(family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build, (_, height, width) = torch_models.ARCHITECTURES[family]
    model = build()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    counted, _ = told(capsys, tmp_path / "weights.pt", model=build, size=(height, width))
    idle = sum(p.numel() for name, p in model.named_parameters() if name.startswith("aux"))  # only trains
    assert counted == sum(parameter.numel() for parameter in model.parameters()) - idle


@pytest.mark.parametrize("family", keras_models.FAMILIES)
def test_keras(family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = keras_models.FAMILIES[family]()
    model.save(tmp_path / "net.keras")
    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    summary = "\n".join(lines)
    total, trainable = (
        int(match[1].replace(",", ""))
        for name in ("Total", "Trainable")
        if (match := re.search(rf"{name} params: ([\d,]+)", summary))
    )
    assert told(capsys, tmp_path / "net.keras") == (trainable, total)


@pytest.mark.parametrize("family", FAMILIES)
def test_onnx(family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, model = onnx_models.ARCHITECTURES[family]()
    initializers = [one for one in model.graph.initializer if one.name not in onnx_models.NO_WEIGHTS]
    floats = [one for one in initializers if one.data_type == 1]
    _, everything = told(capsys, onnx_models.saved(model, tmp_path))
    assert everything == sum(int(np.prod(one.dims)) for one in floats)
