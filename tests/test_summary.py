from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cutaway.network import Layer, Network, Parameter
from cutaway.recording.summary import BINS, summarise, summarise_maps, summarise_tensor


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
        assert (summary.low, summary.high) == (finite.min(), finite.max())
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
