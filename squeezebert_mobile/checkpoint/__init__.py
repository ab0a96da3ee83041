"""Checkpoints: found, verified, read and written."""
