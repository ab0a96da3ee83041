"""The child process of one runtime: it holds all loaded candidates and runs one of them when it is told to.

The parent sends pickled requests over a socket pair that it made; both ends are this program.
"""

import resource
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.benchmarks.candidates import BundleFile, Candidate, Checkpoint, PlainFile
from squeezebert_mobile.benchmarks.messages import Item, Load, Loaded, Measure, ReadPace, Timing
from squeezebert_mobile.benchmarks.pace import Probe
from squeezebert_mobile.benchmarks.peers import PeerModel, logits_of
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.engines import Engine, OnnxEngine, load_engine
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

if TYPE_CHECKING:
    from torch import nn


class TimedEngine:
    """An engine that remembers when its calls began and ended."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.spans: list[tuple[int, int]] = []
        self.batch: Batch | None = None

    def run(self, batch: Batch) -> dict[str, Float32]:
        """The engine's outputs."""
        self.batch = batch
        start = time.perf_counter_ns()
        outputs = self._engine.run(batch)
        self.spans.append((start, time.perf_counter_ns()))
        return outputs

    def close(self) -> None:
        """Nothing to end: the engine goes with its process."""


class TorchEngine:
    """A PyTorch module of the three inputs that returns logits, or the reference model with its named outputs."""

    def __init__(self, module: "nn.Module") -> None:
        self._module = module

    def run(self, batch: Batch) -> dict[str, Float32]:
        """The outputs, numbered."""
        import torch

        with torch.inference_mode():
            outputs = self._module(*(torch.from_numpy(array) for array in batch.arrays().values()))
        values = outputs if isinstance(outputs, tuple) else (outputs,)
        return {("logits", "pooler_output")[index]: value.numpy() for index, value in enumerate(values)}


class PlainPteEngine:
    """A peer's .pte: three inputs of a fixed length, to which shorter rows are padded, as its users must."""

    def __init__(self, data: bytes, threads: int, tokens: int) -> None:
        from executorch.extension.pybindings import _portable_lib

        _portable_lib._unsafe_reset_threadpool(threads)
        # The module reads from these bytes until it is gone, and does not hold them itself.
        self._data = data
        self._module = _portable_lib._load_for_executorch_from_buffer(data)
        self._tokens = tokens

    def run(self, batch: Batch) -> dict[str, Float32]:
        """The logits [1, labels]."""
        import torch

        missing = self._tokens - batch.input_ids.shape[1]
        arrays = (np.pad(array, ((0, 0), (0, missing))) for array in batch.arrays().values())
        outputs = self._module.forward([torch.from_numpy(array) for array in arrays])
        return {"logits": outputs[0].numpy().copy()}


class PlainPipeline:
    """Text to label scores with a peer: what a `Predictor` is for a bundle."""

    def __init__(self, tokenizer: SqueezeBertTokenizerFast, engine: TimedEngine, max_tokens: int) -> None:
        self._tokenizer, self._engine, self._max_tokens = tokenizer, engine, max_tokens

    def __call__(self, sample: Sample) -> object:
        """The scores of two labels."""
        rows = self._tokenizer(sample.text, sample.text_pair, max_length=self._max_tokens)
        outputs = self._engine.run(rows.batch())
        logits = outputs["logits"][0]
        return postprocess.classify(logits, [str(index) for index in range(len(logits))])


class Loader:
    """A candidate in memory: its engine, and the pipeline from text where there is one."""

    def __init__(self, candidate: Candidate, threads: int, bundle: Bundle | None) -> None:
        self.engine = TimedEngine(_engine(candidate, threads, bundle))
        self.pipeline = _pipeline(candidate, self.engine, bundle)

    def measure(self, item: Item) -> Timing:
        """One call, timed."""
        self.engine.spans.clear()
        start = time.perf_counter_ns()
        if isinstance(item, Batch):
            self.engine.run(item)
        else:
            assert self.pipeline is not None, "texts are sent only to candidates with a tokenizer"
            self.pipeline(item)
        end = time.perf_counter_ns()
        spans, batch = self.engine.spans, self.engine.batch
        assert batch is not None
        tokens = batch.input_ids.shape[-1]
        infer = sum(last - first for first, last in spans)
        if isinstance(item, Batch):
            return Timing(start, tokens, infer, None, None, peak_bytes())
        before = spans[0][0] - start
        return Timing(start, tokens, infer, before, end - start - infer - before, peak_bytes())


def _engine(candidate: Candidate, threads: int, bundle: Bundle | None) -> Engine:
    match candidate.source:
        case BundleFile(folder, path) if bundle is not None:
            artifact = next(a for a in bundle.manifest.artifacts if a.path == path)
            return load_engine(artifact.runtime, (folder / path).read_bytes(), threads, artifact.outputs)
        case PlainFile(path, None):
            return OnnxEngine(path.read_bytes(), threads)
        case PlainFile(path, int(tokens)):
            return PlainPteEngine(path.read_bytes(), threads, tokens)
        case Checkpoint(folder):
            return TorchEngine(_reference(folder, candidate))
        case PeerModel() as peer:
            return TorchEngine(logits_of(peer.build()))
    raise AssertionError(f"{candidate.source} has no bundle")


def _reference(folder: Path, candidate: Candidate) -> "nn.Module":
    from squeezebert_mobile.model import model_class

    return model_class(candidate.task).from_pretrained(folder)


def _pipeline(candidate: Candidate, engine: TimedEngine, bundle: Bundle | None) -> Predictor | PlainPipeline | None:
    if bundle is not None:
        return Predictor(bundle, runtime=candidate.runtime, precision=candidate.precision, runner=engine)
    if candidate.tokenizer is None:
        return None
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(candidate.tokenizer)
    return PlainPipeline(tokenizer, engine, candidate.max_tokens)


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
        from executorch.extension.pybindings import _portable_lib  # noqa: F401
    if isinstance(candidate.source, PeerModel):
        candidate.source.model_class()


def _load(request: Load) -> tuple[Loader, Loaded]:
    _import_runtime(request.candidate, request.threads)
    source = request.candidate.source
    bundle = bundles.read(source.folder) if isinstance(source, BundleFile) else None
    base = peak_bytes()
    start = time.perf_counter_ns()
    loader = Loader(request.candidate, request.threads, bundle)
    return loader, Loaded(time.perf_counter_ns() - start, base, peak_bytes())


def serve(connection: Connection) -> None:
    """Answer requests until the parent closes the connection; an error is answered by itself."""
    loaders: dict[int, Loader] = {}
    probe: Probe | None = None
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            match request:
                case Load(number=number):
                    loaders[number], answer = _load(request)
                    connection.send(answer)
                case Measure(number=number, items=items, warmup=warmup):
                    connection.send(_measure(loaders[number], items, warmup))
                case ReadPace():
                    # Not before it is asked for: a process that loads a model cold holds that model alone.
                    probe = probe or Probe()
                    connection.send(probe.product_ns())
        except SqueezeBertMobileError as error:
            connection.send((type(error), error.file, error.what, error.fix, error.found, error.expected))


def _measure(loader: Loader, items: Sequence[Item], warmup: int) -> tuple[Timing, ...]:
    return tuple(loader.measure(item) for item in items)[warmup:]


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
