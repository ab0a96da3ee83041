"""The reference SqueezeBERT, all but its `activations` in this file: the function that every artifact must equal.

Layout and parameter names follow the paper (Iandola et al. 2020, arXiv 2006.11316) and the Hugging Face checkpoints:
N batch, C channels, W tokens; hidden states are [N, C, W] between the embeddings and the heads, so that the grouped
1x1 convolutions need no transposes. What a call may be given and how it returns this is in `calls`.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from squeezebert_mobile.activations import activation
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.calls import (
    Asked,
    Called,
    DeviceMap,
    Inputs,
    Layers,
    Maybe,
    ModelOutput,
    Trace,
    device_of,
    float_type,
    untied,
)
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.tasks import Task

Result = ModelOutput | tuple[Tensor, ...]
Flag = bool | None

# transformers' encoder reads no layer_norm_eps, only its embeddings and its masked-language head do.
_CHANNEL_EPS = 1e-12


class Embeddings(nn.Module):
    """A call's inputs to normalized sums of three embeddings [N, C, W]."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, inputs: Inputs) -> Tensor:
        words = self.word_embeddings(inputs.input_ids) if inputs.inputs_embeds is None else inputs.inputs_embeds
        types = inputs.token_type_ids
        if types is None:
            types = torch.zeros(inputs.shape, dtype=torch.long, device=inputs.device)
        table, ids = self.position_embeddings, inputs.position_ids
        positions = table.weight[: inputs.shape[1]] if ids is None else table(ids)  # [W, C] or [N, W, C]
        x = self.dropout(self.LayerNorm(words + positions + self.token_type_embeddings(types)))  # [N, W, C]
        return x.transpose(1, 2)  # [N, C, W]


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over C of an [N, C, W] tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class ConvDropoutLayerNorm(nn.Module):
    """A grouped 1x1 convolution of [N, cin, W], added to a residual [N, cout, W] and normalized."""

    def __init__(self, cin: int, cout: int, groups: int, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(cin, cout, kernel_size=1, groups=groups)
        self.layernorm = ChannelNorm(cout, eps=_CHANNEL_EPS)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.layernorm(self.dropout(self.conv1d(x)) + residual)


class ConvActivation(nn.Module):
    """[N, C, W] to [N, intermediate_size, W]: a grouped 1x1 convolution and the activation."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        groups = config.intermediate_groups
        self.conv1d = nn.Conv1d(config.hidden_size, config.intermediate_size, kernel_size=1, groups=groups)
        self.act = activation(config.hidden_act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv1d(x))


class SelfAttention(nn.Module):
    """[N, C, W] to [N, C, W]; ``mask`` [N, 1, 1, W] is added to the scores: 0, or the dtype's minimum at padding."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        c = config.hidden_size
        self.num_heads, self.head_size = config.num_attention_heads, config.head_size
        self.query = nn.Conv1d(c, c, kernel_size=1, groups=config.q_groups)
        self.key = nn.Conv1d(c, c, kernel_size=1, groups=config.k_groups)
        self.value = nn.Conv1d(c, c, kernel_size=1, groups=config.v_groups)
        self.dropout = nn.Dropout(config.attention_probs_dropout_prob)

    def forward(self, x: Tensor, mask: Tensor, trace: Trace) -> Tensor:
        n, _, w = x.shape
        q, k, v = (conv(x).view(n, self.num_heads, self.head_size, w) for conv in (self.query, self.key, self.value))
        scores = q.transpose(2, 3) @ k / math.sqrt(self.head_size) + mask  # [N, heads, W, W]
        trace.scores(scores)
        probabilities = self.dropout(scores.softmax(-1))
        context = v @ probabilities.transpose(2, 3)  # [N, heads, head_size, W]
        return context.reshape(n, -1, w)


class Layer(nn.Module):
    """Self-attention and feed-forward, [N, C, W] to [N, C, W]; ``mask`` as in `SelfAttention`."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        c, wide = config.hidden_size, config.intermediate_size
        self.attention = SelfAttention(config)
        self.post_attention = ConvDropoutLayerNorm(c, c, config.post_attention_groups, config)
        self.intermediate = ConvActivation(config)
        self.output = ConvDropoutLayerNorm(wide, c, config.output_groups, config)

    def forward(self, x: Tensor, mask: Tensor, trace: Trace) -> Tensor:
        y = self.post_attention(self.attention(x, mask, trace), x)
        return self.output(self.intermediate(y), y)


class Encoder(nn.Module):
    """All layers, [N, C, W] to [N, C, W]; ``mask`` as in `SelfAttention`."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor, mask: Tensor, trace: Trace) -> Tensor:
        for layer in self.layers:
            trace.state(x)
            x = layer(x, mask, trace)
        trace.state(x)
        return x


class Pooler(nn.Module):
    """The first token of [N, W, C] to [N, C]."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.dense(x[:, 0]))


class PreTrained(Called):
    """A network with the calls of transformers' and random weights as BERT's."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        config.check()
        self.config = config

    def like(self, config: SqueezeBertConfig) -> Self:
        """A new model of the same kind with random weights."""
        return type(self)(config)

    def reset_parameters(self) -> None:
        """Random weights as BERT's: normal of ``initializer_range``, zero biases, zero padding row."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d, nn.Embedding)):
                nn.init.normal_(module.weight, std=self.config.initializer_range)
            if isinstance(module, (nn.Linear, nn.Conv1d)) and module.bias is not None:
                nn.init.zeros_(module.bias)
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        config: SqueezeBertConfig | None = None,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device_map: DeviceMap = None,
        ignore_mismatched_sizes: bool = False,
        **overrides: object,
    ) -> Self:
        """The model of a checkpoint folder or hub repository, in eval mode, fp32 unless ``dtype`` says otherwise.

        It stays whole: ``device_map`` names one device, as a name, a number, {"": device} or "auto".
        ``overrides`` are keys of its config, ``num_labels`` for one. The body must be complete. A head that is missing
        is initialised at random, with a warning that names it; so is one of another size with
        ``ignore_mismatched_sizes``, which is an error else.
        """
        from squeezebert_mobile.checkpoint import load as checkpoint

        device = device_of(device_map)
        loaded = checkpoint.load(source, revision=revision)
        chosen = checkpoint.config_for(cls.task, loaded.config) if config is None else config
        chosen.override(overrides)
        model = cls(chosen)
        fitted = checkpoint.fit(
            checkpoint.without_misfits(loaded, model) if ignore_mismatched_sizes else loaded, model, init_head=True
        )
        if fitted.initialised:
            what = f"{source}: has no {', '.join(fitted.initialised)}; initialised at random, to be trained"
            warnings.warn(what, stacklevel=2)
        asked = dtype if torch_dtype is None else torch_dtype
        kind = None if asked is None else checkpoint.dtype_of(loaded) if asked == "auto" else float_type(asked)
        return model.to(device=device, dtype=kind)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors, which transformers reads."""
        from squeezebert_mobile.checkpoint import load as checkpoint

        checkpoint.save(Path(folder), self)


class SqueezeBertModel(PreTrained):
    """Token ids [N, W] to hidden states [N, W, C] and the pooled first token [N, C]."""

    task = Task.FEATURE_EXTRACTION

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.pooler = Pooler(config)
        self.reset_parameters()

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        x = self.embeddings(inputs)
        mask = torch.ones(inputs.shape, device=x.device) if inputs.attention_mask is None else inputs.attention_mask
        hidden = (mask == 0)[:, None, None, :].to(x.dtype)
        x = self.encoder(x, hidden * torch.finfo(x.dtype).min, trace).transpose(1, 2)  # [N, W, C]
        return x, self.pooler(x)

    def forward(
        self, input_ids: Maybe = None, attention_mask: Maybe = None, token_type_ids: Maybe = None,
        position_ids: Maybe = None, inputs_embeds: Maybe = None,
        output_attentions: Flag = None, output_hidden_states: Flag = None, return_dict: Flag = None,
    ) -> Result:  # fmt: skip
        inputs = Inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        return self.call(inputs, (), Asked(output_attentions, output_hidden_states, return_dict))


class Headed(PreTrained):
    """A SqueezeBERT with a head that takes ``labels``."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.transformer = SqueezeBertModel(config)

    def forward(
        self, input_ids: Maybe = None, attention_mask: Maybe = None, token_type_ids: Maybe = None,
        position_ids: Maybe = None, inputs_embeds: Maybe = None, labels: Maybe = None,
        output_attentions: Flag = None, output_hidden_states: Flag = None, return_dict: Flag = None,
    ) -> Result:  # fmt: skip
        inputs = Inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        return self.call(inputs, (labels,), Asked(output_attentions, output_hidden_states, return_dict))


class LMHead(nn.Module):
    """[N, W, C] to [N, W, C] before the decoder."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.transform_act_fn = activation(config.hidden_act)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(self.transform_act_fn(self.dense(x)))


class Predictions(nn.Module):
    """[N, W, C] to vocabulary logits [N, W, V]."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.transform = LMHead(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
        self.bias = self.decoder.bias  # checkpoints carry it under both names

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.transform(x))


class SqueezeBertForMaskedLM(Headed):
    """Token ids [N, W] to vocabulary logits [N, W, V]."""

    task = Task.FILL_MASK

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.cls = nn.ModuleDict({"predictions": Predictions(config)})
        self.reset_parameters()
        self.tie_weights()
        self.register_state_dict_post_hook(untied)  # type: ignore[no-untyped-call]

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        x, _ = self.transformer.compute(inputs, trace)
        return (self.cls["predictions"](x),)


class Classifier(Headed):
    """A SqueezeBERT with dropout and one linear layer on top."""

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, 1 if self.task is Task.MULTIPLE_CHOICE else config.num_labels)
        self.reset_parameters()

    def head(self, x: Tensor) -> Tensor:
        """Logits of pooled or per-token vectors, [..., C] -> [..., outputs]."""
        return self.classifier(self.dropout(x))


class SqueezeBertForSequenceClassification(Classifier):
    """Token ids [N, W] to label logits [N, labels]."""

    task = Task.TEXT_CLASSIFICATION

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        _, pooled = self.transformer.compute(inputs, trace)
        return (self.head(pooled),)


class SqueezeBertForMultipleChoice(Classifier):
    """Token ids [N, choices, W] to choice logits [N, choices]."""

    task = Task.MULTIPLE_CHOICE

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        _, pooled = self.transformer.compute(inputs.of_rows(), trace)
        return (self.head(pooled).view(inputs.shape[:2]),)


class SqueezeBertForTokenClassification(Classifier):
    """Token ids [N, W] to label logits [N, W, labels]."""

    task = Task.TOKEN_CLASSIFICATION

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        x, _ = self.transformer.compute(inputs, trace)
        return (self.head(x),)


class SqueezeBertForQuestionAnswering(PreTrained):
    """Token ids [N, W] to start and end logits, [N, W] each; the config has two labels."""

    task = Task.QUESTION_ANSWERING

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.transformer = SqueezeBertModel(config)
        self.qa_outputs = nn.Linear(config.hidden_size, config.num_labels)
        self.reset_parameters()

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        x, _ = self.transformer.compute(inputs, trace)
        start, end = self.qa_outputs(x).unbind(-1)
        return start, end

    def forward(
        self, input_ids: Maybe = None, attention_mask: Maybe = None, token_type_ids: Maybe = None,
        position_ids: Maybe = None, inputs_embeds: Maybe = None, start_positions: Maybe = None,
        end_positions: Maybe = None, output_attentions: Flag = None, output_hidden_states: Flag = None,
        return_dict: Flag = None,
    ) -> Result:  # fmt: skip
        inputs = Inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        asked = Asked(output_attentions, output_hidden_states, return_dict)
        return self.call(inputs, (start_positions, end_positions), asked)


MODEL_CLASSES: tuple[type[PreTrained], ...] = (
    SqueezeBertModel, SqueezeBertForMaskedLM, SqueezeBertForSequenceClassification,
    SqueezeBertForTokenClassification, SqueezeBertForQuestionAnswering, SqueezeBertForMultipleChoice,
)  # fmt: skip


def run_module(module: nn.Module, batch: Batch, names: Sequence[str]) -> dict[str, Float32]:
    """The outputs by name, in fp32, of a module of the three inputs; it runs as it is, where its parameters are."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    run = module.tensors if isinstance(module, PreTrained) else module
    with torch.inference_mode():
        outputs = run(*(torch.from_numpy(array).to(device) for array in batch.arrays().values()))
    values = outputs if isinstance(outputs, tuple) else (outputs,)
    return {name: value.float().cpu().numpy() for name, value in zip(names, values, strict=True)}


def model_class(task: Task) -> type[PreTrained]:
    """The reference model of a task."""
    return next(cls for cls in MODEL_CLASSES if cls.task is task)
