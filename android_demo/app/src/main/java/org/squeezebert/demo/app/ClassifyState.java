package org.squeezebert.demo.app;

import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.TaskKind;

/** The screen that answers. */
public final class ClassifyState {
    public final boolean busy;
    /** Empty where nothing went wrong. */
    public final String error;
    /** Null before a bundle is open. */
    public final TaskKind task;
    /** What stands for a word to be guessed, as the bundle calls it; empty where it guesses none. */
    public final String mask;
    /** Null before there is one. */
    public final ShownAnswer answer;
    /** Two files on this text, or none where nothing is compared. */
    public final List<Compared> compared;

    ClassifyState(boolean busy, String error, TaskKind task, String mask, ShownAnswer answer, List<Compared> compared) {
        this.busy = busy;
        this.error = error;
        this.task = task;
        this.mask = mask;
        this.answer = answer;
        this.compared = Collections.unmodifiableList(compared);
    }
}
