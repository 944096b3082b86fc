"""From a model's configuration to its layers and the calls of them, in an order in which they can be computed.

    configuration ──▶ Owner (a layer, with its children where it is a model itself)
                 ──▶ Call (one call of one layer: what it reads, what it is given besides)

Models inside models are opened up: their layers become layers of the whole, under the model's name. A layer that is
called twice has two calls and one owner. Nothing that a configuration names is imported.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cutaway.errors import SourceError

MODELS = {"Functional", "Model", "Sequential"}
MAX_DEPTH = 40
MAX_LAYERS = 50_000
MAX_CALLS = 20_000

OWN_MODULES = ("keras", "keras_core", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
CODE = {"Lambda", "__lambda__"}


class Value(NamedTuple):
    """An output of a call: its number among the calls, and which of its outputs."""

    call: int
    output: int = 0


@dataclass(eq=False)
class Owner:
    """A layer as it was configured; it owns the weights that all calls of it share."""

    name: str
    class_name: str
    module: str
    config: Mapping[str, Any]
    path: tuple[str, ...] = ()
    trainable: bool = True
    build_shape: Any = None
    """The shape of its input when it was built, with the batch, where the file tells."""
    children: list[Owner] = field(default_factory=list)
    nodes: list[Any] = field(default_factory=list)
    """`inbound_nodes`: one entry per call."""

    @property
    def is_model(self) -> bool:
        return self.class_name in MODELS or (bool(self.children) and "input_layers" in self.config)

    @property
    def is_operation(self) -> bool:
        """A function of `keras.ops` or of TensorFlow, no layer: it has a name, but no weights and no group."""
        return ".ops" in self.module or self.class_name in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")

    @property
    def id(self) -> str:
        return "/".join((*self.path, self.name))


@dataclass(eq=False)
class Call:
    """One call of a layer. `args` and `kwargs` are as in the configuration, with `Value`s for tensors."""

    owner: Owner
    turn: int
    args: list[Any]
    kwargs: Mapping[str, Any]

    @property
    def inputs(self) -> list[Value]:
        return list(values_in([self.args, self.kwargs]))


@dataclass(frozen=True)
class Program:
    """All calls of a model, and which of their values go in and come out."""

    root: Owner
    calls: list[Call]
    inputs: list[Value]
    outputs: list[Value]
    told: Mapping[Value, tuple[int | None, ...]]
    """Shapes that the configuration tells, in Keras's own axes, with the batch."""


def values_in(data: Any) -> Iterator[Value]:
    """The tensors in nested lists and dicts, in Keras's order: dicts by their sorted keys."""
    if isinstance(data, Value):
        yield data
    elif isinstance(data, list | tuple):
        for one in data:
            yield from values_in(one)
    elif isinstance(data, dict):
        for key in sorted(data):
            yield from values_in(data[key])


# --- code ------------------------------------------------------------------------------------------------------------


def refuse_code(config: Any, what: str) -> None:
    """Raises SourceError where a configuration holds code or names somebody else's, which Keras would run or import."""
    waiting: list[tuple[Any, str]] = [(config, "")]
    while waiting:
        part, layer = waiting.pop()
        if isinstance(part, list):
            waiting += [(one, layer) for one in part]
        if not isinstance(part, dict):
            continue
        inner = part.get("config")
        name = part.get("class_name")
        if isinstance(inner, dict) and isinstance(inner.get("name"), str) and isinstance(name, str):
            layer = inner["name"]
        if isinstance(name, str):
            where = f"layer {layer!r}" if layer else "it"
            if name in CODE:
                raise SourceError(
                    f"{what}: {where} is a {name.strip('_').capitalize()}, Python code inside the file, which is not "
                    "run; if you trust where the file is from, --trust lets Keras run it"
                )
            registered = part.get("registered_name")
            foreign = foreign_module(part.get("module"), name, inner)
            if foreign is None and isinstance(registered, str) and ">" in registered:
                foreign = repr(registered)
            if foreign is not None:
                raise SourceError(
                    f"{what}: {where} needs {foreign}, code from outside Keras, which is not run; if you trust where "
                    "the file is from, --trust lets Keras import and run it"
                )
        # What the model was trained with (losses, optimisers) is not read at all.
        waiting += [(one, layer) for key, one in part.items() if key != "compile_config"]


def foreign_module(module: Any, name: str, config: Any) -> str | None:
    """What would be imported that is not Keras's own; None for nothing."""
    if module is None or (isinstance(module, str) and own(module)):
        return None
    if module == "builtins" and name == "function" and isinstance(config, str):
        return None if config.isidentifier() else repr(config)  # an activation by name, looked up in our own table
    if module == "builtins":
        return f"{name!r} of Python"
    return f"{name!r} of the module {module!r}"


