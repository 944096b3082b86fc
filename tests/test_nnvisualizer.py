from __future__ import annotations

import contextlib
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import plain
from fixtures.export import NNVISUALIZER_TINY, write_export
from fixtures.make_recording import TINY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cutaway
from cutaway.errors import CutawayError, SourceError
from cutaway.recording.store import Recording
from cutaway.sources.nnvisualizer_files import as_array
from cutaway.sources.numbers import conv_window, pool_window
from cutaway.sources.recognise import FILES, FOLDERS, first

Change = Callable[[Any], object]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A whole export that may be damaged."""
    return write_export(tmp_path / "export")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """An export, recorded."""
    place = tmp_path_factory.mktemp("recorded")
    return cutaway.record(cutaway.open_source(write_export(place / "export")), out=place / "run")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export that `recording` was made from."""
    return write_export(tmp_path_factory.mktemp("raw") / "export")


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def edit(path: Path, change: Change) -> None:
    """Changes what a JSON file holds."""
    content = load(path)
    change(content)
    path.write_text(json.dumps(content))


def put(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


class TestNetwork:
    def test_layers_shapes_and_kinds(self, recording: Recording) -> None:
        found = {layer.id: (layer.kind, layer.output_shape) for layer in recording.network}
        assert found == {
            "input": ("input", (2, 9, 6)),
            "conv0": ("conv2d", (3, 9, 6)),
            "maxpool0": ("max_pool2d", (3, 4, 3)),
            "conv1": ("conv2d", (4, 4, 3)),
            "maxpool1": ("max_pool2d", (4, 2, 1)),
            "fc0": ("dense", (5,)),
            "fc_out": ("dense", (3,)),
        }
        assert [edge.layer for layer in recording.network for edge in layer.inputs] == list(found)[:-1]
        assert (recording.network.inputs, recording.network.outputs) == (("input",), ("fc_out",))

    def test_attributes_are_read_off_shapes_and_numbers(self, recording: Recording) -> None:
        conv = recording.network.layer("conv0").attributes
        assert (conv.kernel, conv.stride, conv.padding) == ((2, 3), (1, 1), ((0, 1), (1, 1)))
        pool = recording.network.layer("maxpool0").attributes  # 9 → 4 and 6 → 3: the last row is left out
        assert (pool.kernel, pool.stride, pool.padding) == ((2, 2), (2, 2), ((0, 0), (0, 0)))
        assert recording.network.layer("fc0").attributes.input_order == "HWC"
        assert recording.network.layer("fc_out").attributes.input_order is None

    def test_what_is_fused_is_what_the_numbers_say(self, recording: Recording) -> None:
        fused = {layer.id: layer.fused for layer in recording.network if layer.fused}
        assert fused == {"conv0": ("relu",), "conv1": ("relu",), "fc0": ("relu",)}

    def test_a_softmax_is_seen_by_its_sums(self, export: Path) -> None:
        for path in export.glob("model_activations_*"):
            edit(path, lambda c: c[-2].__setitem__(2, [list(plain.softmax(np.array(row))) for row in c[-2][2]]))
        assert cutaway.open_source(export).network.layer("fc_out").fused == ("softmax",)

    def test_kernels_have_canonical_axes_and_say_what_they_were(self, recording: Recording) -> None:
        kernel = recording.network.layer("conv0").parameters[0]
        assert (kernel.shape, kernel.source_axes) == ((3, 2, 2, 3), "HWIO")
        dense = recording.network.layer("fc0").parameters[0]
        assert (dense.shape, dense.source_axes) == ((5, 8), "IO")
        assert recording.network.layer("maxpool0").parameters == ()  # its dummy weights are none

    def test_checkpoints_classes_samples_and_gaps_are_told(self, recording: Recording) -> None:
        assert [(c.label, c.epoch) for c in recording.checkpoints] == [("epoch 0", 0), ("epoch 1", 1), ("epoch 2", 2)]
        assert recording.classes == ("circle", "square", "star")
        assert recording.samples.labels == (0, 1, 2)
        complete = recording.completeness
        assert (complete.parameters, complete.biases, complete.activations, complete.runnable) == (
            True,
            False,
            True,
            False,
        )
        assert complete.missing == {layer: ("bias",) for layer in ("conv0", "conv1", "fc0", "fc_out")}


class TestValues:
    """The defects of nn-visualizer's own viewer: each of these sums comes out wrong with one of them."""

    def test_every_tensor_is_the_json_as_float32(self, recording: Recording, raw: Path) -> None:
        for epoch in range(3):
            weights = {name: values for name, _, values in load(raw / f"model_weights_epoch{epoch:03d}.json")}
            outputs = load(raw / f"model_activations_epoch{epoch:03d}.json")[:-1]
            for layer in recording.network:
                for parameter in layer.parameters:
                    found = recording.parameters(layer.id, parameter.role, epoch)
                    for place, value in every(weights[layer.id]):
                        # y, x, i, o → o, i, y, x, and i, o → o, i
                        there = (place[3], place[2], *place[:2]) if len(place) == 4 else place[::-1]
                        assert found[there] == np.float32(value)
            for name, _, values in outputs:
                for sample, output in enumerate(values):
                    found = recording.activations(name, epoch, sample)
                    for place, value in every(output):
                        there = (place[2], place[0], place[1]) if len(place) == 3 else place
                        assert found[there] == np.float32(value)

    @pytest.mark.parametrize(("layer", "before"), [("conv0", "input"), ("conv1", "maxpool0")])
    def test_a_convolution_reads_each_input_channel_through_its_own_kernel(
        self, recording: Recording, layer: str, before: str
    ) -> None:
        for epoch in range(3):
            for sample in range(3):
                kernel = recording.parameters(layer, "kernel", epoch)
                padding = recording.network.layer(layer).attributes.padding
                assert padding is not None
                inputs = recording.activations(before, epoch, sample)
                made = plain.relu(plain.conv2d(inputs, kernel, padding=(padding[0], padding[1])))
                np.testing.assert_allclose(recording.activations(layer, epoch, sample), made, atol=1e-5)

    def test_pools_see_rows_as_rows(self, recording: Recording) -> None:
        made = plain.max_pool(recording.activations("conv0", 1, 2), (2, 2), (2, 2))
        np.testing.assert_array_equal(recording.activations("maxpool0", 1, 2), np.float32(made))

    def test_dense_weights_after_maps_land_on_their_pixels(self, recording: Recording) -> None:
        maps = recording.activations("maxpool1", 1, 0)  # [4, 2, 1]
        kernel = recording.parameters("fc0", "kernel", 1)
        channels, height, width = maps.shape
        made = np.zeros(len(kernel))
        for unit in range(len(kernel)):
            for c in range(channels):
                for y in range(height):
                    for x in range(width):  # the order HWC that the layer names
                        made[unit] += kernel[unit, (y * width + x) * channels + c] * float(maps[c, y, x])
        np.testing.assert_allclose(recording.activations("fc0", 1, 0), plain.relu(made), atol=1e-5)

    def test_the_last_layer_is_the_product_with_the_layer_before_it(self, recording: Recording) -> None:
        made = plain.dense(recording.activations("fc0", 2, 1), recording.parameters("fc_out", "kernel", 2))
        np.testing.assert_allclose(recording.activations("fc_out", 2, 1), made, atol=1e-5)

    def test_the_picture_is_the_input_stretched_to_its_range(self, export: Path, tmp_path: Path) -> None:
        grey = [[[[x * 1e-5] for x in range(4)]], [[[0.0], [2e-5], [0.0], [3e-5]]]]  # two samples of 1 × 4 pixels
        small = tmp_path / "small"
        small.mkdir()
        put(small / "model_structure.json", [["input", [1, 1, 4, 1]], ["fc", [4, 2]], ["a", "b"]])
        put(small / "model_weights_epoch0.json", [["fc", [4, 2], [[1, 0], [0, 1], [1, 1], [0, 0]]]])
        outputs = [["input", [2, 1, 4, 1], grey], ["fc", [2, 2], [[0, 1], [1, -1]]], [["b", "?"], ["a", "a"]]]
        put(small / "model_activations_epoch0.json", outputs)
        found = cutaway.record(small, out=tmp_path / "run")
        assert found.images.dtype == np.uint8
        assert found.images[..., 0].tolist() == [[[0, 85, 170, 255]], [[0, 170, 0, 255]]]
        assert found.activations("input", 0, 0).tolist() == [[[0, *(np.float32(x * 1e-5) for x in (1, 2, 3))]]]
        assert found.samples.labels == (1, None)  # "?" is none of the classes
        assert "0 … 3e-05" in (found.samples.preprocessing or "")

    def test_values_that_are_not_finite_are_recorded_and_counted(self, export: Path, tmp_path: Path) -> None:
        def spoil(content: Any) -> None:
            content[1][2][0][0][0][0], content[1][2][0][0][0][1] = float("nan"), float("inf")

        edit(export / "model_activations_epoch001.json", spoil)
        assert "NaN" in (export / "model_activations_epoch001.json").read_text()
        found = cutaway.record(export, out=tmp_path / "run")
        conv = found.activations("conv0", 1, 0)
        assert np.isnan(conv[0, 0, 0])
        assert conv[1, 0, 0] == np.inf
        summary = found.summary(1).layers["conv0"].activations
        assert summary is not None
        assert summary.not_finite == 2
        before = found.summary(0).layers["conv0"].activations
        assert before is not None
        assert before.not_finite == 0

    @pytest.mark.parametrize("value", [0.1, 1, -0.0, 1e-45, 3.4028235e38, 1e39, 16777217, 1.00000006, 2**60])
    def test_a_number_becomes_its_float32(self, value: float) -> None:
        with np.errstate(over="ignore"):
            assert as_array([value, 0.5], "x").tobytes() == np.array([np.float32(value), 0.5], np.float32).tobytes()


def every(nested: Any, place: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], float]]:
    """All numbers of nested lists with their indices."""
    if not isinstance(nested, list):
        return [(place, nested)]
    return [found for position, inner in enumerate(nested) for found in every(inner, (*place, position))]


