"""A clock that stands still until a test lets time pass."""


class Clock:
    """Nanoseconds since a start that is not zero."""

    def __init__(self, now: int = 7_000_000_000) -> None:
        self.now = now

    def work(self, nanoseconds: float) -> None:
        """Let time pass."""
        self.now += round(nanoseconds)

    def perf_counter_ns(self) -> int:
        return self.now

    def perf_counter(self) -> float:
        return self.now / 1e9
