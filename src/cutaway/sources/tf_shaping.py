"""TensorFlow operations that move pixels: reshape, transpose, concat, pad, slices, resizing, blocks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_known import Known, constant, index_of
from cutaway.sources.tf_layers import Atrous, Flow, Value

if TYPE_CHECKING:
    from cutaway.sources.tf_convert import Converter


def flow_of(value: Value | None) -> Flow:
    if not isinstance(value, Flow):
        raise ValueError("not an activation")
    return value


def reshape_to(c: Converter, node: Node, x: Flow, target: list[int]) -> Value:
    """A flow in another shape: nothing, a flatten (which waits for a dense layer), or a layer."""
    count = math.prod(x.shape)
    if target.count(-1) == 1:
        rest = math.prod(size for size in target if size != -1)
        if not rest or count % rest:
            raise ValueError("a shape that does not fit")
        target = [count // rest if size == -1 else size for size in target]
    shape = tuple(target)
    if x.folded:
        return reshape_to(c, node, replace(x, folded=False), target)
    rows = (math.prod(x.shape[:-1]), x.shape[-1])
    if shape == rows and len(x.shape) > 2 and x.last and x.flat is None and not x.atrous:
        return replace(c.plain(x), folded=True)
    if math.prod(shape) != count or not shape or shape[0] != c.batch:
        raise ValueError("a shape that mixes samples")
    if shape == x.shape:
        return x
    if x.pending:
        x = c.plain(x)
    if x.flat is not None:
        maps = (c.batch, *c.drafts[x.draft].shapes[x.output])
        whole = (maps[0], *maps[2:], maps[1]) if x.last else maps
        if shape == whole:
            return replace(x, shape=shape, flat=None)
        x = c.plain(x)
    if len(shape) == 2 and len(x.shape) > 2:
        return replace(x, shape=shape, flat="HWC" if x.last else "CHW", node=node.name)
    draft = c.drafts[x.draft]
    if draft.kind == "input" and len(x.shape) == 2 and len(shape) == 4 and c.alone(x):
        # A picture that is fed as a row: shown, and asked for, as the picture that the graph makes of it.
        flow = replace(x, shape=shape, last=c.last)
        draft.shapes = [flow.canonical()]
        return flow
    last = x.last if len(x.shape) > 2 else c.last
    return c.emit("reshape", node, [x], shape, last, **({"input_order": "HWC"} if last else {}))


def reshape(c: Converter, node: Node, given: list[Value | None]) -> Value:
    return reshape_to(c, node, flow_of(given[0]), c.integers(given[1]))


def squeeze(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = flow_of(given[0])
    rank = len(x.shape)
    axes = {axis % rank for axis in node.ints("squeeze_dims")} or {i for i, size in enumerate(x.shape) if size == 1}
    if any(x.shape[axis] != 1 for axis in axes):
        raise ValueError("an axis that is not 1")
    return reshape_to(c, node, x, [size for i, size in enumerate(x.shape) if i not in axes])


def expand(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x, (axis,) = flow_of(given[0]), c.integers(given[1])
    shape = list(x.shape)
    shape.insert(axis if axis >= 0 else axis + len(shape) + 1, 1)
    return reshape_to(c, node, x, shape)


def transpose(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x, turn = flow_of(given[0]), c.integers(given[1])
    rank = len(x.shape)
    if sorted(turn) != list(range(rank)) or turn[0] != 0:
        raise ValueError("a transpose that mixes samples")
    shape = tuple(x.shape[axis] for axis in turn)
    if turn == list(range(rank)):
        return x
    x = c.plain(x)
    if rank > 2 and x.last and turn == [0, rank - 1, *range(1, rank - 1)]:
        return replace(x, shape=shape, last=False)
    if rank > 2 and not x.last and turn == [0, *range(2, rank), 1]:
        return replace(x, shape=shape, last=True)
    result = Flow(0, shape, x.last)
    back = {result.axis(axis): axis for axis in range(1, rank)}
    permutation = [x.axis(turn[back[axis]]) for axis in range(rank - 1)]
    return c.emit("permute", node, [x], shape, x.last, extra={"permutation": permutation})


def concat(c: Converter, node: Node, given: list[Value | None]) -> Value:
    *parts, axis = given if node.op == "ConcatV2" else [*given[1:], given[0]]
    flows = [c.plain(one) for one in parts]
    if len(flows) == 1:
        return flows[0]
    flows = [c.laid(one, flows[0].last) for one in flows]
    (at,) = c.integers(axis)
    at = at % len(flows[0].shape)
    size = sum(one.shape[at] for one in flows)
    shape = (*flows[0].shape[:at], size, *flows[0].shape[at + 1 :])
    return c.emit("concat", node, flows, shape, flows[0].last, axis=flows[0].axis(at))


def pad(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = c.plain(given[0])
    pairs = c.array(given[1]).reshape(-1, 2).tolist()
    if len(pairs) != len(x.shape) or pairs[0] != [0, 0]:
        raise ValueError("padding of the batch")
    shape = (c.batch, *(size + sum(pair) for size, pair in zip(x.shape[1:], pairs[1:], strict=True)))
    ordered = [(int(low), int(high)) for low, high in x.ordered(pairs[1:])]
    if len(ordered) > 1 and ordered[0] == (0, 0):
        ordered = ordered[1:]
    extra: dict[str, Any] = {}
    if node.op == "MirrorPad":
        extra["mode"] = node.text("mode").lower()
    elif node.op == "PadV2" and (value := float(c.array(given[2]).item())):
        extra["value"] = value
    return c.emit("pad", node, [x], shape, x.last, padding=tuple(ordered), extra=extra)


def strided_slice(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = flow_of(given[0])
    if node.whole("ellipsis_mask") or node.whole("new_axis_mask"):
        raise ValueError("a slice with new axes")
    return cut(c, node, x, list(index_of(node, *(c.integers(one) for one in given[1:4]))))


def plain_slice(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = flow_of(given[0])
    begin, size = c.integers(given[1]), c.integers(given[2])
    if size[0] == c.batch:
        size[0] = -1
    return cut(c, node, x, [slice(b, None if s < 0 else b + s) for b, s in zip(begin, size, strict=True)])


def cut(c: Converter, node: Node, x: Flow, index: list[Any]) -> Value:
    """Part of every sample."""
    rank = len(x.shape)
    index += [slice(None)] * (rank - len(index))
    if index[0] not in (slice(None), slice(None, None, 1), slice(0, None, 1), slice(0, None), slice(0, c.batch, 1)):
        raise ValueError("a part of the batch")
    x = c.plain(x)
    sizes = [
        len(range(*one.indices(size))) if isinstance(one, slice) else None
        for one, size in zip(index[1:], x.shape[1:], strict=True)
    ]
    slices = [[one.start, one.stop, one.step] if isinstance(one, slice) else one for one in index[1:]]
    shape = (c.batch, *(size for size in sizes if size is not None))
    if not all(shape):
        raise ValueError("a part without pixels")
    if shape == x.shape and all(isinstance(one, slice) and (one.step or 1) == 1 for one in index):
        return x
    last = x.last and sizes[-1] is not None
    return c.emit("crop", node, [x], shape, last, extra={"slices": x.ordered(slices)})


def split(c: Converter, node: Node, given: list[Value | None]) -> list[Value | None]:
    if node.op == "Split":
        axis, x = c.integers(given[0])[0], c.plain(given[1])
        axis %= len(x.shape)
        count = node.whole("num_split")
        if not 0 < count <= 1024 or x.shape[axis] % count:
            raise ValueError("parts of different sizes")
        sizes = [x.shape[axis] // count] * count
    else:
        x, sizes, axis = c.plain(given[0]), c.integers(given[1]), c.integers(given[2])[0]
        axis %= len(x.shape)
        if -1 in sizes:
            rest = x.shape[axis] - sum(size for size in sizes if size != -1)
            sizes = [rest if size == -1 else size for size in sizes]
        if sum(sizes) != x.shape[axis] or len(sizes) > 1024:
            raise ValueError("parts that do not make the whole")
    shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
    flow = c.emit("crop", node, [x], shapes[0], x.last, axis=x.axis(axis), extra={"split": sizes})
    parts = [replace(flow, shape=shape, output=number) for number, shape in enumerate(shapes)]
    c.drafts[flow.draft].shapes = [part.canonical() for part in parts]
    return list(parts)


def resize(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = c.laid(c.plain(given[0]), True)
    size = c.integers(given[1])
    bilinear = node.op == "ResizeBilinear"
    extra: dict[str, Any] = {"mode": "bilinear" if bilinear else "nearest", "size": size, "coordinates": "asymmetric"}
    if node.flag("half_pixel_centers"):
        # TensorFlow's nearest takes ⌊(i + ½) · scale⌋: half a pixel is added to i, none is taken off.
        extra |= (
            {"coordinates": "half_pixel"}
            if bilinear
            else {"coordinates": "half_pixel", "rounding": "round_prefer_ceil"}
        )
    elif node.flag("align_corners"):
        extra |= {"align_corners": True, "rounding": "round_prefer_ceil"}
    return c.emit("upsample", node, [x], (c.batch, *size, x.shape[-1]), True, extra=extra)


def into_blocks(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """SpaceToBatchND: with the convolution and the BatchToSpaceND behind it a dilated convolution."""
    x, block = c.plain(given[0]), c.integers(given[1])
    pairs = c.array(given[2]).reshape(-1, 2).tolist()
    if len(x.shape) != 4 or not x.last or len(block) != 2 or x.atrous:
        raise ValueError("blocks that are no dilated convolution")
    return replace(x, atrous=Atrous(tuple(block), tuple((int(low), int(high)) for low, high in pairs)))


def out_of_blocks(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = flow_of(given[0])
    atrous, draft = x.atrous, c.drafts[x.draft]
    if atrous is None or draft.kind not in ("conv2d", "depthwise_conv2d") or not c.alone(replace(x, atrous=None)):
        raise ValueError("blocks that are no dilated convolution")
    crops = c.array(given[2]).reshape(-1, 2).tolist()
    padding = tuple((p[0] - k[0], p[1] - k[1]) for p, k in zip(atrous.padding, crops, strict=True))
    size = tuple(n - sum(k) for n, k in zip(x.shape[1:3], crops, strict=True))
    flow = replace(x, shape=(c.batch, *size, x.shape[3]), atrous=None)
    draft.attributes["padding"] = padding
    draft.shapes = [flow.canonical()]
    draft.tensor = (node.name, 0)
    return flow


def shape(c: Converter, node: Node, given: list[Value | None]) -> Value | list[Value | None]:
    if any(isinstance(one, Flow) and one.folded for one in given):
        raise ValueError("the shape of rows")
    found: list[Value | None] = [constant(np.array(one.shape, np.int64)) for one in given if one is not None]
    return found if node.op == "ShapeN" else found[0]  # type: ignore[return-value]


def size(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = flow_of(given[0])
    return constant(np.int64(math.prod(x.shape) if node.op == "Size" else len(x.shape)))


def alike(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = flow_of(given[0])
    fill = np.float32(0 if node.op == "ZerosLike" else 1)
    return Known((1, *x.shape[1:]), value=np.broadcast_to(fill, (1, *x.shape[1:])))


def boxed(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Operations without a kind, whose shape is known and which tf_run.py computes."""
    x = c.laid(c.plain(given[0]), is_last(node))
    extra: dict[str, Any] = {"name": f"tf.{node.op}"}
    if node.op == "LRN":
        extra |= {"depth_radius": node.whole("depth_radius", 5), "bias": node.real("bias", 1.0)}
        extra |= {"alpha": node.real("alpha", 1.0), "beta": node.real("beta", 0.5)}
        return c.emit("other", node, [x], x.shape, x.last, extra=extra)
    block = node.whole("block_size")
    maps, height, width = x.canonical()
    if block < 1:
        raise ValueError("blocks without a size")
    if node.op == "DepthToSpace":
        sample = (maps // block**2, height * block, width * block)
    else:
        sample = (maps * block**2, height // block, width // block)
    extra["block"] = block
    whole = (c.batch, *sample[1:], sample[0]) if x.last else (c.batch, *sample)
    return c.emit("other", node, [x], whole, x.last, extra=extra)


def is_last(node: Node) -> bool:
    return not node.text("data_format").startswith("NC")


HANDLERS = {
    "Reshape": reshape,
    "Squeeze": squeeze,
    "ExpandDims": expand,
    "Transpose": transpose,
    **dict.fromkeys(("ConcatV2", "Concat"), concat),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), pad),
    "StridedSlice": strided_slice,
    "Slice": plain_slice,
    **dict.fromkeys(("Split", "SplitV"), split),
    **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), resize),
    "SpaceToBatchND": into_blocks,
    "BatchToSpaceND": out_of_blocks,
    **dict.fromkeys(("Shape", "ShapeN"), shape),
    **dict.fromkeys(("Size", "Rank"), size),
    **dict.fromkeys(("ZerosLike", "OnesLike"), alike),
    **dict.fromkeys(("LRN", "DepthToSpace", "SpaceToDepth"), boxed),
}
