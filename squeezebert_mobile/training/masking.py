"""Noise on the inputs while training: BERT's masking for fill-mask, and word dropout."""

from dataclasses import replace

import numpy as np

from squeezebert_mobile.batch import Batch, Int64
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training.features import IGNORED, Collated, Feature

# Of the hidden tokens BERT shows 80 % as [MASK], 10 % as a random piece and 10 % as they are (Devlin et al. 2018).
_SHOWN_AS_MASK = 0.8
_SHOWN_AS_RANDOM = 0.9


def hide_tokens(
    batch: Collated, tokenizer: SqueezeBertTokenizerFast, probability: float, random: np.random.Generator
) -> Collated:
    """Each token of the texts hidden with ``probability``, which alone stay targets; at least one in the batch."""
    labels = batch.labels.astype(np.int64)
    candidates = labels != IGNORED
    chosen = candidates & (random.random(labels.shape) < probability)
    if candidates.any() and not chosen.any():
        chosen.flat[random.choice(np.flatnonzero(candidates))] = True
    shown = random.random(labels.shape)
    pieces = random.integers(len(tokenizer), size=labels.shape)
    ids = np.where(chosen & (shown < _SHOWN_AS_RANDOM), pieces, batch.inputs.input_ids)
    ids = np.where(chosen & (shown < _SHOWN_AS_MASK), tokenizer.mask_token_id, ids)
    return replace(batch, inputs=_with_ids(batch.inputs, ids), labels=np.where(chosen, labels, IGNORED))


def drop_words(
    batch: Collated, tokenizer: SqueezeBertTokenizerFast, probability: float, random: np.random.Generator
) -> Collated:
    """Each token replaced by [MASK] with ``probability``, special tokens and padding spared; targets stay."""
    ids = batch.inputs.input_ids
    special = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    dropped = (random.random(ids.shape) < probability) & ~np.isin(ids, special)
    return replace(batch, inputs=_with_ids(batch.inputs, np.where(dropped, tokenizer.mask_token_id, ids)))


def hide_each(feature: Feature, mask_token_id: int) -> list[Feature]:
    """One feature per token of the text, that token alone hidden: what pseudo-perplexity sums over."""
    rows = []
    for position in np.flatnonzero(feature.labels != IGNORED):
        ids, labels = feature.input_ids.copy(), np.full_like(feature.labels, IGNORED)
        ids[position], labels[position] = mask_token_id, feature.labels[position]
        rows.append(replace(feature, input_ids=ids, labels=labels))
    return rows


def hide_some(features: list[Feature], mask_token_id: int, probability: float, seed: int) -> list[Feature]:
    """Every feature with tokens hidden once and for all, for a quick look at a model while it trains."""
    random = np.random.default_rng(seed)
    result = []
    for feature in features:
        candidates = np.flatnonzero(feature.labels != IGNORED)
        count = min(len(candidates), max(1, round(probability * len(candidates))))
        chosen = random.choice(candidates, count, replace=False)
        ids, labels = feature.input_ids.copy(), np.full_like(feature.labels, IGNORED)
        ids[chosen], labels[chosen] = mask_token_id, feature.labels[chosen]
        result.append(replace(feature, input_ids=ids, labels=labels))
    return result


def _with_ids(inputs: Batch, ids: Int64) -> Batch:
    return replace(inputs, input_ids=ids.astype(np.int64, copy=False))
