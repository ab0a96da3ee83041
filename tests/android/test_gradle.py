"""The phone build's files, which nothing here can run: what they name exists, and they agree with the other builds."""

import hashlib
import re
import tomllib
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import sbom
from android_tools import DEMO, TOOLS, load, maven_properties

MODULES = ("core", "bench", "engine-ort", "engine-et", "app")
# Gradle's own checksums of the distribution and of the wrapper that starts it.
GRADLE = ("9.4.1", "2ab2958f2a1e51120c326cad6f385153bb11ee93b3c216c5fccebfdfbb7ec6cb")
WRAPPER = "55243ef57851f12b070ad14f7f5bb8302daceeebc5bce5ece5fa6edb23e1145c"
# Not to be had from the repositories that the tests may use; Central has them, so a build with a network does.
AARS = {"onnxruntime-android", "executorch-android"}
GOOGLES = {"com.android.application", "com.android.library"}


def catalog() -> dict[str, Any]:
    return tomllib.loads((DEMO / "gradle/libs.versions.toml").read_text(encoding="utf-8"))


def script(module: str) -> str:
    return (DEMO / module / "build.gradle").read_text(encoding="utf-8")


def test_the_builds_name_the_same_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    gradle, maven = catalog()["versions"], maven_properties()
    link = (DEMO / "link_resources.sh").read_text(encoding="utf-8")
    monkeypatch.syspath_prepend(TOOLS)
    inputs, dexed = load("apk_inputs"), load("dexed_core")
    assert maven["onnxruntime.version"] == gradle["onnxruntime"] == inputs.ONNXRUNTIME_VERSION
    assert gradle["minSdk"] == inputs.MIN_SDK
    assert inputs.JSPECIFY.endswith(f":{gradle['jspecify']}")
    for name in ("jspecify", "junit-jupiter", "junit4", "robolectric"):
        assert gradle[name] == maven[f"{name}.version"]
    # JUnit's platform counts from 1 where Jupiter counts from 5.
    platform = maven["junit-jupiter.version"].removeprefix("5.")
    assert gradle["junit-platform"] == f"1.{platform}" == f"1.{dexed.JUNIT.rpartition(':1.')[2]}"
    assert f"--min-sdk-version {gradle['minSdk']} --target-sdk-version {gradle['targetSdk']}" in link
    version = re.search(r"versionName = '(.+)'", script("app"))
    assert version is not None and f"--version-name {version.group(1)} " in link


def test_the_phone_runs_the_executorch_that_exports() -> None:
    ((pinned, _),) = [pin for name, pin in sbom.pins().items() if name == "executorch"]
    assert catalog()["versions"]["executorch"] == pinned
    field = "buildConfigField 'String', 'EXECUTORCH_VERSION', \"\\\"${libs.versions.executorch.get()}\\\"\""
    assert field in script("engine-et") and "buildFeatures.buildConfig = true" in script("engine-et")


def test_every_coordinate_is_one_that_maven_resolves_or_is_named_as_anothers() -> None:
    made = catalog()
    assert {plugin["id"] for plugin in made["plugins"].values()} == GOOGLES
    resolved = {path.rpartition("/")[0] for path in checksums()}
    for name, library in made["libraries"].items():
        group, artifact = library["module"].split(":")
        place = f"{group.replace('.', '/')}/{artifact}/{made['versions'][library['version']['ref']]}"
        assert name in AARS or place in resolved, library


def checksums() -> list[str]:
    lines = (DEMO / ".mvn/checksums/checksums.sha256").read_text(encoding="utf-8").splitlines()
    return [line.split("  ")[1] for line in lines]


def test_every_name_of_the_catalog_is_used_and_every_use_has_one() -> None:
    used = {
        name for module in MODULES for name in re.findall(r"libs\.((?!versions|plugins)[a-z0-9.]+\w)", script(module))
    }
    assert used == {name.replace("-", ".") for name in catalog()["libraries"]}


@pytest.mark.parametrize("module", [module for module in MODULES if (DEMO / module / "src/test").is_dir()])
def test_each_module_with_tests_names_what_its_tests_import(module: str) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (DEMO / module / "src/test").rglob("*.java"))
    for package, library in (
        ("org.junit.jupiter", "junit.jupiter"),
        ("org.junit.Test", "junit4"),
        ("org.robolectric", "robolectric"),
    ):
        assert (f"import {package}" in sources) == (f"testImplementation libs.{library}" in script(module))


def test_the_wrapper_is_gradles() -> None:
    lines = (DEMO / "gradle/wrapper/gradle-wrapper.properties").read_text(encoding="utf-8").splitlines()
    stated = dict(line.split("=", 1) for line in lines)
    assert stated["distributionUrl"].endswith(f"/gradle-{GRADLE[0]}-bin.zip")
    assert stated["distributionSha256Sum"] == GRADLE[1]
    assert hashlib.sha256((DEMO / "gradle/wrapper/gradle-wrapper.jar").read_bytes()).hexdigest() == WRAPPER
    assert (DEMO / "gradlew").stat().st_mode & 0o111


def test_no_androidx_and_no_test_runner_comes_with_executorch() -> None:
    assert "implementation(libs.executorch.android) { exclude group: 'androidx.core' }" in script("engine-et")
    name, node = "{http://schemas.android.com/apk/res/android}name", "{http://schemas.android.com/tools}node"
    manifest = ET.parse(DEMO / "app/src/main/AndroidManifest.xml").getroot()
    removed = {element.get(name) for element in manifest.iter() if element.get(node) == "remove"}
    assert "androidx.test.runner.AndroidJUnitRunner" in removed


@pytest.mark.parametrize("engine", ["engine-ort", "engine-et"])
def test_the_rules_in_a_jar_are_also_those_of_the_aar(engine: str) -> None:
    (stated,) = re.findall(r"consumerProguardFiles '(.+)'", script(engine))
    assert (DEMO / engine / stated).is_file()
    assert stated.startswith("src/main/resources/META-INF/proguard/")
