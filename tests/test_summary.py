from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cutaway.network import Attributes, Layer, Network, Parameter
from cutaway.recording.statistics import BINS, map_histograms, saturated_share, summarise_maps, summarise_tensor
from cutaway.recording.summary import limits_of, summarise


def f32(values: Any) -> np.ndarray:
    return np.array(values, np.float32)


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=4), elements=st.floats(width=32)))
def test_any_tensor_is_summarised_in_finite_numbers(values: np.ndarray) -> None:
    summary = summarise_tensor(values)
    finite = values[np.isfinite(values)].astype(np.float64)
    assert summary.not_finite == values.size - finite.size
    assert sum(summary.histogram.counts) == finite.size
    assert len(summary.histogram.counts) == BINS
    if finite.size:
        assert (np.float32(summary.low), np.float32(summary.high)) == (finite.min(), finite.max())
        assert summary.mean == pytest.approx(finite.mean(), rel=1e-6, abs=1e-44)
        assert summary.norm == pytest.approx(np.linalg.norm(finite), rel=1e-6, abs=1e-44)


def test_the_histogram_counts_values_in_equal_bins() -> None:
    counts = summarise_tensor(f32([0, 0.5, 1.5, 39.5, 40])).histogram.counts
    assert counts == (2, 1, *[0] * 37, 2)


def test_a_constant_tensor_is_all_in_one_bin_and_an_empty_one_in_none() -> None:
    assert summarise_tensor(np.full((2, 3), 7, np.float32)).histogram.counts == (6, *[0] * 39)
    assert sum(summarise_tensor(f32([np.nan])).histogram.counts) == 0


def test_maps_are_summarised_over_all_samples() -> None:
    outputs = np.zeros((2, 4, 3, 2), np.float32)  # four maps: used, dead, constant, used in the second sample only
    outputs[0, 0, 2, 1], outputs[1, 0, 0, 0] = 6, -6
    outputs[:, 2] = 0.25
    outputs[1, 3, 1, 1] = 12
    found = summarise_maps(outputs)
    assert found == ((-6, 0, 0.25, 0), (6, 0, 0.25, 12), (0, 0, 0.25, 1), (1, 2))


def test_values_that_are_not_finite_neither_count_nor_make_a_map_dead() -> None:
    outputs = f32([[[[np.nan, 3]], [[np.inf, np.nan]]]])
    assert summarise_maps(outputs) == ((3, 0), (3, 0), (3, 0), ())


def test_one_unit_of_one_sample_is_dead_only_at_zero() -> None:
    assert summarise_maps(f32([[0, 0.5]]))[3] == (0,)


def conv(id: str) -> Layer:
    kernel = Parameter(role="kernel", key=f"{id}/kernel", shape=(2,))
    return Layer(id=id, name=id, kind="conv2d", parameters=(kernel,))


def test_the_update_ratio_compares_with_the_checkpoint_before() -> None:
    network = Network(layers=(conv("a"), conv("b")), inputs=(), outputs=())
    now = {"a/kernel": f32([3, 5]), "b/kernel": f32([1, 1])}
    before = {"a/kernel": f32([3, 4]), "b/kernel": f32([0, 0])}
    layers = summarise(network, now, {}, before).layers
    assert layers["a"].update_ratio == pytest.approx(0.2)
    assert layers["b"].update_ratio is None  # nothing to divide by
    assert summarise(network, now, {}).layers["a"].update_ratio is None


def test_layers_without_anything_recorded_are_left_out() -> None:
    network = Network(layers=(conv("a"), conv("b")), inputs=(), outputs=())
    assert list(summarise(network, {"b/kernel": f32([1, 2])}, {}).layers) == ["b"]


