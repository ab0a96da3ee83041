"""The line of an error, whatever a file made of it."""

from squeezebert_mobile.errors import InputFileError


def test_no_text_of_a_file_makes_a_long_line() -> None:
    name = "a" * 1_000_000
    error = InputFileError(name, f"holds {name}", found=name, expected=[name], fix=f"pass {name}")
    assert len(str(error)) < 25_000
    assert "holds aaa" in str(error) and "; fix: pass aaa" in str(error)
    assert str(InputFileError("b" * 4096, "is bad", fix="try")).startswith("b" * 4096 + ": is bad")
