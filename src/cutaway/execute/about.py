"""What every kind of layer asks of a layer: its words, its constants, its axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cutaway.network import Layer

Weights = Mapping[str, np.ndarray]
Result = np.ndarray | list[np.ndarray]


def named(layer: Layer) -> str:
    """A layer's kind, or for `other` and `activation` the framework's own word."""
    word = layer.attributes.extra.get("name") or layer.op
    return f"{layer.kind} ({word})" if layer.kind in ("other", "activation") and word else layer.kind


def constants(layer: Layer) -> dict[str, Any]:
    """What an activation function takes besides its input."""
    slope = layer.attributes.slope
    return {**({} if slope is None else {"slope": slope, "alpha": slope}), **layer.attributes.extra}


def function_name(layer: Layer) -> str:
    """What an `activation` or `other` layer computes: `extra["name"]`, else the end of its op."""
    return str(layer.attributes.extra.get("name") or layer.op.rpartition(".")[2] or "linear")


def axis_of(axis: int | None, x: np.ndarray, default: int = 0) -> int:
    """An axis of a sample (0: channels; negative from the end) as an axis of the batch [N, …]."""
    given = default if axis is None else axis
    found = given + 1 if given >= 0 else given + x.ndim
    if not 1 <= found < x.ndim:
        raise ValueError(f"there is no axis {given}")
    return found
