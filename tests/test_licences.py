"""The licence of a model: what SPDX and the hub know, and what a checkpoint's card says."""

from pathlib import Path

import pytest
import yaml

from squeezebert_mobile import licences
from squeezebert_mobile.bundle.card import card
from squeezebert_mobile.checkpoint.source import DEMO_MODEL
from squeezebert_mobile.errors import UsageError


@pytest.mark.parametrize(("given", "found"), [
    ("apache-2.0", "Apache-2.0"), ("MIT", "MIT"), ("mit or apache-2.0", "MIT OR Apache-2.0"), ("BSD", "bsd"),
    ("openrail++", "openrail++"), ("LicenseRef-Our-Terms", "LicenseRef-Our-Terms"), ("unknown", "unknown"),
])  # fmt: skip
def test_a_licence_is_written_as_its_list_writes_it(given: str, found: str) -> None:
    assert licences.known(given) == licences.require_known(given) == found


@pytest.mark.parametrize(
    "given", ["", "other", "apache", "MIT, BSD", "LicenseRef-", "MIT\nlicense: x", f"LicenseRef-{'a' * 245}"]
)
def test_what_is_on_no_list_is_refused_with_the_way_to_name_it(given: str) -> None:
    assert licences.known(given) is None
    with pytest.raises(UsageError, match=r"^--license: is not known .*; fix: .* LicenseRef-NAME$"):
        licences.require_known(given)


@pytest.mark.parametrize(("matter", "found"), [
    ("license: apache-2.0", "Apache-2.0"), ("language: en\nlicense: 'mit'  # ours", "MIT"), ('license: "bsd"', "bsd"),
    ("license: other\nlicense_name: our-terms", "LicenseRef-our-terms"), ("license: other", "unknown"),
    ("license_name: Our terms (v1.0)\nlicense: other", "LicenseRef-Our-terms-v1.0-"),
    ("license: made-up", "unknown"), ("license:\n- mit", "unknown"), ("base_license: mit", "unknown"), ("", "unknown"),
])  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_front_matter_of_a_card_says_it(matter: str, found: str, end: str, tmp_path: Path) -> None:
    text = f"---\n{matter}\n---\n\nlicense: gpl-3.0\n".replace("\n", end)
    (tmp_path / "README.md").write_bytes(text.encode())
    assert licences.declared(tmp_path) == found


def test_a_folder_without_a_card_and_a_card_without_an_end_say_nothing(tmp_path: Path) -> None:
    assert licences.declared(tmp_path) == "unknown"
    (tmp_path / "README.md").write_bytes(b"---\nlicense: mit\n" + b"\xff" * 100_000)
    assert licences.declared(tmp_path) == "unknown"
    (tmp_path / "README.md").write_text("---\n" + "a" * 100_000 + "\nlicense: mit\n---\n")
    assert licences.declared(tmp_path) == "unknown"


def test_the_demo_models_card_says_it() -> None:
    assert licences.declared(DEMO_MODEL) == "Apache-2.0"


@pytest.mark.parametrize(("licence", "expected"), [
    ("Apache-2.0", {"license": "apache-2.0"}), ("bsd", {"license": "bsd"}), ("unknown", {"license": "unknown"}),
    ("LicenseRef-1.0", {"license": "other", "license_name": "1.0"}),
    ("MIT OR Apache-2.0", {"license": "other", "license_name": "MIT OR Apache-2.0"}),
])  # fmt: skip
def test_the_card_of_a_bundle_says_it_as_the_hub_reads_it(licence: str, expected: dict[str, str]) -> None:
    from handmade_bundle import described

    text = card(described(license=licence))
    matter = yaml.safe_load(text.split("---\n")[1])
    assert {key: value for key, value in matter.items() if key.startswith("license")} == expected
    assert f"The licence of the model is {licence}." in text
