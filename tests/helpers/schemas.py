"""The JSON Schema of what each command prints with --json, made of the types of its results.

python tests/helpers/schemas.py writes them to squeezebert_mobile/schemas, which the package publishes.
"""

import importlib
import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

from checkout import ROOT
from pydantic import TypeAdapter

from squeezebert_mobile.files import dump_json

PUBLISHED = ROOT / "squeezebert_mobile/schemas"
# Where the results of a command are defined: classes, or functions that return them. One of several may be printed.
RESULTS: dict[str, tuple[str, ...]] = {
    "export": ("export.pipeline:Exported", "export.preview:Preview"),
    "verify": ("run.verify:Verification",),
    "pack": ("release.pack:Pack",),
    "push": ("release.push:Push",),
    "predict": ("run.predict:Prediction", "run.output:Written"),
    "merge": ("run.predict:Prediction", "training.comparison:EvaluateResult"),
    "finetune": ("training.finetune:FinetuneResult",),
    "rank": ("training.ranking:Ranking",),
    "evaluate": ("training.comparison:EvaluateResult", "run.output:Written"),
    "benchmark": ("benchmarks.tables:summarize_run",),
    "sweep": ("sweep.run:SweepResult", "sweep.run:SweepPlan"),
    "report": ("benchmarks.tables:summarize_run",),
    "reproduce": ("benchmarks.paper:summarize_reproduction",),
    "compare": ("benchmarks.compare:Comparison",),
    "compare-answers": ("run.changes:AnswerChanges",),
    "devices": ("benchmarks.adb:listed",),
    "info": ("info:Information",),
    "doctor": ("doctor:Diagnosis",),
}
_LISTS = ("benchmark", "report")


def schema(command: str) -> bytes:
    """The schema of one value that a command prints; `predict` prints one for each text, on a line of its own."""
    kinds = [_kind(*place.split(":")) for place in RESULTS[command]]
    whole: Any = kinds[0]
    for kind in kinds[1:]:
        whole = whole | kind
    made = TypeAdapter(list[whole] if command in _LISTS else whole).json_schema(mode="serialization")
    return dump_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **made})


def _kind(module: str, name: str) -> Any:
    found = getattr(importlib.import_module(f"squeezebert_mobile.{module}"), name)
    return found if inspect.isclass(found) else inspect.signature(found).return_annotation


@cache
def published(command: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(path_of(command).read_bytes())
    return made


def path_of(command: str) -> Path:
    return PUBLISHED / f"{command}.schema.json"


@cache
def _validator(command: str) -> Any:
    """Made once: `jsonschema.validate` looks through the whole schema each time."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(published(command))


def require_valid(command: str, printed: str) -> None:
    """Raise jsonschema's ValidationError for a line that is not what the command's published schema says."""
    for line in printed.splitlines():
        _validator(command).validate(json.loads(line))


if __name__ == "__main__":
    for name in RESULTS:
        path_of(name).write_bytes(schema(name))
