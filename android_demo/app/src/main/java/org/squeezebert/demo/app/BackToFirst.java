package org.squeezebert.demo.app;

import android.annotation.TargetApi;
import android.app.Activity;
import android.window.OnBackInvokedCallback;
import android.window.OnBackInvokedDispatcher;

/** Back from another screen than the first, from Android 13 on; on the first it is the system's, which shows where it leads while the finger moves. */
@TargetApi(33)
final class BackToFirst {
    private final OnBackInvokedDispatcher dispatcher;
    private final OnBackInvokedCallback callback;
    private boolean listening;

    BackToFirst(Activity activity, Runnable toFirst) {
        dispatcher = activity.getOnBackInvokedDispatcher();
        callback = toFirst::run;
    }

    void listen(boolean now) {
        if (now && !listening) dispatcher.registerOnBackInvokedCallback(OnBackInvokedDispatcher.PRIORITY_DEFAULT, callback);
        if (!now && listening) dispatcher.unregisterOnBackInvokedCallback(callback);
        listening = now;
    }
}
