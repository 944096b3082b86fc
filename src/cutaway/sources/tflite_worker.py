"""The process that LiteRT lives in: a model that makes it crash ends this process and no other."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from cutaway.sources.onnx_apart import Arrays, limit_memory, serve


def main() -> None:
    serve({"load": load, "run": run}, "ai_edge_litert.interpreter")


LOADED: dict[str, Any] = {}


def load(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """An interpreter that keeps every tensor, without a delegate, whose inner tensors nobody could see."""
    LOADED.clear()
    module: Any = import_module("ai_edge_litert.interpreter")
    limit_memory(int(request["memory"]))
    interpreter = module.Interpreter(
        model_path=request["path"],
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    for index, shape in request["inputs"]:
        interpreter.resize_tensor_input(index, shape)
    interpreter.allocate_tensors()
    LOADED["interpreter"] = interpreter
    return {}, {}


def run(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """The tensors named, for one batch, as they are; with "sizes" only their shapes."""
    interpreter = LOADED["interpreter"]
    for name, values in arrays.items():
        interpreter.set_tensor(int(name), values)
    interpreter.invoke()
    found: Arrays = {}
    for index in request["outputs"]:
        try:
            values = np.asarray(interpreter.get_tensor(index))
        except ValueError:  # a tensor without data: of an optional output, or a resource
            continue
        if values.dtype.kind in "fiub":
            found[str(index)] = values
    if request.get("sizes"):
        return {"sizes": {name: list(values.shape) for name, values in found.items()}}, {}
    return {}, found
