"""The child process of one runtime: it holds all loaded candidates and times the calls of one when it is told to."""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.benchmarks.candidates import BundleFile, Candidate, Checkpoint, PlainFile
from squeezebert_mobile.benchmarks.children import LOAD, Item, Timing
from squeezebert_mobile.benchmarks.environment import ReferenceKernel
from squeezebert_mobile.benchmarks.peers import PeerModel, logits_of
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.child import Answer, Arrays, serve
from squeezebert_mobile.run.engines import ExecuTorchEngine, OnnxEngine, import_executorch, load_engine
from squeezebert_mobile.run.predict import Predictor, Run, Sample
from squeezebert_mobile.tasks import Pooling
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


class PlainPteEngine(ExecuTorchEngine):
    """A peer's .pte: three inputs of a fixed length, to which shorter rows are padded, as its users must."""

    def __init__(self, model: bytes, threads: int, tokens: int) -> None:
        super().__init__(model, threads, ())
        self._tokens = tokens

    def run(self, batch: Batch) -> dict[str, Float32]:
        """The logits [1, labels]."""
        (logits,) = self.forward(*batch.padded(self._tokens).arrays().values())
        return {"logits": logits}


class Loader:
    """A candidate in memory: its engine, and the pipeline from text where there is one, which runs the engine here."""

    def __init__(self, candidate: Candidate, threads: int, bundle: Bundle | None) -> None:
        self._engine = _engine(candidate, threads, bundle)
        self._pipeline = _pipeline(candidate, self.run, bundle)
        self._spans: list[tuple[int, int]] = []
        self._batch: Batch | None = None

    def run(self, batch: Batch) -> Mapping[str, Float32]:
        """The engine's outputs; when the call began and ended, in nanoseconds, and the batch are remembered."""
        self._batch = batch
        start = time.perf_counter_ns()
        outputs = self._engine(batch)
        self._spans.append((start, time.perf_counter_ns()))
        return outputs

    def measure(self, item: Item) -> Timing:
        """One call, timed."""
        self._spans.clear()
        start = time.perf_counter_ns()
        if isinstance(item, Batch):
            self.run(item)
        else:
            assert self._pipeline is not None, "texts are sent only to candidates with a tokenizer"
            self._pipeline(item)
        end = time.perf_counter_ns()
        assert self._batch is not None
        tokens = self._batch.input_ids.shape[-1]
        infer = sum(last - first for first, last in self._spans)
        if isinstance(item, Batch):
            return Timing(start, tokens, infer, None, None)
        before = self._spans[0][0] - start
        return Timing(start, tokens, infer, before, end - start - infer - before)


def _engine(candidate: Candidate, threads: int, bundle: Bundle | None) -> Run:
    match candidate.source:
        case BundleFile(folder, path) if bundle is not None:
            artifact = next(a for a in bundle.manifest.artifacts if a.path == path)
            return load_engine(artifact.runtime, (folder / path).read_bytes(), threads, artifact.outputs).run
        case PlainFile(path, None):
            return OnnxEngine(path.read_bytes(), threads).run
        case PlainFile(path, int(tokens)):
            return PlainPteEngine(path.read_bytes(), threads, tokens).run
        case Checkpoint(folder, how):
            from squeezebert_mobile.checkpoint import load as checkpoint
            from squeezebert_mobile.model import run_module

            loaded = checkpoint.read(folder, how)
            # Any kind takes as long.
            pooling = Pooling("mean") if loaded.declared.embeds else None
            reference = checkpoint.load_model(loaded, candidate.task, pooling=pooling).model
            return partial(run_module, reference, names=reference.output_names)
        case PeerModel() as peer:
            from squeezebert_mobile.model import run_module

            return partial(run_module, logits_of(peer.build()), names=("logits",))
    raise AssertionError(f"{candidate.source} has no bundle")


def _pipeline(candidate: Candidate, run: Run, bundle: Bundle | None) -> Callable[[Sample], object] | None:
    """From a text to its result, None where there is no tokenizer; for a peer it is label scores."""
    if bundle is not None:
        return Predictor(bundle, runtime=candidate.runtime, precision=candidate.precision, run=run)
    if candidate.tokenizer is None:
        return None
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(candidate.tokenizer)

    def classify(sample: Sample) -> object:
        rows = tokenizer.rows(sample.text, sample.text_pair, max_length=candidate.max_tokens)
        scores = postprocess.softmax(run(rows.batch())["logits"][0])
        return postprocess.rank_labels(scores, [str(index) for index in range(len(scores))])

    return classify


def peak_bytes() -> int:
    """The largest resident size of this process so far.

    On Linux getrusage would not do: there a new program inherits the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _import_runtime(candidate: Candidate, threads: int) -> None:
    """Bring the runtime into memory, so that loading a model does not include loading the runtime."""
    if candidate.runtime == "onnx":
        import onnxruntime  # noqa: F401

        return
    import torch

    torch.set_num_threads(threads)
    if candidate.runtime == "executorch":
        import_executorch()
    else:
        from squeezebert_mobile import model  # noqa: F401
    if isinstance(candidate.source, PeerModel):
        candidate.source.model_class()


class Worker:
    """What this process can be asked."""

    def __init__(self) -> None:
        self._loaded: dict[int, tuple[Loader, list[Item]]] = {}
        self._kernel: ReferenceKernel | None = None

    def load(self, arrays: Arrays, number: int, request: object) -> Answer:
        """Load a candidate; the answer is what `Loaded` holds."""
        wanted = LOAD.validate_python(request)
        items = [
            Batch(*(arrays[f"{index} {field.name}"] for field in fields(Batch))) if sample is None else sample
            for index, sample in enumerate(wanted.samples)
        ]
        source = wanted.candidate.source
        _import_runtime(wanted.candidate, wanted.threads)
        bundle = bundles.read(source.folder) if isinstance(source, BundleFile) else None
        base = peak_bytes()
        start = time.perf_counter_ns()
        self._loaded[number] = Loader(wanted.candidate, wanted.threads, bundle), items
        return (time.perf_counter_ns() - start, base), {}

    def measure(self, _: Arrays, number: int, items: Sequence[int], warmup: int) -> Answer:
        """A turn; the answer is what the `Timing` of each call but the first ``warmup`` holds."""
        loader, own = self._loaded[number]
        return [astuple(loader.measure(own[index])) for index in items][warmup:], {}

    def peak_bytes(self, _: Arrays) -> Answer:
        """The peak of resident bytes so far."""
        return peak_bytes(), {}

    def pace(self, _: Arrays) -> Answer:
        """Nanoseconds of the reference kernel."""
        # Not before it is asked for: a process that loads a model cold holds that model alone.
        self._kernel = self._kernel or ReferenceKernel()
        return self._kernel.measure_ns(), {}


def main() -> None:
    """Serve the parent that started this process."""
    worker = Worker()
    handlers = (worker.load, worker.measure, worker.peak_bytes, worker.pace)
    serve(int(sys.argv[1]), {handler.__name__: handler for handler in handlers})


if __name__ == "__main__":
    main()