def test_gradients_are_summarised_by_role_and_the_step_is_taken_as_measured() -> None:
    network = Network(layers=(conv("a"), conv("b")), inputs=(), outputs=())
    now = {"a/kernel": f32([3, 5]), "b/kernel": f32([1, 1])}
    found = summarise(
        network, now, {}, gradients={"a/kernel": f32([3, np.nan])}, step_update={"a/kernel": 0.00123456789}
    )
    a, b = found.layers["a"], found.layers["b"]
    assert (a.gradients["kernel"].norm, a.gradients["kernel"].not_finite) == (3, 1)
    assert a.step_update_ratio == 0.001234568
    assert (b.gradients, b.step_update_ratio) == ({}, None)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(*[st.integers(1, 4)] * 3),
        elements=st.floats(width=32, min_value=-(2.0**99), max_value=2.0**99),
    )
)
def test_every_value_of_a_map_is_in_one_of_its_bins(outputs: np.ndarray) -> None:
    counts = np.array(map_histograms(outputs, float(outputs.min()), float(outputs.max())))
    samples, maps, pixels = outputs.shape
    assert counts.shape == (maps, 16)
    assert (counts.sum(axis=1) == samples * pixels).all()


def test_histograms_of_maps_share_the_bins_of_their_layer() -> None:
    outputs = f32([[[0, 16], [0.5, np.nan]], [[1, 15], [7.9, 8]]])  # [sample, map, pixel]
    first, second = map_histograms(outputs, 0, 16)
    assert {i: n for i, n in enumerate(first) if n} == {0: 1, 1: 1, 15: 2}
    assert {i: n for i, n in enumerate(second) if n} == {0: 1, 7: 1, 8: 1}


def test_vectors_and_inputs_have_no_histogram_a_map() -> None:
    layers = (
        Layer(id="image", name="image", kind="input"),
        Layer(id="maps", name="maps", kind="relu"),
        Layer(id="pooled", name="pooled", kind="global_average_pool"),
        Layer(id="vector", name="vector", kind="relu"),
        Layer(id="wide", name="wide", kind="relu"),
    )
    shapes = {
        "image": (2, 1, 3, 3),
        "maps": (2, 3, 3, 3),
        "pooled": (2, 3, 1, 1),
        "vector": (2, 3),
        "wide": (2, 257, 2, 2),
    }
    outputs = {id: np.ones(shape, np.float32) for id, shape in shapes.items()}
    found = summarise(Network(layers=layers, inputs=(), outputs=()), {}, outputs).layers
    assert {id: len(layer.map_histograms) for id, layer in found.items() if layer.map_histograms} == {"maps": 3}


def test_saturated_is_within_a_hundredth_of_a_limit() -> None:
    assert saturated_share(f32([0, 0.0099, 0.0101, 0.5, 0.9899, 0.9901, 1, np.nan]), 0, 1) == pytest.approx(
        4 / 7, rel=1e-6
    )
    assert saturated_share(f32([-0.981, -0.979, 0, 0.981]), -1, 1) == 0.5
    assert saturated_share(f32([np.nan]), 0, 1) is None


@pytest.mark.parametrize(
    ("layer", "limits"),
    [
        (Layer(id="a", name="a", kind="sigmoid"), (0, 1)),
        (Layer(id="a", name="a", kind="activation", op="torch.nn.Hardsigmoid"), (0, 1)),
        (
            Layer(id="a", name="a", kind="activation", op="x", attributes=Attributes(extra={"name": "hard_tanh"})),
            (-1, 1),
        ),
        (Layer(id="a", name="a", kind="dense", fused=("batch_norm", "tanh", "dropout")), (-1, 1)),
        (Layer(id="a", name="a", kind="conv2d", fused=("relu",)), None),
    ],
)
def test_which_layers_can_saturate(layer: Layer, limits: tuple[float, float] | None) -> None:
    assert limits_of(layer) == limits


def test_scores_are_those_of_the_networks_output() -> None:
    network = Network(layers=(Layer(id="out", name="out", kind="dense"),), inputs=(), outputs=("out",))
    scores = f32([[0.1, 0.9], [np.nan, np.inf]])
    assert summarise(network, {}, {"out": scores}).scores == ((0.1, 0.9), (None, None))
    assert summarise(network, {}, {"out": np.zeros((1, 1001), np.float32)}).scores is None
    assert summarise(network, {}, {"out": np.zeros((1, 2, 3, 3), np.float32)}).scores is None
    assert summarise(network, {}, {}).scores is None
