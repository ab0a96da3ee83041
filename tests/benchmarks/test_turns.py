"""What a run records of cases that take turns, on a clock that only the measured work moves."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self, get_args

import pytest
from clock import Clock

from squeezebert_mobile.benchmarks import measure
from squeezebert_mobile.benchmarks.candidates import Candidate, PlainFile
from squeezebert_mobile.benchmarks.children import Item, Loaded, Timing
from squeezebert_mobile.benchmarks.measure import Job
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel
from squeezebert_mobile.benchmarks.protocol import Conditions, Protocol, Scenario
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.run.predict import Sample
from squeezebert_mobile.steps import Steps

MS = 1_000_000
BUNDLE = Path(__file__).parent / "data" / "bundle_v1"


def texts(count: int) -> tuple[Sample, ...]:
    return tuple(Sample(f"text {number}") for number in range(count))


def job(name: str, *, items: tuple[Item, ...] = texts(3), source: object = None, **changes: object) -> Job:
    facts = {"min_runs": 8, "min_seconds": 0, "turn_runs": 4, "warmup": 2, "turn_warmup": 1} | changes
    chosen = source or PlainFile(Path("x"))
    candidate = Candidate(name, "plain", "onnx", "fp32", chosen, vocab_size=10, max_tokens=8)  # type: ignore[arg-type]
    return Job(candidate, Protocol.model_validate(facts), items)


class Machine:
    """Stands in for all child processes; each call takes the time that was planned for it, and is written down.

    ``calls`` holds for each request the candidate's number, its items by index and how many of them were warm-up.
    """

    def __init__(self, clock: Clock, milliseconds: Mapping[int, Sequence[float]], *, text: bool = True) -> None:
        self.clock, self.text = clock, text
        self.calls: list[tuple[int, tuple[int, ...], int]] = []
        self.events: list[str] = []
        self._plan = {number: list(times) for number, times in milliseconds.items()}

    def measure(self, number: int, items: tuple[int, ...], warmup: int = 0) -> tuple[Timing, ...]:
        self.calls.append((number, items, warmup))
        self.events.append(f"measure {number}")
        return tuple(self._run(number) for _ in items)[warmup:]

    def pace(self) -> int:
        self.events.append("pace")
        self.clock.work(10 * MS)
        return 10 * MS + len(self.calls)

    def look(self) -> None:
        self.events.append("look")

    def finish(self) -> Conditions:
        self.events.append("finish")
        return Conditions(seconds=12.5)

    def watch(self) -> "Machine":
        self.events.append("watch")
        return self

    def _run(self, number: int) -> Timing:
        plan, start = self._plan[number], self.clock.now
        infer = round(MS * (plan.pop(0) if len(plan) > 1 else plan[0]))
        around = (3 * MS, 2 * MS) if self.text else (None, None)
        self.clock.work(infer + sum(value or 0 for value in around))
        return Timing(start, 16 + number, infer, *around)

    def runs(self, number: int) -> list[int]:
        """How many runs each turn of a candidate recorded, without its first call, the warm-up."""
        return [len(items) - warmup for asked, items, warmup in self.calls if asked == number][1:]


def play(machine: Machine, jobs: list[Job], steps: Steps | None = None) -> measure.Measured:
    return measure.measure(jobs, [machine] * len(jobs), machine.watch, steps or Steps())


def test_every_sample_has_its_own_nanoseconds_and_starts_on_the_runs_clock(clock: Clock) -> None:
    machine = Machine(clock, {0: [50, 40, 30, 21, 22]})
    found = play(machine, [job("a", min_runs=2, turn_runs=1)])
    # Two warm-ups of 50 and 40 ms, each with 5 around it, and 10 for the pace; each turn has a warm-up of its own.
    assert [(s.turn, s.infer_ns, s.tokenize_ns, s.postprocess_ns) for s in found.samples] == [
        (0, 21 * MS, 3 * MS, 2 * MS),
        (1, 22 * MS, 3 * MS, 2 * MS),
    ]
    assert [s.at_ns for s in found.samples] == [(55 + 45 + 10 + 35) * MS, (55 + 45 + 10 + 35 + 26 + 10 + 27) * MS]
    assert {s.tokens for s in found.samples} == {16}
    assert found.samples[0].total_ns == 26 * MS
    assert [(pace.turn, pace.product_ns) for pace in found.paces] == [(0, 10 * MS + 1), (1, 10 * MS + 2)]
    assert found.conditions == Conditions(seconds=12.5)


def test_stages_that_ids_do_not_have_stay_unknown(clock: Clock) -> None:
    found = play(Machine(clock, {0: [20]}, text=False), [job("a")])
    assert {(s.tokenize_ns, s.postprocess_ns, s.total_ns) for s in found.samples} == {(None, None, 20 * MS)}


def test_items_are_taken_in_turn_and_a_turns_warm_up_repeats_its_first(clock: Clock) -> None:
    machine = Machine(clock, {0: [20]})
    play(machine, [job("a", warmup=5, turn_warmup=2, turn_runs=2, min_runs=6)])
    assert machine.calls == [
        (0, (0, 1, 2, 0, 1), 0),
        (0, (0, 0, 0, 1), 2),
        (0, (2, 2, 2, 0), 2),
        (0, (1, 1, 1, 2), 2),
    ]


def test_without_a_warm_up_one_run_still_says_how_long_a_run_takes(clock: Clock) -> None:
    machine = Machine(clock, {0: [20]})
    play(machine, [job("a", warmup=0, turn_warmup=0)])
    assert [(len(items), warmup) for _, items, warmup in machine.calls] == [(1, 0), (4, 0), (4, 0)]


def test_the_watch_begins_after_the_warm_ups_looks_before_each_turn_and_ends_last(clock: Clock) -> None:
    machine = Machine(clock, {0: [20], 1: [20]})
    play(machine, [job("a", min_runs=4), job("b", min_runs=4)])
    turn = ["look", "pace"]
    assert machine.events == [
        *("measure 0", "measure 1", "watch"),
        *(*turn, "measure 0"),
        *(*turn, "measure 1"),
        "finish",
    ]


def test_a_run_says_beforehand_how_long_it_takes_and_again_by_the_warm_ups(clock: Clock) -> None:
    machine, told = Machine(clock, {0: [20], 1: [400]}, text=False), list[tuple[str, float | None]]()
    steps = Steps(lambda steps, step: told.append((step.name.split(",")[0], steps.remaining)), lambda: clock.now / 1e9)
    jobs = [job(name, min_runs=10, min_seconds=1, turn_warmup=0) for name in "ab"]
    steps.plan(measure.planned(jobs, cold=False))
    assert steps.remaining == pytest.approx(2 * 3.0 + 2 * 0.05 + 2 * 1.0)
    play(machine, jobs, steps)
    assert [name for name, _ in told] == ["warm up a", "warm up b", "measure 2 in turns"]
    # The slower case takes ten runs of 0.4 s, not one second.
    last = told[-1][1]
    assert last is not None and last > 4


def test_rounds_begin_with_each_case_in_turn_and_every_second_one_runs_backwards(clock: Clock) -> None:
    machine = Machine(clock, {number: [20] for number in range(3)})
    play(machine, [job(name, min_runs=16) for name in "abc"])
    order = [number for number, _, _ in machine.calls[3:]]
    assert [order[first : first + 3] for first in range(0, 12, 3)] == [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]]


@pytest.mark.parametrize("scenario", get_args(Scenario))
def test_only_sustained_and_single_stream_cases_run_one_after_the_other(clock: Clock, scenario: Scenario) -> None:
    machine = Machine(clock, {0: [20], 1: [20], 2: [20], 3: [20]})
    play(machine, [job("a"), job("b", scenario=scenario), job("c", scenario=scenario), job("d")])
    order = [number for number, _, _ in machine.calls[4:]]
    if scenario in ("sustained", "single-stream"):
        assert order == [1, 1, 2, 2, 0, 3, 3, 0]
    else:
        assert order == [0, 1, 2, 3, 3, 2, 1, 0]


def test_runs_that_fill_no_whole_turn_have_a_whole_one(clock: Clock) -> None:
    machine = Machine(clock, {0: [20]})
    play(machine, [job("a", min_runs=9)])
    assert machine.runs(0) == [4, 4, 4]


def test_inference_alone_fills_the_minimum_of_seconds(clock: Clock) -> None:
    machine = Machine(clock, {0: [50]})
    found = play(machine, [job("a", min_seconds=0.4)])
    assert machine.runs(0) == [4, 4]
    assert sum(s.infer_ns for s in found.samples) == 400 * MS


def test_the_minimum_of_seconds_is_met_to_the_nanosecond(clock: Clock) -> None:
    machine = Machine(clock, {0: [50]})
    play(machine, [job("a", min_seconds=0.400000001)])
    assert machine.runs(0) == [4, 4, 4]


def test_the_shortest_warm_up_says_how_long_turns_are_to_be(clock: Clock) -> None:
    """The first run of a model is no measure: by 500 ms one turn would do, by 50 there are five of 0.2 s."""
    machine = Machine(clock, {0: [500, 50]})
    play(machine, [job("a", min_seconds=1.0)])
    assert machine.runs(0) == [4] * 5


def test_a_turn_is_a_tenth_of_a_second_where_runs_are_short(clock: Clock) -> None:
    machine = Machine(clock, {0: [2]})
    play(machine, [job("a", min_seconds=1.0)])
    assert machine.runs(0) == [50] * 10


def test_turns_follow_a_machine_that_is_slower_than_the_warm_up(clock: Clock) -> None:
    """Ten turns were planned from runs of 10 ms that take 20: the turns left share what is missing."""
    machine = Machine(clock, {0: [10, 10, 20]})
    play(machine, [job("a", min_seconds=1.0)])
    assert machine.runs(0) == [10, 5, 5, 5, 5, 4, 4, 4, 4, 4]


def test_no_turn_is_longer_than_a_thousand_runs(clock: Clock) -> None:
    machine = Machine(clock, {0: [1], 1: [1]})
    play(machine, [job("many", min_runs=3500), job("few", min_runs=4)])
    assert machine.runs(0) == [1000, 1000, 1000, 500]
    assert machine.runs(1) == [4] * 4


def test_the_case_of_fewest_rounds_sets_their_number(clock: Clock) -> None:
    machine = Machine(clock, {0: [1], 1: [1]})
    play(machine, [job("many", min_runs=90), job("few", min_runs=12)])
    assert machine.runs(0) == [30] * 3
    assert machine.runs(1) == [4] * 3


class Process:
    """A measuring process that is not one: it takes 77 ns to load, and writes down whom it holds."""

    def __init__(self, machine: Machine, threads: int, pid: int) -> None:
        self.machine, self.threads, self.pid = machine, threads, pid
        self.loaded: list[str] = []
        self.measured: set[int] = set()

    def load(self, _number: int, candidate: Candidate, items: tuple[Item, ...]) -> Loaded:
        assert items == texts(3)
        self.loaded.append(candidate.model)
        return Loaded(load_ns=77, base_bytes=500)

    def peak_bytes(self) -> int:
        return 1000 + len(self.machine.calls)

    def measure(self, number: int, items: tuple[int, ...], warmup: int = 0) -> tuple[Timing, ...]:
        self.measured.add(number)
        return self.machine.measure(number, items, warmup)

    def pace(self) -> int:
        return self.machine.pace()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loaded.append("ended")


def run(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, jobs: list[Job], steps: Steps, *, cold: bool
) -> tuple[Result, list[Process]]:
    """What the jobs give, and the processes that it took."""
    made: list[Process] = []

    def child(threads: int) -> Process:
        made.append(Process(machine, threads, pid=100 + len(made)))
        return made[-1]

    def watch(pids: Callable[[], Sequence[int]]) -> SimpleNamespace:
        # The seconds give away whose work counts as ours.
        return SimpleNamespace(look=machine.look, finish=lambda: Conditions(seconds=float(sum(pids()))))

    monkeypatch.setattr(measure, "MeasuringProcess", child)
    monkeypatch.setattr(measure, "Watch", watch)
    return measure.run(jobs, steps, cold=cold), made


def test_the_first_call_of_a_cold_process_is_end_to_end_and_its_peak_is_read_after_the_last(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(clock, {0: [90, 40, 30, 20]})
    result, processes = run(monkeypatch, machine, [job("a")], Steps(), cold=True)
    cold = result.cases[0].cold
    assert cold is not None
    assert (cold.load_ns, cold.first_ns) == (77, 95 * MS)
    assert (cold.base_bytes, cold.peak_bytes) == (500, 1001)
    assert machine.calls[0] == (0, (0, 0, 0), 0)
    assert processes[0].loaded == ["a", "ended"]


def test_the_first_call_on_ids_is_the_inference_alone(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(clock, {0: [90]}, text=False)
    result, _ = run(monkeypatch, machine, [job("a")], Steps(), cold=True)
    cold = result.cases[0].cold
    assert cold is not None
    assert cold.first_ns == 90 * MS


@pytest.mark.parametrize(("weights", "load_ns"), [(None, None), (Path("w"), 77)])
def test_weights_that_were_made_were_not_loaded(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, weights: Path | None, load_ns: int | None
) -> None:
    chosen = job("a", source=PeerModel(Peer.BERT_BASE, weights))
    result, _ = run(monkeypatch, Machine(clock, {0: [20]}), [chosen], Steps(), cold=True)
    cold = result.cases[0].cold
    assert cold is not None
    assert cold.load_ns == load_ns


def test_a_process_for_each_runtime_and_threads_and_a_fresh_one_for_each_cold_run(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job("a"), job("b"), job("c", threads=2)]
    machine = Machine(clock, {0: [20], 1: [20], 2: [20]})
    result, processes = run(monkeypatch, machine, jobs, Steps(), cold=True)
    assert [(each.threads, each.loaded) for each in processes] == [
        *((1, ["a", "ended"]), (1, ["b", "ended"]), (2, ["c", "ended"])),
        *((1, ["a", "b", "ended"]), (2, ["c", "ended"])),
    ]
    assert [each.measured for each in processes[3:]] == [{0, 1}, {2}]
    assert result.conditions.seconds == processes[3].pid + processes[4].pid
    assert [case.model for case in result.cases] == ["a", "b", "c"]
    assert {pace.case for pace in result.paces} == {case.name for case in result.cases}


def test_cold_runs_may_be_left_out(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(clock, {0: [20], 1: [20]})
    result, processes = run(monkeypatch, machine, [job("a"), job("b")], Steps(), cold=False)
    assert [case.cold for case in result.cases] == [None, None]
    assert len(processes) == 1
