"""From the calls of a model to the network: shapes, what belongs to the layer before, shared parameters, names.

Batch norms, activations and dropout become part of the layer that they follow when nothing else reads that layer. A
flatten between maps and dense layers vanishes; the dense layer says in which order it takes the pixels.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

import msgspec

from cutaway.errors import CutawayError, SourceError
from cutaway.network import Attributes, Edge, Layer, Network, Parameter, Role
from cutaway.shapes_of import layer_shapes
from cutaway.sources import How, InputSpec
from cutaway.sources.keras_config import Call, Owner, Program, Value
from cutaway.sources.keras_describe import Described, Shape, Site, Weight
from cutaway.sources.keras_layers import describe
from cutaway.sources.keras_weights import Weights

WEIGHTED = {"conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv_transpose2d", "dense"}
"""What a batch norm can be part of."""

ACTIVATIONS = {"relu", "leaky_relu", "prelu", "sigmoid", "tanh", "gelu", "silu", "softmax", "activation"}

HOSTS = WEIGHTED | {
    *("batch_norm", "layer_norm", "group_norm", "add", "subtract", "multiply", "concat"),
    *("max_pool2d", "average_pool2d", "global_average_pool", "adaptive_pool"),
}
"""What an activation can be part of."""

MAX_VALUES = 1 << 27
"""Numbers that one layer may put out for one sample: 0.5 GB."""

FREE_PX = 224
"""The size of an input that the model leaves free, unless the user or the samples tell."""


def channels_last(given: Sequence[int], channels: int | None = None) -> tuple[int, ...]:
    """A sample's shape (C, H, W) as (H, W, C); one that has its channels last already, as far as it tells, as it is."""
    usual = (1, 3, 4) if channels is None else (channels,)
    already = len(given) == 3 and given[2] in usual and given[0] not in usual
    return tuple(given) if already or len(given) < 2 else (*given[1:], given[0])


@dataclass(eq=False)
class Node:
    """A layer while the network is put together."""

    call: Call
    what: Described
    inputs: list[tuple[Node, int]]
    id: str
    shapes: tuple[Shape, ...]
    fused: list[str] = field(default_factory=list)
    final: bool = True
    """Whether its result is the call's own, after whatever is fused, rather than a step inside."""
    result: Call | None = None
    """The call whose output it holds."""


@dataclass(frozen=True)
class Graph:
    """The network, where its numbers are, and which call's output each layer holds."""

    network: Network
    weights: Mapping[str, Weight]
    inputs: tuple[InputSpec, ...]
    results: Mapping[str, Call]
    steps: Mapping[str, Call]
    """Layers that are a step inside a call, whose value the framework does not hand out."""
    notes: tuple[str, ...]


def build(program: Program, weights: Weights, how: How, *, version: str = "", backend: str = "") -> Graph:
    """The network of a model. Raises SourceError where weights don't fit their layers, or sizes are absurd."""
    return Builder(program, weights, how, version, backend).graph()


