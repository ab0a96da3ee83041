package org.squeezebert.demo.app;

import android.content.res.Resources;
import org.squeezebert.internal.TaskKind;

/** Example inputs of one task: texts, and with each the second text that its task needs. */
final class Samples {
    final String[] texts;
    /** As many as the texts, or none where the task needs one text. */
    private final String[] seconds;

    private Samples(String[] texts, String[] seconds) {
        this.texts = texts;
        this.seconds = seconds;
    }

    /** {@code task} is null before a bundle is open; {@code mask} is what it calls a word to be guessed. */
    static Samples of(TaskKind task, String mask, Resources resources) {
        if (task == TaskKind.FILL_MASK) {
            String[] masked = resources.getStringArray(R.array.samples_masked);
            for (int i = 0; i < masked.length; i++) masked[i] = String.format(masked[i], mask);
            return new Samples(masked, new String[0]);
        }
        if (task == TaskKind.TOKEN_CLASSIFICATION) return new Samples(resources.getStringArray(R.array.samples_names), new String[0]);
        if (task == TaskKind.QUESTION_ANSWERING) {
            return new Samples(resources.getStringArray(R.array.samples_question), resources.getStringArray(R.array.samples_context));
        }
        if (task == TaskKind.MULTIPLE_CHOICE) {
            return new Samples(resources.getStringArray(R.array.samples_situation), resources.getStringArray(R.array.samples_choices));
        }
        return new Samples(resources.getStringArray(R.array.samples_single), new String[0]);
    }

    /** What the second field gets with a text, empty where the task has none. */
    String second(int position) {
        return position < seconds.length ? seconds[position] : "";
    }
}
