"""Each rule on a training that was made to show it, and silence on healthy ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from fixtures.make_recording import TinySource
from torch import nn
from trainings import HELD_OUT, TRAINED, Data, Optimiser, Schedule, adam, cnn, data, mlp, sgd, train

import cutaway.demo
from cutaway.network import Layer, Network
from cutaway.recording.insights import Watcher
from cutaway.recording.insights.finding import figure, listed, percent
from cutaway.recording.recorder import record
from cutaway.recording.schema import Checkpoint, Insight, LayerSummary, Summary
from cutaway.recording.store import open as open_recording

torch.set_num_threads(1)

Made = Callable[[], nn.Module]


def of(insights: list[Insight], rule: str) -> list[Insight]:
    return [insight for insight in insights if insight.rule == rule]


@pytest.fixture(params=[True, False], ids=["measured", "between checkpoints"])
def measured(request: pytest.FixtureRequest) -> bool:
    """Whether gradients and updates of one step are recorded, or only checkpoints."""
    return bool(request.param)


def cosine(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 200)


def decay(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.9)


def warm_up(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (step + 1) / 2000)


class TestHealthy:
    """No warning; that a sample flips may be noted."""

    @pytest.mark.parametrize(
        ("make", "optimiser", "schedule", "every"),
        [
            pytest.param(cnn, adam(1e-3), None, 20, id="cnn"),
            pytest.param(cnn, adam(1e-3), None, 2, id="cnn, dense"),
            pytest.param(lambda: cnn(norm=True), sgd(0.1, 0.9), None, 20, id="batch norm, sgd"),
            pytest.param(lambda: mlp(depth=6, width=128), adam(1e-3), None, 20, id="deep mlp"),
            pytest.param(lambda: mlp(nn.Tanh, depth=3), sgd(0.1), None, 20, id="tanh"),
            pytest.param(lambda: mlp(nn.Sigmoid, depth=1), adam(1e-2), None, 20, id="sigmoid"),
            pytest.param(cnn, adam(3e-3), cosine, 20, id="cosine schedule to 0"),
            pytest.param(cnn, adam(3e-3), decay, 20, id="decay to nearly 0"),
            pytest.param(cnn, adam(1e-3), warm_up, 10, id="warm-up"),
        ],
    )
    def test_nothing_is_wrong(
        self, make: Made, optimiser: Optimiser, schedule: Schedule | None, every: int, measured: bool
    ) -> None:
        steps = 200 if every == 20 else 60
        found = train(make(), optimiser, schedule=schedule, every=every, steps=steps, measured=measured)
        assert [insight.text for insight in found if insight.level == "warning"] == []

    def test_the_bundled_recording_is_silent(self) -> None:
        assert open_recording(cutaway.demo.path()).insights() == []


class TestShown:
    """What goes wrong is said, at the step where it does."""

    def test_maps_that_are_dead_from_the_start(self, measured: bool) -> None:
        model = cnn()
        bias = torch.where(torch.arange(8) < 6, -100.0, 1.0)
        model.load_state_dict({**model.state_dict(), "0.bias": bias})
        (dead,) = of(train(model, adam(1e-3), measured=measured), "dead-units")
        assert (dead.level, dead.layer, dead.step, dead.value) == ("warning", "0", 20, 0.75)
        assert dead.text == "75 % of 0's maps are zero on every recorded sample."
        assert dead.why.startswith("Rule: at least 25 % of a layer's maps are zero")

    def test_relus_die_when_the_rate_is_too_high(self, measured: bool) -> None:
        found = train(cnn(), adam(1.0), measured=measured)
        assert {insight.layer for insight in of(found, "dead-units")} == {"0", "3", "7"}
        assert of(found, "updates-too-large")[0].step == 20

    def test_a_stack_of_sigmoids_lets_gradients_vanish(self, measured: bool) -> None:
        found = train(mlp(nn.Sigmoid, depth=8, width=32), sgd(0.1), measured=measured)
        (vanishing,) = of(found, "vanishing-gradients")
        assert (vanishing.layer, vanishing.step) == ("1", 20)
        assert vanishing.value is not None
        assert vanishing.value < 1e-5
        assert f"The {'gradient' if measured else 'update'} of 1 is " in vanishing.text
        assert "times smaller than that of 17, each relative to its weights." in vanishing.text

    def test_at_a_rate_of_1000_gradients_explode(self) -> None:
        found = train(cnn(), sgd(1e3), every=1, steps=4)
        exploding, large = of(found, "exploding-gradients")[0], of(found, "updates-too-large")[0]
        assert (exploding.level, exploding.step, large.step) == ("warning", 1, 1) or exploding.step == 2
        assert "The gradient's norm is " in exploding.text

    def test_gradients_that_grow_beyond_what_they_were(self) -> None:
        def sudden(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
            return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0 if step < 10 else 500.0)

        found = train(cnn(), sgd(0.1), every=2, steps=16, schedule=sudden)
        assert 10 < (of(found, "exploding-gradients")[0].step or 0) <= 14
        assert 10 < (of(found, "updates-too-large")[0].step or 0) <= 14

    def test_what_becomes_nan_is_said_once(self, measured: bool) -> None:
        found = train(mlp(), sgd(1e30), every=1, steps=6, measured=measured)
        (loss,) = of(found, "loss-not-finite")
        assert (loss.level, loss.value, loss.text) == ("warning", None, "val_loss is NaN.")
        (weights,) = of(found, "not-finite")
        assert weights.layer is not None
        assert weights.text.startswith("NaN or infinite values are among the ")

    @pytest.mark.parametrize("optimiser", [sgd(1e-7), adam(1e-7)])
    def test_updates_that_are_too_small(self, optimiser: Optimiser, measured: bool) -> None:
        (small,) = of(train(cnn(), optimiser, measured=measured), "updates-too-small")
        assert (small.level, small.step, small.layer) == ("warning", 40, None)
        assert small.text.endswith("in one step." if measured else "in 20 steps.")

    def test_a_layer_that_was_never_changed_is_noted(self, measured: bool) -> None:
        def all_but_the_first(model: nn.Module) -> torch.optim.Optimizer:
            return torch.optim.Adam([p for name, p in model.named_parameters() if not name.startswith("0.")], lr=1e-3)

        (stopped,) = of(train(cnn(), all_but_the_first, measured=measured), "stopped-layers")
        assert (stopped.level, stopped.layer, stopped.step) == ("note", "0", 40)
        assert stopped.text == "0 has not changed since the start while other layers do."

    def test_a_layer_that_is_marked_as_not_trainable_is_not(self, measured: bool) -> None:
        model = cnn()
        model[0].weight.requires_grad_(False)
        assert of(train(model, adam(1e-3), measured=measured), "stopped-layers") == []

    def test_a_layer_that_stops(self, measured: bool) -> None:
        def freezing(model: nn.Module) -> torch.optim.Optimizer:
            first = [p for name, p in model.named_parameters() if name.startswith("0.")]
            others = [p for name, p in model.named_parameters() if not name.startswith("0.")]
            return torch.optim.Adam([{"params": first}, {"params": others}], lr=1e-3)

        def stop(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
            return torch.optim.lr_scheduler.LambdaLR(optimiser, [lambda step: float(step < 40), lambda step: 1.0])

        (stopped,) = of(train(cnn(), freezing, schedule=stop, measured=measured), "stopped-layers")
        assert (stopped.level, stopped.layer, stopped.step) == ("warning", "0", 80)
        assert stopped.text == "0 has stopped changing while other layers still do."

    def test_random_labels_are_learnt_by_heart(self) -> None:
        real = data()
        torch.manual_seed(1)
        wrong = torch.cat([torch.randint(0, 10, (TRAINED,)), real.labels[-HELD_OUT:]])
        found = train(mlp(width=256), adam(3e-3), steps=300, given=Data(real.images, wrong), trained=200)
        over = of(found, "over-fitting")
        assert 1 <= len(over) <= 4
        assert over[0].level == "warning"
        assert over[0].text.startswith("The loss on held-out data has risen from 2.29 to ")
        values = [insight.value or 0 for insight in over]
        assert all(later >= 1.5 * earlier for earlier, later in pairwise(values))

    def test_a_tanh_at_its_limits(self) -> None:
        found = train(mlp(nn.Tanh), sgd(20.0))
        assert {insight.layer for insight in of(found, "saturated-units")} == {"1", "3"}
        assert all((insight.value or 0) >= 0.6 for insight in of(found, "saturated-units"))
        assert of(found, "dead-units") == []  # constant, but that is the same said twice

    def test_each_thing_is_said_once(self) -> None:
        found = train(cnn(), adam(1.0), steps=400, every=10)
        places = [(insight.rule, insight.layer) for insight in found if insight.level == "warning"]
        assert max(map(places.count, places)) <= 2
        steps = [insight.step or 0 for insight in found]
        assert steps == sorted(steps)


class TestFlips:
    NETWORK = Network(layers=(Layer(id="out", name="out", kind="dense"),), inputs=(), outputs=("out",))

    def seen(self, guesses: list[list[int]], labels: list[int | None]) -> list[Insight]:
        """guesses [checkpoint][sample]."""
        watcher = Watcher(self.NETWORK, ("cat", "dog", "cow"), labels)
        found = []
        for step, row in enumerate(guesses):
            moment = Checkpoint(index=step, label=str(step), step=step)
            found += watcher.checkpoint(moment, Summary(layers={}), np.eye(3, dtype=np.float32)[row])
        return found

    def test_a_sample_that_is_lost_twice_is_noted_and_again_when_twice_as_often(self) -> None:
        right, wrong = [0, 1, 2], [0, 2, 2]  # the second sample changes
        found = self.seen([right, wrong] * 5, [0, 1, 2])
        assert [(insight.level, insight.sample, insight.step, insight.value) for insight in found] == [
            ("note", 1, 3, 2),
            ("note", 1, 7, 4),
        ]
        assert found[0].text == "Sample 1 (“dog”) was right and then wrong again twice; now it is taken for “cow”."

    def test_once_is_not_worth_a_word_nor_a_sample_without_a_label(self) -> None:
        assert self.seen([[0, 1], [1, 1], [0, 0], [0, 1], [0, 0]], [0, None]) == []

    def test_scores_that_are_not_finite_say_nothing(self) -> None:
        watcher = Watcher(self.NETWORK, None, [0])
        moments = [Checkpoint(index=i, label="") for i in range(4)]
        assert [watcher.checkpoint(m, Summary(layers={}), np.full((1, 3), np.nan)) for m in moments] == [[]] * 4


def test_the_first_checkpoint_may_look_as_it_likes() -> None:
    network = Network(layers=(Layer(id="a", name="a", kind="relu", output_shapes=((4, 8, 8),)),), inputs=(), outputs=())
    dead = Summary(layers={"a": LayerSummary(map_low=(0.0,) * 4, dead=(0, 1, 2, 3))})
    watcher = Watcher(network)
    assert watcher.checkpoint(Checkpoint(index=0, label="0"), dead) == []
    (insight,) = watcher.checkpoint(Checkpoint(index=5, label="1", epoch=1.0), dead)
    assert (insight.text, insight.epoch) == ("100 % of a's maps are zero on every recorded sample.", 1.0)


def test_a_loss_that_is_infinite_or_null() -> None:
    watcher = Watcher(TestFlips.NETWORK)
    (infinite,) = watcher.metrics({"epoch": 2, "train_loss": math.inf})
    assert (infinite.text, infinite.epoch, infinite.step) == ("train_loss is infinite.", 2, None)
    (null,) = Watcher(TestFlips.NETWORK).metrics({"step": 7, "loss": None})
    assert (null.text, null.step) == ("loss is NaN.", 7)


def test_record_writes_what_it_found_and_info_prints_it(tmp_path: Path, cutaway: Run) -> None:
    class Broken(TinySource):
        def metrics(self) -> list[dict[str, float]]:
            return [{"step": 0, "loss": 2.0}, {"step": 5, "loss": math.nan}]

    recording = record(Broken(), out=tmp_path / "run")
    found = recording.insights()
    assert [(insight.rule, insight.step) for insight in found][:2] == [("loss-not-finite", 5), ("dead-units", 10)]
    printed = cutaway("info", tmp_path / "run").stdout
    assert "warning       step 5: loss is NaN." in printed
    document = json.loads(cutaway("info", tmp_path / "run", "--json").stdout)
    assert document["insights"][0] == {
        "rule": "loss-not-finite",
        "level": "warning",
        "step": 5,
        "text": "loss is NaN.",
        "why": "Rule: the loss in a row of metrics is NaN or infinite.",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.0, "1,234,567"),
        (0.0341, "0.0341"),
        (3.14159, "3.14"),
        (-25.0, "−25.0"),
        (2.1e-7, "2.1 · 10⁻⁷"),
        (8.4e14, "8.4 · 10¹⁴"),
        (0.0, "0"),
        (math.nan, "NaN"),
    ],
)
def test_figures_are_written_for_people(value: float, text: str) -> None:
    assert figure(value) == text


def test_shares_and_lists_are_written_for_people() -> None:
    assert [percent(share) for share in (0, 0.004, 0.41, 0.996, 1)] == ["0 %", "less than 1 %", "41 %", "99 %", "100 %"]
    assert [listed(list("abcde")[:n]) for n in (1, 2, 3, 4)] == ["a", "a and b", "a, b and c", "a, b and 2 more"]
