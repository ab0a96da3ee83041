"""The app's words: in resources alone, and whole in each language."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from android_tools import DEMO

MAIN = DEMO / "app/src/main"
NAME = "{http://schemas.android.com/apk/res/android}"
LANGUAGES = sorted(path.parent.name for path in (MAIN / "res").glob("values-*/strings.xml"))


def texts(folder: str) -> Iterator[tuple[str, str]]:
    """What is to be translated, each text by its name and, of several under one name, its quantity or place."""
    for element in ET.parse(MAIN / f"res/{folder}/strings.xml").getroot():
        if element.get("translatable") == "false":
            continue
        items = element.findall("item")
        for place, item in enumerate(items):
            yield f"{element.attrib['name']}.{item.get('quantity', place)}", item.text or ""
        if not items:
            yield element.attrib["name"], element.text or ""


def arguments(text: str) -> list[str]:
    """The format's arguments in their order, with how each is written."""
    return sorted(re.findall(r"%\d+\$[,.\d]*[a-z]|%%", text))


def test_there_is_a_second_language() -> None:
    assert LANGUAGES == ["values-de"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_text_with_the_same_arguments(language: str) -> None:
    english, other = dict(texts("values")), dict(texts(language))
    assert other.keys() == english.keys()
    assert {name: arguments(text) for name, text in other.items()} == {
        name: arguments(text) for name, text in english.items()
    }
    assert all(text.strip() for text in other.values())


def test_no_layout_has_words_of_its_own() -> None:
    found = []
    for layout in (MAIN / "res").glob("layout*/*.xml"):
        for element in ET.parse(layout).iter():
            for attribute in ("text", "hint", "contentDescription"):
                value = element.get(NAME + attribute, "")
                if re.search(r"[^\W\d]", value) and not value.startswith("@string/"):
                    found.append(f"{layout.name}: {value}")
    assert found == []


def test_every_text_is_shown_somewhere() -> None:
    sources = [*(MAIN / "res").glob("layout*/*.xml"), *MAIN.rglob("*.java"), MAIN / "AndroidManifest.xml"]
    used = set(re.findall(r"(?:@string/|R\.(?:string|plurals|array)\.)(\w+)", "".join(map(Path.read_text, sources))))
    defined = {element.attrib["name"] for element in ET.parse(MAIN / "res/values/strings.xml").getroot()}
    assert defined == used
