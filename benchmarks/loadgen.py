"""MLPerf's own LoadGen for the single-stream scenario, where its package is installed (extra ``loadgen``).

As MLPerf has it, a query is the inference alone: texts are turned into ids before the clock starts. LoadGen decides
how many queries there are, when they are issued, and whether the run is valid.
"""

import importlib.util
import json
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.samples import LoadGen

_PACKAGE, _MODULE = "mlcommons-loadgen", "mlperf_loadgen"
_RULES = {
    "result_min_duration_met": "too short",
    "result_min_queries_met": "too few queries",
    "early_stopping_met": "too few queries for its confidence in the 90th percentile",
}


def is_installed() -> bool:
    """Whether LoadGen can be imported."""
    return importlib.util.find_spec(_MODULE) is not None


def single_stream(queries: Sequence[Callable[[], object]], protocol: Protocol, expected_ns: int) -> LoadGen:
    """Have LoadGen issue the queries under a protocol's minima; one of them is expected to take ``expected_ns``."""
    import mlperf_loadgen as lg

    def issue(samples: Sequence[lg.QuerySample]) -> None:
        for sample in samples:
            queries[sample.index]()
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.SingleStream
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_query_count = protocol.min_runs
    settings.min_duration_ms = round(1000 * protocol.min_seconds)
    settings.single_stream_expected_latency_ns = expected_ns
    with tempfile.TemporaryDirectory() as folder:
        logs = lg.LogSettings()
        logs.log_output.outdir = folder
        logs.log_output.copy_summary_to_stdout = False
        logs.enable_trace = False
        system = lg.ConstructSUT(issue, lambda: None)
        library = lg.ConstructQSL(len(queries), len(queries), lambda _: None, lambda _: None)
        lg.StartTestWithLogSettings(system, library, settings, logs)
        lg.DestroyQSL(library)
        lg.DestroySUT(system)
        return read_log((Path(folder) / "mlperf_log_detail.txt").read_text())


def read_log(text: str) -> LoadGen:
    """What LoadGen's detail log says of a run."""
    lines = (json.loads(line.removeprefix(":::MLLOG ")) for line in text.splitlines())
    said = {line["key"]: line["value"] for line in lines}
    return LoadGen(
        version=metadata.version(_PACKAGE),
        queries=said["result_query_count"],
        p90_ns=said["result_90.00_percentile_latency_ns"],
        valid=said["result_validity"] == "VALID",
        reasons=tuple(reason for key, reason in _RULES.items() if not said[key]),
    )
