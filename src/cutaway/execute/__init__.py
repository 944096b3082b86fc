"""Runs a Network with its parameters in NumPy: for files whose framework is not installed, and as the tests' oracle.

    outputs = execute(network, parameters, {"input": images})      # layer id -> [N, C, H, W] or [N, C]

`unsupported(network)` tells beforehand which layers can't be computed, and why. `stages` computes a single layer and
gives what it puts out before and after everything that is fused to it.

What each kind reads, besides its parameters by role. An *axis* is one of a sample, without the batch: 0 is the
channels, negative counts from the end. Pairs are (before, after), lists have one entry per spatial axis.

    conv1d, conv2d, conv3d     stride, padding, dilation, groups; roles kernel, bias, or depthwise, pointwise, bias
    depthwise_conv2d           the same; groups defaults to the input's channels
    conv_transpose2d           the same, kernel I,O/groups,…; padding is what is cut off; extra output_padding
    dense                      input_order on maps; axis on other tensors (the last unless told)
    max_pool2d, average_pool2d kernel, stride (kernel unless told), padding, dilation, count_include_pad (no unless
                               told); extra ceil_mode, divisor_override
    global_average_pool        extra mode "max"; keeps the maps' axes where output_shapes says so, or extra keepdims
    adaptive_pool              extra output_size (else output_shapes), mode "average" or "max"
    batch_norm                 axis (0), epsilon (1e-5); roles gamma, beta, mean, variance; extra batch_statistics
    layer_norm                 axis, or extra axes, else the last axes as many as gamma has; epsilon
    group_norm                 groups, epsilon
    leaky_relu                 slope (0.01); prelu: role alpha, [C] or one per value
    gelu                       extra approximate "tanh"
    softmax                    axis (0)
    activation                 extra name (see pointwise.FUNCTIONS) with its constants; log_softmax with axis
    add, multiply, subtract    inputs, then parameters, then extra constant; extra reverse turns them round.
                               Samples broadcast as in NumPy, their last axes below each other
    concat                     axis (0)
    flatten                    input_order: the order that the vector has (CHW unless told); extra start, end: axes
    reshape                    extra shape (else output_shapes); input_order "HWC" reshapes with the channels last
    permute                    extra permutation, from 0
    pad                        padding of the last axes; extra mode constant, reflect, symmetric, replicate, circular,
                               and value
    crop                       padding, or extra slices [[start, stop, step] or position, …], or extra split [sizes]
                               with axis
    upsample                   extra size (else output_shapes) or scale, mode nearest, bilinear, pixel_shuffle,
                               align_corners, coordinates, rounding (see shaping.upsampled)
    constant                   a parameter, or extra value
    dropout, output            nothing
    other                      extra name: divide, maximum, minimum, average, matmul; mean, sum, max, min over extra
                               axes, keepdims

`fused` is applied after that, in order: batch_norm (roles gamma, beta, mean, variance; epsilon), prelu (role alpha),
softmax and log_softmax (extra softmax_axis), flatten, dropout, and every name of pointwise.FUNCTIONS.

embedding, attention and recurrent are not computed.
"""

from __future__ import annotations

from cutaway.execute.run import execute, stages, supports, unsupported

__all__ = ["execute", "stages", "supports", "unsupported"]
