"""The paper's comparison in estimated cycles."""

from checkout import ROOT
from cycle_runs import ESTIMATE, RUN

from squeezebert_mobile.benchmarks import cycles, tables
from squeezebert_mobile.benchmarks.cycles import CyclesRun, paper_lines
from squeezebert_mobile.benchmarks.peers import PAPER, Peer
from squeezebert_mobile.benchmarks.published import BEST, FP32, SETTINGS


def run(**taken: int) -> CyclesRun:
    """Files of the paper's core with what they take; ``_`` stands for what separates the words of a name."""
    names = {
        "bert": "BERT-base, ONNX Runtime, fp32, plain",
        "bert_int8": "BERT-base, ONNX Runtime, int8, quantize_dynamic",
        "ours": "SqueezeBERT, ONNX Runtime, fp32, plain",
        "ours_int8": "SqueezeBERT, ONNX Runtime, int8, quantize_dynamic, unsigned",
        "ours_bundle": "SqueezeBERT, ONNX Runtime, int8-static, bundle",
        "ours_pte": "SqueezeBERT, ExecuTorch, int8, bundle",
        "ours_clipped": "SqueezeBERT, ONNX Runtime, int8-static, bundle, approximate gelu (clip)",
    }
    made = [
        ESTIMATE.model_copy(update={"cpu": cycles.PAPER_CORE, "name": names[key], "cycles": value})
        for key, value in taken.items()
    ]
    return RUN.model_copy(update={"estimates": tuple(made)})


def told(found: CyclesRun) -> list[tuple[str, str, float]]:
    return [(line.setting, line.estimate.name.split(", ", 1)[1], line.speedup) for line in paper_lines(found)]


def test_each_setting_has_its_own_files_and_the_best_is_the_fastest_of_all() -> None:
    found = run(bert=120, bert_int8=60, ours=40, ours_int8=50, ours_bundle=15, ours_pte=12, ours_clipped=1)
    assert told(found) == [
        (FP32, "ONNX Runtime, fp32, plain", 1.0),
        (FP32, "ONNX Runtime, fp32, plain", 3.0),
        ("int8, as users get it", "ONNX Runtime, int8, quantize_dynamic", 1.0),
        ("int8, as users get it", "ONNX Runtime, int8, quantize_dynamic, unsigned", 1.2),
        (BEST, "ONNX Runtime, int8, quantize_dynamic", 1.0),
        (BEST, "ExecuTorch, int8, bundle", 5.0),
    ]


def test_another_core_or_length_is_no_part_of_it() -> None:
    found = run(bert=120, ours=40)
    for change in ({"cpu": "cortex-a76"}, {"tokens": 20}):
        other = [each.model_copy(update={**change, "cycles": 1}) for each in found.estimates]
        assert told(found.model_copy(update={"estimates": (*found.estimates, *other)})) == told(found)


def test_without_bert_a_setting_has_no_ratio() -> None:
    assert told(run(ours=40)) == []


def test_the_kept_estimates_have_every_line() -> None:
    lines = paper_lines(cycles.read())
    assert [(line.setting, line.model) for line in lines] == [(setting, peer) for setting in SETTINGS for peer in PAPER]
    assert all(line.estimate.shares or "ExecuTorch" in line.estimate.name for line in lines)


def test_the_words_of_the_documents_are_those_lines() -> None:
    speedups = {(line.setting, line.model): tables.times(line.speedup) for line in paper_lines(cycles.read())}
    ours, mobile = ([speedups[setting, peer] for setting in SETTINGS] for peer in (Peer.SQUEEZEBERT, Peer.MOBILEBERT))
    words = " ".join((ROOT / "docs/measuring.md").read_text(encoding="utf-8").split())
    assert f"{ours[0]} BERT-base in fp32, {ours[1]} in int8 as users get it and {ours[2]} at best" in words
    assert f"MobileBERT at {mobile[0]}, {mobile[1]} and {mobile[2]}" in words
