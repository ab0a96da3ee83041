"""The training loop on accelerate: one process or many give the same result, and a killed run goes on exactly.

Every random choice but dropout is a function of the seed and the step, so that it needs no state; dropout's generators,
the optimizer and the weights are in accelerate's state folders. Losses are summed and divided by the number of targets
of the whole batch, so that neither the number of processes nor accumulation changes a step.
"""

import hashlib
import json
import math
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, current_thread, main_thread

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from squeezebert_mobile.batch import Int64
from squeezebert_mobile.console import Advance, progress_bar
from squeezebert_mobile.errors import GateError, UsageError
from squeezebert_mobile.files import dump_json, read_json
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import losses
from squeezebert_mobile.training.data import Example
from squeezebert_mobile.training.evaluate import observations, torch_predict
from squeezebert_mobile.training.features import Collated, Feature, collate, drop_words, hide_tokens
from squeezebert_mobile.training.losses import Objective, Teacher
from squeezebert_mobile.training.metrics import Measure, metrics, of_examples
from squeezebert_mobile.training.options import FinetuneOptions, unfinished
from squeezebert_mobile.training.stored import StoredFeatures

# Batches are sorted by length within this many batches of shuffled rows: little padding, and still a random order.
_POOL = 64


def epoch_batches(lengths: Sequence[int], batch_size: int, *, seed: int, epoch: int) -> list[Int64]:
    """Row numbers of every batch of an epoch; every row occurs once, the last batch may be smaller."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    size = np.asarray(lengths)
    batches: list[Int64] = []
    for start in range(0, len(order), _POOL * batch_size):
        pool = order[start : start + _POOL * batch_size]
        pool = pool[np.argsort(size[pool], kind="stable")]
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]


def shards(batch: Int64, parts: int) -> list[Int64]:
    """A batch dealt out to ``parts`` micro-batches; the last ones may be empty."""
    return [batch[part::parts] for part in range(parts)]


class GroupedConv1d(nn.Conv1d):
    """A kernel-size-1 `nn.Conv1d`, same parameters and same function, computed as [G, N*W, in] @ [G, in, out]."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, W] to [N, C', W]."""
        n, _, w = x.shape
        g, cout, cin = self.groups, self.out_channels // self.groups, self.in_channels // self.groups
        rows = x.transpose(1, 2).reshape(n * w, g, cin).transpose(0, 1)  # [G, N*W, in]
        weight = self.weight.view(g, cout, cin).transpose(1, 2)  # [G, in, out]
        assert self.bias is not None
        y = torch.baddbmm(self.bias.view(g, 1, cout), rows, weight)  # [G, N*W, out]
        return y.transpose(0, 1).reshape(n, w, g * cout).transpose(1, 2)


def use_grouped_products(model: nn.Module) -> None:
    """Let every 1x1 convolution of a model compute itself so; parameters and their names stay."""
    for module in model.modules():
        if type(module) is nn.Conv1d:
            module.__class__ = GroupedConv1d


_RUN_FILE = "run.json"
_EVAL_BATCH = 64

# Options that change how a run proceeds but not what it computes: a resumed run may have others.
_FREE_OPTIONS = ("output_dir", "checkpoint_every", "resume", "force", "quiet")


@dataclass(frozen=True)
class EvalSet:
    """Labelled examples with their features."""

    examples: Sequence[Example]
    features: Sequence[Feature]


@dataclass(frozen=True)
class Evaluation:
    """The metrics after a step, and the mean training loss since the evaluation before."""

    step: int
    epoch: int
    loss: float
    metrics: dict[str, float]


