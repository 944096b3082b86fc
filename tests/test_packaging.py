"""Wheel and sdist, built from a copy of this tree and opened; the wheel installed into an environment of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
DEMO_LIMIT_BYTES = 6_000_000
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "node_modules", "__pycache__", "dist", "build", ".*_cache", ".hypothesis", "test-results"
)


def build(folder: Path, kind: str, out: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel or an sdist of a source folder with the backend that this environment has."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(out), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | more)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree as it is, with the bundle that `make` has built."""
    assert (ROOT / "src/cutaway/static/index.html").is_file(), "the viewer is not built; run 'make build' first"
    folder = tmp_path_factory.mktemp("packaging") / "clone"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    # What is built from is younger in a fresh checkout; a bundle that `make` calls fresh must not be built again here.
    for path in (folder / "src/cutaway/static").rglob("*"):
        os.utime(path)
    return folder


@pytest.fixture(scope="module")
def sdist(clone: Path) -> Path:
    out = clone.parent / "sdist"
    result = build(clone, "sdist", out)
    assert result.returncode == 0, result.stderr
    (found,) = out.glob("cutaway-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(sdist: Path, bare_path: str) -> Path:
    """Built from the sdist, and without Node: both are how an installer meets it."""
    source = sdist.parent / "unpacked"
    with tarfile.open(sdist) as archive:
        archive.extractall(source, filter="data")
    (folder,) = source.iterdir()
    out = sdist.parent / "wheel"
    result = build(folder, "wheel", out, PATH=bare_path)
    assert result.returncode == 0, result.stderr
    (found,) = out.glob("cutaway-*-py3-none-any.whl")
    return found


@pytest.fixture(scope="module")
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH without Node."""
    return str(tmp_path_factory.mktemp("bin"))


def test_wheel_carries_viewer_and_demo(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.compress_size for item in archive.infolist()}
        (metadata,) = (name for name in sizes if name.endswith(".dist-info/METADATA"))
        about = archive.read(metadata).decode()
        page = archive.read("cutaway/static/index.html").decode()
    assert "<!doctype html>" in page.lower()
    assert {"cutaway/py.typed", "cutaway/cli.py", "cutaway/demo/recording/recording.json"} <= sizes.keys()
    assert any(name.startswith("cutaway/static/assets/") and name.endswith(".js") for name in sizes)
    assert any(name.endswith("/licenses/LICENSE") for name in sizes)
    assert sum(size for name, size in sizes.items() if name.startswith("cutaway/demo/")) <= DEMO_LIMIT_BYTES
    tops = {PurePosixPath(name).parts[0] for name in sizes}
    assert len(tops) == 2, tops
    assert not [name for name in sizes if "__pycache__" in name or "/." in name or "node_modules" in name]
    assert "License-Expression: Apache-2.0" in about
    assert "Requires-Python: >=3.11" in about


def test_sdist_carries_the_sources_and_the_bundle(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "hatch_build.py", "Makefile", "LICENSE", "viewer/package-lock.json"} <= names
    assert {"src/cutaway/static/index.html", "src/cutaway/demo/recording/recording.json"} <= names
    assert {"tests/test_packaging.py", "viewer/src/state.ts"} <= names
    assert not [name for name in names if "node_modules" in name or ".venv" in name or "__pycache__" in name]


def test_without_node_and_bundle_one_line_says_so(clone: Path, bare_path: str, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    shutil.copytree(clone, folder, ignore=shutil.ignore_patterns("static"))
    result = build(folder, "wheel", tmp_path / "out", PATH=bare_path)
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("cutaway: ")]
    assert len(lines) == 1
    assert "is missing" in lines[0]
    assert "install Node 20 or newer" in lines[0]
    assert "Traceback" not in result.stderr


def test_old_bundle_is_noticed(clone: Path, bare_path: str, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    shutil.copytree(clone, folder)
    (folder / "viewer/src/state.ts").touch()
    os.utime(folder / "src/cutaway/static/index.html", (0, 0))
    result = build(folder, "wheel", tmp_path / "out", PATH=bare_path)
    assert result.returncode != 0
    assert "is older than viewer/" in result.stderr


def test_clone_without_bundle_builds_it(clone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    shutil.copytree(clone, folder, ignore=shutil.ignore_patterns("static"))
    # Lent, so that nothing is fetched: `make` has installed what the lock file names.
    shutil.copytree(ROOT / "viewer/node_modules", folder / "viewer/node_modules", symlinks=True, copy_function=os.link)
    result = build(folder, "wheel", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    (found,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(found) as archive:
        names = archive.namelist()
    assert "cutaway/static/index.html" in names
    assert any(name.startswith("cutaway/static/assets/") and name.endswith(".js") for name in names)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_installed_wheel_shows_the_demo(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    install = [str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    # The dependencies are lent by this environment, the package is the wheel's: this tree is not on that path.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(str(Path(pytest.__file__).parents[1]))
    command = [str(home / "bin/cutaway"), "demo", "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url) as page:
            assert b"<title>Cutaway</title>" in page.read()
        with urllib.request.urlopen(url + "recording/recording.json") as index:
            assert b'"cutaway-recording"' in index.read()
    finally:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in stderr


def test_versions_agree() -> None:
    import cutaway

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    assert f"## {cutaway.__version__}" in (ROOT / "CHANGELOG.md").read_text()
