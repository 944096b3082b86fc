from __future__ import annotations

import contextlib
import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.make_recording import NETWORK, TINY, TinySource, forward
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import cutaway
from cutaway.errors import CutawayError, NotRecorded, RecordingError, UnknownLayer
from cutaway.recording import tensors
from cutaway.recording.places import FolderPlace
from cutaway.recording.store import Recording


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of the tiny recording that may be damaged."""
    return shutil.copytree(TINY, tmp_path / "run")


def edit(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a recording's index."""
    index = json.loads((run / "recording.json").read_text())
    change(index)
    (run / "recording.json").write_text(json.dumps(index))


class TestReading:
    def test_the_numbers_are_those_of_a_plain_forward_pass(self) -> None:
        recording = cutaway.open(TINY)
        for checkpoint in range(3):
            weights = TinySource().parameters(checkpoint)
            for sample in range(2):
                image = np.moveaxis(recording.images[sample], -1, 0).astype(np.float32) / np.float32(255)
                for layer, expected in forward(NETWORK, weights, image).items():
                    found = recording.activations(layer, checkpoint, sample)
                    assert found.dtype == np.float32
                    assert found.shape == recording.network.layer(layer).output_shape
                    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)

    def test_parameters_are_exactly_what_was_recorded(self) -> None:
        recording = cutaway.open(str(TINY))
        for checkpoint in range(3):
            for key, expected in TinySource().parameters(checkpoint).items():
                layer, _, role = key.rpartition("/")
                found = recording.parameters(layer, role, checkpoint)
                assert found.dtype == np.float32
                np.testing.assert_array_equal(found, expected)

    def test_the_index_is_what_the_source_said(self) -> None:
        recording = cutaway.open(TINY / "recording.json")
        assert recording.network == NETWORK
        assert recording.checkpoints == TinySource.checkpoints
        assert recording.classes == ("circle", "square", "star")
        assert recording.samples.labels == (2, 0)
        assert recording.completeness.runnable
        assert (recording.name, recording.path, recording.location) == ("tiny", TINY, str(TINY))
        assert recording.images.shape == (2, 6, 5, 1)
        assert recording.images.dtype == np.uint8

    def test_checkpoints_are_positions_and_count_from_the_end_too(self) -> None:
        recording = cutaway.open(TINY)
        last = recording.parameters("dense", "bias", -1)
        np.testing.assert_array_equal(last, recording.parameters("dense", "bias", 2))
        np.testing.assert_array_equal(last, load_file(TINY / "checkpoints/000007.safetensors")["dense/bias"])

    def test_metrics_are_rows_in_order(self) -> None:
        rows = cutaway.open(TINY).metrics()
        assert rows[0] == {"step": 0, "epoch": 0, "loss": 1.2}
        assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)

    def test_summaries_come_by_layer(self) -> None:
        summary = cutaway.open(TINY).summary(1)
        assert list(summary.layers) == [layer.id for layer in NETWORK]
        assert summary.layers["features.conv1"].update_ratio is not None

    @pytest.mark.parametrize(
        ("ask", "words"),
        [
            (lambda r: r.parameters("convv", "kernel", 0), "no layer 'convv'"),
            (lambda r: r.parameters("pool", "kernel", 0), "layer 'pool' has no 'kernel'; its parameters: none"),
            (
                lambda r: r.parameters("dense", "kernel", 3),
                "no checkpoint at position 3; .* has positions 0 to 2",
            ),
            (lambda r: r.parameters("dense", "kernel", 1.5), "checkpoint must be a position"),
            (lambda r: r.activations("dense", 0, 2), "no sample at position 2; the recording has positions 0 to 1"),
            (lambda r: r.activations("dense", -4, 0), "no checkpoint at position -4"),
        ],
    )
    def test_what_is_not_there_is_named(self, ask: Callable[[Recording], object], words: str) -> None:
        with pytest.raises(UnknownLayer, match=words):
            ask(cutaway.open(TINY))

    def test_a_layer_that_was_left_out_is_not_recorded(self, run: Path) -> None:
        for path in (run / "activations").iterdir():
            kept = {name: values for name, values in load_file(path).items() if not name.endswith("/dense")}
            save_file(kept, path)
        with pytest.raises(NotRecorded, match="activations of layer 'dense' were not recorded at epoch 0"):
            cutaway.open(run).activations("dense", 0, 0)

    def test_a_recording_may_have_no_activations_metrics_summaries_or_pictures(self, run: Path) -> None:
        for folder in ("activations", "summary"):
            shutil.rmtree(run / folder)
        (run / "metrics.jsonl").unlink()
        (run / "samples.safetensors").unlink()
        edit(run, lambda index: index["completeness"].update(activations=False))
        recording = cutaway.open(run)
        assert recording.metrics() == []
        assert recording.summary(0).layers == {}
        with pytest.raises(NotRecorded):
            recording.activations("dense", 0, 0)
        with pytest.raises(NotRecorded, match="no sample images"):
            _ = recording.images

    def test_half_precision_comes_back_as_float32(self, run: Path) -> None:
        path = run / "checkpoints/000000.safetensors"
        save_file({name: values.astype(np.float16) for name, values in load_file(path).items()}, path)
        found = cutaway.open(run).parameters("dense", "kernel", 0)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, load_file(path)["dense/kernel"].astype(np.float32))

    def test_values_that_are_not_finite_come_back_as_they_are(self, run: Path) -> None:
        (run / "metrics.jsonl").write_text('{"step": 1, "loss": null}\n{"step": 2, "lo')
        rows = cutaway.open(run).metrics()
        assert np.isnan(rows[0].pop("loss"))
        assert rows == [{"step": 1}]  # the unfinished last line is a writer at work

    def test_insights_come_back_in_order(self, run: Path) -> None:
        lines = [
            '{"rule": "not-finite", "level": "warning", "step": 3, "value": null, "text": "NaN.", "why": "Rule."}',
            '{"rule": "dead-units", "level": "note", "layer": "dense", "text": "41 %.", "why": "Rule.", "colour": 1}',
        ]
        (run / "insights.jsonl").write_text("\n".join([*lines, '{"rule": "unfin']))
        first, second = cutaway.open(run).insights()
        assert (first.rule, first.step, first.value, first.layer) == ("not-finite", 3, None, None)
        assert (second.rule, second.layer, second.step) == ("dead-units", "dense", None)
        (run / "insights.jsonl").write_text('{"rule": "dead-units"}\n\n')
        with pytest.raises(RecordingError, match=r"insights.jsonl: line 1 can't be read"):
            cutaway.open(run).insights()
        (run / "insights.jsonl").unlink()
        assert cutaway.open(run).insights() == []

    def test_unknown_fields_of_the_index_are_skipped(self, run: Path) -> None:
        edit(run, lambda index: (index.update(mood="good"), index["network"]["layers"][1].update(colour="red")))
        assert cutaway.open(run).network == NETWORK


