"""What the APK is built from: registry packages, each pinned by SHA-256."""

import hashlib
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

# The annotations of what may be null, in the public classes of the library.
JSPECIFY = "org.jspecify:jspecify:1.0.0"
JAPICMP = (
    "com.github.siom79.japicmp:japicmp:0.27.0",
    "org.javassist:javassist:3.30.2-GA",
    "com.google.guava:guava:33.4.8-jre",
)
MAVEN = {
    "com.android.tools:r8:8.13.25": "0d4f2f68c4fcbc9434eff122f41feb6fb1d98efd2faa530cec1abacab1cea03d",
    "org.robolectric:android-all:14-robolectric-10818077": (
        "6be2218c6a53fe3c57bc22ebdc723edcb7270a8a6f187545708aa5c0ed813977"
    ),
    "com.facebook.fbjni:fbjni:0.7.0:aar": "7e319ae110ac5e5ef18904170aea5c3e753e915d196699d7fd39d36c8e1dfe36",
    "com.facebook.soloader:nativeloader:0.10.5": "971ded86009c0ac56fb2275e128f852e7dcbc41a40cd799688f8a1aebde5195d",
    "com.toasttab.android:gummy-bears-api-26:0.15.0:signature": (
        "3e80066053b6d4b1637a3f363e621bd4b89915ec4aa903060a3b281dbb81ac61"
    ),
    "com.github.siom79.japicmp:japicmp:0.27.0": "9df7ea5eb7a8b7431a867d5151b6cc759e7844e1c7d857fc8dbbe3604f710f6c",
    "com.google.guava:guava:33.4.8-jre": "f3d7f57f67fd622f4d468dfdd692b3a5e3909246c28017ac3263405f0fe617ed",
    "org.javassist:javassist:3.30.2-GA": "eba37290994b5e4868f3af98ff113f6244a6b099385d9ad46881307d3cb01aaf",
    "org.codehaus.mojo:animal-sniffer:1.24": "65d028de87134f0955e3a964fe438fc3e99e77b237a77e5e165869a8ff59db5f",
    "de.femtopedia.dex2jar:dex-ir:2.4.38": "ecac2eb44ad9393ac579d5d4e48520b485e90ab6536becdb061466fef92d9bb8",
    "de.femtopedia.dex2jar:dex-reader-api:2.4.38": "490cac37ca090db759295eae2c279536bca7c77e8cfa3be4372210a6a4ca9d2a",
    "de.femtopedia.dex2jar:dex-reader:2.4.38": "177a7ddc7a9b7cc1e9a86603f93599461bc64ed8d5574b80f42391390ea9ec7d",
    "de.femtopedia.dex2jar:dex-translator:2.4.38": "9bb5a7852cfc9698d130cc780513bb202a8b0c59bf8dd43c3f25cf32c587741d",
    JSPECIFY: "1fad6e6be7557781e4d33729d49ae1cdc8fdda6fe477bb0cc68ce351eafdfbab",
    "org.junit.platform:junit-platform-console-standalone:1.11.4": (
        "b016ef6b1c3454d6d7c2c88ce081dabf289699686af6622d6e4e2e1b54b4a2fc"
    ),
    "org.ow2.asm:asm-commons:9.10.1": "6d0abefb7cbf972ea16edb37ec14835372505063a45f976ab7ea889ed9497895",
    "org.ow2.asm:asm-tree:9.10.1": "3dfb0d5b6a106cd40b5b250e39935fbf2f927f4477546a5369a3ac609cf0506b",
    "org.ow2.asm:asm:9.10.1": "ed825d10ab1399c8c0cb669e688cf0c8c82629b4c8399b58352b68e92ca10fcb",
}
# Neither onnxruntime-android nor executorch-android is on Maven Central's mirrors here; these packages carry the files.
NPM = {
    "com.github.asus4.onnxruntime@0.4.9": {
        "package/Plugins/Android/onnxruntime.aar": "98cddbac92640b4a6af72a03c42e0491851f366d3da66bbaeb5dd66310946cf2"
    },
    "react-native-executorch@0.8.3": {
        "package/android/libs/classes.jar": "24df12b3557751d275228584d3a159ad4294561eeabca1372cca7b9a7eca712f",
        "package/third-party/android/libs/executorch/arm64-v8a/libexecutorch.so": (
            "e8ed2ba08b83fd12e0f75791c6f5451bb26522342fb1313052aa6a80436e0405"
        ),
    },
}
ONNXRUNTIME_VERSION = "1.29.0"
MIN_SDK = "26"
_REPOSITORY = Path.home() / ".m2/repository"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "squeezebert-mobile"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """The output of a command. Exits with its last lines where it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise SystemExit(f"error: {command[0]}: failed\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout + done.stderr


def maven(coordinate: str) -> Path:
    """A pinned artifact of Maven Central, ``group:name:version`` with an optional file type."""
    group, name, version, *kind = coordinate.split(":")
    path = _REPOSITORY / group.replace(".", "/") / name / version / f"{name}-{version}.{kind[0] if kind else 'jar'}"
    if not path.exists():
        get = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get"
        run("mvn", "-q", "-B", "-ntp", get, f"-Dartifact={coordinate}", "-Dtransitive=false")
    return _pinned(path, MAVEN[coordinate])


def npm(package: str) -> list[Path]:
    """The pinned files of an npm package, in their order above; the rest of the tarball is not unpacked."""
    folder = CACHE / package.replace("@", "-")
    if not all((folder / name).exists() for name in NPM[package]):
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.glob("*.tgz")):  # left by a run that was interrupted
            run("npm", "pack", package, cwd=folder)
        tarball = next(folder.glob("*.tgz"))
        with tarfile.open(tarball) as tar:
            for name in NPM[package]:
                data = tar.extractfile(name)
                assert data is not None
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data.read())
        tarball.unlink()
    return [_pinned(folder / name, digest) for name, digest in NPM[package].items()]


def unpack(archive: Path, folder: Path) -> Path:
    """An AAR or jar as a folder."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


def _pinned(path: Path, digest: str) -> Path:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise SystemExit(
            f"error: {path}: SHA-256 mismatch (found {found}, expected {digest}); fix: delete it, run again"
        )
    return path
