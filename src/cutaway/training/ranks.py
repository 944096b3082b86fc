"""In data-parallel training every process holds the same network: one of them records."""

from __future__ import annotations

import os
import sys


def rank() -> int:
    """This process's number among those that train together: PyTorch's own, else the launcher's RANK, else 0."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    told = os.environ.get("RANK", "")
    return int(told) if told.isdecimal() else 0
