"""Whole networks: shapes filled in, branches and joins computed as PyTorch does."""

from __future__ import annotations

import numpy as np
import pytest

from cutaway.errors import CutawayError
from cutaway.execute import execute
from cutaway.network import Attributes, Edge, Layer, Network, Parameter
from cutaway.shapes import parameter_count, pool_size, with_shapes
from cutaway.shapes_of import layer_shapes


def conv(id: str, before: str, kernel: tuple[int, ...], stride: int = 1, fused: tuple[str, ...] = ()) -> Layer:
    roles = {"kernel": kernel} | {role: kernel[:1] for role in ("gamma", "beta", "mean", "variance")}
    return Layer(
        id=id,
        name=id,
        kind="conv2d",
        inputs=(Edge(layer=before),),
        attributes=Attributes(stride=(stride, stride), padding=((kernel[2] // 2, kernel[2] // 2),) * 2),
        parameters=tuple(Parameter(role=role, key=f"{id}/{role}", shape=shape) for role, shape in roles.items()),  # type: ignore[arg-type]
        fused=("batch_norm", *fused),
    )


def block() -> Network:
    """A residual block with a stride, a branch that is concatenated, and a head."""
    return Network(
        layers=(
            Layer(id="input", name="input", kind="input", output_shapes=((3, 15, 11),)),
            conv("stem", "input", (8, 3, 3, 3), fused=("relu",)),
            conv("a", "stem", (8, 8, 3, 3), 2, ("relu",)),
            conv("b", "a", (8, 8, 3, 3)),
            conv("skip", "stem", (8, 8, 1, 1), 2),
            Layer(id="add", name="add", kind="add", inputs=(Edge(layer="b"), Edge(layer="skip")), fused=("relu",)),
            Layer(id="cat", name="cat", kind="concat", inputs=(Edge(layer="add"), Edge(layer="a"))),
            Layer(id="mean", name="mean", kind="global_average_pool", inputs=(Edge(layer="cat"),)),
            Layer(
                id="fc",
                name="fc",
                kind="dense",
                inputs=(Edge(layer="mean"),),
                parameters=(Parameter(role="kernel", key="fc/kernel", shape=(5, 16)),),
            ),
        ),
        inputs=("input",),
        outputs=("fc",),
    )


def weights_for(network: Network) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    shapes = {parameter.key: parameter.shape for layer in network for parameter in layer.parameters}
    return {
        key: random.random(shape).astype(np.float32) - (0 if "variance" in key else 0.4)
        for key, shape in shapes.items()
    }


def test_shapes_are_those_that_come_out() -> None:
    network = with_shapes(block())
    assert network.layer("cat").output_shape == (16, 8, 6)
    made = execute(network, weights_for(network), {"input": np.zeros((2, 3, 15, 11), np.float32)})
    assert {id: values.shape[1:] for id, values in made.items()} == {layer.id: layer.output_shape for layer in network}


def test_shapes_that_are_told_stay_and_unknown_kinds_stop_there() -> None:
    layers = (
        Layer(id="x", name="x", kind="input", output_shapes=((4,),)),
        Layer(id="a", name="a", kind="attention", inputs=(Edge(layer="x"),)),
        Layer(id="b", name="b", kind="relu", inputs=(Edge(layer="a"),)),
        Layer(id="c", name="c", kind="other", inputs=(Edge(layer="x"),), output_shapes=((7, 2),)),
        Layer(id="d", name="d", kind="flatten", inputs=(Edge(layer="c"),)),
    )
    made = with_shapes(Network(layers=layers, inputs=("x",), outputs=("d",)))
    assert [layer.output_shapes for layer in made] == [((4,),), (), (), ((7, 2),), ((14,),)]


def test_what_does_not_fit_names_the_layer() -> None:
    add = Layer(id="sum", name="sum", kind="add")
    with pytest.raises(CutawayError, match=r"layer 'sum' \(add\) on 3×4, 3×5: the shapes can't be broadcast"):
        layer_shapes(add, [(3, 4), (3, 5)])


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "ceil", "pixels"), [
    (7, 3, 2, (0, 0), False, 3),
    (8, 3, 2, (0, 0), False, 3),
    (8, 3, 2, (0, 0), True, 4),
    (7, 2, 3, (1, 1), True, 3),  # the last window would start in the padding behind
    (2, 3, 1, (0, 0), True, 0),
])  # fmt: skip
def test_pools_with_a_last_window_over_the_end(
    size: int, kernel: int, stride: int, padding: tuple[int, int], ceil: bool, pixels: int
) -> None:
    assert pool_size(size, kernel, stride, padding, ceil=ceil) == pixels


def test_a_block_with_branches_equals_pytorch() -> None:
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    network = block()
    weights = weights_for(network)
    given = {key: torch.from_numpy(values) for key, values in weights.items()}

    def layer(x: object, id: str, stride: int = 1) -> object:
        kernel = given[f"{id}/kernel"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)
        roles = (given[f"{id}/{role}"] for role in ("mean", "variance", "gamma", "beta"))
        return F.batch_norm(x, *roles, eps=1e-5)

    image = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 3, 15, 11)).astype(np.float32))
    stem = F.relu(layer(image, "stem"))
    a = F.relu(layer(stem, "a", 2))
    cat = torch.cat([F.relu(layer(a, "b") + layer(stem, "skip", 2)), a], 1)  # type: ignore[operator]
    expected = F.linear(cat.mean((2, 3)), given["fc/kernel"]).numpy()
    made = execute(network, weights, {"input": image.numpy()})
    np.testing.assert_allclose(made["cat"], cat.numpy(), atol=1e-5 * float(cat.abs().max()))
    np.testing.assert_allclose(made["fc"], expected, atol=1e-5 * np.abs(expected).max())
    assert parameter_count(network) == sum(values.size for values in weights.values())


def test_samples_do_not_see_each_other() -> None:
    network = block()
    weights = weights_for(network)
    images = np.random.default_rng(2).standard_normal((3, 3, 15, 11)).astype(np.float32)
    together = execute(network, weights, {"input": images})["fc"]
    for sample in range(3):
        alone = execute(network, weights, {"input": images[sample : sample + 1]})["fc"]
        np.testing.assert_allclose(alone[0], together[sample], rtol=1e-5)
