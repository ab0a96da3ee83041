"""Build a signed APK of the demo from registry packages, without the Android SDK, and check it.

The phone build is Gradle's; this one proves on any Linux machine that the sources compile against Android's classes,
keep to API 26, dex, link against the real native libraries and carry the bundle unchanged. Needs JDK 17, Maven, npm
and Debian's aapt, zipalign, apksigner, dexdump and binutils.
"""

import argparse
import os
import shutil
import struct
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import apk_checks
import dexed_core
import one_runtime
from apk_inputs import CACHE, JSPECIFY, MIN_SDK, maven, npm, run, unpack

DEMO = Path(__file__).parents[1]
_KEY_PASSWORD = "android"  # the well-known password of debug keys; the key signs nothing but these APKs
# A zip entry's alignment, as apksigner keeps it; 16 KiB pages need their libraries at 16 KiB.
_ALIGNMENT_FIELD, _LIBRARY_ALIGNMENT = 0xD935, 16384
# What Gradle generates, with the version that it resolved.
_BUILD_CONFIG = """package org.squeezebert.internal.et;

public final class BuildConfig {
    public static final String EXECUTORCH_VERSION = "unknown";
}
"""
# Behind a check of SDK_INT in AndroidDevice.
_NEWER_API = ("android.os.PowerManager", "android.os.Build", "android.os.Build$VERSION")


@dataclass(frozen=True)
class Flavour:
    """One runtime's Java classes and native libraries, and the packages that its classes may use."""

    engine: str
    jars: tuple[Path, ...]
    libraries: tuple[Path, ...]
    packages: tuple[str, ...]


def onnx(work: Path) -> Flavour:
    """ONNX Runtime's own AAR, as a Unity package carries it."""
    aar = unpack(npm("com.github.asus4.onnxruntime@0.4.9")[0], work / "aar")
    libraries = tuple(sorted((aar / "jni/arm64-v8a").glob("*.so")))
    return Flavour("engine-ort", (maven(JSPECIFY), aar / "classes.jar"), libraries, ("ai.onnxruntime.*",))


def executorch(work: Path) -> Flavour:
    """ExecuTorch as a React Native package carries it; which version its library is could not be established."""
    classes, library = npm("react-native-executorch@0.8.3")
    fbjni = unpack(maven("com.facebook.fbjni:fbjni:0.7.0:aar"), work / "fbjni")
    jars = (maven(JSPECIFY), classes, fbjni / "classes.jar", maven("com.facebook.soloader:nativeloader:0.10.5"))
    libraries = (library, *sorted((fbjni / "jni/arm64-v8a").glob("*.so")))
    return Flavour("engine-et", jars, libraries, ("org.pytorch.*", "com.facebook.*"))


def build(name: str, bundle: Path | None, out: Path) -> Path:
    """The APK of one flavour, signed and checked."""
    work = out / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    flavour = {"onnx": onnx, "executorch": executorch}[name](work)
    bundle = bundle and one_runtime.write(bundle, name, work / "bundle")
    android = maven("org.robolectric:android-all:14-robolectric-10818077")
    run(DEMO / "link_resources.sh", android, work, *([bundle] if bundle else []))
    classes = _compile(flavour, android, work)
    require_api_level(classes, flavour.packages, work)
    print(f"  API level: nothing newer than {MIN_SDK} and nothing hidden in the app's classes", flush=True)
    dex = _dex(flavour, android, classes, work)
    unsigned = work / "unsigned.apk"
    _pack(work / "resources.ap_", unsigned, dex, flavour)
    apk = out / f"squeezebert-demo-{name}.apk"
    _sign(unsigned, apk, CACHE / "debug.p12")
    for line in apk_checks.check(apk, flavour.jars, bundle, work):
        print(f"  {line}", flush=True)
    print(f"  core: {dexed_core.test(apk, classes, work)} of its tests pass on the classes of the dex", flush=True)
    return apk


def _compile(flavour: Flavour, android: Path, work: Path) -> Path:
    sources = [
        path
        for folder in ("core", "bench", flavour.engine, "app")
        for path in sorted((DEMO / folder / "src/main/java").rglob("*.java"))
    ]
    if flavour.engine == "engine-et":
        config = work / "gen/org/squeezebert/internal/et/BuildConfig.java"
        config.parent.mkdir(parents=True)
        config.write_text(_BUILD_CONFIG, encoding="utf-8")
    sources += sorted((work / "gen").rglob("*.java"))
    class_path = os.pathsep.join(map(str, (android, *flavour.jars)))
    lint = "-Xlint:all,-options,-serial,-classfile,-try"
    run("javac", "--release", "8", lint, "-encoding", "UTF-8", "-cp", class_path, "-d", work / "classes", *sources)
    return work / "classes"


