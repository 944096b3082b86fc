"""Activation functions and normalisations, in the words of every framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Extra = Mapping[str, Any]
Function = Callable[[np.ndarray, Extra], Any]


def activated(name: str, values: np.ndarray, extra: Extra) -> np.ndarray:
    """An elementwise function by name; `extra` holds its constants. Raises KeyError for a name that is not known."""
    return np.asarray(FUNCTIONS[plain(name)](values, extra), values.dtype)


def plain(name: str) -> str:
    """`Hard_Swish`, `HardSwish`, `hard-swish` -> hardswish."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def relu(x: np.ndarray, extra: Extra) -> np.ndarray:
    """Keras's with all its constants: slope below the threshold, ceiling."""
    low, slope, high = extra.get("threshold") or 0, extra.get("negative_slope") or 0, extra.get("max_value")
    y = np.maximum(x, 0) if not low and not slope else np.where(x > low, x, slope * (x - low))
    return y if high is None else np.minimum(y, high)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * x) + 0.5  # never overflows


def softplus(x: np.ndarray, beta: float = 1.0) -> np.ndarray:
    return np.asarray(np.logaddexp(0, beta * x) / beta)


def hard_sigmoid(x: np.ndarray, extra: Extra) -> np.ndarray:
    """(x + 3) / 6 clipped; Keras 2 and ONNX have other constants and say so."""
    return np.asarray(np.clip(x * extra.get("alpha", 1 / 6) + extra.get("beta", 0.5), 0, 1))


def gelu(x: np.ndarray, extra: Extra) -> np.ndarray:
    """x · Φ(x); with approximate="tanh" as in Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016."""
    if extra.get("approximate") in ("tanh", True):
        return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))
    return x * (0.5 * (1 + erf(x * np.sqrt(0.5))))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function to float64's precision. Coefficients: Moshier, Cephes Mathematical Library, ndtr.c."""
    small = np.clip(x, -1, 1).astype(np.float64)
    square = small * small
    near = small * np.polyval(T, square) / np.polyval(U, square)
    large = np.clip(np.abs(x), 1, 8).astype(np.float64)
    far = 1 - np.exp(-large * large) * np.polyval(P, large) / np.polyval(Q, large)
    y = np.where(np.abs(x) <= 1, near, np.copysign(far, x))
    return np.where(np.isnan(x), np.nan, y).astype(x.dtype)


T = (9.60497373987051638749e0, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
     5.55923013010394962768e4)  # fmt: skip
U = (1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
     4.92673942608635921086e4)  # fmt: skip
P = (2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687e0, 4.86371970985681366614e1,
     1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
     5.57535335369399327526e2)  # fmt: skip
