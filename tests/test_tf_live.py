"""Against TensorFlow itself, where it is installed: graphs made now, SavedModels and checkpoints of its own version."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")

HEAD = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
from tf_files import close, prepared
from cutaway.sources import How, open_source
from cutaway.sources.tensorflow import open_tensorflow
folder = Path(sys.argv[1])
random = np.random.default_rng(11)
"""


def run(code: str, *arguments: object) -> str:
    """TensorFlow 1's behaviour holds for a whole process, and TensorFlow is heavy: each check is one of its own."""
    command = [sys.executable, "-c", HEAD + code, *map(str, arguments)]
    # Other tests let Keras run on PyTorch; here it has to be TensorFlow's.
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


TF1 = """
from fixtures.tf import tf1_models
for name in sys.argv[2:]:
    there = folder / name
    there.mkdir()
    tf1_models.train_and_save(name, str(there), [2, 11], sharded=name == "parts")
    source = open_tensorflow(there)
    spec = source.inputs[0]
    images = random.normal(size=(4, *spec.shape)).astype(np.float32)
    for position, bundle in enumerate(source.bundles):
        wanted = tf1_models.expected(name, str(bundle.prefix), list(source.tensors.values()), images)
        found = source.activations(position, prepared(spec, images))
        compared = [id for id, tensor in source.tensors.items() if tensor in wanted and wanted[tensor].size]
        assert len(compared) >= len(found) - 1, (name, compared)
        for id in compared:
            assert close(found[id], wanted[source.tensors[id]]), (name, id)
        print(name, len(compared))
"""


def test_tensorflow_1_graphs_made_now(tmp_path: Path) -> None:
    names = ("conv", "residual", "handmade", "baked", "parts", "many")
    lines = run(TF1, tmp_path, *names).splitlines()
    assert [line.split()[0] for line in lines] == [name for name in names for _ in range(2)]


SAVED = """
import tensorflow as tf
from fixtures.tf import tf2_models
there = folder / "saved"
tf2_models.save("saved_model", there)
source = open_tensorflow(there)
images = random.normal(size=(3, 9, 9, 1)).astype(np.float32)
found = source.activations(0, prepared(source.inputs[0], images))
(output,) = source.network.outputs
assert close(found[output], tf2_models.expected("saved_model", there, there, images)["probabilities"])

class Net(tf.Module):
    def __init__(self):
        self.w = tf.Variable(tf.random.normal([3, 3, 2, 4]), name="kernel")
        self.v = tf.Variable(tf.random.normal([4, 3]), name="v")
    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 2], tf.float32, name="photo")])
    def __call__(self, x):
        x = tf.nn.relu(tf.nn.conv2d(x, self.w, 2, "SAME"))
        return tf.cond(tf.constant(True), lambda: tf.reduce_mean(x, [1, 2]) @ self.v, lambda: x[:, 0, 0, :3])

net = Net()
tf.saved_model.save(net, str(folder / "module"))  # no signature but the object's own call
source = open_source(folder / "module")
images = random.normal(size=(3, 8, 8, 2)).astype(np.float32)
found = source.activations(0, prepared(source.inputs[0], images))
assert close(found[source.network.outputs[0]], net(images).numpy())
print([layer.kind for layer in source.network])
"""


MODERN = """
import keras
layers = keras.layers
image = layers.Input((8, 8, 3), name="image")
h = layers.Rescaling(1 / 127.5, offset=-1)(image)
h = layers.Conv2D(6, 2, strides=2, name="stem")(h)
a = layers.LayerNormalization(name="norm")(h)
a = layers.Dense(12, activation="gelu", name="wide")(a)  # over maps, which TensorFlow makes rows of
a = layers.Dense(6, name="narrow")(a)
h = layers.Add(name="skip")([h, a])
h = layers.Activation("silu", name="gate")(h)
h = layers.GlobalAveragePooling2D(name="mean")(h)
model = keras.Model(image, layers.Dense(4, name="out")(h))
model.export(str(folder / "saved"), verbose=False)
source = open_source(folder / "saved")
images = random.uniform(0, 255, size=(3, 8, 8, 3)).astype(np.float32)
found = source.activations(0, prepared(source.inputs[0], images))
for name in ("stem", "wide", "narrow", "skip", "gate", "mean", "out"):
    theirs = keras.Model(image, model.get_layer(name).output)(images).numpy()
    ours = [values for key, values in found.items() if source.tensors.get(key, "").split("/")[1:2] == [name + "_1"]]
    assert any(close(one, theirs) for one in [*ours, found.get(name, theirs * 0)]), name
print(source.inputs[0].rescales, sorted({layer.kind for layer in source.network} & {"gelu", "silu", "dense"}))
"""


def test_what_keras_writes_today(tmp_path: Path) -> None:
    """Dense layers over maps, a layer norm of many operations, GELU by erfc, SiLU with a factor of one."""
    assert "True ['dense', 'gelu', 'silu']" in run(MODERN, tmp_path)


def test_saved_models_made_now(tmp_path: Path) -> None:
    assert "['input', 'conv2d', 'global_average_pool', 'dense']" in run(SAVED, tmp_path)


CHECKPOINT = """
from fixtures.tf import tf2_models
there = folder / "run"
tf2_models.save("tf2_checkpoint", there)
named = How(model="fixtures.tf.tf2_models:build")
for how, path in ((named, there), (How(model=tf2_models.build), there / "ckpt-2.index")):
    source = open_tensorflow(path, how)
    images = random.normal(size=(3, 9, 9, 1)).astype(np.float32)
    for position, bundle in enumerate(source.bundles):
        wanted = tf2_models.expected("tf2_checkpoint", there, bundle.prefix, images)
        found = source.activations(position, prepared(source.inputs[0], images))
        pairs = {"conv1": "relu1", "dw": "dw", "skip": "skip", "pool": "pool", "out/Softmax": "out"}
        for ours, theirs in pairs.items():
            assert close(found[ours], wanted[theirs]), (ours, position)
print(len(open_source(there, model="fixtures.tf.tf2_models:build").checkpoints))
import keras
def other():
    return keras.Sequential([keras.layers.Input((9, 9, 1)), keras.layers.Conv2D(5, 3)])
try:
    open_tensorflow(there, How(model=other))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_checkpoints_with_the_function_that_builds_the_model(tmp_path: Path) -> None:
    first, second = run(CHECKPOINT, tmp_path).splitlines()
    assert first == "2"
    assert second.startswith("SourceError ")
    assert "was it saved with another model" in second
