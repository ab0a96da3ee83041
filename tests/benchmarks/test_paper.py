import pytest
from cycle_runs import ESTIMATE
from results import make_result

from squeezebert_mobile.benchmarks import cycles, paper, published
from squeezebert_mobile.benchmarks.paper import (
    STAGES,
    Chip,
    Cost,
    Estimate,
    Operation,
    Reproduction,
    bert_stages,
    chips,
    count,
    ideal_ms,
)
from squeezebert_mobile.benchmarks.peers import PAPER, Peer, PeerModel
from squeezebert_mobile.benchmarks.published import FP32, Line
from squeezebert_mobile.benchmarks.statistics import Ratio
from squeezebert_mobile.reports.drawing import Text

CHIP = Chip(
    name="c", core="c", ghz=1.0, fp32_ops_per_cycle=1, int8_ops_per_cycle=4, memory_gb_per_s=1.0, sources=("s",)
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("peer", "millions", "gflops"),
    [(Peer.BERT_BASE, 109.5, 22.35), (Peer.MOBILEBERT, 24.8, 5.39), (Peer.SQUEEZEBERT, 51.1, 7.40)],
)
def test_the_full_models_count_as_published(peer: Peer, millions: float, gflops: float) -> None:
    cost = count(PeerModel(peer), 128)
    assert cost.parameters / 1e6 == pytest.approx(millions, abs=0.05)
    assert cost.flops / 1e9 == pytest.approx(gflops, abs=0.005)


def test_a_small_model_counts_as_by_hand() -> None:
    w, c, layers = 16, 64, 2
    cost = count(PeerModel(Peer.BERT_BASE, layers=layers, hidden=c), w)
    fully_connected = layers * 2 * w * (4 * c * c + 2 * c * 4 * c)
    products = layers * 2 * 2 * w * w * c
    heads = 2 * c * c + 2 * c * 2
    assert cost.operations[-1].flops == products
    assert cost.flops == fully_connected + products + heads


def test_an_operation_takes_the_larger_of_compute_and_memory() -> None:
    computing = Cost(0, 0, (Operation("a", 8_000_000, 4, 0),))
    moving = Cost(0, 0, (Operation("a", 8, 4_000_000, 0),))
    assert ideal_ms(computing, CHIP, int8=False) == pytest.approx(8)
    assert ideal_ms(computing, CHIP, int8=True) == pytest.approx(2)
    assert ideal_ms(moving, CHIP, int8=False) == pytest.approx(4)
    assert ideal_ms(moving, CHIP, int8=True) == pytest.approx(1)


def test_the_chip_of_the_paper_has_no_dot_product() -> None:
    (pixel,) = (chip for chip in chips() if "Pixel 3" in chip.name)
    # As measured on it: one 128-bit multiply-add a cycle, and three instructions for 16 of int8.
    assert pixel.fp32_ops_per_cycle == 8
    assert pixel.int8_ops_per_cycle == pytest.approx(2 * 16 / 3, abs=0.05)


def test_the_stages_are_the_papers_and_make_a_whole() -> None:
    stages = bert_stages(16, runs=1, model=PeerModel(Peer.BERT_BASE, layers=2, hidden=64))
    assert tuple(stage.name for stage in stages) == STAGES
    assert sum(stage.share for stage in stages) == pytest.approx(1)


def line(value: float, *faults: str) -> Line:
    speedup = None if faults else Ratio(value, value - 0.1, value + 0.1)
    return Line("fp32, as in the paper", "SqueezeBERT", "fp32, plain", "c", 1.0, speedup, 0.4, faults)


def test_the_paragraph_follows_the_data() -> None:
    costs = {peer: Cost(0, flops, ()) for peer, flops in zip(PAPER, (302, 73, 100), strict=True)}
    assert "did not reproduce" in paper.paragraph(costs, (line(2.9),))
    assert "4.3x reproduced" in paper.paragraph(costs, (line(4.4),))
    invalid = paper.paragraph(costs, (line(4.4, "charging"),))
    assert "not valid" in invalid
    assert "4.40x" not in invalid


def on_core(name: str, cycles_taken: int) -> cycles.Estimate:
    return ESTIMATE.model_copy(update={"cpu": cycles.PAPER_CORE, "name": name, "cycles": cycles_taken})


CORE = (
    cycles.CoreLine(FP32, "BERT-base", on_core("BERT-base, ONNX Runtime, fp32, plain", 56_000_000), 1.0, 1.7),
    cycles.CoreLine(FP32, "SqueezeBERT", on_core("SqueezeBERT, ONNX Runtime, fp32, plain", 28_000_000), 2.0, 0.4),
)


def reproduction(*faults: str, value: float = 2.8) -> Reproduction:
    """One model in one setting, and an estimate from it."""
    made = make_result({"c": [10**6] * 12})
    estimate = Estimate("a chip", 100.0, 50.0, 0.5, is_valid=not faults)
    return Reproduction((), (line(value, *faults),), CORE, (), (("SqueezeBERT", estimate),), "", "", made)


def test_estimates_of_an_invalid_run_are_marked() -> None:
    for write in (paper.text, paper.to_markdown, paper.to_page):
        assert "from an invalid run" not in write(reproduction())
        assert "SqueezeBERT (from an invalid run)" in write(reproduction("charging"))


def test_the_papers_core_stands_beside_this_machine_and_says_where_its_cycles_go() -> None:
    for write in (paper.text, paper.to_markdown, paper.to_page):
        written = write(reproduction())
        assert "Cortex-A75, 2.8 GHz" in written
        # 28 million cycles at 2.8 GHz are 10 ms.
        assert "0.01" in written
        assert "QLinearConv 5%" in written
    assert "2.0x" in paper.text(reproduction())


def test_without_a_bundle_its_line_says_what_to_give() -> None:
    for write in (paper.text, paper.to_markdown, paper.to_page):
        assert "give a full-size bundle for this line" in write(reproduction())


def test_the_paper_stands_beside_what_was_measured() -> None:
    drawn = published.figure((line(2.9),))
    assert drawn is not None
    texts = [mark.text for mark in drawn.drawing.marks if isinstance(mark, Text)]
    assert texts == ["SqueezeBERT", "paper, Pixel 3, fp32", "4.3x", f"here, {FP32}", "2.90x"]
    assert published.figure((line(2.9, "charging"),)) is None
