"""What to run a live module on when nothing but the module is there: its input's shape, found by trying."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cutaway.errors import SourceError
from cutaway.sources import How, InputSpec
from cutaway.sources.torch_trace import Watch, forward

EVERY = range(sys.maxsize)
"""All values of a pass."""

SIZES = (224, 32, 28, 64, 96, 128, 256, 299, 512)
"""Pixels that pictures commonly have; tried in this order when nobody says."""


def examples(module: nn.Module, how: How) -> tuple[Watch, tuple[InputSpec, ...]]:
    """A first pass through the module, and the inputs that it took. Raises SourceError when no shape fits."""
    from cutaway.sources.torch_live import forward_names, place_of

    place, precision = place_of(module)
    names = [name for name, required in forward_names(module) if required] or [forward_names(module)[0][0]]
    own = own_example(module, names)
    if own is not None:
        return tried(module, own, how), specs_of(own, how)
    picture = how.input or names[0]
    if picture not in names:
        raise SourceError(f"{type(module).__name__}: no input {picture!r}; its forward takes {', '.join(names)}")
    failure: Exception | None = None
    for shape in shapes(module, how):
        given = {name: torch.zeros((1, *shape), dtype=precision, device=place) for name in names}
        sample = first_sample(picture, shape, how)
        given[picture] = (pattern((1, *shape)) if sample is None else sample).to(place, precision)
        try:
            # The first sample's outputs are all kept: they are what is recorded of it.
            return forward(module, given, frozenset() if sample is None else EVERY), specs_of(given, how)
        except Exception as error:  # whatever a model raises on an input that it was not made for
            failure = failure or error
    several = f"; it takes several inputs ({', '.join(names)})" if len(names) > 1 else ""
    raise SourceError(
        f"{type(module).__name__}: no input that was tried fits{several} ({reason(failure)}); give samples of the "
        "right size, --size (224 or 240x320), or the module an example_input_array"
    )


def first_sample(name: str, shape: tuple[int, ...], how: How) -> Tensor | None:
    """The first sample [1, …], where an input of that shape takes it as it is given."""
    if how.first_sample is None:
        return None
    found = how.first_sample(InputSpec(name, shape, layout=how.layout or "NCHW"))
    return None if found is None or found.shape != (1, *shape) else torch.from_numpy(np.ascontiguousarray(found))


def tried(module: nn.Module, given: Mapping[str, Tensor], how: How) -> Watch:
    try:
        return forward(module, given)
    except Exception as error:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in given.items())
        raise SourceError(
            f"{type(module).__name__}: its own example_input_array ({shapes}) does not run: {reason(error)}"
        ) from None


def own_example(module: nn.Module, names: list[str]) -> dict[str, Tensor] | None:
    """Lightning's convention: `example_input_array` is a tensor, a tuple or a dict of them. One sample of each."""
    example: Any = getattr(module, "example_input_array", None)
    if example is None:
        return None
    if isinstance(example, Mapping):
        given = dict(example)
    else:
        parts = example if isinstance(example, list | tuple) else [example]
        given = dict(zip([*names, *(f"input{n}" for n in range(len(names), len(parts)))], parts, strict=False))
    if not given or not all(isinstance(tensor, Tensor) and tensor.ndim for tensor in given.values()):
        return None
    return {name: tensor[:1].detach() for name, tensor in given.items()}


def shapes(module: nn.Module, how: How) -> Iterator[tuple[int, ...]]:
    """Shapes of one sample, the likeliest first."""
    channels, rank, flat = wishes(module)
    given = how.sample_shape
    seen: set[tuple[int, ...]] = set()

    def fresh(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if shape not in seen:
            seen.add(shape)
            yield shape

    last = how.layout == "NHWC"
    if given is not None and not last and how.size in (None, tuple(given[1:])):
        yield from fresh(tuple(given))
    if rank == 2:
        sizes = [how.size] if how.size else [given[1:]] if given is not None and len(given) == 3 else []
        for height, width in [*sizes, *([] if how.size else [(size, size) for size in SIZES])]:
            for count in dict.fromkeys((channels, *(given[:1] if given else ()), 3, 1)):
                if count:
                    yield from fresh((height, width, count) if last else (count, height, width))
    if given is not None:
        yield from fresh(tuple(given))
    if flat:
        yield from fresh((flat,))
    if rank == 1:
        yield from (shape for length in (128, 1024, 16000) for shape in fresh((channels or 1, length)))
    if rank == 3:
        yield from (shape for size in (16, 32, 64) for shape in fresh((channels or 1, size, size, size)))


def wishes(module: nn.Module) -> tuple[int | None, int, int | None]:
    """From the first layer with weights: channels, spatial axes, and the length of a vector."""
    for part in module.modules():
        kernel = getattr(part, "weight", None)
        if isinstance(part, nn.modules.conv._ConvNd):
            return part.in_channels, len(part.kernel_size), None
        if isinstance(part, nn.Linear):
            return None, 2, part.in_features
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and kernel is not None:
            return part.num_features, 2, None
    return None, 2, None


def specs_of(given: Mapping[str, Tensor], how: How) -> tuple[InputSpec, ...]:
    """As they ran: a live module's network has the sizes of the pass that showed it."""
    return tuple(
        InputSpec(
            name=name,
            shape=tuple(tensor.shape[1:]),
            dtype=str(tensor.dtype).removeprefix("torch.") if not tensor.is_floating_point() else "float32",
            layout=how.layout or "NCHW",
            layer="input" if len(given) == 1 else name,
        )
        for name, tensor in given.items()
    )


def pattern(shape: tuple[int, ...]) -> Tensor:
    """Smooth values between 0 and 1, so that a first pass sees neither zeros everywhere nor chance."""
    count = 1
    for size in shape:
        count *= size
    return (torch.sin(torch.arange(count, dtype=torch.float32) * 0.37) * 0.5 + 0.5).reshape(shape)


def reason(error: Exception | None) -> str:
    """The first line of what went wrong (TorchScript has it last), at most as long as a line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = lines[-1] if "TorchScript" in lines[0] else lines[0]
    return text if len(text) <= 160 else text[:157] + "…"
