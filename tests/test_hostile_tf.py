"""TensorFlow files that were made to do harm, or that a disk has damaged: one line, quickly, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tf_files import (
    FLOAT,
    HEADER,
    blob,
    constant,
    entry,
    integers,
    meta,
    node,
    number,
    placeholder,
    prepared,
    real,
    shape,
    table,
    unpacked,
    variable,
    varint,
    write_checkpoint,
)

from cutaway.errors import CutawayError, SourceError
from cutaway.sources import How
from cutaway.sources.tensorflow import TensorFlow, open_tensorflow

OPEN = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from cutaway.errors import CutawayError
from cutaway.samples import Prepared
from cutaway.sources import How
from cutaway.sources.tensorflow import open_tensorflow

text = ""
try:
    source = open_tensorflow(Path(sys.argv[1]), How())
    inputs = {one.name: np.ones((1, *one.shape), np.float32) for one in source.inputs}
    source.parameters(0)
    source.activations(0, Prepared(np.zeros((1, 4, 4, 3), np.uint8), ["a"], inputs=inputs))
except CutawayError as error:
    text = str(error)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
status = Path("/proc/self/status")
if status.exists():  # getrusage begins with the peak of the process that started this one
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
print(json.dumps({"text": text, "megabytes": peak, "seconds": time.process_time()}))
"""


def refused(path: Path, opens: bool = False) -> str:
    """What opening and running the file says, in a process whose memory and computing time are measured."""
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert bool(told["text"]) != opens, told["text"] or "it was opened"
    assert "\n" not in told["text"]
    assert len(told["text"]) < 700
    assert told["megabytes"] < 1000
    assert told["seconds"] < 10
    return str(told["text"])


KERNEL = np.ones((2, 2, 3, 4), np.float32)
STRIDES = blob(1, b"".join(number(3, one) for one in (1, 1, 1, 1)))
INPUT = placeholder("x", -1, 4, 4, 3) + variable("w")


def conv(name: str, source: str, kernel: str = "w") -> bytes:
    return node(name, "Conv2D", [source, kernel], strides=STRIDES, padding=blob(2, "SAME"), T=FLOAT)


def written(folder: Path, *nodes: bytes, library: bytes = b"") -> Path:
    return write_checkpoint(folder / "m", meta(INPUT, *nodes, library=library), {"w": KERNEL})


def test_a_graph_that_runs_in_a_circle(tmp_path: Path) -> None:
    index = written(tmp_path, node("a", "Add", ["x", "b"]), node("b", "Relu", ["a"]), conv("c", "b"))
    assert "runs in a circle at" in refused(index)
    index = written(
        tmp_path,
        node("a", "Identity", ["b"]),
        node("b", "Identity", ["a"]),
        node("d", "Add", ["x", "a"]),
        conv("c", "d"),
    )
    assert "runs in a circle at" in refused(index)


def test_a_million_nodes(tmp_path: Path) -> None:
    many = b"".join(node(f"n{i}", "NoOp") for i in range(1_000_000))
    assert "a graph of 1,000,002 nodes; at most 100,000 are read" in refused(written(tmp_path, many))


def test_a_hundred_thousand_layers_in_a_row(tmp_path: Path) -> None:
    chain = b"".join(node(f"r{i}", "Relu", [f"r{i - 1}" if i else "x"]) for i in range(90_000))
    assert "more than 5,000 layers" in refused(written(tmp_path, chain, conv("c", "r89999")))


def test_a_hundred_thousand_names_for_one_tensor(tmp_path: Path) -> None:
    """Identities in a row, read from everywhere."""
    chain = b"".join(node(f"i{i}", "Identity", [f"i{i - 1}" if i else "x"]) for i in range(90_000))
    reads = b"".join(node(f"s{i}", "Add", [f"s{i - 1}" if i else "x", f"i{i * 20}"]) for i in range(4_000))
    refused(written(tmp_path, chain, reads, conv("c", "s3999")), opens=True)


def test_many_conditions_one_in_another(tmp_path: Path) -> None:
    flag = node("flag", "Placeholder", dtype=number(6, 10), shape=blob(7, b""))
    parts, last = [], "x"
    for i in range(20_000):
        parts.append(node(f"s{i}", "Switch", [last, "flag"]) + node(f"m{i}", "Merge", [f"s{i}", f"s{i}:1"]))
        last = f"m{i}"
    refused(written(tmp_path, flag, *parts, conv("c", last)), opens=True)


def test_many_heads_and_many_inputs(tmp_path: Path) -> None:
    """Thirty pictures, and everything reads everything before it: refused in time, or shown."""
    inputs = b"".join(placeholder(f"p{i}", -1, 4, 4, 3) for i in range(30))
    sums = b"".join(
        node(f"a{i}", "AddN", [f"p{i % 30}", *(f"a{i - k}" for k in range(1, 20) if i >= k)]) for i in range(9_000)
    )
    heads = b"".join(conv(f"h{i}", f"a{i}") for i in range(0, 9_000, 3))
    assert "too entangled" in refused(written(tmp_path, inputs, sums, heads, conv("c", "x")))


