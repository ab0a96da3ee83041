"""A bundle for text classification as a static page with transformers.js, served on this machine: `make web-demo`.

Packages come from npm, as package-lock.json pins them; the page itself fetches nothing from anywhere else.
"""

import argparse
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME
from squeezebert_mobile.errors import EnvironmentFault, SqueezeBertMobileError, UsageError
from squeezebert_mobile.tasks import Task

SOURCE = Path(__file__).parent
PAGE = ("index.html", "style.css", "app.js")
PINS = ("package.json", "package-lock.json")
# ONNX Runtime without its GPU backends: half of the bytes of the one that transformers.js takes by itself.
VENDOR = (
    "@huggingface/transformers/dist/transformers.web.min.js",
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
)


def install(folder: Path) -> Path:
    """The node_modules of ``folder`` with the pinned packages. Raises EnvironmentFault where npm fails."""
    done, modules = folder / "installed-package-lock.json", folder / "node_modules"
    if done.is_file() and done.read_bytes() == (SOURCE / PINS[1]).read_bytes():
        return modules
    folder.mkdir(parents=True, exist_ok=True)
    for name in PINS:
        shutil.copy(SOURCE / name, folder / name)
    command = ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise EnvironmentFault("npm", "is not installed", fix="install Node.js with npm") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise EnvironmentFault(
            "npm", f"failed: {lines[-1][:300]}", fix="check the network, and run it again"
        ) from error
    shutil.copy(folder / PINS[1], done)
    return modules


def build(bundle: Path, target: Path, modules: Path) -> Path:
    """The page of a bundle in the folder ``target``, which is replaced.

    Raises as `archive.opened`, and UsageError for another task, or a bundle without a file for transformers.js.
    """
    with archive.opened(bundle) as opened:
        if opened.manifest.task is not Task.TEXT_CLASSIFICATION:
            fix = "give a bundle that classifies texts"
            raise UsageError(bundle, "is for another task", found=opened.manifest.task, fix=fix)
        opened.artifacts(["onnx"], ["int8", "fp32", "fp16"])
        shutil.rmtree(target, ignore_errors=True)
        foreign = {artifact.path for artifact in opened.manifest.artifacts if artifact.runtime != "onnx"}
        for name in (MANIFEST_NAME, *(entry.path for entry in opened.manifest.every_file())):
            if name not in foreign:
                _copy(opened.folder / name, target / "bundle" / name)
    for name in PAGE:
        _copy(SOURCE / name, target / name)
    for name in VENDOR:
        _copy(modules / name, target / "vendor" / Path(name).name)
    return target


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


class _Quiet(SimpleHTTPRequestHandler):
    """Says nothing of each request, and has no page of yesterday shown."""

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def end_headers(self) -> None:
        """With the one header more."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of ``folder`` for this machine alone, on any port for 0. Raises EnvironmentFault for a taken one."""
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        fix = "take another: make web-demo PORT=0 finds one"
        raise EnvironmentFault(f"port {port}", f"cannot be served: {error.strerror}", fix=fix) from None


def main() -> None:
    """Build the page, and serve it until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("-o", "--output-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8000, help="0 for any")
    chosen = parser.parse_args()
    try:
        modules = install(chosen.output_dir.with_name("npm"))
        folder = build(chosen.bundle, chosen.output_dir, modules)
        with server(folder, chosen.port) as serving:
            print(f"http://127.0.0.1:{serving.server_port} shows {chosen.bundle}; Ctrl-C ends it.", flush=True)
            serving.serve_forever()
    except KeyboardInterrupt:
        print()
    except SqueezeBertMobileError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
