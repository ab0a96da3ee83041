package org.squeezebert.demo.app;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.DashPathEffect;
import android.graphics.Paint;
import android.graphics.Path;
import android.util.AttributeSet;
import android.util.TypedValue;
import android.view.View;

/** Latency against run number, from zero to a few medians: throttling shows as a step, and a spike ends at the upper edge with a mark. */
public final class LatencyChart extends View {
    private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint guide = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint mark = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint ground = new Paint();
    private final Paint text = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Path path = new Path();
    private final float unit;
    private final Words words;
    private long[] nanos = new long[0];
    private LatencyScale scale;

    /** Called when a layout is inflated. */
    public LatencyChart(Context context, AttributeSet attributes) {
        super(context, attributes);
        words = new Words(getResources());
        unit = getResources().getDisplayMetrics().density;
        line.setStyle(Paint.Style.STROKE);
        line.setStrokeWidth(2 * unit);
        line.setColor(context.getColor(R.color.accent));
        guide.setStyle(Paint.Style.STROKE);
        guide.setStrokeWidth(unit);
        guide.setColor(context.getColor(R.color.muted));
        mark.setColor(context.getColor(R.color.bad));
        ground.setColor(context.getColor(R.color.card));
        text.setTextSize(TypedValue.applyDimension(TypedValue.COMPLEX_UNIT_SP, 12, getResources().getDisplayMetrics()));
        text.setColor(context.getColor(R.color.muted));
    }

    /** The runs in order, at least one, and their scale. */
    void show(long[] latencies, LatencyScale drawn) {
        nanos = latencies;
        scale = drawn;
        setContentDescription(words.of(R.string.chart, scale.p50, scale.p90, scale.most));
        invalidate();
    }

    private float top() {
        return 1.5f * text.getTextSize();
    }

    private float bottom() {
        return getHeight() - 1.5f * text.getTextSize();
    }

    /** Where a latency lies, at the upper edge where the scale ends before it. */
    private float y(double millis) {
        return (float) (bottom() - (bottom() - top()) * Math.min(1, millis / scale.top));
    }

    private float x(int run) {
        return nanos.length == 1 ? 0 : run * (float) getWidth() / (nanos.length - 1);
    }

    @Override
    protected void onDraw(Canvas canvas) {
        super.onDraw(canvas);
        if (nanos.length == 0) return;
        guide.setPathEffect(null);
        canvas.drawLine(0, bottom(), getWidth(), bottom(), guide);
        canvas.drawText(words.of(R.string.chart_top, scale.top), 0, text.getTextSize(), text);
        canvas.drawText(words.of(R.string.chart_axis, nanos.length), 0, getHeight() - text.descent(), text);
        right(canvas, "0 ms", getHeight() - text.descent());
        drawRuns(canvas);
        guide.setPathEffect(new DashPathEffect(new float[] {4 * unit, 4 * unit}, 0));
        level(canvas, words.of(R.string.chart_median, scale.p50), scale.p50);
        boolean apart = y(scale.p50) - y(scale.p90) > 2 * text.getTextSize() && y(scale.p90) - top() > 2 * text.getTextSize();
        if (apart) level(canvas, words.of(R.string.chart_p90, scale.p90), scale.p90);
    }

    private void drawRuns(Canvas canvas) {
        path.rewind();
        for (int run = 0; run < nanos.length; run++) {
            double millis = nanos[run] / 1e6;
            if (run == 0) path.moveTo(x(run), y(millis));
            path.lineTo(x(run), y(millis));
            if (millis > scale.top) canvas.drawCircle(x(run), y(millis), 3 * unit, mark);
        }
        canvas.drawPath(path, line);
    }

    /** A dashed line with its name above its right end, readable over the runs. */
    private void level(Canvas canvas, String name, double millis) {
        float above = y(millis) - 4 * unit;
        canvas.drawLine(0, y(millis), getWidth(), y(millis), guide);
        canvas.drawRect(getWidth() - text.measureText(name) - 4 * unit, above - text.getTextSize(), getWidth(), above + text.descent(), ground);
        right(canvas, name, above);
    }

    private void right(Canvas canvas, String written, float y) {
        canvas.drawText(written, getWidth() - text.measureText(written), y, text);
    }
}
