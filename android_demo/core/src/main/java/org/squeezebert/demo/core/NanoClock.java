package org.squeezebert.demo.core;

/** The two clocks of a measurement, injectable for tests. */
public interface NanoClock {
    /** Monotonic nanoseconds; on Android it must count through sleep (elapsedRealtimeNanos). */
    long nanos();

    /** Wall-clock milliseconds, only to notice that one of the two jumped. */
    long wallMillis();

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
