"""TensorFlow 1's `.meta`: a MetaGraphDef with the graph; collections may be missing and are not needed.

MetaGraphDef: 2 graph_def, 5 signature_def. Source: tensorflow/core/protobuf/meta_graph.proto.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cutaway.errors import SourceError
from cutaway.sources import How
from cutaway.sources.tf_bundle import Bundle
from cutaway.sources.tf_flat import Graph
from cutaway.sources.tf_graph import GraphDef, Node, Tensor
from cutaway.sources.tf_model import Converted, convert
from cutaway.sources.tf_prune import QUEUES, Pruned
from cutaway.sources.tf_variables import Places, saved_places
from cutaway.sources.tf_wire import Damaged, Message

MAX_META = 512 << 20


def find_meta(prefixes: Sequence[Path]) -> Path:
    """The graph of a run: beside the last checkpoint, beside another one, or any other .meta of the folder."""
    for prefix in reversed(prefixes):
        if (path := prefix.with_name(prefix.name + ".meta")).is_file():
            return path
    others = sorted(prefixes[-1].parent.glob("*.meta"))
    if not others:
        last = prefixes[-1]
        raise SourceError(
            f"{last.with_name(last.name + '.meta')}: missing; these are weights without a graph. Put the .meta that "
            "tf.train.Saver wrote beside them, or write one with tf.train.export_meta_graph"
        )
    return others[-1]


def read_bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_META:
        raise Damaged(f"{path.stat().st_size:,} bytes; a graph has at most {MAX_META >> 20} MB")
    return path.read_bytes()


def convert_meta(path: Path, bundle: Bundle, how: How) -> tuple[Converted, Places]:
    """The network of a `.meta`, with the shapes of its variables from a checkpoint."""
    definition = GraphDef(Message(read_bytes(path)).message(2))
    if not definition.nodes:
        raise Damaged("no graph in it")
    graph = Graph(definition.nodes.values(), definition.library)
    pruned = Pruned(graph, wanted=how.input)
    places = saved_places(graph)
    shapes = [input_shape(pruned, tensor, how) for tensor in pruned.inputs]
    return convert(pruned, lambda node: places.known(bundle, node), shapes), places


def input_shape(pruned: Pruned, tensor: Tensor, how: How) -> tuple[int, ...]:
    """What goes in, batch first (-1 where it is free); free sizes from `--size` or the samples.

    Raises SourceError where a size stays free.
    """
    name, number = tensor
    node = pruned.graph.nodes[name]
    found = declared(node, number)
    return filled(found, name, how, node.text("data_format"))


def declared(node: Node, number: int) -> tuple[int, ...] | None:
    """The shape that a placeholder or a queue's output declares; None where even the rank is free."""
    several = node.shapes("output_shapes") if node.op in QUEUES else []
    inferred = node.shapes("_output_shapes")
    for shapes in (several, inferred):
        if number < len(shapes) and shapes[number] is not None:
            return shapes[number]
    shape = node.shape()
    return shape if shape is not None and (shape or node.op == "PlaceholderWithDefault") else None


def filled(shape: tuple[int, ...] | None, name: str, how: How, data_format: str = "") -> tuple[int, ...]:
    """A shape without free sizes but the batch's."""
    given = how.sample_shape
    if shape is None and given is not None and len(given) == 3:
        shape = (-1, *given[1:], given[0]) if how.layout != "NCHW" else (-1, *given)
    if shape is None:
        raise SourceError(f"the input {name!r} has no shape in the graph; give samples, or --size HEIGHT WIDTH")
    if all(one > 0 for one in shape[1:]):
        return shape
    first = how.layout == "NCHW" or (len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3))
    size: tuple[int, ...] | None = how.size or (tuple(given[1:]) if given is not None and len(given) == 3 else None)
    maps = given[0] if given is not None and len(given) == 3 else 3
    if len(shape) == 4 and size is not None and len(size) == 2:
        wanted = (maps, *size) if first else (*size, maps)
        return (shape[0], *(a if a > 0 else b for a, b in zip(shape[1:], wanted, strict=True)))
    free = ", ".join("?" if one < 0 else str(one) for one in shape)
    raise SourceError(f"the input {name!r} leaves its size free, [{free}]; say --size HEIGHT WIDTH")
