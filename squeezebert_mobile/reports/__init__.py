"""Reports of measurements: drawings, charts made of them, and pages of one file that hold both."""
