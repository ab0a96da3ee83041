"""The hub through its cache, against a server on the loopback interface; row 57 of the faults."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import Repository, serve
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars

from squeezebert_mobile.checkpoint import answers, hub
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import (
    EnvironmentFault,
    InputFileError,
    IntegrityError,
    SqueezeBertMobileError,
    UsageError,
)
from squeezebert_mobile.model import SqueezeBertForSequenceClassification

SMALL = SqueezeBertConfig(
    vocab_size=60,
    hidden_size=48,
    embedding_size=48,
    num_hidden_layers=1,
    num_attention_heads=12,
    intermediate_size=96,
    max_position_embeddings=24,
)
NAME = "owner/tiny"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    SqueezeBertForSequenceClassification(SMALL).save_pretrained(tmp_path / "model")
    files = {path.name: path.read_bytes() for path in sorted((tmp_path / "model").iterdir())}
    others = {"README.md": b"# Tiny\n", "onnx/model.onnx": b"\x08\x08", "pytorch_model.bin": b"not read"}
    return Repository(NAME, files | others | {"vocab.txt": b"[PAD]\n"})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, online; the library reads its switches once, at import."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    disable_progress_bars()
    return folder


def point_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does; the library reads it once, at import."""
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def online(repository: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    assert not cache.exists()
    with serve(repository) as endpoint:
        point_to(endpoint, monkeypatch)
        yield repository


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to cut the connection."""
    return lambda: point_to("http://127.0.0.1:9", monkeypatch)


def refused(error: type[SqueezeBertMobileError], code: int, *words: str, revision: str | None = None) -> None:
    with pytest.raises(error) as caught:
        hub.resolve(NAME, revision=revision)
    message = str(caught.value)
    assert caught.value.exit_code == code
    assert message.startswith(f"{NAME}: ")
    assert "; fix: " in message
    for word in words:
        assert word in message, message


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_what_is_needed(online: Repository) -> None:
    folder = hub.resolve(NAME)
    assert names(folder) == ["README.md", "config.json", "model.safetensors", "vocab.txt"]
    assert hub.commit_of(folder) == online.commit


def test_pickles_where_there_is_nothing_else(online: Repository) -> None:
    del online.files["model.safetensors"]
    assert names(hub.resolve(NAME)) == ["README.md", "config.json", "pytorch_model.bin", "vocab.txt"]


def test_shards(online: Repository) -> None:
    for name in (
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ):
        online.files[name] = b"x"
    del online.files["model.safetensors"]
    assert "pytorch_model.bin" not in names(hub.resolve(NAME))
    assert "model-00002-of-00002.safetensors" in names(hub.resolve(NAME))


def test_a_config_needs_no_weights(online: Repository) -> None:
    assert SqueezeBertConfig.from_pretrained(NAME).hidden_size == 48
    assert not [request for request in online.requests if "model.safetensors" in request]


@pytest.mark.parametrize("revision", [None, "main", "a" * 40])
def test_a_checkpoint_with_its_commit(online: Repository, revision: str | None) -> None:
    loaded = checkpoint.load(NAME, revision=revision)
    assert loaded.source.name == NAME
    assert loaded.source.revision == online.commit
    assert [file.path for file in loaded.source.files] == ["config.json", "model.safetensors"]


@pytest.mark.usefixtures("online")
def test_the_cache_is_used_without_a_connection(unreachable: Callable[[], None]) -> None:
    online_digest = checkpoint.load(NAME).source.digest
    model = SqueezeBertForSequenceClassification.from_pretrained(NAME)
    unreachable()
    assert checkpoint.load(NAME).source.digest == online_digest
    again = SqueezeBertForSequenceClassification.from_pretrained(NAME).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


def test_the_cache_is_used_offline(online: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checkpoint.load(NAME).source
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    online.requests.clear()
    assert checkpoint.load(NAME).source == first
    assert not online.requests


def test_a_commit_in_the_cache_asks_for_nothing(online: Repository) -> None:
    hub.resolve(NAME)
    online.requests.clear()
    hub.resolve(NAME, revision=online.commit)
    assert not online.requests


@pytest.mark.usefixtures("online")
def test_an_incomplete_cache_is_not_used(unreachable: Callable[[], None]) -> None:
    folder = hub.resolve(NAME)
    (folder / "model.safetensors").unlink()
    unreachable()
    refused(EnvironmentFault, 7, "neither a folder nor completely cached")


@pytest.mark.usefixtures("online")
def test_a_damaged_cache_is_not_used(unreachable: Callable[[], None]) -> None:
    folder = hub.resolve(NAME)
    blob = (folder / "model.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    unreachable()
    with pytest.raises(IntegrityError, match="digest mismatch with the hub") as caught:
        checkpoint.load(NAME)
    assert caught.value.exit_code == 4


def test_row_57_a_renamed_repository_is_named(online: Repository) -> None:
    online.moved_to = "other/name"
    refused(UsageError, 2, "was renamed on the hub (found other/name)", "name other/name")
    assert checkpoint.load(NAME, revision=online.commit).source.revision == online.commit


def test_row_57_no_such_repository(online: Repository) -> None:
    online.name = "owner/other"
    refused(UsageError, 2, "is neither a folder nor a hub repository that you can read", "hf auth login")


@pytest.mark.usefixtures("online")
def test_row_57_no_such_revision() -> None:
    refused(UsageError, 2, "has no such revision on the hub (found v9)", revision="v9")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, None, ("refused by the hub (HTTP 401)", "hf auth login")),
        (403, "GatedRepo", ("is a gated hub repository", "accept its conditions")),
        (429, None, ("too many requests (HTTP 429)", "wait some minutes")),
        (500, None, ("refused by the hub (HTTP 500)", "try again later")),
    ],
)
def test_row_57_the_hub_refuses(online: Repository, status: int, code: str | None, words: tuple[str, ...]) -> None:
    online.status, online.error_code = status, code
    refused(EnvironmentFault, 7, *words)


def test_row_57_private_repository(online: Repository) -> None:
    online.status, online.error_code = 401, "RepoNotFound"
    refused(UsageError, 2, "for a private repository run: hf auth login")


def test_row_57_the_page_of_a_proxy(online: Repository) -> None:
    online.page = b"<html>Please sign in to the hotel's network</html>"
    refused(EnvironmentFault, 7, "got an answer that is not the hub's", "check the proxy")


def test_row_57_the_page_of_a_proxy_in_place_of_a_file(online: Repository) -> None:
    online.file_page = b"<html>Please sign in to the hotel's network</html>"
    with pytest.raises(IntegrityError, match="digest mismatch with the hub"):
        checkpoint.load(NAME)
    with pytest.raises(IntegrityError, match="digest mismatch with the hub"):
        SqueezeBertConfig.from_pretrained(NAME)


def test_row_57_a_download_that_is_cut(online: Repository, cache: Path) -> None:
    online.cut = 100
    refused(EnvironmentFault, 7, "peer closed connection", "check the name and the network")
    assert not list(cache.rglob("model.safetensors"))


@pytest.mark.usefixtures("cache")
def test_row_57_no_network(unreachable: Callable[[], None]) -> None:
    unreachable()
    refused(EnvironmentFault, 7, "the hub cannot be reached", "check the name and the network")


@pytest.mark.usefixtures("online")
def test_offline_and_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(EnvironmentFault, 7, "HF_HUB_OFFLINE is set")


@pytest.mark.usefixtures("online")
def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.write_text("a file")
    refused(EnvironmentFault, 7, "cannot be stored: ", f"check the disk at {cache}")


# Whatever a server answers


def everything(folder: Path) -> list[Path]:
    """All but the cache and the model that the server sends."""
    return sorted(path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in ("cache", "model"))


@pytest.mark.parametrize("header", ["ETag", "X-Linked-ETag", "X-Repo-Commit"])
@pytest.mark.parametrize("value", ["{outside}/evil", "../../../../evil", "W/../../evil", "..", "x" * 40, "a" * 63, ""])
def test_no_header_names_a_file(online: Repository, tmp_path: Path, header: str, value: str) -> None:
    online.headers = {header: '"' + value.format(outside=tmp_path) + '"'}
    before = everything(tmp_path)
    refused(EnvironmentFault, 7, "got an answer that is not the hub's", "check the proxy and HF_ENDPOINT")
    assert everything(tmp_path) == before
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "evil" in path.name]


@pytest.mark.parametrize("key", ["oid", "sha"])
@pytest.mark.parametrize("value", ["{outside}/evil", "../../../../evil", "..", "a" * 41])
def test_no_listing_names_a_file(online: Repository, tmp_path: Path, key: str, value: str) -> None:
    setattr(online, key, value.format(outside=tmp_path))
    before = everything(tmp_path)
    refused(EnvironmentFault, 7, "got an answer that is not the hub's")
    assert everything(tmp_path) == before


def test_what_leads_out_of_the_cache_is_not_read(online: Repository, tmp_path: Path) -> None:
    folder = hub.resolve(NAME)
    (tmp_path / "secret").write_text("{}")
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(tmp_path / "secret")
    for revision in (None, online.commit):
        with pytest.raises(InputFileError, match=r"leads out of the hub's cache .*secret.*; fix: delete "):
            hub.resolve(NAME, revision=revision)


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 14, "9" * 30])
def test_no_length_is_believed(online: Repository, length: str) -> None:
    online.headers = {"X-Linked-Size": length}
    refused(EnvironmentFault, 7, "got an answer that is not the hub's")


def test_no_encoding_is_unpacked(online: Repository, cache: Path) -> None:
    online.file_page, online.headers = gzip.compress(bytes(10_000_000)), {"Content-Encoding": "gzip"}
    refused(EnvironmentFault, 7, "got an answer that is not the hub's")
    assert sum(path.stat().st_size for path in cache.rglob("*")) < 1_000_000


def test_a_file_without_end_is_given_up(online: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_JSON_BYTES", 20 << 20)
    online.endless = True
    refused(EnvironmentFault, 7, "got an answer that is not the hub's")
    assert not [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 1 << 20]


@pytest.mark.parametrize("fault", [{"stall": 300}, {"drip": True}, {"drip_headers": True}])
def test_a_slow_server_is_given_up(online: Repository, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]) -> None:
    """After a second here, for a minute: without the limit the first would take five minutes, the others many."""
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 1.0)
    for name, value in fault.items():
        setattr(online, name, value)
    refused(EnvironmentFault, 7, "the hub cannot be reached")


def test_a_slow_hub_does_not_keep_what_is_cached(online: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hub.resolve(NAME)
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.0)
    assert hub.resolve(NAME) == folder
    assert online.requests


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_download_ends_with_its_command(repository: Repository, tmp_path: Path, sent: signal.Signals) -> None:
    """While the server says nothing, and would not for minutes."""
    repository.stall = 300
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    with serve(repository) as endpoint:
        environment |= {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": endpoint}
        command = [sys.executable, "-m", "squeezebert_mobile", "info", NAME]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with child:
            try:
                while not any(request.startswith("GET /cdn/") for request in list(repository.requests)):
                    assert child.poll() is None
                    time.sleep(0.05)
                child.send_signal(sent)
                # The library would wait for 10 s.
                _, said = child.communicate(timeout=8)
            finally:
                child.kill()
    assert child.returncode == 128 + sent
    assert "Traceback" not in said


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        hub.resolve(tmp_path / "file")


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(name: str) -> None:
    with pytest.raises(UsageError, match=r"is empty; fix: name a folder"):
        hub.resolve(name)


def test_the_switches_of_the_environment(repository: Repository, tmp_path: Path) -> None:
    """In a process of its own, as a user has it: HF_ENDPOINT, HF_HOME, then HF_HUB_OFFLINE; telemetry is off."""
    code = f"from squeezebert_mobile.checkpoint import hub; print(hub.resolve({NAME!r}))"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def run(**switches: str) -> Path:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment | switches)
        return Path(done.stdout.strip())

    with serve(repository) as endpoint:
        online = run(HF_ENDPOINT=endpoint)
    assert online.is_relative_to(tmp_path / "home")
    assert (online / "model.safetensors").read_bytes() == repository.files["model.safetensors"]
    assert not [agent for agent in repository.agents if "torch" in agent]
    assert run(HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1") == online


@pytest.mark.parametrize(
    "name", ["nosuch", "./owner/tiny", "../up", "/owner/tiny", "owner/tiny/", "a/b/c", "a//b", "a b/c"]
)
def test_a_path_is_never_looked_up(online: Repository, name: str) -> None:
    with pytest.raises(InputFileError, match=r"is no such folder; fix: .*OWNER/NAME"):
        hub.resolve(name)
    assert not online.requests
