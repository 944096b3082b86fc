"""TensorFlow Lite models against Keras and LiteRT, and files that were made to do harm."""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cutaway
from cutaway.errors import SourceError
from cutaway.execute import execute
from cutaway.samples import Prepared
from cutaway.shapes import parameter_count
from cutaway.sources import How
from cutaway.sources.tflite import TFLite, open_tflite
from cutaway.sources.tflite_file import read_lite
from cutaway.sources.tflite_flatbuffer import Buffer, Damaged

FOLDER = Path(__file__).parent / "fixtures" / "tflite"
MODELS = ("float", "int8", "half", "free", "vector")


def opened(name: str, **how: Any) -> TFLite:
    if name == "free":
        how.setdefault("size", (15, 11))
    return open_tflite(FOLDER / f"{name}.tflite", How(**how))


def expected(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Two inputs and what Keras made of them."""
    with np.load(FOLDER / "expected.npz") as file:
        return file[f"{name}/input"], file[f"{name}/output"]


def prepared(source: TFLite, values: np.ndarray, wanted: frozenset[str] | None = None) -> Prepared:
    blank = np.zeros((len(values), 4, 4, 3), np.uint8)
    names = [str(position) for position in range(len(values))]
    return Prepared(images=blank, names=names, inputs={source.inputs[0].name: values}, wanted=wanted)


def every_tensor(path: Path, values: np.ndarray) -> dict[str, list[np.ndarray]]:
    """LiteRT as anybody runs it: tensor name -> real numbers for each sample, channels last."""
    module: Any = import_module("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    entry = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(entry["index"], (1, *values.shape[1:]))
    interpreter.allocate_tensors()
    scale, zero = entry["quantization"]
    found: dict[str, list[np.ndarray]] = {}
    for sample in values[:, None]:
        fed = np.clip(np.rint(sample / scale) + zero, -128, 127).astype(entry["dtype"]) if scale else sample
        interpreter.set_tensor(entry["index"], fed)
        interpreter.invoke()
        for detail in interpreter.get_tensor_details():
            try:
                tensor = interpreter.get_tensor(detail["index"])
            except ValueError:
                continue
            factor, offset = detail["quantization"]
            real = (tensor.astype(np.float32) - offset) * np.float32(factor) if factor else tensor
            found.setdefault(detail["name"], []).append(np.asarray(real))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_against_keras_and_litert(name: str) -> None:
    """The output is what Keras computed, and every layer's activations are LiteRT's, channels first."""
    source = opened(name)
    inputs, outputs = expected(name)
    found = source.activations(0, prepared(source, inputs))
    assert list(found) == [layer.id for layer in source.network]
    last = found[source.network.outputs[0]]
    tolerance = {"int8": 0.02, "half": 1e-3}.get(name, 1e-5)  # against Keras's own 32-bit weights
    assert np.abs(last - outputs).max() <= tolerance * np.abs(outputs).max()
    tensors = every_tensor(FOLDER / f"{name}.tflite", inputs)
    names = {value: source.file.tensors[source.indices[value]].name for value in source.built.values.values()}
    for id, values in found.items():
        theirs = np.concatenate(tensors[names[source.built.values[id]]])
        theirs = np.moveaxis(theirs, -1, 1) if theirs.ndim == 4 else theirs
        assert values.shape == theirs.shape, id
        assert np.abs(values - theirs).max() <= 1e-4 * max(np.abs(theirs).max(), 1e-6), id


@pytest.mark.parametrize("name", MODELS)
def test_against_numpy(name: str) -> None:
    """Attributes and parameters mean what LiteRT computes: NumPy computes the same from them."""
    source = opened(name)
    inputs, _ = expected(name)
    found = source.activations(0, prepared(source, inputs))
    entry = source.network.inputs[0]
    computed = execute(source.network, source.parameters(0), {entry: found[entry]})
    tolerance = 0.01 if name == "int8" else 1e-4  # integers are rounded behind every layer
    for id, values in found.items():
        assert np.abs(computed[id] - values).max() <= tolerance * np.abs(values).max(), id


def test_integers_are_said() -> None:
    """What is rounded to integers behind a layer says so: sums of its terms are only close to it."""
    layers = [layer for layer in opened("int8").network if layer.kind != "input"]
    assert {layer.attributes.extra.get("rounded") for layer in layers} == {"8-bit integers"}
    assert not any("rounded" in layer.attributes.extra for layer in opened("float").network)


def test_graph() -> None:
    """Names are the user's, activations and folded batch norms part of their layers, branches edges."""
    source = opened("float")
    layers = {layer.name: layer for layer in source.network}
    assert [layer.name for layer in source.network][:5] == ["image", "stem", "depth", "project", "skip"]
    assert (layers["stem"].fused, layers["depth"].fused) == (("relu",), ("relu6",))
    assert layers["depth"].kind == "depthwise_conv2d"
    assert layers["depth"].attributes.groups == 8
    assert layers["left"].attributes.dilation == (2, 1)
    assert layers["stem"].attributes.padding == ((1, 1), (1, 1))
    assert [edge.layer for edge in layers["skip"].inputs] == ["net/project", "net/stem"]
    assert layers["scores"].fused == ("softmax",)
    assert layers["hidden"].attributes.input_order == "HWC"
    assert layers["stem"].parameters[0].source_axes == "OHWI"
    assert source.inputs[0].layout == "NHWC"
    assert "folded" in source.completeness.notes[0]


def test_parameters() -> None:
    """Exactly the file's, in canonical axes; those of integers as the numbers that they stand for."""
    source, integers = opened("vector"), opened("int8")
    file = read_lite(FOLDER / "vector.tflite", 1 << 30)
    stored = [one for one in file.tensors if one.data is not None]
    assert parameter_count(source.network) == sum(one.read().size for one in stored if one.dtype == "<f4")
    kernel = source.parameters(0)["net/first/kernel"]
    assert any(one.shape == kernel.shape and np.array_equal(one.read(), kernel) for one in stored)
    tensor = next(one for one in integers.file.tensors if one.data is not None and one.shape == (6, 3, 3, 3))
    assert tensor.quantised is not None
    assert tensor.data is not None
    raw = np.frombuffer(tensor.data, np.int8).reshape(6, 3, 3, 3).astype(np.float32)
    real = raw * tensor.quantised.scale.reshape(6, 1, 1, 1)
    assert np.array_equal(integers.parameters(0)["net/stem/kernel"], real.transpose(0, 3, 1, 2))
    assert "integers" in integers.completeness.notes[1]


def test_free_sizes() -> None:
    """Height and width that the model leaves free are the samples'."""
    source = opened("free", size=None, sample_shape=(3, 21, 9))
    assert source.inputs[0].shape == (21, 9, 3)
    assert source.network.layer("net/stem").output_shape == (4, 10, 4)
    assert opened("free", size=(7, 7)).inputs[0].shape == (7, 7, 3)


def test_only_what_is_wanted() -> None:
    source = opened("float")
    inputs, _ = expected("float")
    assert list(source.activations(0, prepared(source, inputs, frozenset({"net/stem"})))) == ["net/stem"]


def test_recording(tmp_path: Path) -> None:
    """From file to recording, through the public functions."""
    inputs, outputs = expected("float")
    recording = cutaway.record(FOLDER / "float.tflite", inputs, tmp_path / "run")
    assert np.allclose(recording.activations("net/scores", 0, 1), outputs[1], atol=1e-5)
    assert np.array_equal(recording.activations("image", 0, 0), np.moveaxis(inputs[0], -1, 0))
    assert recording.parameters("net/up", "kernel", 0).shape == (10, 5, 3, 3)


def test_wrong_samples_are_named() -> None:
    source = opened("float")
    with pytest.raises(SourceError, match=r"takes \[17, 13, 3\] a sample, got \[5, 5, 3\]"):
        source.activations(0, prepared(source, np.zeros((1, 5, 5, 3), np.float32)))
    with pytest.raises(SourceError, match="no input 'nothing'; it has 'image'"):
        opened("float", input="nothing")


# --- hostile files ---------------------------------------------------------------------------------------------------

VALID = (FOLDER / "int8.tflite").read_bytes()
INPUTS = expected("int8")[0]


def opened_or_refused(data: bytes, path: Path) -> str:
    """Either everything can be read and run, or SourceError says why in one line; nothing else may come out."""
    path.write_bytes(data)
    text = ""
    try:
        source = open_tflite(path, How())
        source.parameters(0)
        fed = {one.name: np.zeros((1, *(size or 1 for size in one.shape)), one.dtype) for one in source.inputs}
        source.activations(0, Prepared(np.zeros((1, 4, 4, 3), np.uint8), ["a"], inputs=fed))
    except SourceError as error:
        text = str(error)
    assert "\n" not in text
    assert len(text) < 700
    return text


def test_every_truncation(tmp_path: Path) -> None:
    for end in range(0, len(VALID) - 1, 3):
        assert opened_or_refused(VALID[:end], tmp_path / "model.tflite"), end


FUZZ = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@FUZZ
@given(data=st.binary(max_size=200))
def test_random_bytes(data: bytes, tmp_path: Path) -> None:
    assert opened_or_refused(data, tmp_path / "a.tflite")
    assert opened_or_refused(data[:4] + b"TFL3" + data[4:], tmp_path / "b.tflite")


@FUZZ
@given(changes=st.lists(st.tuples(st.integers(8, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes(changes: list[tuple[int, int]], tmp_path: Path) -> None:
    """LiteRT crashes on some of these; that ends its own process and is told."""
    data = bytearray(VALID)
    for position, value in changes:
        data[position] = value
    opened_or_refused(bytes(data), tmp_path / "model.tflite")


@FUZZ
@given(position=st.integers(0, len(VALID) // 4 - 1), value=st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
def test_offsets_out_of_range(position: int, value: int, tmp_path: Path) -> None:
    """Any offset, length or size of the file as large, or as negative, as it can be."""
    data = bytearray(VALID)
    struct.pack_into("<I", data, 4 * position, value)
    if bytes(data[4:8]) == b"TFL3":
        opened_or_refused(bytes(data), tmp_path / "model.tflite")


def test_tensors_that_are_not_there(tmp_path: Path) -> None:
    """An operator's list of tensors that names one beyond the last."""
    file = read_lite(FOLDER / "int8.tflite", 1 << 30)
    wanted = struct.pack("<3i", *file.operators[0].inputs)
    position = VALID.index(wanted)
    data = VALID[:position] + struct.pack("<i", 9999) + VALID[position + 4 :]
    assert "tensor 9999 is named" in opened_or_refused(data, tmp_path / "model.tflite")


def test_a_giant_tensor(tmp_path: Path) -> None:
    """A shape of 8 GB for what is computed: refused before anything is allocated."""
    shape = struct.pack("<4i", 1, 12, 10, 6)
    assert shape in VALID
    data = VALID.replace(shape, struct.pack("<4i", 1, 1 << 15, 1 << 14, 6))
    assert "GB for one sample" in opened_or_refused(data, tmp_path / "model.tflite")


def test_checked_reader() -> None:
    """Offsets that lead nowhere, tables without end."""
    with pytest.raises(Damaged, match="points to byte"):
        Buffer(struct.pack("<I", 1000)).root()
    table = Buffer(struct.pack("<IHHiI", 8, 8, 8, 4, 0xFFFFFFF0)).root()
    with pytest.raises(Damaged, match="points to byte"):
        table.numbers(0, "<i4")
    buffer = Buffer(struct.pack("<IHHii", 8, 4, 8, 4, 0))
    buffer.tables = 2_000_000
    with pytest.raises(Damaged, match="go on for ever"):
        buffer.root()


def test_crashes_are_told(tmp_path: Path) -> None:
    """The process of the engine dies: one line, and the next model is opened by a new one."""
    source = opened("int8")
    source.activations(0, prepared(source, INPUTS))
    process = source.apart.process
    assert process is not None
    process.kill()
    process.wait()
    source.apart.holder = source.token
    with pytest.raises(SourceError, match="LiteRT"):
        source.run({}, [0])
    assert len(source.activations(0, prepared(source, INPUTS))) == 6


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LiteRT: the command that installs it."""
    monkeypatch.setattr("cutaway.sources.tflite.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r'pip install "cutaway\[tflite\]"'):
        cutaway.open_source(FOLDER / "float.tflite")
