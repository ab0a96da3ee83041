package org.squeezebert.demo.app;

import org.squeezebert.internal.Artifact;

/** What one of two files made of a text. */
public final class Compared {
    public final Artifact artifact;
    public final Headline headline;
    /** The median of a few runs, which took turns with the other file's. */
    public final double inferMillis;
    public final double coldLoadMillis;

    Compared(Artifact artifact, Headline headline, double inferMillis, double coldLoadMillis) {
        this.artifact = artifact;
        this.headline = headline;
        this.inferMillis = inferMillis;
        this.coldLoadMillis = coldLoadMillis;
    }
}
