"""The lines that int8 is held to: the right cases meet, and what is missing or invalid gets no ratio."""

from dataclasses import replace

from results import make_result

from squeezebert_mobile.benchmarks.lab import int8_table
from squeezebert_mobile.benchmarks.results import Case, Result

BERT = "ONNX int8 against BERT-base fp32"


def result(*named: tuple[str, str, str, str, int], **conditions: object) -> Result:
    """One case for each (model, form, runtime, precision, milliseconds)."""
    made = make_result({str(n): [ms * 1_000_000] * 100 for n, (*_, ms) in enumerate(named)}, **conditions)
    cases: list[Case] = [
        case.model_copy(update={"model": model, "form": form, "runtime": runtime, "precision": precision})
        for case, (model, form, runtime, precision, _) in zip(made.cases, named, strict=True)
    ]
    return replace(made, cases=tuple(cases))


OURS = [
    ("SqueezeBERT exact", "bundle", "onnx", "int8", 12),
    ("SqueezeBERT exact", "bundle", "onnx", "int8-static", 11),
    ("SqueezeBERT approximate-gelu", "bundle", "onnx", "int8-static", 10),
    ("SqueezeBERT exact", "bundle", "onnx", "fp32", 30),
]


def by_name(found: Result) -> dict[str, int8_table.Figure]:
    return {figure.name: figure for figure in int8_table.figures(found)}


def test_a_line_takes_our_fastest_file_of_all_bundles() -> None:
    figure = by_name(result(*OURS, ("BERT-base", "plain", "onnx", "fp32", 80)))[BERT]
    assert figure.measured is not None and round(figure.measured.value, 6) == 8.0
    assert figure.verdict == "met"
    slower = by_name(result(*OURS, ("BERT-base", "plain", "onnx", "fp32", 60)))[BERT]
    assert slower.verdict == "missed"


def test_a_line_without_its_peer_is_not_measured() -> None:
    figure = by_name(result(*OURS, ("MobileBERT", "plain", "onnx", "fp32", 80)))[BERT]
    assert figure.measured is None and figure.verdict == "not measured"


def test_an_invalid_run_has_no_ratio() -> None:
    figure = by_name(result(*OURS, ("BERT-base", "plain", "onnx", "fp32", 80), other_load=2.0))[BERT]
    assert figure.measured is None and figure.verdict == "invalid"
    assert "invalid: other programs used 2.00 cores" in int8_table.markdown([figure])
