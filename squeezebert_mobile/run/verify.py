"""Does a bundle still hold what its manifest says, and does it still answer as the reference did?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from squeezebert_mobile.bundle import archive, golden, signing
from squeezebert_mobile.bundle.folder import SIGNATURE_NAME, Bundle
from squeezebert_mobile.bundle.golden import GOLDEN_NAME, GoldenCase
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import GateError
from squeezebert_mobile.run.options import VerifyOptions
from squeezebert_mobile.run.session import Session

Signature = Literal["holds", "not checked", "none"]


@dataclass(frozen=True)
class ArtifactCheck:
    """An artifact's largest difference from the golden outputs, and the difference that is allowed."""

    path: str
    runtime: str
    precision: str
    cases: int
    max_abs: float
    allowed: float


@dataclass(frozen=True)
class Verification:
    """A bundle whose digests all hold, whether its signature was checked, and what each artifact answered."""

    folder: str
    digest: str
    files: int
    signature: Signature
    artifacts: tuple[ArtifactCheck, ...]


def verify(source: Path, *, run: bool = VerifyOptions.run, public_key: Path | None = None) -> Verification:
    """Compare every digest, the tokenizer's ids and, with ``run``, every artifact's answers with golden.json.

    ``source`` is a bundle's folder or archive. With ``public_key``, the bundle must be signed by that key's owner,
    which is checked before anything is run. Raises as `archive.opened` and `signing.require_signed`; GateError where
    ids differ, or answers by more than `Artifact.allowed_differences`.
    """
    with archive.opened(source) as bundle:
        if public_key is not None:
            signing.require_signed(bundle, public_key)
        unchecked: Signature = "not checked" if (bundle.folder / SIGNATURE_NAME).exists() else "none"
        golden_path = bundle.folder / GOLDEN_NAME
        cases = golden.parse(golden_path.read_bytes(), str(golden_path))
        _check_ids(bundle, cases)
        checks = tuple(_check(bundle, artifact, cases) for artifact in bundle.manifest.artifacts) if run else ()
        files = 1 + len(bundle.manifest.files) + len(bundle.manifest.artifacts)
        return Verification(str(source), bundle.digest, files, "holds" if public_key else unchecked, checks)


def _check_ids(bundle: Bundle, cases: tuple[GoldenCase, ...]) -> None:
    tokenizer = bundle.tokenizer()
    for case in cases:
        if not case.texts:
            continue
        first, *rest = case.texts
        texts, pairs = ([first] * max(len(rest), 1), rest or None)
        rows = tokenizer.rows(texts, pairs, max_length=case.max_length, padding="longest", padding_side="right")
        if tuple(tuple(map(int, row)) for row in rows.input_ids) != case.input_ids:
            what = f"the tokenizer gives other ids for the golden text {case.name!r}"
            raise GateError(bundle.folder, what, fix="install the version of tokenizers that the package pins")


def _check(bundle: Bundle, artifact: Artifact, cases: tuple[GoldenCase, ...]) -> ArtifactCheck:
    file, rank, allowed = bundle.folder / artifact.path, bundle.manifest.task.rank, artifact.allowed_differences()
    fix = "run squeezebert-mobile doctor; if the runtime is a newer one, export again with it"
    with Session(bundle.folder, artifact) as session:
        worst = golden.check(cases, session.run, rank=rank, allowed=allowed, file=file, fix=fix)
    return ArtifactCheck(artifact.path, artifact.runtime, artifact.precision, len(cases), worst, max(allowed.values()))
