"""SavedModels: a folder with `saved_model.pb` (functions, objects) and `variables/` (a checkpoint).

SavedModel: 2 meta_graphs. MetaGraphDef: 1 meta_info {4 tags}, 2 graph_def, 5 signature_def (a map of SignatureDefs:
1 inputs, 2 outputs, maps of TensorInfo {1 name, 2 dtype, 3 shape}), 7 object_graph_def. SavedObjectGraph: 1 nodes,
2 concrete_functions (a map; 2 bound_inputs: the objects that a function takes besides its arguments). SavedObject:
1 children, 6 function {1 concrete_functions}, 7 variable {3 trainable, 6 name}, 8 bare_concrete_function {1 name},
9 constant {1 operation}. Those of TensorFlow 1 have no objects: their graph is run as a checkpoint's is.
Source: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto.
"""

from __future__ import annotations

from pathlib import Path

from cutaway.errors import SourceError
from cutaway.sources import How, Source
from cutaway.sources.tf_bundle import Bundle, reading
from cutaway.sources.tf_flat import Graph
from cutaway.sources.tf_graph import Function, GraphDef, Node, Tensor, tensor_name
from cutaway.sources.tf_meta import declared, filled, read_bytes
from cutaway.sources.tf_model import Converted, convert
from cutaway.sources.tf_objects import MAX_OBJECTS, children_of, paired, read_objects
from cutaway.sources.tf_prune import Pruned
from cutaway.sources.tf_types import DTYPES, shape_of
from cutaway.sources.tf_variables import Place, Places, saved_places
from cutaway.sources.tf_wire import Damaged, Message

SIGNATURE = "serving_default"
CALLS = ("serve", "__call__", "call", "predict", "_default_save_signature")
"""What an object without signatures is asked for, in this order."""
NUMBERED = frozenset(DTYPES) - {10}
SETUP = ("__saved_model_init_op", "__saved_model_train_op")


def open_saved_model(folder: Path, how: How) -> Source:
    """A SavedModel's signature `serving_default`, or the first there is. Raises SourceError."""
    from cutaway.sources.tensorflow import TensorFlow

    path = folder / "saved_model.pb"
    with reading(path):
        graphs = Message(read_bytes(path)).messages(2)
        if not graphs:
            raise Damaged("no graph in it")
        meta = next((one for one in graphs if "serve" in one.message(1).texts(4)), graphs[0])
        if not (folder / "variables" / "variables.index").is_file():
            raise SourceError(
                f"{folder / 'variables' / 'variables.index'}: missing; the weights of the SavedModel lie there"
            )
        bundle = Bundle(folder / "variables" / "variables", how.max_bytes)
        objects = meta.message(7)
        if objects.has(2):
            converted, places = of_functions(meta, objects, bundle, how)
        else:
            converted, places = of_graph(meta, bundle, how)
    return TensorFlow(folder, "TensorFlow SavedModel", converted, [bundle], places, how)


def signature_of(meta: Message) -> Message | None:
    found = {name: one for name, one in meta.mapped(5).items() if name not in SETUP}
    return found.get(SIGNATURE) or next(iter(found.values()), None)


def of_graph(meta: Message, bundle: Bundle, how: How) -> tuple[Converted, Places]:
    """TensorFlow 1: the signature names tensors of one large graph."""
    definition = GraphDef(meta.message(2))
    graph = Graph(definition.nodes.values(), definition.library)
    signature = signature_of(meta)
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    names: list[str] = []
    shapes: dict[Tensor, tuple[int, ...] | None] = {}
    for name, info in signature.mapped(1).items() if signature else ():
        tensor, shape = tensor_name(info.text(1)), shape_of(info.message(3))
        if info.whole(2) in NUMBERED and shape != () and tensor[0] in graph.nodes:
            inputs.append(tensor)
            names.append(name)
            shapes[tensor] = shape
    for info in signature.mapped(2).values() if signature else ():
        if info.whole(2) in (1, 2, 14, 19) and (tensor := tensor_name(info.text(1)))[0] in graph.nodes:
            outputs.append(tensor)
    pruned = Pruned(graph, inputs, outputs, wanted=how.input)
    places = saved_places(graph)
    filled_shapes = []
    for tensor in pruned.inputs:
        shape = shapes.get(tensor)
        filled_shapes.append(filled(shape or declared(graph.nodes[tensor[0]], tensor[1]), tensor[0], how))
    return convert(pruned, lambda node: places.known(bundle, node), filled_shapes, names), places


