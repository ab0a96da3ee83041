package org.squeezebert.demo.app;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.ContentResolver;
import android.content.Intent;
import android.net.Uri;
import android.os.PowerManager;
import android.view.View;
import android.view.WindowManager;
import android.widget.EditText;
import android.widget.ProgressBar;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.List;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.bench.BenchmarkProtocol;

/** The knobs of a measurement, its progress, its figures and its chart. */
final class BenchmarkScreen {
    static final int PICK_RESULT = 2;

    private final Activity activity;
    private final Session session;
    private final BenchmarkPresenter presenter;
    private final Spinner artifacts;

    BenchmarkScreen(Activity activity, Session session, BenchmarkPresenter presenter) {
        this.activity = activity;
        this.session = session;
        this.presenter = presenter;
        artifacts = activity.findViewById(R.id.benchmark_artifact);
        activity.findViewById(R.id.benchmark_run).setOnClickListener(view -> run());
        activity.findViewById(R.id.benchmark_cancel).setOnClickListener(view -> presenter.cancel());
        activity.findViewById(R.id.benchmark_share).setOnClickListener(view -> pick());
    }

    private void run() {
        List<Artifact> runnable = session.artifacts();
        int position = artifacts.getSelectedItemPosition();
        int limit = runnable.isEmpty() ? 0 : runnable.get(Math.max(0, position)).maxLength;
        BenchmarkProtocol protocol;
        try {
            int tokens = number(R.id.benchmark_tokens);
            if (tokens > limit && limit > 0) throw new IllegalArgumentException("too many tokens");
            protocol = new BenchmarkProtocol(number(R.id.benchmark_threads), tokens, number(R.id.benchmark_warmup), number(R.id.benchmark_runs), 0);
        } catch (IllegalArgumentException e) {
            Screens.text(activity.findViewById(R.id.benchmark_error), activity.getString(R.string.bad_number, limit));
            return;
        }
        presenter.run(runnable.isEmpty() ? null : runnable.get(Math.max(0, position)), protocol);
    }

    private int number(int id) {
        return Integer.parseInt(activity.<EditText>findViewById(id).getText().toString());
    }

    /** Asks where to write the result: a long one would not fit into a call to another app. */
    private void pick() {
        try {
            activity.startActivityForResult(new Intent(Intent.ACTION_CREATE_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("application/json")
                .putExtra(Intent.EXTRA_TITLE, "squeezebert-benchmark.json"), PICK_RESULT);
        } catch (ActivityNotFoundException e) {
            Screens.text(activity.findViewById(R.id.benchmark_error), activity.getString(R.string.no_picker));
        }
    }

    /** The document that the user chose. */
    void picked(Uri document) {
        ContentResolver resolver = activity.getApplicationContext().getContentResolver();
        presenter.save(() -> resolver.openOutputStream(document));
    }

    private void show(BenchmarkState state) {
        Screens.fill(artifacts, Screens.titles(session.artifacts()));
        activity.findViewById(R.id.benchmark_run).setEnabled(!state.busy);
        activity.findViewById(R.id.benchmark_cancel).setEnabled(state.busy);
        activity.findViewById(R.id.benchmark_share).setEnabled(!state.json.isEmpty());
        activity.<ProgressBar>findViewById(R.id.benchmark_progress).setProgress((int) (1000 * state.fraction));
        Screens.text(activity.findViewById(R.id.benchmark_device), state.device);
        Screens.text(activity.findViewById(R.id.benchmark_error), state.error);
        Screens.text(activity.findViewById(R.id.benchmark_summary), state.summary);
        boolean valid = state.invalid.isEmpty();
        TextView validity = activity.findViewById(R.id.benchmark_validity);
        Screens.text(validity, state.summary.isEmpty() ? "" : valid ? activity.getString(R.string.valid)
            : activity.getString(R.string.invalid, String.join("; ", state.invalid)));
        validity.setTextColor(activity.getColor(valid ? R.color.good : R.color.bad));
        LatencyChart chart = activity.findViewById(R.id.benchmark_chart);
        chart.setVisibility(state.latencies.length == 0 ? View.GONE : View.VISIBLE);
        chart.show(state.latencies);
        keepAwake(state.busy);
    }

    /** A phone that goes to sleep lowers its clocks; one with a sustained mode then keeps those that it can hold. */
    private void keepAwake(boolean on) {
        if (activity.getSystemService(PowerManager.class).isSustainedPerformanceModeSupported()) activity.getWindow().setSustainedPerformanceMode(on);
        if (on) {
            activity.getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        } else {
            activity.getWindow().clearFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        }
    }

    void start() {
        presenter.attach(this::show);
    }

    void stop() {
        presenter.detach();
    }
}
