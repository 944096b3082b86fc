"""PyTorch: live modules, `.pt2` programs, state dicts (`.pt`, `.pth`, `.ckpt`, `.safetensors`) with their module.

Files are read without torch where no module has to run, and without running anything in them: pickles go through
`cutaway.sources.pickles`, which builds numbers, lists and dicts and calls nothing. What runs is the user's own module.
"""

from __future__ import annotations

from typing import Any

from cutaway.sources import How, Source


def open_module(module: Any, how: How) -> Source:
    """A live `torch.nn.Module` as a source. Raises SourceError when no input fits it."""
    from cutaway.sources.torch_live import ModuleSource

    return ModuleSource(module, how)
