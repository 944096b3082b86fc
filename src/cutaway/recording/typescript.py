"""The viewer's types, made from the structs: `python -m cutaway.recording.typescript [FILE]`.

Nothing is typed twice: what `schema.py` and `network.py` declare is what the viewer may rely on. A field that
is left out of the JSON while it has its default is optional in TypeScript; names and docstrings are kept.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
import types
import typing
from pathlib import Path
from typing import Any

import msgspec

from cutaway import network
from cutaway.recording import schema

ALIASES: dict[str, Any] = {"Kind": network.Kind, "Role": network.Role}
STRUCTS: tuple[type[msgspec.Struct], ...] = (
    network.Edge,
    network.Attributes,
    network.Parameter,
    network.Layer,
    network.Network,
    schema.Checkpoint,
    schema.Samples,
    schema.Completeness,
    schema.Index,
    schema.Histogram,
    schema.TensorSummary,
    schema.LayerSummary,
    schema.Summary,
    schema.Insight,
)

DEFAULT_TARGET = Path("viewer/src/generated/recording.ts")

HEADER = """\
// Made by `python -m cutaway.recording.typescript` from src/cutaway/network.py and src/cutaway/recording/schema.py.
// Don't edit: change the structs and make it again. A field with `?` is absent while it has its default.
"""


def generate() -> str:
    """The whole text of `viewer/src/generated/recording.ts`."""
    parts = [HEADER]
    parts.append(f"export const FORMAT = '{schema.FORMAT}'\nexport const VERSION = {schema.VERSION}\n")
    for name, alias in ALIASES.items():
        options = "\n".join(f"  | '{option}'" for option in typing.get_args(alias))
        parts.append(f"export type {name} =\n{options}\n")
    parts += [interface(struct) for struct in STRUCTS]
    return "\n".join(parts)


def interface(struct: type[msgspec.Struct]) -> str:
    """One `export interface`, with the doc comments of the struct and of its fields."""
    hints = typing.get_type_hints(struct)
    comments = field_docstrings(struct)
    lines = [comment(inspect.cleandoc(struct.__doc__ or ""), ""), f"export interface {struct.__name__} {{"]
    for field in msgspec.structs.fields(struct):
        if field.name in comments:
            lines.append(comment(comments[field.name], "  "))
        optional = "?" if not field.required and struct.__struct_config__.omit_defaults else ""
        lines.append(f"  {field.encode_name}{optional}: {typescript(hints[field.name])}")
    return "\n".join([line for line in lines if line] + ["}", ""])


def typescript(hint: Any) -> str:
    """The TypeScript type of one annotation. Raises TypeError for one that JSON can't carry."""
    simple = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "unknown"}
    if hint in simple:
        return simple[hint]
    for name, alias in ALIASES.items():
        if hint == alias:
            return name
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " | ".join(f"'{option}'" for option in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(typescript(option) for option in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        element = typescript(arguments[0])
        return f"({element})[]" if " | " in element else f"{element}[]"
    if origin is tuple:
        return f"[{', '.join(typescript(element) for element in arguments)}]"
    if origin is dict and arguments[0] is str:
        return f"Record<string, {typescript(arguments[1])}>"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint.__name__
    raise TypeError(f"no TypeScript type for {hint!r}")


def field_docstrings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The string literals that stand below the fields of a struct, which Python itself forgets."""
    module = ast.parse(inspect.getsource(sys.modules[struct.__module__]))
    body = next(node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == struct.__name__)
    found: dict[str, str] = {}
    for field, following in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(following.value.value)
    return found


def comment(text: str, indent: str) -> str:
    """A doc comment, or nothing for an empty text."""
    if not text:
        return ""
    lines = text.replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */"
    middle = "\n".join(f"{indent} * {line}".rstrip() for line in lines)
    return f"{indent}/**\n{middle}\n{indent} */"


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_TARGET
    target.write_text(generate(), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
