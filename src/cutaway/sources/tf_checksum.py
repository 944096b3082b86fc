"""CRC-32C (Castagnoli) in NumPy, and Snappy's decompression.

A CRC is linear: the remainder of `a + b` is that of `a`, shifted by the length of `b`, xor that of `b`. So the bytes
are cut into lanes that NumPy works through side by side, two 16-bit table look-ups for four bytes, and the lanes are
joined in pairs. Warren, "Hacker's Delight", ch. 14; Kounavis and Berry, "A Systematic Approach to Building High
Performance Software-Based CRC Generators", 2005. Snappy: github.com/google/snappy/blob/main/format_description.txt.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np

from cutaway.sources.tf_wire import Damaged, varint

POLYNOMIAL = 0x82F63B78
LANES = 1 << 15
SMALL = 2048
"""Bytes up to which a plain loop is faster."""

SNAPPY_RATIO = 22
"""Three bytes stand for at most 64: what declares more is no Snappy."""


def unmasked(stored: int) -> int:
    """TensorFlow stores CRCs rotated and shifted, so that the CRC of bytes which hold a CRC stays useful."""
    rotated = (stored - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


@cache
def tables() -> np.ndarray:
    """[4, 256] uint32: a byte's remainder with 0 to 3 zero bytes behind it."""
    rows = np.zeros((4, 256), np.uint32)
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, first >> 1 ^ np.uint32(POLYNOMIAL), first >> 1)
    rows[0] = first
    for k in range(1, 4):
        rows[k] = rows[k - 1] >> 8 ^ first[rows[k - 1] & 0xFF]
    return rows


@cache
def plain_table() -> list[int]:
    return [int(value) for value in tables()[0]]


@cache
def wide_tables() -> tuple[np.ndarray, np.ndarray]:
    """Remainders of the lower and of the upper 16 bits of four bytes."""
    rows, words = tables(), np.arange(1 << 16, dtype=np.uint32)
    low, high = words & 0xFF, words >> 8
    return rows[3][low] ^ rows[2][high], rows[1][low] ^ rows[0][high]


def crc32c(data: bytes | memoryview | np.ndarray, before: int = 0) -> int:
    """The checksum of bytes; `before` is that of what comes before them."""
    values = np.frombuffer(data, np.uint8)
    state = before ^ 0xFFFFFFFF
    if len(values) > SMALL:
        lanes = min(LANES, 1 << (len(values) // 256).bit_length() - 1)
        words = len(values) // lanes // 4
        whole = lanes * words * 4
        state = in_lanes(np.ascontiguousarray(values[:whole]).view("<u4").reshape(lanes, words), state)
        values = values[whole:]
    table = plain_table()
    for byte in values.tolist():
        state = table[(state ^ byte) & 0xFF] ^ state >> 8
    return int(state) ^ 0xFFFFFFFF


def in_lanes(words: np.ndarray, state: int) -> int:
    """The CRC state behind [lanes, words] uint32, the number of lanes a power of two."""
    low, high = wide_tables()
    count = len(words)
    states, parts, index = np.zeros(count, np.uint32), np.empty((2, count), np.uint32), np.empty(count, np.intp)
    states[0] = state
    halves = states.view(np.uint16).reshape(-1, 2)
    first, second = (0, 1) if sys.byteorder == "little" else (1, 0)
    for start in range(0, words.shape[1], 64):  # turned in blocks that stay in the cache
        for column in np.ascontiguousarray(words[:, start : start + 64].T):
            np.bitwise_xor(states, column, out=states)
            index[:] = halves[:, first]
            np.take(low, index, out=parts[0], mode="clip")  # without a mode NumPy copies for its bounds check
            index[:] = halves[:, second]
            np.take(high, index, out=parts[1], mode="clip")
            np.bitwise_xor(parts[0], parts[1], out=states)
    operator = shift_by(words.shape[1] * 4)
    while len(states) > 1:
        states = applied(operator, states[0::2]) ^ states[1::2]
        operator = applied(operator, operator)
    return int(states[0])


def shift_by(count: int) -> np.ndarray:
    """[32] uint32: what `count` zero bytes make of each bit of the state."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    power = bits >> 8 ^ tables()[0][bits & 0xFF]
    result = bits
    while count:
        if count & 1:
            result = applied(power, result)
        power = applied(power, power)
        count >>= 1
    return result


def applied(operator: np.ndarray, states: np.ndarray) -> np.ndarray:
    """A linear operator [32] on states [n]."""
    result = np.zeros_like(states)
    for bit in range(32):
        result ^= np.where(states >> np.uint32(bit) & 1, operator[bit], np.uint32(0))
    return result


def unsnapped(data: memoryview, limit: int) -> bytes:
    """Decompresses raw Snappy. Raises Damaged where it declares more than `limit` bytes or contradicts itself."""
    size, at = varint(data, 0)
    if size > limit or size > SNAPPY_RATIO * len(data) + 64:
        raise Damaged(f"a compressed block of {len(data)} bytes declares {size} bytes")
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:  # literal bytes; from 61 on the length lies in 1 to 4 bytes of its own
            if length > 60:
                more = length - 60
                length = int.from_bytes(data[at : at + more], "little") + 1
                at += more
            if at + length > len(data):
                raise Damaged("a compressed block ends in the middle of its bytes")
            out += data[at : at + length]
            at += length
        else:  # a copy of what came before
            if kind == 1:
                length = (tag >> 2 & 7) + 4
                offset = (tag >> 5) << 8 | int.from_bytes(data[at : at + 1], "little")
                at += 1
            else:
                wide = 2 if kind == 2 else 4
                offset = int.from_bytes(data[at : at + wide], "little")
                at += wide
            if not 0 < offset <= len(out):
                raise Damaged("a compressed block copies from before its beginning")
            start = len(out) - offset
            piece = bytes(out[start : start + length])
            while len(piece) < length:  # the copy overlaps itself: a short run repeated
                piece += piece[: length - len(piece)]
            out += piece
        if len(out) > size:
            raise Damaged(f"a compressed block holds more than the {size} bytes that it declares")
    if len(out) != size:
        raise Damaged(f"a compressed block holds {len(out)} of {size} bytes")
    return bytes(out)
