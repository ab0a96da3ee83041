package org.squeezebert.internal;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** The six tasks by the names that Hugging Face gives them. */
public enum TaskKind {
    FEATURE_EXTRACTION("feature-extraction", true, 2, PostProcessing.NONE),
    FILL_MASK("fill-mask", false, 3, PostProcessing.MASK_FILLINGS),
    TEXT_CLASSIFICATION("text-classification", true, 2, PostProcessing.SOFTMAX, PostProcessing.SIGMOID, PostProcessing.REGRESSION),
    TOKEN_CLASSIFICATION("token-classification", false, 3, PostProcessing.ENTITY_SPANS),
    QUESTION_ANSWERING("question-answering", true, 2, PostProcessing.ANSWER_SPAN),
    MULTIPLE_CHOICE("multiple-choice", true, 2, PostProcessing.CHOICE);

    static final String HIDDEN_STATES = "last_hidden_state";

    public final String id;
    /** True where the screen offers a second field: a pair, a text to compare, a context, the choices. */
    public final boolean takesSecondText;
    private final int rank;
    /** What makes an answer of this task's outputs. */
    final List<PostProcessing> fitting;

    TaskKind(String id, boolean takesSecondText, int rank, PostProcessing... fitting) {
        this.id = id;
        this.takesSecondText = takesSecondText;
        this.rank = rank;
        this.fitting = Collections.unmodifiableList(Arrays.asList(fitting));
    }

    /** True where there is nothing to answer without the second field. */
    public boolean needsSecondText() {
        return this == QUESTION_ANSWERING || this == MULTIPLE_CHOICE;
    }

    /** True where a label names each value of the output. */
    boolean hasLabels() {
        return this == TEXT_CLASSIFICATION || this == TOKEN_CLASSIFICATION;
    }

    /** The axes of an output: one for the text, one for its tokens or choices, one for the values of each. */
    int rankOf(String output) {
        return output.equals(HIDDEN_STATES) ? 3 : rank;
    }
}
