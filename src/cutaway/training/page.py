"""The viewer beside a training."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import TYPE_CHECKING

from cutaway.errors import CutawayError
from cutaway.training.worker import say

if TYPE_CHECKING:
    from cutaway.server import Viewer


def open_viewer(run: Path) -> Viewer | None:
    """Serves the recording from a thread and opens it in the browser; in a notebook it only tells the address.

    What goes wrong is said and does not matter to the recording.
    """
    from cutaway.server.run import open_page, start

    try:
        viewer = start(run)
    except CutawayError as error:
        say(f"the viewer can't be shown: {error}")
        return None
    print(viewer.url, flush=True)
    if not hasattr(builtins, "get_ipython"):
        open_page(viewer.url)
    return viewer
