package org.squeezebert.demo.app;

import android.content.Context;
import android.content.SharedPreferences;

/** The digest of the bundle in use and the path of its artifact, kept in the app's preferences. */
final class ActiveBundle implements Session.Memory {
    private static final String KEY = "active_bundle";
    private static final String ARTIFACT = "artifact";

    private final SharedPreferences preferences;

    ActiveBundle(Context context) {
        preferences = context.getSharedPreferences("demo", Context.MODE_PRIVATE);
    }

    @Override
    public String activeDigest() {
        return preferences.getString(KEY, "");
    }

    @Override
    public void setActiveDigest(String digest) {
        preferences.edit().putString(KEY, digest).apply();
    }

    @Override
    public String artifact() {
        return preferences.getString(ARTIFACT, "");
    }

    @Override
    public void setArtifact(String path) {
        preferences.edit().putString(ARTIFACT, path).apply();
    }
}
