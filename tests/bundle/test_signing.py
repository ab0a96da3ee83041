"""A signature holds for one bundle and one key; every other case is exit code 4, never 0."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import assert_error, run
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from handmade_bundle import CONTENT, described, files_of

from squeezebert_mobile.bundle import archive, signing
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, IntegrityError

PEM = serialization.Encoding.PEM


def write_keys(folder: Path, name: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> tuple[Path, Path]:
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "key", ec.generate_private_key(ec.SECP256R1()))


def write_bundle(target: Path, private_key: Path | None, **changes: object) -> Path:
    with bundles.staged(target, force=True) as stage:
        bundles.fill(stage, CONTENT, described(**changes))
        if private_key is not None:
            signing.sign(stage, private_key)
    return target


@pytest.fixture
def folder(tmp_path: Path, keys: tuple[Path, Path]) -> Path:
    return write_bundle(tmp_path / "bundle", keys[0])


def test_a_signature_holds_wherever_the_bundle_lies(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    signing.require_signed(bundles.read(folder), keys[1])
    signing.require_signed(bundles.read(folder.rename(tmp_path / "renamed")), keys[1])
    archive.pack(tmp_path / "renamed", tmp_path / "bundle.zip")
    with archive.opened(tmp_path / "bundle.zip") as bundle:
        signing.require_signed(bundle, keys[1])


def test_model_signing_reads_the_signature_itself(folder: Path, keys: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder), "--signature"]
    done = subprocess.run([*command, str(folder / "model.sig"), "--public_key", str(keys[1])], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_signature_changes_no_other_file(folder: Path, tmp_path: Path) -> None:
    unsigned = write_bundle(tmp_path / "unsigned", None)
    signed = files_of(folder)
    del signed["model.sig"]
    assert signed == files_of(unsigned)
    assert bundles.read(folder).digest == bundles.read(unsigned).digest


def spoil(folder: Path, kind: str, keys: tuple[Path, Path]) -> None:
    path = folder / "model.sig"
    other = folder.parent / "other"
    match kind:
        case "none":
            path.unlink()
        case "of another bundle":
            write_bundle(other, keys[0], labels=("no", "yes"))
            shutil.copy(other / "model.sig", path)
        case "by another key":
            write_bundle(other, write_keys(folder.parent, "thief", ec.generate_private_key(ec.SECP256R1()))[0])
            shutil.copy(other / "model.sig", path)
        case "one bit":
            values = json.loads(path.read_text())
            signature = values["dsseEnvelope"]["signatures"][0]
            raw = bytearray(base64.b64decode(signature["sig"]))
            raw[20] ^= 1
            signature["sig"] = base64.b64encode(raw).decode()
            path.write_text(json.dumps(values))
        case "payload":
            values = json.loads(path.read_text())
            payload = base64.b64decode(values["dsseEnvelope"]["payload"]).replace(b"vocab.txt", b"vocal.txt")
            values["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
            path.write_text(json.dumps(values))
        case "no signatures":
            values = json.loads(path.read_text())
            values["dsseEnvelope"]["signatures"] = []
            path.write_text(json.dumps(values))
        case "certificate":
            values = json.loads(path.read_text())
            values["verificationMaterial"] = {"certificate": {"rawBytes": "AAAA"}}
            path.write_text(json.dumps(values))
        case "covers too little":
            import model_signing

            hashing = model_signing.hashing.Config().set_ignored_paths(paths=["model.sig", "bundle.json"])
            signer = model_signing.signing.Config().set_hashing_config(hashing)
            signer.use_elliptic_key_signer(private_key=keys[0]).sign(folder, path)
        case "empty":
            path.write_text("")
        case "not JSON":
            path.write_text("-----BEGIN SIGNATURE-----")
        case "deep":
            path.write_text("[" * 100_000)


KINDS = (
    "none", "of another bundle", "by another key", "one bit", "payload", "no signatures", "certificate",
    "covers too little", "empty", "not JSON", "deep",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_failed_verification_is_an_integrity_error(folder: Path, keys: tuple[Path, Path], kind: str) -> None:
    spoil(folder, kind, keys)
    with pytest.raises(IntegrityError, match=r"model\.sig: .*; fix: "):
        signing.require_signed(bundles.read(folder), keys[1])


def test_a_pipe_in_the_place_of_a_signature_is_not_waited_for(folder: Path, keys: tuple[Path, Path]) -> None:
    read = bundles.read(folder)
    (folder / "model.sig").unlink()
    os.mkfifo(folder / "model.sig")
    with pytest.raises(IntegrityError, match=r"model\.sig: is missing"):
        signing.require_signed(read, keys[1])


def test_what_was_read_before_the_signed_files_came_is_not_signed(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = bundles.read(write_bundle(tmp_path / "forged", None, labels=("no", "yes")))
    signing.require_signed(bundles.read(folder), keys[1])
    forged = bundles.Bundle(folder, other.manifest)
    with pytest.raises(IntegrityError, match=r"model\.sig: does not cover bundle\.json"):
        signing.require_signed(forged, keys[1])


@pytest.mark.parametrize("kind", ["none", "of another bundle", "by another key", "one bit"])
def test_the_command_exits_with_4(folder: Path, keys: tuple[Path, Path], kind: str) -> None:
    spoil(folder, kind, keys)
    assert_error(run("verify", folder, "--no-run", "--public-key", keys[1]), 4, "model.sig")


def test_a_changed_file_fails_before_the_signature(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / "vocab.txt").write_bytes(b"[UNK]\n")
    assert_error(run("verify", folder, "--no-run", "--public-key", keys[1]), 4, "vocab.txt")


def test_a_key_that_is_none_is_a_bad_input_file(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    (tmp_path / "text").write_text("not a key")
    locked = tmp_path / "locked.pem"
    secret = serialization.BestAvailableEncryption(b"secret")
    key = ec.generate_private_key(ec.SECP256R1())
    locked.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, secret))
    os.mkfifo(tmp_path / "pipe")  # which whoever opens it waits for
    with (tmp_path / "large").open("wb") as large:
        large.truncate(20 << 30)
    koblitz = write_keys(tmp_path, "koblitz", ec.generate_private_key(ec.SECP256K1()))
    for path in (
        private,
        *(tmp_path / name for name in ("text", "missing", "pipe", "large")),
        locked,
        keys[1],
        koblitz[0],
    ):
        with pytest.raises(InputFileError, match=path.name):
            signing.require_private_key(path)
    for path in (public, *(tmp_path / name for name in ("text", "missing", "pipe", "large")), keys[0], koblitz[1]):
        with pytest.raises(InputFileError, match=path.name):
            signing.require_signed(bundles.read(folder), path)


@pytest.mark.parametrize("kind", ["missing", "pipe", "device", "folder"])
@pytest.mark.parametrize("is_signed", [True, False])
def test_verify_names_a_public_key_that_is_no_file_and_waits_for_none(
    folder: Path, tmp_path: Path, kind: str, is_signed: bool
) -> None:
    key = Path("/dev/zero") if kind == "device" else tmp_path / f"{kind}.pub"
    if kind == "pipe":
        os.mkfifo(key)
    if kind == "folder":
        key.mkdir()
    if not is_signed:
        (folder / "model.sig").unlink()
    assert_error(run("verify", folder, "--no-run", "--public-key", key), 3, f"error: {key}: ")


def test_without_the_extra_the_package_is_named(
    folder: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(EnvironmentFault, match=r"model-signing: cannot be imported: .*pip install 'model-signing>="):
        signing.require_signed(bundles.read(folder), keys[1])
