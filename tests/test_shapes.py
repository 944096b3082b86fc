from __future__ import annotations

import functools

import numpy as np
import pytest
from fixtures.make_recording import NETWORK, TinySource, forward
from hypothesis import given
from hypothesis import strategies as st

from cutaway.errors import CutawayError, UnknownLayer
from cutaway.network import Attributes, Edge, Kind, Layer, Network
from cutaway.shapes import (
    Box,
    output_size,
    parameter_count,
    receptive_field,
    same_padding,
    transposed_size,
    window_shape,
)

sizes = st.integers(1, 12)
steps = st.integers(1, 4)


@given(sizes, st.integers(1, 5), steps, st.integers(0, 3), st.integers(0, 3), st.integers(1, 3))
def test_output_size_counts_the_places_where_a_window_fits(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int
) -> None:
    taps = [tap * dilation for tap in range(kernel)]
    padded = size + before + after
    fitting = sum(start + taps[-1] < padded for start in range(0, padded, stride))
    assert output_size(size, kernel, stride, (before, after), dilation) == fitting


@given(sizes, st.integers(1, 5), steps, st.integers(1, 3))
def test_same_padding_keeps_the_size_divided_by_the_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = same_padding(size, kernel, stride, dilation)
    assert after - before in (0, 1)  # an odd rest goes behind
    assert output_size(size, kernel, stride, (before, after), dilation) == -(-size // stride)


@given(sizes, st.integers(1, 5), steps, st.integers(1, 3))
def test_a_transposed_convolution_undoes_the_shape_of_a_convolution(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    grown = transposed_size(size, kernel, stride, dilation=dilation)
    assert output_size(grown, kernel, stride, dilation=dilation) == size


def test_window_shape_keeps_rows_and_columns_apart() -> None:
    assert window_shape((6, 5), (2, 3), (2, 1), ((0, 1), (1, 1))) == (3, 5)


def test_every_layer_of_the_tiny_network_has_the_shape_that_the_arithmetic_says() -> None:
    for layer in NETWORK:
        a = layer.attributes
        if a.kernel and a.stride and a.padding and a.dilation:
            before = NETWORK.layer(layer.inputs[0].layer).output_shape
            assert (
                window_shape((before[1], before[2]), a.kernel, a.stride, a.padding, a.dilation)
                == (layer.output_shape[1:])
            )


def test_parameters_are_counted_and_shared_ones_once() -> None:
    conv = NETWORK.layer("features.grouped")
    assert parameter_count(conv) == 6 * 2 * 2 * 3 + 6
    assert parameter_count(NETWORK.layer("pool")) == 0
    twice = Network(layers=(conv, conv), inputs=(), outputs=())
    assert parameter_count(twice) == parameter_count(conv)
    assert parameter_count(NETWORK) == sum(value.size for value in TinySource().parameters(0).values())


@pytest.mark.parametrize("layer", [layer.id for layer in NETWORK])
def test_the_receptive_field_is_what_a_changed_input_pixel_reaches(layer: str) -> None:
    shape = NETWORK.layer(layer).output_shape
    height, width = shape[1:] if len(shape) == 3 else (1, 1)
    for y in range(height):
        for x in range(width):
            reaching = [pixel for pixel, reached in reach().items() if reached[layer][y, x]]
            rows, columns = zip(*reaching, strict=True)
            expected = Box(min(rows), min(columns), max(rows) + 1, max(columns) + 1)
            assert receptive_field(NETWORK, layer, y, x) == expected


@functools.cache
def reach() -> dict[tuple[int, int], dict[str, np.ndarray]]:
    """Input pixel -> layer id -> [y, x] whether it changes when that pixel does, in loops that know nothing of boxes.

    All weights are positive, so that a very bright pixel wins every maximum and passes every ReLU.
    """
    weights = {key: np.abs(value) + 0.1 for key, value in TinySource().parameters(0).items()}
    grey = forward(NETWORK, weights, np.ones((1, 6, 5)))
    found = {}
    for y in range(6):
        for x in range(5):
            image = np.ones((1, 6, 5))
            image[0, y, x] = 1e6
            bright = forward(NETWORK, weights, image)
            found[y, x] = {
                id: np.any(np.atleast_3d(v != grey[id]), axis=0, keepdims=True)[0] for id, v in bright.items()
            }
            for id in ("dense", "scores"):  # the softmax saturates: it reads all that the layer before it reads
                found[y, x][id] = np.array([[np.any(bright["dense"] != grey["dense"])]])
    return found


def chain(kind: Kind, attributes: Attributes, before: tuple[int, ...], after: tuple[int, ...]) -> Network:
    return Network(
        layers=(
            Layer(id="in", name="in", kind="input", output_shapes=(before,)),
            Layer(
                id="out",
                name="out",
                kind=kind,
                inputs=(Edge(layer="in"),),
                output_shapes=(after,),
                attributes=attributes,
            ),
        ),
        inputs=("in",),
        outputs=("out",),
    )


def test_dilation_widens_the_field() -> None:
    network = chain("conv2d", Attributes(kernel=(3, 2), dilation=(2, 3)), (1, 9, 9), (1, 5, 6))
    assert receptive_field(network, "out", 1, 2) == Box(1, 2, 6, 6)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_a_transposed_convolution_reads_the_pixels_whose_stamps_arrive(kernel: int, stride: int, pad: int) -> None:
    size = 5
    grown = transposed_size(size, kernel, stride, (pad, pad))
    attributes = Attributes(kernel=(1, kernel), stride=(1, stride), padding=((0, 0), (pad, pad)))
    network = chain("conv_transpose2d", attributes, (1, 1, size), (1, 1, grown))
    for x in range(grown):
        stamping = [i for i in range(size) if 0 <= x + pad - i * stride < kernel]
        box = receptive_field(network, "out", 0, x)
        assert box.empty == (not stamping)
        if stamping:
            assert (box.left, box.right) == (stamping[0], stamping[-1] + 1)


def test_padding_and_cropping_move_the_field() -> None:
    padded = chain("pad", Attributes(padding=((1, 2), (3, 0))), (1, 4, 4), (1, 7, 7))
    assert receptive_field(padded, "out", 2, 3) == Box(1, 0, 2, 1)
    assert receptive_field(padded, "out", 0, 0).empty
    cropped = chain("crop", Attributes(padding=((1, 1), (2, 0))), (1, 4, 4), (1, 2, 2))
    assert receptive_field(cropped, "out", 0, 1) == Box(1, 3, 2, 4)


def test_upsampling_and_adaptive_pools_share_out_the_input() -> None:
    doubled = chain("upsample", Attributes(), (1, 3, 2), (1, 6, 4))
    assert receptive_field(doubled, "out", 5, 2) == Box(2, 1, 3, 2)
    pooled = chain("adaptive_pool", Attributes(), (1, 7, 5), (1, 3, 2))
    assert receptive_field(pooled, "out", 1, 1) == Box(2, 2, 5, 5)


def test_branches_are_joined_and_dead_ends_ignored() -> None:
    maps = ((1, 6, 6),)
    wide = Attributes(kernel=(3, 3), padding=((1, 1), (1, 1)))
    network = Network(
        layers=(
            Layer(id="in", name="in", kind="input", output_shapes=maps),
            Layer(id="other", name="other", kind="input", output_shapes=maps),
            Layer(id="a", name="a", kind="conv2d", inputs=(Edge(layer="in"),), output_shapes=maps, attributes=wide),
            Layer(id="b", name="b", kind="relu", inputs=(Edge(layer="in"),), output_shapes=maps),
            Layer(id="sum", name="sum", kind="add", inputs=(Edge(layer="a"), Edge(layer="b")), output_shapes=maps),
        ),
        inputs=("in", "other"),
        outputs=("sum",),
    )
    assert receptive_field(network, "sum", 0, 3) == Box(0, 2, 2, 5)
    assert receptive_field(network, "b", 0, 3) == Box(0, 3, 1, 4)
    assert receptive_field(network, "sum", 0, 3, input="other").empty


def test_places_outside_and_unknown_layers_are_refused() -> None:
    with pytest.raises(CutawayError, match=r"'pool' has 2×2 pixels; there is none at \(2, 0\)"):
        receptive_field(NETWORK, "pool", 2, 0)
    with pytest.raises(UnknownLayer, match="no layer 'poool'"):
        receptive_field(NETWORK, "poool", 0, 0)
