"""Does a bundle still hold what its manifest says, and does it still answer as the reference did?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from squeezebert_mobile import batch as batches
from squeezebert_mobile.bundle import archive, golden, runtimes, signing
from squeezebert_mobile.bundle.folder import SIGNATURE_NAME, Bundle
from squeezebert_mobile.bundle.golden import GOLDEN_NAME, MAX_GOLDEN_BYTES, GoldenCase
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.config import CONFIG_NAME
from squeezebert_mobile.errors import GateError, IntegrityError, UsageError
from squeezebert_mobile.run.options import VerifyOptions
from squeezebert_mobile.run.session import Session

Signature = Literal["valid", "not checked"]


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
    """A bundle that is sound: its signature, None where it has none, and what each artifact answered.

    ``warnings`` are what upstream knows to be wrong with the runtimes that answered.
    What is not sound raises, so that ``ok`` is true wherever there is a result.
    """

    folder: str
    digest: str
    files: int
    signature: Signature | None
    artifacts: tuple[ArtifactCheck, ...]
    ok: Literal[True] = True
    warnings: tuple[str, ...] = ()


def verify(source: Path, *, run: bool = VerifyOptions.run, public_key: Path | None = None) -> Verification:
    """Compare every digest, the tokenizer's ids and, with ``run``, every artifact's answers with golden.json.

    ``source`` is a bundle's folder or archive. With ``public_key``, the bundle must be signed by that key's owner,
    which is checked before anything is run. Raises as `archive.opened`, `signing.require_signed`, `Bundle.config` and
    `golden.of_bundle`; GateError where ids differ, or answers by more than `golden.allowed_differences`.
    """
    with archive.opened(source) as bundle:
        if public_key is not None:
            signing.require_signed(bundle, public_key)
        unchecked: Signature | None = "not checked" if (bundle.folder / SIGNATURE_NAME).exists() else None
        data = bundle.read(GOLDEN_NAME, max_bytes=MAX_GOLDEN_BYTES)
        cases = golden.of_bundle(data, bundle.folder / GOLDEN_NAME, bundle.manifest)
        _check_inputs(bundle, cases)
        _check_ids(bundle, cases)
        checks = tuple(_check(bundle, artifact, cases) for artifact in bundle.manifest.artifacts) if run else ()
        files = 1 + len(bundle.manifest.every_file())
        signature = "valid" if public_key else unchecked
        warnings = runtimes.warnings(dict.fromkeys(a.runtime for a in bundle.manifest.artifacts)) if run else ()
        return Verification(str(source), bundle.digest, files, signature, checks, warnings=warnings)


def _check_inputs(bundle: Bundle, cases: tuple[GoldenCase, ...]) -> None:
    """Raise IntegrityError for a case that the model cannot take."""
    config, path = bundle.config(), bundle.folder / GOLDEN_NAME
    for case in cases:
        try:
            batches.check(
                case.batch(bundle.manifest.task.rank),
                rank=bundle.manifest.task.rank,
                vocab_size=config.vocab_size,
                type_vocab_size=config.type_vocab_size,
                max_length=case.max_length,
            )
        except UsageError as error:
            what = f"does not fit {CONFIG_NAME}: {error.file} {error.what}"
            fix = "export the bundle again"
            raise IntegrityError(path, what, found=error.found, expected=error.expected, fix=fix) from None


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
    file, rank = bundle.folder / artifact.path, bundle.manifest.task.rank
    allowed = golden.allowed_differences(artifact, cases)
    fix = "run squeezebert-mobile doctor; if the runtime is a newer one, export again with it"
    with Session(bundle.folder, artifact) as session:
        worst = golden.check(cases, session.run, rank=rank, allowed=allowed, file=file, fix=fix)
    return ArtifactCheck(artifact.path, artifact.runtime, artifact.precision, len(cases), worst, max(allowed.values()))