Q = (1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
     1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3,
     5.57535340817727675546e2)  # fmt: skip


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def selu(x: np.ndarray, extra: Extra) -> np.ndarray:
    """Constants: Klambauer et al., "Self-Normalizing Neural Networks", 2017."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def celu(x: np.ndarray, extra: Extra) -> np.ndarray:
    alpha = extra.get("alpha", 1.0)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def clip(x: np.ndarray, extra: Extra) -> np.ndarray:
    """Between extra["min"] and extra["max"], each of which may be missing."""
    low, high = extra.get("min"), extra.get("max")
    y = x if low is None else np.maximum(x, low)
    return y if high is None else np.minimum(y, high)


def shrunk(x: np.ndarray, extra: Extra) -> np.ndarray:
    by = extra.get("lambda", 0.5)
    return np.asarray(np.sign(x) * np.maximum(np.abs(x) - by, 0))


FUNCTIONS: dict[str, Function] = {
    "relu": relu,
    "relu6": lambda x, extra: np.clip(x, 0, 6),
    "relun1to1": lambda x, extra: np.clip(x, -1, 1),
    "leakyrelu": lambda x, extra: np.where(x >= 0, x, extra.get("slope", 0.01) * x),
    "sigmoid": lambda x, extra: sigmoid(x),
    "logistic": lambda x, extra: sigmoid(x),
    "tanh": lambda x, extra: np.tanh(x),
    "gelu": gelu,
    "silu": lambda x, extra: x * sigmoid(x),
    "swish": lambda x, extra: x * sigmoid(x),
    "quickgelu": lambda x, extra: x * sigmoid(1.702 * x),
    "hardswish": lambda x, extra: x * np.clip(x / 6 + 0.5, 0, 1),
    "hardsilu": lambda x, extra: x * np.clip(x / 6 + 0.5, 0, 1),
    "hardsigmoid": hard_sigmoid,
    "hardtanh": lambda x, extra: np.clip(x, extra.get("min", -1), extra.get("max", 1)),
    "clip": clip,
    "clamp": clip,
    "elu": lambda x, extra: elu(x, extra.get("alpha", 1.0)),
    "selu": selu,
    "celu": celu,
    "softplus": lambda x, extra: softplus(x, extra.get("beta", 1.0)),
    "softsign": lambda x, extra: x / (1 + np.abs(x)),
    "mish": lambda x, extra: x * np.tanh(softplus(x)),
    "logsigmoid": lambda x, extra: -softplus(-x),
    "tanhshrink": lambda x, extra: x - np.tanh(x),
    "softshrink": shrunk,
    "hardshrink": lambda x, extra: np.where(np.abs(x) > extra.get("lambda", 0.5), x, 0),
    "thresholdedrelu": lambda x, extra: np.where(x > extra.get("alpha", 1.0), x, 0),
    "threshold": lambda x, extra: np.where(x > extra.get("threshold", 0.0), x, extra.get("value", 0.0)),
    "exponential": lambda x, extra: np.exp(x),
    "exp": lambda x, extra: np.exp(x),
    "log": lambda x, extra: np.log(x),
    "sqrt": lambda x, extra: np.sqrt(x),
    "rsqrt": lambda x, extra: 1 / np.sqrt(x),
    "reciprocal": lambda x, extra: 1 / x,
    "square": lambda x, extra: x * x,
    "pow": lambda x, extra: x ** extra.get("exponent", 2),
    "power": lambda x, extra: x ** extra.get("exponent", 2),
    "abs": lambda x, extra: np.abs(x),
    "neg": lambda x, extra: -x,
    "negative": lambda x, extra: -x,
    "sign": lambda x, extra: np.sign(x),
    "floor": lambda x, extra: np.floor(x),
    "ceil": lambda x, extra: np.ceil(x),
    "round": lambda x, extra: np.rint(x),
    "sin": lambda x, extra: np.sin(x),
    "cos": lambda x, extra: np.cos(x),
    "erf": lambda x, extra: erf(x),
    "linear": lambda x, extra: x,
    "identity": lambda x, extra: x,
    "dropout": lambda x, extra: x,
}


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    """exp(x) / Σ exp(x) along an axis."""
    raised = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(raised / raised.sum(axis, keepdims=True))


def log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    shifted = x - x.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def scaled(x: np.ndarray, weights: Mapping[str, np.ndarray], epsilon: float, axis: int, batch: bool) -> np.ndarray:
    """Batch norm of [N, …] with one mean, variance, gamma and beta per position along `axis` (1: channels).

    `batch`: mean and variance are those of the batch itself, as while training.
    """
    shape = tuple(size if position == axis else 1 for position, size in enumerate(x.shape))
    if batch or "mean" not in weights:
        others = tuple(position for position in range(x.ndim) if position != axis)
        mean, variance = x.mean(others, np.float64).reshape(-1), x.var(others, np.float64).reshape(-1)
    else:
        mean = weights["mean"].astype(np.float64)
        variance = weights.get("variance", np.ones(mean.shape)).astype(np.float64)
    scale = weights.get("gamma", 1.0) / np.sqrt(variance + epsilon)
    shift = weights.get("beta", 0.0) - mean * scale
    y = x * scale.astype(x.dtype).reshape(shape)
    y += shift.astype(x.dtype).reshape(shape)
    return np.asarray(y)


def normalised(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    """(x − mean) / √(variance + ε) over some axes."""
    centred = x - x.mean(axes, keepdims=True, dtype=np.float64).astype(x.dtype)
    variance = np.square(centred).mean(axes, keepdims=True, dtype=np.float64)
    return np.asarray(centred / np.sqrt(variance + epsilon).astype(x.dtype))
