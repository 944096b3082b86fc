"""What `cutaway info` tells: the layers, checkpoints and samples of a recording or a model, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cutaway.network import Layer, Network
from cutaway.recording.schema import Checkpoint, Completeness, Insight, Samples
from cutaway.sources import InputSpec, inputs_of

WIDE = 200
"""Columns of the table where the output goes to a file or another program: never 80 by chance."""


class Description(msgspec.Struct, frozen=True):
    """A recording or a source, as far as `info` tells of it. `bytes` is None behind http(s): nobody asks for sizes."""

    what: str
    name: str
    network: Network
    checkpoints: Sequence[Checkpoint]
    samples: Samples
    classes: Sequence[str]
    completeness: Completeness
    bytes: int | None
    inputs: Sequence[str] = ()
    """What a model takes, in words."""
    insights: Sequence[Insight] = ()
    """What happened in the training, as the recording tells it."""


def describe(path: str, **how: Any) -> Description:
    """Look at a recording (a folder, an http address), or at what `record` reads, opened so. Raises CutawayError."""
    import cutaway
    from cutaway.cache import folder_bytes
    from cutaway.cli import is_address, is_recording

    where = Path(path)
    if is_address(path) or is_recording(where):
        recording = cutaway.open(path)
        return Description(
            "recording",
            recording.name,
            recording.network,
            recording.checkpoints,
            recording.samples,
            recording.classes or (),
            recording.completeness,
            None if recording.path is None else folder_bytes(recording.path),
            insights=recording.insights(),
        )
    source = cutaway.open_source(where, **how)
    return Description(
        "model, not recorded yet",
        source.name,
        source.network,
        source.checkpoints,
        told(source.samples),
        source.classes or (),
        source.completeness,
        folder_bytes(where) if where.exists() else beside_bytes(where),
        [in_words(spec) for spec in inputs_of(source)],
    )


def beside_bytes(where: Path) -> int:
    """Size of the files that go by one common name, as TensorFlow's checkpoints do."""
    return sum(file.stat().st_size for file in where.parent.glob(f"{where.name}.*") if file.is_file())


def in_words(spec: InputSpec) -> str:
    """ "image: float32 3 × 224 × 224 (channels first)"."""
    shape = " × ".join("any" if size is None else str(size) for size in spec.shape) or "one number"
    axes = "" if len(spec.shape) < 3 else ", channels first" if spec.layout == "NCHW" else ", channels last"
    return f"{spec.name}: {spec.dtype} {shape}{axes}{', rescales 0 … 255 itself' if spec.rescales else ''}"


def told(samples: Any) -> Samples:
    """What a source's samples have in common with a recording's."""
    if samples is None:
        return Samples(count=0)
    labels = None if samples.labels is None else tuple(samples.labels)
    said = samples.preprocessing
    return Samples(count=len(samples.images), names=tuple(samples.names), labels=labels, preprocessing=said)


def print_json(about: Description) -> None:
    """For other programs; the layout is promised."""
    layers = [
        {
            "id": layer.id,
            "name": layer.name,
            "kind": layer.kind,
            "inputs": [edge.layer for edge in layer.inputs],
            "output_shape": list(layer.output_shape),
            "fused": list(layer.fused),
            "parameters": {parameter.role: list(parameter.shape) for parameter in layer.parameters},
        }
        for layer in about.network
    ]
    document = {
        "name": about.name,
        "layers": layers,
        "checkpoints": list(about.checkpoints),
        "samples": about.samples,
        "classes": list(about.classes),
        "bytes": about.bytes,
        "insights": list(about.insights),
    }
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def print_text(about: Description) -> None:
    """For a person."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    console.print(Text(f"{about.name} ({about.what})", style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("name", "kind", "then", "output shape"):
        table.add_column(heading, overflow="fold")
    table.add_column("parameters", justify="right")
    for layer in about.network:
        name = layer.id if layer.path else layer.name  # a nested layer's name alone says little
        shape = " × ".join(map(str, layer.output_shape)) or "?"
        table.add_row(
            Text(name), layer.kind, ", ".join(layer.fused), shape, f"{count(layer):,}" if layer.parameters else ""
        )
    console.print(table)
    for heading, text in facts(about):
        if not console.is_terminal:
            print(f"{heading:<13} {text}")
            continue
        # The rest of a long line goes below its beginning, not below the heading.
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=13)
        grid.add_column()
        grid.add_row(heading, Text(text))
        console.print(grid)


def facts(about: Description) -> list[tuple[str, str]]:
    """What stands below the table of layers, by heading."""
    lines = [
        ("parameters", totals(about.network)),
        ("checkpoints", f"{len(about.checkpoints)}: {some([point.label for point in about.checkpoints])}"),
        ("samples", f"{about.samples.count}: {some(about.samples.names)}"),
        *([("preprocessing", about.samples.preprocessing)] if about.samples.preprocessing else []),
        ("classes", f"{len(about.classes)}: {some(about.classes)}"),
        ("on disk", "not known over http" if about.bytes is None else readable(about.bytes)),
    ]
    whole = about.completeness
    has = {name: getattr(whole, name) for name in ("graph", "parameters", "biases", "activations", "runnable")}
    lines.append(("complete", ", ".join(name for name, there in has.items() if there) or "nothing"))
    lines.append(("missing", ", ".join(name for name, there in has.items() if not there) or "nothing"))
    lines += [("input" if position == 0 else "", text) for position, text in enumerate(about.inputs)]
    lines += [("", f"{layer}: {', '.join(parts)}") for layer, parts in whole.missing.items()]
    lines += [("note" if position == 0 else "", note) for position, note in enumerate(whole.notes)]
    lines += [(insight.level, f"{when(insight)}: {insight.text}") for insight in about.insights]
    return [(heading, text.removesuffix(": ")) for heading, text in lines]


def when(insight: Insight) -> str:
    """ "step 938", "epoch 1.5", or that it is not known."""
    if insight.step is not None:
        return f"step {insight.step}"
    return "some time" if insight.epoch is None else f"epoch {insight.epoch:g}"


def totals(network: Network) -> str:
    """Parameters of a network, each once: as PyTorch counts them and, with running statistics, as Keras does."""
    parameters = {parameter.key: parameter for layer in network for parameter in layer.parameters}
    statistics = sum(size(p.shape) for p in parameters.values() if p.role in ("mean", "variance"))
    everything = sum(size(p.shape) for p in parameters.values())
    text = f"{everything - statistics:,}"
    return f"{text}, and {statistics:,} running means and variances: {everything:,} in all" if statistics else text


def count(layer: Layer) -> int:
    """Number of values in a layer's parameters."""
    return sum(size(parameter.shape) for parameter in layer.parameters)


def size(shape: Sequence[int]) -> int:
    """Number of values in a tensor."""
    values = 1
    for length in shape:
        values *= length
    return values


def some(names: Sequence[str], most: int = 12) -> str:
    """The names, the middle of a long list left out."""
    if len(names) > most:
        names = (*names[: most - 2], "…", names[-1])
    return ", ".join(names)


def readable(number: int) -> str:
    """A size in bytes for a person."""
    amount, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{number:,} B" if unit == "B" else f"{amount:.1f} {unit}"
