"""What the repository must not hold: other hosts, paths of one machine, rows of data sets, large files."""

import re
from collections.abc import Iterator
from pathlib import Path

import checkout
import pytest
from checkout import ROOT

# Names of schemas and papers, documentation, and this machine. Packages come from wherever the user's tools are set to.
HOSTS = {
    "127.0.0.1",
    "arxiv.org",
    "example.com",
    "example.org",
    "git-lfs",  # how a pointer file begins
    "developer.android.com",
    "developer.apple.com",
    "git-lfs.github.com",
    "github.com",
    "huggingface.co",
    "json-schema.org",
    "localhost",
    "opencollective.com",  # in package-lock.json, who may be paid
    "onnxruntime.ai",
    "maven.apache.org",  # the XML name space of every pom.xml
    "schema.gradle.org",
    "schemas.android.com",
    "wccftech.com",  # where the chips' figures come from, as the next one
    "www.anandtech.com",
    "www.apache.org",  # the licence
    "www.w3.org",
}
URL = re.compile(r"\b(?:https?|git|ssh|ftp)://(?:[^\s/@\"']*@)?(\[[0-9a-f:]+]|[\w.-]*\w)")
INDEX = re.compile(
    r"--(?:extra-)?(?:index-url|find-links|trusted-host)\b"
    r"|\b(?:pypi|pythonhosted|npmjs|anaconda|debian)\.(?:org|com)\b|\brepo1?\.maven\b|\bdownload\.pytorch\b"
)
MACHINE = re.compile(r"(?<![\w.$}/-])/(?:work|root|home/\w+|Users/\w+|tmp/w)/")
GUARD = Path("tests/guards") / Path(__file__).name
MAX_BYTES = 8_000_000
DATA = ROOT.parent / "shared" / "data" / "sst2"
WORDS_IN_A_ROW = 8


def texts() -> Iterator[tuple[Path, str]]:
    for path in checkout.files():
        data = (ROOT / path).read_bytes()
        if b"\0" not in data and path != GUARD:
            yield path, data.decode("utf-8")


def test_only_known_hosts() -> None:
    foreign = [(str(path), host) for path, text in texts() for host in URL.findall(text) if host not in HOSTS]
    assert not foreign


def test_no_package_index() -> None:
    assert not [(str(path), found[0]) for path, text in texts() if (found := INDEX.search(text))]


def test_no_path_of_one_machine() -> None:
    assert not [(str(path), found[0]) for path, text in texts() if (found := MACHINE.search(text))]


def test_no_large_file() -> None:
    assert not [str(path) for path in checkout.files() if (ROOT / path).stat().st_size > MAX_BYTES]


def test_links_stay_inside() -> None:
    links = [path for path in checkout.files() if (ROOT / path).is_symlink()]
    assert all((ROOT / path).resolve().is_relative_to(ROOT) for path in links)


def runs_of_words(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return (tuple(words[i : i + WORDS_IN_A_ROW]) for i in range(len(words) - WORDS_IN_A_ROW + 1))


@pytest.mark.skipif(not DATA.is_dir(), reason="needs SST-2 in ../shared/data/sst2")
def test_no_row_of_sst2() -> None:
    rows = [line for name in ("train.tsv", "dev.tsv") for line in (DATA / name).read_text("utf-8").splitlines()[1:]]
    known = {words for row in rows for words in runs_of_words(row.split("\t")[0])}
    assert len(known) > 50_000
    copied = [(str(path), " ".join(words)) for path, text in texts() for words in runs_of_words(text) if words in known]
    assert not copied
