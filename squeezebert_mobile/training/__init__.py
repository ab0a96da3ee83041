"""Labelled data, fine-tuning and evaluation."""
