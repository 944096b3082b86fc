"""PyTorch: live modules, `.pt2` programs, state dicts (`.pt`, `.pth`, `.ckpt`, `.safetensors`) with their module.

Files are read without torch where no module has to run, and without running anything in them: pickles go through
`cutaway.sources.pickles`, which builds numbers, lists and dicts and calls nothing. What runs is the user's own module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cutaway.errors import SourceError
from cutaway.sources import How, Source


def open_module(module: Any, how: How) -> Source:
    """A live `torch.nn.Module` as a source; with `how.weights` those are put into it. Raises SourceError."""
    from cutaway.sources.torch_live import ModuleSource
    from cutaway.sources.torch_weights import read_weights

    weights = read_weights(how.weights, how) if how.weights is not None else None
    return ModuleSource(module, how, weights=weights)


def open_torch(path: Path, how: How) -> Source:
    """A file of PyTorch's, by its content. Raises SourceError, one line, saying what it is and what would work."""
    from cutaway.sources.torch_weights import read_weights
    from cutaway.sources.torch_zip import Archive

    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        archive = Archive(path)
        if archive.holds("serialized_exported_program.json") or archive.holds("models/", ".json"):
            from cutaway.sources.torch_export import open_pt2

            return open_pt2(path, how)
        if "constants.pkl" in archive:
            return torchscript(path, how)
    try:
        weights = read_weights(path, how)
    except SourceError:
        if not how.trust:
            raise
        from cutaway.sources.torch_trusted import open_trusted

        return open_trusted(path, how)
    if how.model is None:
        raise SourceError(
            f"{path}: {weights}; weights without the graph. Name the function that builds the model: "
            f"cutaway record {path} --model package.module:function --out RUN"
        )
    from cutaway.sources.torch_live import ModuleSource

    return ModuleSource(module_of(how.model), how, name=path.stem, weights=weights)


def module_of(model: Any) -> Any:
    """The module that the user's function builds. Raises SourceError for anything else than a module."""
    from torch import nn

    from cutaway.sources.builder import built

    module = built(model)
    if not isinstance(module, nn.Module):
        raise SourceError(f"--model {model}: builds a {type(module).__name__}, not a torch.nn.Module")
    return module


def torchscript(path: Path, how: How) -> Source:
    """TorchScript is a program in the file: only with trust."""
    if not how.trust:
        raise SourceError(
            f"{path}: a TorchScript module: a program, which opening it would load; refused. Export the model with "
            "torch.export to a .pt2, or, if you trust the file, --trust loads and runs it"
        )
    from cutaway.sources.torch_trusted import open_script

    return open_script(path, how)
