"""Builds the viewer into `src/cutaway/static` before hatch packs a wheel or an sdist.

An sdist carries the bundle, so a wheel is built from it without Node. In a clone the bundle is built
when it is missing or older than its sources; what `make` or `npm run build` just built is kept.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = 20
OUTSIDE_SRC = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")


class ViewerHook(BuildHookInterface):  # type: ignore[type-arg]
    """hatch calls `initialize` once for each target (wheel, editable, sdist)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if (root / "PKG-INFO").is_file() and (root / "src/cutaway/static/index.html").is_file():
            return  # an unpacked sdist
        reason = stale(root)
        if reason is None:
            return
        problem = why_not_buildable(root)
        if problem is None:
            problem = build(root)
        if problem is None:
            return
        text = f"cutaway: the viewer's bundle {reason} and can't be built: {problem}"
        if version == "editable":
            # Someone who works on the Python side only needs no Node; the server says what is missing.
            print(text, file=sys.stderr)
            return
        raise SystemExit(text)


def stale(root: Path) -> str | None:
    """Why the bundle has to be built ("is missing", "is older than …"), or None when it is fresh."""
    index = root / "src/cutaway/static/index.html"
    if not index.is_file():
        return "is missing"
    built = index.stat().st_mtime
    viewer = root / "viewer"
    sources = [viewer / name for name in OUTSIDE_SRC]
    for folder in ("src", "public"):
        sources += [path for path in (viewer / folder).rglob("*") if ".test." not in path.name]
    for path in sources:
        if path.is_file() and path.stat().st_mtime > built:
            return f"is older than {path.relative_to(root)}"
    return None


def why_not_buildable(root: Path) -> str | None:
    """What is missing for a build, with its remedy, in one line; None when nothing is."""
    if not (root / "viewer/package.json").is_file():
        return "there is no viewer/package.json here; start from a clone or from a released sdist"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return f"Node.js is not installed; install Node {OLDEST_NODE} or newer and run this again"
    found = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    number = re.match(r"v(\d+)", found)
    if number is None or int(number[1]) < OLDEST_NODE:
        return f"Node {found or 'of an unknown version'} is too old; install Node {OLDEST_NODE} or newer"
    return None


def build(root: Path) -> str | None:
    """Run `npm ci` (only when the packages are not those of the lock file) and `npm run build`."""
    viewer = root / "viewer"
    npm = shutil.which("npm")
    assert npm is not None
    lock, installed = viewer / "package-lock.json", viewer / "node_modules/.package-lock.json"
    commands = [[npm, "run", "build"]]
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        commands.insert(0, [npm, "ci", "--no-audit", "--no-fund"])
    for command in commands:
        # stdout belongs to the build front end
        if subprocess.run(command, cwd=viewer, stdout=sys.stderr, stdin=subprocess.DEVNULL).returncode:
            return f"`{' '.join(['npm', *command[1:]])}` failed in viewer/; its output stands above"
    return None if stale(root) is None else "`npm run build` wrote no new src/cutaway/static/index.html"
