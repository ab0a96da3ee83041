package org.squeezebert.internal;

/** A vocabulary piece for a mask with its probability. */
public final class Filling {
    public final int tokenId;
    public final double score;

    Filling(int tokenId, double score) {
        this.tokenId = tokenId;
        this.score = score;
    }
}
