"""Operations of PyTorch in Cutaway's words: what kind of layer a call is, what it was built with, which roles its
parameters have. An operation that is not in the table is `other` under its own name.

Argument names are those of `torch.nn.functional` and of ATen, which agree but for `self`, which is `input` here.
"""

from __future__ import annotations

from collections.abc import Callable

from cutaway.sources.torch_layers import (
    adaptive_pool,
    addmm,
    attention,
    batch_norm,
    conv,
    conv_transpose,
    embedding,
    group_norm,
    instance_norm,
    layer_norm,
    linear,
    matmul,
    pool,
    recurrent,
)
from cutaway.sources.torch_moving import (
    cat,
    flatten,
    getitem,
    pad,
    parts,
    permute,
    reshape,
    shuffle,
    slice_along,
    upsample,
)
from cutaway.sources.torch_pointwise import activation, binary, div, dropout, named, prelu, reduction, softmax
from cutaway.sources.torch_program import Call, Program
from cutaway.sources.torch_words import Described, Reader, other

SIGNATURES = {
    "conv": "input weight bias stride padding dilation groups",
    "conv_transpose": "input weight bias stride padding output_padding groups dilation",
    "linear": "input weight bias",
    "max_pool": "input kernel_size stride padding dilation ceil_mode return_indices",
    "avg_pool": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "avg_pool1d": "input kernel_size stride padding ceil_mode count_include_pad",
    "adaptive_pool": "input output_size return_indices",
    "batch_norm": "input running_mean running_var weight bias training momentum eps",
    "instance_norm": "input running_mean running_var weight bias use_input_stats momentum eps",
    "layer_norm": "input normalized_shape weight bias eps",
    "group_norm": "input num_groups weight bias eps",
    "relu": "input inplace",
    "leaky_relu": "input negative_slope inplace",
    "hardtanh": "input min_val max_val inplace",
    "clamp": "input min max",
    "elu": "input alpha inplace",
    "celu": "input alpha inplace",
    "softplus": "input beta threshold",
    "threshold": "input threshold value inplace",
    "shrink": "input lambd",
    "gelu": "input approximate",
    "prelu": "input weight",
    "softmax": "input dim _stacklevel dtype",
    "binary": "input other alpha",
    "pow": "input exponent",
    "cat": "tensors dim",
    "flatten": "input start_dim end_dim",
    "dim": "input dim",
    "permute": "input dims",
    "transpose": "input dim0 dim1",
    "mean": "input dim keepdim",
    "pad": "input pad mode value",
    "interpolate": "input size scale_factor mode align_corners recompute_scale_factor antialias",
    "pixel_shuffle": "input upscale_factor",
    "chunk": "input chunks dim",
    "split": "input split_size dim",
    "getitem": "input index",
    "embedding": "input weight",
    "addmm": "bias input weight",
    "matmul": "input other",
    "dropout": "input p training inplace",
    "one": "input",
}

ALIASES = {
    *("contiguous", "clone", "detach", "alias", "to", "type", "float", "half", "double", "bfloat16", "cpu", "cuda"),
    *("requires_grad", "data", "identity", "lift_fresh_copy", "_to_copy", "type_as", "view_as_self", "positive"),
    *("expand_as_self", "lift_fresh", "detach_copy", "_assert_tensor_metadata"),
}
"""What hands its input on: no layer of its own."""

Describe = Callable[[Reader], Described]

