"""ONNX files that were made to do harm: each ends in one line, quickly, and in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_models import ARCHITECTURES, Builder, saved, with_sparse

import cutaway
from cutaway.errors import SourceError
from cutaway.sources import How
from cutaway.sources.onnx import open_onnx

OPEN = """
import json, sys, threading, time
from pathlib import Path
import numpy as np
from cutaway.errors import CutawayError
from cutaway.samples import Prepared
from cutaway.sources import How
from cutaway.sources.onnx import open_onnx

def children(pid):
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *[inner for child in found for inner in children(int(child))]]

def resident(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

largest, over = 0, False
def watch():
    global largest
    import os
    while not over:
        largest = max(largest, sum(map(resident, children(os.getpid()))))
        time.sleep(0.01)

thread = threading.Thread(target=watch, daemon=True)
thread.start()
begun, text = time.monotonic(), ""
try:
    source = open_onnx(Path(sys.argv[1]), How())
    inputs = {one.name: np.ones((1, *one.shape), one.dtype) for one in source.inputs}
    source.activations(0, Prepared(np.zeros((1, 4, 4, 3), np.uint8), ["a"], inputs=inputs))
    source.parameters(0)
except CutawayError as error:
    text = str(error)
over = True
print(json.dumps({"text": text, "megabytes": largest / 1024, "seconds": time.monotonic() - begun}))
"""


def refused(path: Path) -> str:
    """What opening and running the file says, in a process whose memory (with its children) is watched."""
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["text"], "it was opened"
    assert "\n" not in told["text"]
    assert len(told["text"]) < 700
    assert told["megabytes"] < 1000
    assert told["seconds"] < 10
    return str(told["text"])


def with_external(folder: Path, location: str) -> Path:
    """A model whose one kernel lies somewhere else."""
    b = Builder(("n", 3, 8, 8))
    model = b.model(b.conv(b.input, (3, 4), 3, "stem"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "432")):
        tensor.external_data.add(key=key, value=value)
    folder.mkdir(exist_ok=True)
    return saved(model, folder)


@pytest.mark.parametrize("location", ["../secret", "a/../../secret", "..\\secret", "{absolute}", "C:\\secret", ""])
def test_external_data_outside_the_folder(location: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(432))
    text = refused(with_external(tmp_path / "model", location.format(absolute=secret)))
    assert "outside the model's folder; that is never read" in text


def spoiled(model: onnx.ModelProto, how: str) -> None:
    """Something wrong with the model's sparse weight."""
    sparse = model.graph.sparse_initializer[0]
    match how:
        case "giant":
            sparse.dims[:] = [1 << 20, 1 << 20, 3, 3]
        case "negative":
            sparse.dims[0] = -4
        case "outside":
            sparse.indices.CopyFrom(numpy_helper.from_array(np.full(len(sparse.values.raw_data) // 4, 1 << 40)))
        case "fewer":
            sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(2)))
        case "elsewhere":
            sparse.values.ClearField("raw_data")
            sparse.values.data_location = TensorProto.EXTERNAL
            sparse.values.external_data.add(key="location", value="/etc/passwd")
        case "words":
            sparse.values.data_type = TensorProto.STRING


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("giant", "is too large to be read"),
        ("negative", "damaged"),
        ("outside", "values at places outside its shape"),
        ("fewer", "values at places outside its shape"),
        ("elsewhere", "not in the graph itself"),
        ("words", "damaged"),
    ],
)
def test_sparse_weights_that_can_not_be(how: str, said: str, tmp_path: Path) -> None:
    b = Builder(("n", 3, 8, 8))
    model = b.model(b.conv(b.input, (3, 4), 3, "stem"))
    with_sparse(model, "stem.weight", flat=True)
    spoiled(model, how)
    text = refused(saved(model, tmp_path))
    assert "the sparse weight 'stem.weight'" in text
    assert said in text


