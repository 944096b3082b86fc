"""Which tensors of a file belong to which layer.

Keras 3 numbers the groups of a model's layers by class (`layers/conv2d`, `layers/conv2d_1`, …) and the tensors by
their order (`vars/0`, `vars/1`); a model inside the model has groups of its own. Keras 2 names the groups after the
top layers and puts all that is inside one of them into one list of names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources.keras_config import Owner
from cutaway.sources.keras_hdf5 import Hdf5, Stored


@dataclass(frozen=True)
class Tensor:
    """One weight as Keras has it: its name as far as it is known, its shape, and how to get its values (float32)."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


class Weights(Protocol):
    """Weights by layer, whatever they come from."""

    def of(self, owner: Owner) -> list[Tensor]:
        """A layer's own tensors, in Keras's order: trainable ones first."""
        ...


Expected = Callable[[Owner], Sequence[str] | None]
"""The names of the tensors that a layer has, in Keras's order; None for a layer of a class that is not known."""


def weights_of(file: Hdf5, root: Owner, expected: Expected) -> Weights:
    """The weights in a file, whichever of the two ways they are laid out. Raises SourceError when it holds none."""
    base = "model_weights" if "model_weights" in file.groups else ""
    attributes = file.groups[base].attributes
    if "layer_names" in attributes or "layer_names0" in attributes:
        return NamedWeights(file, base, root, expected)
    return NumberedWeights(file, root)


def leaves(owner: Owner) -> Iterator[Owner]:
    """All layers of a model that are no models themselves."""
    if not owner.is_model:
        yield owner
    for child in owner.children:
        yield from leaves(child)