def test_constants_of_any_size(tmp_path: Path) -> None:
    """Fill, tile, range, broadcast: a few bytes that ask for gigabytes."""
    giant = integers([1 << 16, 1 << 16])
    one = constant(1, [], np.float32(1).tobytes())
    for last in (
        node("g", "Fill", ["size", "one"]),
        node("g", "BroadcastTo", ["one", "size"]),
        node("t", "Reshape", ["one", "two"])
        + node("two", "Const", value=integers([1, 1]))
        + node("g", "Tile", ["t", "size"]),
    ):
        nodes = node("size", "Const", value=giant) + node("one", "Const", value=one) + last
        assert "constant of the shape [65536, 65536]" in refused(
            written(tmp_path, nodes, node("y", "Add", ["x", "g"]), conv("c", "y"))
        )
    many = node("one", "Const", value=blob(8, number(1, 1) + blob(2, shape(4000, 4000)) + real(5, 1.0)))
    many += b"".join(node(f"e{i}", "Exp", [f"e{i - 1}" if i else "one"]) for i in range(50))
    assert "MB of constants" in refused(written(tmp_path, many, node("y", "Add", ["x", "e49"]), conv("c", "y")))


def test_doubling_expressions(tmp_path: Path) -> None:
    """w + w, that + that, …: forty steps are a million million additions if each is done as often as it is used."""
    chain = b"".join(node(f"a{i}", "Add", [f"a{i - 1}" if i else "w"] * 2) for i in range(40))
    assert "operations on weights" in refused(written(tmp_path, chain, conv("c", "x", "a39")))


def test_a_layer_that_puts_out_more_than_there_is(tmp_path: Path) -> None:
    nodes = node(
        "p", "Const", value=constant(3, [4, 2], np.array([[0, 0], [0, 1 << 30], [0, 1 << 30], [0, 0]], "<i4").tobytes())
    )
    index = written(tmp_path, nodes, node("y", "Pad", ["x", "p"]), conv("c", "y"))
    assert "of an input of 48 values" in refused(index)


def test_windows_that_reach_far_beyond_the_maps(tmp_path: Path) -> None:
    """Padding and dilation of millions, pools of millions of pixels."""

    def several(*sizes: int) -> bytes:
        return blob(1, b"".join(number(3, one) for one in sizes))

    far = several(1, 1 << 20, 1 << 20, 1)
    wide = node("c", "Conv2D", ["x", "w"], strides=far, dilations=far, padding=blob(2, "SAME"))
    assert "of an input of 48 values" in refused(written(tmp_path, wide))
    edges = several(0, 0, 1 << 20, 0, 1 << 20, 0, 0, 0)
    wide = node("c", "Conv2D", ["x", "w"], strides=far, explicit_paddings=edges, padding=blob(2, "EXPLICIT"))
    assert "of an input of 48 values" in refused(written(tmp_path, wide))
    ones = several(1, 1, 1, 1)
    pool = node("p", "MaxPool", ["x"], ksize=far, strides=ones, padding=blob(2, "SAME")) + conv("c", "p")
    assert "of an input of 48 values" in refused(written(tmp_path, pool))
    many = node("p", "MaxPool", ["x"], ksize=several(1, 900, 900, 1), strides=ones, padding=blob(2, "SAME"))
    refused(written(tmp_path, many, conv("c", "p")), opens=True)


def function(name: str, *calls: str) -> bytes:
    """A FunctionDef of one argument that calls others, one after another."""
    signature = blob(1, name) + blob(2, blob(1, "v") + number(3, 1)) + blob(3, blob(1, "o") + number(3, 1))
    nodes, last = b"", "v"
    for i, call in enumerate(calls):
        inside = node(f"n{i}", "PartitionedCall", [last], f=blob(10, blob(1, call)))
        nodes += blob(3, stripped(inside))
        last = f"n{i}:output:0"
    return blob(1, blob(1, signature) + nodes + blob(4, blob(1, "o") + blob(2, last)))


def stripped(field: bytes) -> bytes:
    """The contents of a field with a length."""
    at = 1
    while field[at] > 0x7F:
        at += 1
    return field[at + 1 :]


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    call = node("f", "PartitionedCall", ["x"], f=blob(10, blob(1, "f")))
    index = written(tmp_path, call, conv("c", "f"), library=function("f", "f"))
    assert "functions that call each other 60 deep" in refused(index)


def test_functions_that_double(tmp_path: Path) -> None:
    library = b"".join(function(f"f{i}", f"f{i + 1}", f"f{i + 1}") for i in range(40)) + function("f40")
    call = node("f", "PartitionedCall", ["x"], f=blob(10, blob(1, "f0")))
    assert "more than 5,000 calls of functions" in refused(written(tmp_path, call, conv("c", "f"), library=library))


