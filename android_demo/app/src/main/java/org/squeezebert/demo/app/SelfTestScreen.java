package org.squeezebert.demo.app;

import android.app.Activity;
import android.widget.LinearLayout;
import android.widget.TextView;

/** One button, one verdict for each artifact. */
final class SelfTestScreen {
    private final Activity activity;
    private final SelfTestPresenter presenter;

    SelfTestScreen(Activity activity, SelfTestPresenter presenter) {
        this.activity = activity;
        this.presenter = presenter;
        activity.findViewById(R.id.self_test_run).setOnClickListener(view -> presenter.run());
    }

    private void show(SelfTestState state) {
        activity.findViewById(R.id.self_test_run).setEnabled(!state.busy);
        Screens.text(activity.findViewById(R.id.self_test_progress), state.progress);
        Screens.text(activity.findViewById(R.id.self_test_error), state.error);
        LinearLayout lines = activity.findViewById(R.id.self_test_lines);
        lines.removeAllViews();
        for (SelfTestState.Line line : state.lines) {
            TextView view = new TextView(activity, null, 0, R.style.Line);
            view.setPadding(0, activity.getResources().getDimensionPixelSize(R.dimen.gap), 0, 0);
            view.setTextColor(activity.getColor(line.passed ? R.color.good : R.color.bad));
            view.setText(line.title + ": " + activity.getString(line.passed ? R.string.passed : R.string.failed) + "\n" + line.detail);
            lines.addView(view);
        }
    }

    void start() {
        presenter.attach(this::show);
    }

    void stop() {
        presenter.detach();
    }
}
