"""Pictures of what the command shows on a terminal of 80 columns: docs/pictures/terminal-*.svg.

    python tests/helpers/screenshots.py docs/pictures

Drawn by rich, from what the commands themselves print.
"""

import os
import pty
import re
import shlex
import sys
from pathlib import Path

from checkout import ROOT
from rich.console import Console
from rich.text import Text

# What is typed, by the picture's name; all of it works in a checkout without a network.
SHOWN = {
    "help": "export --help",
    "report": "report benchmarks/results/reproduce.jsonl",
    "errors": "export -m my-chekpoint -o my-bundle",
}
COLUMNS, LINES = 80, 46


def printed(typed: str) -> str:
    """The bytes that a command sends to a terminal."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "-m", "squeezebert_mobile", *shlex.split(typed)], environment)
    data = bytearray()
    while True:
        try:
            block = os.read(terminal, 1 << 16)
        except OSError:  # the other end is gone
            break
        data += block
    os.waitpid(child, 0)
    os.close(terminal)
    return data.decode().replace("\r\n", "\n")


def draw(typed: str, target: Path) -> None:
    """Write the picture of one command."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text(f"$ squeezebert-mobile {typed}\n"))
        shown = printed(typed).rstrip().split("\n")
        kept = shown if len(shown) <= LINES else [*shown[: LINES - 12], "...", *shown[-11:]]
        console.print(Text.from_ansi("\n".join(kept)))
        picture = console.export_svg(title="squeezebert-mobile")
        # It is to fetch nothing, and to name no other site.
        target.write_text(re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", picture, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    for name, command in SHOWN.items():
        draw(command, Path(sys.argv[1]) / f"terminal-{name}.svg")
