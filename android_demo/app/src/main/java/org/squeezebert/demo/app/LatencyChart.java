package org.squeezebert.demo.app;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.graphics.Path;
import android.util.AttributeSet;
import android.view.View;
import java.util.Arrays;

/** Latency against run number, from zero up: throttling shows as a step, noise stays small. */
public final class LatencyChart extends View {
    private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint text = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Path path = new Path();
    private double[] millis = new double[0];

    /** Called when a layout is inflated. */
    public LatencyChart(Context context, AttributeSet attributes) {
        super(context, attributes);
        float density = getResources().getDisplayMetrics().density;
        line.setStyle(Paint.Style.STROKE);
        line.setStrokeWidth(2 * density);
        line.setColor(context.getColor(R.color.accent));
        text.setTextSize(12 * density);
        text.setColor(context.getColor(R.color.accent));
    }

    void show(double[] latencies) {
        millis = latencies;
        double least = Arrays.stream(latencies).min().orElse(0);
        double most = Arrays.stream(latencies).max().orElse(0);
        setContentDescription(getResources().getString(R.string.chart, least, most));
        invalidate();
    }

    @Override
    protected void onDraw(Canvas canvas) {
        super.onDraw(canvas);
        if (millis.length == 0) return;
        double most = Arrays.stream(millis).max().orElse(1);
        float top = 2 * text.getTextSize();
        float bottom = getHeight() - 1.5f * text.getTextSize();
        path.rewind();
        for (int run = 0; run < millis.length; run++) {
            float x = millis.length == 1 ? 0 : run * (float) getWidth() / (millis.length - 1);
            float y = (float) (bottom - (bottom - top) * millis[run] / most);
            if (run == 0) path.moveTo(x, y);
            path.lineTo(x, y);
        }
        canvas.drawPath(path, line);
        canvas.drawLine(0, bottom, getWidth(), bottom, line);
        canvas.drawText(getContentDescription().toString(), 0, text.getTextSize(), text);
        canvas.drawText(getResources().getString(R.string.chart_axis, millis.length), 0, getHeight() - text.descent(), text);
    }
}
