package org.squeezebert.demo.app;

import android.app.Activity;
import android.content.res.Resources;
import android.graphics.Rect;
import android.text.Editable;
import android.text.SpannableString;
import android.text.SpannableStringBuilder;
import android.text.Spanned;
import android.text.TextWatcher;
import android.text.style.BackgroundColorSpan;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.view.ViewTreeObserver;
import android.view.inputmethod.InputMethodManager;
import android.widget.EditText;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.TaskKind;

/** Text fields, which are answered while one types, the answer in words and bars, its tokens, and two files side by side. */
final class ClassifyScreen implements TextWatcher {
    /** Who still types has not said all. */
    private static final long PAUSE_MS = 250;
    private static final int LONGEST_PIECE = 24;
    /** The first ratio that does not round to one. */
    private static final double EVEN = 1.05;

    private final Activity activity;
    private final Session session;
    private final ClassifyPresenter presenter;
    private final Words words;
    /** 1, 2, 4 and so on, up to this phone's cores. */
    private final List<Integer> counts = new ArrayList<>();
    private final EditText text;
    private final EditText second;
    private final Spinner artifacts;
    private final Spinner others;
    private final Spinner threads;
    private final ViewGroup rows;
    private final Runnable typed = this::typed;
    /** Whether a second text was asked for, where the task can do without. */
    private boolean pair;
    /** Whether the next answer is brought into sight: one asked for with the button, or the one from before a rotation. */
    private boolean wanted = true;

    ClassifyScreen(Activity activity, Session session, ClassifyPresenter presenter, Runnable goToBundles) {
        this.activity = activity;
        this.session = session;
        this.presenter = presenter;
        words = new Words(activity.getResources());
        text = activity.findViewById(R.id.classify_text);
        second = activity.findViewById(R.id.classify_second);
        artifacts = activity.findViewById(R.id.classify_artifact);
        others = activity.findViewById(R.id.classify_other);
        threads = activity.findViewById(R.id.classify_threads);
        rows = activity.findViewById(R.id.classify_rows);
        List<String> numbers = new ArrayList<>();
        for (int number = 1; number <= Runtime.getRuntime().availableProcessors(); number *= 2) {
            counts.add(number);
            numbers.add(String.valueOf(number));
        }
        Screens.fill(threads, numbers);
        activity.findViewById(R.id.classify_run).setOnClickListener(view -> run());
        activity.findViewById(R.id.classify_add_second).setOnClickListener(view -> addSecond());
        activity.findViewById(R.id.classify_import).setOnClickListener(view -> goToBundles.run());
        text.addTextChangedListener(this);
        second.addTextChangedListener(this);
        Screens.onChosen(artifacts, position -> select());
        Screens.onChosen(threads, position -> select());
        Screens.onChosen(others, this::compare);
    }

    private void addSecond() {
        pair = true;
        showFields(presenter.state());
        second.requestFocus();
    }

    private void run() {
        wanted = true;
        activity.getSystemService(InputMethodManager.class).hideSoftInputFromWindow(text.getWindowToken(), 0);
        presenter.run(text.getText().toString(), second.getText().toString());
    }

    @Override
    public void beforeTextChanged(CharSequence text, int start, int count, int after) { }

    @Override
    public void onTextChanged(CharSequence text, int start, int before, int count) { }

    /** The next key starts the wait again. */
    @Override
    public void afterTextChanged(Editable changed) {
        text.removeCallbacks(typed);
        text.postDelayed(typed, PAUSE_MS);
    }

    private void typed() {
        presenter.typed(text.getText().toString(), second.getText().toString());
    }

    private void select() {
        List<Artifact> runnable = session.artifacts();
        int position = artifacts.getSelectedItemPosition();
        if (position >= 0 && position < runnable.size()) presenter.select(runnable.get(position), counts.get(threads.getSelectedItemPosition()));
    }

    /** The files that the chosen one can be compared with. */
    private List<Artifact> comparable() {
        List<Artifact> found = session.artifacts();
        found.remove(session.artifact());
        return found;
    }

    private void compare(int position) {
        List<Artifact> found = comparable();
        if (position <= found.size()) presenter.compareWith(position == 0 ? null : found.get(position - 1));
    }

