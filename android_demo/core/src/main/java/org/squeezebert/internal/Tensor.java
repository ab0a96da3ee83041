package org.squeezebert.internal;

/** A dense float32 output in row-major order. */
public final class Tensor {
    public final long[] shape;
    public final float[] data;

    public Tensor(long[] shape, float[] data) {
        this.shape = shape;
        this.data = data;
    }

    /** The size of the last axis. */
    public int width() {
        return (int) shape[shape.length - 1];
    }

    /** Row {@code index} along the last axis, as doubles. */
    public double[] row(int index) {
        double[] row = new double[width()];
        for (int i = 0; i < row.length; i++) row[i] = data[index * row.length + i];
        return row;
    }

    /** All values as doubles. */
    public double[] values() {
        double[] values = new double[data.length];
        for (int i = 0; i < values.length; i++) values[i] = data[i];
        return values;
    }
}
