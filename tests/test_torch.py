"""Live PyTorch modules: what is recorded is what the framework computed, and the module stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_models as models
from torch import Tensor, nn
from torch_helpers import drawn, learned, opened, prepared

import cutaway
from cutaway.execute import execute, unsupported
from cutaway.samples import Prepared
from cutaway.shapes import parameter_count
from cutaway.sources import How, canonical_inputs, inputs_of
from cutaway.sources.torch import open_module


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_architectures_agree_with_the_framework(name: str) -> None:
    build, shape = models.ARCHITECTURES[name]
    torch.manual_seed(3)
    model = models.spread(build())
    source = opened(model, shape)
    assert source.network.layer("input").output_shape == shape
    samples = prepared(source)
    outputs = source.activations(0, samples)
    with torch.no_grad():
        (images,) = samples.inputs.values()
        expected = model(torch.from_numpy(images)).numpy()
    assert np.array_equal(outputs[source.network.outputs[0]], expected)
    assert list(outputs) == [layer.id for layer in source.network]
    for layer in source.network:
        assert outputs[layer.id].shape == (3, *layer.output_shape)

    used = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("aux"))
    assert learned(source) == used
    assert not unsupported(source.network)
    computed = execute(source.network, source.parameters(0), canonical_inputs(inputs_of(source), samples))
    for id, values in computed.items():
        largest = float(np.abs(outputs[id]).max())
        assert np.allclose(values, outputs[id], rtol=0, atol=1e-4 * largest), id


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_every_module_output_is_recorded_exactly(name: str) -> None:
    """Hooks of our own on every module; a layer's output is that of the last module fused into it."""
    build, shape = models.ARCHITECTURES[name]
    torch.manual_seed(4)
    model = models.spread(build())
    source = opened(model, shape)
    samples = prepared(source)
    outputs = source.activations(0, samples)
    seen: dict[str, np.ndarray] = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.AdaptiveAvgPool2d | nn.ConvTranspose2d):
            module.register_forward_hook(
                lambda module, args, out, path=path: seen.__setitem__(path, out.detach().clone().numpy())
            )
    with torch.no_grad():
        model(torch.from_numpy(next(iter(samples.inputs.values()))))
    compared = 0
    for path, values in seen.items():
        layer = source.network.layer(path)
        if not set(layer.fused) - {"dropout"}:
            assert np.array_equal(outputs[path], values), path
            compared += 1
        else:
            assert outputs[path].shape == values.shape
    assert compared


def test_resnet_18_has_as_many_parameters_as_its_summary_says() -> None:
    assert learned(opened(models.resnet18(), (3, 64, 64))) == 11_689_512


def test_parameters_are_the_models() -> None:
    model = models.spread(models.ResNet())
    source = opened(model, (3, 33, 47))
    found = source.parameters(0)
    state = model.state_dict()
    roles = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
    stem = source.network.layer("conv1")
    assert stem.fused == ("batch_norm", "relu")
    assert stem.attributes.epsilon == 1e-5
    assert np.array_equal(found["conv1/kernel"], state["conv1.weight"].numpy())
    assert np.array_equal(found["conv1/gamma"], state["bn1.weight"].numpy())
    assert np.array_equal(found["conv1/mean"], state["bn1.running_mean"].numpy())
    assert np.array_equal(found["conv1/variance"], state["bn1.running_var"].numpy())
    assert np.array_equal(found["fc/bias"], state["fc.bias"].numpy())
    assert set(roles) <= {p.role for layer in source.network for p in layer.parameters}
    assert {p.role for layer in source.network for p in layer.parameters if not p.trainable} == {"mean", "variance"}


