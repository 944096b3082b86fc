"""Opening a TensorFlow 1 checkpoint, graph and weights, against importing TensorFlow.

    python benchmarks/sources/tf_open.py [PREFIX] [--repeat 5]

Needs tensorflow. Without a checkpoint a ResNet-50 is built as training scripts did, with batch norms behind `tf.cond`
and momentum, and saved (25.6 M weights, 205 MB with the slots of the optimiser, a graph of 8,500 nodes). Every run is
a process of its own; both sides pay for Python and NumPy. Asked for is a ratio below 1.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

TRAINED = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
tf.disable_control_flow_v2()
phase = tf.placeholder(tf.bool, [], name="is_training")

def variable(name, shape, trainable=True, start=None):
    return tf.get_variable(name, shape, initializer=start or tf.glorot_uniform_initializer(), trainable=trainable)

def conv(x, maps, kernel, stride, name, relu=True):
    with tf.variable_scope(name):
        x = tf.nn.conv2d(x, variable("kernel", [kernel, kernel, int(x.shape[-1]), maps]), stride, "SAME")
        one, zero = tf.ones_initializer(), tf.zeros_initializer()
        gamma, beta = variable("gamma", [maps], start=one), variable("beta", [maps], start=zero)
        mean, var = variable("mean", [maps], False, zero), variable("variance", [maps], False, one)
        def train():
            y, m, v = tf.nn.fused_batch_norm(x, gamma, beta, is_training=True)
            with tf.control_dependencies([tf.assign_sub(mean, (mean - m) * .1), tf.assign_sub(var, (var - v) * .1)]):
                return tf.identity(y)
        x = tf.cond(phase, train, lambda: tf.nn.fused_batch_norm(x, gamma, beta, mean, var, is_training=False)[0])
        return tf.nn.relu(x) if relu else x

images, labels = tf.placeholder(tf.float32, [None, 224, 224, 3], "images"), tf.placeholder(tf.int64, [None], "labels")
x = tf.nn.max_pool(conv(images, 64, 7, 2, "conv1"), 3, 2, "SAME")
for stage, (maps, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
    for block in range(blocks):
        with tf.variable_scope(f"stage{stage}_block{block}"):
            stride = 2 if stage and not block else 1
            y = conv(conv(x, maps, 1, 1, "a"), maps, 3, stride, "b")
            y = conv(y, maps * 4, 1, 1, "c", False)
            x = tf.nn.relu(y + (x if block else conv(x, maps * 4, 1, stride, "skip", False)))
x = tf.reduce_mean(x, [1, 2])
logits = tf.nn.xw_plus_b(x, variable("logits/w", [2048, 1000]), variable("logits/b", [1000]), name="logits")
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, sys.argv[1])
"""

OPEN = """
import sys
from pathlib import Path
from cutaway.sources.tensorflow import open_tensorflow
source = open_tensorflow(Path(sys.argv[1]))
weights = source.parameters(0)
print(len(source.network.layers), sum(values.size for values in weights.values()))
"""

IMPORT = "import tensorflow"


def seconds(code: str, *arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", nargs="?", help="a checkpoint: model.ckpt-3 of model.ckpt-3.index")
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prefix = chosen.prefix or f"{folder}/model.ckpt"
        if chosen.prefix is None:
            subprocess.run([sys.executable, "-c", TRAINED, prefix], check=True, capture_output=True)
        told = subprocess.run([sys.executable, "-c", OPEN, prefix], check=True, capture_output=True, text=True)
        print("{} layers, {} numbers".format(*told.stdout.split()))
        ours, theirs = [], []
        for _ in range(chosen.repeat):  # in turns, so that both meet the same machine
            ours.append(seconds(OPEN, prefix))
            theirs.append(seconds(IMPORT))
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"graph and weights {a:.2f} s, import tensorflow {b:.2f} s: ratio {a / b:.2f} (asked for: below 1)")


if __name__ == "__main__":
    main()
