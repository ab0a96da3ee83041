"""The steps that the code gives after ``fix:``, read from its source; ``{}`` is where a value stands in one."""

import ast
import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT

FOLDERS = ("squeezebert_mobile", "export", "benchmarks")
# What hands the step of another error on, or was told it by a caller, whose own call is read.
_HANDED_ON = ("fix", "step")
Function = ast.FunctionDef | None


@dataclass(frozen=True)
class Module:
    """A source file; ``functions`` by name, those of classes too, ``values`` what its own names are assigned."""

    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @functools.cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        return {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}

    @functools.cached_property
    def values(self) -> dict[str, ast.expr]:
        found = {}
        for node in self.tree.body:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    found[name] = value
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    found |= {each.id: it for each, it in zip(names, values, strict=True) if isinstance(each, ast.Name)}
        return found

    @functools.cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Names that come from other modules: the module, and the name there, empty for the module itself."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        return found


@functools.cache
def module(path: Path) -> Module:
    return Module(path, ast.parse(path.read_text(encoding="utf-8")))


def modules() -> Iterator[Module]:
    for folder in FOLDERS:
        yield from map(module, sorted((ROOT / folder).rglob("*.py")))


def _find(dotted: str) -> Module | None:
    parts = dotted.split(".")
    if parts[0] != FOLDERS[0]:
        return None
    if parts[1:2] and parts[1] in FOLDERS:
        parts = parts[1:]
    path = ROOT.joinpath(*parts).with_suffix(".py")
    return module(path) if path.is_file() else None


def steps() -> Iterator[tuple[str, str]]:
    """Each step with the place that gives it, as ``FILE:LINE``."""
    for found in modules():
        wrappers = {name: _position(function) for name, function in found.functions.items()}
        for function, call in _calls(found.tree, None):
            for value in _given(call, wrappers):
                for text in texts(found, function, value):
                    # A value all the same: what is cut at its end, and an option by its name.
                    yield f"{found.name}:{value.lineno}", text.replace("{}...", "{}").replace("--{}", "{}")


def _calls(node: ast.AST, function: Function) -> Iterator[tuple[Function, ast.Call]]:
    """Each call with the outermost function that it stands in, whose names a closure sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield function, child
        yield from _calls(child, child if function is None and isinstance(child, ast.FunctionDef) else function)


def _position(function: ast.FunctionDef) -> int | None:
    """Where a function takes the step of an error by its place."""
    names = [argument.arg for argument in function.args.args]
    return names.index("fix") if "fix" in names else None


def _given(call: ast.Call, wrappers: dict[str, int | None]) -> Iterator[ast.expr]:
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "fix")
    # A whole line, as the shell shows what is no error of ours.
    for argument in call.args:
        parts = argument.values if isinstance(argument, ast.JoinedStr) else []
        for at, part in enumerate(parts):
            if isinstance(part, ast.Constant) and "; fix: " in str(part.value):
                rest = ast.Constant(str(part.value).partition("; fix: ")[2])
                yield ast.copy_location(ast.JoinedStr([rest, *parts[at + 1 :]]), argument)
    place = wrappers.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if place is not None and place < len(call.args):
        yield call.args[place]


def texts(found: Module, function: Function, value: ast.expr) -> set[str]:
    """What a value can be; ``{}`` for what is known when the program runs."""
    match value:
        case (
            ast.Attribute(attr=name)
            | ast.Call(args=[ast.Attribute(attr=name), *_])
            | ast.FormattedValue(value=ast.Call(args=[ast.Attribute(attr=name), *_]))
        ) if name in _HANDED_ON:
            return set()
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            return _joined(texts(found, function, part) for part in parts)
        case ast.FormattedValue(value=inner):
            known = texts(found, function, inner) if isinstance(inner, ast.Name | ast.IfExp | ast.Call) else set()
            return {text for text in known if text} or {"{}"}
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined(texts(found, function, part) for part in (left, right))
        case ast.IfExp(body=first, orelse=second):
            return texts(found, function, first) | texts(found, function, second)
        case ast.BoolOp(values=parts):
            return set().union(*(texts(found, function, part) for part in parts))
        case ast.Name(id=name):
            return _named(found, function, name)
        case ast.Call():
            return _returned(found, function, value)
        case ast.Tuple(elts=parts):
            return texts(found, function, parts[-1])
    return {"{}"}


def _joined(parts: Iterable[set[str]]) -> set[str]:
    return {"".join(each) for each in itertools.product(*parts)}


def _named(found: Module, function: Function, name: str) -> set[str]:
    if function is not None:
        if name in _HANDED_ON and name in (a.arg for a in (*function.args.args, *function.args.kwonlyargs)):
            return set()
        if assigned := list(_assigned(function, name)):
            whole = set().union(*(texts(found, function, value) for value in assigned))
            return whole | {first + more for first in whole for more in _appended(found, function, name)}
    if name in found.values:
        return texts(found, None, found.values[name])
    origin, original = found.imported.get(name, ("", ""))
    other = _find(origin)
    return {"{}"} if other is None else _named(other, None, original)


def _assigned(function: ast.FunctionDef, name: str) -> Iterator[ast.expr]:
    """What a local name is set to, also as the last of several, the rest of which nobody asks for."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            if isinstance(target, ast.Tuple):
                for place, each in enumerate(target.elts):
                    if isinstance(each, ast.Name) and each.id == name:
                        yield node.value.elts[place] if isinstance(node.value, ast.Tuple) else node.value


def _appended(found: Module, function: ast.FunctionDef, name: str) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            yield from texts(found, function, node.value)


def _returned(found: Module, function: Function, call: ast.Call) -> set[str]:
    """What a called function of ours can return, or a table gives."""
    match call.func:
        case ast.Name(id=name):
            place: Module | None = found
        case ast.Attribute(value=ast.Name(id=table), attr="get") if isinstance(found.values.get(table), ast.Dict):
            entries = found.values[table].values
            return set().union(*(texts(found, function, value) for value in (*entries, *call.args[1:])))
        case ast.Attribute(value=ast.Name(id=origin), attr=name):
            where = found.imported.get(origin)
            place = None if where is None else _find(".".join(where))
        case _:
            return {"{}"}
    if place is not None and name not in place.functions and name in place.imported:
        origin, name = place.imported[name]
        place = _find(origin)
    inner = None if place is None else place.functions.get(name)
    if place is None or inner is None:
        return {"{}"}
    given = [node.value for node in ast.walk(inner) if isinstance(node, ast.Return) and node.value is not None]
    return set().union(*(texts(place, inner, value) for value in given))
