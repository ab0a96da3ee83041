"""What a bundle's own figures say against it, for whoever exports it and whoever gets it."""

from squeezebert_mobile.bundle.manifest import Artifact, Manifest

# Below it a user of the artifact would notice that it is another model.
_LEAST_AGREEMENT = 0.9


def doubts(described: Manifest) -> tuple[str, ...]:
    """A sentence for each artifact that often answers otherwise than the reference, and for a checkpoint at chance."""
    found = [_of_answers(a) for a in described.artifacts if a.agreement is not None and a.agreement < _LEAST_AGREEMENT]
    measured = next((a.accuracy for a in described.artifacts if a.accuracy is not None), None)
    if measured is not None and measured.is_chance:
        low, high = measured.checkpoint_interval.low, measured.checkpoint_interval.high
        found.append(
            f"the checkpoint's {measured.metric} is {measured.checkpoint:.4f} (95 %: {low:.4f} to {high:.4f}), and the "
            f"commonest label alone reaches {measured.chance:.4f}: no drop says anything; train it, or give more rows"
        )
    return tuple(found)


def _of_answers(artifact: Artifact) -> str:
    moved = max(parity.max_abs for parity in artifact.parity)
    what = (
        f"{artifact.path} agrees with the reference on {artifact.agreement:.1%} of the golden answers only: its "
        f"logits move by up to {moved:g}, which is more than the answers lie apart"
    )
    if artifact.accuracy is not None:
        return f"{what}; its {artifact.accuracy.metric} falls by {artifact.accuracy.drop:.4f}"
    return f"{what}; take a finer precision, keep units float (--keep-float), or measure it (--data)"
