"""What every class of Keras's layers is in the network's own vocabulary: kind, attributes, weights, activation.

`describe(site)` never fails on a class that is not known: that is a box of kind `other` under its own name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from typing import Any

from msgspec.structs import replace

from cutaway.network import Attributes, Kind, Role
from cutaway.sources import keras_ops
from cutaway.sources.keras_config import Owner
from cutaway.sources.keras_describe import (
    Described,
    Pairs,
    Site,
    Unclear,
    Weight,
    activation,
    own_activation,
    pairs,
)
from cutaway.sources.keras_weights import ordered

Describe = Callable[[Site], Described | list[Described]]


def describe(site: Site) -> list[Described]:
    """The layers that one call becomes; nearly always one. Raises SourceError where weights don't fit."""
    class_name = site.owner.class_name
    names = expected(site.owner)
    if names is not None:
        site.tensors = ordered(site.tensors, names, site.owner)
    make = LAYERS.get(class_name)
    try:
        if site.owner.is_operation or is_call_of_op(site):
            made: Described | list[Described] = keras_ops.describe(site)
        elif make is None:
            return [other(site)]
        else:
            if names:
                check_whole(site)
            made = make(site)
    except Unclear:
        return [other(site)]
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, ZeroDivisionError):
        return [other(site)]  # a configuration that no Keras writes: its box is still shown
    return made if isinstance(made, list) else [made]


def is_call_of_op(site: Site) -> bool:
    """In `.h5`, functions of keras.ops stand beside the layers without their module, by their class alone."""
    owner = site.owner
    if owner.module or owner.class_name not in keras_ops.OPERATIONS:
        return False
    return owner.class_name not in LAYERS or "trainable" not in owner.config


def check_whole(site: Site) -> None:
    """Raises Unclear for quantised layers, whose kernels are integers with scales beside them."""
    policy = site.get("dtype")
    if isinstance(policy, dict) and "Quantized" in str(policy.get("class_name")):
        raise Unclear("quantised")


def expected(owner: Owner) -> tuple[str, ...] | None:
    """The names of a layer's tensors in Keras's order; None where the class is not known, or has more in some cases."""
    name, config = owner.class_name, owner.config
    if owner.is_operation or (name not in WEIGHTED and (name in LAYERS or owner.is_model)):
        return ()
    if name not in WEIGHTED or "Quantized" in str(config.get("dtype")) or config.get("lora_rank"):
        return None
    if name in ("BatchNormalization", "SyncBatchNormalization"):
        if config.get("renorm"):
            return None
        names = [*(["gamma"] if config.get("scale", True) else []), *(["beta"] if config.get("center", True) else [])]
        return (*names, "moving_mean", "moving_variance")
    if name in ("LayerNormalization", "GroupNormalization"):
        if config.get("rms_scaling"):
            return None
        return (
            *(["gamma"] if config.get("scale", True) else []),
            *(["beta"] if config.get("center", True) else []),
        )
    if name == "Normalization":
        return () if config.get("mean") is not None else ("mean", "variance", "count")
    own = WEIGHTED[name]
    return (*own, "bias") if config.get("use_bias", True) and name not in BIASLESS else own


WEIGHTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D"), ("kernel",)),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "Deconvolution2D"), ("kernel",)),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), ("depthwise_kernel",)),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), ("depthwise_kernel", "pointwise_kernel")),
    "Dense": ("kernel",),
    "PReLU": ("alpha",),
    "Embedding": ("embeddings",),
    "LayerScale": ("gamma",),
    **dict.fromkeys(("BatchNormalization", "SyncBatchNormalization", "LayerNormalization"), ()),
    **dict.fromkeys(("GroupNormalization", "Normalization"), ()),
}


BIASLESS = ("PReLU", "Embedding", "LayerScale")


def other(site: Site, kind: Kind | None = None) -> Described:
    """A box under its own name, with its weights as they are."""
    class_name = site.owner.class_name
    named = f"keras.{class_name}"  # so that it is not taken for the executor's own `Mean`, `Average`, …
    weights = tuple(
        Weight(site.owner, position, tensor, tensor.shape, trainable=site.owner.trainable)
        for position, tensor in enumerate(site.tensors)
    )
    kind = kind or OTHER_KINDS.get(class_name, "other")
    return Described(kind, Attributes(extra={"name": named}), others=weights)


