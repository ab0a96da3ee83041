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
    packages = [Package("numpy", module, "sums") for module in modules]
    found = list(doctor._group([*packages, Package("no-such-package", "none", "nothing", "sign")]))
    assert [check.works for check in found] == [False, False, True, False]
    assert "its process ends with -6" in found[0].advice and "--force-reinstall numpy" in found[0].advice
    assert "libx.so: no such file" in found[1].advice
    assert found[3] == Check("no-such-package", False, False, None, found[3].advice)
    assert "for nothing: make install" in found[3].advice
