"""What must hold for an APK before a phone sees it.

For an APK of Gradle's: python android_demo/tools/apk_checks.py APK [BUNDLE]
"""

import json
import re
import struct
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from apk_inputs import MIN_SDK, run

_MANIFEST = Path(__file__).parents[1] / "app/src/main/AndroidManifest.xml"
_ANDROID, _NODE = "{http://schemas.android.com/apk/res/android}", "{http://schemas.android.com/tools}node"
_PAGE = 16384
_PACKAGE = "org.squeezebert.demo.app"
_OWN_PROVIDER = f"{_PACKAGE}.ResultProvider"
# What every Android gives to apps (the NDK's stable libraries).
_SYSTEM = {"libc.so", "libm.so", "libdl.so", "liblog.so", "libandroid.so", "libz.so", "libnativewindow.so"}


def check(apk: Path, jars: Sequence[Path], bundle: Path | None, work: Path) -> Iterator[str]:
    """One line for each thing that was found right. Exits at the first that is not."""
    yield _signature(apk)
    yield from content(apk, bundle)
    yield _libraries(apk, jars, work)


def content(apk: Path, bundle: Path | None) -> Iterator[str]:
    """The checks that need nothing but the APK, whoever built it."""
    yield _alignment(apk)
    yield _manifest(apk)
    yield _dex(apk)
    yield _self_starting(apk)
    if bundle:
        yield _bundle(apk, bundle)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"error: apk: {what}; fix: read the check in android_demo/tools/apk_checks.py")


def _signature(apk: Path) -> str:
    report = run("apksigner", "verify", "--verbose", "--min-sdk-version", MIN_SDK, apk)
    for scheme in ("v2", "v3"):
        _require(f"Verified using {scheme} scheme" in report and "): true" in report, f"not signed with {scheme}")
    return "signature: v2 and v3 verify"


def _alignment(apk: Path) -> str:
    run("zipalign", "-c", "-p", "4", apk)
    with apk.open("rb") as file, zipfile.ZipFile(apk) as opened:
        names = opened.namelist()
        _require(len(names) == len(set(names)), "an entry is there twice")
        for info in opened.infolist():
            if info.filename.endswith(".so"):
                file.seek(info.header_offset + 26)
                name, extra = struct.unpack("<HH", file.read(4))
                start = info.header_offset + 30 + name + extra
                _require(info.compress_type == zipfile.ZIP_STORED, f"{info.filename} is compressed")
                _require(start % _PAGE == 0, f"{info.filename} is not aligned to {_PAGE}")
            if info.filename.endswith((".onnx", ".pte")):
                _require(info.compress_type == zipfile.ZIP_STORED, f"{info.filename} is compressed")
    return "alignment: entries at 4, libraries at 16 KiB, models stored"


def _manifest(apk: Path) -> str:
    badging = run("aapt", "dump", "badging", apk)
    _require("uses-permission" not in badging, "asks for a permission")
    _require(f"sdkVersion:'{MIN_SDK}'" in badging, "has another minSdkVersion")
    tree = run("aapt", "dump", "xmltree", apk, "AndroidManifest.xml")
    found = re.search(r"E: (receiver|service|uses-permission)", tree)
    _require(found is None, f"declares a {found.group(1) if found else ''}")
    providers = re.findall(r"E: provider.*?(?=\n {,6}E: |\Z)", tree, re.DOTALL)
    names = [re.findall(r'android:name\(0x01010003\)="([^"]+)"', provider) for provider in providers]
    _require(names in ([[_OWN_PROVIDER]], [[_OWN_PROVIDER.removeprefix(_PACKAGE)]]), f"declares the providers {names}")
    exported = re.search(r"android:exported\(0x01010010\)=\(type 0x12\)0x0\b", providers[0])
    _require(exported is not None, f"opens {_OWN_PROVIDER} to every app")
    return "manifest: no permission, receiver or service, and no provider but the shared results'"


