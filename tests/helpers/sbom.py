"""What the wheel and the APKs are made of, as CycloneDX 1.6: `make sbom`.

    python tests/helpers/sbom.py build/sbom

Versions and digests are those of requirements.txt and android_demo/tools/apk_inputs.py, so the same pins give the same
bytes; what needs what, and the licences, are what the installed packages say of themselves.
"""

import json
import re
import sys
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from checkout import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import squeezebert_mobile

sys.path.append(str(ROOT / "android_demo/tools"))
import apk_inputs

Json = dict[str, Any]

# What users install. dev and docs make the project, not the wheel.
EXTRAS = ("benchmark", "coreai", "finetune", "sign")
# Of the pinned Maven files, those whose classes or libraries lie in an APK; the others build or check it.
IN_APK = ("com.facebook.fbjni:fbjni", "com.facebook.soloader:nativeloader", "org.jspecify:jspecify")
_NAMESPACE = uuid.UUID("7b0f4a4e-3a0c-5d0e-9f56-0d6f3f0f8f11")
_PIN = re.compile(r"^([\w.-]+)==(\S+).*\\\n((?:    --hash=.*\n?)+)", re.MULTILINE)


def pins() -> dict[str, tuple[str, list[str]]]:
    """Package -> (version, the SHA-256 of each of its files) of requirements.txt."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return {name: (version, re.findall(r"sha256:(\w+)", rest)) for name, version, rest in _PIN.findall(text)}


def wheel() -> Json:
    """The package, what it needs, and what its extras need beside that."""
    pinned, project = pins(), metadata.distribution("squeezebert-mobile")
    required = _closure(set(_needs(project, "")), pinned)
    optional = _closure({name for extra in EXTRAS for name in _needs(project, extra)}, pinned)
    components = []
    for name in sorted(required | optional):
        version, digests = pinned[name]
        found = _component("library", name, version, f"pkg:pypi/{name}@{version}", digests)
        components.append(found | {"scope": "required" if name in required else "optional"} | _licence(name))
    refs = {component["name"]: component["bom-ref"] for component in components}
    root = _root("squeezebert-mobile", squeezebert_mobile.__version__, "library")
    needs = {root["bom-ref"]: set(_needs(project, "")), **{refs[name]: _installed_needs(name) for name in refs}}
    return _bom(root, components, {ref: sorted(refs[n] for n in names if n in refs) for ref, names in needs.items()})


def apk() -> Json:
    """The demo app's two APKs, with what builds and checks them as ``excluded``."""
    components = []
    for coordinate, digest in apk_inputs.MAVEN.items():
        group, name, version, *kind = coordinate.split(":")
        purl = f"pkg:maven/{group}/{name}@{version}" + (f"?type={kind[0]}" if kind else "")
        scope = "required" if f"{group}:{name}" in IN_APK else "excluded"
        components.append(_component("library", name, version, purl, [digest]) | {"group": group, "scope": scope})
    for package, files in apk_inputs.NPM.items():
        name, version = package.split("@")
        found = _component("library", name, version, f"pkg:npm/{name}@{version}", [])
        # Only these files are taken out of the package.
        parts = [_file(found["purl"], path, digest) for path, digest in files.items()]
        components.append(found | {"scope": "required", "components": parts})
    components.sort(key=lambda component: component["purl"])
    root = _root("squeezebert-mobile-demo", squeezebert_mobile.__version__, "application")
    shipped = [component["bom-ref"] for component in components if component["scope"] == "required"]
    return _bom(root, components, {root["bom-ref"]: shipped})


def _bom(root: Json, components: list[Json], needs: dict[str, list[str]]) -> Json:
    dependencies = [{"ref": ref, "dependsOn": names} for ref, names in sorted(needs.items())]
    content = {"metadata": {"component": root}, "components": components, "dependencies": dependencies}
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return head | content


def _root(name: str, version: str, kind: str) -> Json:
    licences = [{"license": {"id": "Apache-2.0"}}]
    return {"type": kind, "bom-ref": name, "name": name, "version": version, "licenses": licences}


def _component(kind: str, name: str, version: str, purl: str, digests: list[str]) -> Json:
    found = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    # A package of several wheels has as many digests; an installer takes one of them.
    return found | ({"hashes": [{"alg": "SHA-256", "content": digest} for digest in digests]} if digests else {})


def _file(package: str, path: str, digest: str) -> Json:
    return {
        "type": "file",
        "bom-ref": f"{package}#{path}",
        "name": path,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _needs(project: metadata.Distribution, extra: str) -> Iterator[str]:
    """The packages that a distribution asks for on this machine, with one of its extras or none."""
    for text in project.requires or ():
        requirement = Requirement(text)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if wanted and (not extra or "extra" in str(requirement.marker)):
            yield canonicalize_name(requirement.name)
            yield from (name for inner in requirement.extras for name in _needs_of(requirement.name, inner))


def _needs_of(name: str, extra: str) -> Iterator[str]:
    try:
        yield from _needs(metadata.distribution(name), extra)
    except metadata.PackageNotFoundError:
        return


def _installed_needs(name: str) -> set[str]:
    return set(_needs_of(name, ""))


def _closure(names: set[str], pinned: dict[str, tuple[str, list[str]]]) -> set[str]:
    """These packages and all that they need, as far as they are pinned."""
    found: set[str] = set()
    while names:
        found |= names
        names = {inner for name in names for inner in _installed_needs(name)} - found
    return found & pinned.keys()


def _licence(name: str) -> Json:
    try:
        expression = metadata.metadata(name).get("License-Expression")
    except metadata.PackageNotFoundError:
        expression = None
    return {"licenses": [{"expression": expression}]} if expression else {}


def main(folder: Path) -> None:
    """Write both into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in (("wheel", wheel()), ("apk", apk())):
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (folder / f"{name}.cdx.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
