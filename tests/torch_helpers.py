"""What the tests of the PyTorch source share: opening, random inputs, the network as text, files of torch's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cutaway.network import Layer
from cutaway.samples import Prepared
from cutaway.sources import How, Source, inputs_of
from cutaway.sources.torch import open_module

STATISTICS = ("mean", "variance")


def opened(model: nn.Module, shape: tuple[int, ...] | None = None) -> Source:
    return open_module(model, How(sample_shape=shape))


def prepared(source: Source, count: int = 3, seed: int = 0) -> Prepared:
    """Random inputs as `record` hands them over."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {
        spec.name: torch.rand((count, *(size or 1 for size in spec.shape)), generator=generator).numpy()
        for spec in inputs_of(source)
    }
    pictures = np.zeros((count, 1, 1, 1), np.uint8)
    return Prepared(images=pictures, names=[f"sample {n}" for n in range(count)], inputs=inputs)


def learned(source: Source) -> int:
    """Numbers that training changes: running statistics are none of them."""
    shapes = {p.key: p.shape for layer in source.network for p in layer.parameters if p.role not in STATISTICS}
    return sum(int(np.prod(shape)) for shape in shapes.values())


def drawn(layers: object) -> list[str]:
    """The network as text: what reads what, and what is fused."""
    lines = []
    for layer in layers:  # type: ignore[attr-defined]
        assert isinstance(layer, Layer)
        reads = " ".join(edge.layer + (f".{edge.output}" if edge.output else "") for edge in layer.inputs)
        lines.append(f"{layer.id} [{layer.kind}] <- {reads} {'+'.join(layer.fused)}".strip())
    return lines


def exported(model: nn.Module, shapes: list[tuple[int, ...]], path: Path, *, dynamic: bool = False) -> Path:
    """A file as `torch.export` writes it, its batch of two fixed or free."""
    examples = tuple(torch.rand(2, *shape) for shape in shapes)
    free = tuple({0: torch.export.Dim("batch")} for _ in shapes) if dynamic else None
    torch.export.save(torch.export.export(model, examples, dynamic_shapes=free), path)
    return path
