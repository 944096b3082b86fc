from __future__ import annotations

import subprocess
import sys

import pytest

import cutaway


def test_these_are_the_public_names() -> None:
    assert sorted(cutaway.__all__) == [
        "CutawayError",
        "Recorder",
        "Recording",
        "__version__",
        "open",
        "open_source",
        "record",
        "show",
        "training",
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
    # Processor time, of this process alone: a busy machine makes no difference.
    seconds = float(python("import time, cutaway; print(time.process_time())"))
    assert seconds < 0.5


@pytest.mark.parametrize(
    ("framework", "remedy"),
    [
        ("keras", 'Keras is not installed: pip install "cutaway[keras]"'),
        ("lightning", "Lightning is not installed: pip install lightning"),
        ("transformers", "Transformers is not installed: pip install transformers accelerate"),
    ],
)
def test_a_callback_tells_what_to_install(framework: str, remedy: str) -> None:
    code = f"""
import sys, cutaway
sys.modules.update(dict.fromkeys(({framework!r}, "pytorch_lightning")))
try:
    cutaway.training.{framework}.Callback
except cutaway.CutawayError as error:
    print(error, end="")
"""
    assert python(code) == remedy


def test_training_has_its_callbacks_and_nothing_else() -> None:
    with pytest.raises(AttributeError, match=r"'cutaway.training' has no attribute 'kears'"):
        cutaway.training.kears  # noqa: B018
