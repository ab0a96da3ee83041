package org.squeezebert.demo.app;

import android.app.Activity;
import android.view.LayoutInflater;
import android.view.View;
import android.widget.LinearLayout;
import android.widget.ProgressBar;
import android.widget.TextView;
import org.squeezebert.internal.SelfTestReport;

/** One button, one sentence, and a card for each artifact. */
final class SelfTestScreen {
    private final Activity activity;
    private final Words words;
    private final SelfTestPresenter presenter;

    SelfTestScreen(Activity activity, SelfTestPresenter presenter) {
        this.activity = activity;
        this.presenter = presenter;
        words = new Words(activity.getResources());
        activity.findViewById(R.id.self_test_run).setOnClickListener(view -> presenter.run());
    }

    private void show(SelfTestState state) {
        activity.findViewById(R.id.self_test_run).setEnabled(!state.busy);
        ProgressBar bar = activity.findViewById(R.id.self_test_bar);
        bar.setVisibility(state.busy ? View.VISIBLE : View.INVISIBLE);
        bar.setMax(Math.max(1, state.of));
        bar.setProgress(state.done);
        Screens.text(activity.findViewById(R.id.self_test_progress),
            state.of == 0 ? "" : words.of(R.string.self_test_progress, state.testing, state.done, state.of));
        Screens.text(activity.findViewById(R.id.self_test_error), state.error);
        showHeadline(state);
        LinearLayout lines = activity.findViewById(R.id.self_test_lines);
        lines.removeAllViews();
        for (SelfTestState.Line line : state.lines) lines.addView(card(line, lines));
    }

    private void showHeadline(SelfTestState state) {
        int files = state.lines.size();
        boolean passed = state.passed() == files;
        TextView headline = activity.findViewById(R.id.self_test_headline);
        Screens.text(headline, state.busy || files == 0 ? "" : passed ? words.count(R.plurals.self_test_passed, files)
            : words.of(R.string.self_test_failed, state.passed(), files));
        headline.setTextColor(activity.getColor(passed ? R.color.good : R.color.bad));
    }

    private View card(SelfTestState.Line line, LinearLayout parent) {
        View card = LayoutInflater.from(activity).inflate(R.layout.self_test_line, parent, false);
        TextView title = card.findViewById(R.id.line_title);
        title.setText(words.of(line.passed ? R.string.passed : R.string.failed, line.title));
        title.setTextColor(activity.getColor(line.passed ? R.color.good : R.color.bad));
        String reason = line.reason.isEmpty() ? "" : line.reason + "\n";
        card.<TextView>findViewById(R.id.line_detail).setText(line.report == null ? line.reason : reason + detail(line.report));
        return card;
    }

    private String detail(SelfTestReport report) {
        String ids = report.firstOtherIds == null ? words.of(R.string.self_test_ids_equal, report.idCases)
            : words.of(R.string.self_test_ids_differ, report.firstOtherIds);
        return ids + "\n" + words.of(R.string.self_test_detail, report.argmaxEqual, report.outputCases, report.maxAbs, report.worstCase);
    }

    void start() {
        presenter.attach(this::show);
    }

    void stop() {
        presenter.detach();
    }
}
