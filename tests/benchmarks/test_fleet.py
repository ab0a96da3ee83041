"""Several phones in one report; the way to one phone is in test_phones.py."""

from dataclasses import replace
from pathlib import Path

from results import make_result

from squeezebert_mobile.benchmarks import page, tables
from squeezebert_mobile.benchmarks.adb import Adb
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult
from squeezebert_mobile.benchmarks.phones import _path, join
from squeezebert_mobile.benchmarks.results import Result


def phone(name: str, latency: int, **conditions: object) -> Result:
    made = make_result({"onnx fp32": [latency] * 3}, run_id=name, **conditions)
    environment = made.run.environment.model_copy(update={"device": name})
    return Result(made.run.model_copy(update={"environment": environment}), made.cases, made.samples, made.conditions)


def test_phones_stand_side_by_side() -> None:
    runs = [phone("Fast 1", 10_000_000), phone("Slow 2", 40_000_000, screen_on=False)]
    header, row = tables.side_by_side(runs)
    assert header == ("p50 ms", "Fast 1", "Slow 2")
    assert row[1:] == ("10.0", "40.0 (invalid)")
    kept = [BenchmarkResult(run, None, ()) for run in runs]
    shown = tables.text(kept, [tables.summarize_run(run) for run in kept])
    assert "invalid: screen off" in shown and "Fast 1" in shown.rpartition("\n\n")[2]
    assert page.page(runs).count("<section>") == 2


def test_only_what_runs_share_stands_side_by_side_each_form_by_itself() -> None:
    made = make_result({"a": [10_000_000] * 3, "b": [20_000_000] * 3, "c": [5_000_000] * 3})
    forms = ("quantize_dynamic", "quantize_dynamic, unsigned", "plain")
    cases = tuple(c.model_copy(update={"model": "BERT", "form": f}) for c, f in zip(made.cases, forms, strict=True))
    one = replace(made, cases=cases)
    two = replace(one, cases=cases[:2], samples=tuple(sample for sample in one.samples if sample.case != "c"))
    header, *rows = tables.side_by_side([one, two])
    assert header[1] == "test, 2026-01-01T00:00", "one machine's runs are told apart by their time"
    assert [row[1:] for row in rows] == [("10.0", "10.0"), ("20.0", "20.0")]
    assert tables.side_by_side([one]) == tables.side_by_side([phone("p", 10**7), one]) == []


def test_the_cases_of_a_phone_join_under_their_worst_conditions() -> None:
    cool = make_result({"a": [1]}, thermal_status=0, battery_percent=80, charging=False, screen_on=True)
    hot = make_result({"b": [2]}, thermal_status=2, battery_percent=79, charging=False, screen_on=True)
    joined = join([cool, hot])
    assert [case.name for case in joined.cases] == ["a", "b"]
    assert [(sample.case, sample.turn) for sample in joined.samples] == [("a", 0), ("b", 1)], "they shared no turn"
    assert (joined.conditions.thermal_status, joined.conditions.battery_percent) == (2, 79)
    assert joined.faults("a") == ("thermal status 2, moderate or worse",)


def test_each_phone_has_its_own_file() -> None:
    assert _path(Path("r/run.jsonl"), Adb("1.2.3.4:5555"), 2) == Path("r/run-1-2-3-4-5555.jsonl")
    assert _path(Path("run.jsonl"), Adb("x"), 1) == Path("run.jsonl")