def snake(class_name: str) -> str:
    """Conv2D -> conv2d, BatchNormalization -> batch_normalization; as Keras does it."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def tensor(stored: Stored, name: str) -> Tensor:
    return Tensor(name, stored.shape, stored.read)


class NumberedWeights:
    """`layers/conv2d_1/vars/0`, from Keras 2.12 on."""

    def __init__(self, file: Hdf5, root: Owner) -> None:
        self.file = file
        self.datasets: dict[str, list[tuple[str, Stored]]] = {}
        """Group -> its datasets by their names. Windows has written whole paths as one name, with backslashes."""
        for path, stored in file.datasets.items():
            group, _, name = path.replace("\\", "/").rpartition("/")
            self.datasets.setdefault(group, []).append((name, stored))
        self.names = {
            path.replace("\\", "/").removesuffix("/vars"): str(group.attributes["name"])
            for path, group in file.groups.items()
            if path.endswith("vars") and "name" in group.attributes
        }
        self.list_name = "layers"
        groups = {path.replace("\\", "/").partition("/")[0] for path in file.groups}
        if "layers" not in groups and "_layer_checkpoint_dependencies" in groups:  # TensorFlow 2.12 and 2.13
            self.list_name = "_layer_checkpoint_dependencies"
        self.places: dict[int, str] = {}
        self.place(root, "")
        if not self.datasets:
            raise file.error("no weights in it; save the whole model with model.save()")

    def place(self, owner: Owner, path: str) -> None:
        """The group of every layer, counted as Keras counts; where all groups tell their layer, that is right."""
        counts: dict[str, int] = {}
        children = [child for child in owner.children if not child.is_operation]
        if owner.class_name == "Sequential" and children and children[0].class_name == "InputLayer":
            children = children[1:]
        base = f"{path}/{self.list_name}" if path else self.list_name
        placed = {}
        for child in children:
            name = snake(child.class_name)
            number = counts[name] = counts.get(name, -1) + 1
            placed[child] = f"{base}/{name}_{number}" if number else f"{base}/{name}"
        named = {self.names[place]: place for place in placed.values() if place in self.names}
        if len(named) == len(placed) and set(named) == {child.name for child in placed}:
            placed = {child: named[child.name] for child in placed}
        for child, place in placed.items():
            self.places[id(child)] = place
            self.place(child, place)

    def of(self, owner: Owner) -> list[Tensor]:
        place = self.places.get(id(owner))
        if place is None:
            return []
        own = self.datasets.get(f"{place}/vars", [])
        numbered = [(int(name), stored) for name, stored in own if name.isdecimal() and len(name) < 8]
        found = [tensor(stored, "") for _, stored in sorted(numbered, key=lambda one: one[0])]
        for group, more in self.datasets.items():  # layers inside a layer that is no model
            if group.startswith(place + "/") and group != f"{place}/vars" and "seed_generator" not in group:
                inside = group[len(place) + 1 :].removesuffix("/vars")
                found += [tensor(stored, f"{inside}/{name}") for name, stored in more]
        return found


class NamedWeights:
    """`model_weights/<layer>` with the attribute `weight_names`: Keras 2, and `.h5` of Keras 3."""

    def __init__(self, file: Hdf5, base: str, root: Owner, expected: Expected) -> None:
        self.file = file
        self.expected = expected
        self.found: dict[int, list[Tensor]] = {}
        groups: dict[str, list[Tensor]] = {}
        for name in file.texts(base, "layer_names"):
            group = f"{base}/{name}" if base else name
            tensors = []
            for weight in file.texts(group, "weight_names"):
                stored = file.datasets.get(f"{group}/{weight}")
                if stored is None:
                    raise file.error(f"the weight {weight!r} of layer {name!r} is missing; copy the file again")
                tensors.append(tensor(stored, weight))
            groups[name] = tensors
        owners = [child for child in root.children if child.class_name != "InputLayer"]
        if not {name for name, tensors in groups.items() if tensors} <= {owner.name for owner in owners}:
            groups = self.renamed(groups, owners)
        for owner in owners:
            self.share(owner, groups.get(owner.name, []))

    def renamed(self, groups: dict[str, list[Tensor]], owners: list[Owner]) -> dict[str, list[Tensor]]:
        """Weights of a model that was built a second time, so that its layers have other names: by their order."""
        filled = [tensors for tensors in groups.values() if tensors]
        weighted = [owner for owner in owners if any(self.expected(leaf) != () for leaf in leaves(owner))]
        if len(filled) != len(weighted):
            raise self.file.error(
                f"weights of {len(filled)} layers, the model has {len(weighted)} with weights; they belong to another"
            )
        return {owner.name: tensors for owner, tensors in zip(weighted, filled, strict=True)}

    def share(self, owner: Owner, tensors: list[Tensor]) -> None:
        """Gives the tensors of a top layer to the layers in it: by their names, or else by their order."""
        inside = list(leaves(owner))
        if len(inside) == 1 and not owner.is_model:
            self.found[id(owner)] = tensors
            return
        by_name = self.by_name(inside, tensors)
        if by_name is None or any(not self.fits(leaf, by_name.get(id(leaf), [])) for leaf in inside):
            by_name = self.by_order(inside, tensors)
        self.found |= by_name

    def fits(self, leaf: Owner, tensors: list[Tensor]) -> bool:
        names = self.expected(leaf)
        return names is None or len(names) == len(tensors)

    def by_name(self, inside: list[Owner], tensors: list[Tensor]) -> dict[int, list[Tensor]] | None:
        """`block/conv2d_1/kernel:0` belongs to conv2d_1. None where a name tells no layer, or several."""
        named: dict[str, list[Owner]] = {}
        for leaf in inside:
            named.setdefault(leaf.name, []).append(leaf)
        made: dict[int, list[Tensor]] = {}
        for one in tensors:
            words = one.name.split("/")[:-1]
            word = next((word for word in reversed(words) if word in named), None)
            if word is None:
                return None
            scores = [(sum(part in words for part in leaf.path), leaf) for leaf in named[word]]
            best = max(score for score, _ in scores)
            fitting = [leaf for score, leaf in scores if score == best]
            if len(fitting) != 1:
                return None
            made.setdefault(id(fitting[0]), []).append(one)
        return made

    def by_order(self, inside: list[Owner], tensors: list[Tensor]) -> dict[int, list[Tensor]]:
        """Keras lists what is trained of all layers, then what is not (moving means, frozen layers)."""
        order: list[Owner] = []
        late: list[Owner] = []
        for leaf in inside:
            for name in self.expected(leaf) or ():
                (order if leaf.trainable and name not in NOT_TRAINED else late).append(leaf)
        order += late
        if len(order) != len(tensors):
            raise self.file.error(
                f"{len(tensors)} weights under {inside[0].path[0] if inside and inside[0].path else 'a model'!r}, its "
                f"layers have {len(order)}; save the model again"
            )
        made: dict[int, list[Tensor]] = {}
        for leaf, one in zip(order, tensors, strict=True):
            made.setdefault(id(leaf), []).append(one)
        return made

    def of(self, owner: Owner) -> list[Tensor]:
        return self.found.get(id(owner), [])


NOT_TRAINED = {"moving_mean", "moving_variance", "mean", "variance", "count"}


def ordered(tensors: list[Tensor], names: Sequence[str], owner: Owner) -> list[Tensor]:
    """A layer's tensors in the order of `names`. Raises SourceError when there are more or fewer."""
    if len(tensors) != len(names):
        there = f"{len(tensors)} weights are" if tensors else "no weights are"
        raise SourceError(
            f"layer {owner.id!r} ({owner.class_name}): {there} in the file, it has {len(names)} ({', '.join(names)}); "
            "the weights belong to another model"
        )
    given = [one.name.rpartition("/")[2].partition(":")[0] for one in tensors]
    if set(given) == set(names) and len(set(given)) == len(given):
        return [tensors[given.index(name)] for name in names]
    return tensors
