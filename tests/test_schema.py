from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import cutaway
from cutaway import network
from cutaway.recording import schema, typescript

ROOT = Path(__file__).parent.parent


def test_the_viewers_types_are_those_of_the_schema() -> None:
    found = (ROOT / "viewer/src/generated/recording.ts").read_text(encoding="utf-8")
    assert found == typescript.generate(), "run `python -m cutaway.recording.typescript`"


def test_every_struct_reaches_the_viewer() -> None:
    declared = {
        value
        for module in (network, schema)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
    }
    assert declared - {network.Struct} == set(typescript.STRUCTS)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (str, "string"),
        (tuple[int, ...], "number[]"),
        (tuple[int | None, ...], "(number | null)[]"),
        (tuple[tuple[int, int], ...], "[number, number][]"),
        (dict[str, tuple[str, ...]], "Record<string, string[]>"),
        (network.Kind, "Kind"),
        (schema.Histogram | None, "Histogram | null"),
    ],
)
def test_annotations_become_typescript(hint: Any, expected: str) -> None:
    assert typescript.typescript(hint) == expected


def test_what_json_cannot_carry_is_refused() -> None:
    with pytest.raises(TypeError, match="no TypeScript type"):
        typescript.typescript(bytes)


def test_the_example_in_the_docs_writes_a_valid_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs/recording.md").read_text(encoding="utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    assert len(example.strip().splitlines()) <= 30
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/recording.md", "exec"), {})
    (run,) = tmp_path.iterdir()
    recording = cutaway.open(run)
    for layer in recording.network:
        for sample in range(recording.samples.count):
            assert recording.activations(layer.id, -1, sample).shape == layer.output_shape
        for parameter in layer.parameters:
            assert recording.parameters(layer.id, parameter.role, -1).shape == parameter.shape
    assert recording.images.shape[0] == recording.samples.count
