package org.squeezebert.demo.app;

import android.annotation.TargetApi;
import android.app.Activity;
import android.graphics.Insets;
import android.os.Build;
import android.view.View;
import android.view.Window;
import android.view.WindowInsets;

/** The app draws behind the system's bars, and keeps what one reads and presses out from under them. */
final class EdgeToEdge {
    private final View content;
    private final View bar;
    private final boolean rail;

    private EdgeToEdge(Activity activity) {
        content = activity.findViewById(R.id.content);
        bar = activity.findViewById(R.id.bar);
        rail = activity.getResources().getBoolean(R.bool.rail);
    }

    @SuppressWarnings("deprecation") // what Android 8 to 10 have for it
    static void of(Activity activity) {
        EdgeToEdge edges = new EdgeToEdge(activity);
        View window = activity.getWindow().getDecorView();
        if (Build.VERSION.SDK_INT >= 30) {
            drawBehind(activity.getWindow());
        } else {
            window.setSystemUiVisibility(window.getSystemUiVisibility() | View.SYSTEM_UI_FLAG_LAYOUT_STABLE
                | View.SYSTEM_UI_FLAG_LAYOUT_FULLSCREEN | View.SYSTEM_UI_FLAG_LAYOUT_HIDE_NAVIGATION);
        }
        activity.findViewById(R.id.root).setOnApplyWindowInsetsListener((view, insets) -> {
            edges.apply(insets);
            return insets;
        });
    }

    @TargetApi(30)
    private static void drawBehind(Window window) {
        window.setDecorFitsSystemWindows(false);
    }

    @SuppressWarnings("deprecation")
    private void apply(WindowInsets insets) {
        if (Build.VERSION.SDK_INT >= 30) {
            applyByType(insets);
        } else {
            apply(insets.getSystemWindowInsetLeft(), insets.getSystemWindowInsetTop(), insets.getSystemWindowInsetRight(), insets.getSystemWindowInsetBottom(), 0);
        }
    }

    @TargetApi(30)
    private void applyByType(WindowInsets insets) {
        Insets edges = insets.getInsets(WindowInsets.Type.systemBars() | WindowInsets.Type.displayCutout());
        apply(edges.left, edges.top, edges.right, edges.bottom, insets.getInsets(WindowInsets.Type.ime()).bottom);
    }

    private void apply(int left, int top, int right, int bottom, int keyboard) {
        if (rail) {
            bar.setPadding(left, top, 0, bottom);
            content.setPadding(0, top, right, Math.max(bottom, keyboard));
        } else {
            bar.setPadding(left, 0, right, bottom);
            bar.setVisibility(keyboard > 0 ? View.GONE : View.VISIBLE); // what is typed needs the room
            content.setPadding(left, top, right, keyboard);
        }
    }
}