class Counting(FolderPlace):
    """A folder that adds up what is read from it."""

    bytes_read = 0

    def get(self, key: str) -> bytes:
        data = super().get(key)
        self.bytes_read += len(data)
        return data

    def range(self, key: str, start: int, stop: int) -> bytearray:
        data = super().range(key, start, stop)
        self.bytes_read += len(data)
        return data


def test_no_more_is_read_than_asked_for() -> None:
    place = Counting(TINY)
    recording = Recording(place)
    assert place.bytes_read == (TINY / "recording.json").stat().st_size
    recording.parameters("features.conv1", "kernel", 1)
    header = int.from_bytes((TINY / "checkpoints/000001.safetensors").read_bytes()[:8], "little")
    assert place.bytes_read == (TINY / "recording.json").stat().st_size + 8 + header + 4 * 24
    before = place.bytes_read
    recording.parameters("features.conv1", "bias", 1)  # the header is known by now
    assert place.bytes_read == before + 4 * 4


def test_one_sample_lies_in_one_piece_in_the_order_of_the_layers() -> None:
    recording = cutaway.open(TINY)
    for key in ("activations/000000.safetensors", "activations/000007.safetensors"):
        header = recording.header(key)
        for sample in ("00000", "00001"):
            entries = [header[f"{sample}/{layer.id}"] for layer in NETWORK]
            assert [entry.stop for entry in entries[:-1]] == [entry.start for entry in entries[1:]]
            assert all(entry.start % 4 == 0 for entry in entries)