def own(module: str) -> bool:
    return any(module == one or module.startswith(one + ".") for one in OWN_MODULES)


# --- layers ----------------------------------------------------------------------------------------------------------


def read_owner(config: Mapping[str, Any], what: str, path: tuple[str, ...] = (), trainable: bool = True) -> Owner:
    """A layer of a configuration, with all its children. Raises SourceError where it is no layer."""
    if len(path) > MAX_DEPTH:
        raise SourceError(f"{what}: models inside models more than {MAX_DEPTH} deep; refused")
    class_name, inner = config.get("class_name"), config.get("config")
    if isinstance(inner, list):  # Sequential before Keras 2.2.3: nothing but its layers
        inner = {"layers": inner, "name": config.get("name") or "sequential"}
    if not isinstance(class_name, str) or not isinstance(inner, dict):
        raise SourceError(f"{what}: a layer without class_name and config; save the model again")
    name = str(config.get("name") or inner.get("name") or class_name.lower())
    build = config.get("build_config")
    owner = Owner(
        name=name,
        class_name=class_name,
        module=str(config.get("module") or ""),
        config=inner,
        path=path,
        trainable=trainable and inner.get("trainable", True) is not False,
        build_shape=build.get("input_shape") if isinstance(build, dict) else None,
        nodes=given if isinstance(given := config.get("inbound_nodes"), list) else [],
    )
    layers = inner.get("layers")
    if isinstance(layers, list) and (class_name in MODELS or "input_layers" in inner):
        if len(layers) > MAX_LAYERS:
            raise SourceError(f"{what}: {len(layers):,} layers, {MAX_LAYERS:,} are the most that is read; refused")
        below = (*path, name) if path or config.get("inbound_nodes") is not None or config.get("nested") else ()
        for one in layers:
            if not isinstance(one, dict):
                raise SourceError(f"{what}: a layer of {name!r} is no object; save the model again")
            owner.children.append(read_owner({**one, "nested": True}, what, below, owner.trainable))
    return owner


# --- calls -----------------------------------------------------------------------------------------------------------


def read_program(config: Mapping[str, Any], what: str) -> Program:
    """All calls of a model. Raises SourceError naming what can't be followed: loops, unknown layers, no graph."""
    root = read_owner(config, what)
    if not root.is_model or not root.children:
        raise SourceError(
            f"{what}: {root.name!r} is a {root.class_name}, whose graph is Python code and not in the file; give the "
            "function that builds it: --model package.module:function"
        )
    return Expansion(what).program(root)


class Expansion:
    """Walks a model and all models in it, call after call."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.calls: list[Call] = []
        self.turns: dict[int, int] = {}
        self.told: dict[Value, tuple[int | None, ...]] = {}
        self.inputs: list[Value] = []

    def program(self, root: Owner) -> Program:
        if root.class_name == "Sequential":
            outputs = self.sequential(root, None)
        else:
            outputs = self.functional(root, None, {})
        return Program(root, self.calls, self.inputs, outputs, self.told)

    def error(self, text: str) -> SourceError:
        return SourceError(f"{self.what}: {text}")

    def call(self, owner: Owner, args: list[Any], kwargs: Mapping[str, Any]) -> list[Value]:
        """The outputs of a call; a layer's are counted when they are used, so one stands for all of them."""
        if len(self.calls) >= MAX_CALLS:
            raise self.error(f"more than {MAX_CALLS:,} calls of layers; refused")
        if owner.is_model:
            given = list(values_in([args, kwargs]))
            if owner.class_name == "Sequential":
                return self.sequential(owner, given)
            first = args[0] if len(args) == 1 and isinstance(args[0], dict) else {}
            return self.functional(owner, given, first)
        turn = self.turns.get(id(owner), 0)
        self.turns[id(owner)] = turn + 1
        self.calls.append(Call(owner, turn, args, kwargs))
        return [Value(len(self.calls) - 1)]

    def sequential(self, owner: Owner, given: list[Value] | None) -> list[Value]:
        """One layer after the other."""
        children = list(owner.children)
        if children and children[0].class_name == "InputLayer":
            first = children.pop(0)
        else:
            first = Owner("input", "InputLayer", "keras.layers", self.first_config(owner), owner.path)
        if given is None:
            given = self.call(first, [], {})
            self.inputs += given
        current = given
        for child in children:
            current = self.call(child, list(current), {})
        return current

    def first_config(self, owner: Owner) -> dict[str, Any]:
        """What an input layer would say, of a Sequential whose first layer or first build tells the shape."""
        shape = owner.config.get("build_input_shape") or owner.build_shape
        while owner.children:
            first = owner.children[0]
            inner = first.config
            told = inner.get("batch_input_shape") or inner.get("batch_shape")
            if told:
                return {"batch_shape": told, "dtype": inner.get("dtype", "float32")}
            shape = shape or first.build_shape
            if not first.is_model:
                break
            owner = first
        return {"batch_shape": shape} if isinstance(shape, list) else {}

    def functional(self, owner: Owner, given: list[Value] | None, by_name: Mapping[str, Any]) -> list[Value]:
        """A graph of layers: each call as soon as what it reads is there, else in the configuration's order."""
        return Graph(self, owner).run(given, by_name)


