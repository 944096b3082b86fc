"""Keras's files that lie, loop, reach out or carry code: one line, no code run, little memory, little time."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras_files import FIXTURES, opened

from cutaway.errors import SourceError

SECONDS = 10
BYTES = 1_000_000_000


def refused(path: Path, **how: Any) -> str:
    """The one line that opening, or reading the numbers, ends in; in time."""
    begun = time.monotonic()
    with pytest.raises(SourceError) as raised:
        opened(path, **how).parameters(0)
    assert time.monotonic() - begun < SECONDS
    text = str(raised.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def keras_file(path: Path, config: Any, weights: bytes | None = None, level: int | None = None) -> Path:
    """A `.keras` archive with this configuration (text, or what becomes JSON)."""
    text = config if isinstance(config, str | bytes) else json.dumps(config)
    packed = zipfile.ZIP_STORED if level is None else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", packed, compresslevel=level) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", chain_weights() if weights is None else weights)
    return path


def chain_weights() -> bytes:
    return (FIXTURES / "chain.weights.h5").read_bytes()


def chain_config() -> Any:
    return json.loads((FIXTURES / "chain.json").read_text())


def measured(path: Path) -> tuple[str, int, float]:
    """Opens a file in a process of its own: its only line, peak bytes (0 where Linux does not tell), seconds."""
    code = (
        "import sys, re\n"
        "from pathlib import Path\n"
        "from cutaway.sources import open_source\n"
        "from cutaway.errors import CutawayError\n"
        "try:\n"
        "    open_source(Path(sys.argv[1])).parameters(0); print('opened')\n"
        "except CutawayError as error: print(error)\n"
        "status = Path('/proc/self/status')\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1] if status.exists() else 0)\n"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    *lines, peak = done.stdout.strip().split("\n")
    assert len(lines) == 1, lines
    return lines[0], int(peak) * 1024, seconds


# --- code ------------------------------------------------------------------------------------------------------------


def with_layer(layer: dict[str, Any]) -> Any:
    document = chain_config()
    document["config"]["layers"].insert(2, layer)
    return document


CODE: dict[str, tuple[dict[str, Any], str]] = {
    "lambda": (
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "registered_name": None,
            "config": {"name": "trick", "function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}},
        },
        r"layer 'trick' is a Lambda, Python code",
    ),
    "foreign module": (
        {"module": "os", "class_name": "system", "config": {"name": "trick", "command": "touch owned"}},
        r"'system' of the module 'os'",
    ),
    "registered": (
        {"module": None, "class_name": "Mine", "registered_name": "evil>Mine", "config": {"name": "trick"}},
        r"'evil>Mine'",
    ),
    "inside a layer": (
        {
            "module": "keras.layers",
            "class_name": "Activation",
            "config": {
                "name": "trick",
                "activation": {"module": "builtins", "class_name": "eval", "config": "__import__('os').system('x')"},
            },
        },
        r"'eval' of Python",
    ),
    "inside an initialiser": (
        {
            "module": "keras.layers",
            "class_name": "ReLU",
            "config": {"name": "trick", "more": [{"module": "subprocess", "class_name": "Popen", "config": {}}]},
        },
        r"'Popen' of the module 'subprocess'",
    ),
}


@pytest.mark.parametrize("name", CODE)
def test_code_in_a_configuration_is_refused_with_what_and_why(tmp_path: Path, name: str) -> None:
    layer, wanted = CODE[name]
    text = refused(keras_file(tmp_path / "net.keras", with_layer(layer)))
    assert re.search(wanted, text)
    assert "which is not run" in text
    assert "--trust" in text
    assert not (tmp_path / "owned").exists()


def test_what_a_model_was_trained_with_is_not_even_read(tmp_path: Path) -> None:
    document = chain_config()
    document["compile_config"] = {"loss": {"module": "my.losses", "class_name": "Own", "config": {}}}
    assert opened(keras_file(tmp_path / "net.keras", document)).network.layers


def test_trust_lets_keras_run_it(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="a trusted file is loaded by Keras, which is not installed")
    from keras_models import L, chain

    model = chain(
        (4, 3, 2), L.Conv2D(3, 2, name="conv"), L.Lambda(lambda x: 3 * x, name="triple", output_shape=(3, 2, 3))
    )
    path = tmp_path / "net.keras"
    model.save(path)
    assert "'triple' is a Lambda" in refused(path)
    assert opened(path, trust=True).network.layer("triple").op == "keras.layers.Lambda"


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    zeros = keras_file(tmp_path / "weights.keras", chain_config(), bytes(300_000_000), level=9)
    spaces = keras_file(tmp_path / "config.keras", "{" + " " * 300_000_000 + "}", level=9)
    assert max(zeros.stat().st_size, spaces.stat().st_size) < 500_000
    for path, word in ((zeros, "model.weights.h5"), (spaces, "config.json")):
        text, peak, seconds = measured(path)
        assert word in text
        assert "300 MB" in text
        assert peak < BYTES
        assert seconds < SECONDS


def test_a_configuration_of_nothing_but_brackets_is_refused(tmp_path: Path) -> None:
    many = "[" + ",".join(["{}"] * 5_000_000) + "]"
    texts: tuple[str, ...] = (
        many,
        '{"a":' * 200_000,
        "[" * 200_000,
        '{"config": ' + "[" * 100_000 + "]" * 100_000 + "}",
    )
    for text in texts:
        refused(keras_file(tmp_path / "net.keras", text))


def test_a_graph_of_a_million_layers_is_refused(tmp_path: Path) -> None:
    layer = '{"class_name":"ReLU","config":{"name":"a"}}'
    text = '{"class_name":"Sequential","config":{"layers":[' + ",".join([layer] * 1_000_000) + "]}}"
    line, peak, seconds = measured(keras_file(tmp_path / "net.keras", text, level=1))
    assert "no model has as much" in line
    assert peak < BYTES
    assert seconds < SECONDS


def test_models_in_models_that_double_at_every_level_are_refused(tmp_path: Path) -> None:
    def level(depth: int) -> dict[str, Any]:
        inner: dict[str, Any] = (
            {"class_name": "ReLU", "config": {"name": "unit"}, "name": "unit"}
            if not depth
            else {"class_name": "Functional", "config": level(depth - 1), "name": "unit"}
        )
        inner["inbound_nodes"] = [[["in", 0, 0, {}]], [["unit", 1 if depth else 0, 0, {}]]]
        start = {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 4]}, "name": "in"}
        layers: list[Any] = [{**start, "inbound_nodes": []}, inner]
        outputs: list[Any] = [["unit", 2 if depth else 1, 0]]
        return {"name": f"m{depth}", "layers": layers, "input_layers": [["in", 0, 0]], "output_layers": outputs}

    path = keras_file(tmp_path / "net.keras", {"class_name": "Functional", "config": level(30)})
    assert "calls of layers" in refused(path)
    deep = keras_file(tmp_path / "deep.keras", {"class_name": "Functional", "config": level(60)})
    assert "deep" in refused(deep)


def test_a_graph_that_goes_in_a_circle_is_refused(tmp_path: Path) -> None:
    def relu(name: str, reads: str) -> dict[str, Any]:
        return {"class_name": "ReLU", "config": {"name": name}, "name": name, "inbound_nodes": [[[reads, 0, 0, {}]]]}

    start = {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 4]}, "name": "in"}
    layers = [{**start, "inbound_nodes": []}, relu("a", "c"), relu("b", "a"), relu("c", "b")]
    config = {"name": "m", "layers": layers, "input_layers": [["in", 0, 0]], "output_layers": [["c", 0, 0]]}
    text = refused(keras_file(tmp_path / "net.keras", {"class_name": "Functional", "config": config}))
    assert "loop" in text
    assert "'a', 'b', 'c'" in text


@pytest.mark.parametrize(
    "layer",
    [
        {"class_name": "UpSampling2D", "config": {"name": "huge", "size": [90_000, 90_000]}},
        {"class_name": "ZeroPadding2D", "config": {"name": "huge", "padding": [900_000, 900_000]}},
    ],
)
def test_layers_that_make_giants_are_refused(tmp_path: Path, layer: dict[str, Any]) -> None:
    assert "'huge'" in refused(keras_file(tmp_path / "net.keras", with_layer({**layer, "module": "keras.layers"})))


def test_an_input_of_absurd_size_is_refused(tmp_path: Path) -> None:
    document = chain_config()
    document["config"]["layers"][0]["config"]["batch_shape"] = [None, 1_000_000, 1_000_000, 2]
    assert "2,000,000,000,000 numbers" in refused(keras_file(tmp_path / "net.keras", document))


# --- HDF5 ------------------------------------------------------------------------------------------------------------

Change = Callable[[Any, Any, Path], None]


def far(h5py: Any, file: Any, folder: Path) -> None:
    file["layers/dense/far"] = h5py.ExternalLink(str(folder / "secret.h5"), "/x")


def soft(h5py: Any, file: Any, folder: Path) -> None:
    file["layers/soft"] = h5py.SoftLink("/layers/soft")


def external(h5py: Any, file: Any, folder: Path) -> None:
    (folder / "secret.bin").write_bytes(b"\1" * 64)
    file.create_dataset("layers/dense/vars/9", (16,), "f4", external=[(str(folder / "secret.bin"), 0, 64)])


def virtual(h5py: Any, file: Any, folder: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", (4,))
    file.create_virtual_dataset("layers/dense/vars/9", layout)


def declared(h5py: Any, file: Any, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/9", (65_536, 65_536), "f4", chunks=(1024, 1024), compression="gzip")


def never_written(h5py: Any, file: Any, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/9", (65_536, 65_536), "f4")


def bomb(h5py: Any, file: Any, folder: Path) -> None:
    values = np.zeros((8192, 8192), "f4")
    file.create_dataset("layers/dense/vars/9", data=values, chunks=(1024, 1024), compression="gzip")


def in_itself(h5py: Any, file: Any, folder: Path) -> None:
    file["layers/dense/again"] = file["layers"]


def deep(h5py: Any, file: Any, folder: Path) -> None:
    file.create_group("/".join(["g"] * 500))


def many(h5py: Any, file: Any, folder: Path) -> None:
    first = file.create_dataset("layers/x", data=np.ones(1_000_000, "f4"))
    for number in range(1_000):
        file[f"layers/y{number}"] = first


def own_filter(h5py: Any, file: Any, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/9", data=np.ones((64, 64), "f4"), chunks=(64, 64), compression="lzf")


def far_among_many(h5py: Any, file: Any, folder: Path) -> None:
    file["layers/far"] = h5py.ExternalLink(str(folder / "secret.h5"), "/x")


HDF5: dict[str, tuple[Change, str]] = {
    "external link": (far, "is a link"),
    "external link among many": (far_among_many, "links out of the file"),
    "soft link to itself": (soft, "is a link"),
    "external storage": (external, "lies in another file"),
    "virtual dataset": (virtual, "put together from other files"),
    "17 GB in chunks that are not there": (declared, r"says 17\.2 GB and holds 0"),
    "17 GB never written": (never_written, r"says 17\.2 GB and holds 0"),
    "zeros, packed": (bomb, "says 268 MB and holds"),
    "a group in itself": (in_itself, "inside itself"),
    "groups 500 deep": (deep, "deep"),
    "one dataset under a thousand names": (many, "under many names"),
    "a filter from the disk": (own_filter, "filter"),
}


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", HDF5)
def test_hdf5_that_reaches_out_or_lies_is_refused(tmp_path: Path, name: str, ending: str) -> None:
    h5py = pytest.importorskip("h5py", reason="the test makes the hostile file with h5py")
    change, wanted = HDF5[name]
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["x"] = np.ones(4, "f4")
    held = io.BytesIO(chain_weights())
    with h5py.File(held, "r+") as file:
        change(h5py, file, tmp_path)
    path = tmp_path / f"net{ending}"
    if ending == ".keras":
        keras_file(path, chain_config(), held.getvalue())
    else:
        with h5py.File(held, "r+") as file:
            file.attrs["model_config"] = json.dumps(chain_config())
        path.write_bytes(held.getvalue())
    assert re.search(wanted, refused(path))
    text, peak, seconds = measured(path)
    assert str(path) in text
    assert peak < BYTES
    assert seconds < SECONDS


def test_numbers_beyond_what_is_allowed_are_refused() -> None:
    assert "--max-bytes" in refused(FIXTURES / "chain.keras", max_bytes=1000)


# --- damage ----------------------------------------------------------------------------------------------------------

FILES = ("chain.keras", "chain.h5", "chain.weights.h5", "chain.json")


def survives(path: Path) -> None:
    """Opens, or is refused in one line; in time."""
    begun = time.monotonic()
    text = ""
    try:
        opened(path, weights=FIXTURES / "chain.weights.h5" if path.suffix == ".json" else None).parameters(0)
    except SourceError as error:
        text = str(error)
    assert "\n" not in text
    assert time.monotonic() - begun < SECONDS


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_survived(tmp_path: Path, name: str) -> None:
    data = (FIXTURES / name).read_bytes()
    path = tmp_path / name
    step = max(1, len(data) // 400)
    for length in [*range(0, len(data), step), *range(max(0, len(data) - 40), len(data))]:
        path.write_bytes(data[:length])
        with pytest.raises(SourceError):
            opened(path, weights=FIXTURES / "chain.weights.h5" if name.endswith(".json") else None)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_are_survived(tmp_path: Path, name: str, data: st.DataObject) -> None:
    whole = bytearray((FIXTURES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(whole) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=9))
        whole[at : at + len(piece)] = piece
    path = tmp_path / name
    path.write_bytes(whole)
    survives(path)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(max_size=3000))
def test_random_bytes_behind_a_magic_are_survived(tmp_path: Path, name: str, tail: bytes) -> None:
    path = tmp_path / name
    path.write_bytes((FIXTURES / name).read_bytes()[:8] + tail)
    survives(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_configurations_that_no_keras_writes_are_survived(tmp_path: Path, data: st.DataObject) -> None:
    """Any value anywhere in a sound configuration replaced by any other."""
    with zipfile.ZipFile(FIXTURES / "graph.keras") as archive:
        document = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [document]
    while waiting:
        part = waiting.pop()
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            places.append((part, key))
            if isinstance(part[key], dict | list):
                waiting.append(part[key])
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = places[data.draw(st.integers(0, len(places) - 1))]
        if isinstance(holder, dict) or key < len(holder):
            holder[key] = data.draw(values)
    path = tmp_path / "net.keras"
    keras_file(path, document, weights)
    survives(path)


def test_an_archive_that_is_no_model_says_so(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not a Keras model" in refused(path)
    path.write_bytes(os.urandom(100))
    assert "neither a .keras archive nor HDF5" in refused(path)
