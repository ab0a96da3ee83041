"""Measuring: every candidate alone and cold first, then all of them in turns, in an order that rotates.

A turn is a handful of consecutive runs of one case. In a round every case has one turn, so that whatever the machine
does meanwhile, it does to all; the turns of one round are what ratios pair. The calls of a turn are timed where they
run, by `worker.Loader.measure` in the child.
"""

import math
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from squeezebert_mobile.benchmarks import environment
from squeezebert_mobile.benchmarks.candidates import Candidate
from squeezebert_mobile.benchmarks.children import Item, MeasuringProcess
from squeezebert_mobile.benchmarks.environment import Watch
from squeezebert_mobile.benchmarks.peers import PeerModel
from squeezebert_mobile.benchmarks.protocol import ALONE, Conditions, Protocol
from squeezebert_mobile.benchmarks.results import Case, Cold, Pace, Result, Run, Sample
from squeezebert_mobile.run.timing import order
from squeezebert_mobile.steps import Step, Steps

Report = Callable[[str], None]
# Before anything was measured: a process that starts and loads a file, and one run.
_LOAD_SECONDS, _RUN_SECONDS = 3.0, 0.05
# Runs that settle a freshly loaded model's memory before its peak is read.
_COLD_RUNS = 3
# Long enough that going from case to case does not count, short enough that all see the same machine. Turns are longer
# only beside slower cases: every case takes part in every round, so that those would run on long after their minima.
_TURN_SECONDS = 0.1
_MAX_TURN_RUNS = 1000


@dataclass(frozen=True)
class Job:
    """A candidate under a protocol on its items, which are taken in turn and over again."""

    candidate: Candidate
    protocol: Protocol
    items: tuple[Item, ...]

    def case(self) -> Case:
        """Its line in the result file."""
        return self.candidate.case(self.protocol)

    def seconds(self, run: float) -> float:
        """What its turns take where a run takes so many seconds."""
        protocol = self.protocol
        recorded = max(protocol.min_seconds, protocol.min_runs * run)
        return recorded * (1 + protocol.turn_warmup * run / max(_TURN_SECONDS, protocol.turn_runs * run))


def run(jobs: Sequence[Job], steps: Steps, *, cold: bool = True) -> Result:
    """Measure all jobs in one run, whose steps are planned as far as they are known, and again after the warm-ups.

    Each kind of process (runtime and threads) is started once and holds all of its candidates; sustained and
    single-stream jobs go one after the other, all others interleaved. Raises EnvironmentFault where a process dies.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    steps.plan(planned(jobs, cold=cold))
    cold_figures = [_cold(job, steps.begin) if cold else None for job in jobs]
    with ExitStack() as stack:
        children: dict[tuple[str, int], MeasuringProcess] = {}
        measurers: list[MeasuringProcess] = []
        for number, job in enumerate(jobs):
            steps.begin(f"load {job.case().name}")
            key = job.candidate.runtime, job.protocol.threads
            if key not in children:
                children[key] = stack.enter_context(MeasuringProcess(job.protocol.threads))
            children[key].load(number, job.candidate, job.items)
            measurers.append(children[key])
        pids = [child.pid for child in children.values()]
        measured = measure(jobs, measurers, lambda: Watch(lambda: pids), steps)
    cases = [job.case().model_copy(update={"cold": figure}) for job, figure in zip(jobs, cold_figures, strict=True)]
    identity = Run(run_id=uuid.uuid4().hex, started=started, environment=environment.describe())
    return Result(identity, tuple(cases), measured.samples, measured.conditions, measured.paces)


def planned(jobs: Sequence[Job], *, cold: bool) -> tuple[Step, ...]:
    """The steps of a run, with what they take where a run takes `_RUN_SECONDS`."""
    names = [job.case().name for job in jobs]
    return (
        *(Step(f"load cold {name}", _LOAD_SECONDS) for name in names if cold),
        *(Step(f"load {name}", _LOAD_SECONDS) for name in names),
        *(Step(f"warm up {name}", _RUN_SECONDS) for name in names),
        *(Step(name, sum(jobs[n].seconds(_RUN_SECONDS) for n in group)) for name, group in _groups(jobs).items()),
    )


def _groups(jobs: Sequence[Job]) -> dict[str, list[int]]:
    """What is measured one after the other, by name: single jobs by index, and those that take turns together."""
    shared = [n for n, job in enumerate(jobs) if job.protocol.scenario not in ALONE]
    groups = {f"measure {job.case().name}": [n] for n, job in enumerate(jobs) if n not in shared}
    return groups | ({f"measure {len(shared)} in turns": shared} if shared else {})


def _cold(job: Job, report: Report) -> Cold:
    """A job's candidate alone in a fresh process."""
    report(f"load cold {job.case().name}")
    with MeasuringProcess(job.protocol.threads) as child:
        loaded = child.load(0, job.candidate, job.items)
        first, *_ = child.measure(0, (0,) * _COLD_RUNS)
        peak = child.peak_bytes()
    total = first.infer_ns + (first.tokenize_ns or 0) + (first.postprocess_ns or 0)
    made = isinstance(job.candidate.source, PeerModel) and job.candidate.source.weights is None
    return Cold(
        load_ns=None if made else loaded.load_ns,
        first_ns=total,
        base_bytes=loaded.base_bytes,
        peak_bytes=peak,
    )


