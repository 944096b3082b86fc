"""tests/fixtures/calculations.json, which the viewer's arithmetic is compared with, is what NumPy gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fixtures.make_calculations import CALCULATIONS, make


def same(a: Any, b: Any) -> bool:
    """Equal but for the last digits, which the exponential functions of different machines may not share."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, int | float):
        return b == pytest.approx(a, rel=1e-9, abs=1e-12)
    return bool(a == b)


def test_the_file_is_what_the_script_makes() -> None:
    expected, found = make(), json.loads(CALCULATIONS.read_text())
    for group in ("recorded", "made"):
        for position, (a, b) in enumerate(zip(expected[group], found[group], strict=True)):
            assert same(a, b), f"{group} {position} differs; run: PYTHONPATH=tests python -m fixtures.make_calculations"


def test_the_terms_give_what_was_recorded() -> None:
    for case in make()["recorded"]:
        assert case["terms"]["value"] == pytest.approx(case["recorded"], rel=1e-4, abs=1e-7), case["layer"]
