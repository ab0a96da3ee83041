"""Digests of bytes and files, and bytes that are handed out only with the right one."""

import hashlib
from pathlib import Path

import pytest

from squeezebert_mobile import digest
from squeezebert_mobile.errors import IntegrityError

DATA = b"some bytes"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(DATA)
    return tmp_path / "file"


def test_a_file_has_the_digest_of_its_bytes(path: Path) -> None:
    assert digest.sha256(DATA) == digest.sha256_file(path) == hashlib.sha256(DATA).hexdigest()


def test_verified_bytes_are_handed_out_and_others_refused_by_file(path: Path) -> None:
    assert digest.read_verified(path, digest.sha256(DATA)) == DATA
    with pytest.raises(IntegrityError) as caught:
        digest.read_verified(path, digest.sha256(b"other bytes"))
    assert (caught.value.file, caught.value.found) == (str(path), digest.sha256(DATA))
    assert caught.value.expected == digest.sha256(b"other bytes")
