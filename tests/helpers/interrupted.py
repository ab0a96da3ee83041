"""A training that is ended after a saved state."""

import pytest

from squeezebert_mobile.training.finetune import finetune
from squeezebert_mobile.training.options import FinetuneOptions
from squeezebert_mobile.training.trainer import Trainer


def finetune_until(step: int, options: FinetuneOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until the state of ``step`` is saved, as Ctrl-C there would leave it."""
    save = Trainer._save

    def save_and_die(trainer: Trainer) -> None:
        save(trainer)
        if trainer.state.step == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            finetune(options)
