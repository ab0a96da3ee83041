"""Every figure in nanoseconds, from the clock of the process that took it to the table that shows it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import ROOT
from clock import Clock
from results import make_result

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.benchmarks import environment, results, tables, worker
from squeezebert_mobile.benchmarks.candidates import Candidate, PlainFile
from squeezebert_mobile.benchmarks.children import Item, Loaded, MeasuringProcess, Timing
from squeezebert_mobile.benchmarks.options import BenchmarkOptions
from squeezebert_mobile.benchmarks.page import page
from squeezebert_mobile.benchmarks.phones import _Measured, _result, targets
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.results import Cold, Pace, Result
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.run.child import Answer, Arrays
from squeezebert_mobile.run.predict import Sample
from squeezebert_mobile.tokenizer.tokenizer import Encoded, SqueezeBertTokenizerFast

BUNDLE = ROOT / "tests/data/bundle_v1"


def encoded(width: int) -> Encoded:
    """One row of tokens of which only their number matters."""
    ones = np.ones((1, width), np.int64)
    one = np.ones(1, np.int64)
    return Encoded(ones, ones, ones, np.ones((1, width, 2), np.int64), ones, ones, one > 1, one, one)


def ids(width: int) -> Batch:
    ones = np.ones((1, width), np.int64)
    return Batch(ones, ones, ones)


class Engine:
    """Takes 4000 ns to load and 100 ns a token to run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        clock.work(4000)

    def run(self, batch: Batch) -> dict[str, Float32]:
        self._clock.work(100 * batch.input_ids.shape[1])
        return {"logits": np.zeros((1, 2), np.float32)}


class Process(MeasuringProcess):
    """The parent's end of a measuring process, and the child's in this same one, so that both share a clock."""

    def __init__(self) -> None:
        self._threads, self._labels = 1, {}
        self._worker = worker.Worker()

    def ask(self, _file: object, name: str, arguments: Mapping[str, Any], arrays: Arrays | None = None) -> Answer:
        value, outputs = getattr(self._worker, name)(arrays or {}, **json.loads(json.dumps(arguments)))
        return json.loads(json.dumps(value)), outputs


