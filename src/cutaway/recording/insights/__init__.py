"""What happened in a training, in sentences: rules look at each checkpoint and each row of metrics as they come.

One rule is one function that takes what is known at that moment and returns what it found; `watcher.RULES` is the
table. `Watcher` sees to it that each thing is said once, where it appears, and again only when it got clearly worse.
"""

from cutaway.recording.insights.watcher import Watcher, in_order

__all__ = ["Watcher", "in_order"]
