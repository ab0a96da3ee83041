"""What `doctor` finds wrong with a package, and that one such package hides none of the others."""

from pathlib import Path

import pytest

from squeezebert_mobile import doctor
from squeezebert_mobile.doctor import Check, Package


def test_a_package_that_dies_or_fails_at_import_is_named_and_the_next_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dies.py").write_text("print('not JSON'); import os; os.abort()")
    (tmp_path / "fails.py").write_text("raise OSError('libx.so: no such file')")
    (tmp_path / "prints.py").write_text("import os; os.write(1, b'{}'); print('x')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    modules = ("dies", "fails", "prints")
    packages = [Package("numpy", "sums", module=module) for module in modules]
    found = list(doctor._group([*packages, Package("no-such-package", "nothing", "sign")]))
    assert [check.works for check in found] == [False, False, True, False]
    assert "its process ends with -6" in found[0].advice and "--force-reinstall numpy" in found[0].advice
    assert "libx.so: no such file" in found[1].advice
    assert found[3] == Check("no-such-package", False, False, None, found[3].advice)
    assert "for nothing: make install" in found[3].advice


def _distribution(folder: Path, name: str, requires: str) -> None:
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requires}\n"
    )
    (metadata / "RECORD").write_text(f"{name}.py,,\n{name}.pyc,,\n")
    (folder / f"{name}.py").write_text("")


@pytest.mark.parametrize(
    ("requires", "fault"),
    [
        ("numpy>=1", ""),
        ("numpy>=99; extra == 'old'", ""),
        ("numpy>=99", "found numpy"),
        ("nothing-like-it", "found nothing-like-it missing, expected any"),
    ],
)
def test_a_package_that_is_not_imported_has_its_requirements_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requires: str, fault: str
) -> None:
    _distribution(tmp_path, "slow", requires)
    monkeypatch.syspath_prepend(tmp_path)
    check = doctor._package(Package("slow", "tests"))
    assert check.works is (not fault)
    assert fault in check.advice


def test_a_package_that_lost_a_file_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _distribution(tmp_path, "slow", "numpy")
    (tmp_path / "slow.py").unlink()
    monkeypatch.syspath_prepend(tmp_path)
    check = doctor._package(Package("slow", "tests"))
    assert not check.works
    assert "slow.py is missing" in check.advice
