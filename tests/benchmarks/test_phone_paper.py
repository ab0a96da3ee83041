"""`reproduce` on a phone: what it is going to do; the way to the phone is in test_phones.py."""

from dataclasses import replace

import pytest
from results import make_result

from squeezebert_mobile.benchmarks import paper, phone_paper, published, tables
from squeezebert_mobile.benchmarks.adb import Adb
from squeezebert_mobile.benchmarks.options import ReproduceOptions
from squeezebert_mobile.benchmarks.paper import Reproduction
from squeezebert_mobile.benchmarks.peers import PAPER, Form, Peer
from squeezebert_mobile.benchmarks.phones import join
from squeezebert_mobile.benchmarks.published import SETTINGS
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.errors import EnvironmentFault

PARAMETERS = dict(zip(PAPER, (110_000_000, 25_000_000, 51_000_000), strict=True))


def seconds(**options: object) -> dict[str, float]:
    planned = phone_paper.planned(ReproduceOptions(device="adb:x", **options), PARAMETERS)  # type: ignore[arg-type]
    return {step.name: step.seconds for step in planned}


def test_it_says_beforehand_how_long_a_phone_takes() -> None:
    found = seconds(cool_down=30.0)
    assert [name for name in found if name.startswith("measure")] == [f"measure {setting}" for setting in SETTINGS]
    assert sum(name.startswith("export") for name in found) == 13
    # 100 runs of 1.7, 0.6 and 1.7 / 4.3 s with one more for each four, and three copies of 4 bytes a parameter.
    pushed = 3 * 4 * sum(PARAMETERS.values()) / 10e6
    assert found["measure fp32, as in the paper"] == pytest.approx(30 + pushed + 125 * (1.7 + 0.6 + 1.7 / 4.3))
    with_ours = seconds(cool_down=30.0, bundle=None)
    assert with_ours == found
    assert sum(seconds(quick=True, cool_down=0.0).values()) < sum(found.values())


def taken(model: Peer, form: Form, latency: int) -> Result:
    made = make_result({f"{model}, {form}": [latency] * 12})
    said = {"model": str(model), "form": str(form), "precision": form.precision}
    return replace(made, cases=(made.cases[0].model_copy(update=said),))


def together(*results: Result) -> Result:
    """One run of several cases in turns."""
    return replace(
        results[0],
        cases=tuple(case for result in results for case in result.cases),
        samples=tuple(sample for result in results for sample in result.samples),
    )


def reproduction() -> Reproduction:
    fp32 = together(taken(Peer.BERT_BASE, Form.PLAIN, 400), taken(Peer.SQUEEZEBERT, Form.PLAIN, 100))
    int8 = together(taken(Peer.BERT_BASE, Form.DYNAMIC, 200), taken(Peer.SQUEEZEBERT, Form.DYNAMIC, 80))
    joined = join([fp32, int8])
    return Reproduction((), published.paper_lines(joined), (), (), (), "", "as measured", joined)


def test_each_setting_is_compared_in_its_own_turns() -> None:
    found = reproduction()
    ratios = [line.speedup.value for line in found.lines if line.speedup is not None]
    assert ratios == [4.0, 2.5]
    (baseline,) = [case.name for case in found.result.cases if case.form == "plain" and case.model == "BERT-base"]
    rows = {row.case.name: row.speedup for row in tables.rows(found.result, baseline)}
    assert rows["SqueezeBERT, plain"] is not None
    assert rows["SqueezeBERT, quantize_dynamic"] is None, "which shared no turn with it"


def test_what_was_not_measured_on_the_phone_is_no_empty_table() -> None:
    found = reproduction()
    for write in (paper.text, paper.to_markdown, paper.to_page):
        said = write(found)
        assert "the paper's on a Pixel 3" in said or "the paper&#x27;s on a Pixel 3" in said
        assert "PyTorch eager" not in said and paper.ESTIMATES not in said
    assert paper.text(found) == paper.text(found).rstrip()


def test_several_phones_are_not_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_paper.phones, "connect", lambda _: [Adb("a"), Adb("b")])
    with pytest.raises(
        EnvironmentFault, match=r"adb:all: is several phones \(found a, b, expected one\); fix: name one"
    ):
        phone_paper.connect("adb:all")
