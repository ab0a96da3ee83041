package org.squeezebert.internal;

/** The two clocks of a measurement, injectable for tests. */
public interface NanoClock {
    /** Monotonic nanoseconds; on Android it must count through sleep (elapsedRealtimeNanos). */
    long nanos();

    /** Wall-clock milliseconds, only to notice that one of the two jumped. */
    long wallMillis();

    /** Waits. An interrupt ends the wait, and is left for whoever asks. */
    default void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    NanoClock SYSTEM = new NanoClock() {
        @Override
        public long nanos() {
            return System.nanoTime();
        }

        @Override
        public long wallMillis() {
            return System.currentTimeMillis();
        }
    };
}
