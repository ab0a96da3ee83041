package org.squeezebert.internal;

/** Lower-case hexadecimal text of bytes. */
final class Hex {
    private Hex() { }

    static String encode(byte[] bytes) {
        StringBuilder out = new StringBuilder(2 * bytes.length);
        for (byte b : bytes) out.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        return out.toString();
    }
}