class Builder:
    """The steps, in order; `graph` walks through them."""

    def __init__(self, program: Program, weights: Weights, how: How, version: str, backend: str) -> None:
        self.program, self.weights, self.how = program, weights, how
        self.keras2 = version.startswith(("1.", "2."))
        self.theano = self.keras2 and backend == "theano"
        self.last = self.layout()
        self.nodes: list[Node] = []
        self.made: dict[int, Node] = {}
        """Call number -> the node that holds its result."""
        self.specs: list[InputSpec] = []
        self.notes: list[str] = []
        self.taken: set[str] = set()

    def layout(self) -> bool:
        """Whether the channels come last: as most layers say that say it."""
        told = Counter(call.owner.config.get("data_format") for call in self.program.calls)
        first, last = told["channels_first"], told["channels_last"]
        if first == last == 0 and self.how.layout is not None:
            return self.how.layout == "NHWC"
        return first <= last

    def graph(self) -> Graph:
        for number, call in enumerate(self.program.calls):
            if call.owner.class_name == "InputLayer" and not call.inputs:
                self.add_input(number, call)
            else:
                self.add(number, call)
        self.outputs = list(dict.fromkeys(self.node_of(value)[0] for value in self.program.outputs))
        self.count_users()
        self.fuse()
        self.fold_flattens()
        return self.finish()

    def node_of(self, value: Value) -> tuple[Node, int]:
        node = self.made[value.call]
        if value.output and value.output >= max(node.what.outputs, len(node.shapes)) and node.what.kind != "other":
            raise SourceError(f"layer {node.id!r} has no output {value.output}; save the model again")
        return node, value.output

    # --- nodes -------------------------------------------------------------------------------------------------------

    def unique(self, wish: str) -> str:
        """The name, or the name with `:2`, `:3` … where it is taken: the second time that a layer is called."""
        name = next(name for n in itertools.count(1) if (name := wish if n == 1 else f"{wish}:{n}") not in self.taken)
        self.taken.add(name)
        return name

    def add_input(self, number: int, call: Call) -> None:
        owner = call.owner
        told = owner.config.get("batch_shape") or owner.config.get("batch_input_shape") or owner.config.get("shape")
        if not isinstance(told, list) or not told:
            told = self.guessed(owner)
        if owner.config.get("shape") and not (owner.config.get("batch_shape") or owner.config.get("batch_input_shape")):
            told = [None, *told]
        shape = self.concrete(told[1:], owner)
        rank = len(shape)
        dtype = owner.config.get("dtype")
        self.specs.append(
            InputSpec(
                name=owner.id,
                shape=shape,
                dtype=dtype if isinstance(dtype, str) else "float32",
                layout="NHWC" if self.last else "NCHW",
                layer=owner.id,
            )
        )
        canonical = (shape[-1], *shape[:-1]) if self.last and rank > 1 else shape
        node = Node(call, Described("input"), [], self.unique(owner.id), (canonical,), result=call)
        self.nodes.append(node)
        self.made[number] = node

    def guessed(self, owner: Owner) -> list[Any]:
        """The input's shape from the samples, where no layer tells it."""
        if self.how.sample_shape is None:
            raise SourceError("the model does not tell the shape of its input; give samples, or --size 28x28")
        given = self.how.sample_shape
        return [None, *(channels_last(given) if self.last else given)]

    def concrete(self, told: Sequence[Any], owner: Owner) -> Shape:
        """An input's shape in Keras's axes, free sizes filled in."""
        if any(size is not None and (not isinstance(size, int) or size < 1) for size in told):
            raise SourceError(f"input {owner.id!r} has shape {list(told)}; save the model again")
        if None not in told:
            self.check_size(tuple(told), owner.id)
            return tuple(told)
        given = self.how.sample_shape
        rank = len(told)
        place = rank - 1 if self.last and rank > 1 else 0
        if given is not None and len(given) == rank and self.last:
            given = channels_last(given, told[place])
        spatial = [axis for axis in range(rank) if axis != place or rank == 1]
        sizes: list[int] = [FREE_PX] * len(spatial)
        if given is not None and len(given) == rank:
            sizes = [given[axis] for axis in spatial]
        if self.how.size is not None and len(spatial) == 2:
            sizes = list(self.how.size)
        shape = list(told)
        for axis, size in zip(spatial, sizes, strict=True):
            shape[axis] = size if told[axis] is None else told[axis]
        if shape[place] is None:
            shape[place] = given[place] if given is not None and len(given) == rank else 3
        self.check_size(tuple(shape), owner.id)
        if given is None and self.how.size is None:
            self.notes.append(
                f"The input {owner.id} takes any size; opened for {'×'.join(map(str, shape))} (--size for another)."
            )
        return tuple(shape)

    def check_size(self, shape: Shape, id: str) -> None:
        if math.prod(shape) > MAX_VALUES:
            raise SourceError(
                f"layer {id!r} puts out {'×'.join(map(str, shape))} = {math.prod(shape):,} numbers for one sample; "
                f"{MAX_VALUES:,} are the most that is computed"
                + ("; give a smaller --size" if self.how.size or self.notes else "")
            )

    def add(self, number: int, call: Call) -> None:
        """The nodes of one call: the layer's own, and those of its steps and of its own activation."""
        given = [self.node_of(value) for value in call.inputs]
        shapes = [self.shape_of(*one) for one in given]
        self.tell_built(call, shapes)
        site = Site(call, shapes, self.weights.of(call.owner), self.last, self.keras2, self.theano)
        described = describe(site)
        before: list[Node] = []
        for step, what in enumerate(described):
            own = step == len(described) - 1
            wanted = call.inputs if what.inputs is None else what.inputs
            inputs = [(before.pop(0), 0) if value is None else self.node_of(value) for value in wanted]
            id = self.unique(call.owner.id if own else f"{call.owner.id}/{what.name}")
            node = self.node(call, what, inputs, id, number)
            node.final = own
            self.nodes.append(node)
            before.append(node)
            for follower in what.activation:  # fused again at once, unless it can't be
                id = self.unique(f"{call.owner.id}/{follower.word or follower.kind}")
                node.final = False
                node = self.node(call, follower, [(node, 0)], id, number)
                self.nodes.append(node)
                before[-1] = node
        node.result = call
        self.made[number] = node

    def shape_of(self, node: Node, output: int) -> Shape | None:
        return node.shapes[output] if output < len(node.shapes) else None

    def tell_built(self, call: Call, shapes: list[Shape | None]) -> None:
        """Where a shape does not follow from what stands before, the file may tell what the layer was built with."""
        built = call.owner.build_shape
        if len(shapes) == 1 and shapes[0] is None and isinstance(built, list):
            found = self.told_shape(tuple(built))
            if found is not None:
                shapes[0] = found

    def told_shape(self, told: tuple[Any, ...] | None) -> Shape | None:
        if told is None or len(told) < 2 or not all(isinstance(size, int) and size > 0 for size in told[1:]):
            return None
        shape = told[1:]
        return (shape[-1], *shape[:-1]) if self.last and len(shape) > 1 else shape

    def node(self, call: Call, what: Described, inputs: list[tuple[Node, int]], id: str, number: int) -> Node:
        node = Node(call, what, inputs, id, what.shapes or ())
        if not node.shapes:
            node.shapes = self.computed_shapes(node)
        if not node.shapes:
            told = [self.told_shape(self.program.told.get(Value(number, output))) for output in range(16)]
            known = list(itertools.takewhile(lambda shape: shape is not None, told))
            node.shapes = tuple(shape for shape in known if shape is not None)
        for shape in node.shapes:
            self.check_size(shape, id)
        return node

    def computed_shapes(self, node: Node) -> tuple[Shape, ...]:
        """Shapes as they follow from the inputs'; () where they don't. Raises SourceError where they don't fit."""
        given = [self.shape_of(*one) for one in node.inputs]
        if None in given:
            return ()
        extra = node.what.attributes.extra
        if node.what.kind == "other" and extra.get("name") in ("divide", "maximum", "minimum", "average"):
            layer = Layer(id=node.id, name=node.id, kind="add", attributes=Attributes(extra=extra))
        else:
            layer = self.layer(node, self.parameters(node, {}, {}))
        try:
            return layer_shapes(layer, [shape for shape in given if shape is not None])
        except CutawayError as error:
            raise SourceError(str(error)) from None

    # --- what belongs together ---------------------------------------------------------------------------------------

    def count_users(self) -> None:
        self.users = Counter((id(node), output) for one in self.nodes for node, output in one.inputs)
        self.users.update((id(node), 0) for node in self.outputs)

    def fuse(self) -> None:
        replaced: dict[int, Node] = {}
        remaining = []
        for node in self.nodes:
            node.inputs = [(replaced.get(id(before), before), output) for before, output in node.inputs]
            host = self.host_of(node)
            if host is None:
                remaining.append(node)
                continue
            what, own = node.what, host.what.attributes
            extra = {key: value for key, value in what.attributes.extra.items() if key != "name"}
            if what.kind in ACTIVATIONS and what.attributes.axis:
                extra["softmax_axis"] = what.attributes.axis
            host.what = changed(
                host.what,
                attributes=msgspec.structs.replace(
                    own,
                    epsilon=own.epsilon if what.attributes.epsilon is None else what.attributes.epsilon,
                    slope=own.slope if what.attributes.slope is None else what.attributes.slope,
                    extra={**own.extra, **extra},
                ),
                weights={**host.what.weights, **what.weights},
            )
            host.fused += [what.word or what.kind, *node.fused]
            host.final, host.result = node.final, node.result
            replaced[id(node)] = host
            self.users[id(host), 0] = self.users[id(node), 0]
        self.nodes = remaining
        self.outputs = list(dict.fromkeys(replaced.get(id(node), node) for node in self.outputs))

    def host_of(self, node: Node) -> Node | None:
        """The layer that a node becomes part of; None when it stays a layer of its own."""
        what = node.what
        if len(node.inputs) != 1 or what.others:
            return None
        host, output = node.inputs[0]
        if output or self.users[id(host), 0] != 1 or host.what.others or host.what.outputs > 1:
            return None
        own = host.what
        if what.kind == "dropout":
            return None if own.kind in ("input", "constant") else host
        if what.kind == "batch_norm":
            fits = own.kind in WEIGHTED and what.attributes.axis is None and own.attributes.axis is None
        else:
            fits = what.kind in ACTIVATIONS and own.kind in HOSTS
        if not fits or set(own.weights) & set(what.weights):
            return None
        constants = set(what.attributes.extra) - {"name"}
        if host.fused and any(name not in ("batch_norm", "dropout") for name in host.fused):
            # An activation already: constants of one must not reach the other.
            before = set(own.attributes.extra) & {
                "negative_slope",
                "max_value",
                "threshold",
                "alpha",
                "beta",
                "exponent",
            }
            if constants or before or own.attributes.slope is not None or what.attributes.slope is not None:
                return None
        if constants & set(own.attributes.extra) or (own.kind in ("add", "multiply", "subtract") and constants):
            return None
        epsilons = own.attributes.epsilon is not None and what.attributes.epsilon is not None
        return None if epsilons or "softmax_axis" in own.attributes.extra else host

    def fold_flattens(self) -> None:
        """maps -> flatten -> dense: the dense layer reads the maps."""
        readers: dict[int, list[Node]] = {}
        for node in self.nodes:
            for before, _ in node.inputs:
                readers.setdefault(id(before), []).append(node)
        outputs = {id(node) for node in self.outputs}
        gone = set()
        for node in self.nodes:
            users = readers.get(id(node), [])
            if node.what.kind != "flatten" or id(node) in outputs or not users or set(node.fused) - {"dropout"}:
                continue
            before, output = node.inputs[0]
            if len(self.shape_of(before, output) or ()) < 2 or any(user.what.kind != "dense" for user in users):
                continue
            order = node.what.attributes.input_order
            for user in users:
                attributes = msgspec.structs.replace(user.what.attributes, input_order=order)
                user.what = changed(user.what, attributes=attributes)
                user.inputs = [(before, output)]
            gone.add(id(node))
        self.nodes = [node for node in self.nodes if id(node) not in gone]

    # --- the network -------------------------------------------------------------------------------------------------

    def parameters(
        self, node: Node, keys: dict[tuple[Any, ...], str], weights: dict[str, Weight]
    ) -> tuple[Parameter, ...]:
        """A node's parameters; one that another call of the same layer has already keeps its key."""
        found: list[tuple[Role, str, Weight]] = [(role, role, weight) for role, weight in node.what.weights.items()]
        for position, weight in enumerate(node.what.others):
            role: Role = "kernel" if len(weight.shape) > 1 else "bias"
            found.append((role, weight.tensor.name.partition(":")[0] or str(position), weight))
        made = []
        for role, name, weight in found:
            key = keys.setdefault((id(weight.owner), weight.position, weight.axes, weight.shape), f"{node.id}/{name}")
            weights.setdefault(key, weight)
            made.append(
                Parameter(
                    role=role,
                    key=key,
                    shape=weight.shape,
                    trainable=weight.trainable,
                    source_axes=weight.source_axes,
                )
            )
        return tuple(made)

    def layer(self, node: Node, parameters: tuple[Parameter, ...]) -> Layer:
        owner = node.call.owner
        return Layer(
            id=node.id,
            name=node.id.rpartition("/")[2] if node.final else node.id[len("/".join((*owner.path, ""))) :],
            kind=node.what.kind,
            path=owner.path,
            op=f"keras.ops.{owner.class_name}" if owner.is_operation else f"keras.layers.{owner.class_name}",
            inputs=tuple(Edge(layer=before.id, output=output) for before, output in node.inputs),
            output_shapes=node.shapes,
            attributes=node.what.attributes,
            parameters=parameters,
            fused=tuple(node.fused),
            call=node.call.turn,
        )

    def finish(self) -> Graph:
        keys: dict[tuple[Any, ...], str] = {}
        weights: dict[str, Weight] = {}
        layers = tuple(self.layer(node, self.parameters(node, keys, weights)) for node in self.nodes)
        network = Network(
            layers=layers,
            inputs=tuple(spec.layer for spec in self.specs),
            outputs=tuple(node.id for node in self.outputs),
        )
        specs = tuple(changed(spec, rescales=self.rescales(spec.layer)) for spec in self.specs)
        results = {node.id: node.result for node in self.nodes if node.result is not None}
        steps = {node.id: node.call for node in self.nodes if node.result is None}
        return Graph(network, weights, specs, results, steps, tuple(self.notes))

    def rescales(self, id: str) -> bool:
        """Whether the model itself brings 0 … 255 to what it was trained on: the first that happens to the input."""
        reached = {id}
        for node in self.nodes:
            if not any(before.id in reached for before, _ in node.inputs):
                continue
            what, constant = node.what, node.what.attributes.extra.get("constant")
            if what.kind in ("dropout", "pad", "crop", "upsample", "permute", "reshape") and constant is None:
                reached.add(node.id)
                continue
            numbers = flat(constant) if constant is not None else []
            if what.kind == "multiply" and numbers and max(map(abs, numbers)) < 0.1:
                return True
            divides = what.kind == "other" and what.attributes.extra.get("name") == "divide"
            if (divides or what.kind in ("add", "subtract")) and numbers and max(map(abs, numbers)) > 10:
                return True
            if node.call.owner.class_name == "Normalization" and what.weights:
                return bool((what.weights["variance"].tensor.read() > 25).any())
        return False


def flat(values: Any) -> list[float]:
    if isinstance(values, list | tuple):
        return [number for one in values for number in flat(one)]
    return [float(values)]
