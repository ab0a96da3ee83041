"""The ranking finds what was planted: a layer that does nothing, a channel that says nothing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import schemas
import tiny
import torch
from browser import assert_readable
from typer.testing import CliRunner

from squeezebert_mobile.cli import app
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.reports.drawing import WIDTH, Line, Text
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import ranking_page
from squeezebert_mobile.training.data import TextExample
from squeezebert_mobile.training.features import encode
from squeezebert_mobile.training.ranking import Cost, Ranking, Sample, Width, channel_importance, rank
from squeezebert_mobile.training.students import student

torch.set_num_threads(1)
CONFIG = replace(tiny.CONFIG, num_hidden_layers=3)
TOKENIZER = tiny.tokenizer()
TEXTS = ("a quiet film", "no wit at all", "it stays with you for days", "two hours lost", "a film", "you")


def sample() -> Sample:
    """Texts of one class and the other in turn."""
    examples = [TextExample(text, None, n % 2) for n, text in enumerate(TEXTS)]
    return Sample(examples, encode(examples, TOKENIZER, max_length=24), TOKENIZER.pad_token_id)


def own_values(model: PreTrained) -> Sample:
    """Texts with the values that the model itself gives, so that any change raises the loss."""
    model.config.problem_type = "regression"
    features = encode([TextExample(text, None, 0) for text in TEXTS], TOKENIZER, max_length=24)
    with torch.inference_mode():
        found = [model.tensors(torch.from_numpy(f.input_ids)[None])[0][0].numpy() for f in features]
    labelled = [replace(f, labels=values) for f, values in zip(features, found, strict=True)]
    own = [TextExample(text, None, tuple(values.tolist())) for text, values in zip(TEXTS, found, strict=True)]
    return Sample(own, labelled, TOKENIZER.pad_token_id)


def large() -> PreTrained:
    """A model of three layers whose logits lie far apart."""
    model = tiny.model(Task.TEXT_CLASSIFICATION, CONFIG)
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    return model


def silenced(model: PreTrained, layer: int) -> None:
    """Let a layer hand on what it gets: its branches add nothing, and what it gets is normalized already."""
    found = model.transformer.encoder.layers[layer]
    with torch.no_grad():
        for each in model.transformer.encoder.layers:
            for norm in (each.post_attention.layernorm, each.output.layernorm):
                norm.weight.fill_(1)
                norm.bias.zero_()
        for conv in (found.post_attention.conv1d, found.output.conv1d):
            conv.weight.zero_()
            conv.bias.zero_()


def nothing(_steps: int, _status: str) -> None:
    """A bar that nobody sees."""


def test_the_layer_that_does_nothing_costs_nothing() -> None:
    model = large()
    silenced(model, 1)
    rows = own_values(model)
    found = rank(model, rows, channel_importance(model, rows), nothing)
    assert found.layers[1].loss == pytest.approx(found.whole.loss, abs=1e-5)
    assert min(found.layers[0].loss, found.layers[2].loss) > found.whole.loss + 1e-3
    assert found.costliest(2) == (0, 2)
    assert (found.metric, found.whole.metric, found.rows) == ("pearson", pytest.approx(1), len(TEXTS))


def test_a_layers_cost_is_that_of_the_model_made_without_it() -> None:
    model = large()
    rows = sample()
    found = rank(model, rows, channel_importance(model, rows), nothing)
    for layer, kept in ((0, (1, 2)), (2, (0, 1))):
        assert rows.cost(student(model, kept))[1] == found.layers[layer]
    assert model.config.num_hidden_layers == len(model.transformer.encoder.layers) == 3


def test_silent_channels_matter_least_and_a_width_without_them_costs_nothing() -> None:
    model = large()
    # The same number of each group's slice.
    silent = np.concatenate([np.arange(start, start + 12) for start in range(0, 96, 24)])
    with torch.no_grad():
        for layer in model.transformer.encoder.layers:
            layer.intermediate.conv1d.weight[silent] = 0
            layer.intermediate.conv1d.bias[silent] = 0
    rows = sample()
    importance = channel_importance(model, rows)
    for each in importance:
        assert each[silent].max() == 0 < np.delete(each, silent).min()
    found = rank(model, rows, importance, nothing)
    assert [width.size for width in found.widths] == [84, 72, 60, 48, 36, 24, 12]
    half = next(width for width in found.widths if width.size == 48)
    assert half.cost.loss == pytest.approx(found.whole.loss, abs=1e-5)


def test_importance_is_activation_times_gradient_row_by_row() -> None:
    model = large()
    rows = sample()
    (first, *_), expected = channel_importance(model, rows), np.zeros(CONFIG.intermediate_size)
    intermediate = model.transformer.encoder.layers[0].intermediate
    for feature in rows.features:
        seen: list[torch.Tensor] = []
        hook = intermediate.register_forward_hook(lambda _m, _i, found, seen=seen: seen.append(found))
        logits = model.tensors(torch.from_numpy(feature.input_ids)[None])[0]
        hook.remove()
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([int(feature.labels)]))
        (slope,) = torch.autograd.grad(loss, seen)
        expected += (seen[0] * slope).sum(-1)[0].abs().detach().numpy()
    np.testing.assert_allclose(first, expected / len(TEXTS), rtol=1e-3, atol=1e-7)


def test_a_sample_is_drawn_over_all_rows() -> None:
    examples = [TextExample(text, None, n) for n, text in enumerate(TEXTS)]
    features = encode(examples, TOKENIZER, max_length=24)
    found = Sample.of(examples, features, 0, most=3, seed=1)
    assert len(found.examples) == len(found.features) == 3
    assert [found.examples[f.example].target for f in found.features] == [int(f.labels) for f in found.features]
    assert [e.target for e in found.examples] != [0, 1, 2]
    assert Sample.of(examples, features, 0, most=3, seed=1).examples == found.examples
    assert Sample.of(examples, features, 0, most=99, seed=1).examples == examples


def test_the_command_ranks_a_checkpoint_and_writes_its_report(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, CONFIG)
    data, out = tmp_path / "data.tsv", tmp_path / "ranking.json"
    data.write_text("text\tlabel\n" + "".join(f"{text}\tpositive\n" for text in TEXTS), encoding="utf-8")
    arguments = ["rank", str(folder), "--data", str(data), "--quiet", "-o", str(out), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    schemas.require_valid("rank", done.stdout)
    assert json.loads(done.stdout) == json.loads(out.read_text())
    assert len(json.loads(done.stdout)["layers"]) == 3
    shown = CliRunner().invoke(app, [*arguments[:4], "--quiet", "--max-samples", "2"]).stdout
    assert "text-classification, 2 rows" in shown and "without layer 2" in shown


RANKING = Ranking(
    Task.TEXT_CLASSIFICATION, 512, "accuracy", Cost(0.31, 0.87),
    (Cost(0.9, 0.6), Cost(0.33, 0.86), Cost(0.5, 0.8)), (Width(48, Cost(0.32, 0.87)), Width(24, Cost(0.6, 0.7))),
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_at_both_widths(tmp_path: Path, scheme: str) -> None:
    ranking_page.write(RANKING, tmp_path / "ranking.json", (0, 2))
    assert_readable(tmp_path / "ranking.html", scheme, ["layers", "widths"])
    assert (tmp_path / "ranking.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_and_the_text_say_which_layer_costs_least() -> None:
    page = ranking_page.to_page(RANKING, ranking_page.figures(RANKING))
    assert "+0.020" in page and "without layer 1, which costs least" in page
    lines = ranking_page.text(RANKING).splitlines()
    order = ["the whole model", *(f"without layer {n}" for n in (0, 2, 1))]
    assert [line.split("  ")[0] for line in lines[3:7]] == order


def test_the_layers_that_a_student_keeps_are_told() -> None:
    layers, widths = ranking_page.figures(RANKING, kept=(0, 2))
    assert "In colour" in layers.words and "In colour" not in ranking_page.figures(RANKING)[0].words
    texts = [mark.text for mark in widths.drawing.marks if isinstance(mark, Text)]
    assert "channels" in texts


def test_the_mark_stays_in_the_picture_where_any_layer_less_is_better() -> None:
    better = replace(RANKING, whole=Cost(2.0, 0.5))
    layers, _ = ranking_page.figures(better)
    assert max(x for mark in layers.drawing.marks if isinstance(mark, Line) for x, _ in mark.points) <= WIDTH


def test_a_model_whose_groups_leave_one_width_has_no_curve() -> None:
    narrow = replace(RANKING, widths=())
    assert [figure.name for figure in ranking_page.figures(narrow)] == ["layers"]
