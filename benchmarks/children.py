"""A measuring process as its parent sees it: what it can be asked (`worker` answers) and what it says of a call."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks.candidates import Candidate
from squeezebert_mobile.run.child import Arrays, Child
from squeezebert_mobile.run.predict import Sample

Item = Batch | Sample


@dataclass(frozen=True)
class Load:
    """A candidate to load, with the items that it is measured on; None stands where a batch goes as arrays."""

    candidate: Candidate
    threads: int
    samples: tuple[Sample | None, ...]


LOAD = TypeAdapter(Load)


@dataclass(frozen=True)
class Loaded:
    """Nanoseconds to load, and the peak resident bytes of the process before that."""

    load_ns: int
    base_bytes: int


@dataclass(frozen=True)
class Timing:
    """One call in nanoseconds; the stages around the inference are None for ready ids."""

    at_ns: int
    tokens: int
    infer_ns: int
    tokenize_ns: int | None
    postprocess_ns: int | None


class MeasuringProcess(Child):
    """A fresh process for candidates of one runtime and one number of threads; use it as a context manager.

    Raises as `Child.ask`, in the candidate's name.
    """

    # How long a turn takes is what its protocol says.
    timeout_seconds = None

    def __init__(self, threads: int) -> None:
        # Without these, libraries would start threads of their own beside the ones that the protocol names.
        # numpy's, which run the reference kernel, would wait for the next one busily.
        quiet = {
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_THREAD_TIMEOUT": "4",
            "ORT_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "1",
        }
        super().__init__("squeezebert_mobile.benchmarks.worker", quiet)
        self._threads = threads
        self._labels: dict[int, str] = {}

    def load(self, number: int, candidate: Candidate, items: Sequence[Item]) -> Loaded:
        """Load a candidate under ``number``, with the items that it is to be measured on."""
        self._labels[number] = candidate.label
        texts = tuple(item if isinstance(item, Sample) else None for item in items)
        value = LOAD.dump_python(Load(candidate, self._threads, texts), mode="json")
        arrays: Arrays = {
            f"{index} {name}": array
            for index, item in enumerate(items)
            if isinstance(item, Batch)
            for name, array in item.arrays().items()
        }
        answer, _ = self.ask(candidate.label, "load", {"number": number, "request": value}, arrays)
        return Loaded(*answer)

    def measure(self, number: int, items: Sequence[int], warmup: int = 0) -> tuple[Timing, ...]:
        """Time a loaded candidate on each of its items by index but the first ``warmup``."""
        arguments = {"number": number, "items": items, "warmup": warmup}
        answer, _ = self.ask(self._labels[number], "measure", arguments)
        return tuple(Timing(*row) for row in answer)

    def peak_bytes(self) -> int:
        """The peak of its resident bytes so far."""
        answer, _ = self.ask("the measuring process", "peak_bytes", {})
        return int(answer)

    def pace(self) -> int:
        """Nanoseconds of the reference kernel."""
        answer, _ = self.ask("the reference kernel", "pace", {})
        return int(answer)
