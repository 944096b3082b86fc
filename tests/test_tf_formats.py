"""The formats under TensorFlow's checkpoints, piece by piece: wire format, checksums, Snappy, tables, tensors."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tf_files import HEADER, blob, block, entry, number, real, shape, table, varint, write_checkpoint

from cutaway.errors import SourceError
from cutaway.sources.tf_bundle import Bundle, prefix_of, signed_increasing, slice_key
from cutaway.sources.tf_checksum import crc32c, unmasked, unsnapped
from cutaway.sources.tf_table import read_table
from cutaway.sources.tf_types import shape_of, tensor
from cutaway.sources.tf_wire import Damaged, Message


def slow_crc32c(data: bytes) -> int:
    """Bit by bit, from the definition."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def test_checksum_of_the_standard() -> None:
    """RFC 3720, B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert unmasked(((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF) == 0xE3069283


@pytest.mark.parametrize("size", [0, 1, 2048, 2049, 4096, 10_007, 70_001])
def test_checksum_in_lanes_is_the_same(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    assert crc32c(data) == slow_crc32c(data)
    assert crc32c(data[size // 3 :], crc32c(data[: size // 3])) == crc32c(data)


def test_snappy_of_the_description() -> None:
    """Literals, copies with one and two bytes of offset, a copy that overlaps itself."""
    assert unsnapped(memoryview(varint(3) + bytes([2 << 2]) + b"abc"), 100) == b"abc"
    one = varint(11) + bytes([2 << 2]) + b"abc" + bytes([4 << 2 | 1, 3])
    assert unsnapped(memoryview(one), 100) == b"abcabcabcab"
    two = varint(13) + bytes([2 << 2]) + b"abc" + bytes([9 << 2 | 2, 1, 0])
    assert unsnapped(memoryview(two), 100) == b"abccccccccccc"
    long = varint(100) + bytes([60 << 2, 99]) + bytes(range(100))
    assert unsnapped(memoryview(long), 100) == bytes(range(100))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (varint(1 << 40) + b"\0a", "declares"),
        (varint(3) + bytes([2 << 2]) + b"ab", "ends in the middle"),
        (varint(9) + bytes([0]) + b"a" + bytes([4 << 2 | 1, 7]), "before its beginning"),
        (varint(2) + bytes([2 << 2]) + b"abc", "more than the 2 bytes"),
        (varint(9) + bytes([2 << 2]) + b"abc", "3 of 9 bytes"),
    ],
)
def test_broken_snappy_is_told(data: bytes, words: str) -> None:
    with pytest.raises(Damaged, match=words):
        unsnapped(memoryview(data), 1 << 20)


def test_messages() -> None:
    message = Message(number(1, 300) + blob(2, "text") + real(3, 0.5) + number(4, -1) + blob(5, varint(1) + varint(7)))
    assert (message.whole(1), message.text(2), message.real(3), message.whole(4)) == (300, "text", 0.5, -1)
    assert message.ints(5) == [1, 7]  # packed
    assert (message.whole(9), message.text(9), message.ints(9), message.has(9)) == (0, "", [], False)
    for broken in (b"\x0a\x05ab", b"\x00", b"\x80", b"\x0b", b"\xff" * 11, b"\x08" + b"\xff" * 11):
        with pytest.raises(Damaged):
            Message(broken).whole(1)
    with pytest.raises(Damaged, match="bytes where a number belongs"):
        Message(blob(1, "a")).whole(1)


def test_tables_share_the_beginnings_of_keys() -> None:
    contents = varint(0) + varint(5) + varint(1) + b"conv1" + b"A" + varint(4) + varint(1) + varint(1) + b"2" + b"B"
    contents += struct.pack("<II", 0, 1)
    assert [(key, bytes(value)) for key, value in read_table(memoryview(table([], contents)))] == [
        (b"conv1", b"A"),
        (b"conv2", b"B"),
    ]
    assert [bytes(value) for _, value in read_table(memoryview(table([(b"k", b"v")])))] == [b"v"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:20], "too short"),
        (lambda data: data[:-1], "does not end as an index"),
        (lambda data: data[:3] + b"\xff" + data[4:], "checksum"),
        (lambda data: data[:-48] + (varint(0) + varint(1 << 40)) * 2 + data[-48 + 14 :], "beyond the end"),
    ],
)
def test_broken_tables_are_told(change: object, words: str) -> None:
    data = table([HEADER, (b"w", entry([2], 0, 8, 0))])
    with pytest.raises(Damaged, match=words):
        list(read_table(memoryview(change(data))))  # type: ignore[operator]


def test_numbers_that_sort() -> None:
    """OrderedCode: the order of the bytes is that of the numbers."""
    numbers = [-(1 << 40), -70_000, -65, -64, -1, 0, 1, 63, 64, 8191, 8192, 1 << 20, 1 << 45]
    codes = [signed_increasing(one) for one in numbers]
    assert codes == sorted(codes)
    assert signed_increasing(0) == b"\x80"
    assert signed_increasing(-1) == b"\x7f"
    assert signed_increasing(64) == b"\xc0\x40"
    assert slice_key("w", ((0, -1),)) == b"\x00w\x00\x01\x01\x01\x80\x7f"


def test_tensors_in_graphs() -> None:
    assert np.array_equal(tensor(Message(number(1, 1) + blob(2, shape(2)) + real(5, 1.5))), [1.5, 1.5])
    assert np.array_equal(
        tensor(Message(number(1, 3) + blob(2, shape(3)) + blob(7, varint(1) + varint(-2)))), [1, -2, -2]
    )
    half = tensor(Message(number(1, 19) + blob(2, shape(1)) + number(13, 0x3C00)))
    assert np.array_equal(half, np.ones(1, np.float16))
    bfloat = tensor(Message(number(1, 14) + blob(2, shape(1)) + blob(4, b"\x80\x3f")))
    assert np.array_equal(bfloat, [1.0])
    assert tensor(Message(number(1, 7) + blob(8, "a") + blob(8, "bc"))) == [b"a", b"bc"]
    huge = tensor(Message(number(1, 1) + blob(2, shape(1 << 20, 1 << 20)) + real(5, 1.0)))
    assert isinstance(huge, np.ndarray)
    assert huge.strides == (0, 0)  # one number, however large it says that it is
    with pytest.raises(Damaged, match="declares the shape"):
        tensor(Message(number(1, 1) + blob(2, shape(1 << 20, 1 << 20)) + real(5, 1.0) + real(5, 2.0)))
    assert shape_of(Message(number(3, 1))) is None


def test_a_checkpoint_by_hand(tmp_path: Path) -> None:
    values = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.full((), 7, np.float32)}
    index = write_checkpoint(tmp_path / "model-1", b"", values)
    bundle = Bundle(prefix_of(index), 1 << 20)
    assert list(bundle.entries) == ["a/kernel", "b"]
    assert np.array_equal(bundle.tensor("a/kernel"), values["a/kernel"])
    assert bundle.tensor("b").shape == ()


@pytest.mark.parametrize(
    ("size", "sizes", "words"),
    [
        (24, [3, 3], "declares the shape"),
        (1 << 60, [1 << 58], "cut off"),
        (24, [1 << 40, 1 << 40], "declares the shape"),
    ],
)
def test_declared_sizes_are_checked(size: int, sizes: list[int], words: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "m", b"", {"w": np.zeros((2, 3), np.float32)})
    (tmp_path / "m.index").write_bytes(table([HEADER, (b"w", entry(sizes, 0, size, 0))]))
    with pytest.raises(SourceError, match=words):
        Bundle(tmp_path / "m", 1 << 62).check(["w"])
    with pytest.raises(SourceError):
        Bundle(tmp_path / "m", 1 << 30).tensor("w")


def test_a_flipped_bit_in_the_weights_is_told(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "m", b"", {"w": np.ones(5000, np.float32)})
    data = tmp_path / "m.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[7777] ^= 4
    data.write_bytes(raw)
    with pytest.raises(SourceError, match=r"the checksum of 'w' is wrong"):
        Bundle(tmp_path / "m", 1 << 30).tensor("w")


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_only_ever_damaged(data: bytes) -> None:
    reads = (
        lambda: Message(data).parts,
        lambda: unsnapped(memoryview(data), 1 << 16),
        lambda: list(read_table(memoryview(data))),
        lambda: list(read_table(memoryview(table([], data)))),
        lambda: list(read_table(memoryview(table([], data, kind=1)))),
        lambda: tensor(Message(data)),
        lambda: block([(data, data)]),
    )
    for read in reads:
        try:
            read()
        except Damaged:
            pass
        except ValueError:  # NumPy's own, for shapes that do not fit; whoever opens a file tells it as damage
            assert read is reads[5]