class TestWhatIsMissing:
    def test_a_batch_norm_is_seen_where_no_bias_explains_the_numbers(self, export: Path) -> None:
        def normalise(content: Any) -> None:
            maps = np.array(content[2][2]) * [1.4, 1.2, 0.7] + [0.3, -0.1, 0.2]
            kernels = load(export / "model_weights_epoch002.json")
            kernel = np.array(kernels[3][2]).transpose(3, 2, 0, 1)
            outputs = [plain.relu(plain.conv2d(np.moveaxis(m, -1, 0), kernel, padding=((1, 1), (0, 1)))) for m in maps]
            content[3][2] = np.moveaxis(np.array(outputs), 1, -1).tolist()
            content[4][2] = np.maximum.reduce(
                [np.array(content[3][2])[:, a::2, b:2:2][:, :2, :1] for a in (0, 1) for b in (0, 1)]
            ).tolist()

        edit(export / "model_activations_epoch002.json", normalise)
        complete = cutaway.open_source(export).completeness
        assert complete.missing["conv1"] == ("bias", "batch norm")
        assert complete.missing["conv0"] == ("bias",)
        assert any("batch norm" in note and "conv1" in note for note in complete.notes)

    def test_a_batch_norm_is_seen_between_dense_layers_too(self, export: Path) -> None:
        def normalise(content: Any) -> None:
            kernel = np.array(load(export / "model_weights_epoch002.json")[-1][2])
            hidden = np.array(content[5][2]) * [1.2, 0.6, 1.1, 0.9, 1.4] + 0.1
            content[6][2] = (hidden @ kernel).tolist()

        edit(export / "model_activations_epoch002.json", normalise)
        missing = cutaway.open_source(export).completeness.missing
        assert missing["fc_out"] == ("bias", "batch norm")
        assert missing["fc0"] == ("bias",)

    def test_biases_alone_are_not_taken_for_a_batch_norm(self, export: Path) -> None:
        def shift(content: Any) -> None:
            content[6][2] = (np.array(content[6][2]) + np.array([3, -2, 0.5])).tolist()

        edit(export / "model_activations_epoch002.json", shift)
        assert cutaway.open_source(export).completeness.missing["fc_out"] == ("bias",)

    def test_an_input_that_was_scaled_once_more_is_told(self, export: Path) -> None:
        for path in export.glob("model_activations_*"):
            edit(path, lambda c: c[0].__setitem__(2, (np.array(c[0][2]) / 255).tolist()))
        notes = cutaway.open_source(export).completeness.notes
        assert any("conv0 fits the recorded input only after × 255" in note for note in notes)

    def test_nothing_is_told_where_nothing_is_wrong(self) -> None:
        assert len(cutaway.open_source(NNVISUALIZER_TINY).completeness.notes) == 1