def of_functions(meta: Message, objects: Message, bundle: Bundle, how: How) -> tuple[Converted, Places]:
    """TensorFlow 2: a function, and which objects it is bound to."""
    nodes = objects.messages(1)
    if not 0 < len(nodes) <= MAX_OBJECTS:
        raise Damaged(f"{len(nodes):,} objects in it")
    children = [children_of(one) for one in nodes]
    if any(not 0 <= child < len(nodes) for one in children for child in one.values()):
        raise Damaged("objects with children that it does not hold")
    definition = GraphDef(meta.message(2))
    concrete = objects.mapped(2)
    name = function_of(nodes, children, concrete)
    function = definition.library.get(name)
    if function is None:
        raise Damaged(f"the function {name!r} is not in its library")
    bound = concrete[name].ints(2)
    free = len(function.arguments) - len(bound)
    if free < 1 or any(not 0 <= one < len(nodes) for one in bound):
        raise Damaged(f"the function {name!r} is bound to {len(bound)} objects and takes {len(function.arguments)}")
    keys = paired(children, read_objects_by_id := read_objects(bundle))
    places: dict[str, list[Place]] = {}
    given = [placeholder(function, i) for i in range(free)]
    captured = []
    for number in bound:
        node = bound_node(nodes[number], number, definition)
        if node.op == "VarHandleOp":
            key = read_objects_by_id[keys[number]].key if number in keys else None
            if key is None:
                raise Damaged(f"the variable {node.name!r} has no value in the checkpoint")
            places[node.name] = [Place(key)]
        captured.append(node)
    call = Node("the call", "StatefulPartitionedCall", [(one.name, 0) for one in [*given, *captured]])
    call.attributes = {"f": named(name)}
    unique = {node.name: node for node in [*captured, *given]}
    graph = Graph([*unique.values(), call], definition.library)
    shapes = declared_shapes(meta, function, free)
    inputs = [i for i in range(free) if function.types[i] in NUMBERED and shapes[i] != ()]
    if how.input is not None:
        if how.input not in function.arguments[:free]:
            raise SourceError(f"no input {how.input!r} in it; it has {', '.join(function.arguments[:free])}")
        inputs.sort(key=lambda i: function.arguments[i] != how.input)
    pruned = Pruned(
        graph,
        [(function.arguments[i], 0) for i in inputs],
        [(call.name, i) for i in range(len(function.results)) if (call.name, i) in graph.alias],
    )
    where = Places(places)
    sizes = [filled(shapes[i], function.arguments[i], how) for i in inputs]
    return convert(pruned, lambda node: where.known(bundle, node), sizes), where


def function_of(nodes: list[Message], children: list[dict[str, int]], concrete: dict[str, Message]) -> str:
    """The concrete function of the signature, else of the object's own call."""
    signatures = children[children[0]["signatures"]] if "signatures" in children[0] else {}
    wanted = [signatures[SIGNATURE]] if SIGNATURE in signatures else list(signatures.values())
    wanted += [children[0][name] for name in CALLS if name in children[0]]
    for number in wanted:
        node = nodes[number]
        names = [node.message(8).text(1)] if node.has(8) else node.message(6).texts(1)
        for name in names:
            if name in concrete:
                return name
    raise Damaged("no function in it that was saved with its arguments; save it with signatures=…")


def placeholder(function: Function, number: int) -> Node:
    node = Node(function.arguments[number], "Placeholder", [])
    node.attributes = {"dtype": Message(bytes([6 << 3, function.types[number] & 0x7F]))}
    return node


def named(function: str) -> Message:
    """An AttrValue {10 func {1 name}}."""
    name = function.encode()
    if len(name) > 100:
        inside = b"\x0a" + varint(len(name)) + name
    else:
        inside = b"\x0a" + bytes([len(name)]) + name
    return Message(bytes([10 << 3 | 2]) + varint(len(inside)) + inside)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def bound_node(saved: Message, number: int, definition: GraphDef) -> Node:
    """A node that stands for an object: a variable, a constant of the graph, or something without numbers."""
    if saved.has(7):
        return Node(saved.message(7).text(6) or f"variable_{number}", "VarHandleOp", [])
    if saved.has(9):
        constant = definition.nodes.get(saved.message(9).text(1))
        if constant is not None:
            return constant
    return Node(f"object_{number}", "Object", [])


def declared_shapes(meta: Message, function: Function, free: int) -> list[tuple[int, ...] | None]:
    """What the arguments' shapes are: the function's own, else the signature's."""
    found: list[tuple[int, ...] | None] = [function.shapes.get(i) for i in range(free)]
    signature = signature_of(meta)
    if signature is not None:
        infos = signature.mapped(1)
        for i, name in enumerate(function.arguments[:free]):
            info = infos.get(name) or (next(iter(infos.values())) if len(infos) == free == 1 else None)
            if found[i] is None and info is not None:
                found[i] = shape_of(info.message(3))
    return found