@pytest.mark.parametrize("deep", [False, True])
def test_external_data_behind_a_symbolic_link(deep: bool, tmp_path: Path) -> None:
    """A link to a file, and one to a folder on the way."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(bytes(432))
    path = with_external(tmp_path / "model", "link/secret" if deep else "link")
    target = tmp_path / "elsewhere" if deep else tmp_path / "elsewhere" / "secret"
    (path.parent / "link").symlink_to(target)
    assert "outside the model's folder" in refused(path)


def test_external_data_that_is_no_file(tmp_path: Path) -> None:
    """A missing file, one that is too short, a pipe that would never end."""
    assert "is not beside the model" in refused(with_external(tmp_path / "a", "weights"))
    path = with_external(tmp_path / "b", "weights")
    (path.parent / "weights").write_bytes(bytes(100))
    assert "reaches beyond the end of weights" in refused(path)
    path = with_external(tmp_path / "c", "weights")
    os.mkfifo(path.parent / "weights")
    assert "is not beside the model" in refused(path)


def test_giant_from_107_bytes(tmp_path: Path) -> None:
    """`ConstantOfShape` of 8 GB, its shape written down."""
    b = Builder(("n", 3, 8, 8))
    giant = b.node("ConstantOfShape", b.const("shape", [2, 1 << 30]))
    text = refused(saved(b.model(b.node("Add", b.input, b.node("ReduceSum", giant))), tmp_path))
    assert "takes 8.6 GB for one sample" in text


def test_giant_that_only_a_run_tells(tmp_path: Path) -> None:
    """The same with a shape that is computed from the sample."""
    b = Builder(("n", 3, 8, 8))
    size = b.node("Cast", b.node("ReduceSum", b.node("Exp", b.node("Abs", b.input)), keepdims=0), to=7)
    flat = b.node("Unsqueeze", b.node("Mul", size, b.const("many", 1 << 24)), b.const("zero", [0]))
    giant = b.node("ConstantOfShape", flat)
    text = refused(saved(b.model(b.node("Add", b.input, b.node("ReduceSum", giant, keepdims=0))), tmp_path))
    assert "ONNX Runtime can't run it" in text


@pytest.mark.parametrize("op", ["Expand", "Tile", "Range", "Pad", "Resize"])
def test_other_ways_to_grow(op: str, tmp_path: Path) -> None:
    b = Builder((1, 3, 8, 8))
    if op == "Range":
        grown = b.node(op, b.const("a", 0), b.const("b", 1 << 32), b.const("c", 1))
        grown = b.node("Add", b.input, b.node("Cast", b.node("ReduceMax", grown, keepdims=0), to=1))
    elif op == "Pad":
        grown = b.node(op, b.input, b.const("pads", [0, 0, 1 << 15, 1 << 15, 0, 0, 0, 0]))
    elif op == "Resize":
        grown = b.node(op, b.input, "", b.const("scales", [1, 1, 1e4, 1e4], np.float32))
    elif op == "Tile":
        grown = b.node(op, b.input, b.const("times", [1, 1, 1 << 14, 1 << 14]))
    else:
        grown = b.node(op, b.input, b.const("to", [1 << 24, 3, 8, 8]))
    text = refused(saved(b.model(b.node("ReduceMax", grown)), tmp_path))
    assert "for one sample" in text or "ONNX Runtime can't run it" in text


def test_an_absurd_input(tmp_path: Path) -> None:
    b = Builder((1, 3, 100_000, 100_000))
    assert "more than 256 MB for one sample" in refused(saved(b.model(b.relu(b.input)), tmp_path))


@pytest.mark.parametrize("dims", [[1 << 40, 1 << 40], [1 << 31, 4], [-1, 4]])
def test_absurd_weights(dims: list[int], tmp_path: Path) -> None:
    """Declared sizes that the data does not have, as raw data and as typed numbers, in weights and in constants."""
    for position, inside in enumerate((False, True)):
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(16))
        typed = TensorProto(name="v", data_type=TensorProto.FLOAT, dims=dims, float_data=[1, 2, 3, 4])
        for one in (tensor, typed):
            b = Builder(("n", 3, 8, 8))
            b.nodes.append(helper.make_node("Mul", [b.input, "w"], ["out"]))
            model = b.model("out")
            one.name = "w"
            if inside:
                model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=one))
            else:
                model.graph.initializer.append(one)
            text = refused(saved(model, tmp_path, f"{position}.onnx"))
            assert "declares" in text


def test_circles(tmp_path: Path) -> None:
    """Two nodes that read each other, a node that reads itself, a value that nothing makes, one that is made twice."""
    for nodes, words in (
        ([("Add", ["image", "b"], "a"), ("Relu", ["a"], "b")], "runs in a circle through"),
        ([("Add", ["image", "b"], "b")], "runs in a circle through"),
        ([("Add", ["image", "nothing"], "b")], "nothing makes 'nothing'"),
        ([("Relu", ["image"], "b"), ("Abs", ["image"], "b")], "is made twice"),
    ):
        b = Builder(("n", 3, 8, 8))
        b.nodes = [helper.make_node(op, inputs, [output]) for op, inputs, output in nodes]
        assert words in refused(saved(b.model("b"), tmp_path))


def test_a_million_nodes(tmp_path: Path) -> None:
    b = Builder(("n", 3, 8, 8))
    model = b.model(b.relu(b.input))
    node = onnx.GraphProto(node=[helper.make_node("Relu", ["v1"], ["v2"])]).SerializeToString()
    inner = model.graph.SerializeToString() + node * 1_000_000
    model.ClearField("graph")
    length, size = bytearray(), len(inner)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString() + b"\x3a" + bytes([*length, size]) + inner)
    assert "more than 100,000 nodes" in refused(path)


def test_functions_that_explode(tmp_path: Path) -> None:
    """Each calls the one before ten times: a billion nodes in a few lines; and one that calls itself."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    b = Builder(("n", 3, 8, 8))
    model = b.model(b.node("F9", b.input, domain="own"), opsets=[helper.make_opsetid("own", 1)], ir=9)
    for number in range(10):
        op, domain = (f"F{number - 1}", "own") if number else ("Relu", "")
        nodes = [helper.make_node(op, [f"x{i}"], [f"x{i + 1}"], domain=domain) for i in range(10)]
        model.functions.append(helper.make_function("own", f"F{number}", ["x0"], ["x10"], nodes, opsets))
    assert "more than 100,000 nodes" in refused(saved(model, tmp_path))
    model.functions[0].node[0].op_type, model.functions[0].node[0].domain = "F9", "own"
    assert "calls itself" in refused(saved(model, tmp_path))