def test_residual_blocks_keep_their_names_and_edges() -> None:
    source = opened(models.ResNet(blocks=(1, 1)), (3, 32, 32))
    assert drawn(source.network) == [
        "input [input] <-",
        "conv1 [conv2d] <- input batch_norm+relu",
        "maxpool [max_pool2d] <- conv1",
        "layer1.0.conv1 [conv2d] <- maxpool batch_norm+relu",
        "layer1.0.conv2 [conv2d] <- layer1.0.conv1 batch_norm",
        "layer1.0.add [add] <- layer1.0.conv2 maxpool relu",
        "layer2.0.conv1 [conv2d] <- layer1.0.add batch_norm+relu",
        "layer2.0.conv2 [conv2d] <- layer2.0.conv1 batch_norm",
        "layer2.0.downsample.0 [conv2d] <- layer1.0.add batch_norm",
        "layer2.0.add [add] <- layer2.0.conv2 layer2.0.downsample.0 relu",
        "avgpool [global_average_pool] <- layer2.0.add",
        "fc [dense] <- avgpool",
    ]
    block = source.network.layer("layer2.0.downsample.0")
    assert (block.path, block.name, block.op) == (("layer2", "0", "downsample"), "0", "torch.nn.Conv2d")
    assert block.source is not None
    assert block.source.startswith("torch_models.py:")
    assert source.network.layer("fc").attributes.input_order == "CHW"


def test_batch_norms_in_front_stay_layers() -> None:
    lines = drawn(opened(models.DenseNet(), (3, 19, 23)).network)
    assert "layers.denselayer1.cat [concat] <- conv0 layers.denselayer0.conv2" in lines
    assert "layers.denselayer1.norm1 [batch_norm] <- layers.denselayer1.cat relu" in lines
    assert "layers.denselayer1.conv2 [conv2d] <- layers.denselayer1.conv1 dropout" in lines


def test_a_layer_called_twice_is_two_with_one_kernel() -> None:
    model = models.Twice()
    source = opened(model, (3, 9, 7))
    assert drawn(source.network) == [
        "input [input] <-",
        "conv [conv2d] <- input relu",
        "conv:2 [conv2d] <- conv",
        "mean [global_average_pool] <- conv:2",
        "first [dense] <- mean tanh",
        "second [dense] <- first",
    ]
    again = source.network.layer("conv:2")
    assert again.call == 1
    assert again.parameters == source.network.layer("conv").parameters
    first, second = (source.network.layer(id).parameter("kernel") for id in ("first", "second"))
    assert first is not None
    assert second is not None
    assert first.key == second.key == "first/kernel"
    assert parameter_count(source.network) == sum(p.numel() for p in model.parameters())


def test_dicts_lists_tuples_and_data_classes_of_outputs() -> None:
    model = models.Outputs()
    source = opened(model, (3, 9, 7))
    assert source.network.outputs == ("chunk", "fc", "amax")
    samples = prepared(source)
    outputs = source.activations(0, samples)
    with torch.no_grad():
        expected = model(torch.from_numpy(samples.inputs["x"]))
    assert np.array_equal(outputs["chunk"], expected["maps"][0].numpy())
    assert np.array_equal(outputs["amax"], expected["answer"].parts[0].numpy())
    assert source.network.layer("chunk").output_shapes == ((2, 7, 5), (2, 7, 5))


def test_several_inputs() -> None:
    model = models.TwoInputs()
    source = opened(model)
    assert [(spec.name, spec.shape) for spec in inputs_of(source)] == [("picture", (3, 11, 9)), ("numbers", (2,))]
    assert source.network.inputs == ("picture", "numbers")
    samples = prepared(source)
    outputs = source.activations(0, samples)
    with torch.no_grad():
        expected = model(*(torch.from_numpy(values) for values in samples.inputs.values()))
    assert np.array_equal(outputs[source.network.outputs[0]], expected.numpy())


def test_another_path_is_told_and_never_filled_in() -> None:
    model = models.Decides()
    source = opened(model, (1, 9, 7))
    outputs = prepared(source)
    images = np.stack([np.full((1, 9, 7), level, np.float32) for level in (0.1, 0.9, 0.2)])
    first = "dark" if source.network.outputs == ("dark",) else "bright"
    values = source.activations(0, Prepared(outputs.images, outputs.names, inputs={"x": images}))
    taken = [0, 2] if first == "dark" else [1]
    for sample in range(3):
        with torch.no_grad():
            expected = model(torch.from_numpy(images[sample : sample + 1])).numpy()[0]
            common = model.common(torch.from_numpy(images[sample : sample + 1])).numpy()[0]
        assert np.array_equal(values["common"][sample], common)
        if sample in taken:
            assert np.array_equal(values[first][sample], expected)
        else:
            assert np.isnan(values[first][sample]).all()
    text = " ".join(source.completeness.notes)
    assert "decides by values" in text
    assert "takes another path" in text
    assert "without" in text


