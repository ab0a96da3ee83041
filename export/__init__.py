"""From a reference model to verified artifacts: mobile form, capture, lowering, parity, pipeline."""
