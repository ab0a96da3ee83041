"""What a repository asks of the library's modules: complete POMs, jars with sources and javadoc, an API that stays."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
from android_tools import DEMO, JVM, building, load, maven_properties, require

MODULES = {"core": "org.squeezebert", "bench": "org.squeezebert.bench", "engine-ort": "org.squeezebert.ort"}
PACKAGES = {
    "core": {"org/squeezebert", "org/squeezebert/internal"},
    "bench": {"org/squeezebert/internal/bench"},
    "engine-ort": {"org/squeezebert/internal/ort"},
}
API = DEMO / "core/src/main/java/org/squeezebert"


def artifact(module: str) -> str:
    return f"squeezebert-{module.removeprefix('engine-')}"


def stated(pom: Path) -> set[str]:
    """The elements of a POM that have something in them."""
    root = ET.parse(pom).getroot()
    return {element.tag.rpartition("}")[2] for element in root if (element.text or "").strip() or len(element)}


@pytest.mark.parametrize("module", MODULES)
def test_a_pom_has_what_a_repository_asks_for_but_for_the_address_that_the_project_has_not(module: str) -> None:
    inherited = {"licenses", "developers", "url", "scm"}
    found = stated(DEMO / module / "pom.xml") | inherited & stated(DEMO / "pom.xml")
    assert {"name", "description", *inherited} - found == {"url", "scm"}


@pytest.mark.parametrize("module", ["core", "engine-et"])
def test_gradle_publishes_under_the_name_and_version_that_maven_gives(module: str) -> None:
    script = (DEMO / module / "build.gradle").read_text(encoding="utf-8")
    named = dict(re.findall(r"^        (groupId|artifactId|version) = '(.+)'$", script, flags=re.MULTILINE))
    parent = ET.parse(DEMO / "pom.xml").getroot()
    group, version = (
        parent.findtext(f"{{http://maven.apache.org/POM/4.0.0}}{name}") for name in ("groupId", "version")
    )
    assert named == {"groupId": group, "artifactId": artifact(module), "version": version}


def test_an_app_brings_the_onnx_runtime_of_where_it_runs() -> None:
    library, consumer = ((DEMO / name / "pom.xml").read_text(encoding="utf-8") for name in ("engine-ort", "consumer"))
    assert "<scope>provided</scope>" in library
    wanted = f"<artifactId>onnxruntime</artifactId><version>{maven_properties()['onnxruntime.version']}</version>"
    assert wanted in consumer


def test_every_public_member_of_the_api_says_what_it_is_for() -> None:
    bare = []
    for path in API.glob("*.java"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.match(r" *public ", line) and not re.search(r"\*/$|@Override$", lines[number - 1]):
                bare.append(f"{path.name}:{number + 1}")
    assert bare == []


def test_no_public_method_takes_or_gives_what_is_internal() -> None:
    """Names of internal classes stand in imports and in what is private; a signature with one would make it public."""
    for path in API.glob("*.java"):
        source = path.read_text(encoding="utf-8")
        internal = set(re.findall(r"import org\.squeezebert\.internal\.(\w+);", source)) | {"org.squeezebert.internal"}
        for signature in re.findall(r"^ {0,8}public [^{;=]+\(.*", source, flags=re.MULTILINE):
            assert not any(re.search(rf"\b{re.escape(name)}\b", signature) for name in internal), (path.name, signature)


@pytest.fixture(scope="module")
def jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all jars of the modules as a release has them."""
    require(java=JVM["java"], mvn=JVM["mvn"])
    folder = tmp_path_factory.mktemp("jars")
    with building():
        for module in MODULES:
            for old in (DEMO / module / "target").glob("*.jar"):
                old.unlink()
        command = ["mvn", "-q", "-B", "-ntp", "-Prelease", "package", "-DskipTests", "-pl", ",".join(MODULES)]
        done = subprocess.run(command, cwd=DEMO, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-5000:]
        assert "warning" not in done.stdout
        for module in MODULES:
            for path in (DEMO / module / "target").glob("*.jar"):
                shutil.copy(path, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_a_jar_with_its_name_its_sources_and_its_javadoc(module: str, jars: Path) -> None:
    with zipfile.ZipFile(jars / f"{artifact(module)}-0.1.0.jar") as jar:
        names = jar.namelist()
        assert f"Automatic-Module-Name: {MODULES[module]}\r\n" in jar.read("META-INF/MANIFEST.MF").decode()
    assert ("META-INF/proguard/squeezebert-ort.pro" in names) == (module == "engine-ort")
    classes = [name for name in names if name.endswith(".class")]
    assert {name.rpartition("/")[0] for name in classes} == PACKAGES[module]
    with zipfile.ZipFile(jars / f"{artifact(module)}-0.1.0-sources.jar") as jar:
        sources = jar.namelist()
    assert {name.removesuffix(".class").partition("$")[0] + ".java" for name in classes} <= set(sources)
    with zipfile.ZipFile(jars / f"{artifact(module)}-0.1.0-javadoc.jar") as jar:
        pages = jar.namelist()
    assert "index.html" in pages
    if module == "core":
        assert "org/squeezebert/SqueezeBert.html" in pages
        assert not any(page.startswith("org/squeezebert/internal/") for page in pages)


@pytest.mark.slow
def test_an_app_built_on_the_kept_api_works_with_this_one(jars: Path) -> None:
    tool = load("api_changes")
    holds, report = tool.changes(tool.KEPT, jars / "squeezebert-core-0.1.0.jar")
    assert holds, report


@pytest.mark.slow
def test_an_api_that_lost_a_method_is_refused(jars: Path, tmp_path: Path) -> None:
    tool, inputs = load("api_changes"), load("apk_inputs")
    core = jars / "squeezebert-core-0.1.0.jar"
    source = (API / "Scored.java").read_text(encoding="utf-8")
    changed = source.replace("public double score()", "double score()")
    assert changed != source
    (tmp_path / "Scored.java").write_text(changed, encoding="utf-8")
    with zipfile.ZipFile(core) as jar:
        jar.extractall(tmp_path / "classes")
    paths = f"{core}:{inputs.maven(inputs.JSPECIFY)}"
    subprocess.run(["javac", "-cp", paths, "-d", tmp_path / "classes", tmp_path / "Scored.java"], check=True)
    lost = Path(shutil.make_archive(str(tmp_path / "lost"), "zip", tmp_path / "classes"))
    holds, report = tool.changes(tool.KEPT, lost.rename(lost.with_suffix(".jar")))
    assert not holds
    assert "Scored" in report and "score()" in report