def test_in_place_writes_parameters_outside_modules_and_unknown_operations() -> None:
    torch.manual_seed(5)
    model = models.Strange().eval()
    source = opened(model, (3, 9, 7))
    samples = prepared(source)
    outputs = source.activations(0, samples)
    with torch.no_grad():
        images = torch.from_numpy(samples.inputs["x"])
        expected = model(images).numpy()
        before = model.conv(images) * model.scale + model.offset
    assert np.array_equal(outputs[source.network.outputs[0]], expected)
    assert np.array_equal(outputs["add"], before.numpy()), "as it was before the writes into it"
    assert source.network.layer("cumsum").kind == "other"
    assert source.network.layer("add").parameter("bias") is not None
    assert source.network.layer("token").kind == "constant"
    found = source.parameters(0)
    assert np.array_equal(found["conv/kernel"], model.conv.weight.detach().numpy()), "made by the weight norm"
    assert np.array_equal(found["matmul/kernel"], model.matrix.detach().numpy().T)


def test_attention_and_recurrent_layers_are_boxes_with_their_weights() -> None:
    model = models.Transformer().eval()
    source = opened(model, (3, 16, 16))
    kinds = {layer.id: layer.kind for layer in source.network}
    assert kinds["attention"] == "attention"
    assert kinds["gru"] == "recurrent"
    assert kinds["norm"] == "layer_norm"
    samples = prepared(source)
    outputs = source.activations(0, samples)
    for at in range(3):
        with torch.no_grad():
            expected = model(torch.from_numpy(samples.inputs["x"][at : at + 1])).numpy()[0]
        assert np.allclose(outputs["head"][at], expected, rtol=0, atol=1e-6)
    assert learned(source) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", models.MORE)
def test_more_architectures_agree_with_the_framework(name: str) -> None:
    build, shape = models.MORE[name]
    torch.manual_seed(3)
    model = models.spread(build())
    source = opened(model, shape)
    samples = prepared(source)
    outputs = source.activations(0, samples)
    with torch.no_grad():
        expected = model(torch.from_numpy(samples.inputs["x"])).numpy()
    assert np.array_equal(outputs[source.network.outputs[0]], expected)
    assert learned(source) == sum(p.numel() for p in model.parameters())
    assert not unsupported(source.network)
    computed = execute(source.network, source.parameters(0), canonical_inputs(inputs_of(source), samples))
    for id, values in computed.items():
        assert np.allclose(values, outputs[id], rtol=0, atol=1e-4 * float(np.abs(outputs[id]).max())), id


def test_unusual_kinds_on_odd_shapes() -> None:
    torch.manual_seed(6)
    model = models.spread(models.Kinds())
    source = opened(model, (6, 13, 17))
    samples = prepared(source)
    outputs = source.activations(0, samples)
    with torch.no_grad():
        expected = model(torch.from_numpy(samples.inputs["x"])).numpy()
    assert np.array_equal(outputs[source.network.outputs[0]], expected)
    computed = execute(source.network, source.parameters(0), canonical_inputs(inputs_of(source), samples))
    for id, values in computed.items():
        assert np.allclose(values, outputs[id], rtol=0, atol=1e-4 * float(np.abs(outputs[id]).max())), id
    transposed = source.network.layer("transposed")
    assert transposed.kind == "conv_transpose2d"
    assert transposed.parameters[0].shape == (9, 2, 3, 4)
    row = source.network.layer("row").parameters[0]
    assert (row.shape, row.source_axes) == ((3, 4, 1, 3), "OIW")


