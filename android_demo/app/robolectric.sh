#!/bin/sh
# Called by pom.xml: links the resources and tells Robolectric where they are.
set -eu
cd "$(dirname "$0")"
../link_resources.sh "$ANDROID_JAR" target/linked "$BUNDLE_DIR"
mkdir -p target/test-classes/com/android/tools
cat > target/test-classes/com/android/tools/test_config.properties <<P
android_resource_apk=$PWD/target/linked/resources.ap_
android_merged_manifest=$PWD/target/linked/AndroidManifest.xml
android_merged_assets=$PWD/target/linked/assets
android_custom_package=org.squeezebert.demo.app
P