class Graph:
    """One walk through one functional model."""

    def __init__(self, expansion: Expansion, owner: Owner) -> None:
        self.expansion = expansion
        self.owner = owner
        self.layers: dict[str, Owner] = {}
        for child in owner.children:
            if child.name in self.layers:
                raise expansion.error(f"two layers have the name {child.name!r}; save the model again")
            self.layers[child.name] = child
        self.shift = self.first_numbers()

    def run(self, given: list[Value] | None, by_name: Mapping[str, Any]) -> list[Value]:
        expansion, config = self.expansion, self.owner.config
        entries = list(references(config.get("input_layers")))
        made: dict[tuple[str, int], list[Value]] = {}
        if given is not None:
            names = config.get("input_layers")
            if isinstance(names, dict) and set(names) <= set(by_name):
                entries = [one for key in sorted(names) for one in references(names[key])]
                given = [value for key in sorted(names) for value in values_in(by_name[key])]
            if len(entries) != len(given):
                raise expansion.error(f"{self.owner.name!r} takes {len(entries)} inputs and is given {len(given)}")
            for (name, number, _), value in zip(entries, given, strict=True):
                made[self.key(name, number)] = [value]
        else:
            for name, number, _ in entries:
                made[self.key(name, number)] = found = expansion.call(self.layers[self.known(name)], [], {})
                expansion.inputs += found
        self.follow(made)
        outputs = list(references(config.get("output_layers")))
        if not entries or not outputs:
            raise expansion.error(f"{self.owner.name!r} has no inputs or no outputs; save the model again")
        return [self.value(made, *one) for one in outputs]

    def follow(self, made: dict[tuple[str, int], list[Value]]) -> None:
        """Makes all calls, those first whose inputs are there and that stand first. Raises SourceError for loops."""
        needs: dict[tuple[int, int], set[tuple[str, int]]] = {}
        readers: dict[tuple[str, int], list[tuple[int, int]]] = {}
        ready: list[tuple[int, int]] = []
        for position, child in enumerate(self.owner.children):
            for turn, node in enumerate(child.nodes):
                if (child.name, turn) in made or child.class_name == "InputLayer":
                    continue
                old = isinstance(node, list)
                wanted = {self.key(name, number, shifted=old) for name, number, _ in tensors(node)} - set(made)
                needs[position, turn] = wanted
                for key in wanted:
                    readers.setdefault(key, []).append((position, turn))
                if not wanted:
                    heapq.heappush(ready, (position, turn))
        while ready:
            position, turn = heapq.heappop(ready)
            child = self.owner.children[position]
            del needs[position, turn]
            args, kwargs = self.arguments(child.nodes[turn], made)
            made[child.name, turn] = self.expansion.call(child, args, kwargs)
            for reader in readers.get((child.name, turn), ()):
                needs[reader].discard((child.name, turn))
                if not needs[reader]:
                    heapq.heappush(ready, reader)
        if needs:
            names = ", ".join(repr(self.owner.children[position].name) for position, _ in sorted(needs)[:4])
            raise self.expansion.error(
                f"the graph has a loop or reads what is not there, at {names}{' …' if len(needs) > 4 else ''}; refused"
            )

    def arguments(self, node: Any, made: Mapping[tuple[str, int], list[Value]]) -> tuple[list[Any], dict[str, Any]]:
        """What a call is given, with `Value`s for tensors, from either form of `inbound_nodes`."""
        if isinstance(node, dict):
            revived = [self.revived(node.get("args", []), made), self.revived(node.get("kwargs", {}), made)]
            return list(revived[0]), dict(revived[1])
        given: list[Any] = []
        kwargs: dict[str, Any] = {}
        for reference in node:
            given.append(self.value(made, *reference[:3]))
            if len(reference) > 3 and isinstance(reference[3], dict):
                kwargs |= {key: self.revived_old(one, made) for key, one in reference[3].items()}
        return given, kwargs

    def revived(self, data: Any, made: Mapping[tuple[str, int], list[Value]]) -> Any:
        if isinstance(data, list):
            return [self.revived(one, made) for one in data]
        if not isinstance(data, dict):
            return data
        history = history_of(data)
        if history is None:
            return {key: self.revived(one, made) for key, one in data.items()}
        value = self.value(made, *history, shifted=False)
        config: Any = data.get("config")
        shape = config.get("shape")
        if isinstance(shape, list) and all(size is None or isinstance(size, int) for size in shape):
            self.expansion.told[value] = tuple(shape)
        return value

    def revived_old(self, data: Any, made: Mapping[tuple[str, int], list[Value]]) -> Any:
        """Keyword arguments of Keras 2: `["layer", 0, 0]` may be a tensor."""
        if is_reference(data) and data[0] in self.layers:
            return self.value(made, *data[:3])
        if isinstance(data, list):
            return [self.revived_old(one, made) for one in data]
        return data

    def known(self, name: str) -> str:
        if name not in self.layers:
            raise self.expansion.error(f"the graph names a layer {name!r} that is not there; save the model again")
        return name

    def first_numbers(self) -> dict[str, int]:
        """Models whose calls count from 1, as number 0 was their own: in Keras 2, and in Keras 3's outputs."""
        highest: dict[str, int] = {}
        old = False
        for child in self.owner.children:
            for node in child.nodes:
                if isinstance(node, list):
                    old = True
                    for name, number, _ in tensors(node):
                        highest[name] = max(highest.get(name, 0), number)
        for name, number, _ in references(self.owner.config.get("output_layers")):
            highest[name] = max(highest.get(name, 0), number)
        models = {name: layer for name, layer in self.layers.items() if layer.is_model}
        if old:  # the last call is always read: what is not read is not in the file
            return {name: 1 for name, layer in models.items() if highest.get(name, 0) == len(layer.nodes)}
        return {name: 1 for name, layer in models.items() if layer.class_name != "Sequential"}

    def key(self, name: str, number: int, *, shifted: bool = True) -> tuple[str, int]:
        """The key of a call. Tensors of Keras 3 count the calls of models from 0, all other references from 1."""
        return self.known(name), number - (self.shift.get(name, 0) if shifted and number else 0)

    def value(
        self, made: Mapping[tuple[str, int], list[Value]], name: str, number: int, output: int, *, shifted: bool = True
    ) -> Value:
        found = made.get(self.key(name, number, shifted=shifted))
        if found is None:
            raise self.expansion.error(f"the graph reads call {number} of {name!r}, which is not there; refused")
        if self.layers[name].is_model:
            if output >= len(found):
                raise self.expansion.error(f"the graph reads output {output} of {name!r}, which has {len(found)}")
            return found[output]
        return found[0]._replace(output=output) if output else found[0]


