"""Nothing that other packages print or warn reaches the terminal of who types a command."""

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import tiny
from command import run

from squeezebert_mobile.console import quiet
from squeezebert_mobile.tasks import Task

# The command with peers of one narrow layer, which take seconds.
SMALL_PEERS = """
import sys
from squeezebert_mobile.benchmarks.peers import PeerModel
PeerModel.__init__.__defaults__ = (None, 1, 16, *PeerModel.__init__.__defaults__[3:])
from squeezebert_mobile.cli import main
sys.argv = ["squeezebert-mobile", *sys.argv[1:]]
main()
"""
PEERS = ("--quick", "--quiet", "--tokens", "8")


def test_the_guard_ends_where_it_began(caplog: pytest.LogCaptureFixture) -> None:
    with quiet():
        warnings.warn("of a library", stacklevel=1)
        logging.getLogger("a.library").warning("of a library")
    assert not caplog.records
    logging.getLogger("a.library").warning("ours")
    assert [record.message for record in caplog.records] == ["ours"]
    with pytest.warns(UserWarning, match="ours"):
        warnings.warn("ours", stacklevel=1)


def test_an_error_of_a_library_is_not_held_back(caplog: pytest.LogCaptureFixture) -> None:
    with quiet():
        logging.getLogger("a.library").error("of a library")
    assert [record.message for record in caplog.records] == ["of a library"]


@pytest.mark.slow
def test_an_export_prints_nothing_of_the_exporters(tmp_path: Path) -> None:
    source = tiny.checkpoint(tmp_path / "checkpoint", Task.TEXT_CLASSIFICATION)
    options = ("--precision", "fp32,int8", "--license", "mit", "--quiet")
    done = run("export", "-m", source, "-o", tmp_path / "bundle", *options)
    assert (done.returncode, done.stderr) == (0, "")
    done = run("verify", tmp_path / "bundle")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("benchmark", "--peer", "bert-base", "--runtime", "executorch", *PEERS), ("reproduce", *PEERS)],
    ids=lambda arguments: arguments[0],
)
def test_the_exports_of_peers_print_nothing(arguments: tuple[str, ...], tmp_path: Path) -> None:
    environment = {"SQUEEZEBERT_MOBILE_CACHE": str(tmp_path), "PATH": "", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", SMALL_PEERS, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "peers").iterdir())
