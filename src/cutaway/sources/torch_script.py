"""TorchScript modules, which the user trusts: what runs is seen below Python, operation by operation.

No module hooks reach into a compiled program, so a layer is named after the parameters that it uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.sources.torch_trace import Watch, tensors_in

NORMS = {"native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"}

RENAMED = {
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_reshape_alias": "view",
    **dict.fromkeys(NORMS, "batch_norm"),
}

FIRST = {"batch_norm", "layer_norm", "group_norm"}
"""Operations whose further outputs are of use to nobody who only runs the model."""


class Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hands every operation of the dispatcher to a watch."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watch = watch
        self.turned: dict[int, int] = {}
        """Value of a transposed weight -> value of the weight itself: `addmm` takes a dense kernel that way."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        schema = func._schema
        given = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | (kwargs or {})
        if schema.is_mutable:
            self.watch.rescue(tensors_in(args[:1]))
        result = func(*args, **(kwargs or {}))
        outputs = list(tensors_in(result))
        if not outputs:
            self.watch.decides |= schema.name in ("aten::_local_scalar_dense", "aten::equal")
            return result
        op = schema.name.partition("::")[2].rstrip("_")
        if op == "t" and args[0].ndim == 2:
            self.turned[id(outputs[0])] = id(args[0])
        op, given = self.plainer(RENAMED.get(op, op), given)
        self.watch.within(self.owner(given), op)
        self.watch.late = int(schema.is_mutable)  # the dispatcher counts a change when this function has returned
        self.watch.operation(op, (), given, outputs[:1] if op in FIRST else outputs, schema.is_mutable)
        self.watch.late = 0
        self.watch.stack.pop()
        return result

    def plainer(self, op: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """In the words of `torch.nn.functional`."""
        named = dict(given)
        if op in ("convolution", "_convolution"):
            rank = named["weight"].ndim - 2
            op = f"conv_transpose{rank}d" if named.pop("transposed") else f"conv{rank}d"
        elif op in ("addmm", "mm"):
            weight = named.get("mat2")
            kernel = self.watch.tensor_at(self.turned.get(id(weight)))
            if kernel is not None:
                return "linear", {"input": named.get("mat1", named.get("self")), "weight": kernel,
                                  "bias": named.get("self") if op == "addmm" else None}  # fmt: skip
        elif op == "group_norm":
            named["num_groups"] = named.pop("group", 1)
        return op, named

    def owner(self, given: Mapping[str, Any]) -> str:
        """The module whose parameters an operation uses; "" where it uses none."""
        for argument in given.values():
            name = self.watch.names.get(id(argument), ("", False))[0]
            if name:
                return name.rpartition(".")[0]
        return ""
