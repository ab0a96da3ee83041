"""``push_to_hub``, against a server on the loopback interface and beside transformers' own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import transformers
from hub_server import Repository, serve
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars

import squeezebert_mobile
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.errors import EnvironmentFault, SqueezeBertMobileError, UsageError
from squeezebert_mobile.model import SqueezeBertForSequenceClassification

NAME = "owner/tiny"
CLASSES = ("SqueezeBertConfig", "SqueezeBertModel", "SqueezeBertForSequenceClassification", "SqueezeBertTokenizer")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    SqueezeBertForSequenceClassification(tiny.CONFIG).save_pretrained(tmp_path / "model")
    tiny.tokenizer(tiny.CONFIG).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """An empty repository; the libraries read their switches once, at import."""
    disable_progress_bars()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)
    found = Repository(NAME, {})
    with serve(found) as endpoint:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield found


def asked(posted: list[tuple[str, dict[str, Any]]]) -> list[object]:
    """What a server was asked for: the paths, the new repository, the words of the commit and its files."""
    found: list[object] = []
    for path, body in posted:
        value = body.get("value", {})
        kept = {key: value.get(key) for key in ("summary", "description", "path") if key in value}
        found.append((path, body if path.endswith(("/create", "/main")) and "key" not in body else kept))
    return sorted((entry for entry in found if "preupload" not in str(entry[0])), key=str)  # type: ignore[index]


@pytest.mark.parametrize("options", [
    {}, {"private": True, "tags": ["squeezebert", "sst-2"]},
    {"commit_message": "Second try", "commit_description": "With a head.", "create_pr": True},
    {"revision": "try", "token": "hf_token", "private": False},
])  # fmt: skip
@pytest.mark.parametrize("name", CLASSES)
def test_a_push_asks_the_hub_for_what_transformers_does(
    name: str, options: dict[str, Any], folder: Path, repository: Repository
) -> None:
    asked_for, cards = [], []
    for lib in (squeezebert_mobile, transformers):
        repository.files.clear()
        repository.posted.clear()
        found = getattr(lib, name).from_pretrained(folder).push_to_hub(NAME, **options)
        assert found.oid == repository.commit
        asked_for.append(asked(repository.posted))
        cards.append(repository.files["README.md"].split(b"---")[1])
    ours, theirs = asked_for
    extra = {f"/api/models/{NAME}/commit/{options.get('revision', 'main')}"}
    missing = [entry for entry in theirs if entry not in ours]
    assert not missing
    # The files of a tokenizer are those of old as well.
    assert {entry[0] for entry in ours if entry not in theirs} <= extra  # type: ignore[index]
    assert json.dumps(cards[0].decode()) == json.dumps(cards[1].decode())


@pytest.mark.usefixtures("repository")
def test_what_was_pushed_is_what_is_read(folder: Path) -> None:
    model = SqueezeBertForSequenceClassification.from_pretrained(folder)
    model.push_to_hub(NAME)
    squeezebert_mobile.SqueezeBertTokenizer.from_pretrained(folder).push_to_hub(NAME)
    loaded = checkpoint.load(NAME)
    assert {name: tensor.tolist() for name, tensor in loaded.tensors.items()} == {
        name: tensor.tolist() for name, tensor in model.state_dict().items()
    }
    assert loaded.tokenizer().pieces == tiny.tokenizer(tiny.CONFIG).pieces
    assert transformers.SqueezeBertForSequenceClassification.from_pretrained(NAME).config.vocab_size == len(
        loaded.tokenizer()
    )


def test_a_card_that_is_there_is_kept_and_tagged(folder: Path, repository: Repository) -> None:
    repository.files["README.md"] = b"---\nlicense: bsd\ntags:\n- mine\n---\n\n# My own words\n"
    squeezebert_mobile.SqueezeBertConfig.from_pretrained(folder).push_to_hub(NAME, tags=["mine", "nli"])
    card = repository.files["README.md"].decode()
    assert "My own words" in card
    assert "license: bsd" in card
    assert card.count("- mine") == card.count("- nli") == 1


@pytest.mark.parametrize(("status", "code", "words"), [
    (401, 7, "hf auth login"), (403, 7, "may write there"), (500, 7, "HTTP 500"),
])  # fmt: skip
def test_what_the_hub_refuses_is_one_line(
    status: int, code: int, words: str, folder: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    repository.status = status
    refused(EnvironmentFault, code, words, folder)


def refused(error: type[SqueezeBertMobileError], code: int, words: str, folder: Path, **options: Any) -> None:
    model = squeezebert_mobile.SqueezeBertForSequenceClassification.from_pretrained(folder)
    with pytest.raises(error, match=words) as caught:
        model.push_to_hub(options.pop("repo_id", NAME), **options)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("repository")
def test_no_connection_and_no_permission_to_ask_are_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    refused(EnvironmentFault, 7, "check the network", folder)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(EnvironmentFault, 7, "unset HF_HUB_OFFLINE", folder)


@pytest.mark.parametrize(("options", "words"), [
    ({"repo_id": "a/b/c"}, "is no name of a hub repository"), ({"repo_id": "-- "}, "is no name of a hub repository"),
    ({"max_shard_size": "1KB"}, "which is written whole"), ({"max_shard_size": "big"}, "is no size"),
])  # fmt: skip
@pytest.mark.usefixtures("repository")
def test_what_cannot_be_pushed_is_refused(options: dict[str, Any], words: str, folder: Path) -> None:
    refused(UsageError, 2, words, folder, **options)
