"""CI turns a skip into a failure unless its machine cannot have what the test needs."""

import pytest
from checkout import ROOT

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_phone():
    pytest.skip("needs a phone: ADB_SERIAL is not set")

@pytest.mark.skipif(True, reason="needs Node")
def test_node():
    pass

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest((ROOT / "tests/conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    return pytester


def test_ci_refuses_unlisted_skips(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*CI has to run what this test needs: needs Node*"])


def test_ci_refuses_a_skipped_module(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makepyfile(test_other="import pytest\npytest.importorskip('no_such_module', reason='needs Node')")
    monkeypatch.setenv("CI", "true")
    assert project.runpytest_inprocess("-k", "nothing").ret == pytest.ExitCode.INTERRUPTED


def test_elsewhere_a_skip_is_a_skip(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    project.runpytest_inprocess().assert_outcomes(skipped=2, xfailed=1)
