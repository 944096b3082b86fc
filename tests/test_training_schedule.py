"""When a training is recorded, what of it stays, and how its rows of numbers are thinned out."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.make_recording import NETWORK, TinySource

from cutaway.errors import CutawayError
from cutaway.recording.schema import Checkpoint
from cutaway.training.rows import DENSE_ROWS, Rows, steps_per_row
from cutaway.training.schedule import read_every
from cutaway.training.thinning import Thinning


def steps_until(every: object, end: int) -> list[int]:
    schedule, found, step = read_every(every), [], 0
    while (following := schedule.after_step(step)) is not None and following <= end:
        found.append(step := following)
    return found


class TestEvery:
    def test_steps(self) -> None:
        assert steps_until(500, 1600) == steps_until("500 steps", 1600) == [500, 1000, 1500]
        assert steps_until("step", 3) == [1, 2, 3]
        assert read_every("500 steps").after_step(700) == 1000
        assert not read_every(5).at_epoch(5)

    def test_epochs(self) -> None:
        assert [epoch for epoch in range(1, 7) if read_every("2 epochs").at_epoch(epoch)] == [2, 4, 6]
        assert [epoch for epoch in range(1, 4) if read_every("epoch").at_epoch(epoch)] == [1, 2, 3]
        assert read_every("epoch").after_step(3) is None

    def test_dense_early_and_sparse_later(self) -> None:
        found = steps_until("log", 1_000_000)
        assert found[:16] == list(range(1, 17))
        assert len(found) < 120
        gaps = np.diff(found)
        assert (np.diff(gaps) >= 0).all()
        assert (gaps[20:] / np.array(found[20:-1])).max() <= 1 / 8

    @pytest.mark.parametrize("every", [0, -1, "0 steps", "0 epochs", "-2 epochs"])
    def test_at_least_one(self, every: object) -> None:
        with pytest.raises(CutawayError, match=r"every must be at least 1 (epoch|step), got (0|-1|-2)$"):
            read_every(every)

    @pytest.mark.parametrize("every", ["", "often", "2.5 epochs", "epoch 2", None, 1.5, True])
    def test_nothing_else(self, every: object) -> None:
        with pytest.raises(CutawayError, match="every must be"):
            read_every(every)


class TestThinning:
    def left_of(self, ways: list[float], most: int) -> list[int]:
        """Which checkpoints stay when the weights have gone that far at each of them."""
        thinning, kept = Thinning(NETWORK, most), []
        start = {key: np.asarray(values, np.float32) for key, values in TinySource().parameters(0).items()}
        for number, way in enumerate(ways):
            kept.append(number)
            moved = {key: values * np.float32(1 + way) for key, values in start.items()}
            gone = thinning.add(Checkpoint(index=number, label="", step=number), moved)
            if gone is not None:
                kept.remove(gone)
        return kept

    def test_the_first_and_the_last_stay(self) -> None:
        assert self.left_of([0, 1, 2, 3, 4], 2) == [0, 4]

    def test_those_that_changed_most_stay(self) -> None:
        ways = [0, 0.01, 1, 1.01, 1.02, 2, 2.01, 2.02, 3]
        assert [round(ways[number]) for number in self.left_of(ways, 4)] == [0, 1, 2, 3]

    def test_an_excursion_stays_though_the_weights_come_back(self) -> None:
        assert 2 in self.left_of([0, 0.1, 5, 0.2, 0.3, 0.4, 0.5], 4)

    def test_where_nothing_moves_they_are_spread_over_the_steps(self) -> None:
        left = self.left_of([0.0] * 33, 5)
        assert left[0] == 0
        assert left[-1] == 32
        assert max(np.diff(left)) <= 16

    def test_without_a_limit_nothing_is_kept_in_memory(self) -> None:
        thinning = Thinning(NETWORK, None)
        assert thinning.add(Checkpoint(index=0, label=""), {}) is None
        assert thinning.kept == []


class TestRows:
    def test_a_row_a_step_while_the_training_is_young(self) -> None:
        rows = Rows()
        for step in range(1, 4):
            rows.add(step, step / 10, {"loss": step}, is_step=True)
        rows.add(3, 1.0, {"accuracy": 0.5}, is_step=False)
        assert rows.take(print) == [
            {"step": 1, "epoch": 0.1, "loss": 1},
            {"step": 2, "epoch": 0.2, "loss": 2},
            {"step": 3, "epoch": 0.3, "loss": 3},
            {"step": 3, "epoch": 1.0, "accuracy": 0.5},
        ]
        assert rows.take(print) == []

    def test_later_a_row_is_the_mean_of_ten_steps(self) -> None:
        rows = Rows(DENSE_ROWS)
        for step in range(1, 26):
            rows.add(DENSE_ROWS + step, None, {"loss": step}, is_step=True)
        rows.add(DENSE_ROWS + 25, 2.0, {"accuracy": 0.5}, is_step=False)
        assert rows.take(print) == [
            {"step": DENSE_ROWS + 10, "loss": 5.5},
            {"step": DENSE_ROWS + 20, "loss": 15.5},
            {"step": DENSE_ROWS + 25, "epoch": 2.0, "accuracy": 0.5},
        ]
        assert rows.take(print, rest=True) == [{"step": DENSE_ROWS + 25, "loss": 23}]

    def test_a_loss_that_is_no_number_stays_one_in_the_mean(self) -> None:
        rows = Rows(DENSE_ROWS)
        for step in range(10):
            rows.add(step, None, {"loss": float("nan") if step == 3 else 1.0}, is_step=True)
        (row,) = rows.take(print)
        assert np.isnan(row["loss"])

    def test_a_million_steps_make_few_rows(self) -> None:
        assert [steps_per_row(steps) for steps in (DENSE_ROWS, DENSE_ROWS + 1, 200_000, 1_000_000)] == [1, 10, 10, 100]
