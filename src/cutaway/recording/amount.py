"""How much is recorded: which layers' activations, of how many samples, and what is said of the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from cutaway.errors import CutawayError
from cutaway.network import Layer, Network

LIMIT_BYTES = 2_000_000_000
"""Of activations in one recording, unless the user names layers or a number of samples."""

FOLDED = {
    *("batch_norm", "layer_norm", "group_norm", "relu", "leaky_relu", "prelu", "sigmoid", "tanh", "gelu", "silu"),
    *("activation", "dropout", "pad", "crop", "reshape", "permute", "constant"),
}
"""Kinds that the viewer draws with the layer that they follow; the others are drawn as maps or vectors of their own."""


class Amount(NamedTuple):
    """`layers`: ids whose activations are recorded, None for all; `samples`: how many; `notes`: what was left out."""

    layers: frozenset[str] | None
    samples: int
    notes: tuple[str, ...] = ()


def layer_bytes(network: Network) -> dict[str, int]:
    """Bytes of each layer's output for one sample, as float32; 0 where its shape is not known."""
    return {layer.id: 4 * math.prod(layer.output_shape) if layer.output_shapes else 0 for layer in network}


def matching(network: Network, patterns: str | Sequence[str]) -> frozenset[str]:
    """Layers whose id, name or kind is like one of the patterns ("conv*,fc"), with the inputs and outputs.

    Raises CutawayError for a pattern that no layer is like.
    """
    given = patterns.split(",") if isinstance(patterns, str) else list(patterns)
    found = {*network.inputs, *network.outputs}
    for pattern in (one.strip() for one in given):
        like = {layer.id for layer in network if is_like(layer, pattern)}
        if not like:
            some = ", ".join(layer.id for layer in network.layers[:8])
            raise CutawayError(f"--layers {pattern}: no layer is like that; there are {some}, …")
        found |= like
    return frozenset(found)


def is_like(layer: Layer, pattern: str) -> bool:
    return any(fnmatchcase(text, pattern) for text in (layer.id, layer.name, layer.kind))


def amount(
    network: Network,
    samples: int,
    checkpoints: int,
    *,
    patterns: str | Sequence[str] | None = None,
    counted: bool = False,
    half: bool = False,
    limit: int | None = None,
) -> Amount:
    """What to record of a network's activations.

    patterns: the layers that the user wants; `counted`: the user gave the number of samples, so it stands.
    """
    if patterns is not None:
        return Amount(matching(network, patterns), samples)
    limit = LIMIT_BYTES if limit is None else limit
    sizes = layer_bytes(network)
    each = checkpoints * (2 if half else 4) / 4
    if sum(sizes.values()) * samples * each <= limit:
        return Amount(None, samples)
    kept = frozenset(layer.id for layer in network if layer.kind not in FOLDED or layer.id in network.outputs)
    notes = [left_out(network, kept, sizes, limit)] if len(kept) < len(network.layers) else []
    per_sample = sum(sizes[id] for id in kept) * each
    fitting = max(1, int(limit // per_sample)) if per_sample else samples
    if fitting < samples and not counted:
        notes.append(
            f"{fitting} of {samples} samples were recorded, to stay under {limit / 1e9:g} GB; --count {samples} "
            f"records them all ({per_sample * samples / 1e9:.1f} GB)."
        )
        samples = fitting
    return Amount(kept, samples, tuple(notes))


def left_out(network: Network, kept: frozenset[str], sizes: Mapping[str, int], limit: int) -> str:
    kinds = sorted({layer.kind for layer in network if layer.id not in kept})
    return (
        f"Activations of {len(network.layers) - len(kept)} layers ({', '.join(kinds)}) were left out, to stay under "
        f"{limit / 1e9:g} GB; --layers '*' records them too."
    )
