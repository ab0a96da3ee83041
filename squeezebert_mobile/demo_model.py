"""Where the sentiment model that ships with the package lies."""

from pathlib import Path

DEMO_MODEL = Path(__file__).with_name("demo")
DEMO_SENTENCES = DEMO_MODEL / "sentences.txt"
