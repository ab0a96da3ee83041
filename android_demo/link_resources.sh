#!/bin/sh
# usage: link_resources.sh ANDROID_JAR OUT [BUNDLE]
# aapt2 (Debian package aapt) without Gradle: OUT/gen/**/R.java, OUT/resources.ap_ and OUT/assets with BUNDLE as the built-in one.
set -eu
android_jar=$1 out=$2 bundle=${3:-}
app=$(cd "$(dirname "$0")" && pwd)/app
rm -rf "$out/gen" "$out/assets" "$out/resources.zip"
mkdir -p "$out/gen" "$out/assets"
[ -z "$bundle" ] || cp -R "$bundle" "$out/assets/bundle"
# Gradle takes the package from build.gradle, carries out tools:node and leaves the libraries in the APK; aapt2 does none of it.
sed -e '/tools:node="remove"/d' -e 's/<manifest /<manifest package="org.squeezebert.demo.app" /' -e 's/<application$/& android:extractNativeLibs="false"/' "$app/src/main/AndroidManifest.xml" > "$out/AndroidManifest.xml"
aapt2 compile --dir "$app/src/main/res" -o "$out/resources.zip"
# The warnings about the android-all jar (compressed table, an unknown chunk) are aapt2's; linking is not affected.
aapt2 link --debug-mode -I "$android_jar" --manifest "$out/AndroidManifest.xml" --min-sdk-version 26 --target-sdk-version 36 --version-code 1 --version-name 0.1.0 \
    -0 .onnx -0 .pte -A "$out/assets" --java "$out/gen" -o "$out/resources.ap_" "$out/resources.zip" 2> "$out/aapt2.log" || { cat "$out/aapt2.log" >&2; exit 1; }
