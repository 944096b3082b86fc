"""The objects that a checkpoint of TensorFlow 2, or a SavedModel, keeps its weights in.

The key `_CHECKPOINTABLE_OBJECT_GRAPH` holds a TrackableObjectGraph: 1 nodes {1 children {1 node_id, 2 local_name},
2 attributes {1 name, 2 full_name, 3 checkpoint_key}}. Which weight is which follows from the names on the way from the
root; keys are only read, never taken apart. Source: tensorflow/core/protobuf/trackable_object_graph.proto.
"""

from __future__ import annotations

from typing import NamedTuple

from cutaway.sources.tf_bundle import Bundle
from cutaway.sources.tf_wire import Damaged, Message

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "VARIABLE_VALUE"
MAX_OBJECTS = 200_000


class Object(NamedTuple):
    """One object: its children by name, and the key of its value where it is a variable."""

    children: dict[str, int]
    key: str | None
    full_name: str


def children_of(message: Message) -> dict[str, int]:
    return {one.text(2): one.whole(1) for one in message.messages(1)}


def read_objects(bundle: Bundle) -> list[Object]:
    """The object graph of a checkpoint; number 0 is the root."""
    strings = bundle.strings(OBJECT_GRAPH)
    if not strings:
        raise Damaged("an empty object graph")
    nodes = Message(strings[0]).blobs(1)
    if len(nodes) > MAX_OBJECTS:
        raise Damaged(f"{len(nodes):,} objects; at most {MAX_OBJECTS:,} are read")
    objects = []
    for data in nodes:
        message = Message(data)
        values = [one for one in message.messages(2) if one.text(1) == VALUE]
        objects.append(
            Object(
                children=children_of(message),
                key=values[0].text(3) if values else None,
                full_name=values[0].text(2) if values else "",
            )
        )
    if not objects or any(not 0 <= one < len(objects) for found in objects for one in found.children.values()):
        raise Damaged("an object graph with children that it does not hold")
    return objects


def paired(first: list[dict[str, int]], second: list[Object], start: int = 0) -> dict[int, int]:
    """Objects of two graphs that stand for each other: those that the same names lead to, from the roots on."""
    found = {0: start}
    queue = [0]
    for one in queue:  # grows while it is walked: breadth first
        other = second[found[one]].children
        for name, child in first[one].items():
            if name in other and child not in found:
                found[child] = other[name]
                queue.append(child)
    return found
