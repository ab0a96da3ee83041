package org.squeezebert.demo.app;

import android.app.Activity;
import android.graphics.Rect;
import android.text.SpannableString;
import android.text.Spanned;
import android.text.style.BackgroundColorSpan;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.Button;
import android.widget.EditText;
import android.widget.ProgressBar;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.TaskKind;

/** Text fields, choice of artifact and threads, the answer with its bars and times. */
final class ClassifyScreen {
    private final Activity activity;
    private final Session session;
    private final ClassifyPresenter presenter;
    /** 1, 2, 4 and so on, up to this phone's cores. */
    private final List<Integer> counts = new ArrayList<>();
    private final EditText text;
    private final EditText second;
    private final Spinner samples;
    private final Spinner artifacts;
    private final Spinner threads;
    private final ViewGroup rows;

    ClassifyScreen(Activity activity, Session session, ClassifyPresenter presenter) {
        this.activity = activity;
        this.session = session;
        this.presenter = presenter;
        text = activity.findViewById(R.id.classify_text);
        second = activity.findViewById(R.id.classify_second);
        samples = activity.findViewById(R.id.classify_samples);
        artifacts = activity.findViewById(R.id.classify_artifact);
        threads = activity.findViewById(R.id.classify_threads);
        rows = activity.findViewById(R.id.classify_rows);
        List<String> numbers = new ArrayList<>();
        for (int number = 1; number <= Runtime.getRuntime().availableProcessors(); number *= 2) {
            counts.add(number);
            numbers.add(String.valueOf(number));
        }
        Screens.fill(threads, numbers);
        activity.<Button>findViewById(R.id.classify_run).setOnClickListener(
            view -> presenter.run(text.getText().toString(), second.getText().toString()));
        Screens.onChosen(samples, this::useSample);
        Screens.onChosen(artifacts, position -> select());
        Screens.onChosen(threads, position -> select());
    }

    private void useSample(int position) {
        // The first item is the spinner's title: choosing nothing must not overwrite what the user wrote.
        if (position == 0) return;
        text.setText((String) samples.getItemAtPosition(position));
        second.setText(samples(presenter.state()).second(position - 1));
        samples.setSelection(0); // a rotation restores the selection, which would bring the sample back over what was typed since
    }

    private void select() {
        List<Artifact> runnable = session.artifacts();
        int position = artifacts.getSelectedItemPosition();
        if (position >= 0 && position < runnable.size()) presenter.select(runnable.get(position), counts.get(threads.getSelectedItemPosition()));
    }

    void show(ClassifyState state) {
        activity.<TextView>findViewById(R.id.classify_model).setText(state.model);
        activity.findViewById(R.id.classify_busy).setVisibility(state.busy ? View.VISIBLE : View.INVISIBLE);
        activity.findViewById(R.id.classify_run).setEnabled(!state.busy);
        Screens.text(activity.findViewById(R.id.classify_error), state.error);
        Screens.text(activity.findViewById(R.id.classify_facts), state.facts);
        Screens.text(activity.findViewById(R.id.classify_times), state.times);
        Screens.text(activity.findViewById(R.id.classify_marked), marked(state));
        showFields(state);
        Screens.fill(artifacts, Screens.titles(session.artifacts()));
        showChosen();
        rows.removeAllViews();
        for (ResultRow row : state.rows) addRow(row);
        // In landscape the answer lies below the fields; after the layout, since only then has it a place.
        if (!state.rows.isEmpty()) rows.post(() -> rows.requestRectangleOnScreen(new Rect(0, 0, rows.getWidth(), rows.getHeight())));
    }

    /** The spinners follow the session, which a new bundle resets. */
    private void showChosen() {
        int artifact = session.artifacts().indexOf(session.artifact());
        if (artifact >= 0) artifacts.setSelection(artifact);
        int number = counts.indexOf(session.threads());
        if (number >= 0) threads.setSelection(number);
    }

    private Samples samples(ClassifyState state) {
        return Samples.of(state.task, state.mask, activity.getResources());
    }

    private void showFields(ClassifyState state) {
        TaskKind task = state.task;
        int secondVisible = task != null && task.takesSecondText ? View.VISIBLE : View.GONE;
        second.setVisibility(secondVisible);
        activity.findViewById(R.id.classify_second_label).setVisibility(secondVisible);
        TextView firstLabel = activity.findViewById(R.id.classify_text_label);
        TextView secondLabel = activity.findViewById(R.id.classify_second_label);
        boolean question = task == TaskKind.QUESTION_ANSWERING;
        boolean masked = task == TaskKind.FILL_MASK;
        firstLabel.setText(masked ? activity.getString(R.string.masked, state.mask) : activity.getString(question ? R.string.question : R.string.text));
        secondLabel.setText(question ? R.string.context : task == TaskKind.MULTIPLE_CHOICE ? R.string.choices : R.string.second_text);
        List<String> items = new ArrayList<>();
        items.add(activity.getString(R.string.choose_sample));
        items.addAll(Arrays.asList(samples(state).texts));
        Screens.fill(samples, items);
    }

    private CharSequence marked(ClassifyState state) {
        SpannableString marked = new SpannableString(state.marked);
        for (Highlight highlight : state.highlights) {
            marked.setSpan(new BackgroundColorSpan(activity.getColor(R.color.mark)), highlight.start, highlight.end, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE);
        }
        return marked;
    }

    private void addRow(ResultRow row) {
        View view = LayoutInflater.from(activity).inflate(R.layout.result_row, rows, false);
        String label = row.isNoAnswer ? activity.getString(R.string.no_answer) : row.label;
        view.<TextView>findViewById(R.id.row_label).setText(label);
        view.<TextView>findViewById(R.id.row_value).setText(row.value);
        view.setContentDescription(label + " " + row.value);
        ProgressBar bar = view.findViewById(R.id.row_bar);
        bar.setVisibility(row.fraction < 0 ? View.GONE : View.VISIBLE);
        bar.setProgress((int) Math.round(1000 * Math.max(0, row.fraction)));
        rows.addView(view);
    }

    void start() {
        presenter.attach(this::show);
    }

    void stop() {
        presenter.detach();
    }
}
