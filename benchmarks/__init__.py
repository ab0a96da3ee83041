"""Latency per text snippet, measured under a stated protocol."""
