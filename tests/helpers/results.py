"""Hand-made results of benchmarks."""

import numpy as np

from squeezebert_mobile.benchmarks.protocol import Conditions, Protocol
from squeezebert_mobile.benchmarks.results import Case, Environment, Result, Run, Sample

ENVIRONMENT = Environment(
    cpu="test",
    architecture="x",
    cores=1,
    memory_bytes=None,
    system="s",
    governor=None,
    features=(),
    versions=(),
    commit=None,
)


def make_result(latencies: dict[str, list[int]], *, run_id: str = "r", **conditions) -> Result:
    protocol = Protocol(min_runs=1, min_seconds=0, turn_runs=1)
    cases = tuple(
        Case(
            name=name,
            model=name,
            form="bundle",
            runtime="onnx",
            runtime_version="1",
            precision="fp32",
            protocol=protocol,
        )
        for name in latencies
    )
    taken = tuple(
        Sample(case=name, turn=turn, at_ns=turn, tokens=8, infer_ns=value)
        for name, values in latencies.items()
        for turn, value in enumerate(values)
    )
    run = Run(run_id=run_id, started="2026-01-01T00:00:00+00:00", environment=ENVIRONMENT)
    return Result(run, cases, taken, Conditions(seconds=1.0, **conditions))


def noisy(seed: int, scale: float = 1.0, share: float = 0.02) -> list[int]:
    """A hundred latencies of 20 ms, and what other programs add, by default 2 % in the mean."""
    rng = np.random.default_rng(seed)
    return [int(20e6 * scale * (1 + 0.003 * rng.standard_normal() + share * rng.exponential())) for _ in range(100)]
