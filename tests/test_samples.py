"""Samples from every kind of file, and what a model gets of them."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cutaway.errors import CutawayError, SourceError
from cutaway.samples import Given, Pictures, load_samples, prepare, preprocessing, read_samples
from cutaway.sources import InputSpec
from cutaway.sources.testcard import make_card

GREY = InputSpec(name="in", shape=(1, 6, 5))
COLOUR = InputSpec(name="in", shape=(3, 6, 5))
LAST = InputSpec(name="in", shape=(6, 5, 3), layout="NHWC")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def idx(array: np.ndarray) -> bytes:
    kinds = {"uint8": 8, "int32": 0x0C}
    head = bytes([0, 0, kinds[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def refusal(spec: Any, **options: Any) -> str:
    with pytest.raises(CutawayError) as caught:
        load_samples(spec, **{"input": COLOUR, **options})
    text = str(caught.value)
    assert "\n" not in text
    return text


class TestPictureFiles:
    def test_a_folder_in_natural_order(self, tmp_path: Path) -> None:
        for number in (10, 9, 1):
            save(tmp_path / f"p{number}.png", np.full((6, 5, 3), number, np.uint8))
        (tmp_path / "notes.txt").write_text("no picture")
        made = load_samples(tmp_path, input=COLOUR)
        assert made.names == ("p1.png", "p9.png", "p10.png")
        assert made.labels is None
        assert made.images[:, 0, 0, 0].tolist() == [1, 9, 10]
        np.testing.assert_array_equal(made.inputs["in"], np.moveaxis(made.images, -1, 1) / np.float32(255))
        assert made.inputs["in"].dtype == np.float32
        assert made.preprocessing == "÷ 255"

    def test_sub_folders_are_labels_and_every_one_is_there(self, tmp_path: Path) -> None:
        for name in ("cat", "dog"):
            for number in range(5):
                save(tmp_path / name / f"{number}.png", noise(6, 5, 3))
        found = read_samples(tmp_path, count=4)
        assert found.classes == ("cat", "dog")
        assert found.labels == [0, 1, 0, 1]
        assert found.names == ("cat/0.png", "dog/0.png", "cat/1.png", "dog/1.png")
        assert read_samples(tmp_path, count=2, classes=["bird", "dog", "cat"]).labels == [2, 1]

    def test_folders_named_by_numbers_are_the_labels(self, tmp_path: Path) -> None:
        for number in (3, 7):
            save(tmp_path / str(number) / "a.png", noise(6, 5))
        found = read_samples(tmp_path)
        assert found.labels == [3, 7]
        assert found.classes is None

    def test_one_file_several_files_and_pil(self, tmp_path: Path) -> None:
        files = [save(tmp_path / f"{name}.png", noise(6, 5, 3)) for name in "ab"]
        assert load_samples(files[0], input=COLOUR).names == ("a.png",)
        assert load_samples([str(file) for file in files], input=COLOUR).names == ("a.png", "b.png")
        with Image.open(files[0]) as image:
            made = load_samples([image, image], input=COLOUR)
        assert made.images.shape == (2, 6, 5, 3)

    def test_grey_colour_transparency_palette_and_sixteen_bits(self, tmp_path: Path) -> None:
        colour = save(tmp_path / "c.png", noise(6, 5, 3))
        made = load_samples(colour, input=GREY)
        assert made.preprocessing == "grey of the colours (ITU-R 601); ÷ 255"
        assert made.images.shape == (1, 6, 5, 3)  # what a person sees stays the original
        grey = save(tmp_path / "g.png", noise(6, 5))
        made = load_samples(grey, input=COLOUR)
        assert made.preprocessing == "grey in every channel; ÷ 255"
        assert made.images.shape == (1, 6, 5, 1)
        assert np.ptp(made.inputs["in"], axis=1).max() == 0
        made = load_samples(save(tmp_path / "t.png", noise(6, 5, 4)), input=COLOUR)
        assert made.preprocessing == "transparency left out; ÷ 255"
        Image.fromarray(noise(6, 5)).convert("P").save(tmp_path / "p.png")
        assert load_samples(tmp_path / "p.png", input=COLOUR).images.shape == (1, 6, 5, 3)
        Image.fromarray(np.full((6, 5), 65535, np.uint16)).save(tmp_path / "deep.png")
        assert load_samples(tmp_path / "deep.png", input=GREY).images.max() == 255

    def test_exif_turns_the_picture(self, tmp_path: Path) -> None:
        image = Image.fromarray(noise(5, 6, 3))
        exif = image.getexif()
        exif[0x0112] = 6  # a quarter turn
        image.save(tmp_path / "turned.jpg", exif=exif)
        assert load_samples(tmp_path / "turned.jpg", input=COLOUR).images.shape == (1, 6, 5, 3)

    def test_another_size_is_resized_and_said(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png", np.full((12, 10, 3), 51, np.uint8))
        made = load_samples(tmp_path, input=COLOUR)
        assert made.inputs["in"].shape == (1, 3, 6, 5)
        np.testing.assert_allclose(made.inputs["in"], 0.2)
        assert made.images.shape == (1, 12, 10, 3)
        assert made.preprocessing is not None
        assert made.preprocessing.startswith("resized from 12 × 10 to 6 × 5 (bilinear, height × width)")
        save(tmp_path / "b.png", noise(8, 8, 3))
        assert load_samples(tmp_path, input=COLOUR).images.shape == (2, 6, 5, 3)

    def test_a_size_that_the_model_leaves_free(self, tmp_path: Path) -> None:
        free = InputSpec(name="in", shape=(3, None, None))
        save(tmp_path / "a.png", noise(12, 10, 3))
        assert load_samples(tmp_path, input=free).inputs["in"].shape == (1, 3, 12, 10)
        assert load_samples(tmp_path, input=free, size="8x6").inputs["in"].shape == (1, 3, 8, 6)
        assert load_samples(tmp_path, input=free, size=8).inputs["in"].shape == (1, 3, 8, 8)
        assert "the model's input 'in' is 6 × 5; leave --size away" in refusal(tmp_path, size=8)
        save(tmp_path / "b.png", noise(8, 8, 3))
        assert "different sizes and the model's input 'in' takes any" in refusal(tmp_path, input=free)

    def test_what_is_no_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
        assert f"{tmp_path / 'a.png'}: not a picture that can be read" in refusal(tmp_path)
        (tmp_path / "a.txt").write_text("hello")
        assert "not a picture that can be read" in refusal(tmp_path / "a.txt")
        assert "no such file or folder" in refusal(tmp_path / "nothing")
        (tmp_path / "empty").mkdir()
        assert "no pictures in it (.png, .jpg, .jpeg, .bmp, …)" in refusal(tmp_path / "empty")

    def test_a_very_large_picture_is_made_smaller_and_said(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png", np.full((3000, 100), 51, np.uint8))
        found = read_samples(tmp_path)
        assert found.pictures is not None
        assert found.pictures[0].shape == (2048, 68, 1)
        assert found.notes == ("made smaller while reading, to 2048 pixels a side",)
        made = load_samples(tmp_path, input=GREY)
        np.testing.assert_allclose(made.inputs["in"], 0.2)
        assert made.images.shape == (1, 6, 5, 1)  # too large to be shown as it was

    def test_a_picture_that_declares_billions_of_pixels(self, tmp_path: Path) -> None:
        def chunk(kind: bytes, data: bytes) -> bytes:
            import zlib

            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
        bomb = tmp_path / "bomb.png"
        bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
        assert "pixels" in refusal(bomb)
        head = struct.pack(">IIBBBBB", 12_000, 10_000, 8, 2, 0, 0, 0)
        bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
        assert "12000 × 10000 pixels are too many" in refusal(bomb)


class TestArrays:
    def test_npy_of_floats_is_taken_as_it_is(self, tmp_path: Path) -> None:
        values = np.random.default_rng(0).standard_normal((30, 3, 6, 5)).astype(np.float32)
        np.save(tmp_path / "x.npy", values)
        made = load_samples(tmp_path / "x.npy", input=COLOUR)
        np.testing.assert_array_equal(made.inputs["in"], values[:20])
        assert made.preprocessing == "as given"
        assert made.images.dtype == np.uint8  # stretched, so that a person sees something
        assert (made.images.min(), made.images.max()) == (0, 255)
        assert len(load_samples(tmp_path / "x.npy", input=COLOUR, count=25).names) == 25

    @pytest.mark.parametrize("fortran", [False, True])
    def test_the_first_rows_in_either_order(self, tmp_path: Path, fortran: bool) -> None:
        values = np.random.default_rng(0).random((5, 1, 6, 5)).astype(np.float64)
        np.save(tmp_path / "x.npy", np.asfortranarray(values) if fortran else values)
        made = load_samples(tmp_path / "x.npy", input=GREY, count=2)
        np.testing.assert_array_equal(made.inputs["in"], values[:2].astype(np.float32))

    def test_eight_bits_are_pictures_in_any_layout(self) -> None:
        pixels = noise(2, 6, 5, 3)
        expected = np.moveaxis(pixels, -1, 1) / np.float32(255)
        for given_ in (pixels, np.moveaxis(pixels, -1, 1)):
            made = load_samples(given_, input=COLOUR)
            np.testing.assert_array_equal(made.inputs["in"], expected)
            np.testing.assert_array_equal(made.images, pixels)
            np.testing.assert_array_equal(load_samples(given_, input=LAST).inputs["in"], pixels / np.float32(255))
        assert load_samples(noise(2, 6, 5), input=GREY).inputs["in"].shape == (2, 1, 6, 5)

    def test_the_model_may_take_whole_numbers_or_rescale_itself(self) -> None:
        pixels = noise(2, 6, 5, 3)
        made = load_samples(pixels, input=InputSpec(name="in", shape=(6, 5, 3), dtype="uint8", layout="NHWC"))
        np.testing.assert_array_equal(made.inputs["in"], pixels)
        assert made.inputs["in"].dtype == np.uint8
        made = load_samples(pixels, input=InputSpec(name="in", shape=(6, 5, 3), layout="NHWC", rescales=True))
        np.testing.assert_array_equal(made.inputs["in"], pixels.astype(np.float32))
        assert made.preprocessing == "0 … 255, the model rescales itself"

    def test_scale_mean_and_std(self) -> None:
        pixels = noise(2, 6, 5, 3)
        options: dict[str, Any] = {"mean": "0.485,0.456,0.406", "std": [0.229, 0.224, 0.225]}
        expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        made = load_samples(pixels, input=LAST, **options)
        np.testing.assert_allclose(made.inputs["in"], expected, rtol=1e-4, atol=1e-5)
        assert made.preprocessing == "÷ 255; − 0.485, 0.456, 0.406; ÷ 0.229, 0.224, 0.225"
        made = load_samples(pixels, input=COLOUR, **options)
        np.testing.assert_allclose(made.inputs["in"], np.moveaxis(expected, -1, 1), rtol=1e-4, atol=1e-5)
        made = load_samples(pixels, input=COLOUR, scale="1/127.5", mean=1)
        np.testing.assert_allclose(made.inputs["in"], np.moveaxis(pixels / 127.5 - 1, -1, 1), atol=1e-6)
        floats = np.ones((1, 3, 6, 5), np.float32)
        np.testing.assert_array_equal(load_samples(floats, input=COLOUR, scale=2).inputs["in"], 2 * floats)
        assert "2 values of mean for 3 channels" in refusal(pixels, mean="1,2")
        whole = InputSpec(name="in", shape=(6, 5, 3), dtype="uint8", layout="NHWC")
        assert "takes whole numbers (uint8): no scale" in refusal(pixels, input=whole, scale=2)

    def test_the_layout_of_the_model_can_be_told(self) -> None:
        pixels = noise(2, 6, 5, 3)
        wrong = InputSpec(name="in", shape=(6, 5, 3), layout="NCHW")
        made = load_samples(pixels, input=wrong, layout="nhwc")
        np.testing.assert_array_equal(made.inputs["in"], pixels / np.float32(255))

    def test_floats_in_another_shape(self) -> None:
        floats = np.zeros((2, 6, 5, 3), np.float32)
        assert load_samples(floats, input=COLOUR).preprocessing == "channels moved first"
        assert load_samples(np.zeros((2, 6, 5), np.float32), input=GREY).inputs["in"].shape == (2, 1, 6, 5)
        text = refusal(np.zeros((2, 7, 7), np.float32))
        assert "samples have shape 7 × 7, the model's input 'in' takes 3 × 6 × 5" in text

    def test_vectors_and_maps_without_a_channel(self) -> None:
        pixels = noise(2, 6, 5)
        made = load_samples(pixels, input=InputSpec(name="in", shape=(30,)))
        np.testing.assert_array_equal(made.inputs["in"], pixels.reshape(2, 30) / np.float32(255))
        made = load_samples(pixels, input=InputSpec(name="in", shape=(6, 5)))
        np.testing.assert_array_equal(made.inputs["in"], pixels / np.float32(255))
        made = load_samples(np.zeros((2, 7), np.float32), input=InputSpec(name="in", shape=(7,)))
        assert made.images.shape == (2, 1, 7, 1)
        text = refusal(noise(1, 9, 9), input=InputSpec(name="in", shape=(31,)))
        assert "vectors of 31 numbers, which pictures can't be made" in text

    def test_several_inputs(self) -> None:
        side = InputSpec(name="side", shape=(4,))
        made = prepare(read_samples(noise(2, 6, 5, 3)), (side, COLOUR))
        assert made.inputs["side"].tolist() == [[0] * 4] * 2
        assert made.preprocessing == "÷ 255; input 'side' gets zeros"
        made = prepare(read_samples(np.ones((2, 4), np.float32)), (side, COLOUR), preprocessing(input="side"))
        assert made.inputs["side"].tolist() == [[1] * 4] * 2
        assert not made.inputs["in"].any()
        with pytest.raises(SourceError, match="no input 'x'; it has side, in"):
            prepare(read_samples(noise(2, 6, 5, 3)), (side, COLOUR), preprocessing(input="x"))
        arrays = {"side": np.ones((2, 4), np.float32), "in": np.ones((2, 3, 6, 5), np.float32)}
        made = prepare(read_samples(arrays), (side, COLOUR))
        assert all(made.inputs[name].all() for name in arrays)

    def test_a_sample_set_goes_in_too(self) -> None:
        pictures = Pictures(noise(2, 6, 5, 3), names=("a", "b"), labels=(0, None), preprocessing="mine")
        made = load_samples(pictures, input=COLOUR)
        assert (made.names, made.labels, made.preprocessing) == (("a", "b"), (0, None), "mine; ÷ 255")
        torch = pytest.importorskip("torch")
        assert load_samples(torch.ones(2, 3, 6, 5, requires_grad=True), input=COLOUR).inputs["in"].all()

    def test_what_is_no_array_of_samples(self) -> None:
        assert "samples are an array [sample, …] of numbers" in refusal(np.array(["a", "b"]))
        assert "samples are an array [sample, …] of numbers" in refusal(7)
        assert "no sample in it" in refusal(np.zeros((0, 3, 6, 5), np.float32))


class TestNpz:
    def test_images_and_labels_by_name_and_by_looks(self, tmp_path: Path) -> None:
        images, labels = noise(4, 6, 5), np.array([1, 0, 2, 1])
        np.savez_compressed(tmp_path / "a.npz", x_train=noise(9, 6, 5), x_test=images, y_test=labels[:, None])
        found = read_samples(tmp_path / "a.npz")
        np.testing.assert_array_equal(found.array, images)
        assert found.labels == [1, 0, 2, 1]
        np.savez(tmp_path / "b.npz", a=labels, b=images)
        found = read_samples(tmp_path / "b.npz", count=3)
        np.testing.assert_array_equal(found.array, images[:3])
        assert found.labels == [1, 0, 2]
        np.savez(tmp_path / "c.npz", x=images, y=np.eye(3)[labels])  # one-hot
        assert read_samples(tmp_path / "c.npz").labels == [1, 0, 2, 1]

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_objects_are_refused(self, tmp_path: Path, suffix: str) -> None:
        class Hostile:
            def __reduce__(self) -> tuple[Any, ...]:
                return (Path.touch, (tmp_path / "ran",))

        hostile = np.array([Hostile()], dtype=object)
        path = tmp_path / f"x.{suffix}"
        if suffix == "npy":
            np.save(path, hostile, allow_pickle=True)
        else:
            np.savez(path, x=hostile)
        assert "Python objects (a pickle), which could run code when read; save an array of numbers" in refusal(path)
        assert not (tmp_path / "ran").exists()
        path.write_bytes(pickle.dumps([1, 2], protocol=4))
        assert "a pickle, which could run code" in refusal(path)

    def test_a_bomb_is_refused_before_it_is_unpacked(self, tmp_path: Path) -> None:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (3, 1 << 33)})
        with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", head.getvalue() + bytes(50_000_000))
        tracemalloc.start()
        began = time.perf_counter()
        assert "bytes of samples are too many" in refusal(tmp_path / "x.npz")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
        tracemalloc.stop()
        assert time.perf_counter() - began < 5
        (tmp_path / "x.npy").write_bytes(head.getvalue().replace(str(1 << 33).encode(), b"99999999  "))
        assert "truncated" in refusal(tmp_path / "x.npy")

    @given(data=st.binary(max_size=300), cut=st.integers(0, 400))
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_broken_files_never_raise_anything_else(self, tmp_path: Path, data: bytes, cut: int) -> None:
        whole = io.BytesIO()
        np.savez_compressed(whole, x=noise(2, 6, 5), y=np.array([0, 1]))
        array = io.BytesIO()
        np.save(array, noise(2, 6, 5))
        pieces = [data, whole.getvalue()[:cut], array.getvalue()[:cut], array.getvalue()[:cut] + data]
        pieces += [gzip.compress(idx(noise(2, 6, 5)))[:cut], idx(noise(2, 6, 5))[:cut], b"\x93NUMPY" + data]
        for content in pieces:
            path = tmp_path / "thing"
            path.write_bytes(content)
            with contextlib.suppress(CutawayError):
                load_samples(path, input=GREY)


class TestIdx:
    @pytest.mark.parametrize("zipped", [False, True])
    def test_labels_beside_it_are_found(self, tmp_path: Path, zipped: bool) -> None:
        images, labels = noise(30, 6, 5), (np.arange(30) % 10).astype(np.uint8)
        pack = gzip.compress if zipped else bytes
        end = ".gz" if zipped else ""
        (tmp_path / f"t10k-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
        (tmp_path / f"t10k-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))
        for spec in (tmp_path / f"t10k-images-idx3-ubyte{end}", tmp_path):
            made = load_samples(spec, input=GREY, count=12)
            np.testing.assert_array_equal(made.images[..., 0], images[:12])
            assert made.labels == tuple(labels[:12].tolist())
        assert "labels, no pictures" in refusal(tmp_path / f"t10k-labels-idx1-ubyte{end}")

    def test_a_file_that_declares_too_much(self, tmp_path: Path) -> None:
        path = tmp_path / "images-idx3-ubyte"
        path.write_bytes(b"\0\0\x08\x03" + struct.pack(">III", 1, 4_000_000_000, 4_000_000_000))
        assert "which are too many" in refusal(path)
        path.write_bytes(b"\0\0\x08\x03" + struct.pack(">III", 1, 6, 5) + bytes(10))
        assert "truncated, 20 bytes are missing" in refusal(path)


class TestLabelsAndClasses:
    def test_numbers_words_and_names_in_a_file(self, tmp_path: Path) -> None:
        pixels = noise(3, 6, 5, 3)
        labels = tmp_path / "labels.txt"
        labels.write_text("2\n0\n\n1\n")
        assert read_samples(pixels, labels=labels).labels == (2, 0, 1)
        labels.write_text("cat\ndog\ncat\n")
        found = read_samples(pixels, labels=labels)
        assert (found.labels, found.classes) == ((0, 1, 0), ("cat", "dog"))
        assert read_samples(pixels, labels=labels, classes=["dog", "cat"]).labels == (1, 0, 1)
        for name in "ab":
            save(tmp_path / "p" / f"{name}.png", noise(6, 5, 3))
        labels.write_text("b.png,7\na.png 3\n")
        assert read_samples(tmp_path / "p", labels=labels).labels == (3, 7)
        np.save(tmp_path / "labels.npy", np.array([4, 5]))
        assert read_samples(tmp_path / "p", labels=tmp_path / "labels.npy").labels == (4, 5)
        assert read_samples(tmp_path / "p", labels=[6, None]).labels == (6, None)

    def test_what_does_not_fit_is_named(self, tmp_path: Path) -> None:
        pixels = noise(3, 6, 5, 3)
        assert "2 labels for 3 samples" in refusal(pixels, labels=[0, 1])
        assert "a sample's label is 4, but there are 2 classes (0 to 1)" in refusal(
            pixels, labels=[0, 1, 4], classes=["a", "b"]
        )
        assert "the label 'bird' is none of the 2 classes" in refusal(
            pixels, labels=["cat", "dog", "bird"], classes=["cat", "dog"]
        )
        assert "labels are whole numbers" in refusal(pixels, labels=[0.5, 1, 2])
        assert "nothing.txt: labels can't be read" in refusal(pixels, labels=tmp_path / "nothing.txt")

    def test_classes_from_files_and_text(self, tmp_path: Path) -> None:
        path = tmp_path / "classes.txt"
        for text in (
            "cat\ndog\n",
            '["cat", "dog"]',
            '{"0": "cat", "1": "dog"}',
            '{"1": ["n2", "dog"], "0": ["n1", "cat"]}',
        ):
            path.write_text(text)
            assert read_samples(noise(1, 6, 5), classes=str(path)).classes == ("cat", "dog")
        assert read_samples(noise(1, 6, 5), classes="cat, dog").classes == ("cat", "dog")
        assert "no such file; --classes takes a file" in refusal(noise(1, 6, 5), classes="nothing.txt")


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "value", "text"),
        [
            ("size", "big", "size must be pixels like 224 or 240x320"),
            ("size", "0", "size must be pixels"),
            ("scale", "1/0", "scale must be a number like 0.5 or 1/255"),
            ("scale", "nan", "scale must be a number"),
            ("std", "0", "std must be one number for each channel, none of them 0"),
            ("mean", "a,b", "mean must be a number"),
            ("layout", "HWC", "layout must be NCHW or NHWC"),
            ("count", 0, "count must be at least 1, got 0"),
        ],
    )
    def test_wrong_ones_are_named(self, option: str, value: Any, text: str) -> None:
        assert text in refusal(noise(1, 6, 5, 3), **{option: value})


class TestTestCard:
    @pytest.mark.parametrize(
        "spec",
        [
            COLOUR,
            GREY,
            LAST,
            InputSpec(name="in", shape=(28, 28)),
            InputSpec(name="in", shape=(3, None, None)),
            InputSpec(name="in", shape=(6, 5, 3), dtype="uint8", layout="NHWC"),
            InputSpec(name="in", shape=(7,)),
            InputSpec(name="in", shape=(5,), dtype="int64"),
            InputSpec(name="in", shape=(13, 9, 9)),
            InputSpec(name="in", shape=(2, 4, 5, 6)),
        ],
    )
    def test_it_fits_every_input_and_says_what_it_is(self, spec: InputSpec) -> None:
        card = make_card((spec,))
        assert isinstance(card, Given)
        made = prepare(card, (spec,))
        assert made.preprocessing is not None
        assert "with --samples" in made.preprocessing
        shape = made.inputs["in"].shape
        assert shape == (1, *(224 if size is None else size for size in spec.shape))
        assert made.inputs["in"].dtype == spec.dtype

    def test_it_is_the_same_every_time_and_has_something_to_see(self) -> None:
        first, second = (make_card((COLOUR,)).pictures for _ in range(2))
        assert first is not None
        assert second is not None
        np.testing.assert_array_equal(first[0], second[0])
        assert len(np.unique(make_card((InputSpec(name="in", shape=(3, 64, 64)),)).pictures[0])) > 50  # type: ignore[index]


def test_json_lists_that_are_broken(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('["a",')
    assert "classes can't be read" in refusal(noise(1, 6, 5), classes=str(tmp_path / "classes.json"))
    (tmp_path / "classes.json").write_bytes(b"\xff\xfe\0")
    assert "no text" in refusal(noise(1, 6, 5), classes=str(tmp_path / "classes.json"))
    (tmp_path / "classes.json").write_text(json.dumps([[]]))
    assert read_samples(noise(1, 6, 5), classes=str(tmp_path / "classes.json")).classes == ("[]",)
