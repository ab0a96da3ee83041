"""MLPerf's LoadGen beside our own single stream."""

from dataclasses import replace
from pathlib import Path

import pytest
from command import run
from results import make_result

from squeezebert_mobile.benchmarks import loadgen, measure, samples, table
from squeezebert_mobile.benchmarks.benchmark import BenchmarkOptions, benchmark
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.samples import LoadGen

LOG = "\n".join(
    f':::MLLOG {{"key": "{key}", "value": {value}}}'
    for key, value in {
        "result_validity": '"INVALID"',
        "result_min_duration_met": "false",
        "result_min_queries_met": "true",
        "early_stopping_met": "true",
        "result_query_count": 70,
        "result_90.00_percentile_latency_ns": 2_000_000,
    }.items()
)
needs_loadgen = pytest.mark.skipif(
    not loadgen.is_installed(), reason="needs LoadGen: pip install 'squeezebert-mobile[loadgen]'"
)


@needs_loadgen
def test_loadgen_issues_the_queries_in_its_own_order_and_number() -> None:
    calls = [0, 0]

    def query(number: int) -> None:
        calls[number] += 1

    found = loadgen.single_stream(
        [lambda: query(0), lambda: query(1)], Protocol(min_runs=100, min_seconds=0), expected_ns=10_000
    )
    assert found.valid and not found.reasons
    assert sum(calls) == found.queries >= 100
    assert min(calls) > 0


@needs_loadgen
def test_a_log_says_why_a_run_does_not_count() -> None:
    found = loadgen.read_log(LOG)
    assert (found.valid, found.reasons, found.queries, found.p90_ns) == (False, ("too short",), 70, 2_000_000)


@needs_loadgen
def test_its_figures_stand_beside_ours(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    kept = tmp_path / "run.jsonl"
    options = ("--scenario", "single-stream", "--precision", "fp32", "--min-runs", "100", "--min-seconds", "0.05")
    done = run("benchmark", tiny_onnx_bundle, *options, "-o", kept)
    assert done.returncode == 0, done.stderr
    (case,) = samples.read(kept).cases
    assert case.loadgen is not None and case.loadgen.queries >= 100
    assert f"p90 {table.number(case.loadgen.p90_ns / 1e6)} ms over {case.loadgen.queries} queries" in done.stdout


def test_without_the_package_our_own_single_stream_stands(
    tiny_onnx_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure.loadgen, "is_installed", lambda: False)
    options = BenchmarkOptions(
        bundles=(tiny_onnx_bundle,), precisions=("fp32",), scenario="single-stream", min_runs=5, min_seconds=0
    )
    found = benchmark(options).result
    assert found.cases[0].loadgen is None
    assert len(found.samples) >= 5


def test_an_invalid_run_is_shown_with_its_reason() -> None:
    made = make_result({"m": [1_000_000]})
    found = LoadGen(version="6", queries=7, p90_ns=1_500_000, valid=False, reasons=("too few queries",))
    made = replace(made, cases=(made.cases[0].model_copy(update={"loadgen": found}),))
    assert "LoadGen 6: m, ONNX Runtime 1, fp32, bundle: p90 1.50 ms over 7 queries, invalid: too few queries" in (
        table.markdown(made)
    )
