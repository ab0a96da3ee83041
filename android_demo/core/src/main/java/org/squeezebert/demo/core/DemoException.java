package org.squeezebert.demo.core;

/** A failure with one sentence for the screen: {@code WHERE: WHAT (found X, expected Y); fix: STEP}, the form of the Python side. */
public final class DemoException extends Exception {
    private static final long serialVersionUID = 1L;

    /** What kind of fault it is; the numbers are the exit codes of the command line. */
    public enum Kind {
        USAGE(2), INPUT(3), INTEGRITY(4), UNSUPPORTED(5), ENVIRONMENT(7);

        public final int code;

        Kind(int code) {
            this.code = code;
        }
    }

    public final Kind kind;

    public DemoException(Kind kind, String where, String what, String fix) {
        super(where + ": " + what + "; fix: " + fix);
        this.kind = kind;
    }

    public DemoException(Kind kind, String where, String what, String fix, Throwable cause) {
        this(kind, where, what, fix);
        initCause(cause);
    }

    public DemoException(Kind kind, String where, String what, Object found, Object expected, String fix) {
        this(kind, where, what + " (found " + found + ", expected " + expected + ")", fix);
    }
}
