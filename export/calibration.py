"""Ranges of activations for static int8, from texts that run through the float form."""

from torch import nn


class Tap(nn.Identity):
    """A named place where an activation's range is observed; nothing of it is left in an exported graph."""