@dataclass(frozen=True)
class Measured:
    """The samples of loaded jobs, and the conditions and the machine's pace meanwhile."""

    samples: tuple[Sample, ...]
    conditions: Conditions
    paces: tuple[Pace, ...]


def measure(
    jobs: Sequence[Job], children: Sequence[MeasuringProcess], watch: Callable[[], Watch], steps: Steps
) -> Measured:
    """Measure loaded jobs."""
    start = time.perf_counter_ns()
    pairs = zip(jobs, children, strict=True)
    turns = [_Turns(number, job, child, start) for number, (job, child) in enumerate(pairs)]
    for turn in turns:
        steps.begin(f"warm up {turn.job.case().name}")
        turn.warm_up()
    groups = {name: [turns[n] for n in group] for name, group in _groups(jobs).items()}
    steps.plan(Step(name, sum(turn.seconds for turn in group)) for name, group in groups.items())
    machine = watch()
    for name, group in groups.items():
        steps.begin(name)
        _rotate(group, machine)
    samples = tuple(sample for turn in turns for sample in turn.samples)
    return Measured(samples, machine.finish(), tuple(pace for turn in turns for pace in turn.paces))


def _rotate(group: Sequence["_Turns"], machine: Watch) -> None:
    """Rounds over the group until each of it has its minima, in the order of `run.timing`."""
    number, rounds = 0, min((turn.rounds for turn in group), default=0)
    while any(not turn.done for turn in group):
        for turn in (group[index] for index in order(len(group), number)):
            machine.look()
            turn.take(number, max(rounds - number, 1))
        number += 1


def _rounds(protocol: Protocol) -> int:
    return math.ceil(protocol.min_runs / protocol.turn_runs)


class _Turns:
    """The turns of one job and its samples so far."""

    def __init__(self, number: int, job: Job, child: MeasuringProcess, start_ns: int) -> None:
        self.job = job
        self.samples: list[Sample] = []
        self.paces: list[Pace] = []
        self._number, self._child, self._start_ns = number, child, start_ns
        self._name = job.case().name
        self._taken = 0
        self._elapsed_ns, self._min_ns = 0, round(1e9 * job.protocol.min_seconds)
        self._run_ns = 1.0

    def warm_up(self) -> None:
        """The protocol's warm-up, of which the shortest run says how long one takes."""
        timings = self._child.measure(self._number, self._next(max(1, self.job.protocol.warmup)))
        self._run_ns = max(min(timing.infer_ns for timing in timings), 1)
        self._taken = 0

    @property
    def seconds(self) -> float:
        """What its turns take, at the pace of its fastest run so far."""
        return self.job.seconds(self._run_ns / 1e9)

    @property
    def rounds(self) -> int:
        """How many turns of sufficient length the minima make."""
        protocol = self.job.protocol
        shortest = max(1e9 * _TURN_SECONDS, protocol.turn_runs * self._run_ns)
        return max(_rounds(protocol), math.ceil(self._min_ns / shortest))

    @property
    def done(self) -> bool:
        """True where both minima of the protocol are met."""
        return len(self.samples) >= self.job.protocol.min_runs and self._elapsed_ns >= self._min_ns

    def take(self, turn: int, rounds_left: int) -> None:
        """One turn, the first of ``rounds_left`` that are to meet the minima, and the machine's pace before it."""
        self.paces.append(Pace(case=self._name, turn=turn, product_ns=self._child.pace()))
        warmup = self.job.protocol.turn_warmup
        items = self._next(self._runs(rounds_left))
        timings = self._child.measure(self._number, (*items[:1] * warmup, *items), warmup)
        for timing in timings:
            at = timing.at_ns - self._start_ns
            self.samples.append(Sample(case=self._name, turn=turn, **asdict(replace(timing, at_ns=at))))
        self._elapsed_ns += sum(timing.infer_ns for timing in timings)
        self._run_ns = max(self._elapsed_ns, 1) / len(self.samples)

    def _runs(self, rounds_left: int) -> int:
        """The runs of a turn."""
        protocol = self.job.protocol
        missing = max(protocol.min_runs - len(self.samples), (self._min_ns - self._elapsed_ns) / self._run_ns)
        return min(max(protocol.turn_runs, math.ceil(missing / rounds_left)), _MAX_TURN_RUNS)

    def _next(self, count: int) -> tuple[int, ...]:
        """The next items by index, from the first again after the last."""
        chosen = tuple((self._taken + offset) % len(self.job.items) for offset in range(count))
        self._taken += count
        return chosen