def test_loops_over_a_tensor_and_keyword_arguments() -> None:
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, frames: Tensor | None = None, labels: Tensor | None = None) -> Tensor:
            assert frames is not None
            total = torch.zeros(())
            for frame in frames.transpose(0, 1):
                total = total + self.conv(frame[:, None]).mean((2, 3), True)
            return total

    model = Frames()
    source = opened(model, (3, 9, 7))
    assert [layer.id for layer in source.network if layer.kind == "conv2d"] == ["conv", "conv:2", "conv:3"]
    samples = prepared(source)
    outputs = source.activations(0, samples)[source.network.outputs[0]]
    with torch.no_grad():
        for at in range(3):
            expected = model(torch.from_numpy(samples.inputs["frames"][at : at + 1])).numpy()[0]
            assert np.allclose(outputs[at], expected, rtol=0, atol=1e-6)


class Touchy(nn.Module):
    """Counts its calls in a buffer, draws random numbers, and remembers whether it was training."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        assert not torch.is_grad_enabled()
        return torch.as_tensor(self.drop(self.norm(self.conv(x))) + torch.rand(1))


def test_the_module_stays_as_it_was() -> None:
    model = Touchy().train()
    model.drop.eval()
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(11)
    random_before = torch.get_rng_state()
    source = opened(model, (3, 9, 9))
    source.activations(0, prepared(source))
    source.parameters(0)
    assert torch.equal(torch.get_rng_state(), random_before)
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert torch.is_grad_enabled()
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert model.conv.weight.grad is not None
    assert torch.equal(model.conv.weight.grad, torch.ones_like(model.conv.weight))
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert not [name for p in model.parameters() for name in vars(p) if name.startswith("_cutaway")]


def test_a_model_that_fails_leaves_nothing_behind() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            self.conv(x)
            raise RuntimeError("not today")

    model = Fails()
    with pytest.raises(cutaway.CutawayError, match=r"Fails: no input that was tried fits .*not today") as caught:
        opened(model, (3, 9, 9))
    assert "\n" not in str(caught.value)
    assert model.training
    assert not model.conv._forward_hooks


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 5), nn.Flatten(), nn.Linear(4 * 24 * 24, 10)), (1, 28, 28)),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10)), (3, 32, 32)),
        (lambda: nn.Sequential(nn.Linear(17, 5), nn.ReLU(), nn.Linear(5, 2)), (17,)),
        (lambda: models.ResNet(), (3, 224, 224)),
    ],
)
def test_the_input_is_found_where_nobody_tells_it(model: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    (spec,) = inputs_of(open_module(model(), How()))
    assert spec.shape == shape


def test_wanted_layers_only() -> None:
    source = opened(models.ResNet(blocks=(1, 1)), (3, 33, 33))
    samples = prepared(source)
    some = Prepared(samples.images, samples.names, inputs=samples.inputs, wanted=frozenset({"maxpool", "fc"}))
    assert list(source.activations(0, some)) == ["maxpool", "fc"]


def test_models_that_mix_samples_or_take_one_at_a_time_run_one_by_one() -> None:
    class Mixes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x / x.abs().max()

    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(63, 2)

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.fc(x.reshape(1, 63)))

    for model in (Mixes(), Single()):
        source = opened(model, (1, 9, 7))
        samples = prepared(source)
        outputs = source.activations(0, samples)[source.network.outputs[0]]
        for at in range(3):
            with torch.no_grad():
                expected = model(torch.from_numpy(next(iter(samples.inputs.values()))[at : at + 1])).numpy()[0]
            assert np.allclose(outputs[at], expected, rtol=0, atol=1e-6)


def test_compiled_code_is_a_box() -> None:
    inner = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    model = nn.Sequential(nn.Conv2d(3, 3, 3), inner, nn.Flatten(), nn.LazyLinear(2))
    model(torch.zeros(1, 3, 12, 12))
    source = opened(model, (3, 12, 12))
    assert any(layer.kind == "other" for layer in source.network)
    assert source.network.layer("3").inputs


def test_half_precision_and_wrapped_modules() -> None:
    model = nn.DataParallel(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(torch.bfloat16))
    source = opened(model, (3, 8, 8))
    assert [layer.id for layer in source.network] == ["input", "0"]
    samples = prepared(source)
    outputs = source.activations(0, samples)
    with torch.no_grad():
        expected = model.module(torch.from_numpy(next(iter(samples.inputs.values()))).to(torch.bfloat16)).float()
    assert np.array_equal(outputs["0"], expected.numpy())


def test_numpy_on_the_way_is_told() -> None:
    class Leaves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(self.conv(x).numpy() * 2)

    with pytest.raises(cutaway.CutawayError, match="does not depend on its input"):
        opened(Leaves(), (3, 9, 9))


def test_record_from_end_to_end(tmp_path: Path) -> None:
    torch.manual_seed(7)
    model = models.spread(models.ResNet(blocks=(1, 1), classes=5))
    images = np.random.default_rng(1).random((4, 3, 33, 47), np.float32)
    run = cutaway.record(model, images, tmp_path / "run")
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    for sample in range(4):
        found = run.activations("fc", -1, sample)
        assert np.allclose(found, expected[sample], rtol=0, atol=1e-4 * float(np.abs(expected).max()))
        assert np.array_equal(run.activations("input", -1, sample), images[sample])
    assert np.array_equal(run.parameters("conv1", "kernel", -1), model.state_dict()["conv1.weight"].numpy())
    run.check()


class Counts(nn.Module):
    """Counts the samples that it sees; changes what it recorded in place; decides by the first pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bright, self.dark = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        h = self.conv(x)
        h.add_(1.0)
        h.relu_()
        return self.head(h)

    def head(self, h: Tensor) -> Tensor:
        scores: Tensor = self.bright(h).mean((2, 3))
        return scores


