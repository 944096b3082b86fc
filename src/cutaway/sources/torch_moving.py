"""Calls of PyTorch that move values without computing: concat, flatten, permute, pad, slices, upsampling."""

from __future__ import annotations

import math
from typing import Any

from cutaway.network import Attributes, Kind
from cutaway.sources.torch_words import Described, Reader, other, two_axes


def cat(a: Reader) -> Described:
    refs = a.inputs("tensors")
    axis = a.axis(a.get("dim", 0), a.program.values[refs[0]].shape) if refs else None
    return Described("concat", refs, Attributes(axis=axis)) if axis is not None else other(a)


def flatten(a: Reader) -> Described:
    if len(a.inner(a.output)) == 1:
        return Described("flatten", a.inputs("input"))
    return reshape(a)


def reshape(a: Reader) -> Described:
    """The new shape is the output's, whatever it was written as."""
    before, after = a.shape(), a.output
    if not before or not after or before[0] != after[0]:
        return other(a)
    kind: Kind = "flatten" if len(after) == 2 and len(before) > 2 else "reshape"
    attributes = Attributes(extra={"shape": list(after[1:])}) if kind == "reshape" else Attributes()
    return Described(kind, a.inputs("input"), attributes)


def permute(a: Reader) -> Described:
    rank = len(a.shape())
    if a.call.op == "permute":
        order = [int(dim) % rank for dim in a.get("dims", [])]
    else:
        order = list(range(rank))
        first, second = (0, 1) if a.call.op == "t" else (a.get("dim0", 0), a.get("dim1", 0))
        order[first % rank], order[second % rank] = order[second % rank], order[first % rank]
    if rank < 2 or not order or order[0] != 0:
        return other(a)
    return Described("permute", a.inputs("input"), Attributes(extra={"permutation": [axis - 1 for axis in order[1:]]}))


def pad(a: Reader) -> Described:
    """`pad` counts from the last axis on."""
    flat = list(a.get("pad", []))
    sides = tuple((int(flat[i]), int(flat[i + 1])) for i in range(0, len(flat) - 1, 2))[::-1]
    if len(sides) >= len(a.shape()):
        return other(a)
    extra: dict[str, Any] = {"mode": a.get("mode", "constant")} if a.get("mode", "constant") != "constant" else {}
    if a.get("value"):
        extra["value"] = a.get("value")
    sides = two_axes(sides, (0, 0)) if len(a.shape()) == 4 else sides
    return Described("pad", a.inputs("input"), Attributes(padding=sides, extra=extra))


def upsample(a: Reader) -> Described:
    """`F.interpolate`, or one of ATen's functions by mode."""
    name = a.call.op
    mode = a.get("mode", "nearest")
    for known in ("nearest-exact", "nearest", "bilinear", "bicubic", "trilinear", "linear"):
        if name.startswith("upsample_" + known) or (known == "nearest-exact" and name.startswith("_upsample_nearest")):
            mode = known
            break
    if mode == "area":
        average = Attributes(extra={"output_size": list(a.output[2:]), "mode": "average"})
        return Described("adaptive_pool", a.inputs("input"), average)
    extra: dict[str, Any] = {"mode": mode, "size": list(a.output[2:])}
    if mode == "nearest-exact":
        # The pixel whose middle is nearest.
        extra |= {"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_ceil"}
    if a.get("align_corners", False):
        extra["align_corners"] = True
    scale = a.get("scale_factor", a.get("scale_factors"))
    if scale is not None and not a.get("recompute_scale_factor", False):
        scales = list(scale) if isinstance(scale, list | tuple) else [scale] * (len(a.output) - 2)
        exact = all(
            math.isclose(size * factor, length)
            for size, factor, length in zip(a.shape()[2:], scales, a.output[2:], strict=False)
        )
        if not exact:  # the factor as given counts, not the ratio of the sizes
            extra["scale"] = [float(factor) for factor in scales]
    return Described("upsample", a.inputs("input"), Attributes(extra=extra))


def parts(a: Reader) -> Described:
    """chunk, split, unbind: several outputs along an axis."""
    dim = a.get("dim", 0)
    axis = a.axis(dim)
    if axis is None or a.call.op == "unbind":
        return other(a)
    sizes = [a.program.values[id].shape[dim] for id in a.call.outputs]
    return Described("crop", a.inputs("input"), Attributes(axis=axis, extra={"split": sizes}))


def getitem(a: Reader) -> Described:
    """x[:, 1:, ::2]: a part of every sample; anything cleverer is `other`."""
    index = a.get("index")
    entries = list(index) if isinstance(index, list | tuple) else [index]
    rank = len(a.shape())
    if entries.count(Ellipsis) == 1:
        at = entries.index(Ellipsis)
        entries[at : at + 1] = [slice(None)] * (rank - len(entries) + 1)
    if not entries or entries[0] != slice(None) or len(entries) > rank:
        return other(a)
    slices: list[Any] = []
    for one in entries[1:]:
        if isinstance(one, slice) and all(isinstance(x, int | None) for x in (one.start, one.stop, one.step)):
            slices.append([one.start, one.stop, one.step])
        elif isinstance(one, int) and not isinstance(one, bool):
            slices.append(one)
        else:
            return other(a)
    return cut(a, slices)


def cut(a: Reader, slices: list[Any]) -> Described:
    return Described("crop", a.inputs("input"), Attributes(extra={"slices": slices}))


def slice_along(a: Reader) -> Described:
    """ATen's slice, select and narrow."""
    axis = a.axis(a.get("dim", 0))
    if axis is None:
        return other(a)
    if a.call.op == "select":
        wanted: Any = a.get("index")
    elif a.call.op == "narrow":
        start = a.get("start", 0)
        wanted = [start, start + a.get("length", 0), None]
    else:
        stop = a.get("end")
        wanted = [a.get("start"), None if isinstance(stop, int) and stop >= 1 << 62 else stop, a.get("step")]
    known = isinstance(wanted, int) or all(isinstance(one, int | None) for one in wanted or ["?"])
    return cut(a, [[None, None, None]] * axis + [wanted]) if known else other(a)


def shuffle(a: Reader) -> Described:
    extra = {"mode": "pixel_shuffle", "scale": a.get("upscale_factor")}
    return Described("upsample", a.inputs("input"), Attributes(extra=extra))
