"""Checkpoints of TensorFlow 2 with the user's function that builds the model: the only place that imports TensorFlow.

TensorFlow traces the model into a graph, which is read as any other. Which of its variables is which of the
checkpoint's follows from the names of the objects on the way there, which both have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cutaway.errors import SourceError
from cutaway.sources import How, Source
from cutaway.sources.tf_bundle import Bundle, reading
from cutaway.sources.tf_flat import Graph
from cutaway.sources.tf_graph import GraphDef, tensor_name
from cutaway.sources.tf_meta import filled
from cutaway.sources.tf_model import convert
from cutaway.sources.tf_objects import Object, paired, read_objects
from cutaway.sources.tf_prune import Pruned
from cutaway.sources.tf_variables import Place, Places
from cutaway.sources.tf_wire import Message


def open_with_model(path: Path, bundles: Sequence[Bundle], how: How) -> Source:
    """A checkpoint of TensorFlow 2, and the model that `how.model` builds. Raises SourceError."""
    from cutaway.sources.builder import built
    from cutaway.sources.tensorflow import TensorFlow

    if how.model is None:
        raise SourceError(
            f"{path}: a checkpoint of TensorFlow 2 holds weights without the graph; add what builds the model: "
            f"`cutaway record {path} --model package.module:function --samples … --out RUN`"
        )
    import tensorflow as tf

    model = built(how.model)
    concrete = traced(tf, model, how)
    graph = concrete.graph
    definition = GraphDef(Message(graph.as_graph_def(add_shapes=True).SerializeToString()))
    variables = {id(one.handle): one for one in concrete.variables}
    captured: dict[str, Any] = {}
    for outside, inside in graph.captures:
        if id(outside) in variables:
            node = definition.nodes[inside.op.name]
            node.op = "VarHandleOp"
            captured[node.name] = variables[id(outside)]
    places = matched(tf, model, captured, bundles[-1])
    flat = Graph(definition.nodes.values(), definition.library)
    inputs = [one for one in graph.inputs if one.op.name not in captured and one.dtype.is_floating]
    pruned = Pruned(
        flat,
        [tensor_name(one.name) for one in inputs],
        [tensor_name(one.name) for one in graph.outputs if one.dtype.is_floating],
    )
    shapes = [filled(tuple(-1 if size is None else size for size in one.shape), one.op.name, how) for one in inputs]
    with reading(bundles[-1].path):
        converted = convert(pruned, lambda node: places.known(bundles[-1], node), shapes)
    return TensorFlow(path, f"TensorFlow {tf.__version__}", converted, bundles, places, how)


def traced(tf: Any, model: Any, how: How) -> Any:
    """The model's graph at inference. Raises SourceError where TensorFlow can't make it."""
    if not callable(model):
        raise SourceError(f"--model {how.model}: a {type(model).__name__} can't be called; give what builds a model")
    keras_inputs = getattr(model, "inputs", None)
    if keras_inputs:
        specs = [
            tf.TensorSpec(tuple(one.shape), one.dtype, name=one.name.partition(":")[0] or None) for one in keras_inputs
        ]
    else:
        signature = getattr(model.__call__, "input_signature", None)
        specs = list(signature or [tf.TensorSpec(guessed(how), tf.float32, name="input")])
    try:
        trace = tf.function(lambda *given: called(model, given))
        return trace.get_concrete_function(*specs)
    except Exception as error:  # the user's own code runs here
        text = str(error).strip().splitlines()[-1] if str(error).strip() else ""
        raise SourceError(
            f"--model {how.model}: calling it on {[list(one.shape) for one in specs]} failed "
            f"({type(error).__name__}: {text})"
        ) from error


def called(model: Any, given: tuple[Any, ...]) -> Any:
    several = list(given) if len(given) > 1 else given[0]
    try:
        return model(several, training=False)
    except TypeError:
        return model(*given)  # a tf.Module, which knows no `training`


def guessed(how: How) -> tuple[int | None, ...]:
    """Batch, height, width, maps of a model that does not tell its input."""
    maps, *size = how.sample_shape or (3, *(how.size or ()))
    if len(size) != 2:
        raise SourceError(
            f"--model {how.model}: it does not tell what it takes; give --samples, or --size HEIGHT WIDTH"
        )
    return (None, *size, maps)


def matched(tf: Any, model: Any, captured: Mapping[str, Any], bundle: Bundle) -> Places:
    """Where a model's variables lie in a checkpoint that holds it, alone or beside an optimiser."""
    view = tf.train.TrackableView(model)
    live: list[Any] = [model]
    known = {id(model): 0}
    children: list[dict[str, int]] = []
    for one in live:  # grows while it is walked
        found: dict[str, int] = {}
        for name, child in view.children(one).items():
            if id(child) not in known:
                known[id(child)] = len(live)
                live.append(child)
            found[name] = known[id(child)]
        children.append(found)
    handles: dict[int, int] = {}
    for number, one in enumerate(live):
        handle = getattr(one, "handle", None)
        if handle is None:
            handle = getattr(getattr(one, "_value", None), "handle", None)  # Keras 3's own variables
        if handle is not None:
            handles[id(handle)] = number
    with reading(bundle.path):
        objects = read_objects(bundle)
    starts = [0, *objects[0].children.values()]
    tried = [placed(children, handles, captured, objects, start, bundle) for start in starts]
    best = max(tried, key=len)
    for name, variable in captured.items():
        if name not in best:
            raise SourceError(
                f"{bundle.path}: holds no value for {variable.name!r} {list(variable.shape)} of the model; "
                "was it saved with another model, or before a layer was changed?"
            )
    return Places(best, {name: variable.name.partition(":")[0] for name, variable in captured.items()})


def placed(
    children: list[dict[str, int]],
    handles: Mapping[int, int],
    captured: Mapping[str, Any],
    objects: list[Object],
    start: int,
    bundle: Bundle,
) -> dict[str, list[Place]]:
    """The places of those variables that are found when the model is the checkpoint's object `start`."""
    pairs = paired(children, objects, start)
    found: dict[str, list[Place]] = {}
    for name, variable in captured.items():
        number = pairs.get(handles.get(id(variable.handle), -1))
        key = objects[number].key if number is not None else None
        if key in bundle.entries and key is not None and bundle.shape(key) == tuple(variable.shape):
            found[name] = [Place(key)]
    return found
