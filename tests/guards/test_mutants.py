"""The list of `make mutation` can be read and names files that exist."""

import tomllib

from checkout import ROOT


def test_mutation_tests_name_code_and_tests_that_exist() -> None:
    config = tomllib.loads((ROOT / "tests/helpers/mutants.toml").read_text(encoding="utf-8"))
    mapped = ("benchmarks/", "export/")
    code = [path for module in config["modules"].values() for path in module["code"]]
    named = [path if path.startswith(mapped) else f"squeezebert_mobile/{path}" for path in code]
    named += [path for module in config["modules"].values() for path in module["tests"]]
    assert [path for path in named if not (ROOT / path).is_file()] == []
