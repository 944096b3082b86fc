"""PyTorch files that mean harm, or are broken: one line, no code run, little memory, little time."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch_helpers import exported

from cutaway.errors import CutawayError, SourceError
from cutaway.samples import Prepared
from cutaway.sources import How
from cutaway.sources.pickles import PickleError, unpickle
from cutaway.sources.torch import open_torch

SECONDS = 10
BYTES = 1 << 30


class Runs:
    """Writes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.command = f"touch {witness}"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@contextmanager
def one_line(*kinds: type[Exception]) -> Iterator[None]:
    """The block ends well, or raises an error of these kinds with one line of text."""
    try:
        yield
    except kinds as error:
        text = str(error)
    else:
        text = ""
    assert "\n" not in text


def refused(path: Path, how: How | None = None) -> str:
    """Opening raises one line, quickly, and without growing much; the line."""
    before, begun = peak(), time.process_time()
    with pytest.raises(SourceError) as caught:
        open_torch(path, how or How())
    assert time.process_time() - begun < SECONDS
    assert peak() - before < BYTES
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    assert str(path) in text
    return text


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A file that code from a hostile file would make."""
    return tmp_path / "code-was-run"


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"archive/{name}", content)
    return path


# --- code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["pt", "pth", "ckpt", "bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_a_command_is_refused_by_name(suffix: str, zipped: bool, tmp_path: Path, witness: Path) -> None:
    path = tmp_path / f"weights.{suffix}"
    content = {"state_dict": {"a": torch.ones(3)}, "callbacks": Runs(witness)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    text = refused(path)
    assert "posix.system" in text or "nt.system" in text
    assert "refused" in text
    assert "--trust" in text
    assert not witness.exists()


def test_a_bare_pickle_is_refused(tmp_path: Path, witness: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps(Runs(witness)))
    assert "system" in refused(path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps([Runs(witness), {"a": 1}], protocol)
        if protocol >= 1:
            assert "posix.system" in unpickle(data).foreign
        else:
            with pytest.raises(PickleError):
                unpickle(data)
    assert not witness.exists()


def test_the_sample_inputs_of_a_pt2_are_never_unpickled(tmp_path: Path, witness: Path) -> None:
    """As is `use_pickle` in its configuration; `torch.export.load` would run both."""
    good = exported(nn.Conv2d(1, 2, 3).eval(), [(1, 9, 9)], tmp_path / "good.pt2")
    buffer = io.BytesIO()
    torch.save(Runs(witness), buffer)
    path = tmp_path / "hostile.pt2"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("sample_inputs/model.pt"):
                content = buffer.getvalue()
            if info.filename.endswith("weights/weight_0"):
                content = buffer.getvalue()
            if info.filename.endswith("weights_config.json"):
                config = json.loads(content)
                next(iter(config["config"].values()))["use_pickle"] = True
                content = json.dumps(config).encode()
            new.writestr(info.filename, content)
    source = open_torch(path, How())
    with pytest.raises(SourceError, match="has no weights"):
        source.parameters(0)
    assert not witness.exists()


def test_trust_runs_it_and_only_trust(tmp_path: Path, witness: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": {"a": torch.ones(3)}, "callbacks": Runs(witness)}, path)
    refused(path)
    assert not witness.exists()
    with pytest.raises(SourceError):
        open_torch(path, How(trust=True))
    assert witness.exists()


def test_the_command_line_exits_with_1_and_one_line(cutaway: Callable[..., Any], tmp_path: Path, witness: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.ones(3), "b": Runs(witness)}, path)
    for arguments in (("record", path, "--out", tmp_path / "run"), ("info", path)):
        done = cutaway(*arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "posix.system" in done.stderr
    assert not witness.exists()
    assert not (tmp_path / "run").exists()


# --- sizes -----------------------------------------------------------------------------------------------------------


def storage(key: str, count: int) -> bytes:
    """The instructions for a reference to a storage of float32."""
    return b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + text(key) + text("cpu") + number(count) + b"tQ"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def numbers(values: list[int]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor_pickle(shape: list[int], strides: list[int], count: int) -> bytes:
    return (
        b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage("0", count) + number(0)
        + numbers(shape) + numbers(strides) + b"\x89}tRs."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "strides", "count"),
    [
        ([1 << 40], [1], 1 << 40),
        ([1 << 20, 1 << 20], [0, 0], 4),
        ([4], [1 << 40], 4),
        ([-1], [1], 4),
        ([4], [-1], 4),
        ([1] * 5000, [1] * 5000, 4),
        ([1 << 70], [1], 1 << 70),
        ([5], [1], 4),
    ],
)
def test_absurd_sizes_of_tensors(shape: list[int], strides: list[int], count: int, tmp_path: Path) -> None:
    data = {"data.pkl": tensor_pickle(shape, strides, count), "data/0": bytes(16), "version": b"3"}
    refused(archive(tmp_path / "weights.pt", data))


def test_a_tensor_that_fits_is_read(tmp_path: Path) -> None:
    """The same by hand, and well: so the ones above fail for their sizes."""
    data = {"data.pkl": tensor_pickle([4], [1], 4), "data/0": np.arange(4, dtype=np.float32).tobytes()}
    path = archive(tmp_path / "weights.pt", data)
    assert "1 tensors, 4 numbers" in refused(path)


def test_more_than_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"w": torch.zeros(1000)}, path)
    assert "--max-bytes" in refused(path, How(max_bytes=3999))


@pytest.mark.parametrize("member", ["data/0", "data.pkl"])
def test_zip_bombs(member: str, tmp_path: Path) -> None:
    data = {"data.pkl": tensor_pickle([1 << 28], [1], 1 << 28), "data/0": bytes(16)}
    data[member] = bytes(200 << 20)
    path = archive(tmp_path / "bomb.pt", data, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    assert "compressed" in refused(path)


def test_a_bomb_as_pt2(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.pt2", {"models/model.json": b" " * (300 << 20)}, zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(path)


def test_a_table_of_millions_of_members(tmp_path: Path) -> None:
    """An archive whose own table alone would take all memory."""
    path = tmp_path / "many.pt"
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHHHHII", 8, 0, 0, 0, 0, 0, 0) + b"data.pkl"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04" + bytes(26))
        for _ in range(40):
            file.write(entry * 10_000)
        file.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 400_000 * len(entry), 30, 0))
    refused(path)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02" + b"]" * 5_000_000 + b".",
        b"\x80\x02" + b"(" * 5_000_000 + b".",
        b"\x80\x02}" + b")" + b"\x85" * 1_000_000 + b"Ns.",
        b"\x80\x02Nr\xff\xff\xff\xff.",
        b"\x80\x02X\xff\xff\xff\xffabc",
        b"\x80\x02\x8d" + b"\xff" * 8 + b"abc",
        b"\x80\x02\x8b\xff\xff\xff\x7f",
        b"\x80\x04\x95" + b"\xff" * 8 + b".",
        b"\x80\x02" + b"]q\x00" + b"h\x00a" * 1000 + b".",
        b"\x80\x02(" + b"N" * 1_000_000 + b"lq\x00" + b"ccollections\nOrderedDict\n(h\x00tR" * 100 + b".",
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02h\x07.",
        b"\x80\x02R.",
        b"\x80\x02.",
        b"",
    ],
)
def test_hostile_pickles(data: bytes, tmp_path: Path) -> None:
    refused(archive(tmp_path / "weights.pt", {"data.pkl": data, "version": b"3"}))
    if data:
        path = tmp_path / "legacy.pt"
        path.write_bytes(data)
        refused(path)


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 1 << 60) + b'{"a":',
        struct.pack("<Q", 99_000_000) + b"{" + bytes(1000),
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4]}}'[:60],
        struct.pack("<Q", 68) + b'{"a":{"dtype":"F32","shape":[-1,-4],"data_offsets":[0,16]}}'.ljust(68) + bytes(16),
        struct.pack("<Q", 80) + b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4398046511104]}}'.ljust(80),
        struct.pack("<Q", 90_000) + b'{"a":' + b"[" * 89_995,
    ],
)
def test_absurd_safetensors_headers(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(header)
    refused(path)


# --- graphs ----------------------------------------------------------------------------------------------------------


def meta(*sizes: int) -> dict[str, Any]:
    return {"dtype": 7, "sizes": [{"as_int": size} for size in sizes], "strides": [], "layout": 7}


def node(target: str, output: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "target": target,
        "inputs": [{"name": name, "arg": argument, "kind": 1} for name, argument in inputs.items()],
        "outputs": [{"as_tensor": {"name": output}}],
        "metadata": {},
    }


def tensor(name: str) -> dict[str, Any]:
    return {"as_tensor": {"name": name}}


def program(nodes: list[dict[str, Any]], values: dict[str, Any], output: str) -> bytes:
    return json.dumps(
        {
            "graph_module": {
                "graph": {
                    "inputs": [tensor("x")],
                    "outputs": [tensor(output)],
                    "nodes": nodes,
                    "tensor_values": {"x": meta(1, 3, 8, 8), **values},
                },
                "signature": {
                    "input_specs": [{"user_input": {"arg": tensor("x")}}],
                    "output_specs": [{"user_output": {"arg": tensor(output)}}],
                },
            }
        }
    ).encode()


def pt2(path: Path, document: bytes) -> Path:
    return archive(path, {"models/model.json": document, "archive_format": b"pt2"})


def test_cyclic_graphs(tmp_path: Path) -> None:
    nodes = [
        node("torch.ops.aten.add.Tensor", "a", {"self": tensor("x"), "other": tensor("b")}),
        node("torch.ops.aten.relu.default", "b", {"self": tensor("a")}),
    ]
    values = {"a": meta(1, 3, 8, 8), "b": meta(1, 3, 8, 8)}
    assert "cycle" in refused(pt2(tmp_path / "cycle.pt2", program(nodes, values, "b")))
    own = [node("torch.ops.aten.relu.default", "a", {"self": tensor("a")})]
    assert "cycle" in refused(pt2(tmp_path / "self.pt2", program(own, values, "a")))


def test_a_million_operations(tmp_path: Path) -> None:
    one = b'{"target":"","inputs":[],"outputs":[]}'
    document = program([], {}, "x").replace(b'"nodes": []', b'"nodes": [' + b",".join([one] * 800_000) + b"]")
    assert "operations" in refused(pt2(tmp_path / "many.pt2", document))
    more = document.replace(b"]", b"," + b",".join([one] * 200_000) + b"]", 1)
    refused(pt2(tmp_path / "more.pt2", more))


def test_many_operations_that_are_allowed_open_in_time(tmp_path: Path) -> None:
    count = 10_000
    nodes = [
        node("torch.ops.aten.relu.default", f"v{n + 1}", {"self": tensor(f"v{n}" if n else "x")}) for n in range(count)
    ]
    path = pt2(
        tmp_path / "long.pt2", program(nodes, {f"v{n + 1}": meta(1, 3, 8, 8) for n in range(count)}, f"v{count}")
    )
    begun = time.process_time()
    source = open_torch(path, How())
    assert time.process_time() - begun < SECONDS
    assert len(source.network.layers) == count + 1


@pytest.mark.parametrize(
    ("nodes", "values"),
    [
        ([node("torch.ops.aten.relu.default", "a", {"self": tensor("x")})], {"a": meta(1, 1 << 20, 1 << 20)}),
        ([node("torch.ops.aten.relu.default", "a", {"self": tensor("x")})], {"a": meta(1, -5)}),
        ([node("torch.ops.aten.relu.default", "a", {"self": tensor("x")})], {}),
        ([node("torch.ops.aten.full.default", "a", {"size": {"as_ints": [1 << 40]}})], {"a": meta(1 << 40)}),
    ],
)
def test_giants_among_the_values(nodes: list[Any], values: dict[str, Any], tmp_path: Path) -> None:
    refused(pt2(tmp_path / "giant.pt2", program(nodes, values, "a")))


@pytest.mark.parametrize(
    "call",
    [
        node("torch.ops.aten.constant_pad_nd.default", "a", {"self": tensor("x"), "pad": {"as_ints": [1 << 20] * 4}}),
        node("torch.ops.aten.upsample_nearest2d.vec", "a", {"input": tensor("x"), "output_size": {"as_ints": [9, 9]}}),
        node("torch.ops.aten.max_pool2d.default", "a", {"self": tensor("x"), "kernel_size": {"as_ints": [1 << 30]}}),
        node("torch.ops.aten.avg_pool2d.default", "a", {"self": tensor("x"), "kernel_size": {"as_ints": [3]},
                                                        "padding": {"as_ints": [1 << 18]}}),
        node("torch.ops.aten.max_pool2d.default", "a", {"self": tensor("x"), "kernel_size": {"as_ints": [0, 0]}}),
        node("torch.ops.aten.max_pool2d.default", "a", {"self": tensor("x"), "kernel_size": {"as_ints": [1 << 17]},
                                                        "padding": {"as_ints": [1 << 16]}}),
        node("torch.ops.aten.view.default", "a", {"self": tensor("x"), "size": {"as_ints": [7, 7]}}),
        node("torch.ops.aten.permute.default", "a", {"self": tensor("x"), "dims": {"as_ints": [0, 9, 9]}}),
        node("torch.ops.aten.relu.default", "a", {"self": {"as_ints": [1]}}),
        node("torch.ops.aten.add.Tensor", "a", {"self": tensor("x"), "other": {"as_string": "x" * 1000}}),
        node("torch.ops.aten.pow.Tensor_Scalar", "a", {"self": tensor("x"), "exponent": {"as_int": 10**30}}),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_their_shapes(call: dict[str, Any], tmp_path: Path) -> None:
    """Opening may succeed; computing gives the shapes that are declared or one line, in little memory."""
    before, begun = peak(), time.process_time()
    path = pt2(tmp_path / "odd.pt2", program([call], {"a": meta(1, 3, 8, 8)}, "a"))
    image = np.zeros((1, 3, 8, 8), np.float32)
    samples = Prepared(np.zeros((1, 8, 8, 3), np.uint8), ["one"], inputs={"x": image})
    with one_line(CutawayError):
        found = open_torch(path, How()).activations(0, samples)
        assert all(values.nbytes < 1 << 20 for values in found.values())
    assert time.process_time() - begun < SECONDS
    assert peak() - before < BYTES


# --- broken files ----------------------------------------------------------------------------------------------------


def samples_of_each(folder: Path) -> dict[str, bytes]:
    """One small valid file of each kind."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    zipped, legacy = folder / "zip.pt", folder / "legacy.pt"
    torch.save(model.state_dict(), zipped)
    torch.save({"model": model.state_dict()}, legacy, _use_new_zipfile_serialization=False)
    from safetensors.torch import save_file

    save_file(model.state_dict(), folder / "weights.safetensors")
    program = exported(model.eval(), [(1, 9, 9)], folder / "net.pt2")
    files = {"pt": zipped, "legacy": legacy, "safetensors": folder / "weights.safetensors", "pt2": program}
    return {kind: path.read_bytes() for kind, path in files.items()}


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return samples_of_each(tmp_path_factory.mktemp("valid"))


