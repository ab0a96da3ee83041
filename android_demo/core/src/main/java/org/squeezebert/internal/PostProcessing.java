package org.squeezebert.internal;

/** How the manifest says that outputs become answers. */
public enum PostProcessing {
    NONE("none"),
    SOFTMAX("softmax"),
    SIGMOID("sigmoid"),
    REGRESSION("regression"),
    ENTITY_SPANS("entity-spans"),
    ANSWER_SPAN("answer-span"),
    MASK_FILLINGS("mask-fillings"),
    CHOICE("choice");

    public final String id;

    PostProcessing(String id) {
        this.id = id;
    }
}
