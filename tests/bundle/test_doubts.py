"""What a bundle's own figures say against it."""

import pytest
from handmade_bundle import accuracy, described

from squeezebert_mobile.bundle.doubts import doubts
from squeezebert_mobile.bundle.manifest import Accuracy, Manifest


def with_artifact(agreement: float = 1.0, measured: Accuracy | None = None, output: str = "logits") -> Manifest:
    (artifact,) = described().artifacts
    proven = [p.model_copy(update={"argmax_agreement": agreement, "output": output}) for p in artifact.parity]
    changed = artifact.model_copy(update={"parity": tuple(proven), "accuracy": measured})
    return described(artifacts=(changed,))


def test_a_sound_bundle_has_none() -> None:
    assert doubts(described()) == ()
    assert doubts(with_artifact(0.9, accuracy(0.7, 0.5))) == ()


def test_answers_that_differ_on_more_than_a_tenth_are_told_with_their_reason_and_a_step() -> None:
    (line,) = doubts(with_artifact(0.5217))
    assert line.startswith("onnx/model.onnx agrees with the reference on 52.2% of the golden answers only: ")
    assert "logits move by up to 1e-06" in line
    assert line.endswith("take a finer precision, keep units float (--keep-float), or measure it (--data)")


def test_where_it_was_measured_the_drop_is_told_in_place_of_a_step() -> None:
    (line,) = doubts(with_artifact(0.8, accuracy(0.7, 0.5)))
    assert line.endswith("; its accuracy falls by 0.0100")


def test_the_largest_value_of_a_vector_is_no_answer() -> None:
    assert doubts(with_artifact(0.1, output="last_hidden_state")) == ()


@pytest.mark.parametrize(("low", "chance", "doubted"), [(0.5, 0.5, True), (0.51, 0.5, False), (0.1, None, False)])
def test_a_checkpoint_has_to_be_surely_better_than_its_commonest_label(
    low: float, chance: float | None, doubted: bool
) -> None:
    found = doubts(with_artifact(measured=accuracy(low, chance)))
    assert bool(found) is doubted
    if doubted:
        assert "0.8100 (95 %: 0.5000 to 0.9000), and the commonest label alone reaches 0.5000" in found[0]