def tried(data: bytes, path: Path) -> None:
    """Opens, or raises one line; whatever opens gives its parameters, or one line."""
    path.write_bytes(data)
    with one_line(CutawayError):
        source = open_torch(path, How(model=lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())))
        source.parameters(0)


@pytest.mark.parametrize("kind", ["pt", "legacy", "safetensors", "pt2"])
def test_every_truncation(kind: str, valid: dict[str, bytes], tmp_path: Path) -> None:
    data = valid[kind]
    step = max(1, len(data) // 150)
    for end in [*range(0, len(data), step), *range(max(0, len(data) - 40), len(data))]:
        tried(data[:end], tmp_path / "cut.pt")


@pytest.mark.parametrize("kind", ["pt", "legacy", "safetensors", "pt2"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), max_size=6))
def test_random_damage(kind: str, changes: list[tuple[int, bytes]], valid: dict[str, bytes], tmp_path: Path) -> None:
    data = bytearray(valid[kind])
    for place, piece in changes:
        at = place % len(data)
        data[at : at + len(piece)] = piece
    tried(bytes(data), tmp_path / "damaged.pt")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04\x95"]), rest=st.binary(max_size=400))
def test_random_bytes(start: bytes, rest: bytes, tmp_path: Path) -> None:
    path = tmp_path / "random.pt"
    path.write_bytes(start + rest)
    with pytest.raises(SourceError) as caught:
        open_torch(path, How())
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_pickles(data: bytes) -> None:
    with one_line(PickleError):
        unpickle(b"\x80\x02" + data + b".")