def test_an_index_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    """Snappy: twenty-two bytes of zeros for each, as far as the format goes, and far beyond it."""
    index = written(tmp_path, conv("c", "x"))
    bomb = varint(1 << 32) + b"\x00\x00" + b"\xfe\x01\x00" * 1_000_000
    index.write_bytes(table([], bomb, kind=1))
    assert "declares 4294967296 bytes" in refused(index)
    honest = varint(64 * 500_000 + 1) + b"\x00\x00" + b"\xfe\x01\x00" * 500_000
    index.write_bytes(table([], honest, kind=1))
    refused(index)


def test_keys_that_grow(tmp_path: Path) -> None:
    """Each shares a megabyte with the one before."""
    index = written(tmp_path, conv("c", "x"))
    contents = varint(0) + varint(1 << 20) + varint(0) + b"k" * (1 << 20)
    contents += b"".join(varint((1 << 20) + i) + varint(1) + varint(0) + b"k" for i in range(100_000))
    index.write_bytes(table([], contents + b"\0\0\0\0\1\0\0\0"))
    assert "MB of names" in refused(index)


def test_a_tensor_that_is_not_there(tmp_path: Path) -> None:
    index = written(tmp_path, conv("c", "x"))
    for sizes, size in (((1 << 20, 1 << 20, 3, 4), 1 << 45), ((2, 2, 3, 4), 1 << 62)):
        index.write_bytes(table([HEADER, (b"w", entry(sizes, 0, size, 0))]))
        refused(index)
    index.write_bytes(table([(b"", number(1, 1 << 40)), (b"w", entry((2, 2, 3, 4), 0, 192, 0))]))
    assert "data files" in refused(index)


def test_more_weights_than_allowed(tmp_path: Path) -> None:
    index = written(tmp_path, conv("c", "x"))
    with pytest.raises(SourceError, match="--max-bytes"):
        open_tensorflow(index, How(max_bytes=100))


# --- truncations and random bytes ------------------------------------------------------------------------------------


def survives(path: Path) -> None:
    """Opens and runs, or says one line."""
    try:
        source = open_tensorflow(path)
        assert isinstance(source, TensorFlow)
        source.parameters(0)
        spec = source.inputs[0]
        source.activations(0, prepared(spec, np.ones((1, *(size or 1 for size in spec.shape)), np.float32)))
    except CutawayError as error:
        text = str(error)
    else:
        text = ""
    assert "\n" not in text


FILES = [
    ("parts", "model.ckpt-4.index"),
    ("parts", "model.ckpt-4.meta"),
    ("parts", "model.ckpt-4.data-00001-of-00002"),
    ("saved_model", "saved_model.pb"),
    ("saved_model", "variables/variables.index"),
    ("saved_model", "variables/variables.data-00000-of-00001"),
    ("many", "model.ckpt-4.meta"),
    ("handmade", "model.ckpt-4.meta"),
]


@pytest.fixture(scope="module")
def fixture_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    kept: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in kept:
            kept[name] = unpacked(name, tmp_path_factory.mktemp("damaged"))
        return kept[name]

    return get


@pytest.mark.parametrize(("name", "file"), FILES)
@given(data=st.data())
@settings(max_examples=60, deadline=5000, suppress_health_check=list(HealthCheck))
def test_damaged_files(name: str, file: str, fixture_of: Callable[[str], Path], data: st.DataObject) -> None:
    """Cut off anywhere, bytes changed anywhere, or random bytes in the place of some."""
    folder = fixture_of(name)
    path = folder / file
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1), "at")
    how = data.draw(st.sampled_from(["cut", "flip", "random", "double", "delete"]), "how")
    piece = data.draw(st.binary(min_size=1, max_size=12), "bytes")
    damaged = {
        "cut": whole[:at],
        "flip": whole[:at] + bytes([whole[at] ^ piece[0]]) + whole[at + 1 :],
        "random": whole[:at] + piece + whole[at + len(piece) :],
        "double": whole[:at] + whole[at : at + 40] + whole[at:],
        "delete": whole[:at] + whole[at + len(piece) :],
    }[how]
    try:
        path.write_bytes(damaged)
        survives(folder)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(("name", "file"), FILES[:2])
def test_every_truncation(name: str, file: str, fixture_of: Callable[[str], Path]) -> None:
    """At every hundredth of the file, and around each end of it."""
    folder = fixture_of(name)
    path = folder / file
    whole = path.read_bytes()
    step = max(1, len(whole) // 100)
    try:
        for length in sorted({*range(0, len(whole), step), *range(20), *range(len(whole) - 60, len(whole))}):
            path.write_bytes(whole[:length])
            survives(folder)
    finally:
        path.write_bytes(whole)