def require_api_level(classes: Path, packages: Sequence[str], work: Path) -> None:
    """Exits where the classes use what Android 8 lacks or hides, outside these packages, which come with the app."""
    sniffer, asm = maven("org.codehaus.mojo:animal-sniffer:1.24"), maven("org.ow2.asm:asm:9.10.1")
    class_path = os.pathsep.join(map(str, (sniffer, asm)))
    tool = work / "api-check"
    run("javac", "-nowarn", "-cp", class_path, "-d", tool, DEMO / "tools/ApiCheck.java")
    signature = maven("com.toasttab.android:gummy-bears-api-26:0.15.0:signature")
    allowed = ("org.squeezebert.*", "org.jspecify.*", *packages, *_NEWER_API)
    run("java", "-cp", f"{tool}{os.pathsep}{class_path}", "ApiCheck", signature, classes, *allowed)


def _dex(flavour: Flavour, android: Path, classes: Path, work: Path) -> Path:
    jar = work / "app.jar"
    with zipfile.ZipFile(jar, "w") as packed:
        for path in sorted(classes.rglob("*.class")):
            packed.write(path, path.relative_to(classes).as_posix())
    (work / "dex").mkdir()
    javac = shutil.which("javac")
    assert javac is not None  # it has just compiled
    d8 = ("java", "-cp", maven("com.android.tools:r8:8.13.25"), "com.android.tools.r8.D8", "--release")
    libraries = ("--lib", android, "--lib", Path(javac).resolve().parents[1])
    run(*d8, "--min-api", MIN_SDK, *libraries, "--output", work / "dex", jar, *flavour.jars)
    return work / "dex/classes.dex"


def _pack(linked: Path, target: Path, dex: Path, flavour: Flavour) -> None:
    """aapt2's APK with code, Java resources and libraries; stored entries are aligned."""
    with zipfile.ZipFile(linked) as base:
        entries = [(info.filename, base.read(info), info.compress_type) for info in base.infolist()]
    entries.append(("classes.dex", dex.read_bytes(), zipfile.ZIP_STORED))
    for folder in ("core", flavour.engine):
        resources = DEMO / folder / "src/main/resources"
        for path in sorted(path for path in resources.rglob("*") if path.is_file() and path.suffix != ".pro"):
            entries.append((path.relative_to(resources).as_posix(), path.read_bytes(), zipfile.ZIP_DEFLATED))
    entries += [(f"lib/arm64-v8a/{path.name}", path.read_bytes(), zipfile.ZIP_STORED) for path in flavour.libraries]
    with target.open("wb") as file, zipfile.ZipFile(file, "w") as packed:
        for name, data, compression in entries:
            info = zipfile.ZipInfo(name)  # the zip epoch: the same inputs give the same bytes
            info.compress_type = compression
            info.external_attr = 0o644 << 16
            if compression == zipfile.ZIP_STORED:
                alignment = _LIBRARY_ALIGNMENT if name.endswith(".so") else 4
                padding = -(file.tell() + 30 + len(name.encode()) + 6) % alignment
                info.extra = struct.pack("<HHH", _ALIGNMENT_FIELD, 2 + padding, alignment) + bytes(padding)
            packed.writestr(info, data)


def _sign(unsigned: Path, apk: Path, key: Path) -> None:
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        who = ("-alias", "debug", "-dname", "CN=debug", "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000")
        run("keytool", "-genkeypair", "-keystore", key, "-storetype", "PKCS12", "-storepass", _KEY_PASSWORD, *who)
    password = f"pass:{_KEY_PASSWORD}"
    run(
        "apksigner",
        "sign",
        "--ks",
        key,
        "--ks-pass",
        password,
        "--v4-signing-enabled",
        "false",
        "--in",
        unsigned,
        "--out",
        apk,
    )


def main() -> int:
    """Build the flavours that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("flavours", nargs="*", default=["onnx", "executorch"], help="onnx, executorch; default both")
    parser.add_argument("--bundle", type=Path, help="the app's built-in bundle")
    parser.add_argument("--out", type=Path, default=DEMO.parent / "build/android")
    arguments = parser.parse_args()
    out, bundle = arguments.out.resolve(), arguments.bundle and arguments.bundle.resolve()
    for name in arguments.flavours:
        print(f"{name}:", flush=True)
        apk = build(name, bundle, out)
        print(f"  {apk}: {apk.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
