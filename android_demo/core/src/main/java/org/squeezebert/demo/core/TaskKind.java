package org.squeezebert.demo.core;

/** The six tasks by the names that Hugging Face gives them. */
public enum TaskKind {
    FEATURE_EXTRACTION("feature-extraction", true),
    FILL_MASK("fill-mask", false),
    TEXT_CLASSIFICATION("text-classification", true),
    TOKEN_CLASSIFICATION("token-classification", false),
    QUESTION_ANSWERING("question-answering", true),
    MULTIPLE_CHOICE("multiple-choice", true);

    public final String id;
    /** True where the screen offers a second field: a pair, a text to compare, a context, the choices. */
    public final boolean takesSecondText;

    TaskKind(String id, boolean takesSecondText) {
        this.id = id;
        this.takesSecondText = takesSecondText;
    }
}
