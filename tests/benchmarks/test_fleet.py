"""Several phones in one report; the way to one phone is in test_devices.py."""

from pathlib import Path

from results import make_result

from squeezebert_mobile.benchmarks import fleet, report, table, text
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult
from squeezebert_mobile.benchmarks.samples import Result


def phone(name: str, latency: int, **conditions: object) -> Result:
    made = make_result({"onnx fp32": [latency] * 3}, run_id=name, **conditions)
    environment = made.run.environment.model_copy(update={"device": name})
    return Result(made.run.model_copy(update={"environment": environment}), made.cases, made.samples, made.conditions)


def test_phones_stand_side_by_side() -> None:
    runs = [phone("Fast 1", 10_000_000), phone("Slow 2", 40_000_000, charging=True)]
    header, row = table.side_by_side(runs)
    assert header == ("p50 ms", "Fast 1", "Slow 2")
    assert row[1:] == ("10.0", "40.0 (invalid)")
    shown = text.benchmark([BenchmarkResult(run, None, ()) for run in runs])
    assert "invalid: charging" in shown and "Fast 1" in shown.splitlines()[-2]
    assert report.page("t", runs).count("<section>") == 2


def test_the_cases_of_a_phone_join_under_their_worst_conditions() -> None:
    cool = make_result({"a": [1]}, thermal_status=0, battery_percent=80, charging=False, screen_on=True)
    hot = make_result({"b": [2]}, thermal_status=2, battery_percent=79, charging=False, screen_on=True)
    joined = fleet.join([cool, hot])
    assert [case.name for case in joined.cases] == ["a", "b"] and len(joined.samples) == 2
    assert (joined.conditions.thermal_status, joined.conditions.battery_percent) == (2, 79)
    assert joined.faults("a") == ("thermal status 2, moderate or worse",)


def test_each_phone_has_its_own_file() -> None:
    from squeezebert_mobile.benchmarks.adb import Adb

    assert fleet._path(Path("r/run.jsonl"), Adb("1.2.3.4:5555"), 2) == Path("r/run-1-2-3-4-5555.jsonl")
    assert fleet._path(Path("run.jsonl"), Adb("x"), 1) == Path("run.jsonl")
