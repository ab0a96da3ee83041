package org.squeezebert.demo.app;

import android.os.SystemClock;
import org.squeezebert.internal.NanoClock;

/** The clock that goes on while the phone sleeps: a run that was suspended must look long, not short. */
enum AndroidClock implements NanoClock {
    INSTANCE;

    @Override
    public long nanos() {
        return SystemClock.elapsedRealtimeNanos();
    }

    @Override
    public long wallMillis() {
        return System.currentTimeMillis();
    }
}
