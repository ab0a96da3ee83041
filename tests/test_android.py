"""The Android demo: its tables and vectors are current, its three builds agree, and its JVM tests pass."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

DEMO = Path(__file__).parents[1] / "android_demo"
TOOLS = DEMO / "tools"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_character_tables_are_the_librarys() -> None:
    command = [sys.executable, TOOLS / "wordpiece_tables.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["answer_vectors", "tokenizer_vectors"])
def test_the_shared_vectors_are_current(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(name)
    committed = module.OUTPUT.read_bytes()
    monkeypatch.setattr(module, "OUTPUT", tmp_path / "vectors.json")
    module.main()
    assert (tmp_path / "vectors.json").read_bytes() == committed, f"run {TOOLS / name}.py"


def properties() -> dict[str, str]:
    namespace = "{http://maven.apache.org/POM/4.0.0}"
    found = ET.parse(DEMO / "pom.xml").getroot().find(f"{namespace}properties")
    assert found is not None
    return {element.tag.removeprefix(namespace): element.text or "" for element in found}


def test_the_three_builds_name_the_same_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    gradle = tomllib.loads((DEMO / "gradle/libs.versions.toml").read_text())["versions"]
    link = (DEMO / "link_resources.sh").read_text()
    monkeypatch.syspath_prepend(TOOLS)
    inputs, build, dexed = load("apk_inputs"), load("build_apk"), load("dexed_core")
    assert properties()["onnxruntime.version"] == gradle["onnxruntime"] == inputs.ONNXRUNTIME_VERSION
    assert gradle["minSdk"] == build.MIN_SDK
    # JUnit's platform counts from 1 where Jupiter counts from 5.
    assert properties()["junit-jupiter.version"].removeprefix("5.") == dexed.JUNIT.rpartition(":1.")[2]
    assert f"--min-sdk-version {gradle['minSdk']} --target-sdk-version {gradle['targetSdk']}" in link
    version = re.search(r"versionName = '(.+)'", (DEMO / "app/build.gradle").read_text())
    assert version is not None and f"--version-name {version.group(1)} " in link
    # Android 14 is API level 34.
    assert properties()["android-all.version"].startswith("14-") and gradle["compileSdk"] == "34"


def test_nothing_in_the_app_may_reach_the_network() -> None:
    manifest = (DEMO / "app/src/main/AndroidManifest.xml").read_text()
    for permission in ("INTERNET", "ACCESS_NETWORK_STATE"):
        assert f'android.permission.{permission}" tools:node="remove"' in manifest
    assert '<provider android:name="ai.onnxruntime.TelemetryInitializer" tools:node="remove"/>' in manifest
    sources = "\n".join(path.read_text() for path in DEMO.rglob("src/main/java/**/*.java"))
    assert not re.search(r"java\.net\.|HttpURLConnection|android\.net\.(?!Uri)", sources)


def require(**packages: str) -> None:
    """Skip where a program is missing; each by its name, with the Debian package that has it."""
    for program, package in packages.items():
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: install Debian's package {package}")


JVM = {"java": "openjdk-17-jdk-headless", "mvn": "maven", "aapt2": "aapt"}
APK = {"npm": "npm", "aapt": "aapt", "dexdump": "dexdump", "readelf": "binutils"}


def test_the_jvm_tests_pass_on_a_bundle(tiny_bundle: Path) -> None:
    require(**JVM)
    command = ["mvn", "-q", "-B", "-ntp", "-T1", "test", f"-Dbundle.dir={tiny_bundle}"]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    result = subprocess.run(command, cwd=DEMO, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-5000:]
    reports = [ET.parse(path).getroot() for path in DEMO.glob("*/target/surefire-reports/TEST-*.xml")]
    assert sum(int(report.get("tests", "0")) for report in reports) > 90
    assert all(report.get("skipped") == "0" for report in reports)


@pytest.mark.slow
def test_an_apk_of_each_runtime_is_built_and_holds(tiny_bundle: Path, tmp_path: Path) -> None:
    """The only place where the ExecuTorch engine is compiled, and where Android's own tools read what was built."""
    require(**JVM, **APK, zipalign="zipalign", apksigner="apksigner")
    build = [sys.executable, TOOLS / "build_apk.py", "--bundle", tiny_bundle, "--out", tmp_path]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    runtimes = re.split(r"^(\w+):\n", done.stdout, flags=re.MULTILINE)
    assert runtimes[1::2] == ["onnx", "executorch"]
    for name, said in zip(runtimes[1::2], runtimes[2::2], strict=True):
        checks = [line.split(":")[0].strip() for line in said.splitlines()]
        assert checks[:-1] == [
            "API level",
            "signature",
            "alignment",
            "manifest",
            "dex",
            "providers that libraries bring, removed from the manifest",
            "bundle",
            "libraries",
            "core",
        ]
        assert (tmp_path / f"squeezebert-demo-{name}.apk").stat().st_size > 10_000_000, said
    with zipfile.ZipFile(tmp_path / "squeezebert-demo-onnx.apk") as apk:
        library = apk.read("lib/arm64-v8a/libonnxruntime.so")
    assert f"VERS_{properties()['onnxruntime.version']}".encode() in library
    assert b"ORT_DISABLE_TELEMETRY" in library, "the switch that the app sets is the one that the library reads"