def _dex(apk: Path) -> str:
    classes = set(re.findall(r"Class descriptor\s+: 'L([^;]+);'", run("dexdump", "-f", apk)))
    tree = run("aapt", "dump", "xmltree", apk, "AndroidManifest.xml")
    named = re.findall(
        r'E: (?:application|activity|provider) .*?A: android:name\(0x01010003\)="([^"]+)"', tree, re.DOTALL
    )
    _require(len(named) >= 2, "names no application or no activity")
    for name in named:
        full = f"{_PACKAGE}{name}" if name.startswith(".") else name
        _require(full.replace(".", "/") in classes, f"{name} is not in the dex")
    with zipfile.ZipFile(apk) as opened:
        service = "META-INF/services/org.squeezebert.internal.EngineProvider"
        for provider in opened.read(service).decode().split():
            _require(provider.replace(".", "/") in classes, f"{provider} is not in the dex")
    # Android 8 has no LambdaMetafactory.
    _require("invoke-custom" not in run("dexdump", "-d", apk), "has a call site that Android 8 cannot link")
    return f"dex: {len(classes)} classes, all that the manifest and the services name"


def _self_starting(apk: Path) -> str:
    """Android creates a provider before the application, so each that a runtime brings is removed by its name.

    Gradle merges the manifests of the runtimes into the app's; this build has only the app's own.
    """
    pairs = re.findall(
        r"Class descriptor\s+: 'L([^;]+);'.*?Superclass\s+: 'L([^;]+);'", run("dexdump", "-f", apk), re.DOTALL
    )
    providers = {name.replace("/", ".") for name, parent in pairs if parent == "android/content/ContentProvider"}
    providers.discard(_OWN_PROVIDER)
    removed = {
        element.get(f"{_ANDROID}name")
        for element in ET.parse(_MANIFEST).iter("provider")
        if element.get(_NODE) == "remove"
    }
    _require(providers <= removed, f"the manifest does not remove {providers - removed}")
    return f"providers that libraries bring, removed from the manifest: {', '.join(sorted(providers)) or 'none'}"


def _bundle(apk: Path, bundle: Path) -> str:
    described = json.loads((bundle / "bundle.json").read_bytes())
    entries = [*described["files"], *described["artifacts"]]
    with zipfile.ZipFile(apk) as opened:
        for entry in entries:
            found = sha256(opened.read(f"assets/bundle/{entry['path']}")).hexdigest()
            _require(found == entry["sha256"], f"{entry['path']}: SHA-256 mismatch")
    return f"bundle: {len(entries)} files equal to their digests"


def _libraries(apk: Path, jars: Sequence[Path], work: Path) -> str:
    folder = work / "libraries"
    with zipfile.ZipFile(apk) as opened:
        names = [name for name in opened.namelist() if name.startswith("lib/")]
        opened.extractall(folder, names)
    libraries = [folder / name for name in names]
    have = {path.name for path in libraries} | _SYSTEM
    text = b""
    for path in libraries:
        needed = set(re.findall(r"NEEDED\).*\[(.+?)\]", run("readelf", "-dW", path)))
        _require(needed <= have, f"{path.name} needs {needed - have}")
        loads = [
            line.split()[-1] for line in run("readelf", "-lW", path).splitlines() if line.strip().startswith("LOAD")
        ]
        _require(all(int(align, 16) % _PAGE == 0 for align in loads), f"{path.name} is not built for 16 KiB pages")
        text += path.read_bytes()
    methods = _native_methods(jars)
    # JNI finds a method by its exported name or by registration, in which case its plain name is in the library.
    missing = [name for name in methods if not re.search(rb"[\0_]" + name.encode() + rb"(?:\0|__)", text)]
    _require(not missing, f"no library has {missing}")
    return f"libraries: {len(libraries)}, nothing missing that they need, {len(methods)} native methods found"


def _native_methods(jars: Sequence[Path]) -> list[str]:
    methods: list[str] = []
    for jar in jars:
        with zipfile.ZipFile(jar) as opened:
            names = [name[:-6].replace("/", ".") for name in opened.namelist() if name.endswith(".class")]
        methods += re.findall(r"\bnative\b[^;]*?(\w+)\(", run("javap", "-p", "-cp", jar, *names))
    return methods


if __name__ == "__main__":
    for line in content(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None):
        print(line)