def is_reference(data: Any) -> bool:
    """["layer", call, output], as the configurations name a tensor."""
    return (
        isinstance(data, list)
        and len(data) >= 3
        and isinstance(data[0], str)
        and all(isinstance(number, int) and 0 <= number < 1_000_000 for number in data[1:3])
    )


def references(data: Any) -> Iterator[tuple[str, int, int]]:
    """All references in nested lists and dicts, in Keras's order."""
    if is_reference(data):
        yield data[0], data[1], data[2]
    elif isinstance(data, list):
        for one in data:
            yield from references(one)
    elif isinstance(data, dict):
        for key in sorted(data):
            yield from references(data[key])


def history_of(data: Any) -> Sequence[Any] | None:
    """The reference in a `__keras_tensor__`; None for any other object."""
    if not isinstance(data, dict) or data.get("class_name") != "__keras_tensor__":
        return None
    config = data.get("config")
    history: Any = config.get("keras_history") if isinstance(config, dict) else None
    return history[:3] if is_reference(history) else None


def tensors(node: Any) -> Iterator[tuple[str, int, int]]:
    """The references in one entry of `inbound_nodes`, whichever form it has."""
    if isinstance(node, dict):
        history = history_of(node)
        if history is not None:
            yield history[0], history[1], history[2]
            return
        for one in node.values():
            yield from tensors(one)
    elif isinstance(node, list):
        if is_reference(node):
            yield node[0], node[1], node[2]
            if len(node) > 3:
                yield from tensors(node[3])
            return
        for one in node:
            yield from tensors(one)