@dataclass
class RunState:
    """How far a run is; saved with the weights and restored with them."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    best_step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best(self) -> Evaluation | None:
        """The evaluation of the weights that are kept, None without evaluation data."""
        return next((each for each in self.evaluations if each.step == self.best_step), None)

    def state_dict(self) -> dict[str, object]:
        """Plain values and tensors."""
        values = {name: value for name, value in vars(self).items() if name != "evaluations"}
        return {**values, "evaluations": [asdict(evaluation) for evaluation in self.evaluations]}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """The inverse of `state_dict`."""
        saved = dict(state)
        evaluations = saved.pop("evaluations")
        assert isinstance(evaluations, list)
        vars(self).update(saved, evaluations=[Evaluation(**values) for values in evaluations])


def learning_rate_factor(options: FinetuneOptions, step: int, total: int) -> float:
    """The share of the peak learning rate at ``step`` of ``total``: a linear warm-up, then the schedule down to 0."""
    warmup = round(options.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    match options.schedule:
        case "linear":
            return 1 - progress
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        case "constant":
            return 1.0


def parameter_groups(model: nn.Module, options: FinetuneOptions, num_layers: int) -> list[dict[str, object]]:
    """Parameters by depth and kind: layer k's rate is ``layer_decay`` times that of layer k + 1, the head has the peak.

    Biases and layer norms are not decayed, as in BERT.
    """
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault((_depth(name, num_layers), parameter.dim() > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": options.learning_rate * options.layer_decay ** (num_layers + 1 - depth),
            "weight_decay": options.weight_decay if decays else 0.0,
        }
        for (depth, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _depth(name: str, num_layers: int) -> int:
    """0 for the embeddings, k + 1 for layer k, and one more than the last layer for all above."""
    parts = name.split(".")
    if "embeddings" in parts:
        return 0
    return int(parts[parts.index("layers") + 1]) + 1 if "layers" in parts else num_layers + 1


class Trainer:
    """One training run of a model on features; `run` leaves the best weights in the model.

    ``state_folder`` is where checkpoints lie while it runs; it is removed by `forget`.
    """

    def __init__(
        self,
        model: PreTrained,
        tokenizer: SqueezeBertTokenizerFast,
        features: StoredFeatures,
        options: FinetuneOptions,
        state_folder: Path,
        *,
        eval_set: EvalSet | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self._tokenizer, self._features, self._options = tokenizer, features, options
        self._eval_set, self._folder = eval_set, state_folder
        self._accelerator = Accelerator(mixed_precision=options.mixed_precision)
        _require_whole_batches(options, features, self._accelerator.num_processes)
        torch.manual_seed(options.seed + self._accelerator.process_index)
        use_grouped_products(model)
        self._model = model.to(self._accelerator.device)
        self._matched = () if teacher is None else teacher.layers
        if teacher is not None:
            teacher.model.eval().to(self._accelerator.device)
        objective = Objective(
            model, teacher=teacher, distillation=options.distillation, temperature=options.temperature
        )
        optimizer = torch.optim.AdamW(parameter_groups(model, options, model.config.num_hidden_layers))
        self._steps_per_epoch = math.ceil(len(features) / options.batch_size)
        self._total = options.epochs * self._steps_per_epoch
        # Not handed to `prepare`: accelerate would step it once per process.
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(options, step, self._total)
        )
        self._objective, self._optimizer = self._accelerator.prepare(objective, optimizer)
        self._average = None
        if options.average is not None:
            self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(options.average), use_buffers=True)
            self._accelerator.register_for_checkpointing(self._average)
        self.state = RunState()
        self._accelerator.register_for_checkpointing(self._schedule, self.state)

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files."""
        return bool(self._accelerator.is_main_process)

    def run(self) -> None:
        """Train to the end, or until the metric no longer improves.

        Raises GateError where the loss is no longer finite, UsageError where state lies in the way; for Ctrl-C,
        KeyboardInterrupt after the step, with its state saved and the words how to go on.
        """
        self._restore()
        title = f"fine-tuning {self._options.task}"
        quiet = self._options.quiet or not self.is_main
        with (
            progress_bar(title, self._total, done=self.state.step, quiet=quiet) as advance,
            _noticing_interrupts(self._accelerator.num_processes) as interrupted,
        ):
            while self.state.step < self._total and not self._is_stuck():
                self._run_epoch(advance, interrupted)
        best = self.state.best_weights or _weights(self._evaluated())
        self._model.load_state_dict(best)

    def forget(self) -> None:
        """Remove the state: the run's result is safe elsewhere."""
        self._accelerator.wait_for_everyone()
        if self.is_main:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _run_epoch(self, advance: Advance, interrupted: Event) -> None:
        epoch, done = divmod(self.state.step, self._steps_per_epoch)
        options = self._options
        batches = epoch_batches(self._features.lengths, options.batch_size, seed=options.seed, epoch=epoch)
        for batch in batches[done:]:
            self.state.losses.append(self._step([self._features[index] for index in batch]))
            self.state.step += 1
            if self.state.step == (epoch + 1) * self._steps_per_epoch and self._eval_set is not None:
                self._evaluate(epoch, advance)
            if self.state.step % options.checkpoint_every == 0 or interrupted.is_set():
                self._save()
            advance(1, self._status())
            if interrupted.is_set():
                kept = f"the state of step {self.state.step} is in {self._folder}"
                raise KeyboardInterrupt(f"{kept}; to go on, give the same command and --resume")

    def _step(self, rows: Sequence[Feature]) -> float:
        """One optimizer step on a batch of rows; returns its mean loss over all processes."""
        options, accelerator = self._options, self._accelerator
        self._objective.train()
        batch = self._noisy(collate(rows, self._tokenizer.pad_token_id))
        counts = losses.target_count(options.task, batch.labels), int(batch.inputs.attention_mask.sum())
        parts = shards(np.arange(len(rows)), options.accumulation * accelerator.num_processes)
        own = parts[accelerator.process_index :: accelerator.num_processes]
        total = torch.zeros((), device=accelerator.device)
        for number, part in enumerate(own):
            with _no_sync(accelerator, self._objective, last=number == len(own) - 1):
                loss = self._loss(batch, part, counts)
                # DDP takes the mean over processes where the sum is wanted.
                accelerator.backward(loss * accelerator.num_processes)
                total += loss.detach()
        accelerator.clip_grad_norm_(self._objective.parameters(), options.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self._model)
        value = float(accelerator.reduce(total, "sum"))
        if not math.isfinite(value):
            what = f"the loss is {value} at step {self.state.step + 1}"
            raise GateError(options.output_dir, what, fix="lower --learning-rate, or train in fp32")
        return value

    def _noisy(self, batch: Collated) -> Collated:
        options = self._options
        random = np.random.default_rng([options.seed, 1, self.state.step])
        if options.task is Task.FILL_MASK:
            batch = hide_tokens(batch, self._tokenizer, options.mask_probability, random)
        if options.word_dropout:
            batch = drop_words(batch, self._tokenizer, options.word_dropout, random)
        return batch

    def _loss(self, batch: Collated, part: np.ndarray, counts: tuple[int, int]) -> Tensor:
        """What some rows add to the loss of a batch with so many targets and tokens.

        Without any rows, 0 times that of the first, for DDP waits for every process.
        """
        rows = part if len(part) else np.zeros(1, np.int64)
        width = int(batch.inputs.attention_mask[rows].any(axis=tuple(range(batch.inputs.input_ids.ndim - 1))).sum())
        arrays = [array[rows][..., :width] for array in batch.inputs.arrays().values()]
        labels = batch.labels[rows]
        if labels.shape[1:] == batch.inputs.input_ids.shape[1:] and labels.ndim > 1:
            labels = labels[:, :width]
        soft = None if batch.soft is None else self._tensor(batch.soft[rows])
        of_targets, of_tokens = self._objective(*map(self._tensor, arrays), self._tensor(labels), soft)
        targets, tokens = counts
        loss: Tensor = of_targets / targets + of_tokens / tokens
        return loss if len(part) else 0 * loss

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._accelerator.device)

    def _evaluated(self) -> PreTrained:
        """The model whose metrics count: the average where one is kept."""
        if self._average is None or not int(self._average.n_averaged):
            return self._model
        averaged = self._average.module
        assert isinstance(averaged, PreTrained)
        return averaged

    def _evaluate(self, epoch: int, advance: Advance) -> None:
        """Metrics on the evaluation data, shared out over the processes; keeps the weights if they are the best."""
        assert self._eval_set is not None
        model, accelerator = self._evaluated(), self._accelerator
        own = range(accelerator.process_index, len(self._eval_set.features), accelerator.num_processes)
        with accelerator.autocast():
            found = observations(
                model.task,
                torch_predict(model),
                [self._eval_set.features[n] for n in own],
                batch_size=_EVAL_BATCH,
                pad_token_id=self._tokenizer.pad_token_id,
            )
            observed = []
            for n, observation, _ in found:
                observed.append((own[n], observation))
                if len(observed) % _EVAL_BATCH == 0:
                    advance(0, f"evaluating {len(observed)}/{len(own)}")
        everything = [row for _, row in sorted(gather_object(observed), key=lambda pair: pair[0])]
        measure = Measure.of(model.task, model.config, model.activation)
        values = metrics(measure, of_examples(measure, self._eval_set.examples, self._eval_set.features, everything))
        since = self.state.evaluations[-1].step if self.state.evaluations else 0
        loss = float(np.mean(self.state.losses[since:]))
        self.state.evaluations.append(
            Evaluation(self.state.step, epoch + 1, loss, {metric.name: metric.value for metric in values})
        )
        name, sign = values[0].name, 1 if values[0].higher_is_better else -1
        best = max(self.state.evaluations, key=lambda evaluation: sign * evaluation.metrics[name])
        if best.step == self.state.step:
            self.state.best_step, self.state.best_weights = self.state.step, _weights(model)

    def _is_stuck(self) -> bool:
        """True after ``patience`` evaluations without a better one."""
        if self._options.patience is None:
            return False
        since = [evaluation for evaluation in self.state.evaluations if evaluation.step > self.state.best_step]
        return len(since) >= self._options.patience

    def _status(self) -> str:
        recent = self.state.losses[-50:]
        text = f"loss {sum(recent) / len(recent):.4f}"
        if self.state.evaluations:
            name, value = next(iter(self.state.evaluations[-1].metrics.items()))
            text += f", {name} {value:.4f}"
        return text

    def _fingerprint(self) -> str:
        """A digest of everything that the result depends on, the data included."""
        digest = hashlib.sha256()
        values = {key: value for key, value in asdict(self._options).items() if key not in _FREE_OPTIONS}
        values |= {"processes": self._accelerator.num_processes, "matched": self._matched}
        digest.update(json.dumps(values, sort_keys=True, default=str).encode())
        digest.update(self._features.sha256.encode())
        return digest.hexdigest()

    def _save(self) -> None:
        """A new state folder, complete before it gets its name; the one before is removed after that."""
        target = self._folder / f"step-{self.state.step:09d}"
        partial = target.with_suffix(".partial")
        self._accelerator.save_state(str(partial))
        self._accelerator.wait_for_everyone()
        if self.is_main:
            (partial / _RUN_FILE).write_bytes(dump_json({"fingerprint": self._fingerprint()}))
            partial.rename(target)
            for old in unfinished(self._folder):
                if old != target:
                    shutil.rmtree(old)
        self._accelerator.wait_for_everyone()

    def _restore(self) -> None:
        self._options.require_resumable()
        if not self._options.resume:
            self.forget()
            self._accelerator.wait_for_everyone()
            return
        states = unfinished(self._folder)
        saved = read_json(states[-1] / _RUN_FILE)
        if saved.get("fingerprint") != self._fingerprint():
            what = "was made with other options, data or number of processes"
            raise UsageError(states[-1], what, fix="use the same ones, or start again with --force")
        self._accelerator.load_state(str(states[-1]))


def _require_whole_batches(options: FinetuneOptions, features: StoredFeatures, processes: int) -> None:
    """Raise UsageError where each text would find its pair among a part of the batch, another loss for each split."""
    ranks = options.task is Task.FEATURE_EXTRACTION and features[0].labels.dtype.kind != "f"
    parts = options.accumulation * processes
    if ranks and parts > 1:
        what, fix = "pairs without scores need their batch in one part", "train in one process, without --accumulation"
        raise UsageError(options.data, what, found=f"{parts} parts", fix=fix)


@contextmanager
def _noticing_interrupts(processes: int) -> Iterator[Event]:
    """What is set by the first Ctrl-C, so that the step ends before the run does; the second one ends it at once.

    Of several processes each ends at once: they would stop at different steps, of which no state can be saved.
    """
    found = Event()
    before = signal.getsignal(signal.SIGINT)
    if processes > 1 or before is not signal.default_int_handler or current_thread() is not main_thread():
        yield found
        return

    def notice(*_: object) -> None:
        found.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, notice)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _no_sync(accelerator: Accelerator, module: nn.Module, *, last: bool) -> AbstractContextManager[None]:
    """Gradients are exchanged once a step, in the last backward pass."""
    return nullcontext() if last else accelerator.no_sync(module)
