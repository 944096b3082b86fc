"""What the tests of TensorFlow's formats share: fixtures unpacked, protobuf messages, tables, checkpoints by hand.

Written by the formats' own words, not with what reads them, except for the checksum.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cutaway.samples import Prepared
from cutaway.sources import InputSpec
from cutaway.sources.tf_checksum import crc32c

FIXTURES = Path(__file__).parent / "fixtures" / "tf"


def unpacked(name: str, folder: Path) -> Path:
    """A fixture's files."""
    target = folder / name
    with zipfile.ZipFile(FIXTURES / f"{name}.zip") as archive:
        archive.extractall(target)
    return target


def expected_of(folder: Path) -> Mapping[str, np.ndarray]:
    with np.load(folder / "expected.npz") as file:
        return dict(file)


def prepared(spec: InputSpec, values: np.ndarray) -> Prepared:
    images = values if values.ndim == 4 else values[:, None, :, None]
    return Prepared(images=images, names=[str(i) for i in range(len(values))], inputs={spec.name: values})


def close(found: np.ndarray, wanted: np.ndarray, tolerance: float = 1e-4) -> bool:
    """Canonical activations against TensorFlow's own, channels last or first, relative to the largest."""
    options = [wanted, np.moveaxis(wanted, -1, 1)] if wanted.ndim > 2 else [wanted]
    if found.ndim == 4 and wanted.ndim == 2:  # a picture that the graph is fed as a row
        options.append(np.moveaxis(wanted.reshape(len(found), *found.shape[2:], found.shape[1]), -1, 1))
    limit = tolerance * max(float(np.abs(wanted).max()), 1e-6)
    return any(one.shape == found.shape and float(np.abs(found - one).max()) <= limit for one in options)


# --- protocol buffers ------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def blob(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def real(field: int, value: float) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<f", value)


def shape(*sizes: int) -> bytes:
    """A TensorShapeProto."""
    return b"".join(blob(2, number(1, size)) for size in sizes)


def constant(dtype: int, sizes: Sequence[int], content: bytes = b"") -> bytes:
    """An AttrValue with a TensorProto."""
    tensor = number(1, dtype) + blob(2, shape(*sizes)) + (blob(4, content) if content else b"")
    return blob(8, tensor)


def integers(values: Sequence[int], sizes: Sequence[int] | None = None) -> bytes:
    array = np.array(values, "<i4")
    return constant(3, [array.size] if sizes is None else sizes, array.tobytes())


def node(name: str, op: str, inputs: Sequence[str] = (), **attributes: bytes) -> bytes:
    """A NodeDef, as a field of a GraphDef; attributes are AttrValues."""
    data = blob(1, name) + blob(2, op) + b"".join(blob(3, one) for one in inputs)
    data += b"".join(blob(5, blob(1, key) + blob(2, value)) for key, value in attributes.items())
    return blob(1, data)


FLOAT = number(6, 1)


def placeholder(name: str, *sizes: int) -> bytes:
    return node(name, "Placeholder", dtype=FLOAT, shape=blob(7, shape(*sizes)))


def variable(name: str) -> bytes:
    return node(name, "VariableV2", dtype=FLOAT)


def meta(*nodes: bytes, library: bytes = b"") -> bytes:
    """A MetaGraphDef."""
    return blob(2, b"".join(nodes) + (blob(2, library) if library else b""))


# --- tables and checkpoints ------------------------------------------------------------------------------------------


def masked(checksum: int) -> int:
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in pairs)
    return body + struct.pack("<II", 0, 1)


def table(pairs: Sequence[tuple[bytes, bytes]], contents: bytes | None = None, kind: int = 0) -> bytes:
    """An index; `contents` are the bytes of its one data block where they are to be others, `kind` its compression."""
    out, places = b"", []
    index: list[tuple[bytes, bytes]] = []
    for data in (block(pairs) if contents is None else contents, block([])):
        packed = data + bytes([kind if not out else 0])
        places.append(varint(len(out)) + varint(len(data)))
        out += packed + struct.pack("<I", masked(crc32c(packed)))
    index.append((b"\xff", places[0]))
    data = block(index)
    packed = data + b"\0"
    footer = places[1] + varint(len(out)) + varint(len(data))
    out += packed + struct.pack("<I", masked(crc32c(packed)))
    return out + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def entry(sizes: Sequence[int], offset: int, size: int, checksum: int, dtype: int = 1) -> bytes:
    """A BundleEntryProto."""
    found = number(1, dtype) + blob(2, shape(*sizes)) + number(4, offset) + number(5, size)
    return found + varint(6 << 3 | 5) + struct.pack("<I", masked(checksum))


HEADER = (b"", number(1, 1) + blob(3, number(1, 1)))


def write_checkpoint(prefix: Path, graph: bytes, tensors: Mapping[str, np.ndarray]) -> Path:
    """A TensorFlow 1 checkpoint by hand; the path of its `.index`."""
    data, pairs = b"", [HEADER]
    for name in sorted(tensors):
        raw = tensors[name].astype("<f4").tobytes()
        pairs.append((name.encode(), entry(tensors[name].shape, len(data), len(raw), crc32c(raw))))
        data += raw
    prefix.with_name(prefix.name + ".meta").write_bytes(graph)
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)
    index = prefix.with_name(prefix.name + ".index")
    index.write_bytes(table(pairs))
    return index
