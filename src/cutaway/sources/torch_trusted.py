"""What only runs when the user trusts the file: whole pickled modules, and TorchScript."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint
from cutaway.sources import How, Source
from cutaway.sources.torch import module_of
from cutaway.sources.torch_live import ModuleSource
from cutaway.sources.torch_weights import Entry, Weights, unwrapped_tensors


def open_trusted(path: Path, how: How) -> Source:
    """`torch.load` with full unpickling, which runs whatever the file names. Raises SourceError."""
    import torch
    from torch import nn

    try:
        if os.getcwd() not in sys.path:  # where the classes that the file names are likely to be
            sys.path.insert(0, os.getcwd())
        content: Any = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # code from the file may raise anything
        raise SourceError(f"{path}: torch.load failed ({first_line(error)})") from None
    if not isinstance(content, nn.Module):
        for name in ("model", "module", "net", "ema"):
            if isinstance(content, dict) and isinstance(content.get(name), nn.Module):
                content = content[name]
                break
    note = "Loaded with --trust: code that the file names was run."
    if isinstance(content, nn.Module):
        source = ModuleSource(content.float(), how, name=path.stem)
        source.notes[note] = None
        return source
    tensors = unwrapped_tensors(content)
    if not tensors:
        raise SourceError(f"{path}: holds a {type(content).__name__}, neither a module nor a state_dict")
    if how.model is None:
        raise SourceError(f"{path}: a state_dict: weights without the graph; add --model package.module:function")
    entries = {
        name: Entry(tuple(tensor.shape), "float32", tensor.detach().cpu().float().numpy)
        for name, tensor in tensors.items()
    }
    weights = Weights(path, "a state_dict", entries, Checkpoint(index=0, label=path.stem))
    source = ModuleSource(module_of(how.model), how, name=path.stem, weights=weights)
    source.notes[note] = None
    return source


def open_script(path: Path, how: How) -> Source:
    """`torch.jit.load`, whose program runs as it is; its inside is told as far as modules tell it."""
    import torch

    try:
        module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:
        raise SourceError(f"{path}: torch.jit.load failed ({first_line(error)})") from None
    source = ModuleSource(module, how, name=path.stem)
    source.notes["Loaded with --trust: a TorchScript program, whose layers are named after their parameters."] = None
    return source


def first_line(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return text if len(text) < 160 else text[:157] + "…"