class CountsAndDecides(Counts):
    def head(self, h: Tensor) -> Tensor:
        way = self.bright if float(h[0, 0, 0, 0]) > 1e9 else self.dark
        scores: Tensor = way(h).mean((2, 3))
        return scores


@pytest.mark.parametrize("images", [np.float32, np.uint8])
def test_recording_runs_each_sample_once(tmp_path: Path, images: Any) -> None:
    """The pass that shows the graph is the first sample's own, whether it is given as numbers or as a picture."""
    torch.manual_seed(2)
    model = Counts()
    given = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 9) if images == np.float32 else (3, 8, 9, 3))
    run = cutaway.record(model, given.astype(images), tmp_path / "run")
    assert model.seen == 3
    fed = given.astype(np.float32) if images == np.float32 else given.transpose(0, 3, 1, 2).astype(np.float32) / 255
    with torch.no_grad():
        conv = model.conv(torch.from_numpy(fed))
        expected = {"conv": conv, "add": (conv + 1).relu(), "mean": model(torch.from_numpy(fed))}
    for id, values in expected.items():
        for sample in range(3):
            np.testing.assert_allclose(run.activations(id, -1, sample), values[sample].numpy(), rtol=1e-5, atol=1e-5)


def test_a_model_that_decides_is_shown_on_the_way_of_the_first_sample(tmp_path: Path) -> None:
    model = CountsAndDecides()
    nn.init.ones_(model.conv.weight)
    for level, way in ((1, "dark"), (1e12, "bright")):
        images = np.full((2, 3, 8, 9), level, np.float32)
        run = cutaway.record(model, images, tmp_path / way)
        assert {layer.id for layer in run.network} & {"dark", "bright"} == {way}


def test_record_pictures_of_another_size(tmp_path: Path) -> None:
    """A model that takes one size only gets it, and the recording says so."""
    model = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 24 * 24, 3))
    images = np.random.default_rng(2).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    run = cutaway.record(model, images, tmp_path / "run")
    assert run.network.layer("input").output_shape == (1, 28, 28)
    assert run.samples.preprocessing
    assert run.images.shape == (2, 40, 50, 3), "the pictures themselves stay as they are"
