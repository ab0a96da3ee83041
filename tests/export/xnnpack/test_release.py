"""Which releases of ExecuTorch an export is made with: the others are refused before anything heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from packaging.specifiers import SpecifierSet

from squeezebert_mobile import extras
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.export.xnnpack import release

COMMAND = """
import sys
from squeezebert_mobile.cli import main
sys.argv = ["squeezebert-mobile", "export", "-o", "bundle"]
try:
    main()
finally:
    print(sorted({"torch", "executorch", "onnxruntime"} & set(sys.modules)))
"""


@pytest.mark.parametrize("version", ["1.3.1", "1.6.0", "1.50.0", "2.4.1"])
def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(release.importlib.metadata, "version", lambda _name: version)
    with pytest.raises(EnvironmentFault, match=rf"found {version}, expected 1\.4 to 1\.5"):
        release.require_release()


@pytest.mark.parametrize("version", ["1.4.0", "1.4.1", "1.5.0", "1.5.1", "1.5.2+cpu"])
def test_the_newest_release_and_the_one_before_can_lower(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(release.importlib.metadata, "version", lambda _name: version)
    release.require_release()


def test_the_command_refuses_it_before_torch_is_imported(tmp_path: Path) -> None:
    facts = tmp_path / "executorch-1.6.0.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: executorch\nVersion: 1.6.0\n")
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 7
    assert done.stderr.startswith("error: executorch: is not a release that this can lower with (found 1.6.0, ")
    assert done.stdout == "[]\n"


def test_what_is_installed_and_what_is_pinned_can_lower() -> None:
    asked = SpecifierSet({name: versions for name, versions, _ in extras._requirements()}["executorch"])
    for version in release.RELEASES:
        assert asked.contains(f"{version}.1")
    oldest, newest = (tuple(map(int, end.split("."))) for end in (release.RELEASES[0], release.RELEASES[-1]))
    for major, minor in ((oldest[0], oldest[1] - 1), (newest[0], newest[1] + 1)):
        assert not asked.contains(f"{major}.{minor}.0")
    (pin,) = (line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("executorch=="))
    assert pin.startswith(f"executorch=={release.RELEASES[-1]}.")