OTHER_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM2D", "ConvLSTM1D"), "recurrent"),
    **dict.fromkeys(("CuDNNLSTM", "CuDNNGRU"), "recurrent"),
    **dict.fromkeys(("MultiHeadAttention", "Attention", "AdditiveAttention", "GroupQueryAttention"), "attention"),
    "Embedding": "embedding",
}


# --- convolutions ----------------------------------------------------------------------------------------------------

CONVS: dict[int, Kind] = {1: "conv1d", 2: "conv2d", 3: "conv3d"}


def rank_of(site: Site) -> int:
    """1, 2 or 3: the digit in the class's name."""
    return int(next(letter for letter in site.owner.class_name if letter.isdecimal()))


def window(site: Site, rank: int) -> Attributes:
    kernel, stride = site.per_axis("kernel_size", rank), site.per_axis("strides", rank)
    dilation = site.per_axis("dilation_rate", rank)
    return Attributes(
        kernel=kernel, stride=stride, padding=site.padding(kernel, stride, dilation), dilation=dilation, groups=1
    )


def conv(site: Site) -> Described:
    site.check_layout()
    rank = rank_of(site)
    groups, maps = site.get("groups", 1) or 1, site.get("filters")
    channels = site.shape[0]
    if channels % groups:
        raise Unclear(f"{channels} channels in {groups} groups")
    kernel = site.kernel(0, (*site.per_axis("kernel_size", rank), channels // groups, maps))
    weights: dict[Role, Weight] = {"kernel": kernel}
    if site.get("use_bias", True):
        weights["bias"] = site.vector(1, maps, "bias")
    attributes = replace(window(site, rank), groups=groups)
    return Described(CONVS[rank], attributes, weights, activation=own_activation(site))


def depthwise(site: Site) -> Described:
    site.check_layout()
    rank = rank_of(site)
    channels, each = site.shape[0], site.get("depth_multiplier", 1)
    sizes = (*site.per_axis("kernel_size", rank), channels, each)
    weights: dict[Role, Weight] = {"kernel": site.depthwise(0, sizes, "depthwise kernel")}
    if site.get("use_bias", True):
        weights["bias"] = site.vector(1, channels * each, "bias")
    attributes = replace(window(site, rank), groups=channels)
    return Described("depthwise_conv2d", attributes, weights, activation=own_activation(site))


def separable(site: Site) -> Described:
    """Each channel by itself, then across the channels: one layer with two kernels."""
    site.check_layout()
    rank = rank_of(site)
    channels, each, maps = site.shape[0], site.get("depth_multiplier", 1), site.get("filters")
    sizes = (*site.per_axis("kernel_size", rank), channels, each)
    weights: dict[Role, Weight] = {
        "depthwise": site.depthwise(0, sizes, "depthwise kernel"),
        "pointwise": site.kernel(1, (*(1,) * rank, channels * each, maps), "pointwise kernel"),
    }
    if site.get("use_bias", True):
        weights["bias"] = site.vector(2, maps, "bias")
    attributes = replace(window(site, rank), groups=channels)
    return Described(CONVS[rank], attributes, weights, activation=own_activation(site))


def conv_transpose(site: Site) -> Described:
    """Stamps of the kernel; what Keras cuts off, or lets stand empty, as TensorFlow does it."""
    site.check_layout()
    rank = rank_of(site)
    maps, channels = site.get("filters"), site.shape[0]
    kernel, stride = site.per_axis("kernel_size", rank), site.per_axis("strides", rank)
    dilation = site.per_axis("dilation_rate", rank)
    found = site.kernel(0, (*kernel, maps, channels))
    weights: dict[Role, Weight] = {"kernel": relabelled(found)}
    if site.get("use_bias", True):
        weights["bias"] = site.vector(1, maps, "bias")
    more = site.get("output_padding")
    extras = tuple(more) if isinstance(more, list | tuple) else (more,) * rank
    same = str(site.get("padding", "valid")).lower() == "same"
    cut: Pairs = tuple(cut_off(*axis, same) for axis in zip(kernel, stride, dilation, extras, strict=True))
    attributes = Attributes(kernel=kernel, stride=stride, padding=cut, dilation=dilation, groups=1)
    return Described("conv_transpose2d", attributes, weights, activation=own_activation(site))


def relabelled(weight: Weight) -> Weight:
    """Keras keeps a transposed kernel as taps, outputs, inputs: turned, that is I,O,taps, as the recording has it."""
    return changed(weight, source_axes=(weight.source_axes or "").replace("IO", "OI"))


def cut_off(kernel: int, stride: int, dilation: int, extra: int | None, same: bool) -> tuple[int, int]:
    """(before, after) that is cut off the stamps along one axis; negative after: empty pixels behind them."""
    span = (kernel - 1) * dilation + 1
    if not same:
        return 0, -(max(span, stride) - span if extra is None else extra)
    # The whole padding of the other way round; an odd rest goes before, as in Keras's own computation.
    total = stride + span - 2 if extra is None else span + span % 2 - 2 + extra
    before = min(total // 2 + total % 2, span - 1)
    return span - 1 - before, span - 1 - (total - before)


def dense(site: Site) -> Described:
    """Along the last axis of Keras's tensor: over a vector, or at every pixel across the channels."""
    shape = site.shape
    units = site.get("units")
    values = site.in_keras(shape)[-1]
    tensor = site.weight(0, (values, units), "kernel")
    weights: dict[Role, Weight] = {"kernel": site.of(0, tensor.shape[::-1], (1, 0), "IO")}
    if site.get("use_bias", True):
        weights["bias"] = site.vector(1, units, "bias")
    axis = None if len(shape) == 1 else 0 if site.last else len(shape) - 1
    return Described("dense", Attributes(axis=axis), weights, activation=own_activation(site))


# --- pools -----------------------------------------------------------------------------------------------------------


def pool(site: Site) -> Described:
    site.check_layout()
    rank = rank_of(site)
    name = "pool_size" if "pool_size" in site.owner.config else "pool_length"  # Keras 2.0's 1-D pools
    kernel = site.per_axis(name, rank, 2)
    stride = site.per_axis("strides", rank) if site.get("strides") is not None else kernel
    ones = (1,) * rank
    attributes = Attributes(kernel=kernel, stride=stride, padding=site.padding(kernel, stride, ones), dilation=ones)
    if "Max" in site.owner.class_name:
        return Described("max_pool2d", attributes)
    return Described("average_pool2d", replace(attributes, count_include_pad=False))


def global_pool(site: Site) -> Described:
    site.check_layout()
    keep = bool(site.get("keepdims", False))
    mode = {"mode": "max"} if "Max" in site.owner.class_name else {}
    return Described("global_average_pool", Attributes(extra={**mode, **({"keepdims": True} if keep else {})}))


def adaptive_pool(site: Site) -> Described:
    site.check_layout()
    size = list(site.per_axis("output_size", rank_of(site)))
    mode = "max" if "Max" in site.owner.class_name else "average"
    return Described("adaptive_pool", Attributes(extra={"output_size": size, "mode": mode}))


# --- normalisation ---------------------------------------------------------------------------------------------------


def one_axis(site: Site, default: int = -1) -> int:
    given = site.get("axis", default)
    axes = list(given) if isinstance(given, list | tuple) else [given]
    if len(axes) != 1 or not isinstance(axes[0], int):
        raise Unclear(f"axis {given!r}")
    return site.axis(axes[0])


def batch_norm(site: Site) -> Described:
    axis = one_axis(site)
    length = site.shape[axis]
    roles: tuple[tuple[str, Role], ...] = (("gamma", "gamma"), ("beta", "beta"))
    weights: dict[Role, Weight] = {}
    for name, role in (*roles, ("moving_mean", "mean"), ("moving_variance", "variance")):
        names = expected(site.owner) or ()
        if name in names:
            found = site.vector(names.index(name), length, name)
            weights[role] = found if role in ("gamma", "beta") else fixed(found)
    attributes = Attributes(epsilon=float(site.get("epsilon", 1e-3)), axis=axis or None)
    return Described("batch_norm", attributes, weights)


def fixed(weight: Weight) -> Weight:
    """What is counted while training, not trained."""
    return changed(weight, trainable=False)


def layer_norm(site: Site) -> Described:
    if site.get("rms_scaling"):
        raise Unclear("rms_scaling")
    given = site.get("axis", -1)
    axes = sorted(site.axis(one) for one in (given if isinstance(given, list | tuple) else [given]))
    in_keras = [axis for axis in keras_order(site) if axis in axes]
    sizes = tuple(site.shape[axis] for axis in in_keras)
    turn = tuple(in_keras.index(axis) for axis in axes)
    weights: dict[Role, Weight] = {}
    names = expected(site.owner) or ()
    for role in ("gamma", "beta"):
        if role in names:
            position = names.index(role)
            tensor = site.weight(position, sizes, role)
            shape = tuple(tensor.shape[axis] for axis in turn)
            weights[role] = site.of(position, shape, turn if len(turn) > 1 else None)
    attributes = Attributes(epsilon=float(site.get("epsilon", 1e-3)), extra={"axes": axes})
    return Described("layer_norm", attributes, weights)


def keras_order(site: Site) -> list[int]:
    """The axes of a sample, channels first, in the order in which Keras has them."""
    axes = list(range(len(site.shape)))
    return [*axes[1:], axes[0]] if site.last and len(axes) > 1 else axes


def group_norm(site: Site) -> Described:
    if one_axis(site) != 0:
        raise Unclear("group normalisation along another axis than the channels")
    channels = site.shape[0]
    groups = site.get("groups", 32)
    groups = channels if groups == -1 else groups
    names = expected(site.owner) or ()
    weights: dict[Role, Weight] = {
        role: site.vector(names.index(role), channels, role) for role in ("gamma", "beta") if role in names
    }
    return Described("group_norm", Attributes(groups=groups, epsilon=float(site.get("epsilon", 1e-3))), weights)


def rescaling(site: Site) -> list[Described]:
    """x · scale + offset: a multiplication, and an addition where there is an offset."""
    rank = len(site.shape)
    scale, offset = site.get("scale", 1.0), site.get("offset", 0.0)
    parts = [Described("multiply", Attributes(extra={"constant": site.constant(scale, rank)}))]
    moved = offset if isinstance(offset, list) else [offset]
    if any(moved):
        constant = site.constant(offset, rank)
        parts.insert(1, Described("add", Attributes(extra={"constant": constant}), inputs=[None]))
        parts[0].name = "scale"
    return parts


def normalization(site: Site) -> Described | list[Described]:
    """(x − mean) / √variance. Learnt from data it is a batch norm without gamma and beta; given, it is two numbers."""
    if site.get("invert"):
        raise Unclear("inverted")
    mean, variance = site.get("mean"), site.get("variance")
    if mean is not None:
        given = site.get("axis", -1)
        axes = [given] if isinstance(given, int) else list(given or [])
        rank = len(site.shape)
        if axes not in ([], [-1], [rank]):
            raise Unclear(f"axis {given!r}")
        spread = variance if isinstance(variance, list) else [variance]
        scale = [1 / max(math.sqrt(one), 1e-7) for one in flat(spread)]
        shift = [-one for one in flat(mean if isinstance(mean, list) else [mean])]
        return [
            Described("add", Attributes(extra={"constant": site.constant(only(shift), rank)}), name="shift"),
            Described("multiply", Attributes(extra={"constant": site.constant(only(scale), rank)}), inputs=[None]),
        ]
    axis = one_axis(site)
    weights: dict[Role, Weight] = {
        "mean": fixed(site.vector(0, site.shape[axis], "mean")),
        "variance": fixed(site.vector(1, site.shape[axis], "variance")),
    }
    # Keras keeps how many numbers it has seen beside them; that is no parameter, and is not recorded.
    return Described("batch_norm", Attributes(epsilon=0.0, axis=axis or None), weights)


def flat(values: Any) -> list[float]:
    if isinstance(values, list | tuple):
        return [number for one in values for number in flat(one)]
    return [float(values)]


def only(values: list[float]) -> Any:
    return values[0] if len(values) == 1 else values


# --- activations -----------------------------------------------------------------------------------------------------


def relu(site: Site) -> Described:
    extra = {
        "max_value": site.get("max_value"),
        "negative_slope": site.get("negative_slope") or None,
        "threshold": site.get("threshold") or None,
    }
    return activation(site, "relu", extra)


def leaky_relu(site: Site) -> Described:
    slope = site.get("negative_slope", site.get("alpha", 0.3))
    return activation(site, "leaky_relu", {"slope": float(slope)})


def elu(site: Site) -> Described:
    return activation(site, "elu", {"alpha": float(site.get("alpha", 1.0))})


def thresholded(site: Site) -> Described:
    return activation(site, "thresholded_relu", {"alpha": float(site.get("theta", 1.0))})


def softmax(site: Site) -> Described:
    given = site.get("axis", -1)
    if not isinstance(given, int):
        raise Unclear("softmax over several axes")
    return activation(site, "softmax", axis=site.axis(given))


def prelu(site: Site) -> Described:
    """One slope for each value of a sample, or for fewer where axes share (1 there)."""
    keras = site.in_keras(site.shape)
    shared = {axis - 1 for axis in site.get("shared_axes") or []}
    sizes = tuple(1 if position in shared else size for position, size in enumerate(keras))
    tensor = site.weight(0, sizes, "alpha")
    axes = (len(sizes) - 1, *range(len(sizes) - 1)) if site.last and len(sizes) > 1 else None
    shape = tuple(tensor.shape[axis] for axis in axes) if axes else tensor.shape
    return Described("prelu", weights={"alpha": site.of(0, shape, axes, "HWC" if len(sizes) == 3 and axes else None)})


def layer_scale(site: Site) -> Described:
    """ConvNeXt's: a factor for each channel."""
    channels = site.in_keras(site.shape)[-1]
    tensor = site.weight(0, (channels,), "gamma")
    shape = (channels, *(1,) * (len(site.shape) - 1)) if site.last else tensor.shape
    return Described("multiply", weights={"gamma": site.of(0, shape)})


def activation_layer(site: Site) -> Described:
    return (own_activation(site) or (activation(site, "linear"),))[0]


# --- several inputs, shapes ------------------------------------------------------------------------------------------


def merge(kind: Kind, name: str = "") -> Describe:
    def make(site: Site) -> list[Described]:
        extra = {"name": name} if name else {}
        return keras_ops.broadcast(site, Described(kind, Attributes(extra=extra)), site.call.inputs)

    return make


def concat(site: Site) -> Described:
    return Described("concat", Attributes(axis=one_axis(site)))


def flatten(site: Site) -> Described:
    shape = site.shape
    if len(shape) < 2:
        return Described("flatten", shapes=(shape,))
    # With channels_first Keras turns the maps round before it flattens them.
    last = site.last or site.get("data_format") == "channels_first"
    return Described("flatten", Attributes(input_order="HWC" if last else "CHW"))


def reshape(site: Site) -> Described:
    return keras_ops.reshaped(site, list(site.get("target_shape")))


def permute(site: Site) -> Described:
    return keras_ops.transposed(site, [int(axis) - 1 for axis in site.get("dims")])


def zero_pad(site: Site) -> Described:
    site.check_layout()
    return Described("pad", Attributes(padding=pairs(site.get("padding", 1), rank_of(site))))


def cropping(site: Site) -> Described:
    site.check_layout()
    return Described("crop", Attributes(padding=pairs(site.get("cropping", 0), rank_of(site))))


def center_crop(site: Site) -> Described:
    height, width = site.get("height"), site.get("width")
    rows, columns = site.shape[1:]
    if height > rows or width > columns:
        raise Unclear("a crop larger than the maps, which Keras resizes")
    cut = tuple(
        ((size - kept) // 2, size - kept - (size - kept) // 2) for size, kept in ((rows, height), (columns, width))
    )
    return Described("crop", Attributes(padding=cut))


def upsampling(site: Site) -> Described:
    site.check_layout()
    rank = rank_of(site)
    scale = list(site.per_axis("size", rank, 2))
    mode = str(site.get("interpolation") or "nearest")
    if mode not in ("nearest", "bilinear"):
        raise Unclear(f"interpolation {mode!r}")
    size = [pixels * factor for pixels, factor in zip(site.shape[1:], scale, strict=True)]
    return Described("upsample", Attributes(extra={"mode": mode, "scale": scale, "size": size}))


def resizing(site: Site) -> Described:
    mode = str(site.get("interpolation") or "bilinear")
    options = ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")
    if mode not in ("nearest", "bilinear") or any(site.get(option) for option in options):
        raise Unclear("resizing of another kind")
    extra: dict[str, Any] = {"mode": mode, "size": [site.get("height"), site.get("width")]}
    if mode == "nearest":
        extra |= {"coordinates": "half_pixel", "rounding": "round_prefer_ceil"}
    return Described("upsample", Attributes(extra=extra))


def nothing(site: Site) -> Described:
    """What does something only while training."""
    return Described("dropout")


def named(names: Sequence[str], make: Describe) -> dict[str, Describe]:
    return dict.fromkeys(names, make)


def ranks(name: str) -> list[str]:
    return [name.format(rank) for rank in (1, 2, 3)]


ACTIVATIONS: dict[str, Callable[[Site], Described]] = {
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "ELU": elu,
    "ThresholdedReLU": thresholded,
    "Softmax": softmax,
}

LAYERS: dict[str, Describe] = {
    **ACTIVATIONS,
    "Activation": activation_layer,
    "PReLU": prelu,
    **named([*ranks("Conv{}D"), *ranks("Convolution{}D")], conv),
    **named(["DepthwiseConv1D", "DepthwiseConv2D"], depthwise),
    **named(["SeparableConv1D", "SeparableConv2D"], separable),
    **named([*ranks("Conv{}DTranspose"), "Deconvolution2D"], conv_transpose),
    "Dense": dense,
    **named([*ranks("MaxPooling{}D"), *ranks("AveragePooling{}D")], pool),
    **named([*ranks("GlobalAveragePooling{}D"), *ranks("GlobalMaxPooling{}D")], global_pool),
    **named([*ranks("AdaptiveAveragePooling{}D"), *ranks("AdaptiveMaxPooling{}D")], adaptive_pool),
    "BatchNormalization": batch_norm,
    "SyncBatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "GroupNormalization": group_norm,
    "LayerScale": layer_scale,
    "StochasticDepth": nothing,
    "Rescaling": rescaling,
    "Normalization": normalization,
    "Add": merge("add"),
    "Multiply": merge("multiply"),
    "Subtract": merge("subtract"),
    "Average": merge("other", "average"),
    "Maximum": merge("other", "maximum"),
    "Minimum": merge("other", "minimum"),
    "Concatenate": concat,
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    **named(ranks("ZeroPadding{}D"), zero_pad),
    **named(ranks("Cropping{}D"), cropping),
    "CenterCrop": center_crop,
    **named(ranks("UpSampling{}D"), upsampling),
    "Resizing": resizing,
    **named(["Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"], nothing),
    **named(ranks("SpatialDropout{}D"), nothing),
    **named([f"Random{what}" for what in ("Flip", "Rotation", "Zoom", "Translation", "Height", "Width")], nothing),
    **named([f"Random{what}" for what in ("Contrast", "Brightness", "Shear", "Perspective", "Erasing")], nothing),
    **named([f"Random{what}" for what in ("Hue", "Saturation", "Grayscale", "Invert", "GaussianBlur")], nothing),
    **named([f"Random{what}" for what in ("Sharpness", "Posterization", "ColorJitter", "ColorDegeneration")], nothing),
    **named([f"Random{what}" for what in ("ElasticTransform",)], nothing),
    **named(["Identity", "Masking"], lambda site: activation(site, "identity")),
}
