"""The command `rank`: a checkpoint and labelled data in, what each layer and each width costs out."""

from dataclasses import replace

from accelerate import Accelerator

from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.tables.columns import find_columns, require_scores
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import Task, window_stride
from squeezebert_mobile.training import chosen, ranking_page
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.features import encode
from squeezebert_mobile.training.options import FinetuneOptions, RankOptions, row_length
from squeezebert_mobile.training.ranking import Ranking, Sample, drawn, measure


def rank(options: RankOptions) -> Ranking:
    """Measure a checkpoint without each of its layers and at narrower widths, before any training.

    Raises what reading the checkpoint and the data raises, and EnvironmentFault where the report cannot be written.
    """
    loaded = checkpoint.read(options.source, options)
    task, pooling = chosen.task_of(options.source, loaded, options.task, options.pooling)
    config, tokenizer = loaded.config, loaded.tokenizer()
    if task is Task.TEXT_CLASSIFICATION and config.is_regression:
        config = replace(config, problem_type="regression")
    model = checkpoint.load_model(loaded, task, config=config, pooling=pooling).model
    if task is Task.TEXT_CLASSIFICATION and config.num_labels == 1:
        model.activation = loaded.declared.activation()
    table = read_table(options.data, task)
    columns = find_columns(table, task, options.columns, labels=config.labels)
    require_scores(table, columns)
    examples = dataset.examples(table, columns, config)
    examples = tuple(examples[row] for row in drawn(len(examples), options.max_samples, options.seed))
    length = row_length(options.max_length, config.max_position_embeddings, tokenizer.model_max_length)
    features = encode(examples, tokenizer, max_length=length, stride=window_stride(length))
    sample = Sample(examples, features, tokenizer.pad_token_id)
    if task is Task.FILL_MASK:
        sample = sample.hidden(tokenizer, FinetuneOptions.mask_probability, options.seed)
    found, _ = measure(model, sample, Accelerator(), quiet=options.quiet)
    if options.output is not None:
        ranking_page.write(found, options.output)
    return found
