"""In data-parallel training every process holds the same network: one of them records."""

from __future__ import annotations

import json
import os
import sys


def rank() -> int:
    """This process's number among those that train together: PyTorch's or JAX's own, else what its launcher says."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    jax = sys.modules.get("jax")
    if jax is not None and jax.distributed.is_initialized():
        return int(jax.process_index())
    told = os.environ.get("RANK", "")
    return int(told) if told.isdecimal() else tensorflow_rank(os.environ.get("TF_CONFIG", ""))


def tensorflow_rank(config: str) -> int:
    """From TF_CONFIG, which tells a process its task: the chief is 0, or the first worker where there is no chief."""
    try:
        found = json.loads(config)
        task = found["task"]
        return int(task["index"]) + int(task["type"] != "chief" and "chief" in found.get("cluster", {}))
    except (ValueError, TypeError, KeyError):
        return 0
