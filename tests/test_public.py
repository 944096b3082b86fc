from __future__ import annotations

import subprocess
import sys
import time

import pytest

import cutaway


def test_these_are_the_public_names() -> None:
    assert sorted(cutaway.__all__) == [
        "CutawayError",
        "Recording",
        "__version__",
        "open",
        "open_source",
        "record",
        "show",
    ]
    for name in cutaway.__all__:
        assert getattr(cutaway, name) is not None
    assert dir(cutaway) == sorted(cutaway.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        cutaway.opne  # noqa: B018


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_loads_no_framework_and_nothing_heavy() -> None:
    loaded = python("import sys, cutaway; print(*sys.modules)").split()
    heavy = {"torch", "keras", "tensorflow", "onnx", "onnxruntime", "numpy", "starlette", "uvicorn", "PIL"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in loaded)


def test_importing_takes_well_under_half_a_second() -> None:
    timed = "import time; start = time.perf_counter(); import cutaway; print(time.perf_counter() - start)"
    begun = time.perf_counter()
    seconds = min(float(python(timed)) for _ in range(3))
    assert seconds < 0.5, f"{seconds:.2f} s ({time.perf_counter() - begun:.1f} s for three processes)"
