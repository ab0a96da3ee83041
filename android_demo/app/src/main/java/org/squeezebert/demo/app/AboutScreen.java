package org.squeezebert.demo.app;

import android.app.Activity;
import android.content.pm.PackageManager;

/** Versions and licences. */
final class AboutScreen {
    private final Activity activity;
    private final AboutPresenter presenter;

    AboutScreen(Activity activity, AboutPresenter presenter) {
        this.activity = activity;
        this.presenter = presenter;
    }

    private void show(AboutState state) {
        Screens.text(activity.findViewById(R.id.about_error), state.error);
        Screens.text(activity.findViewById(R.id.about_versions),
            activity.getString(R.string.about_versions, appVersion(), state.runtimes,
                state.bundle.isEmpty() ? activity.getString(R.string.none) : state.bundle, state.producer));
    }

    private String appVersion() {
        try {
            return activity.getPackageManager().getPackageInfo(activity.getPackageName(), 0).versionName;
        } catch (PackageManager.NameNotFoundException e) {
            throw new IllegalStateException("this app is not installed", e);
        }
    }

    void start() {
        presenter.attach(this::show);
    }

    void stop() {
        presenter.detach();
    }
}
