"""What can go wrong, as one line each: what, where, and what to do.

Everything that Cutaway raises on purpose is a `CutawayError`; the command line prints its text and
exits with 1. A text names the place (file, layer), the value found, and the remedy.
"""

from __future__ import annotations


class CutawayError(Exception):
    """Base of all errors that a user can act on."""


class SourceError(CutawayError):
    """A model, checkpoint or folder can't be read as what it seems to be."""


class RecordingError(CutawayError):
    """A recording can't be read, or can't be written."""


class UnknownLayer(CutawayError, KeyError):
    """A layer id, role, checkpoint or sample that the recording does not hold."""

    def __str__(self) -> str:  # KeyError would show the text in quotes
        return str(self.args[0]) if self.args else ""


class NotRecorded(CutawayError):
    """The network has it, this recording does not (for example activations of a layer left out)."""


class ServerError(CutawayError):
    """The viewer can't be served: no bundle, no free port, no such address."""
