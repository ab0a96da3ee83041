package org.squeezebert.demo.app;

import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.TaskKind;

/** The Classify screen. */
public final class ClassifyState {
    public final boolean busy;
    /** Empty where nothing went wrong. */
    public final String error;
    /** What the model is and which runtime runs it. */
    public final String model;
    /** Null before a bundle is open. */
    public final TaskKind task;
    /** What stands for a word to be guessed, as the bundle calls it; empty where it guesses none. */
    public final String mask;
    public final List<ResultRow> rows;
    /** The text that the highlights mark, empty where there are none. */
    public final String marked;
    public final List<Highlight> highlights;
    /** Token count, unknown share, truncation. */
    public final String facts;
    /** Tokenise, infer, total and cold load. */
    public final String times;

    ClassifyState(boolean busy, String error, String model, TaskKind task, String mask, List<ResultRow> rows, String marked,
                  List<Highlight> highlights, String facts, String times) {
        this.busy = busy;
        this.error = error;
        this.model = model;
        this.task = task;
        this.mask = mask;
        this.rows = rows;
        this.marked = marked;
        this.highlights = highlights;
        this.facts = facts;
        this.times = times;
    }

    static ClassifyState empty(boolean busy, String error, String model, TaskKind task, String mask) {
        return new ClassifyState(busy, error, model, task, mask, Collections.emptyList(), "", Collections.emptyList(), "", "");
    }
}
