"""Watches a live module compute: which operations ran, in which module, on which tensors, and what came out.

A `TorchFunctionMode` sees every operation that Python code calls (also those of `torch.nn.functional`), hooks before
and behind every module tell where in the module tree it happened. Nothing is replaced: what is recorded is what the
framework computed.
"""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from cutaway.sources.torch_ops import ALIASES, argument_names, plain_name
from cutaway.sources.torch_program import Call, Program, Ref, Value

TORCH_FOLDER = str(Path(torch.__file__).parent)

DECIDES = {"item", "bool", "int", "float", "index", "tolist", "nonzero", "equal", "allclose", "contains"}
"""What turns tensors into Python's numbers: code may take another path for another sample."""

LEAVES = {"numpy", "array", "__array__", "dlpack"}
"""What takes numbers out of PyTorch."""

RESHAPING = {"expand", "expand_as", "view", "reshape", "unsqueeze", "squeeze", "contiguous", "clone", "to", "detach"}
"""What leaves a parameter the same parameter, when it keeps its count of numbers."""

MASKED = {"getitem", "masked_select", "nonzero", "unique", "where"}

IN_PLACE = {"__setitem__"} | {
    f"__i{name}__"
    for name in (
        "add",
        "sub",
        "mul",
        "div",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
    )
}

VARIADIC = {"permute"}
"""Methods that take a list or as many arguments."""


