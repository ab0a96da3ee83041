package org.squeezebert.demo.app;

import android.content.res.Resources;
import java.util.Locale;
import org.squeezebert.internal.TaskKind;
import org.squeezebert.internal.bench.DeviceState;

/** What the presenters found, in the user's language. */
final class Words {
    private final Resources resources;

    Words(Resources resources) {
        this.resources = resources;
    }

    String of(int id, Object... arguments) {
        return resources.getString(id, arguments);
    }

    String count(int id, int number) {
        return resources.getQuantityString(id, number, number);
    }

    String task(TaskKind task) {
        switch (task) {
            case FEATURE_EXTRACTION: return of(R.string.task_feature_extraction);
            case FILL_MASK: return of(R.string.task_fill_mask);
            case TEXT_CLASSIFICATION: return of(R.string.task_text_classification);
            case TOKEN_CLASSIFICATION: return of(R.string.task_token_classification);
            case QUESTION_ANSWERING: return of(R.string.task_question_answering);
            default: return of(R.string.task_multiple_choice);
        }
    }

    /** The answer as a sentence. */
    String headline(Headline headline, TaskKind task) {
        String labels = String.join(", ", headline.labels);
        double percent = 100 * headline.value;
        switch (headline.kind) {
            case ANSWER: return task == TaskKind.TEXT_CLASSIFICATION ? of(R.string.said, capital(labels), percent) : of(R.string.said_quoted, labels, percent);
            case ANSWERS: return of(R.string.said_several, capital(labels), percent);
            case NO_LABEL: return of(R.string.said_none, percent);
            case NO_ANSWER: return of(R.string.said_no_answer, percent);
            case NUMBER: return of(R.string.said_number, capital(labels), headline.value);
            case FOUND: return count(R.plurals.said_found, (int) headline.value);
            case SIMILARITY: return of(R.string.said_similarity, headline.value);
            default: return of(R.string.said_dimensions, (int) headline.value);
        }
    }

    private static String capital(String label) {
        if (label.isEmpty()) return label;
        int end = label.offsetByCodePoints(0, 1);
        return label.substring(0, end).toUpperCase(Locale.ROOT) + label.substring(end);
    }

    String label(ResultRow row) {
        switch (row.kind) {
            case NO_ANSWER: return of(R.string.no_answer);
            case NOTHING_FOUND: return of(R.string.nothing_found);
            case SIMILARITY: return of(R.string.similarity);
            case DIMENSIONS: return of(R.string.dimensions);
            case LENGTH: return of(R.string.vector_length);
            default: return row.label;
        }
    }

    String value(ResultRow row) {
        if (row.kind == ResultRow.Kind.NOTHING_FOUND) return "";
        if (row.kind == ResultRow.Kind.DIMENSIONS) return String.valueOf((int) row.value);
        return row.isProbability() ? of(R.string.percent, 100 * row.value) : of(R.string.number, row.value);
    }

    /** How many tokens in how many rows, how many of them unknown, and whether that was all. */
    String facts(ShownAnswer answer) {
        String tokens = count(R.plurals.token_count, answer.tokens);
        if (answer.modelRows > 1) tokens = resources.getQuantityString(R.plurals.token_rows, answer.modelRows, tokens, answer.modelRows);
        String facts = of(R.string.facts, tokens, 100 * answer.unknownShare);
        return answer.truncated ? of(R.string.facts_cut, facts) : facts;
    }

    String times(ShownAnswer answer) {
        return of(R.string.times, answer.tokenizeNanos / 1e6, answer.inferNanos / 1e6, answer.totalNanos / 1e6, answer.coldLoadNanos / 1e6);
    }

    /** Thermal state, battery and charger. */
    String device(DeviceState state) {
        String[] names = resources.getStringArray(R.array.thermal);
        String thermal = state.thermalStatus < 0 || state.thermalStatus >= names.length ? of(R.string.unknown) : names[state.thermalStatus];
        String battery = state.batteryPercent == DeviceState.UNKNOWN ? of(R.string.unknown) : state.batteryPercent + " %";
        return of(state.charging ? R.string.device_line_charging : R.string.device_line, thermal, battery);
    }

    /** What was measured, apart from the file. */
    String conditions(BenchmarkRecord record) {
        String source = record.source.isEmpty() ? "" : record.source + " · ";
        return source + count(R.plurals.token_count, record.tokens) + " · " + count(R.plurals.thread_count, record.threads) + " · "
            + count(R.plurals.run_count, record.runs);
    }
}
