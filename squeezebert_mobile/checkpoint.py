"""Checkpoints (being written)."""
