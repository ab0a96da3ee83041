"""The steps of long work: planned with what each takes, begun and ended, and how long the rest will take."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

# Seconds of planned work that the plan is believed for, before what was measured since outweighs it.
_TRUST = 5.0
# A step that takes longer than planned still has this share of it to go.
_NEARLY = 0.05


@dataclass(frozen=True)
class Step:
    """``seconds`` are those of one quiet core. Steps of one ``lane`` follow each other, those of others run beside."""

    name: str
    seconds: float
    lane: str = ""


class Steps:
    """What is planned, done and under way. ``notice`` is called as each step begins; ``lanes`` are run at once.

    The lane "" is the caller's own: no other runs beside it, so its steps and theirs add up.
    """

    def __init__(
        self,
        notice: Callable[["Steps", Step], None] = lambda _steps, _step: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.planned: tuple[Step, ...] = ()
        self.done: tuple[Step, ...] = ()
        self.lanes = 1
        self._notice, self._clock = notice, clock
        self._running: dict[str, tuple[Step, float]] = {}
        self._started = clock()
        self._spent = 0.0

    @property
    def running(self) -> tuple[Step, ...]:
        """The steps under way."""
        return tuple(step for step, _ in self._running.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    def plan(self, steps: Iterable[Step], *, lanes: int = 1) -> None:
        """Plan all of the work, what is done or under way included; a later plan takes the place of an earlier one."""
        self.lanes = lanes
        begun = {step.name for step in (*self.done, *self.running)}
        later = [step for step in steps if step.name not in begun]
        self.planned = (*self.done, *self.running, *later)

    def begin(self, name: str, lane: str = "") -> None:
        """End the lane's step and begin this one; what its lane was to do before is left out."""
        self._end(lane)
        found = next((step for step in self._waiting(lane) if step.name == name), None)
        step = found or Step(name, 0.0, lane)
        before = [] if found is None else self._waiting(lane)[: self._waiting(lane).index(found)]
        self.planned = tuple(each for each in self.planned if each not in before)
        if found is None:
            self.planned = (*self.planned, step)
        self._running[lane] = step, self._clock()
        self._notice(self, step)

    def end(self, lane: str = "") -> None:
        """End the lane's step, and leave out what it was to do afterwards."""
        self._end(lane)
        left = self._waiting(lane)
        self.planned = tuple(each for each in self.planned if each not in left)

    @property
    def share(self) -> float:
        """The part of the work that is done, 0 to 1."""
        whole = sum(step.seconds for step in self.planned)
        return 1 - sum(self._left().values()) / whole if whole else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds to the end at the pace so far, None where nothing is planned."""
        if not self.planned:
            return None
        by_lane: dict[str, float] = {}
        for step, seconds in self._left().items():
            by_lane[step.lane] = by_lane.get(step.lane, 0.0) + seconds
        own = by_lane.pop("", 0.0)
        beside = max(*by_lane.values(), sum(by_lane.values()) / self.lanes) if by_lane else 0.0
        return (own + beside) / self._pace()

    def _waiting(self, lane: str) -> list[Step]:
        return [s for s in self.planned if s.lane == lane and s not in self.done and s not in self.running]

    def _end(self, lane: str) -> None:
        if lane in self._running:
            step, since = self._running.pop(lane)
            self.done = (*self.done, step)
            self._spent += self._clock() - since

    def _pace(self) -> float:
        """Planned seconds that pass in a second."""
        return (_TRUST + sum(step.seconds for step in self.done)) / (_TRUST + self._spent)

    def _left(self) -> dict[Step, float]:
        """Planned seconds to go, of each step that is not done."""
        left = {step: step.seconds for step in self.planned if step not in self.done}
        pace, now = self._pace(), self._clock()
        for step, since in self._running.values():
            left[step] = max(step.seconds - pace * (now - since), _NEARLY * step.seconds)
        return left
