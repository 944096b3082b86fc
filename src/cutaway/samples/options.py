"""What a person writes to say how samples become a model's input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cutaway.errors import CutawayError


@dataclass(frozen=True)
class Preprocessing:
    """What the user asks for; None leaves a step to the model's input."""

    size: tuple[int, int] | None = None
    """(H, W)."""
    scale: float | None = None
    """Factor before mean and std."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    """One for all channels or one for each, in the units after `scale`."""
    layout: Literal["NCHW", "NHWC"] | None = None
    """Axes of the model's input, where the model tells them wrongly or not at all."""
    input: str | None = None


def preprocessing(
    size: Any = None, scale: Any = None, mean: Any = None, std: Any = None, layout: Any = None, input: Any = None
) -> Preprocessing:
    """`Preprocessing` from what a person writes: "224", "240x320", "1/255", "0.5,0.5,0.5". Raises CutawayError."""
    return Preprocessing(
        size=read_size(size),
        scale=None if scale is None else number(scale, "scale"),
        mean=numbers(mean, "mean"),
        std=numbers(std, "std"),
        layout=read_layout(layout),
        input=input,
    )


def read_size(size: Any) -> tuple[int, int] | None:
    """(H, W) of 224, "224", "240x320" (height first) or a pair."""
    if size is None:
        return None
    given = str(size).lower().replace("×", "x").split("x") if isinstance(size, str | int) else list(size)
    try:
        sides = [int(side) for side in given]
    except (TypeError, ValueError):
        sides = []
    if len(sides) not in (1, 2) or not all(1 <= side <= 20_000 for side in sides):
        raise CutawayError(f"size must be pixels like 224 or 240x320 (height x width), got {size!r}")
    return sides[0], sides[-1]


def read_layout(layout: Any) -> Literal["NCHW", "NHWC"] | None:
    if layout is None:
        return None
    if str(layout).upper() not in ("NCHW", "NHWC"):
        raise CutawayError(f"layout must be NCHW or NHWC, got {layout!r}")
    return "NCHW" if str(layout).upper() == "NCHW" else "NHWC"


def number(value: Any, what: str) -> float:
    """A number, or a text like "1/255"."""
    try:
        above, _, below = str(value).partition("/")
        found = float(above) / (float(below) if below else 1)
    except (TypeError, ValueError, ZeroDivisionError):
        found = math.nan
    if not math.isfinite(found):
        raise CutawayError(f"{what} must be a number like 0.5 or 1/255, got {value!r}")
    return found


def numbers(values: Any, what: str) -> tuple[float, ...] | None:
    if values is None:
        return None
    given = values.split(",") if isinstance(values, str) else values
    several = given if isinstance(given, list | tuple | np.ndarray) else [given]
    found = tuple(number(value, what) for value in several)
    if not found or (what == "std" and 0 in found):
        raise CutawayError(f"{what} must be one number for each channel, none of them 0, got {values!r}")
    return found
