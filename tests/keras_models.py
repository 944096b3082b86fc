"""Keras models for the tests: families of networks at a small width, and one for each odd use of a layer.

Every function returns a built model with random weights, moving means included, so that nothing is hidden by zeros.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

if find_spec("torch") is not None:  # Keras looks for TensorFlow unless told
    os.environ.setdefault("KERAS_BACKEND", "torch")
keras: Any = importlib.import_module("keras")
L: Any = keras.layers
ops: Any = keras.ops


def shuffled(model: Any, seed: int = 0) -> Any:
    """The model with all its weights random; variances stay positive."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        shape = tuple(weight.shape)
        name = weight.path.rpartition("/")[2]
        if name in ("moving_variance", "gamma"):
            values = random.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            values = random.normal(size=shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        else:
            values = random.normal(size=shape) * 0.2
        if name not in ("mean", "variance", "count"):  # a Normalization keeps copies of what it has learnt
            weight.assign(values.astype("float32"))
    return model


def model(inputs: Any, outputs: Any, name: str = "net") -> Any:
    return shuffled(keras.Model(inputs, outputs, name=name))


# --- families --------------------------------------------------------------------------------------------------------


def resnet18() -> Any:
    def conv_bn(x: Any, maps: int, kernel: int, stride: int, name: str) -> Any:
        x = L.Conv2D(maps, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
        return L.BatchNormalization(name=f"{name}_bn")(x)

    inputs = keras.Input((33, 40, 3), name="picture")
    x = L.ZeroPadding2D(3)(inputs)
    x = L.Conv2D(8, 7, 2, use_bias=False, name="stem_conv")(x)
    x = L.ReLU()(L.BatchNormalization(name="stem_bn")(x))
    x = L.MaxPooling2D(3, 2, padding="same")(x)
    for stage, maps in enumerate((8, 16, 24, 32)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            name = f"stage{stage}_block{block}"
            y = L.Activation("relu")(conv_bn(x, maps, 3, stride, f"{name}_1"))
            y = conv_bn(y, maps, 3, 1, f"{name}_2")
            if stride != 1:
                x = conv_bn(x, maps, 1, stride, f"{name}_skip")
            x = L.ReLU(name=f"{name}_out")(L.Add(name=f"{name}_add")([x, y]))
    x = L.GlobalAveragePooling2D()(x)
    return model(inputs, L.Dense(10, activation="softmax", name="top")(x), "resnet18")


def inception() -> Any:
    def block(x: Any) -> Any:
        one = L.Conv2D(4, 1, activation="relu")(x)
        three = L.Conv2D(6, (1, 3), padding="same", activation="relu")(L.Conv2D(4, 1, activation="relu")(x))
        three = L.Conv2D(6, (3, 1), padding="same", activation="relu")(three)
        five = L.Conv2D(4, 5, padding="same", activation="relu")(L.Conv2D(3, 1, activation="relu")(x))
        pooled = L.AveragePooling2D(3, 1, padding="same")(x)
        pooled = L.Conv2D(3, 1, activation="relu")(pooled)
        return L.Concatenate()([one, three, five, pooled])

    inputs = keras.Input((20, 17, 3))
    x = L.Conv2D(6, 3, 2, activation="relu")(inputs)
    x = L.MaxPooling2D(2)(block(block(x)))
    x = L.Dropout(0.4)(L.Flatten()(x))
    aside = L.Dense(5, activation="sigmoid", name="aside")(L.GlobalMaxPooling2D()(block(inputs)))
    return model(inputs, [L.Dense(10, activation="softmax", name="top")(x), aside], "inception")


def unet() -> Any:
    def double(x: Any, maps: int) -> Any:
        for _ in range(2):
            x = L.ReLU()(L.BatchNormalization()(L.Conv2D(maps, 3, padding="same")(x)))
        return x

    inputs = keras.Input((16, 24, 1))
    skips, x = [], inputs
    for maps in (4, 6, 8):
        x = double(x, maps)
        skips.append(x)
        x = L.MaxPooling2D()(x)
    x = L.SpatialDropout2D(0.1)(double(x, 10))
    for number, skip in enumerate(reversed(skips)):
        if number == 1:
            x = L.UpSampling2D(2, interpolation="bilinear")(x)
        elif number == 2:
            x = L.UpSampling2D(2)(x)
        else:
            x = L.Conv2DTranspose(6, 2, 2, padding="same")(x)
        x = double(L.Concatenate()([x, skip]), 6)
    return model(inputs, L.Conv2D(2, 1, activation="sigmoid")(x), "unet")


def mobilenet() -> Any:
    def block(x: Any, maps: int, stride: int) -> Any:
        inside = x.shape[-1] * 2
        y = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(inside, 1, use_bias=False)(x)))
        y = L.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(y)
        y = L.ReLU(max_value=6.0)(L.BatchNormalization()(y))
        y = L.BatchNormalization()(L.Conv2D(maps, 1, use_bias=False)(y))
        return L.Add()([x, y]) if stride == 1 and maps == x.shape[-1] else y

    inputs = keras.Input((24, 24, 3))
    x = L.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = L.Conv2D(6, 3, 2, padding="same", activation="hard_silu")(x)
    for maps, stride in ((8, 1), (8, 1), (12, 2), (12, 1)):
        x = block(x, maps, stride)
    gate = L.GlobalAveragePooling2D(keepdims=True)(x)
    gate = L.Conv2D(12, 1, activation="hard_sigmoid")(L.Conv2D(4, 1, activation="swish")(gate))
    x = L.Multiply()([x, gate])
    x = L.SeparableConv2D(10, 3, depth_multiplier=2, activation="gelu")(x)
    x = L.Flatten()(L.Dropout(0.2)(L.GlobalAveragePooling2D(keepdims=True)(x)))
    return model(inputs, L.Dense(7)(x), "mobilenet")


def densenet() -> Any:
    inputs = keras.Input((19, 19, 3))
    x = L.Conv2D(6, 3, padding="same")(inputs)
    for stage in range(2):
        for _ in range(3):
            y = L.Activation("relu")(L.BatchNormalization()(x))
            y = L.Conv2D(4, 3, padding="same")(L.LeakyReLU(0.1)(L.BatchNormalization()(L.Conv2D(8, 1)(y))))
            x = L.Concatenate(axis=-1)([x, y])
        if not stage:
            x = L.AveragePooling2D(2)(L.Conv2D(8, 1)(L.ReLU()(L.BatchNormalization()(x))))
    x = L.GlobalAveragePooling2D()(L.ELU(0.7)(x))
    return model(inputs, L.Softmax()(L.Dense(4)(x)), "densenet")


FAMILIES: dict[str, Callable[[], Any]] = {
    "resnet18": resnet18,
    "inception": inception,
    "unet": unet,
    "mobilenet": mobilenet,
    "densenet": densenet,
}

# --- odd uses --------------------------------------------------------------------------------------------------------


def chain(shape: tuple[int, ...], *layers: Any) -> Any:
    return shuffled(keras.Sequential([keras.Input(shape), *layers]))


def odd_windows() -> Any:
    return chain(
        (23, 14, 4),
        L.Conv2D(6, (3, 5), (2, 3), padding="same"),
        L.Conv2D(6, 3, padding="same", dilation_rate=(2, 1), groups=3),
        L.DepthwiseConv2D((3, 2), padding="same", depth_multiplier=2, dilation_rate=2),
        L.BatchNormalization(scale=False),
        L.DepthwiseConv2D(2, 2, padding="same"),
        L.AveragePooling2D((3, 5), padding="same", strides=1),
        L.PReLU(shared_axes=(1, 2)),
        L.SeparableConv2D(5, 2, padding="valid", use_bias=False),
        L.MaxPooling2D((1, 2), padding="same"),
        L.PReLU(),
        L.Flatten(),
        L.Dense(5, use_bias=False),
    )


def transposed() -> Any:
    return chain(
        (5, 4, 3),
        L.Conv2DTranspose(4, 3, 2, padding="same"),
        L.Conv2DTranspose(4, (4, 3), (2, 1), padding="same"),
        L.Conv2DTranspose(3, 2, 3, padding="valid"),
        L.Conv2DTranspose(3, 3, 1, padding="valid"),
        L.Conv2DTranspose(2, 5, 2, padding="valid"),
    )


def one_dimensional() -> Any:
    return chain(
        (21, 3),
        L.ZeroPadding1D((1, 2)),
        L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh"),
        L.Conv1D(6, 4, strides=2, padding="same"),
        L.BatchNormalization(center=False),
        L.DepthwiseConv1D(3, padding="same"),
        L.SeparableConv1D(5, 3),
        L.MaxPooling1D(2),
        L.UpSampling1D(3),
        L.Cropping1D(1),
        L.Conv1DTranspose(4, 3, 2, padding="same"),
        L.AveragePooling1D(2, padding="same"),
        L.Dense(4, activation="softsign"),
        L.GlobalAveragePooling1D(),
        L.Dense(3),
    )


def three_dimensional() -> Any:
    return chain(
        (6, 7, 8, 2),
        L.Conv3D(3, (3, 2, 3), (1, 2, 1), padding="same", activation="elu"),
        L.MaxPooling3D(2),
        L.UpSampling3D((1, 2, 1)),
        L.ZeroPadding3D(((1, 0), (0, 1), (1, 1))),
        L.Cropping3D((0, 1, 0)),
        L.Conv3DTranspose(2, 2, 2),
        L.GlobalMaxPooling3D(),
    )


def shapes_and_norms() -> Any:
    return chain(
        (6, 5, 8),
        L.Permute((2, 1, 3)),
        L.LayerNormalization(),
        L.GroupNormalization(4),
        L.Reshape((10, 3, 8)),
        L.LayerNormalization(axis=[1, 2, 3]),
        L.Dense(6, activation="leaky_relu"),
        L.Cropping2D(((1, 2), (0, 1))),
        L.Permute((3, 1, 2)),
        L.Softmax(axis=1),
        L.GaussianNoise(0.1),
        L.Reshape((-1, 7)),
        L.Activation("softmax"),
        L.Flatten(),
        L.Reshape((2, 3, -1)),
        L.LayerNormalization(center=False),
        L.Reshape((-1,)),
        L.Dense(4, activation="relu"),
        L.BatchNormalization(),
        L.Dropout(0.3),
        L.Dense(3, activation="log_softmax"),
    )


def activations() -> Any:
    names = "relu relu6 sigmoid tanh softplus softsign silu gelu selu elu exponential hard_sigmoid mish celu linear"
    names += " leaky_relu hard_silu log_sigmoid softmax log_softmax tanh_shrink"
    inputs = keras.Input((4, 3, 5))
    outputs = [L.Activation(name, name=f"act_{name}")(L.Conv2D(4, 1)(inputs)) for name in names.split()]
    outputs += [
        L.ReLU(max_value=0.4, negative_slope=0.2, threshold=0.1)(L.Conv2D(4, 2)(inputs)),
        L.Conv2D(4, 2, activation=L.LeakyReLU(0.05))(inputs),
        L.Dense(4, activation=keras.activations.gelu)(inputs),
        L.ReLU(6.0)(L.Conv2D(4, 2, activation="relu")(inputs)),
        L.BatchNormalization()(L.Conv2D(4, 2, activation="sigmoid")(inputs)),
    ]
    return model(inputs, outputs)


def merges() -> Any:
    a, b = keras.Input((4, 5, 3), name="a"), keras.Input((4, 5, 3), name="b")
    x = L.Conv2D(3, 1)(a)
    both = [x, b]
    joined = L.Concatenate()(
        [
            *(L.Subtract()(both), L.Average()(both), L.Maximum()([a, x, b]), L.Minimum()(both)),
            *(L.Multiply()([a, x, b]), L.Add()([a, x, b])),
        ]
    )
    gate = L.Dense(18, activation="sigmoid")(L.GlobalAveragePooling2D()(joined))
    y = L.Multiply()([joined, L.Reshape((1, 1, 18))(gate)])
    z = L.Add()([y, L.GlobalMaxPooling2D()(joined)])
    rows = L.Concatenate(axis=1)([y, z])
    columns = L.Concatenate(axis=2)([y, z])
    return model([a, b], {"rows": rows, "columns": columns, "gate": gate})


def nested() -> Any:
    def unit(name: str, maps: int) -> Any:
        inside = keras.Input((None, None, maps))
        x = L.Conv2D(maps, 3, padding="same", name="conv")(inside)
        x = L.BatchNormalization(name="bn")(x)
        return keras.Model(inside, [L.ReLU(name="relu")(x), L.GlobalAveragePooling2D(name="mean")(x)], name=name)

    deep = keras.Sequential([L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn"), L.ReLU()], name="deep")
    inner = unit("inner", 4)
    inputs = keras.Input((9, 8, 3), name="picture")
    x = L.Conv2D(4, 1, name="conv")(inputs)
    shared = L.Conv2D(4, 1, name="shared")
    first, mean = inner(shared(x))
    second, _ = inner(shared(first))
    box = keras.Input((9, 8, 4))
    outer = keras.Model(box, unit("innermost", 4)(L.Activation("tanh", name="squash")(box))[0], name="outer")
    y = deep(outer(second))
    return model(inputs, [L.Dense(3)(L.Flatten()(y)), mean, inner(y)[1]])


def operations() -> Any:
    inputs = keras.Input((8, 6, 4))
    x = inputs / 127.5 - 1.0
    x = L.Conv2D(4, 3, padding="same")(x)
    x = x * np.linspace(0.5, 2, 4).astype("float32") + 1
    x = ops.relu(x)
    y = 1.0 - ops.mean(x, axis=[1, 2], keepdims=True)
    z = x[:, 1:-1, ..., ::2]
    z = ops.concatenate([z, z * z], axis=-1)
    z = ops.maximum(z, 0.1) ** 2
    low, high = ops.split(z, 2, axis=-1)
    w = ops.pad(low - high, [[0, 0], [1, 1], [0, 0], [0, 2]])
    w = ops.transpose(w, (0, 2, 1, 3)) + y
    w = ops.leaky_relu(ops.gelu(w), 0.3)
    w = ops.clip(ops.silu(w), -0.1, 2)
    v = ops.reshape(w, (-1, 6 * 8, 4))
    v = ops.softmax(ops.squeeze(ops.expand_dims(v, 1), 1), axis=-1)
    mean = ops.mean(v, axis=1)
    return model(inputs, [L.Dense(3)(L.Flatten()(v)), mean, ops.sqrt(ops.max(x, axis=(1, 2)))])


def channels_first() -> Any:
    keys = {"data_format": "channels_first"}
    return chain(
        (3, 10, 9),
        L.Conv2D(4, 3, padding="same", **keys),
        L.BatchNormalization(axis=1),
        L.ReLU(),
        L.DepthwiseConv2D(3, **keys),
        L.MaxPooling2D(2, **keys),
        L.ZeroPadding2D(1, **keys),
        L.UpSampling2D(2, **keys),
        L.Flatten(**keys),
        L.Dense(4),
    )


def preprocessing() -> Any:
    learnt = L.Normalization()
    learnt.adapt(np.random.default_rng(0).normal(100, 30, (4, 6, 5, 3)))
    inputs = keras.Input((12, 10, 3))
    x = L.RandomFlip()(inputs)
    x = learnt(L.Resizing(6, 5)(x))
    x = L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 4.0, 9.0])(x)
    x = L.Rescaling([1.0, 2.0, 3.0], [0.0, 0.5, 1.0])(x)
    return shuffled(keras.Model(inputs, L.Conv2D(3, 2)(L.CenterCrop(4, 4)(x))))


ODD: dict[str, Callable[[], Any]] = {
    "odd_windows": odd_windows,
    "transposed": transposed,
    "one_dimensional": one_dimensional,
    "three_dimensional": three_dimensional,
    "shapes_and_norms": shapes_and_norms,
    "activations": activations,
    "merges": merges,
    "nested": nested,
    "operations": operations,
    "channels_first": channels_first,
    "preprocessing": preprocessing,
}
