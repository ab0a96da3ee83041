"""Names of a state dict: what wrappers, training loops and old converters make of them, brought back."""

from collections import OrderedDict
from pathlib import Path

import pytest

from squeezebert_mobile.checkpoint.names import rename
from squeezebert_mobile.errors import UnsupportedModelError, UsageError

FILE = Path("weights.bin")
BODY = ["transformer.embeddings.word_embeddings.weight", "transformer.encoder.layers.0.output.layernorm.weight"]
HEAD = ["classifier.weight", "classifier.bias"]
OWN = sorted([*BODY, *HEAD])


def under(prefix: str, names: list[str]) -> list[str]:
    return [f"{prefix}{name}" for name in names]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module.module.", "model.net."])
def test_a_prefix_of_all_names_is_named_and_comes_off(prefix: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"prefixes its names with '{prefix}'.*--strip-prefix {prefix}$"):
        rename(FILE, under(prefix, OWN), None)
    renamed = rename(FILE, under(prefix, OWN), prefix)
    assert renamed.names == dict(zip(OWN, under(prefix, OWN), strict=True))
    assert renamed.notes == ()


def test_the_dot_may_be_left_out() -> None:
    assert list(rename(FILE, under("module.", OWN), "module").names) == OWN


@pytest.mark.parametrize(("body", "head"), [("bert.", ""), ("model.bert.", "model."), ("a.b.c.", "a.")])
def test_a_head_may_stand_without_the_prefix_or_behind_a_shorter_one(body: str, head: str) -> None:
    names = [*under(body, BODY), *under(head, HEAD)]
    assert sorted(rename(FILE, names, body).names) == OWN


def test_what_else_is_outside_of_the_prefix_is_left_out_and_counted() -> None:
    renamed = rename(FILE, [*under("model.", OWN), "train_acc.total", "loss.weight"], "model.")
    assert sorted(renamed.names) == OWN
    assert renamed.notes == ("left out: 2 tensors outside of the prefix model., such as loss.weight",)


def test_of_two_models_the_one_that_was_asked_for_is_read() -> None:
    names = [*under("model.", OWN), *under("teacher.", OWN)]
    with pytest.raises(UnsupportedModelError, match=r"pass --strip-prefix model\. or --strip-prefix teacher\.$"):
        rename(FILE, names, None)
    assert set(rename(FILE, names, "teacher.").names.values()) == set(under("teacher.", OWN))


@pytest.mark.parametrize(("names", "fix"), [(under("module.", OWN), "pass --strip-prefix module."), (OWN, "leave")])
@pytest.mark.parametrize("wrong", ["net.", "transformer.encoder."])
def test_a_wrong_prefix_is_answered_with_the_right_one(names: list[str], fix: str, wrong: str) -> None:
    with pytest.raises((UsageError, UnsupportedModelError), match=f"fix: {fix}"):
        rename(FILE, names, wrong)


def test_the_bodys_own_prefix_may_be_named() -> None:
    assert "embeddings.word_embeddings.weight" in rename(FILE, OWN, "transformer.").names


@pytest.mark.parametrize("wrapper", ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "module"])
def test_a_wrapper_around_a_part_is_taken_out_and_said(wrapper: str) -> None:
    names = [
        f"transformer.embeddings.{wrapper}.word_embeddings.weight",
        f"transformer.encoder.layers.0.{wrapper}.output.layernorm.weight",
        *HEAD,
    ]
    renamed = rename(FILE, names, None)
    assert sorted(renamed.names) == OWN
    assert renamed.notes[0].startswith("read as today's: 2 names, such as transformer.embeddings")


@pytest.mark.parametrize("norm", ["LayerNorm", "layernorm"])
def test_gamma_and_beta_of_a_norm_are_its_weight_and_bias(norm: str) -> None:
    names = [BODY[0], f"transformer.a.{norm}.gamma", f"transformer.a.{norm}.beta"]
    assert set(rename(FILE, names, None).names) == {
        BODY[0],
        f"transformer.a.{norm}.weight",
        f"transformer.a.{norm}.bias",
    }


def test_a_gamma_of_something_else_keeps_its_name() -> None:
    names = OrderedDict.fromkeys([*OWN, "transformer.gamma"])
    assert rename(FILE, names, None).names["transformer.gamma"] == "transformer.gamma"


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        ([*under("model.", OWN), "classifier.weight"], "model."),
        ([*OWN, "transformer.encoder.layers.0.output.layernorm.gamma"], None),
    ],
)
def test_two_names_for_one_tensor_are_refused(names: list[str], prefix: str | None) -> None:
    with pytest.raises(UnsupportedModelError, match=r"holds .* twice, as .* and as .*; fix: save"):
        rename(FILE, names, prefix)
