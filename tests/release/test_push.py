"""`push`, against a hub on the loopback interface: the bundle as it is, private, and nothing of an earlier one."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import run
from handmade_bundle import described
from hub_server import Repository, serve
from huggingface_hub import ModelCard, constants
from huggingface_hub.utils import disable_progress_bars

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.card import card
from squeezebert_mobile.errors import EnvironmentFault, GateError, IntegrityError, UsageError
from squeezebert_mobile.release import push as library
from squeezebert_mobile.release.options import PushOptions
from squeezebert_mobile.release.push import push

NAME = "owner/tiny"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """An empty repository; the library reads its switches once, at import."""
    disable_progress_bars()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    found = Repository(NAME, {".gitattributes": b"*.onnx filter=lfs\n"})
    with serve(found) as endpoint:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        yield found


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the run of its artifacts, which the tests of `verify` are about."""
    monkeypatch.setattr(library, "verify", bundles.read)


@pytest.mark.usefixtures("unproven")
def test_a_bundle_arrives_whole_and_private_in_one_commit(
    tiny_onnx_bundle: Path, repository: Repository, tmp_path: Path
) -> None:
    done = push(PushOptions(tiny_onnx_bundle, NAME))
    assert done.commit == repository.commit
    assert next(body for path, body in repository.posted if path.endswith("/create"))["visibility"] == "private"
    assert len({path for path, _ in repository.posted if "/commit/" in path}) == 1
    del repository.files[".gitattributes"]
    for path, data in repository.files.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(data)
    assert bundles.read(tmp_path / "copy").digest == bundles.read(tiny_onnx_bundle).digest


@pytest.mark.usefixtures("unproven")
def test_what_a_download_adds_is_refused_with_the_call_that_removes_it(
    tiny_onnx_bundle: Path, repository: Repository, tmp_path: Path
) -> None:
    push(PushOptions(tiny_onnx_bundle, NAME))
    folder = tmp_path / "a copy"
    for path, data in {**repository.files, ".cache/huggingface/download/config.json.metadata": b"1"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    with pytest.raises(
        IntegrityError, match=r"is not listed in bundle\.json; fix: remove what the hub adds: rm -r "
    ) as no:
        bundles.read(folder)
    subprocess.run(no.value.fix.removeprefix("remove what the hub adds: "), shell=True, check=True)
    assert bundles.read(folder).digest == bundles.read(tiny_onnx_bundle).digest
    (folder / ".gitattributes").touch()
    (folder / ".cached").touch()
    with pytest.raises(IntegrityError, match=r"\.cached: is not listed in bundle\.json; fix: delete it"):
        bundles.read(folder)


@pytest.mark.usefixtures("unproven")
def test_files_of_an_earlier_bundle_go_and_other_repositories_are_left_alone(
    tiny_onnx_bundle: Path, repository: Repository
) -> None:
    repository.files |= {"bundle.json": b"{}", "onnx/old.onnx": b"old"}
    push(PushOptions(tiny_onnx_bundle, NAME, public=True))
    assert "onnx/old.onnx" not in repository.files
    assert ".gitattributes" in repository.files
    repository.files.clear()
    repository.files["model.safetensors"] = b"mine"
    with pytest.raises(UsageError, match=r"^owner/tiny: holds something else than a bundle \(found model\.safetensors"):
        push(PushOptions(tiny_onnx_bundle, NAME))
    assert repository.files == {"model.safetensors": b"mine"}


def test_a_bundle_that_does_not_verify_does_not_go(
    tiny_onnx_bundle: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(tiny_onnx_bundle, tmp_path / "copy"))
    (copy / "vocab.txt").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"vocab\.txt"):
        push(PushOptions(copy, NAME))

    def fails(_: Path) -> None:
        raise GateError("onnx/model.onnx", "differs", fix="export it again")

    monkeypatch.setattr(library, "verify", fails)
    with pytest.raises(GateError):
        push(PushOptions(tiny_onnx_bundle, NAME))
    assert not repository.posted


def test_a_dry_run_verifies_and_lists_what_would_go(tiny_onnx_bundle: Path) -> None:
    done = run("push", tiny_onnx_bundle, NAME, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    listed = {file["path"]: file["bytes"] for file in json.loads(done.stdout)["files"]}
    paths = [path for path in tiny_onnx_bundle.rglob("*") if path.is_file()]
    assert listed == {path.relative_to(tiny_onnx_bundle).as_posix(): path.stat().st_size for path in paths}


@pytest.mark.usefixtures("unproven")
def test_what_the_hub_cannot_have_and_what_it_refuses_is_one_line(
    tiny_onnx_bundle: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/b/c", "-x", "a b"):
        with pytest.raises(UsageError, match="is no name of a hub repository"):
            push(PushOptions(tiny_onnx_bundle, name, dry_run=True))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    repository.status = 403
    with pytest.raises(EnvironmentFault, match="may write there"):
        push(PushOptions(tiny_onnx_bundle, NAME))


def test_the_card_holds_what_the_hub_shows() -> None:
    data = ModelCard(card(described(license="Apache-2.0"))).data
    assert (data.license, data.pipeline_tag, data.library_name) == (
        "apache-2.0", "text-classification", "transformers.js"
    )  # fmt: skip
    (result,) = data.eval_results
    assert (result.task_type, result.dataset_name, result.metric_type, result.metric_value) == (
        "text-classification", "dev.tsv", "accuracy", 0.8
    )  # fmt: skip
