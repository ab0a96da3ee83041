"""How transformers' users call a model: what goes into a call, what it returns, its loss, its embeddings.

`model` says what is computed; nothing here takes part in an export, which has three inputs and plain tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import EnvironmentFault, UsageError
from squeezebert_mobile.pushing import PushToHub
from squeezebert_mobile.tasks import Activation, Pooling, Task

Maybe = Tensor | None
Layers = tuple[Tensor, ...]
Device = str | int | torch.device
DeviceMap = Device | Mapping[str, Device] | None

# How accelerate spreads a model, which fits one device here.
_AUTOMATIC = ("auto", "balanced", "balanced_low_0", "sequential")


@dataclass(frozen=True)
class Inputs:
    """One call's tensors: ids [N, W] or in their place embeddings [N, W, C]; multiple choice has [N, choices] first.

    Without a mask all tokens are real, without types they are of the first text, without positions they are counted.
    """

    input_ids: Maybe = None
    attention_mask: Maybe = None
    token_type_ids: Maybe = None
    position_ids: Maybe = None
    inputs_embeds: Maybe = None

    def __post_init__(self) -> None:
        if (self.input_ids is None) == (self.inputs_embeds is None):
            what = "and inputs_embeds are both missing" if self.input_ids is None else "is given beside inputs_embeds"
            raise UsageError("input_ids", what, fix="pass one of the two")

    @property
    def shape(self) -> torch.Size:
        """[N, W], or [N, choices, W]."""
        if self.input_ids is not None:
            return self.input_ids.shape
        assert self.inputs_embeds is not None
        return self.inputs_embeds.shape[:-1]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        given = self.input_ids if self.input_ids is not None else self.inputs_embeds
        assert given is not None
        return given.device

    def of_rows(self) -> "Inputs":
        """The choices of all items as rows of their own, [N, choices, W] -> [N * choices, W]."""
        return Inputs(*(None if x is None else x.flatten(0, 1) for x in vars(self).values()))


class Trace:
    """What a call records on its way through the encoder; None where nobody asked.

    ``hidden_states`` [N, W, C] stand before each layer and after the last. ``attentions`` [N, heads, W, W] are what
    transformers' SqueezeBERT gives under that name: the masked scores before the softmax.
    """

    def __init__(self, *, hidden_states: bool = False, attentions: bool = False) -> None:
        self.hidden_states: Layers | None = () if hidden_states else None
        self.attentions: Layers | None = () if attentions else None

    def state(self, x: Tensor) -> None:
        """Record hidden states [N, C, W]."""
        if self.hidden_states is not None:
            self.hidden_states += (x.transpose(1, 2),)

    def scores(self, x: Tensor) -> None:
        """Record attention scores."""
        if self.attentions is not None:
            self.attentions += (x,)


@dataclass(frozen=True)
class Asked:
    """What a call wants to have returned; the config says it where the call does not."""

    output_attentions: bool | None = None
    output_hidden_states: bool | None = None
    return_dict: bool | None = None

    def of(self, config: SqueezeBertConfig) -> tuple[bool, ...]:
        """The three answers."""
        return tuple(getattr(config, key) if value is None else value for key, value in vars(self).items())


class ModelOutput(dict[str, Tensor | Layers]):
    """Results by attribute, by key and by position or slice; what was not computed is None and counts for nothing."""

    def __init__(self, *values: Any, **named: Any) -> None:
        given: dict[str, Any] = dict(*values, **named)
        super().__init__({key: value for key, value in given.items() if value is not None})

    def __getattr__(self, name: str) -> object:
        if name not in self and name not in type(self).__annotations__:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        return self.get(name)

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = cast("Tensor", value)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (dict(self),)

    def to_tuple(self) -> tuple[object, ...]:
        """The values in their order."""
        return tuple(self.values())


class BaseModelOutputWithPooling(ModelOutput):
    """Hidden states [N, W, C] of the last layer and the pooled first token [N, C]."""

    last_hidden_state: Tensor
    pooler_output: Tensor
    hidden_states: Layers | None
    attentions: Layers | None


class MaskedLMOutput(ModelOutput):
    """Vocabulary logits [N, W, V]."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None
    attentions: Layers | None


class SequenceClassifierOutput(ModelOutput):
    """Label logits [N, labels]."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None
    attentions: Layers | None


class MultipleChoiceModelOutput(ModelOutput):
    """Choice logits [N, choices]."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None
    attentions: Layers | None


