"""Running a bundle: one child process, sessions, predictions, verification."""