class TestFiles:
    def test_the_checked_in_export_is_what_its_script_writes(self, tmp_path: Path) -> None:
        made = write_export(tmp_path / "made", epochs=(0, 1), samples=2)
        for path in NNVISUALIZER_TINY.iterdir():
            found, kept = flatten(load(made / path.name)), flatten(load(path))
            assert [v for v in found if isinstance(v, str)] == [v for v in kept if isinstance(v, str)]
            assert [v for v in found if not isinstance(v, str)] == pytest.approx(
                [v for v in kept if not isinstance(v, str)], rel=1e-5, abs=1e-7
            )

    def test_epochs_are_ordered_by_their_number(self, tmp_path: Path) -> None:
        export = write_export(tmp_path / "export", epochs=tuple(range(8, 12)))
        for path in sorted(export.glob("*_epoch0*")):  # epoch_9 sorts behind epoch_10 as text
            path.rename(export / path.name.replace("epoch00", "epoch_").replace("epoch0", "epoch_"))
        source = cutaway.open_source(export)
        assert [checkpoint.epoch for checkpoint in source.checkpoints] == [8, 9, 10, 11]

    def test_every_fifth_epoch_is_no_gap(self, tmp_path: Path) -> None:
        source = cutaway.open_source(write_export(tmp_path / "export", epochs=(0, 5, 10)))
        assert [checkpoint.label for checkpoint in source.checkpoints] == ["epoch 0", "epoch 5", "epoch 10"]

    def test_one_epoch_is_enough(self, tmp_path: Path) -> None:
        export = write_export(tmp_path / "export", epochs=(3,))
        assert len(cutaway.record(export, out=tmp_path / "run").checkpoints) == 1

    def test_activations_without_truth_are_samples_without_labels(self, export: Path) -> None:
        for path in export.glob("model_activations_*"):
            edit(path, without(-1))
        samples = cutaway.open_source(export).samples
        assert samples is not None
        assert samples.labels is None

    def test_a_structure_without_class_names(self, export: Path) -> None:
        edit(export / "model_structure.json", without(-1))
        source = cutaway.open_source(export)
        assert source.classes is None
        assert source.samples is not None
        assert source.samples.labels is None


