package org.squeezebert.internal;

/** Text that is not the JSON that was asked for. */
public final class JsonException extends Exception {
    private static final long serialVersionUID = 1L;

    public JsonException(String message) {
        super(message);
    }
}