class TokenClassifierOutput(ModelOutput):
    """Label logits [N, W, labels]."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: Layers | None
    attentions: Layers | None


class QuestionAnsweringModelOutput(ModelOutput):
    """Start and end logits, [N, W] each."""

    loss: Tensor | None
    start_logits: Tensor
    end_logits: Tensor
    hidden_states: Layers | None
    attentions: Layers | None


_OUTPUTS: dict[Task, type[ModelOutput]] = {
    Task.FEATURE_EXTRACTION: BaseModelOutputWithPooling,
    Task.FILL_MASK: MaskedLMOutput,
    Task.TEXT_CLASSIFICATION: SequenceClassifierOutput,
    Task.MULTIPLE_CHOICE: MultipleChoiceModelOutput,
    Task.TOKEN_CLASSIFICATION: TokenClassifierOutput,
    Task.QUESTION_ANSWERING: QuestionAnsweringModelOutput,
}


def loss_of(task: Task, config: SqueezeBertConfig, outputs: Layers, labels: Layers) -> Tensor:
    """The mean loss that transformers gives a task's outputs; tokens labelled -100 and spans out of a row are ignored.

    A text classifier's config learns its ``problem_type`` from the first labels, so that what is saved says it.
    """
    if task is Task.QUESTION_ANSWERING:
        start, end = map(_position_loss, outputs, labels)
        return (start + end) / 2
    (logits,), (target,) = outputs, labels
    if task is not Task.TEXT_CLASSIFICATION:
        return F.cross_entropy(logits.flatten(0, -2) if logits.dim() > 2 else logits, target.flatten())
    if config.problem_type is None:
        whole = target.dtype in (torch.long, torch.int)
        several = "single_label_classification" if whole else "multi_label_classification"
        config.problem_type = "regression" if config.num_labels == 1 else several
    match config.problem_type:
        case "regression":
            one = config.num_labels == 1
            return F.mse_loss(logits.squeeze() if one else logits, target.squeeze() if one else target)
        case "multi_label_classification":
            return F.binary_cross_entropy_with_logits(logits, target)
        case _:
            return F.cross_entropy(logits, target.flatten())


def _position_loss(logits: Tensor, positions: Tensor) -> Tensor:
    """Of starts or ends [N] in logits [N, W]; one beyond the row, as of an answer that was cut off, is ignored."""
    width = logits.shape[1]
    return F.cross_entropy(logits, positions.flatten().clamp(0, width), ignore_index=width)


class Called(nn.Module, PushToHub):
    """What transformers' ``PreTrainedModel`` offers, on a network that says its task and computes its outputs."""

    base_model_prefix: ClassVar[str] = "transformer"
    task: Task
    config: SqueezeBertConfig
    # How the vector of a text is made, which `sentence.SentenceModel` gives.
    pooling: Pooling | None = None
    # Of a reranker, which says by it how far apart two scores are.
    activation: Activation | None = None

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        """The outputs in the order of ``output_names``."""
        raise NotImplementedError

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs in order."""
        return self.task.output_names

    def tensors(self, input_ids: Tensor, attention_mask: Maybe = None, token_type_ids: Maybe = None) -> Layers:
        """The outputs in the order of ``output_names``, of the three inputs that an exported model has."""
        return self.compute(Inputs(input_ids, attention_mask, token_type_ids), Trace())

    def call(self, inputs: Inputs, labels: tuple[Maybe, ...], asked: Asked) -> ModelOutput | tuple[object, ...]:
        """The outputs by name, with the loss where all ``labels`` are given."""
        attentions, hidden_states, return_dict = asked.of(self.config)
        trace = Trace(hidden_states=hidden_states, attentions=attentions)
        outputs = self.compute(inputs, trace)
        given = [label for label in labels if label is not None]
        loss = loss_of(self.task, self.config, outputs, tuple(given)) if given and len(given) == len(labels) else None
        named = dict(zip(self.output_names, outputs, strict=True))
        result = _OUTPUTS[self.task](loss=loss, **named, hidden_states=trace.hidden_states, attentions=trace.attentions)
        return result if return_dict else result.to_tuple()

    @property
    def base_model(self) -> nn.Module:
        """The network without its head."""
        return self if self.task is Task.FEATURE_EXTRACTION else self.get_submodule(self.base_model_prefix)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return next(self.parameters()).dtype

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """The number of parameters, tied ones once."""
        tables = {id(m.weight) for m in self.modules() if exclude_embeddings and isinstance(m, nn.Embedding)}
        counted = (p for p in self.parameters() if id(p) not in tables and (p.requires_grad or not only_trainable))
        return sum(parameter.numel() for parameter in counted)

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of the words."""
        return cast("nn.Embedding", self.base_model.get_submodule("embeddings.word_embeddings"))

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Put another table of the words in its place; a tied decoder follows it."""
        self.base_model.set_submodule("embeddings.word_embeddings", value)
        self.tie_weights()

    def get_output_embeddings(self) -> nn.Linear | None:
        """The decoder to the vocabulary, None where the head has none."""
        found = self.get_submodule("cls.predictions.decoder") if self.task is Task.FILL_MASK else None
        return cast("nn.Linear | None", found)

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Put another decoder in its place. Raises UsageError where the head has none."""
        if self.task is not Task.FILL_MASK:
            raise UsageError("set_output_embeddings", f"{self.task} has no decoder", fix="leave it out")
        self.set_submodule("cls.predictions.decoder", new_embeddings)
        self.get_submodule("cls.predictions").bias = new_embeddings.bias

    def tie_weights(self) -> None:
        """Make the decoder's weight the table of the words, where the config says that they are one."""
        decoder = self.get_output_embeddings()
        if decoder is not None and self.config.tie_word_embeddings:
            decoder.weight = self.get_input_embeddings().weight

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """The table of the words, with ``new_num_tokens`` rows, as many as a tokenizer has tokens after `add_tokens`.

        Rows are kept, cut at the end or added: as the mean of the others, or at random without ``mean_resizing``. The
        number is rounded up to ``pad_to_multiple_of``. The decoder, its bias (by zeros) and the config follow.
        """
        table = self.get_input_embeddings()
        rows = self.config.vocab_size if new_num_tokens is None else new_num_tokens
        rows = -(-rows // (pad_to_multiple_of or 1)) * (pad_to_multiple_of or 1)
        spread = None if mean_resizing else self.config.initializer_range
        table.weight, table.num_embeddings = _resized(table.weight, rows, spread), rows
        decoder = self.get_output_embeddings()
        if decoder is not None:
            decoder.weight, decoder.bias = _resized(decoder.weight, rows, spread), _resized(decoder.bias, rows, 0.0)
            decoder.out_features = rows
            self.set_output_embeddings(decoder)
        self.config.vocab_size = rows
        self.tie_weights()
        return table


def _resized(table: Tensor, rows: int, spread: float | None) -> nn.Parameter:
    """The first ``rows`` of a table or vector; rows beyond its end are its mean, or random about 0 with ``spread``."""
    old = table.detach()
    new = old.new_empty(rows, *old.shape[1:])
    new[: len(old)] = old[:rows]
    if spread is None:
        new[len(old) :] = old.mean(0)
    else:
        new[len(old) :].normal_(std=spread)
    return nn.Parameter(new, table.requires_grad)


def untied(_model: nn.Module, state: dict[str, Tensor], prefix: str, _local: object) -> None:
    """The decoder's tensors as copies: transformers' Trainer saves safetensors, which refuses two names of a tensor."""
    for name in ("weight", "bias"):
        key = f"{prefix}cls.predictions.decoder.{name}"
        state[key] = state[key].clone()


def device_of(device_map: DeviceMap) -> torch.device | None:
    """The one device that transformers' ``device_map`` names; "auto" and its kin take an accelerator where one is.

    Raises UsageError for a map to several devices or to the disk, and for what is no device; EnvironmentFault for a
    device that is not there.
    """
    places = set(device_map.values()) if isinstance(device_map, Mapping) else {device_map}
    if len(places) != 1 or "disk" in places:
        found, fix = ", ".join(map(str, places)) or "none", "pass one device, as 'cpu', or 'auto'"
        raise UsageError("device_map", "spreads a model that stays whole", found=found, expected="one device", fix=fix)
    (place,) = places
    if place is None:
        return None
    if place in _AUTOMATIC:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(place)
    except (RuntimeError, TypeError):
        expected, fix = "cpu, cuda:0 or auto", "pass 'cpu' or 'auto'"
        raise UsageError("device_map", "names no device", found=place, expected=expected, fix=fix) from None
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        what = f"{place} is not there: {str(error).splitlines()[0][:120]}"
        raise EnvironmentFault("device_map", what, fix="pass 'cpu' or 'auto'") from None
    return device


def float_type(asked: torch.dtype | str) -> torch.dtype:
    """A type of weights, as torch's or by its name. Raises UsageError for any other."""
    found = getattr(torch, asked, None) if isinstance(asked, str) else asked
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise UsageError("dtype", "is no type of weights", found=asked, expected="float16, for one", fix="correct it")
    return found