def test_the_safetensors_library_reads_what_is_written_and_the_other_way_round(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {
        "a": np.array([[1, np.nan], [np.inf, -0.0]], np.float32),
        "half/é": np.arange(3, dtype=np.float16),
        "empty": np.zeros((0, 4), np.float32),
        "scalar": np.array(2.5, np.float32),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "big end": np.arange(3, dtype=">f4"),
        "labels": np.array([1, -1]),
        "picture": np.arange(5, dtype=np.uint8),
    }
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    ours.write_bytes(b"".join(tensors.encode(arrays)))
    native = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("=")).reshape(a.shape) for name, a in arrays.items()}
    for name, found in load_file(ours).items():
        np.testing.assert_array_equal(found, native[name])
        assert found.dtype == native[name].dtype
    save_file(native, theirs)
    data = theirs.read_bytes()
    length = tensors.header_length(data[:8], len(data), "theirs")
    for name, entry in tensors.parse_header(data[8 : 8 + length], len(data), "theirs").items():
        found = tensors.decode(bytearray(data[entry.start : entry.stop]), entry)
        np.testing.assert_array_equal(found, native[name])


class TestDamage:
    """Each is one line that names the file; nothing else is ever raised."""

    def refused(self, run: Path) -> str:
        with pytest.raises(RecordingError) as caught:
            cutaway.open(run)
        text = str(caught.value)
        assert "\n" not in text
        assert str(run) in text
        return text

    def test_no_such_folder(self, tmp_path: Path) -> None:
        assert "no such folder" in self.refused(tmp_path / "nothing")

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "model.bin").write_bytes(b"x")
        assert "not a recording's folder" in self.refused(tmp_path / "model.bin")

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert "there is no recording.json in it" in self.refused(tmp_path)

    def test_a_newer_version(self, run: Path) -> None:
        edit(run, lambda index: index.update(version=2, network="told in another way"))
        assert "newer Cutaway (format version 2, this one reads up to 1); update" in self.refused(run)

    @pytest.mark.parametrize("version", [0, -1, "1", 1.5, None])
    def test_a_version_that_is_none(self, run: Path, version: object) -> None:
        edit(run, lambda index: index.update(version=version))
        assert "version" in self.refused(run)

    def test_another_format(self, run: Path) -> None:
        edit(run, lambda index: index.update(format="zarr"))
        assert "its format is 'zarr'" in self.refused(run)

    def test_an_index_that_is_broken_off(self, run: Path) -> None:
        text = (run / "recording.json").read_bytes()
        (run / "recording.json").write_bytes(text[: len(text) // 2])
        assert "recording.json: can't be read" in self.refused(run)

    def test_an_index_that_lacks_something(self, run: Path) -> None:
        edit(run, lambda index: index["network"]["layers"][1].pop("kind"))
        assert "`kind`" in self.refused(run)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda i: i["network"]["layers"][2].update(id="input"), "two layers are called 'input'"),
            (lambda i: i["network"]["layers"][1].update(inputs=[{"layer": "pool"}]), "no layer before it"),
            (lambda i: i["network"].update(outputs=["nowhere"]), "'nowhere' is none of its layers"),
            (lambda i: i["network"]["layers"][0].update(output_shapes=[[1, -6, 5]]), "negative size"),
            (lambda i: i["network"]["layers"][2]["parameters"][0].update(key="dense/kernel"), "two shapes"),
            (lambda i: i["checkpoints"][1].update(index=0), "checkpoint 0 is listed twice"),
            (lambda i: i["checkpoints"][1].update(index=-3), "between 0 and 999999"),
            (lambda i: i["samples"].update(names=["one"]), "1 names for 2 samples"),
            (lambda i: i["samples"].update(labels=[0, 1, 2]), "3 labels for 2 samples"),
            (lambda i: i["samples"].update(count=10**9), "samples"),
        ],
    )
    def test_an_index_that_contradicts_itself(
        self, run: Path, change: Callable[[dict[str, Any]], object], words: str
    ) -> None:
        edit(run, change)
        assert words in self.refused(run)

    @pytest.mark.parametrize("key", ["checkpoints/000001.safetensors", "activations/000007.safetensors"])
    def test_a_missing_file(self, run: Path, key: str) -> None:
        (run / key).unlink()
        text = self.refused(run)
        assert key in text
        assert "missing; the recording was not copied whole" in text

    @pytest.mark.parametrize("keep", [0, 5, 8, 100, 2000])
    def test_a_truncated_file(self, run: Path, keep: int) -> None:
        path = run / "checkpoints/000001.safetensors"
        path.write_bytes(path.read_bytes()[:keep])
        text = self.refused(run)
        assert "checkpoints/000001.safetensors" in text
        assert "truncated" in text

    def test_truncated_pictures(self, run: Path) -> None:
        path = run / "samples.safetensors"
        path.write_bytes(path.read_bytes()[:-3])
        assert "samples.safetensors: truncated" in self.refused(run)

    def test_pictures_of_other_samples(self, run: Path) -> None:
        save_file({"images": np.zeros((3, 6, 5, 1), np.uint8)}, run / "samples.safetensors")
        with pytest.raises(RecordingError, match=r"images have shape \[3, 6, 5, 1\], expected \[2, H, W, C\]"):
            _ = cutaway.open(run).images

    def test_a_file_that_is_too_long(self, run: Path) -> None:
        with (run / "activations/000000.safetensors").open("ab") as file:
            file.write(b"more")
        assert "longer than its header says" in self.refused(run)

    def test_an_absurd_header(self, run: Path) -> None:
        (run / "checkpoints/000000.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
        assert "not a safetensors file" in self.refused(run)

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ({"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4]}, "damaged"),
            ({"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}, "damaged"),
            ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, "damaged"),
            ({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "truncated"),
            ({"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}, "dtype F8_E4M3"),
            ({"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}, "it must be float32 or float16"),
            ({"dtype": "F32", "shape": "all"}, "can't be read"),
            (17, "can't be read"),
        ],
    )
    def test_a_header_that_lies(self, run: Path, entry: object, words: str) -> None:
        header = json.dumps({"dense/kernel": entry}).encode()
        path = run / "checkpoints/000000.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
        assert words in self.refused(run)

    def test_a_tensor_of_another_shape_than_the_network_says(self, run: Path) -> None:
        edit(run, lambda index: index["network"]["layers"][-1]["parameters"][0].update(shape=[5, 3]))
        assert "'scores/kernel' has shape [3, 5], the network says [5, 3]" in self.refused(run)

    def test_damaged_metrics_and_summaries_harm_nothing_else(self, run: Path) -> None:
        (run / "metrics.jsonl").write_text('{"step": "three"}\n{"step": 4}\n')
        (run / "summary/000000.json").write_text("{")
        recording = cutaway.open(run)
        with pytest.raises(RecordingError, match=r"metrics.jsonl: line 1 can't be read"):
            recording.metrics()
        with pytest.raises(RecordingError, match=r"summary/000000.json: can't be read"):
            recording.summary(0)
        assert recording.parameters("dense", "bias", 0).shape == (5,)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_any_damage_at_all_is_a_cutaway_error(self, tmp_path: Path, data: st.DataObject) -> None:
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(TINY, run)
        path = data.draw(st.sampled_from(sorted(path for path in run.rglob("*") if path.is_file())))
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        else:
            for place in data.draw(st.lists(st.integers(0, min(len(content), 1500) - 1), min_size=1, max_size=4)):
                content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        with contextlib.suppress(CutawayError):
            read_everything(cutaway.open(run))


def read_everything(recording: Recording) -> None:
    for checkpoint in range(len(recording.checkpoints)):
        recording.summary(checkpoint)
        for layer in recording.network:
            for parameter in layer.parameters:
                recording.parameters(layer.id, parameter.role, checkpoint)
            for sample in range(min(recording.samples.count, 3)):
                recording.activations(layer.id, checkpoint, sample)
    assert recording.images.ndim == 4
    recording.metrics()


class Whole(http.server.SimpleHTTPRequestHandler):
    """Answers 200 with the whole file, whatever range is asked for."""

    asked: list[str]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())  # type: ignore[attr-defined]
        super().do_GET()


class Ranges(Whole):
    """Answers 206 with the range."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if not wanted or not path.is_file():
            super().do_GET()
            return
        self.server.asked.append(f"{self.path} {wanted}")  # type: ignore[attr-defined]
        data = path.read_bytes()
        first, last = (int(end) for end in wanted.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


class OtherRange(Ranges):
    """Answers 206 with another range than was asked for."""

    def send_header(self, keyword: str, value: str) -> None:
        super().send_header(keyword, "bytes 1-2/9" if keyword == "Content-Range" else value)


class Short(Whole):
    """Promises more bytes than it sends."""

    def send_header(self, keyword: str, value: str) -> None:
        more = str(int(value) + 10) if keyword == "Content-Length" else value
        super().send_header(keyword, more)


@contextlib.contextmanager
def served(folder: Path, handler: type[Whole]) -> Iterator[tuple[str, list[str]]]:
    """The address of a folder on a real web server, and the list of what it is asked for."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    asked: list[str] = []
    server.asked = asked  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TestHttp:
    @pytest.mark.parametrize("handler", [Whole, Ranges])
    def test_it_reads_the_same_as_from_the_folder(self, handler: type[Whole]) -> None:
        local = cutaway.open(TINY)
        with served(TINY, handler) as (url, _):
            remote = cutaway.open(url + "/")
            assert remote.index == local.index
            assert (remote.path, remote.location) == (None, url)
            for layer in NETWORK:
                np.testing.assert_array_equal(remote.activations(layer.id, -1, 1), local.activations(layer.id, -1, 1))
            np.testing.assert_array_equal(remote.images, local.images)
            np.testing.assert_array_equal(
                remote.parameters("features.grouped", "kernel", 1), local.parameters("features.grouped", "kernel", 1)
            )
            assert remote.metrics() == local.metrics()
            assert remote.summary(2) == local.summary(2)

    def test_only_ranges_are_fetched(self) -> None:
        with served(TINY, Ranges) as (url, asked):
            recording = cutaway.open(url)
            assert {entry.split()[0] for entry in asked} == {"/recording.json"}
            del asked[:]
            recording.parameters("dense", "bias", 0)
            recording.parameters("dense", "kernel", 0)
            assert all("bytes=" in entry for entry in asked)
            sizes = [int(last) - int(first) + 1 for first, last in (e.split("=")[1].split("-") for e in asked)]
            assert sizes[-2:] == [4 * 5, 4 * 60]

    def test_a_server_without_ranges_is_asked_once_for_each_file(self) -> None:
        with served(TINY, Whole) as (url, asked):
            recording = cutaway.open(f"{url}/recording.json")
            for layer in NETWORK:
                recording.activations(layer.id, 0, 0)
                recording.activations(layer.id, 0, 1)
            assert sum("activations" in entry for entry in asked) == 1

    def test_a_query_in_the_address_goes_with_every_key(self) -> None:
        with served(TINY, Ranges) as (url, asked):
            cutaway.open(f"{url}/?token=abc").parameters("dense", "bias", 0)
            assert all("?token=abc" in entry for entry in asked)
            assert any("/checkpoints/000000.safetensors?token=abc" in entry for entry in asked)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with served(tmp_path, Whole) as (url, _), pytest.raises(RecordingError, match=f"{url}: no recording"):
            cutaway.open(url)

    def test_nobody_there(self, tmp_path: Path) -> None:
        with served(tmp_path, Whole) as (url, _):
            pass
        with pytest.raises(RecordingError, match="can't be reached"):
            cutaway.open(url)

    def test_another_range_than_asked_for(self) -> None:
        with served(TINY, OtherRange) as (url, _), pytest.raises(RecordingError, match="the server sent 'bytes 1-2/9'"):
            cutaway.open(url)

    def test_a_transfer_that_breaks_off(self) -> None:
        with served(TINY, Short) as (url, _), pytest.raises(RecordingError, match="try again"):
            cutaway.open(url)


def test_a_malformed_address_is_named() -> None:
    with pytest.raises(RecordingError, match=r"http://\[::1 is no address"):
        cutaway.open("http://[::1")
