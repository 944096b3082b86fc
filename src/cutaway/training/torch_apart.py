"""A private copy of a PyTorch module, which shares nothing with the one that trains."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def apart(module: nn.Module, place: torch.device | str = "cpu") -> tuple[nn.Module, list[str]]:
    """(copy of the module on that device in evaluation mode, names of attributes that it has to share).

    Parameters and buffers are copied straight to the device. The user's own hooks stay behind, as they would be called
    for forward passes that the training does not make; those that PyTorch itself computes weights with come along.
    Parts that are compiled become what they were compiled from. An attribute that can't be copied (a lock, a file) is
    shared.
    """
    memo = prepared(module, place)
    shared: list[str] = []
    try:
        made: nn.Module = copy.deepcopy(module, memo)
    except Exception:  # whatever an attribute raises that can't be copied
        made = part_by_part(module, prepared(module, place), shared)
    return made.eval(), shared


def prepared(module: nn.Module, place: torch.device | str) -> dict[int, Any]:
    """What `copy.deepcopy` finds done already: tensors on their new device, hooks sorted out, compiled parts undone."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(moved(parameter, place), requires_grad=parameter.requires_grad)
    for part in module.modules():
        # Tensors beside the registered ones too: results that a layer keeps have a history, and can't be copied else.
        for tensor in [*part._buffers.values(), *vars(part).values()]:
            if isinstance(tensor, Tensor) and id(tensor) not in memo:
                memo[id(tensor)] = moved(tensor, place)
        for name in HOOKS:
            hooks = getattr(part, name, None) or {}
            own = OrderedDict((key, hook) for key, hook in hooks.items() if is_own(hook))
            if len(own) < len(hooks):
                memo[id(hooks)] = copy.deepcopy(own, memo)
    for part in reversed(list(module.modules())):
        inner = getattr(part, "_orig_mod", None)
        if isinstance(inner, nn.Module):
            memo[id(part)] = copy.deepcopy(inner, memo)
    return memo


def moved(tensor: Tensor, place: torch.device | str) -> Tensor:
    return tensor.detach().to(place, copy=True)


def is_own(hook: Any) -> bool:
    """Whether a hook is PyTorch's: weight norm, spectral norm, pruning."""
    return str(getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.")


def part_by_part(module: nn.Module, memo: dict[int, Any], shared: list[str]) -> nn.Module:
    """A copy of a module of which something can't be copied: attribute after attribute, sharing what fails."""
    parts = [(path, part) for path, part in module.named_modules() if id(part) not in memo]
    for _, part in parts:
        memo[id(part)] = object.__new__(type(part))
    for path, part in parts:
        made = memo[id(part)]
        for name, value in vars(part).items():
            if name == "_compiled_call_impl":
                continue
            try:
                made.__dict__[name] = copy.deepcopy(value, memo)
            except Exception:  # whatever it raises
                made.__dict__[name] = value
                shared.append(f"{path}.{name}".lstrip("."))
    copied: nn.Module = memo[id(module)]
    return copied
