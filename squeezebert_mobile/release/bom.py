"""A machine-learning bill of materials, CycloneDX 1.6, of what a manifest says, which was proven."""

import json
import uuid
from typing import Any

from squeezebert_mobile import licences
from squeezebert_mobile.bundle.doubts import doubts
from squeezebert_mobile.bundle.manifest import Artifact, FileEntry, Manifest, Release
from squeezebert_mobile.files import dump_json

BOM_NAME = "mlbom.cdx.json"
Json = dict[str, Any]
_NAMESPACE = uuid.UUID("0b8c4f0e-6f0c-5d3f-9a46-5f4e2e6a7c31")
_MODEL = "model"


def bom(manifest: Manifest, release: Release) -> bytes:
    """The bytes of the BOM: the same manifest gives the same, so it has no date."""
    artifacts = [_artifact(artifact) for artifact in manifest.artifacts]
    inside = [entry for artifact in manifest.artifacts for entry in artifact.files]
    files = [_file(entry) for entry in (*manifest.files, *inside)]
    source = _source(manifest)
    root = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": release.name,
        "version": release.version,
        "description": f"SqueezeBERT for {manifest.task}",
        "licenses": licences.cyclonedx(manifest.license),
        "modelCard": _card(manifest),
        "pedigree": {"ancestors": [source], "notes": "; ".join(manifest.source.notes) or "converted as it was"},
    }
    tools = [
        {"type": "application" if name == "squeezebert_mobile" else "library", "name": name, "version": version}
        for name, version in manifest.producer.model_dump().items()
    ]
    content = {
        "metadata": {"component": root, "tools": {"components": tools}},
        "components": [*artifacts, *files],
        "dependencies": [{"ref": _MODEL, "dependsOn": sorted(part["bom-ref"] for part in (*artifacts, *files))}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return dump_json(head | content)


def _card(manifest: Manifest) -> Json:
    (first, *_) = manifest.artifacts
    return {
        "modelParameters": {
            "task": str(manifest.task),
            "architectureFamily": "transformer",
            "modelArchitecture": "SqueezeBERT",
            "inputs": [{"format": f"{spec.dtype} {spec.name}"} for spec in first.inputs],
            "outputs": [{"format": f"{spec.dtype} {spec.name}"} for spec in first.outputs],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [metric for artifact in manifest.artifacts for metric in _metrics(artifact)]
        },
        "considerations": {"technicalLimitations": list(doubts(manifest))},
    }


def _metrics(artifact: Artifact) -> list[Json]:
    """What was measured of an artifact, as text, which is how CycloneDX holds numbers."""
    found: list[Json] = [
        {"type": f"largest difference of {parity.output}", "value": f"{parity.max_abs:g}", "slice": artifact.path}
        for parity in artifact.parity
    ]
    if (own := artifact.accuracy) is not None:
        ends = {"lowerBound": f"{own.interval.low:g}", "upperBound": f"{own.interval.high:g}"}
        found.append(
            {"type": own.metric, "value": f"{own.value:g}", "slice": artifact.path, "confidenceInterval": ends}
        )
    return found


def _artifact(artifact: Artifact) -> Json:
    facts = {"runtime": artifact.runtime, "precision": artifact.precision, "form": artifact.version,
             "oldest runtime": artifact.oldest_runtime}  # fmt: skip
    properties = [{"name": f"squeezebert-mobile:{name}", "value": value} for name, value in facts.items()]
    return _part("machine-learning-model", artifact.path, artifact.sha256) | {"properties": properties}


def _file(entry: FileEntry) -> Json:
    return _part("file", entry.path, entry.sha256)


def _part(kind: str, path: str, sha256: str) -> Json:
    return {"type": kind, "bom-ref": path, "name": path, "hashes": [{"alg": "SHA-256", "content": sha256}]}


def _source(manifest: Manifest) -> Json:
    """The checkpoint, with the digest over its files; a repository of the hub by its commit, too."""
    source = manifest.source
    found: Json = {
        "type": "machine-learning-model",
        "bom-ref": "checkpoint",
        "name": source.name,
        "hashes": [{"alg": "SHA-256", "content": source.digest}],
        "components": [_part("file", entry.path, entry.sha256) | {"bom-ref": f"checkpoint/{entry.path}"}
                       for entry in source.files],
    }  # fmt: skip
    if source.revision:
        found |= {"version": source.revision, "purl": f"pkg:huggingface/{source.name}@{source.revision}"}
    return found
