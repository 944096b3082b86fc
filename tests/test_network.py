from __future__ import annotations

import msgspec
import pytest

from cutaway.errors import CutawayError, UnknownLayer
from cutaway.network import Attributes, Edge, Layer, Network, Parameter

CONV = Layer(
    id="stem.conv",
    name="conv",
    kind="conv2d",
    inputs=(Edge(layer="input"),),
    output_shapes=((4, 6, 5),),
    attributes=Attributes(kernel=(3, 2), padding=((1, 1), (0, 1))),
    parameters=(Parameter(role="kernel", key="stem.conv/kernel", shape=(4, 1, 3, 2)),),
)
NETWORK = Network(
    layers=(Layer(id="input", name="input", kind="input", output_shapes=((1, 6, 5),)), CONV),
    inputs=("input",),
    outputs=("stem.conv",),
)


def test_a_layer_is_found_by_its_id() -> None:
    assert NETWORK.layer("stem.conv") is CONV
    assert [layer.id for layer in NETWORK] == ["input", "stem.conv"]


def test_an_unknown_layer_names_those_there_are() -> None:
    with pytest.raises(UnknownLayer) as caught:
        NETWORK.layer("conv9")
    assert str(caught.value) == "no layer 'conv9' in this network; it has input, stem.conv"
    assert isinstance(caught.value, CutawayError)
    assert isinstance(caught.value, KeyError)


def test_parameters_are_found_by_role() -> None:
    kernel = CONV.parameter("kernel")
    assert kernel is not None
    assert kernel.shape == (4, 1, 3, 2)
    assert CONV.parameter("bias") is None


def test_an_unknown_shape_is_empty() -> None:
    assert CONV.output_shape == (4, 6, 5)
    assert Layer(id="x", name="x", kind="other").output_shape == ()


def test_json_leaves_out_defaults_and_comes_back_equal() -> None:
    text = msgspec.json.encode(NETWORK)
    assert msgspec.json.decode(text, type=Network) == NETWORK
    assert b"dilation" not in text
    assert b"trainable" not in text


def test_nothing_can_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        CONV.kind = "dense"  # type: ignore[misc]