def flatten(nested: Any) -> list[Any]:
    return [value for inner in nested for value in flatten(inner)] if isinstance(nested, list) else [nested]


def without(place: int) -> Change:
    return lambda content: content.__delitem__(place)


def fewer_samples(content: Any) -> None:
    for entry in content[:-1]:
        entry[2].pop()
    for names in content[-1]:
        names.pop()


class TestBadInput:
    """Each is one line that names file, problem and remedy; nothing is left behind."""

    def refused(self, export: Path, tmp_path: Path) -> str:
        with pytest.raises(SourceError) as caught:
            cutaway.record(export, out=tmp_path / "run")
        assert not [path for path in tmp_path.iterdir() if "run" in path.name]
        text = str(caught.value)
        assert "\n" not in text
        assert len(text) < 400
        assert str(export) in text
        return text

    @pytest.mark.parametrize(
        ("file", "change", "words"),
        [
            ("weights_epoch001", lambda c: c[1][2].pop(), "weights of layer 'conv0' have shape [1, 3, 2, 3]"),
            ("weights_epoch001", lambda c: c[1][2][0].pop(), "lists of unequal length"),
            ("weights_epoch001", lambda c: c[1][2][0][0][0].__setitem__(0, "1"), "not all numbers"),
            ("weights_epoch001", lambda c: c[1][2][0][0][0].__setitem__(0, None), "not all numbers"),
            ("weights_epoch001", without(1), "no weights of layer 'conv0' in it"),
            ("weights_epoch001", lambda c: c.__setitem__(2, {}), "expected [name, shape, values]"),
            ("weights_epoch001", lambda c: c[1].pop(), "expected [name, shape, values]"),
            ("activations_epoch001", fewer_samples, "2 samples, model_activations_epoch000.json has 3"),
            ("activations_epoch001", lambda c: c[2][2].pop(), "2 samples in layer 'maxpool0', 3 elsewhere"),
            ("activations_epoch001", lambda c: c[-1][0].reverse(), "other samples than in"),
            ("activations_epoch001", lambda c: c[0][2].reverse(), "other samples than in"),
            ("activations_epoch001", without(3), "no activations of layer 'conv1' in it"),
            ("activations_epoch001", lambda c: [sample.pop() for sample in c[2][2]], "have shape [3, 3, 3, 3]"),
            ("activations_epoch000", lambda c: c[1].__setitem__(2, [1.0, 2.0, 3.0]), "not [sample, …]"),
            ("structure", lambda c: c[1].__setitem__(1, [3, 3, 2, 3]), "model_structure.json says [3, 3, 2, 3]"),
            ("structure", lambda c: c[1].__setitem__(1, [2, 3, 5, 3]), "model_structure.json"),
            (
                "structure",
                lambda c: c[5].__setitem__(1, [9, 5]),
                "layer 'fc0' have shape [8, 5], model_structure.json says [9, 5]",
            ),
            ("structure", lambda c: c[2].__setitem__(1, [5, 3]), "layer 'maxpool0' with [5, 3] can't make [3, 4, 3]"),
            ("structure", lambda c: c[0].__setitem__(1, [1, 6, 9, 2]), "for the input 'input'"),
            ("structure", lambda c: c[1].__setitem__(1, [0, 3, 2, 3]), "expected [name, shape]"),
            ("structure", lambda c: c[1].__setitem__(1, [2.5]), "expected [name, shape]"),
            ("structure", lambda c: c[3].__setitem__(0, "conv0"), "two layers are called 'conv0'"),
            ("structure", lambda c: c.__delitem__(slice(1, -1)), "names 1 layers"),
            ("structure", lambda c: c.clear(), "expected a list of [name, shape]"),
        ],
    )
    def test_files_that_contradict_each_other(
        self, export: Path, tmp_path: Path, file: str, change: Change, words: str
    ) -> None:
        edit(export / f"model_{file}.json", change)
        text = self.refused(export, tmp_path)
        assert f"model_{file}.json" in text or file == "structure"
        assert words in text

    def test_truncated_json(self, export: Path, tmp_path: Path) -> None:
        path = export / "model_activations_epoch001.json"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        text = self.refused(export, tmp_path)
        assert f"{path}: broken off or damaged at byte {len(whole) // 2}" in text
        assert "copy it again" in text

    @pytest.mark.parametrize("file", ["structure", "weights_epoch001", "activations_epoch001"])
    def test_another_kind_of_json(self, export: Path, tmp_path: Path, file: str) -> None:
        (export / f"model_{file}.json").write_text('{"layers": []}')
        assert "expected a list of [name, shape" in self.refused(export, tmp_path)

    def test_something_that_is_no_text(self, export: Path, tmp_path: Path) -> None:
        (export / "model_weights_epoch001.json").write_bytes(b"[\xff\xfe\x00")
        assert "model_weights_epoch001.json: not JSON" in self.refused(export, tmp_path)

    def test_lists_nested_too_deep(self, export: Path, tmp_path: Path) -> None:
        (export / "model_weights_epoch001.json").write_text("[" * 200_000)
        assert "model_weights_epoch001.json" in self.refused(export, tmp_path)

    def test_an_epoch_missing_in_between(self, tmp_path: Path) -> None:
        export = write_export(tmp_path / "export", epochs=(0, 1, 3))
        assert "epoch 2 is missing between 1 and 3" in self.refused(export, tmp_path)

    @pytest.mark.parametrize(("gone", "kept"), [("weights", "activations"), ("activations", "weights")])
    def test_half_an_epoch(self, export: Path, tmp_path: Path, gone: str, kept: str) -> None:
        (export / f"model_{gone}_epoch001.json").unlink()
        text = self.refused(export, tmp_path)
        assert f"model_{gone}_epoch001.json: missing, while model_{kept}_epoch001.json is there" in text

    def test_the_same_epoch_twice(self, export: Path, tmp_path: Path) -> None:
        shutil.copy(export / "model_weights_epoch001.json", export / "model_weights_epoch1.json")
        assert "the same epoch as" in self.refused(export, tmp_path)

    def test_no_structure(self, export: Path, tmp_path: Path) -> None:
        (export / "model_structure.json").unlink()
        assert "there is no model_structure.json beside the epochs" in self.refused(export, tmp_path)

    def test_no_epochs(self, export: Path, tmp_path: Path) -> None:
        for path in export.glob("*_epoch*"):
            path.unlink()
        assert "no model_weights_epochNNN.json in it" in self.refused(export, tmp_path)

    def test_two_models_in_one_folder(self, export: Path, tmp_path: Path) -> None:
        shutil.copy(export / "model_structure.json", export / "other_structure.json")
        assert "two models lie here" in self.refused(export, tmp_path)

    def test_other_samples_cannot_be_run(self, export: Path, tmp_path: Path) -> None:
        from cutaway.samples import Pictures

        given = Pictures(np.zeros((1, 9, 6, 1), np.uint8), names=("mine",))
        with pytest.raises(SourceError, match="no model to run others through"):
            cutaway.record(cutaway.open_source(export), given, tmp_path / "run")

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_any_json_at_all_is_a_cutaway_error_or_works(self, tmp_path: Path, data: st.DataObject) -> None:
        export = tmp_path / "export"
        shutil.rmtree(export, ignore_errors=True)
        shutil.copytree(NNVISUALIZER_TINY, export)
        path = data.draw(st.sampled_from(sorted(export.iterdir())))
        if data.draw(st.booleans()):
            content = load(path)
            mutate(content, data)
            path.write_text(json.dumps(content))
        else:
            text = bytearray(path.read_bytes())
            for _ in range(data.draw(st.integers(1, 3))):
                text[data.draw(st.integers(0, min(len(text), 400) - 1))] = data.draw(st.integers(0, 255))
            path.write_bytes(text)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        with contextlib.suppress(CutawayError):
            recording = cutaway.record(export, out=tmp_path / "run")
            assert len(recording.checkpoints) == 2
            recording.activations(recording.network.layers[-1].id, -1, 0)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)


