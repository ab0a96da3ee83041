"""Who made a bundle: an OpenSSF model signature over all of its files, made and checked offline with a key pair.

The keys are PEM files of an elliptic curve. The signature lies in the bundle as ``model.sig``, the one file that
bundle.json does not list; `model_signing verify key` reads it as well. Digests show damage, only this shows a forgery.
"""

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from squeezebert_mobile import extras
from squeezebert_mobile.bundle.folder import MAX_SIGNATURE_BYTES, SIGNATURE_NAME, Bundle
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, IntegrityError
from squeezebert_mobile.files import require_plain

_KEY_FIX = "make one with: openssl ecparam -name prime256v1 -genkey -noout -out KEY, and its public half with: openssl ec -in KEY -pubout -out KEY.pub"  # noqa: E501


def sign(folder: Path, private_key: Path) -> None:
    """Write the signature of everything in ``folder`` into it.

    ``private_key`` is an unencrypted PEM file. Raises InputFileError for another, EnvironmentFault where the package
    is missing. ECDSA is randomised: two signatures of one bundle differ.
    """
    _signer(private_key).sign(folder, folder / SIGNATURE_NAME)


def require_private_key(path: Path) -> None:
    """Raise now what `sign` would raise after the work."""
    _signer(path)


def _signer(private_key: Path) -> Any:
    signer = _config("signing")
    with _key(private_key, "an unencrypted PEM private key"):
        return signer.use_elliptic_key_signer(private_key=private_key)


@contextmanager
def _key(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a key's reader raises into one line that names the file and what it should be."""
    if path.exists():
        require_plain(path, max_bytes=MAX_SIGNATURE_BYTES)
    try:
        yield
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror}", fix=_KEY_FIX) from None
    # TypeError: it is encrypted. AttributeError: it has no curve, as RSA.
    except (ValueError, TypeError, AttributeError):
        what, expected = f"is not {kind} of an elliptic curve", "P-256, P-384 or P-521"
        raise InputFileError(path, what, expected=expected, fix=_KEY_FIX) from None


def require_signed(bundle: Bundle, public_key: Path) -> None:
    """Raise IntegrityError unless the bundle bears a signature of that key over each of its files.

    Raises InputFileError where ``public_key`` is no PEM public key, EnvironmentFault where the package is missing.
    """
    verifier = _config("verifying")
    with _key(public_key, "a PEM public key"):
        verifier.use_elliptic_key_verifier(public_key=public_key)
    path = bundle.folder / SIGNATURE_NAME
    if not path.is_file():
        fix = "ask its maker for a signed bundle; export one with --sign-key"
        raise IntegrityError(path, "is missing: the bundle is not signed", fix=fix)
    try:
        require_plain(path, max_bytes=MAX_SIGNATURE_BYTES)
        data = path.read_bytes()
        # It prints warnings, and stdout belongs to the result.
        with TemporaryDirectory(prefix="squeezebert-mobile-") as private, redirect_stdout(sys.stderr):
            copy = Path(private) / SIGNATURE_NAME
            copy.write_bytes(data)
            verifier.verify(bundle.folder, copy)
        signed = _signed(data)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the parsers below it raise, it is not a valid signature
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        fix = "check that the key is its maker's; do not use the bundle otherwise"
        raise IntegrityError(path, f"is not a signature of this bundle by this key: {reason}", fix=fix) from None
    # What the library hashed may be others than those that were read and are used: only these digests bind both.
    used = {MANIFEST_NAME: bundle.digest} | {entry.path: entry.sha256 for entry in bundle.manifest.every_file()}
    if missing := [name for name, digest in used.items() if signed.get(name) != digest]:
        fix = "sign the bundle again; do not use it otherwise"
        raise IntegrityError(path, f"does not cover {min(missing)}", fix=fix)


def _signed(signature: bytes) -> dict[str, str]:
    """The files that a signature covers, with their SHA-256.

    It may itself name files to ignore, which the library then honours, and other algorithms.
    """
    statement = json.loads(base64.b64decode(json.loads(signature)["dsseEnvelope"]["payload"]))
    resources = statement["predicate"]["resources"]
    return {each["name"]: each["digest"] for each in resources if each["algorithm"] == "sha256"}


def _config(part: str) -> Any:
    """The library's configuration of ``part``, signing or verifying: every file but the signature, git's own too."""
    try:
        import model_signing
    except ImportError as error:
        fix = extras.install("model-signing", "cryptography", "pyopenssl")
        raise EnvironmentFault("model-signing", f"cannot be imported: {error}", fix=fix) from None
    library: Any = model_signing
    hashing = library.hashing.Config().set_ignored_paths(paths=[SIGNATURE_NAME], ignore_git_paths=False)
    return getattr(library, part).Config().set_hashing_config(hashing)
