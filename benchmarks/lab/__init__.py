"""The workshop: measures the project itself; not in the wheel."""
