"""Activations with weights of their own: read, trained, saved and exported as those of transformers."""

import dataclasses
from pathlib import Path

import pytest
import tiny
import torch
import transformers

import squeezebert_mobile
from squeezebert_mobile.activations import XIELU, fixed
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.errors import UnsupportedModelError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.pipeline import export
from squeezebert_mobile.model import SqueezeBertForMaskedLM, model_class
from squeezebert_mobile.tasks import Task

LEARNT = {"prelu": ("weight",), "xielu": ("alpha_n", "alpha_p", "beta", "eps")}
IDS = torch.tensor([[2, 17, 40, 51, 3], [2, 8, 9, 40, 3]])


def written(folder: Path, act: str, name: str = "SqueezeBertForMaskedLM") -> Path:
    """A checkpoint of transformers' with weights that no two layers share."""
    values = dataclasses.replace(tiny.SMALL, hidden_act=act).to_dict()
    torch.manual_seed(0)
    theirs = getattr(transformers, name)(transformers.SqueezeBertConfig(**values))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    theirs.save_pretrained(folder)
    tiny.tokenizer(tiny.SMALL).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("act", LEARNT)
def test_a_learnt_activation_is_read_and_saved_as_by_transformers(act: str, tmp_path: Path) -> None:
    ours = SqueezeBertForMaskedLM.from_pretrained(written(tmp_path / "theirs", act))
    expected = transformers.SqueezeBertForMaskedLM.from_pretrained(tmp_path / "theirs").eval()(IDS).logits
    torch.testing.assert_close(ours(IDS).logits, expected, atol=1e-5, rtol=0)
    ours.save_pretrained(tmp_path / "ours")
    again = transformers.SqueezeBertForMaskedLM.from_pretrained(tmp_path / "ours").eval()(IDS).logits
    torch.testing.assert_close(again, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("act", LEARNT)
def test_a_learnt_activation_starts_and_learns_as_in_transformers(act: str) -> None:
    values = dataclasses.replace(tiny.SMALL, hidden_act=act)
    ours = SqueezeBertForMaskedLM(values)
    theirs = transformers.SqueezeBertForMaskedLM(transformers.SqueezeBertConfig(**values.to_dict()))
    state, expected = ours.state_dict(), theirs.state_dict()
    names = {name for name in expected if name.rpartition(".")[2] in LEARNT[act] and "act" in name}
    assert len(names) == len(LEARNT[act]) * (tiny.SMALL.num_hidden_layers + 1)
    for name in names:
        torch.testing.assert_close(state[name], expected[name].float(), atol=0.01, rtol=0)
    ours(IDS, labels=IDS).loss.backward()
    learnt = {name: parameter for name, parameter in ours.named_parameters() if name in names}
    assert learnt
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in learnt.values())


@pytest.mark.parametrize("act", LEARNT)
def test_a_checkpoint_without_the_weights_of_its_activation_is_refused(act: str, tmp_path: Path) -> None:
    model = SqueezeBertForMaskedLM(dataclasses.replace(tiny.SMALL))
    model.config.hidden_act = act
    model.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"lacks transformer\.encoder\.layers\.0\.intermediate\.act\."):
        checkpoint.load_model(checkpoint.load(tmp_path))


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.25, 1.0, 3.0])
def test_a_fixed_prelu_is_the_learnt_one(slope: float) -> None:
    learnt, x = torch.nn.PReLU(init=slope), torch.linspace(-3, 3, 50)
    torch.testing.assert_close(fixed(learnt)(x), learnt(x).detach(), atol=0, rtol=0)


def test_a_fixed_xielu_is_the_learnt_one() -> None:
    learnt, x = XIELU(), torch.linspace(-9, 9, 500)
    torch.testing.assert_close(fixed(learnt)(x), learnt(x).detach(), atol=1e-6, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("act", "task"), [("prelu", Task.FILL_MASK), ("xielu", Task.TEXT_CLASSIFICATION)])
def test_a_learnt_activation_is_exported_with_its_weights(act: str, task: Task, tmp_path: Path) -> None:
    """The export compares every artifact with the reference, or there is no bundle."""
    model = written(tmp_path / "model", act, model_class(task).__name__)
    ours = getattr(squeezebert_mobile, model_class(task).__name__).from_pretrained(model)
    # Slopes that a runtime's own leaky ReLU might not take.
    learnt = [module for module in ours.modules() if isinstance(module, torch.nn.PReLU)]
    for module, slope in zip(learnt, (-0.5, 0.0, 1.5), strict=False):
        torch.nn.init.constant_(module.weight, slope)
    ours.save_pretrained(model)
    made = export(ExportOptions(tmp_path / "bundle", model))
    assert [(a.runtime, a.precision) for a in made.manifest.artifacts] == [
        (runtime, precision) for runtime in ("onnx", "executorch") for precision in ("fp32", "int8")
    ]
