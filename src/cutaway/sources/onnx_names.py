"""Names as the user wrote them: module paths and layer names out of what exporters leave in a file."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SCOPES = "pkg.torch.onnx.name_scopes"
TRACE = "pkg.torch.onnx.stack_trace"

WEIGHT_ENDINGS = (".weight", ".bias", "_weight", "/weight", ".kernel", "/kernel:0", "/kernel", "_W", "_w")


class Origin(NamedTuple):
    """Where a node stands in the user's code: the modules around it, from outside in, and its own word there."""

    scope: tuple[str, ...]
    word: str
    separator: str = "."
    whole: bool = False
    """Whether the word is the name of a module, not of an operation inside one."""


def origin_of(name: str, op: str, properties: dict[str, str], weight: str | None) -> Origin | None:
    """What a node's name, its properties and the name of its weight tell; None where only a number does."""
    name = name[:300]
    owner = owner_of(weight)
    if owner is not None:  # the module that a weight belongs to, whatever was merged into its node
        return owner
    scopes = scopes_of(properties.get(SCOPES))
    if scopes is not None:
        return Origin(scopes[:-1], scopes[-1] if scopes else op)
    if "/" in name.strip("/"):
        torch = name.startswith("/")
        parts = [part for part in name.split("/") if part]
        scope = steps(parts[:-1]) if torch else tuple(parts[:-1])
        return Origin(scope, parts[-1], "." if torch else "/")
    plain = name.strip("/")
    # `Conv_12`, `node_conv2d_7`, `Conv`, `123`: counted by an exporter, not chosen by anybody.
    numbered = re.fullmatch(rf"(?:node_)?(?:{re.escape(op)}(?:\dd)?)?_?\d*", plain, re.IGNORECASE)
    if plain and not numbered:
        *modules, word = plain.split(".")
        return Origin(tuple(modules), word) if all((*modules, word)) else Origin((), plain)
    return Origin((), plain) if plain else None


def owner_of(weight: str | None) -> Origin | None:
    """`layer1.0.conv1.weight` -> layer1, 0, conv1."""
    ending = next((one for one in WEIGHT_ENDINGS if weight is not None and weight.endswith(one)), None)
    if weight is None or ending is None:
        return None
    owner = weight.removesuffix(ending)[:300]
    separator = "/" if "/" in owner else "."
    parts = [part for part in owner.split(separator) if part]
    return Origin(tuple(parts[:-1]), parts[-1], separator, whole=True) if parts else None


def scopes_of(text: str | None) -> tuple[str, ...] | None:
    """`['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_1']` -> layer1, 0, conv1, conv2d_1."""
    if not text or len(text) > 10_000:
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found) or len(found) < 2:
        return None
    return (*steps([one for one in found[:-1] if one]), found[-1])


def steps(scopes: Sequence[str]) -> tuple[str, ...]:
    """layer1, layer1.0, layer1.0.conv1 -> layer1, 0, conv1."""
    parts: list[str] = []
    before = ""
    for scope in scopes:
        inner = scope.removeprefix(before + ".") if before and scope.startswith(before + ".") else scope
        parts += [part for part in inner.split(".") if part]
        before = scope
    return tuple(parts)


def source_of(properties: dict[str, str]) -> str | None:
    """The last line of the user's code that a trace names, as file:line without the folder."""
    lines = re.findall(r'File "([^"]+)", line (\d+)', properties.get(TRACE, "")[:20_000])
    found = [(path, line) for path, line in lines if not re.search(r"[\\/](?:site|dist)-packages[\\/]", path)]
    if not found:
        return None
    path, line = found[-1]
    return f"{path.replace(chr(92), '/').rpartition('/')[2]}:{line}"


class Named(NamedTuple):
    """A layer's unique id, its name, and the modules around it."""

    id: str
    name: str
    path: tuple[str, ...]


def named(origins: Sequence[Origin | None], kinds: Sequence[str], taken: Iterable[str] = ()) -> list[Named]:
    """Names for layers in order. A module that holds one layer alone gives its name to it; ids are unique.

    `kinds` name what has no name: conv_1, conv_2, ….
    """
    alone = Counter(origin.scope for origin in origins if origin is not None and not origin.whole)
    around = {
        origin.scope[:depth]
        for origin in origins
        if origin is not None
        for depth in range(len(origin.scope) + int(origin.whole))
    }
    used, numbers, found = set(taken), Counter[str](), []
    for origin, kind in zip(origins, kinds, strict=True):
        if origin is None:
            numbers[kind] += 1
            while f"{kind}_{numbers[kind]}" in used:
                numbers[kind] += 1
            one = Named(f"{kind}_{numbers[kind]}", f"{kind}_{numbers[kind]}", ())
        else:
            parts = origin.scope
            if origin.whole or not parts or alone[parts] > 1 or parts in around:
                parts = (*parts, origin.word)
            one = Named(origin.separator.join(parts), parts[-1], parts[:-1])
            number = 1
            while one.id in used:
                number += 1
                name = f"{parts[-1]}_{number}"
                one = Named(origin.separator.join((*parts[:-1], name)), name, parts[:-1])
        used.add(one.id)
        found.append(one)
    return found