def mutate(content: Any, data: st.DataObject) -> None:
    """Walks to a random place in nested lists and puts something else there, takes it away, or doubles it."""
    while True:
        place = data.draw(st.integers(0, len(content) - 1))
        inner = content[place]
        if isinstance(inner, list) and inner and data.draw(st.booleans()):
            content = inner
            continue
        change = data.draw(st.sampled_from(["replace", "remove", "double", "shuffle"]))
        if change == "replace":
            content[place] = data.draw(ANYTHING)
        elif change == "remove":
            del content[place]
        elif change == "double":
            content.insert(place, inner)
        else:
            content.reverse()
        return


def zip_with(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return file.getvalue()


class TestRecognising:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (zip_with("net/data.pkl", "net/version"), "a PyTorch checkpoint (.pt)"),
            (zip_with("net/data.pkl", "net/constants.pkl", "net/code/.data/ts_code"), "a TorchScript module"),
            (zip_with("config.json", "metadata.json", "model.weights.h5"), "a Keras model (.keras)"),
            (zip_with("archive/models/model.json"), "a PyTorch exported program (.pt2)"),
            (b"\x89HDF\r\n\x1a\n" + bytes(40), "a Keras or HDF5 file (.h5)"),
            (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
            (pickle.dumps({"a": 1}, protocol=2), "a pickle"),
            ((40).to_bytes(8, "little") + b'{"a":{"dtype":"F32"}}', "a safetensors file: weights without a graph"),
            (b"\x89PNG\r\n\x1a\n", "a picture"),
        ],
    )
    def test_other_formats_are_named(self, tmp_path: Path, content: bytes, words: str) -> None:
        path = tmp_path / "thing"
        path.write_bytes(content)
        found = first(FILES, path)
        assert found is not None
        assert found.name.startswith(words)

    def test_onnx_has_no_magic_but_a_beginning(self, tmp_path: Path) -> None:
        path = tmp_path / "net"
        path.write_bytes(b"\x08\x08\x12\x07pytorch")
        found = first(FILES, path)
        assert found is not None
        assert found.name == "an ONNX model"

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            (["saved_model.pb"], "a TensorFlow SavedModel"),
            (["model.ckpt-7.index", "model.ckpt-7.meta"], "a folder of TensorFlow checkpoints"),
            (["epoch1.pt"], "a folder of PyTorch checkpoints"),
        ],
    )
    def test_other_folders_are_named(self, tmp_path: Path, files: list[str], words: str) -> None:
        for name in files:
            (tmp_path / name).write_text("")
        found = first(FOLDERS, tmp_path)
        assert found is not None
        assert found.name == words

    def test_folders_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="an empty folder"):
            cutaway.open_source(tmp_path)
        (tmp_path / "notes.txt").write_text("")
        with pytest.raises(SourceError, match="no model in it that is known"):
            cutaway.open_source(tmp_path)

    def test_a_recording_is_opened_and_not_recorded(self) -> None:
        with pytest.raises(SourceError, match="a recording already; open it with `cutaway open`"):
            cutaway.open_source(TINY)

    def test_missing_things_addresses_and_single_files(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="no such file or folder"):
            cutaway.open_source(tmp_path / "nothing")
        with pytest.raises(SourceError, match="an address"):
            cutaway.open_source("https://example.org/run")
        with pytest.raises(SourceError, match="give the folder that holds"):
            cutaway.open_source(NNVISUALIZER_TINY / "model_structure.json")
        (tmp_path / "x.bin").write_bytes(b"")
        with pytest.raises(SourceError, match="not a model that is known"):
            cutaway.open_source(tmp_path / "x.bin")