def test_a_loop_without_end(tmp_path: Path) -> None:
    b = Builder(("n", 3, 8, 8))
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["x"], ["y"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", 9, []),
         helper.make_tensor_value_info("x", 1, None)],
        [helper.make_tensor_value_info("on", 9, []), helper.make_tensor_value_info("y", 1, None)],
    )  # fmt: skip
    out = b.node("Loop", b.const("many", 1 << 60), b.const("true", True, bool), b.input, body=body)
    assert "took more than" in refused(saved(b.model(out), tmp_path))


def test_graphs_inside_graphs(tmp_path: Path) -> None:
    inner = helper.make_graph([helper.make_node("Relu", ["image"], ["z"])], "g", [], [onnx.ValueInfoProto(name="z")])
    for _ in range(22):
        node = helper.make_node("If", ["flag"], ["z"], then_branch=inner, else_branch=onnx.GraphProto())
        inner = helper.make_graph([node], "g", [], [onnx.ValueInfoProto(name="z")])
    b = Builder(("n", 3, 8, 8))
    b.const("flag", True, bool)
    b.nodes = list(inner.node)
    assert "graphs inside graphs" in refused(saved(b.model("z"), tmp_path))


def test_numbers_where_words_belong(tmp_path: Path) -> None:
    """Attributes of the wrong type, and strides of nothing."""
    for attributes in (
        {"strides": [0, 0]},
        {"strides": "x"},
        {"group": -3},
        {"pads": [-9] * 4},
        {"dilations": [1 << 40]},
    ):
        b = Builder(("n", 3, 8, 8))
        w = b.weight("w", 4, 3, 3, 3)
        out = b.node("Conv", b.input, w, **attributes)
        assert "ONNX Runtime" in refused(saved(b.model(out), tmp_path))


def small() -> bytes:
    """A valid model with all that can be damaged: weights, constants, names, opsets, a large initializer."""
    b = Builder(("n", 3, 6, 6))
    x = b.unit(b.input, (3, 4), 3, "stem")
    x = b.node("Add", x, b.node("Constant", value=numpy_helper.from_array(np.ones((4, 1, 1), np.float32))))
    x = b.node("Reshape", x, b.const("shape", [0, -1]))
    return bytes(b.model(b.node("Softmax", b.dense(x, (144, 3), "fc"), axis=1)).SerializeToString())


VALID = small()


def opened_or_refused(data: bytes, path: Path) -> None:
    """Either it opens, or SourceError says why in one line; nothing else may come out."""
    path.write_bytes(data)
    text = ""
    try:
        open_onnx(path, How()).parameters(0)
    except SourceError as error:
        text = str(error)
    assert "\n" not in text
    assert len(text) < 700


FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_every_truncation(tmp_path: Path) -> None:
    """A file that ends anywhere: in the graph at each byte, in the weights here and there."""
    ends = {*range(0, len(VALID), 97), *range(len(VALID) - 40, len(VALID)), 1, 2, 3}
    for end in sorted(ends):
        path = tmp_path / "model.onnx"
        path.write_bytes(VALID[:end])
        with pytest.raises(SourceError) as caught:
            open_onnx(path, How())
        assert "\n" not in str(caught.value), end


@FUZZ
@given(data=st.binary(max_size=300))
def test_random_bytes(data: bytes, tmp_path: Path) -> None:
    opened_or_refused(data, tmp_path / "model.onnx")


@FUZZ
@example(changes=[(943, 29)])  # a type of numbers that there is not
@given(changes=st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes(changes: list[tuple[int, int]], tmp_path: Path) -> None:
    data = bytearray(VALID)
    for position, value in changes:
        data[position] = value
    opened_or_refused(bytes(data), tmp_path / "model.onnx")


@FUZZ
@given(data=st.binary(max_size=40), position=st.integers(0, len(VALID)))
def test_bytes_put_in(data: bytes, position: int, tmp_path: Path) -> None:
    opened_or_refused(VALID[:position] + data + VALID[position:], tmp_path / "model.onnx")


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without onnx or onnxruntime: the command that installs them."""
    monkeypatch.setattr("cutaway.sources.onnx.find_spec", lambda name: None if name == "onnxruntime" else object())
    path = saved(ARCHITECTURES["unet"]()[1], tmp_path)
    with pytest.raises(SourceError, match=r'pip install "cutaway\[onnx\]"'):
        cutaway.open_source(path)
