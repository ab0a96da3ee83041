package org.squeezebert.demo.app;

import android.graphics.Canvas;
import android.graphics.Paint;
import android.text.style.ReplacementSpan;

/** Text on a round tag, which a line never breaks. */
final class PieceSpan extends ReplacementSpan {
    private final int fill;
    private final int ink;
    private final float density;

    PieceSpan(int fill, int ink, float density) {
        this.fill = fill;
        this.ink = ink;
        this.density = density;
    }

    private float side() {
        return 6 * density;
    }

    @Override
    public int getSize(Paint paint, CharSequence text, int start, int end, Paint.FontMetricsInt metrics) {
        if (metrics != null) paint.getFontMetricsInt(metrics);
        return Math.round(paint.measureText(text, start, end) + 2 * side());
    }

    @Override
    public void draw(Canvas canvas, CharSequence text, int start, int end, float x, int top, int y, int bottom, Paint paint) {
        Paint.FontMetrics metrics = paint.getFontMetrics();
        paint.setColor(fill);
        canvas.drawRoundRect(x, y + metrics.ascent - density, x + paint.measureText(text, start, end) + 2 * side(), y + metrics.descent + density,
            side(), side(), paint);
        paint.setColor(ink);
        canvas.drawText(text, start, end, x + side(), y, paint);
    }
}
