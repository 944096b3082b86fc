"""Shows a recording in the browser: the viewer's page, and the recording's keys with byte ranges.

app.py     the routes, what they answer, and to which host names
files.py   one file over HTTP: Range, ETag, HEAD, gzip
events.py  the stream that tells when the recording changes, one watch for all who listen
looks.py   how a folder, or a recording on another web server, is seen to change
remote.py  the keys of a recording that lies on another web server, handed through
run.py     binding a port, the background thread, Ctrl-C
"""

from __future__ import annotations

from cutaway.server.run import PORT, Viewer, serve, show, start

__all__ = ["PORT", "Viewer", "serve", "show", "start"]