class TestWindows:
    @pytest.mark.parametrize(
        ("inputs", "outputs", "kernel", "stride", "padding"),
        [
            ((9, 6), (9, 6), (2, 3), (1, 1), ((0, 1), (1, 1))),
            ((9, 6), (8, 4), (2, 3), (1, 1), ((0, 0), (0, 0))),
            ((9, 6), (5, 3), (3, 3), (2, 2), ((1, 1), (0, 1))),
            ((9, 6), (4, 2), (3, 3), (2, 2), ((0, 0), (0, 0))),
            ((9, 6), (9, 3), (3, 3), (1, 2), ((1, 1), (0, 1))),
        ],
    )
    def test_a_convolutions_stride_and_padding(
        self, inputs: Any, outputs: Any, kernel: Any, stride: Any, padding: Any
    ) -> None:
        found = conv_window(inputs, outputs, kernel)
        assert found is not None
        assert (found.stride, found.padding) == (stride, padding)

    def test_a_convolution_that_cannot_be(self) -> None:
        assert conv_window((9, 6), (20, 6), (3, 3)) is None

    @pytest.mark.parametrize(
        ("size", "stride", "padding"),
        [
            ((2, 2), (2, 2), ((0, 0), (0, 0))),
            ((3, 3), (2, 2), ((0, 0), (0, 0))),
            ((3, 3), (3, 3), ((0, 0), (0, 0))),
            ((2, 2), (1, 1), ((0, 1), (0, 1))),
            ((1, 2), (1, 2), ((0, 0), (0, 0))),
        ],
    )
    def test_a_pools_window_is_the_one_that_gives_its_numbers(self, size: Any, stride: Any, padding: Any) -> None:
        maps = np.random.RandomState(3).uniform(-1, 1, (2, 3, 9, 7))
        pooled = np.array([plain.max_pool(sample, size, stride, padding) for sample in maps])
        kind, found = pool_window(maps.astype(np.float32), pooled.astype(np.float32), "pool")
        assert found is not None
        assert (kind, found.kernel, found.stride, found.padding) == ("max_pool2d", size, stride, padding)

    def test_a_mean_is_told_from_a_maximum(self) -> None:
        maps = np.random.RandomState(3).uniform(-1, 1, (2, 3, 8, 6)).astype(np.float32)
        means = maps.reshape(2, 3, 4, 2, 3, 2).mean(axis=(3, 5))
        assert pool_window(maps, means, "pool0")[0] == "average_pool2d"
