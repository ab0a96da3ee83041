"""Bundle folders."""

import random
from collections.abc import Callable, Iterator

from checkout import ROOT
from handmade_bundle import CONTENT, described

from corpus.cases import ACCEPTED, INPUT, INTEGRITY, Case, Link, Pipe
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest

Node = bytes | Link | Pipe


def files(content: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """A whole bundle whose plain files are these besides its model."""
    content = {**CONTENT, **(content or {})}
    entries = tuple(bundles.entry(name, data) for name, data in content.items() if name != "onnx/model.onnx")
    return {**content, manifest.MANIFEST_NAME: manifest.dump(described(files=entries))}


def _without(name: str) -> dict[str, bytes]:
    return {path: data for path, data in files().items() if path != name}


def by_hand() -> Iterator[Case]:
    whole = files()
    model = whole["onnx/model.onnx"]
    added: dict[str, tuple[Node, str]] = {
        "model.sig": (b"signature", ACCEPTED), "empty/": (b"", ACCEPTED), "a/b/c/": (b"", ACCEPTED),
        "onnx/empty/": (b"", ACCEPTED),
        "extra.txt": (b"", INTEGRITY), "onnx/extra": (b"", INTEGRITY), ".hidden": (b"", INTEGRITY),
        "-rf": (b"", INTEGRITY), "é": (b"", INTEGRITY),
        "a\nb": (b"", INTEGRITY), "bundle.json~": (b"", INTEGRITY), "BUNDLE.json": (b"", INTEGRITY),
        "link": (Link("vocab.txt"), INTEGRITY),
        "broken": (Link("nowhere"), INTEGRITY), "up": (Link(".."), INTEGRITY), "loop": (Link("loop"), INTEGRITY),
        "pipe": (Pipe(), INTEGRITY),
        "hard": (Link("vocab.txt", hard=True), INTEGRITY), "/".join(["deep"] * 60) + "/": (b"", INTEGRITY),
    }  # fmt: skip
    replaced: dict[str, tuple[str, Node, str]] = {
        "changed": ("vocab.txt", b"[PAX]\n", INTEGRITY), "longer": ("vocab.txt", b"[PAD]\n\n", INTEGRITY),
        "cut": ("vocab.txt", b"[PA", INTEGRITY),
        "changed model": ("onnx/model.onnx", model[::-1], INTEGRITY),
        "link": ("vocab.txt", Link("/etc/hostname"), INTEGRITY),
        "link inside": ("vocab.txt", Link("config.json"), INTEGRITY), "pipe": ("vocab.txt", Pipe(), INTEGRITY),
        "manifest is a link": ("bundle.json", Link("/etc/hostname"), INTEGRITY),
        "manifest is empty": ("bundle.json", b"", INPUT),
        "huge manifest": ("bundle.json", whole["bundle.json"] + b" " * (4 << 20), INPUT),
        "huge signature": ("model.sig", bytes(2 << 20), INPUT),
        "manifest is a pipe": ("bundle.json", Pipe(), INTEGRITY),
    }  # fmt: skip
    yield Case("whole", whole, ACCEPTED)
    for kept in sorted((ROOT / "tests/data").glob("bundle_v*")):
        tree = {str(path.relative_to(kept)): path.read_bytes() for path in kept.rglob("*") if path.is_file()}
        yield Case(f"kept {kept.name}", tree, ACCEPTED)
    yield Case("nothing", {}, INPUT)
    for name, (node, verdict) in added.items():
        yield Case(f"with {name!r}"[:80], {**whole, name: node}, verdict)
    for name, (path, node, verdict) in replaced.items():
        yield Case(name, {**whole, path: node}, verdict)
    for name in whole:
        yield Case(f"without {name}", _without(name), INPUT if name == "bundle.json" else INTEGRITY)
    yield Case("a folder in place of a file", {**_without("vocab.txt"), "vocab.txt/": b""}, INTEGRITY)
    yield Case("a folder in place of the manifest", {**_without("bundle.json"), "bundle.json/": b""}, INPUT)
    yield Case("a link in place of a folder", {**_without("onnx/model.onnx"), "onnx": Link(".")}, INTEGRITY)


def generated(rng: random.Random) -> Case:
    """A whole bundle with another file or two, and up to two faults."""
    names = [rng.choice(["a", "b/c", "b/d", "e f", "x.bin"]) for _ in range(rng.randrange(3))]
    tree: dict[str, Node] = {**files({name: rng.randbytes(rng.choice((0, 1, 1000))) for name in names})}
    faults: list[Callable[[str], Node | None]] = [
        lambda _: None,
        lambda _: rng.randbytes(rng.choice((0, 6, 7))),
        lambda _: Link(rng.choice(["vocab.txt", "..", "nowhere", "/etc/hostname"])),
        lambda _: Pipe(),
        lambda path: _flipped(tree[path], rng),
    ]
    said = []
    for _ in range(rng.choice((0, 1, 1, 2))):
        path = rng.choice([*tree, "new", "onnx/new", "model.sig"])
        node = rng.choice(faults)(path) if path in tree else rng.choice(faults[:-1])(path)
        tree.pop(path, None)
        if node is not None:
            tree[path] = node
        said.append(f"{path} = {type(node).__name__}")
    return Case("; ".join(said), tree, several=len(said) > 1)


def _flipped(node: Node, rng: random.Random) -> Node:
    if not isinstance(node, bytes) or not node:
        return node
    at = rng.randrange(len(node))
    return node[:at] + bytes([node[at] ^ 1 << rng.randrange(8)]) + node[at + 1 :]