    void show(ClassifyState state) {
        Screens.text(activity.findViewById(R.id.classify_model), state.task == null || session.artifact() == null ? "" : words.of(R.string.model_line,
            words.task(state.task), session.artifact().title(), words.count(R.plurals.thread_count, session.threads())));
        activity.findViewById(R.id.classify_busy).setVisibility(state.busy ? View.VISIBLE : View.INVISIBLE);
        Screens.text(activity.findViewById(R.id.classify_error), state.error);
        Screens.visible(activity.findViewById(R.id.classify_empty), !state.busy && state.answer == null && (state.task == null || state.error.isEmpty()));
        activity.<TextView>findViewById(R.id.classify_empty_text).setText(state.task == null ? R.string.no_bundle : R.string.classify_empty);
        Screens.visible(activity.findViewById(R.id.classify_import), state.task == null);
        showFields(state);
        showChosen();
        Screens.visible(activity.findViewById(R.id.classify_answer), state.answer != null);
        Screens.visible(activity.findViewById(R.id.classify_token_card), state.answer != null);
        rows.removeAllViews();
        if (state.answer != null) showAnswer(state.answer, state.task);
        showCompared(state);
        if (wanted && !state.busy) reveal(state);
    }

    /** The answer may lie below the fields; it has its place after the next layout. A field with the focus would be scrolled back to. */
    private void reveal(ClassifyState state) {
        wanted = false;
        if (state.answer == null) return;
        View answer = activity.findViewById(R.id.classify_answer);
        answer.getViewTreeObserver().addOnGlobalLayoutListener(new ViewTreeObserver.OnGlobalLayoutListener() {
            @Override
            public void onGlobalLayout() {
                answer.getViewTreeObserver().removeOnGlobalLayoutListener(this);
                text.clearFocus();
                second.clearFocus();
                answer.requestRectangleOnScreen(new Rect(0, 0, answer.getWidth(), answer.getHeight()), true);
            }
        });
    }

    private void showAnswer(ShownAnswer answer, TaskKind task) {
        activity.<TextView>findViewById(R.id.classify_headline).setText(words.headline(answer.headline, task));
        for (ResultRow row : answer.rows) Screens.addBar(rows, words.label(row), words.value(row), row.isProbability() ? row.value : -1);
        Screens.text(activity.findViewById(R.id.classify_marked), marked(answer));
        activity.<TextView>findViewById(R.id.classify_times).setText(words.times(answer));
        activity.<TextView>findViewById(R.id.classify_facts).setText(words.facts(answer));
        activity.<TextView>findViewById(R.id.classify_tokens).setText(tokens(answer.pieces));
    }

    /** The spinners follow the session, which a new bundle resets. */
    private void showChosen() {
        Screens.fill(artifacts, Screens.titles(session.artifacts()));
        int artifact = session.artifacts().indexOf(session.artifact());
        if (artifact >= 0) artifacts.setSelection(artifact);
        int number = counts.indexOf(session.threads());
        if (number >= 0) threads.setSelection(number);
        List<String> titles = Screens.titles(comparable());
        titles.add(0, words.of(R.string.compare_none));
        Screens.fill(others, titles);
        others.setSelection(comparable().indexOf(presenter.other()) + 1);
    }

    private void showFields(ClassifyState state) {
        TaskKind task = state.task;
        boolean takesSecond = task != null && task.takesSecondText;
        boolean hasSecond = takesSecond && (pair || task.needsSecondText() || second.length() > 0);
        TextView secondLabel = activity.findViewById(R.id.classify_second_label);
        Screens.visible(second, hasSecond);
        Screens.visible(secondLabel, hasSecond);
        Screens.visible(activity.findViewById(R.id.classify_add_second), takesSecond && !hasSecond);
        TextView firstLabel = activity.findViewById(R.id.classify_text_label);
        boolean question = task == TaskKind.QUESTION_ANSWERING;
        firstLabel.setText(task == TaskKind.FILL_MASK ? words.of(R.string.masked, state.mask) : words.of(question ? R.string.question : R.string.text));
        secondLabel.setText(question ? R.string.context : task == TaskKind.MULTIPLE_CHOICE ? R.string.choices : R.string.second_text);
        showSamples(Samples.of(task, state.mask, activity.getResources()));
    }

