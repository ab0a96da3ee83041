"""What the project is built from is stated, pinned and compared: SBOMs, advisories, digests for Maven and Gradle."""

import hashlib
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import audit
import pytest
import sbom
from checkout import ROOT

DEMO = ROOT / "android_demo"
CHECKSUMS = DEMO / ".mvn/checksums/checksums.sha256"
REPOSITORY = Path.home() / ".m2/repository"


@pytest.fixture(scope="module")
def wheel() -> sbom.Json:
    return sbom.wheel()


def test_the_wheels_sbom_names_what_it_needs_as_it_is_pinned(wheel: sbom.Json) -> None:
    pinned = sbom.pins()
    found = {component["name"]: component for component in wheel["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in project["dependencies"]:
        component = found[re.split(r"[=<>]", text)[0]]
        version, digests = pinned[component["name"]]
        assert component["scope"] == "required"
        assert component["purl"] == f"pkg:pypi/{component['name']}@{version}"
        assert [entry["content"] for entry in component["hashes"]] == digests
    assert found["transformers"]["scope"] == found["model-signing"]["scope"] == "optional"
    assert not {"pytest", "mutmut", "mkdocs", "ruff"} & found.keys()


def test_every_edge_of_an_sbom_ends_at_a_component(wheel: sbom.Json) -> None:
    for made in (wheel, sbom.apk()):
        refs = [component["bom-ref"] for component in made["components"]] + [made["metadata"]["component"]["bom-ref"]]
        assert len(refs) == len(set(refs))
        for edge in made["dependencies"]:
            assert {edge["ref"], *edge["dependsOn"]} <= set(refs)
        assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")


def test_the_same_pins_give_the_same_sbom(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sbom.main(tmp_path / name)
    for name in ("wheel.cdx.json", "apk.cdx.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_apks_sbom_says_what_is_in_it_and_what_only_builds_it() -> None:
    scopes = {component["name"]: component["scope"] for component in sbom.apk()["components"]}
    assert {name for name, scope in scopes.items() if scope == "required"} == {
        "com.github.asus4.onnxruntime", "fbjni", "jspecify", "nativeloader", "react-native-executorch",
    }  # fmt: skip
    assert scopes["r8"] == "excluded"


def test_no_kept_advisory_applies_to_a_pin() -> None:
    assert audit.faults(audit.advisories(), {name: version for name, (version, _) in sbom.pins().items()}) == []


def test_every_kept_advisory_is_about_a_pin_and_would_be_found() -> None:
    pinned = sbom.pins()
    for advisory in audit.advisories():
        assert advisory.package in pinned, advisory
        *first, fixed = re.findall(r"[0-9.]+", advisory.affected)
        assert audit.faults([advisory], {advisory.package: first[0] if first else "0"}), advisory
        assert not audit.faults([advisory], {advisory.package: fixed}), advisory
    (old,) = audit.faults(audit.advisories(), {"torch": "2.5.1", "onnx": "1.23.2"})
    assert old.startswith("torch 2.5.1: CVE-2025-32434, ")


def checksums() -> dict[str, str]:
    """Path in a Maven repository -> SHA-256."""
    lines = CHECKSUMS.read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in (line.split("  ") for line in lines)}


def test_no_file_that_maven_fetched_differs_from_its_kept_digest() -> None:
    known = checksums()
    here = [path for path in known if (REPOSITORY / path).is_file()]
    if not here:
        pytest.skip("Maven has fetched nothing on this machine")
    differing = [p for p in here if hashlib.sha256((REPOSITORY / p).read_bytes()).hexdigest() != known[p]]
    assert not differing


def test_maven_is_told_to_compare_digests() -> None:
    options = (DEMO / ".mvn/maven.config").read_text(encoding="utf-8").splitlines()
    assert "--strict-checksums" in options
    assert "-Daether.trustedChecksumsSource.summaryFile=true" in options
    assert any(path.startswith("org/robolectric/robolectric/4.16.1/") for path in checksums())


def test_gradle_knows_the_digests_of_what_lies_in_the_apk() -> None:
    space = {"g": "https://schema.gradle.org/dependency-verification"}
    tree = ET.parse(DEMO / "gradle/verification-metadata.xml")
    found = {
        f"{component.get('group')}:{component.get('name')}:{component.get('version')}": node.get("value")
        for component in tree.iterfind("g:components/g:component", space)
        for node in component.iterfind("g:artifact/g:sha256", space)
    }
    pinned = {":".join(name.split(":")[:3]): digest for name, digest in sbom.apk_inputs.MAVEN.items()}
    assert found == {name: pinned[name] for name in pinned if name.rpartition(":")[0] in sbom.IN_APK}