OPS: dict[str, tuple[str, Describe]] = {
    **{f"conv{n}d": ("conv", conv) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": ("conv_transpose", conv_transpose) for n in (1, 2, 3)},
    **{f"max_pool{n}d{tail}": ("max_pool", pool) for n in (1, 2, 3) for tail in ("", "_with_indices")},
    **{f"avg_pool{n}d": ("avg_pool", pool) for n in (2, 3)},
    **{f"adaptive_{which}_pool{n}d": ("adaptive_pool", adaptive_pool) for which in ("avg", "max") for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d_with_indices": ("adaptive_pool", adaptive_pool) for n in (1, 2, 3)},
    "avg_pool1d": ("avg_pool1d", pool),
    "linear": ("linear", linear),
    "addmm": ("addmm", addmm),
    "matmul": ("matmul", matmul),
    "mm": ("matmul", matmul),
    **{name: ("mean", reduction) for name in ("mean", "sum", "amax", "amin")},
    "batch_norm": ("batch_norm", batch_norm),
    "instance_norm": ("instance_norm", instance_norm),
    "layer_norm": ("layer_norm", layer_norm),
    "group_norm": ("group_norm", group_norm),
    "relu": ("relu", activation("relu", "relu")),
    "relu6": ("relu", activation("activation", "relu6")),
    "leaky_relu": ("leaky_relu", activation("leaky_relu", "leaky_relu", slope=("negative_slope", 0.01))),
    "prelu": ("prelu", prelu),
    "sigmoid": ("one", activation("sigmoid", "sigmoid")),
    "tanh": ("one", activation("tanh", "tanh")),
    "gelu": ("gelu", activation("gelu", "gelu", approximate=("approximate", None))),
    "silu": ("relu", activation("silu", "silu")),
    "mish": ("relu", activation("activation", "mish")),
    "hardswish": ("relu", activation("activation", "hardswish")),
    "hardsigmoid": ("relu", activation("activation", "hardsigmoid")),
    "hardtanh": ("hardtanh", activation("activation", "hardtanh", min=("min_val", -1.0), max=("max_val", 1.0))),
    "clamp": ("clamp", activation("activation", "clip", min=("min", None), max=("max", None))),
    "clip": ("clamp", activation("activation", "clip", min=("min", None), max=("max", None))),
    "elu": ("elu", activation("activation", "elu", alpha=("alpha", 1.0))),
    "celu": ("celu", activation("activation", "celu", alpha=("alpha", 1.0))),
    "selu": ("relu", activation("activation", "selu")),
    "softplus": ("softplus", activation("activation", "softplus", beta=("beta", 1.0))),
    "softsign": ("one", activation("activation", "softsign")),
    "logsigmoid": ("one", activation("activation", "logsigmoid")),
    "log_sigmoid": ("one", activation("activation", "logsigmoid")),
    "tanhshrink": ("one", activation("activation", "tanhshrink")),
    "softshrink": ("shrink", activation("activation", "softshrink", **{"lambda": ("lambd", 0.5)})),
    "hardshrink": ("shrink", activation("activation", "hardshrink", **{"lambda": ("lambd", 0.5)})),
    "threshold": (
        "threshold",
        activation("activation", "threshold", threshold=("threshold", 0.0), value=("value", 0.0)),
    ),
    "pow": ("pow", activation("activation", "pow", exponent=("exponent", 2))),
    **{name: ("one", activation("activation", name)) for name in (
        "exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "abs", "neg", "sign", "floor", "ceil", "round",
        "sin", "cos", "erf",
    )},
    **{name: ("softmax", softmax) for name in ("softmax", "_softmax", "log_softmax", "_log_softmax")},
    "add": ("binary", binary("add")),
    "sub": ("binary", binary("subtract")),
    "subtract": ("binary", binary("subtract")),
    "rsub": ("binary", binary("subtract")),
    "mul": ("binary", binary("multiply", "gamma")),
    "multiply": ("binary", binary("multiply", "gamma")),
    "div": ("binary", div),
    "divide": ("binary", div),
    "rdiv": ("binary", div),
    "rtruediv": ("binary", div),
    "true_divide": ("binary", div),
    **{name: ("binary", named(name)) for name in ("maximum", "minimum")},
    **{name: ("cat", cat) for name in ("cat", "concat", "concatenate")},
    "flatten": ("flatten", flatten),
    **{name: ("one", reshape) for name in ("view", "reshape", "unflatten", "_unsafe_view", "view_copy")},
    **{name: ("dim", reshape) for name in ("squeeze", "unsqueeze")},
    "permute": ("permute", permute),
    "transpose": ("transpose", permute),
    "swapaxes": ("transpose", permute),
    "t": ("one", permute),
    "pad": ("pad", pad),
    "constant_pad_nd": ("pad", pad),
    "interpolate": ("interpolate", upsample),
    "upsample": ("interpolate", upsample),
    **{f"upsample_{mode}": ("interpolate", upsample) for mode in (
        "nearest1d", "nearest2d", "nearest3d", "bilinear2d", "bicubic2d", "trilinear3d", "linear1d",
    )},
    "_upsample_nearest_exact2d": ("interpolate", upsample),
    "pixel_shuffle": ("pixel_shuffle", shuffle),
    **{name: ("dropout", dropout) for name in (
        "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout",
    )},
    "embedding": ("embedding", embedding),
    "chunk": ("chunk", parts),
    "split": ("split", parts),
    "split_with_sizes": ("split", parts),
    "unbind": ("dim", parts),
    "getitem": ("getitem", getitem),
    "slice": ("one", slice_along),
    "select": ("one", slice_along),
    "narrow": ("one", slice_along),
    "multi_head_attention_forward": ("one", attention),
    "scaled_dot_product_attention": ("one", attention),
    **{name: ("one", recurrent) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
}  # fmt: skip
"""Plain name -> the names of its arguments by position, and what describes it."""


def describe(call: Call, program: Program) -> Described:
    """A call as a layer; `other` where the tables have no word for it."""
    reader = Reader(call, program)
    known = OPS.get(call.op)
    try:
        return known[1](reader) if known else other(reader)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError):
        return other(reader)  # arguments that the table does not expect: the box is still right


def argument_names(op: str) -> list[str]:
    """Names of an operation's arguments by position; [] when it is not known."""
    return SIGNATURES[OPS[op][0]].split() if op in OPS else []


def plain_name(name: str) -> str:
    """`__iadd__`, `add_`, `radd` … -> `add`; `__rsub__` -> `rsub`."""
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
        if name in ("iadd", "imul", "isub", "idiv", "itruediv", "ipow", "iand", "ior", "radd", "rmul"):
            name = name[1:]
        name = {"truediv": "div"}.get(name, name)
    elif name.endswith("_") and not name.startswith("_"):
        name = name.rstrip("_")
    return name
