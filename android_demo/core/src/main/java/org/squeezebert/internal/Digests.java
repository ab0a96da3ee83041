package org.squeezebert.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** SHA-256 of bytes and streams. */
public final class Digests {
    private Digests() { }

    public static String sha256(byte[] bytes) {
        return Hex.encode(sha256().digest(bytes));
    }

    /** Copies at most {@code limit} + 1 bytes, so that a longer stream is noticed by its count, and digests them. */
    public static Copied copy(InputStream in, OutputStream out, long limit) throws IOException {
        MessageDigest digest = sha256();
        byte[] buffer = new byte[1 << 16];
        long count = 0;
        while (count <= limit) {
            // not limit + 1, which overflows
            int n = in.read(buffer, 0, 1 + (int) Math.min(buffer.length - 1, limit - count));
            if (n < 0) break;
            digest.update(buffer, 0, n);
            out.write(buffer, 0, n);
            count += n;
        }
        return new Copied(count, Hex.encode(digest.digest()));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java and Android has SHA-256", e);
        }
    }

    /** How much was copied and what it was. */
    public static final class Copied {
        public final long bytes;
        final String sha256;

        Copied(long bytes, String sha256) {
            this.bytes = bytes;
            this.sha256 = sha256;
        }
    }
}
