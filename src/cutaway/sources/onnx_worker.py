"""The process that ONNX Runtime lives in. It opens no file that a model names: weights come by checked place."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from cutaway.sources.onnx_apart import Arrays, limit_memory, serve


def main() -> None:
    serve({"shapes": shapes, "inline": inline, "load": load, "run": run, "sizes": sizes}, "onnx")


LOADED: dict[str, Any] = {}
"""The one session there is, the names of its outputs, and the weights, which ONNX Runtime does not keep alive."""


def shapes(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Shapes and types of all values of a model whose input shapes are fixed: name -> [type, sizes or None]."""
    limit_memory(1 << 30)
    onnx: Any = import_module("onnx")
    model = onnx.ModelProto.FromString(arrays["model"].tobytes())
    inferred = import_module("onnx.shape_inference").infer_shapes(model, data_prop=True)
    found: dict[str, Any] = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and tensor.HasField("shape"):
            sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
            found[value.name] = [tensor.elem_type, sizes]
    return {"shapes": found}, {}


def inline(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """The model with the bodies of its own functions in place of their calls."""
    limit_memory(1 << 30)
    onnx: Any = import_module("onnx")
    model = onnx.ModelProto.FromString(arrays["model"].tobytes())
    whole = import_module("onnx.inliner").inline_local_functions(model)
    return {}, {"model": np.frombuffer(whole.SerializeToString(), np.uint8)}


def load(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """A session that computes the values that are its outputs."""
    LOADED.pop("session", None)
    if LOADED.get("holder") != request["holder"]:
        LOADED.clear()
        LOADED["holder"] = request["holder"]
    ort: Any = import_module("onnxruntime")
    limit_memory(int(request["memory"]))
    weights = LOADED.setdefault("weights", {})
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if request["optimise"] else level.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = False  # memory goes back as soon as it is free
    options.log_severity_level = 4
    # Copies of all weights in another order would take as much again as the model, for little.
    options.add_session_config_entry("session.disable_prepacking", "1")
    # Threads that wait in a loop would take the core on which the other process reads what is ready.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, path, offset, kind, sizes in request["weights"]:
        if name not in weights:
            # Read, not mapped: a weight may lie at any byte of the file, and ONNX Runtime wants it aligned.
            count = int(np.prod(sizes, dtype=np.int64))
            numbers = np.fromfile(path, np.dtype(kind), count, offset=offset).reshape(sizes)
            weights[name] = ort.OrtValue.ortvalue_from_numpy(numbers)
        if not request["optimise"]:
            options.add_initializer(name, weights[name])  # used where it is
    if request["optimise"] and request["weights"]:  # what is optimised has to be part of the model, and be copied
        used = [name for name, *_ in request["weights"]]
        options.add_external_initializers(used, [weights[name] for name in used])
    session = ort.InferenceSession(arrays["model"].tobytes(), options, providers=["CPUExecutionProvider"])
    if request["optimise"]:
        weights.clear()  # the session has copies
    LOADED["session"] = session
    return {"inputs": [one.name for one in session.get_inputs()]}, {}


def run(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """The outputs named, for one batch; what is no array of numbers comes as nothing."""
    names = request["outputs"]
    found: Arrays = {}
    for name, values in zip(names, LOADED["session"].run(names, arrays), strict=True):
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
            found[name] = values if request.get("exact") else values.astype(np.float32, copy=False)
    return {}, found


def sizes(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Types and shapes of the outputs named, as they come out: for what can't be told without running."""
    names = request["outputs"]
    found = {}
    for name, values in zip(names, LOADED["session"].run(names, arrays), strict=True):
        if isinstance(values, np.ndarray):
            found[name] = [values.itemsize, list(values.shape)]
    return {"sizes": found}, {}