class Watch(TorchFunctionMode):
    """One forward pass. `program` is what ran; `kept` are the tensors of `wanted` values, unchanged by what follows.

    Value numbers are given in order of appearance, so that two passes along the same path number alike.
    """

    def __init__(self, model: nn.Module, wanted: Container[int] = frozenset(), *, details: bool = True) -> None:
        super().__init__()
        self.model = model
        self.wanted = wanted
        self.details = details
        self.program = Program()
        self.kept: dict[int, tuple[Tensor, int]] = {}
        self.path: list[tuple[Any, ...]] = []
        """What ran, as short as can be compared with another pass."""
        self.decides = False
        self.leaves = False
        self.token = object()
        self.late = 0
        self.data: set[int] = set()
        self.constants: dict[int, tuple[Tensor, int]] = {}
        # Held, as compiled modules make their parameters' Python objects anew, and an id is free again without them.
        self.owned = [*model.named_parameters(), *model.named_buffers()]
        self.names = {id(tensor): (name, tensor.requires_grad) for name, tensor in self.owned}
        self.parts = dict(model.named_modules())
        self.places = {id(module): path for path, module in self.parts.items() if path}
        self.stack: list[tuple[str, nn.Module, int]] = [("", model, 0)]
        self.turns: Counter[str] = Counter()

    # --- values ------------------------------------------------------------------------------------------------------

    def number(self, tensor: Tensor, value: Value, data: bool = True) -> int:
        """A new value, which this tensor now holds."""
        position = self.program.add(value)
        tensor._cutaway = (self.token, position)  # type: ignore[attr-defined]
        if data:
            self.data.add(position)
        if position in self.wanted:
            self.kept[position] = (tensor, tensor._version + self.late)
        return position

    def input(self, name: str, tensor: Tensor) -> None:
        value = Value(tuple(tensor.shape), kind_of(tensor), "input", name)
        self.program.inputs.append(self.number(tensor, value))

    def value_of(self, tensor: Tensor) -> int:
        """The value that a tensor holds; one that was never seen is a parameter, a buffer or a constant."""
        tag = getattr(tensor, "_cutaway", None)
        if tag is not None and tag[0] is self.token:
            return int(tag[1])
        known = self.constants.get(id(tensor))
        if known is not None:
            return known[1]
        name, trainable = self.names.get(id(tensor), ("", False))
        shape = tuple(tensor.shape)
        if name:
            value = Value(shape, kind_of(tensor), "parameter", name, trainable, tensor)
        else:
            value = Value(shape, kind_of(tensor), "constant", data=tensor)
        position = self.program.add(value)
        self.constants[id(tensor)] = (tensor, position)  # holding it keeps its id from being used again
        if position in self.wanted:
            self.kept[position] = (tensor, tensor._version)
        return position

    # --- operations --------------------------------------------------------------------------------------------------

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = raw_name(func)
        changes = may_change(name, args, kwargs)
        if changes:
            self.rescue(tensors_in((args[:1], kwargs.get("out"))))
        result = func(*args, **kwargs)
        hands_on = not changes and plain_name(name) not in ALIASES and isinstance(result, Tensor)
        if hands_on and any(result is tensor for tensor in tensors_in((args, kwargs))):
            # Dropout that only runs hands back the very tensor: told apart, so that who reads which is known.
            result = torch.ops.aten.alias(result)
        outputs = [args[0]] if name == "__setitem__" else list(tensors_in(result))
        if outputs:
            self.operation(plain_name(name), args, kwargs, outputs, changes)
        elif (plain_name(name) in DECIDES or name in LEAVES) and self.data.intersection(
            map(self.value_of, tensors_in(args))
        ):
            self.decides |= name not in LEAVES
            self.leaves |= name in LEAVES
        return result

    def operation(
        self, op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], outputs: list[Tensor], changes: bool = False
    ) -> None:
        """A call is noted: what it read, then what it put out."""
        read = [self.value_of(tensor) for tensor in tensors_in((args, kwargs))]
        if not self.data.intersection(read):
            self.constant(op, read, outputs)
            return
        if op in MASKED and any(tensor.dtype == torch.bool for tensor in tensors_in(args[1:])):
            self.decides = True  # how many values come out depends on what they are
        path, module, turn = self.stack[-1]
        self.path.append((op, path, turn, *read))
        arguments = self.arguments(op, args, kwargs) if self.details else {}
        made = tuple(self.made(tensor) for tensor in outputs)
        if self.details:
            leaf = is_leaf(module)
            label = label_of(module) if leaf and path else f"torch.{op}"
            self.program.calls.append(Call(op, label, arguments, made, path, leaf, turn, user_line()))
        whole = outputs[0]._base if changes else None
        if whole is not None and any(outputs[0] is tensor for tensor in tensors_in((args, kwargs))):
            self.write_through(whole, made[0], path)

    def made(self, tensor: Tensor) -> int:
        return self.number(tensor, Value(tuple(tensor.shape), kind_of(tensor), "call"))

    def without_outputs(self) -> Watch:
        """The same pass without the tensors that were kept."""
        again = copy.copy(self)
        again.kept = {}
        return again

    def write_through(self, whole: Tensor, part: int, path: str) -> None:
        """What was changed is a part of another tensor, which holds another value now, too."""
        tag = getattr(whole, "_cutaway", None)
        if tag is None or tag[0] is not self.token:
            return
        arguments = {"input": Ref(tag[1]), "value": Ref(part)}
        self.program.calls.append(Call("write", "torch.Tensor.__setitem__", arguments, (self.made(whole),), path))

    def constant(self, op: str, read: list[int], outputs: list[Tensor]) -> None:
        """Computed from nothing but parameters and constants: the same for every sample, so no layer."""
        source = self.program.values[read[0]] if len(read) == 1 and op in RESHAPING else None
        for tensor in outputs:
            if id(tensor) in self.names or id(tensor) in self.constants:
                continue
            shape, kind = tuple(tensor.shape), kind_of(tensor)
            if source is not None and source.origin == "parameter" and tensor.numel() == source.data.numel():
                value = Value(shape, kind, "parameter", source.name, source.trainable, source.data)
            else:
                names = [self.program.values[one].name for one in read if self.program.values[one].name]
                value = Value(shape, kind, "constant", "+".join(names), data=tensor)
            self.number(tensor, value, data=False)

    def arguments(self, op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """By name, tensors as Refs."""
        names = argument_names(op)
        if op in VARIADIC and len(args) > 2:
            args = (args[0], list(args[1:]))
        found: dict[str, Any] = {}
        for position, argument in enumerate(args):
            name = names[position] if position < len(names) else str(position)
            found[name] = self.plain(argument)
        for name, argument in kwargs.items():
            found["input" if name == "self" else name] = self.plain(argument)
        return found

    def plain(self, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            return Ref(self.value_of(argument))
        if isinstance(argument, list | tuple):
            return [self.plain(one) for one in argument]
        if argument is None or argument is Ellipsis or isinstance(argument, bool | int | float | str | slice):
            return argument
        return str(argument)

    def rescue(self, targets: Iterator[Tensor]) -> None:
        """Copies the kept tensors whose memory is about to be changed."""
        for target in targets:
            if not self.kept:
                return
            place = target.untyped_storage().data_ptr()
            for position, (tensor, version) in self.kept.items():
                if tensor.untyped_storage().data_ptr() == place and tensor._version == version:
                    copy = tensor.clone()
                    self.kept[position] = (copy, copy._version)

    def within(self, path: str, op: str) -> None:
        """Until the stack is popped, operations belong to that module; for code that calls no hooks."""
        module = self.parts.get(path, self.model)
        self.stack.append((path, module, self.turns[f"{path}/{op}"] if path else 0))
        self.turns[f"{path}/{op}"] += 1

    def tensor_at(self, number: int | None) -> Tensor | None:
        """The parameter whose Python object has that id."""
        return next((tensor for _, tensor in self.owned if id(tensor) == number), None)

    # --- modules -----------------------------------------------------------------------------------------------------

    def enter(self, module: nn.Module, args: Any) -> None:
        path = self.places.get(id(module))
        if path is not None:
            self.stack.append((path, module, self.turns[path]))
            self.turns[path] += 1

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        path = self.places.get(id(module))
        if path is not None:
            while len(self.stack) > 1 and self.stack.pop()[0] != path:
                pass  # modules that failed on the way, and whose failure the model caught
            self.unseen(path, module, args, output)

    def unseen(self, path: str, module: nn.Module, args: Any, output: Any) -> None:
        """A module whose inside can't be seen (compiled code) is one operation."""
        read = [tensor for tensor in tensors_in(args) if self.value_of(tensor) in self.data]
        new = [tensor for tensor in tensors_in(output) if self.is_new(tensor)]
        if not read or not new:
            return
        self.stack.append((path, module, self.turns[path] - 1))
        self.operation(type(module).__name__, tuple(read), {}, new)
        self.stack.pop()

    def is_new(self, tensor: Tensor) -> bool:
        tag = getattr(tensor, "_cutaway", None)
        known = tag is not None and tag[0] is self.token
        return not known and id(tensor) not in self.names and id(tensor) not in self.constants


def raw_name(func: Callable[..., Any]) -> str:
    """`__get__` of `Tensor.T` is "T"."""
    name: str = getattr(func, "__name__", type(func).__name__)
    if name in ("__get__", "__set__"):
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return name


def may_change(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a function may write into its first argument; a copy too many does no harm."""
    if name.startswith("__"):
        return name in IN_PLACE
    if name.endswith("_") or "out" in kwargs or kwargs.get("inplace") is True:
        return True
    return any(argument is True for argument in args[1:])


def tensors_in(thing: Any, depth: int = 0) -> Iterator[Tensor]:
    """Tensors in nested lists, mappings and data classes."""
    if isinstance(thing, Tensor):
        yield thing
    elif depth > 8 or thing is None or isinstance(thing, str | int | float | torch.Size):
        return
    elif isinstance(thing, Mapping):
        for one in thing.values():
            yield from tensors_in(one, depth + 1)
    elif isinstance(thing, list | tuple):
        for one in thing:
            yield from tensors_in(one, depth + 1)
    elif hasattr(thing, "__dataclass_fields__"):
        for field in thing.__dataclass_fields__:
            yield from tensors_in(getattr(thing, field, None), depth + 1)


def kind_of(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one layer: it has no parts, or parts that only make its weights."""
    parts = (name for name, _ in module.named_children() if name != "parametrizations")
    return isinstance(module, nn.MultiheadAttention) or next(parts, None) is None


def label_of(module: nn.Module) -> str:
    kind = type(module)
    if kind.__module__ == "torch.nn.utils.parametrize" and kind.__bases__:
        kind = kind.__bases__[0]
    if kind.__module__.startswith("torch.nn.modules"):
        return f"torch.nn.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def user_line() -> str | None:
    """Where the model's own code called: "model.py:41"; None where all code between is the framework's."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not forward.__code__:
        name = frame.f_code.co_filename
        if not name.startswith((TORCH_FOLDER, "<")) and name != __file__:
            return f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return None


@contextmanager
def watching(watch: Watch, *, apart: bool = False) -> Iterator[None]:
    """The watch sees everything; behind the block the module is as it was: mode, hooks, buffers, random numbers.

    apart: nothing is touched that other threads see, neither random numbers nor what holds for all modules. That
    takes a module which draws no random numbers, and of which no part is compiled.
    """
    model = watch.model
    modules = list(model.modules())
    training = [module.training for module in modules]
    buffers = [(buffer, buffer._version, buffer.detach().clone()) for buffer in model.buffers()]
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with ExitStack() as stack:
        if not apart:
            stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(torch.no_grad())
        try:
            model.eval()
            if apart:
                for module in modules:
                    stack.callback(module.register_forward_pre_hook(watch.enter).remove)
                    stack.callback(module.register_forward_hook(watch.leave, always_call=True).remove)
            else:  # hooks for all modules, as compiled ones refuse their own; the watch knows which are the model's
                stack.callback(register_module_forward_pre_hook(watch.enter).remove)
                stack.callback(register_module_forward_hook(watch.leave, always_call=True).remove)
            with seen_by(watch):
                yield
        finally:
            for module, mode in zip(modules, training, strict=True):
                module.training = mode
            for buffer, version, content in buffers:
                if buffer._version != version:
                    buffer.copy_(content)


def seen_by(watch: Watch) -> AbstractContextManager[Any]:
    """What shows the watch every operation: Python's own calls, or, for compiled programs, the dispatcher's."""
    if isinstance(watch.model, torch.jit.ScriptModule):
        from cutaway.sources.torch_script import Dispatch

        return Dispatch(watch)
    return watch


def forward(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    wanted: Container[int] = frozenset(),
    *,
    details: bool = True,
    apart: bool = False,
) -> Watch:
    """One forward pass in evaluation mode over the inputs by name. What the model raises goes through."""
    watch = Watch(model, wanted, details=details)
    with watching(watch, apart=apart):
        for name, tensor in inputs.items():
            watch.input(name, tensor)
        result = model(*inputs.values())
    watch.program.outputs = [watch.value_of(tensor) for tensor in tensors_in(result)]
    return watch
