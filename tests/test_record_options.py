"""record() with samples and options, on a source whose model runs; and how the command line hands them over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from fixtures.make_recording import TinySource
from fixtures.runnable import RunnableSource
from msgspec.structs import replace
from PIL import Image

import cutaway
from cutaway.cache import as_recording
from cutaway.cli import read_bytes
from cutaway.errors import CutawayError, NotRecorded, SourceError
from cutaway.execute import execute
from cutaway.network import Layer
from cutaway.recording.amount import amount
from cutaway.recording.recorder import positions


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(CutawayError) as caught:
        cutaway.record(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


class TestSamples:
    def test_pictures_are_prepared_and_the_original_is_shown(self, tmp_path: Path) -> None:
        source, pixels = RunnableSource(), noise(2, 12, 10, 3)
        recording = cutaway.record(source, pixels, tmp_path / "run", scale="1/127.5", mean=1)
        np.testing.assert_array_equal(recording.images, pixels)
        said = recording.samples.preprocessing
        assert said is not None
        assert said.startswith("resized from 12 × 10 to 6 × 5")
        assert said.endswith("× 0.00784314; − 1")
        values = recording.activations("image", 1, 0)
        small = np.asarray(Image.fromarray(pixels[0]).resize((5, 6), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(values, np.moveaxis(small, -1, 0) / 127.5 - 1, atol=1e-6)
        expected = execute(source.network, source.parameters(1), {"image": values[None]})
        for id, there in expected.items():
            np.testing.assert_allclose(recording.activations(id, 1, 0), there[0], atol=1e-6)

    def test_twenty_samples_unless_told(self, tmp_path: Path) -> None:
        pixels = noise(25, 6, 5, 3)
        assert cutaway.record(RunnableSource(1), pixels, tmp_path / "a").samples.count == 20
        assert cutaway.record(RunnableSource(1), pixels, tmp_path / "b", count=23).samples.count == 23

    def test_without_samples_a_test_picture_is_used_and_said(self, tmp_path: Path) -> None:
        recording = cutaway.record(RunnableSource(1), out=tmp_path / "run")
        assert recording.samples.names == ("test picture",)
        assert recording.samples.preprocessing is not None
        assert recording.samples.preprocessing.startswith("a generated test picture, no photograph")

    def test_a_source_with_its_own_samples_takes_no_others_from_files(self, tmp_path: Path) -> None:
        text = refusal(TinySource(), save(tmp_path / "a.png", noise(6, 5)), tmp_path / "run")
        assert text == "tiny: holds its own samples and no model to run others through"

    def test_folders_of_classes_become_the_classes(self, tmp_path: Path) -> None:
        for name in ("cat", "dog", "eel"):
            save(tmp_path / "images" / name / "a.png", noise(6, 5, 3))
        recording = cutaway.record(RunnableSource(1), tmp_path / "images", tmp_path / "run")
        assert recording.classes == ("cat", "dog", "eel")
        assert recording.samples.labels == (0, 1, 2)
        assert any("sample_loss" in row for row in recording.metrics())

    def test_folders_that_are_not_the_models_classes_give_no_labels(self, tmp_path: Path) -> None:
        for name in ("mine", "yours"):
            save(tmp_path / "images" / name / "a.png", noise(6, 5, 3))
        recording = cutaway.record(RunnableSource(1), tmp_path / "images", tmp_path / "run")
        assert recording.samples.labels is None
        assert recording.classes is None
        assert recording.samples.preprocessing is not None
        assert "labels left out: the samples' classes are not the 3" in recording.samples.preprocessing

    def test_folders_are_found_among_the_models_own_classes(self, tmp_path: Path) -> None:
        for name in ("dog", "eel"):
            save(tmp_path / "images" / name / "a.png", noise(6, 5, 3))
        source = RunnableSource(1)
        source.classes = ("eel", "cat", "dog")
        recording = cutaway.record(source, tmp_path / "images", tmp_path / "run")
        assert recording.samples.labels == (2, 0)
        assert recording.classes == ("eel", "cat", "dog")

    def test_classes_and_labels_that_do_not_fit_are_named(self, tmp_path: Path) -> None:
        pixels, out = noise(2, 6, 5, 3), tmp_path / "run"
        text = refusal(RunnableSource(1), pixels, out, classes=["a", "b"])
        assert text == "runnable: 2 classes for 3 outputs; check --classes"
        text = refusal(RunnableSource(1), pixels, out, labels=[0, 3])
        assert text == "runnable: a sample's label is 3, but the model has 3 outputs (0 to 2); check --labels"
        assert list(tmp_path.iterdir()) == []

    def test_options_for_opening_come_too_late_for_an_open_source(self, tmp_path: Path) -> None:
        assert "the source is open already" in refusal(RunnableSource(1), None, tmp_path / "run", model="a:b")
        assert "open_source has no option 'modle'" in refusal(tmp_path, None, tmp_path / "run", modle="a:b")


class TestCheckpoints:
    @pytest.mark.parametrize(
        ("text", "found"), [("0", [0]), ("0,2", [0, 2]), ("1-3", [1, 2, 3]), ("0, 2-3,-1", [0, 2, 3, -1])]
    )
    def test_as_text(self, text: str, found: list[int]) -> None:
        assert positions(text) == found

    @pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "1,,2", "99999999"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(CutawayError, match='checkpoints are positions like "0,1,5-10"'):
            positions(text)

    def test_they_are_chosen(self, tmp_path: Path) -> None:
        recording = cutaway.record(RunnableSource(4), noise(1, 6, 5, 3), tmp_path / "run", checkpoints="0,2-3")
        assert [moment.label for moment in recording.checkpoints] == ["epoch 0", "epoch 2", "epoch 3"]
        with pytest.raises(SourceError, match="no checkpoint at position 4; it has 0 to 3"):
            cutaway.record(RunnableSource(4), None, tmp_path / "other", checkpoints="4")


class TestLayers:
    def test_by_id_name_or_kind_with_inputs_and_outputs(self, tmp_path: Path) -> None:
        source = RunnableSource(1)
        recording = cutaway.record(source, noise(1, 6, 5, 3), tmp_path / "run", layers="block.*, max_pool2d")
        assert recording.activations("block.conv", 0, 0).shape == (4, 6, 5)
        assert source.asked == [(0, 1, frozenset({"image", "block.conv", "block.relu", "pool", "scores"}))]
        recording = cutaway.record(source, noise(1, 6, 5, 3), tmp_path / "few", layers=["relu"])
        for id in ("block.conv", "pool"):
            with pytest.raises(NotRecorded):
                recording.activations(id, 0, 0)
        for id in ("image", "block.relu", "scores"):
            assert recording.activations(id, 0, 0).size

    def test_a_pattern_that_no_layer_is_like(self, tmp_path: Path) -> None:
        text = refusal(RunnableSource(1), None, tmp_path / "run", layers="cnov*")
        assert text.startswith("--layers cnov*: no layer is like that; there are image, block.conv")

    def test_they_are_left_out_of_sources_that_give_everything(self, tmp_path: Path) -> None:
        recording = cutaway.record(TinySource(), out=tmp_path / "run", layers="scores")
        with pytest.raises(NotRecorded):
            recording.activations("pool", 0, 0)
        assert recording.activations("scores", 0, 0).shape == (3,)


class TestAmount:
    NETWORK = RunnableSource().network
    SAMPLE = 4 * (3 * 30 + 4 * 30 + 4 * 30 + 4 * 6 + 3)

    def test_everything_while_it_is_little(self) -> None:
        assert amount(self.NETWORK, 20, 3, limit=60 * self.SAMPLE) == (None, 20, ())

    def test_then_only_layers_that_are_drawn_as_maps(self) -> None:
        found = amount(self.NETWORK, 20, 3, limit=59 * self.SAMPLE)
        assert found.layers == frozenset({"image", "block.conv", "pool", "scores"})
        assert found.samples == 20
        (note,) = found.notes
        assert note.startswith("Activations of 1 layers (relu) were left out")
        assert note.endswith("--layers '*' records them too.")

    def test_then_fewer_samples_unless_they_were_counted(self) -> None:
        found = amount(self.NETWORK, 20, 3, limit=3 * 2 * self.SAMPLE)
        assert found.samples == 3
        assert found.notes[1].startswith("3 of 20 samples were recorded, to stay under")
        assert "--count 20 records them all" in found.notes[1]
        assert amount(self.NETWORK, 20, 3, limit=1).samples == 1
        assert amount(self.NETWORK, 20, 3, counted=True, limit=1).samples == 20

    def test_the_user_who_names_layers_gets_them(self) -> None:
        assert amount(self.NETWORK, 20, 3, patterns="*", limit=1).layers == frozenset(
            layer.id for layer in self.NETWORK
        )

    def test_half_counts_half(self) -> None:
        assert amount(self.NETWORK, 20, 3, half=True, limit=30 * self.SAMPLE).layers is None

    def test_shapes_that_are_not_known_count_nothing(self) -> None:
        network = replace(self.NETWORK, layers=(*self.NETWORK.layers, Layer(id="x", name="x", kind="other")))
        assert amount(network, 20, 3, limit=60 * self.SAMPLE).layers is None

    def test_it_is_said_in_the_recording(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cutaway.recording.amount.LIMIT_BYTES", 5000)
        recording = cutaway.record(RunnableSource(2), noise(9, 6, 5, 3), tmp_path / "run")
        assert recording.samples.count == 2
        assert len(recording.images) == 2
        assert [note.partition(" were")[0] for note in recording.completeness.notes] == [
            "Activations of 1 layers (relu)",
            "2 of 9 samples",
        ]


class TestPieces:
    """Activations are asked for, and kept, a few samples at a time."""

    @pytest.mark.parametrize("half", [False, True])
    def test_the_recording_is_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool) -> None:
        pixels = noise(7, 6, 5, 3)
        whole = cutaway.record(RunnableSource(2), pixels, tmp_path / "whole", half=half)
        monkeypatch.setattr("cutaway.recording.recorder.PIECE_BYTES", 3 * TestAmount.SAMPLE)
        source = RunnableSource(2)
        told: list[tuple[int, int, str]] = []
        pieces = cutaway.record(source, pixels, tmp_path / "run", half=half, progress=lambda *what: told.append(what))
        assert [asked[:2] for asked in source.asked] == [(0, 3), (0, 3), (0, 1), (1, 3), (1, 3), (1, 1)]
        assert told == [*((n, 6, f"epoch {n // 3}") for n in range(6)), (6, 6, "done")]
        for checkpoint in range(2):
            for id, layers in whole.summary(checkpoint).layers.items():
                assert pieces.summary(checkpoint).layers[id].map_high == pytest.approx(layers.map_high, abs=1e-5)
            for sample in range(7):
                for layer in source.network:
                    there, made = (run.activations(layer.id, checkpoint, sample) for run in (whole, pieces))
                    np.testing.assert_allclose(made, there, atol=1e-5)  # BLAS sums in another order
        assert not [path for path in (tmp_path / "run").rglob(".*")]

    def test_a_piece_of_another_shape_is_named(self, tmp_path: Path) -> None:
        source = RunnableSource(1)
        right = source.activations
        source.activations = lambda checkpoint, samples: {  # type: ignore[method-assign]
            **right(checkpoint, samples),
            "pool": np.zeros((len(samples.images), 4, 1, 1), np.float32),
        }
        with pytest.raises(SourceError, match=r"layer 'pool': activations have shape \[2, 4, 1, 1\]"):
            cutaway.record(source, noise(2, 6, 5, 3), tmp_path / "run")
        assert list(tmp_path.iterdir()) == []

    def test_a_source_that_computes_nothing_is_recorded_without_activations(self, tmp_path: Path) -> None:
        source = RunnableSource(1)
        source.activations = lambda checkpoint, samples: {}  # type: ignore[method-assign]
        recording = cutaway.record(source, noise(2, 6, 5, 3), tmp_path / "run")
        assert not recording.completeness.activations
        assert recording.parameters("scores", "kernel", 0).size


class TestCommandLine:
    def test_help_names_every_option(self, cutaway: Run) -> None:
        options = (
            *("samples", "count", "labels", "classes", "size", "scale", "mean", "std", "layout", "checkpoints"),
            *("layers", "half", "steps", "trust", "max-bytes", "input", "model", "weights"),
        )
        for command in ("record", "open"):
            said = cutaway(command, "--help").stdout
            for option in options:
                assert f"--{option}" in said

    @pytest.mark.parametrize(
        ("text", "value"),
        [("500", 500), ("500MB", 500_000_000), ("32 GB", 32_000_000_000), ("1e3", 1000), ("2k", 2000)],
    )
    def test_max_bytes(self, text: str, value: int) -> None:
        assert read_bytes(text) == value

    @pytest.mark.parametrize("text", ["", "much", "0", "-1GB", "GB", "nan", "1e30"])
    def test_max_bytes_that_are_none(self, text: str) -> None:
        with pytest.raises(CutawayError, match="must be a size like 500MB or 32GB"):
            read_bytes(text)

    def test_checkpoints_and_layers_of_an_export(self, cutaway: Run, export_folder: Path, tmp_path: Path) -> None:
        run = tmp_path / "run"
        options = ("--checkpoints", "0,2", "--layers", "conv*", "--out", run)
        result = cutaway("record", export_folder, *options)
        assert result.returncode == 0, result.stderr
        assert "samples: not recorded; the pictures show the model's input" in result.stderr
        about = json.loads(cutaway("info", run, "--json").stdout)
        assert [moment["epoch"] for moment in about["checkpoints"]] == [0, 2]
        assert about["samples"]["preprocessing"].startswith("not recorded; the pictures show")
        assert "preprocessing not recorded; the pictures show" in cutaway("info", run).stdout

    def test_samples_may_be_given_several_times(self, cutaway: Run, export_folder: Path, tmp_path: Path) -> None:
        pictures = [save(tmp_path / f"{name}.png", noise(6, 5)) for name in "ab"]
        options = [word for picture in pictures for word in ("--samples", picture)]
        result = cutaway("record", export_folder, *options, "--out", tmp_path / "run")
        assert result.stderr == "error: export: holds its own samples and no model to run others through\n"
        missing = cutaway("record", export_folder, *options[:3], "nothing.png", "--out", tmp_path / "run")
        assert "nothing.png: no such file" in missing.stderr

    def test_wrong_options_are_one_line(self, cutaway: Run, export_folder: Path, recording_folder: Path) -> None:
        for options, text in (
            (("record", export_folder, "--out", "run", "--size", "big"), "size must be pixels"),
            (("record", export_folder, "--out", "run", "--checkpoints", "x"), "checkpoints are positions"),
            (("record", export_folder, "--out", "run", "--max-bytes", "x"), "must be a size like"),
            (("open", recording_folder, "--size", "8", "--no-browser"), "--size: "),
        ):
            result = cutaway(*options)
            assert result.returncode == 1
            assert text in result.stderr
            assert result.stderr.count("\n") == 1


class TestShow:
    """What `show` makes of things that are no recording yet."""

    def test_a_live_model_with_its_images(self) -> None:
        torch = pytest.importorskip("torch")
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
        made = as_recording(model, noise(2, 6, 5, 3), count=1)
        assert made.samples.count == 1
        assert made.network.layers[1].kind == "conv2d"

    def test_recordings_are_shown_as_they_are(self, recording_folder: Path) -> None:
        recording = cutaway.open(recording_folder)
        assert as_recording(recording) is recording
        assert as_recording(str(recording_folder)) == str(recording_folder)
        assert as_recording("https://example.org/run") == "https://example.org/run"
        with pytest.raises(CutawayError, match="this is a recording already"):
            as_recording(recording, noise(1, 6, 5, 3))

    def test_files_go_into_the_cache(
        self, export_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUTAWAY_CACHE", str(tmp_path / "cache"))
        first = as_recording(export_folder, checkpoints="0")
        assert first.parent == tmp_path / "cache"
        assert as_recording(export_folder, checkpoints="0") == first
        assert as_recording(export_folder, checkpoints="1") != first