@pytest.fixture
def candidate(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Candidate:
    """A file whose text takes 300 ns to become eight tokens, and whose logits take 700 to become scores."""

    class Tokenizer:
        def rows(self, text: str, _pair: str | None, *, max_length: int) -> Encoded:
            clock.work(300)
            return encoded(min(len(text), max_length))

    def rank(_scores: object, _labels: Sequence[str]) -> None:
        clock.work(700)

    (tmp_path / "x.onnx").write_bytes(b"file")
    monkeypatch.setattr(worker, "OnnxEngine", lambda _data, _threads: Engine(clock))
    monkeypatch.setattr(worker, "_import_runtime", lambda _candidate, _threads: clock.work(10**9))
    monkeypatch.setattr(SqueezeBertTokenizerFast, "from_pretrained", lambda _folder: Tokenizer())
    monkeypatch.setattr(worker.postprocess, "rank_labels", rank)
    readings = iter(range(1000, 100_000, 1000))
    monkeypatch.setattr(worker, "peak_bytes", lambda: next(readings))
    source = PlainFile(tmp_path / "x.onnx")
    return Candidate("m", "plain", "onnx", "fp32", source, vocab_size=10, max_tokens=8, tokenizer=tmp_path)


def loaded(candidate: Candidate, *items: Item) -> Process:
    process = Process()
    process.load(0, candidate, items)
    return process


def test_loading_is_the_model_alone_without_its_runtime(candidate: Candidate) -> None:
    assert Process().load(0, candidate, ()) == Loaded(load_ns=4000, base_bytes=1000)


def test_a_text_is_timed_in_three_stages(clock: Clock, candidate: Candidate) -> None:
    timings = loaded(candidate, Sample("four"), Sample("more than eight")).measure(0, (0, 1))
    start = clock.now - (300 + 400 + 700) - (300 + 800 + 700)
    assert timings == (
        Timing(start, tokens=4, infer_ns=400, tokenize_ns=300, postprocess_ns=700),
        Timing(start + 1400, tokens=8, infer_ns=800, tokenize_ns=300, postprocess_ns=700),
    )


def test_a_text_of_several_calls_sums_their_inference_and_counts_the_rest_as_post_processing(
    clock: Clock, candidate: Candidate
) -> None:
    """A question over a long context runs once for each window; what lies between two calls is neither of them."""
    loader = worker.Loader(candidate, 1, None)

    def pipeline(_sample: Sample) -> object:
        clock.work(300)
        loader.run(ids(8))
        clock.work(20)
        loader.run(ids(3))
        clock.work(700)
        return None

    loader._pipeline = pipeline  # type: ignore[assignment]
    for _ in range(2):
        found = loader.measure(Sample("text"))
        assert (found.tokens, found.infer_ns, found.tokenize_ns, found.postprocess_ns) == (3, 1100, 300, 720)


def test_ids_are_timed_as_inference_alone(clock: Clock, candidate: Candidate) -> None:
    start = clock.now + 10**9 + 4000
    timings = loaded(candidate, ids(5), ids(6)).measure(0, (0, 1))
    assert timings == (
        Timing(start, tokens=5, infer_ns=500, tokenize_ns=None, postprocess_ns=None),
        Timing(start + 500, tokens=6, infer_ns=600, tokenize_ns=None, postprocess_ns=None),
    )


def test_a_warm_up_runs_and_is_not_answered(clock: Clock, candidate: Candidate) -> None:
    start = clock.now + 10**9 + 4000
    (timing,) = loaded(candidate, ids(5), ids(6), ids(7)).measure(0, (0, 1, 2), 2)
    assert (timing.infer_ns, timing.at_ns) == (700, start + 500 + 600)


def test_items_are_told_apart_by_their_index_and_candidates_by_their_number(candidate: Candidate) -> None:
    process = Process()
    process.load(3, candidate, (Sample("four"), ids(2)))
    process.load(5, replace(candidate, tokenizer=None), (ids(7),))
    assert [timing.tokens for timing in process.measure(3, (1, 0, 1))] == [2, 4, 2]
    assert [timing.tokenize_ns for timing in process.measure(5, (0,))] == [None]


def test_the_peak_is_read_when_it_is_asked_for(candidate: Candidate) -> None:
    process = loaded(candidate, ids(5))
    process.measure(0, (0, 0))
    assert [process.peak_bytes(), process.peak_bytes()] == [2000, 3000]


def test_the_reference_kernel_is_two_products_with_weights_that_no_cache_kept(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def matmul(rows: Float32, weights: Float32, *, out: Float32) -> None:
        assert (rows.shape, weights.shape, out.shape) == ((128, 768), (768, 3072), (128, 3072))
        read.append(id(weights))
        clock.work(50)

    monkeypatch.setattr(environment.np, "matmul", matmul)
    process = Process()
    assert [process.pace() for _ in range(5)] == [100] * 5
    assert len(set(read[:5])) == 5
    assert read[5:] == read[:5]


GOOD = {
    **dict.fromkeys(("thermal_status", "thermal_headroom", "battery_celsius", "cpuset")),
    **dict.fromkeys(("charging", "locked", "power_save", "emulator"), False),
    **dict.fromkeys(("screen_on", "in_front", "clocks_known"), True),
    "thermal_status": 0,
    "battery_percent": 80,
}


def of_phone(*states: dict[str, object], latencies_ns: Sequence[int] = (30, 50, 40)) -> Result:
    """What a phone's reply becomes; what a state does not give is that of a good one."""
    opened = bundles.read(BUNDLE)
    artifact = opened.artifact("onnx", "fp32")
    case = {
        "artifact": {"bundle": opened.digest, "path": artifact.path, "sha256": artifact.sha256},
        "runtime_version": "1.29.0",
        "cold_load_ns": 111,
        "first_ns": 222,
        "latencies_ns": list(latencies_ns),
        "at_ns": [5 + 100 * number for number in range(len(latencies_ns))],
        "turns": [number // 2 for number in range(len(latencies_ns))],
    }
    clocks = [
        {"cores": [0, 1, 2, 3], "governor": "schedutil", "min_khz": 300_000, "max_khz": 1_800_000},
        {"cores": [4, 5], "governor": None, "min_khz": None, "max_khz": 2_400_000},
    ]
    device = {"soc": "Fast 1", "cores": 6, "clocks": clocks, "fingerprint": "maker/model:16/x", "page_bytes": 16384}
    reply = {
        "schema_version": 3,
        "run_id": "r",
        "device": device,
        "cases": [case],
        "cores_used": [4, 5],
        "priority": -4,
        "cool_down_seconds": 30.0,
        "seconds": 2.5,
        "clock_jump_ms": -250,
        "cancelled": False,
        "states": [GOOD | state for state in states],
    }
    measured = _Measured.model_validate_json(json.dumps(reply))
    (file,) = targets([opened], BenchmarkOptions(runtimes=("onnx",), precisions=("fp32",)), print)
    return _result(measured, "2026-01-01T00:00:00+00:00", [file], Protocol(tokens=8, min_runs=3), 8)


def test_a_phones_nanoseconds_become_samples_with_the_turns_and_starts_that_it_told() -> None:
    result = of_phone({})
    (case,) = result.cases
    assert case.cold == Cold(load_ns=111, first_ns=222)
    assert [(s.case, s.turn, s.at_ns, s.infer_ns, s.tokenize_ns, s.tokens) for s in result.samples] == [
        (case.name, 0, 5, 30, None, 8),
        (case.name, 0, 105, 50, None, 8),
        (case.name, 1, 205, 40, None, 8),
    ]


def test_a_phones_facts_are_kept_and_shown() -> None:
    before = {"battery_celsius": 30.5, "cpuset": "/top-app", "charging": True}
    result = of_phone(before, before | {"battery_celsius": 33.0})
    environment = results.parse(results.dump(result), "phone.jsonl").run.environment
    assert environment.cpu == "Fast 1, cores: 4 up to 1800 MHz, 2 up to 2400 MHz" and environment.cores == 6
    phone = environment.phone
    assert phone is not None and (phone.page_bytes, phone.priority, phone.cool_down_seconds) == (16384, -4, 30.0)
    assert (phone.cores_used, phone.battery_celsius) == ((4, 5), (30.5, 33.0))
    for shown in (tables.where(result), page([result])):
        for words in (
            "maker/model:16/x",
            "ran on cores 4, 5 of cpuset /top-app",
            "battery 30.5 to 33.0 °C, charging",
            "cores 0, 1, 2, 3 from 300 to 1800 MHz (schedutil)",
            "pages of 16 KiB",
            "nice -4",
            "cooled down for 30 s",
            "onnx 1.29.0",
        ):
            assert words in shown


@pytest.mark.parametrize(("last", "faults"), [(10, 0), (11, 1), (9, 1)])
def test_the_host_judges_a_phones_drift(last: int, faults: int) -> None:
    result = of_phone({}, latencies_ns=[10**7] * 80 + [last * 10**6] * 40)
    assert len(result.faults(result.cases[0].name)) == faults
    assert result.notes == ()


def test_a_phones_spread_is_a_fault_and_a_desktops_is_none() -> None:
    latencies = [10**7, 10**7, 10**7, 15 * 10**6] * 30
    result = of_phone({}, latencies_ns=latencies)
    assert result.faults(result.cases[0].name)[0].startswith("p90 is 1.50 times p50")
    assert make_result({"a": latencies}).faults("a") == ()


def test_a_phones_conditions_are_the_worst_of_all_that_it_told() -> None:
    bad = {"thermal_status": 1, "thermal_headroom": 0.9, "battery_percent": 79, "charging": True, "screen_on": False}
    bad |= {"in_front": False, "locked": True, "power_save": True, "emulator": True, "clocks_known": False}
    for result in (of_phone(bad, {}, {}), of_phone({}, bad, {}), of_phone({}, {}, bad)):
        found = result.conditions
        assert (found.seconds, found.clock_jump_seconds, found.cancelled) == (2.5, -0.25, False)
        assert {name: getattr(found, name) for name in bad} == bad


def test_what_a_phone_cannot_say_stays_unknown() -> None:
    silent = {"thermal_status": None, "battery_percent": None}
    once, never = of_phone(silent, {}).conditions, of_phone(silent, silent).conditions
    assert (once.thermal_status, once.battery_percent) == (0, 80)
    assert (never.thermal_status, never.battery_percent) == (None, None)


def test_a_table_shows_the_median_of_each_stage_in_milliseconds() -> None:
    made = make_result({"a": [10_000_000, 20_000_000, 60_000_000], "b": [5_000_000] * 3})
    stages = [(1_000_000, 0), (2_000_000, 4_000_000), (6_000_000, None)]
    taken = [
        sample.model_copy(update={"tokenize_ns": tokenize, "postprocess_ns": after})
        for sample, (tokenize, after) in zip(made.samples[:3], stages, strict=True)
    ]
    cold = Cold(load_ns=7_000_000, first_ns=80_000_000, base_bytes=1_000_000, peak_bytes=5_000_000)
    case = made.cases[0].model_copy(update={"cold": cold, "file_bytes": 3_000_000})
    made = replace(made, samples=(*taken, *made.samples[3:]), cases=(case, made.cases[1]))
    staged, plain = tables.rows(made, "b")
    assert (staged.infer.p50, staged.tokenize_ms, staged.postprocess_ms) == (20.0, 2.0, 2.0)
    # End to end they take 11, 26 and 66 ms.
    assert staged.total_ms == 26.0
    assert (plain.tokenize_ms, plain.postprocess_ms, plain.total_ms) == (None, None, 5.0)
    assert staged.speedup is not None and staged.speedup.value == pytest.approx(0.25)
    assert plain.speedup is None
    shown = dict(zip(tables.HEADS, tables.cells(staged), strict=True))
    assert [shown[name] for name in ("tokenise ms", "post-process ms", "end to end ms")] == ["2.00", "2.00", "26.0"]
    assert [shown[f"{name} ms"] for name in ("p50", "p90", "p99", "load", "first")] == [
        *("20.0", "52.0", "59.2"),
        *("7.00", "80.0"),
    ]
    assert (shown["peak MB"], shown["file MB"], shown["runs"]) == ("4.00", "3.00", "3")
    assert tables.by_tokens(made.by_case["a"]) == {8: 20.0}


def test_a_cases_pace_is_in_the_order_of_its_turns() -> None:
    made = make_result({"a": [10] * 3, "b": [10] * 3})
    readings = [("a", 2, 30), ("b", 0, 99), ("a", 0, 50), ("a", 1, 40)]
    paces = tuple(Pace(case=name, turn=turn, product_ns=value) for name, turn, value in readings)
    assert replace(made, paces=paces).pace("a") == (50, 40, 30)
    assert made.pace("a") == ()