    private void showSamples(Samples samples) {
        ViewGroup chips = activity.findViewById(R.id.classify_samples);
        if (chips.getTag() != null && chips.getTag().equals(samples.texts[0])) return; // scrolled by the user
        chips.setTag(samples.texts[0]);
        chips.removeAllViews();
        for (int i = 0; i < samples.texts.length; i++) {
            int sample = i;
            TextView chip = (TextView) LayoutInflater.from(activity).inflate(R.layout.sample, chips, false);
            chip.setText(samples.texts[sample]);
            chip.setOnClickListener(view -> {
                text.setText(samples.texts[sample]);
                second.setText(samples.second(sample));
            });
            chips.addView(chip);
        }
    }

    private CharSequence marked(ShownAnswer answer) {
        SpannableString marked = new SpannableString(answer.marked);
        for (Highlight highlight : answer.highlights) {
            marked.setSpan(new BackgroundColorSpan(activity.getColor(R.color.mark)), highlight.start, highlight.end, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE);
        }
        return marked;
    }

    /** Every token on a tag of its own; unknown ones say so, what the template adds stands back. */
    private CharSequence tokens(List<Piece> pieces) {
        SpannableStringBuilder tokens = new SpannableStringBuilder();
        for (Piece piece : pieces) {
            boolean unknown = piece.kind == Piece.Kind.UNKNOWN;
            int ink = unknown ? R.color.bad : piece.kind == Piece.Kind.TEMPLATE ? R.color.muted : R.color.on_chip;
            int fill = piece.kind == Piece.Kind.WORD ? R.color.chip : R.color.background;
            int start = tokens.length();
            tokens.append(unknown ? words.of(R.string.unknown_piece, shortened(piece.text)) : piece.text);
            Resources resources = activity.getResources();
            tokens.setSpan(new PieceSpan(activity.getColor(fill), activity.getColor(ink), resources.getDisplayMetrics().density),
                start, tokens.length(), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE);
            tokens.append(' ');
        }
        return tokens;
    }

    /** What the vocabulary does not know may be as long as the text. */
    private static String shortened(String piece) {
        if (piece.codePointCount(0, piece.length()) <= LONGEST_PIECE) return piece;
        return piece.substring(0, piece.offsetByCodePoints(0, LONGEST_PIECE)) + "…";
    }

    private void showCompared(ClassifyState state) {
        View card = activity.findViewById(R.id.classify_compare);
        Screens.visible(card, !state.compared.isEmpty());
        card.setAlpha(state.busy ? 0.5f : 1); // it is of the former text until both have answered
        ViewGroup columns = activity.findViewById(R.id.classify_columns);
        columns.removeAllViews();
        for (Compared compared : state.compared) columns.addView(column(compared, state.task, columns));
        if (!state.compared.isEmpty()) activity.<TextView>findViewById(R.id.classify_verdict).setText(verdict(state.compared.get(0), state.compared.get(1)));
    }

    private View column(Compared compared, TaskKind task, ViewGroup parent) {
        View column = LayoutInflater.from(activity).inflate(R.layout.compare_column, parent, false);
        column.<TextView>findViewById(R.id.column_title).setText(compared.artifact.title());
        column.<TextView>findViewById(R.id.column_answer).setText(words.headline(compared.headline, task));
        column.<TextView>findViewById(R.id.column_time).setText(words.of(R.string.milliseconds, compared.inferMillis));
        column.<TextView>findViewById(R.id.column_facts).setText(words.of(R.string.column_facts, compared.artifact.bytes / 1e6, compared.coldLoadMillis));
        return column;
    }

    private String verdict(Compared first, Compared second) {
        Compared faster = first.inferMillis <= second.inferMillis ? first : second;
        double times = Math.max(first.inferMillis, second.inferMillis) / faster.inferMillis;
        return words.of(first.headline.saysTheSameAs(second.headline) ? R.string.compare_same : R.string.compare_other) + " "
            + (times < EVEN ? words.of(R.string.compare_even) : words.of(R.string.compare_faster, faster.artifact.title(), times));
    }

    void start() {
        presenter.attach(this::show);
    }

    void stop() {
        text.removeCallbacks(typed);
        presenter.detach();
    }
}
