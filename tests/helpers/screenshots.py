"""Pictures of what a user sees: the commands on a terminal of 80 columns, and the page of `make web-demo`.

    python tests/helpers/screenshots.py docs/pictures                # terminal-*.svg
    python tests/helpers/screenshots.py docs/pictures build/demo     # web-*.png, of that bundle

Terminals are drawn by rich, from what the commands themselves print; the page by Chromium.
"""

import os
import pty
import re
import shlex
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from checkout import ROOT
from rich.console import Console
from rich.text import Text

# What is typed, by the picture's name; all of it works in a checkout without a network.
SHOWN = {
    "commands": "--help",
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


def picture(bundle: Path, folder: Path) -> None:
    """Write the pictures of a bundle's page: wide and light, narrow and dark."""
    import npm
    import webdriver

    page = npm.web_page.build(bundle, ROOT / "build/web-demo", npm.transformers_js() / "node_modules")
    server = npm.web_page.server(page, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server, TemporaryDirectory() as profile, webdriver.chromium(Path(profile)) as window:
        for name, width, scheme in (("web", 1280, "light"), ("web-phone", 390, "dark")):
            window.open(f"http://127.0.0.1:{server.server_port}/", width=width, scheme=scheme)
            for button in ("#classify", "#run"):
                window.wait("!document.querySelector('#classify').disabled")
                window.click(button)
            window.wait("document.querySelector('#verdict').checkVisibility()")
            window.picture(folder / f"{name}.png")
        server.shutdown()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        picture(Path(sys.argv[2]), Path(sys.argv[1]))
        sys.exit()
    for name, command in SHOWN.items():
        draw(command, Path(sys.argv[1]) / f"terminal-{name}.svg")
