package androidx.test.runner.lifecycle;

/** The stages that Robolectric signals. */
public enum ApplicationStage {
    PRE_ON_CREATE,
    CREATED
}
