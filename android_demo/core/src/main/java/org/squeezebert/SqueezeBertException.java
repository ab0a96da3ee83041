package org.squeezebert;

/** A failure in one sentence that can be shown as it is: {@code WHERE: WHAT (found X, expected Y); fix: STEP}. */
public final class SqueezeBertException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What is at fault. */
    public enum Kind {
        /** The call: another method, option or text is needed. */
        USAGE(2),
        /** What was given is no bundle. */
        INPUT(3),
        /** A bundle whose bytes are not those that its maker wrote. */
        INTEGRITY(4),
        /** A sound bundle that this build, or the runtime in it, does not run. */
        UNSUPPORTED(5),
        /** The device: no room, no right to read, no memory. */
        ENVIRONMENT(7);

        private final int code;

        Kind(int code) {
            this.code = code;
        }

        /** The exit code that squeezebert-mobile ends with for such a fault. */
        public int code() {
            return code;
        }
    }

    private final Kind kind;

    /** In the form of the library's own messages, for those who fake it in their tests. */
    public SqueezeBertException(Kind kind, String where, String what, String fix) {
        super(where + ": " + what + "; fix: " + fix);
        this.kind = kind;
    }

    /** The same, for what was thrown beneath. */
    public SqueezeBertException(Kind kind, String where, String what, String fix, Throwable cause) {
        super(where + ": " + what + "; fix: " + fix, cause);
        this.kind = kind;
    }

    /** The same, where one value was found and another expected. */
    public SqueezeBertException(Kind kind, String where, String what, Object found, Object expected, String fix) {
        this(kind, where, what + " (found " + found + ", expected " + expected + ")", fix);
    }

    /** What is at fault. */
    public Kind kind() {
        return kind;
    }
}
