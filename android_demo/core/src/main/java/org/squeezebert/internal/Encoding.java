package org.squeezebert.internal;

/** One text or pair as the model reads it, W tokens without padding. */
public final class Encoding {
    public final long[] ids;
    public final long[] typeIds;
    /** For each token its first and one-past-last code point in its text; 0, 0 for tokens that the template adds. */
    public final int[][] offsets;
    /** -1 for tokens that the template adds, else 0 for the text and 1 for its pair. */
    public final int[] sequenceIds;
    public final boolean truncated;
    /** How many tokens of the texts are [UNK]. */
    public final int unknown;

    Encoding(long[] ids, long[] typeIds, int[][] offsets, int[] sequenceIds, boolean truncated, int unknown) {
        this.ids = ids;
        this.typeIds = typeIds;
        this.offsets = offsets;
        this.sequenceIds = sequenceIds;
        this.truncated = truncated;
        this.unknown = unknown;
    }

    public int length() {
        return ids.length;
    }

    /** The share of the texts' tokens that is [UNK], 0 where there is no text. */
    public double unknownShare() {
        int own = 0;
        for (int sequence : sequenceIds) {
            if (sequence >= 0) own++;
        }
        return own == 0 ? 0 : (double) unknown / own;
    }
}
