package org.squeezebert.demo.app;

/** The About screen. */
public final class AboutState {
    /** Empty where nothing went wrong. */
    public final String error;
    /** Each runtime of this build with its version. */
    public final String runtimes;
    /** The digest of the open bundle, empty where none is. */
    public final String bundle;
    /** The packages that wrote the bundle, with their versions. */
    public final String producer;

    AboutState(String error, String runtimes, String bundle, String producer) {
        this.error = error;
        this.runtimes = runtimes;
        this.bundle = bundle;
        this.producer = producer;
    }
}
