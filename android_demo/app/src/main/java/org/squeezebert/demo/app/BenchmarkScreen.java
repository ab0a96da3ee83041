package org.squeezebert.demo.app;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.ClipData;
import android.content.ContentResolver;
import android.content.Context;
import android.content.Intent;
import android.net.Uri;
import android.os.PowerManager;
import android.text.format.DateUtils;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowManager;
import android.widget.EditText;
import android.widget.ProgressBar;
import android.widget.Spinner;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.util.List;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.bench.BenchmarkProtocol;

/** The knobs of a measurement, its progress, its figures on cards, its chart, and what was measured before. */
final class BenchmarkScreen {
    static final int PICK_RESULT = 2;
    private static final String RESULT = "squeezebert-benchmark.json";

    private final Activity activity;
    private final Session session;
    private final BenchmarkPresenter presenter;
    private final Words words;
    private final Spinner artifacts;

    BenchmarkScreen(Activity activity, Session session, BenchmarkPresenter presenter) {
        this.activity = activity;
        this.session = session;
        this.presenter = presenter;
        words = new Words(activity.getResources());
        artifacts = activity.findViewById(R.id.benchmark_artifact);
        activity.findViewById(R.id.benchmark_run).setOnClickListener(view -> run());
        activity.findViewById(R.id.benchmark_cancel).setOnClickListener(view -> presenter.cancel());
        activity.findViewById(R.id.benchmark_share).setOnClickListener(view -> share());
        activity.findViewById(R.id.benchmark_save).setOnClickListener(view -> pick());
        activity.findViewById(R.id.benchmark_clear).setOnClickListener(view -> presenter.clearHistory());
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
            Screens.text(activity.findViewById(R.id.benchmark_error), words.of(R.string.bad_number, limit));
            return;
        }
        presenter.run(runnable.isEmpty() ? null : runnable.get(Math.max(0, position)), protocol);
    }

    private int number(int id) {
        return Integer.parseInt(activity.<EditText>findViewById(id).getText().toString());
    }

    /** As a file: a long result would not fit into a call to another app. */
    private void share() {
        Context context = activity.getApplicationContext();
        presenter.save(() -> new FileOutputStream(new File(ResultProvider.folder(context), RESULT)), () -> {
            Uri uri = ResultProvider.uri(RESULT);
            Intent send = new Intent(Intent.ACTION_SEND).setType(ResultProvider.TYPE).putExtra(Intent.EXTRA_STREAM, uri)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
            send.setClipData(ClipData.newRawUri(RESULT, uri)); // the permission goes with it through the chooser
            activity.startActivity(Intent.createChooser(send, words.of(R.string.share_title)));
        });
    }

    /** Asks where to write the result. */
    private void pick() {
        try {
            activity.startActivityForResult(new Intent(Intent.ACTION_CREATE_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType(ResultProvider.TYPE)
                .putExtra(Intent.EXTRA_TITLE, RESULT), PICK_RESULT);
        } catch (ActivityNotFoundException e) {
            Screens.text(activity.findViewById(R.id.benchmark_error), words.of(R.string.no_picker));
        }
    }

    /** The document that the user chose. */
    void picked(Uri document) {
        ContentResolver resolver = activity.getApplicationContext().getContentResolver();
        presenter.save(() -> resolver.openOutputStream(document), () -> { });
    }

    private void show(BenchmarkState state) {
        if (Screens.fill(artifacts, Screens.titles(session.artifacts()))) artifacts.setSelection(Math.max(0, session.artifacts().indexOf(session.artifact())));
        activity.findViewById(R.id.benchmark_run).setEnabled(!state.busy);
        activity.findViewById(R.id.benchmark_cancel).setEnabled(state.busy);
        activity.<ProgressBar>findViewById(R.id.benchmark_progress).setProgress((int) (1000 * state.fraction));
        Screens.text(activity.findViewById(R.id.benchmark_device), state.device == null ? "" : words.device(state.device));
        Screens.text(activity.findViewById(R.id.benchmark_error), state.error);
        Screens.visible(activity.findViewById(R.id.benchmark_empty), !state.busy && state.results.isEmpty() && state.error.isEmpty());
        ViewGroup cards = activity.findViewById(R.id.benchmark_cards);
        cards.removeAllViews();
        for (BenchmarkRecord record : state.results) cards.addView(card(record, cards));
        Screens.visible(activity.findViewById(R.id.benchmark_chart_card), state.latenciesNanos.length > 0);
        if (state.latenciesNanos.length > 0) showChart(state.latenciesNanos);
        Screens.visible(activity.findViewById(R.id.benchmark_result), !state.json.isEmpty());
        showHistory(state.history);
        keepAwake(state.busy);
    }

    private void showChart(long[] nanos) {
        LatencyScale scale = new LatencyScale(nanos);
        activity.<LatencyChart>findViewById(R.id.benchmark_chart).show(nanos, scale);
        Screens.text(activity.findViewById(R.id.benchmark_spikes),
            scale.above == 0 ? "" : activity.getResources().getQuantityString(R.plurals.chart_above, scale.above, scale.above, scale.most));
    }

    private View card(BenchmarkRecord record, ViewGroup parent) {
        View card = LayoutInflater.from(activity).inflate(R.layout.result_card, parent, false);
        card.<TextView>findViewById(R.id.card_title).setText(record.title);
        card.<TextView>findViewById(R.id.card_conditions).setText(words.conditions(record));
        boolean measured = record.runs > 0;
        figure(card, R.id.card_p50, measured ? words.of(R.string.milliseconds, record.p50) : "–");
        figure(card, R.id.card_p90, measured ? words.of(R.string.milliseconds, record.p90) : "–");
        figure(card, R.id.card_p99, measured ? words.of(R.string.milliseconds, record.p99) : "–");
        figure(card, R.id.card_load, words.of(R.string.milliseconds, record.coldLoad));
        figure(card, R.id.card_rate, measured ? words.of(R.string.rate, record.tokensPerSecond()) : "–");
        figure(card, R.id.card_bytes, record.bytes > 0 ? words.of(R.string.megabytes, record.bytes / 1e6) : "–");
        boolean valid = record.invalid.isEmpty();
        TextView validity = card.findViewById(R.id.benchmark_validity);
        validity.setText(valid ? words.of(R.string.valid) : words.of(R.string.invalid, String.join("; ", record.invalid)));
        validity.setTextColor(activity.getColor(valid ? R.color.good : R.color.bad));
        return card;
    }

    private static void figure(View card, int id, String value) {
        card.<TextView>findViewById(id).setText(value);
    }

    /** Each former run with a bar, as long as its median beside the slowest. */
    private void showHistory(List<BenchmarkRecord> history) {
        Screens.visible(activity.findViewById(R.id.benchmark_history_card), !history.isEmpty());
        ViewGroup lines = activity.findViewById(R.id.benchmark_history);
        lines.removeAllViews();
        double slowest = history.stream().mapToDouble(record -> record.p50).max().orElse(1);
        for (BenchmarkRecord record : history) {
            String when = DateUtils.formatDateTime(activity, record.when, DateUtils.FORMAT_SHOW_DATE | DateUtils.FORMAT_SHOW_TIME | DateUtils.FORMAT_NO_YEAR | DateUtils.FORMAT_ABBREV_ALL);
            String valid = words.of(record.invalid.isEmpty() ? R.string.history_valid : R.string.history_invalid);
            String label = record.title + "\n" + words.conditions(record) + "\n" + when + " · " + valid;
            Screens.addBar(lines, label, words.of(R.string.milliseconds, record.p50), record.p50 / slowest);
        }
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
