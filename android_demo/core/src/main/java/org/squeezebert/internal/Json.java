package org.squeezebert.internal;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.squeezebert.SqueezeBertException;

/** JSON text of plain values: Map, Iterable, String, Number, Boolean, null, and arrays of long, float and double. */
public final class Json {
    private Json() { }

    /** The value that {@code text} holds; refuses what RFC 8259 does not allow, duplicate keys and nesting beyond 64. */
    public static JsonValue parse(String text) throws JsonException {
        return new JsonValue("$", new JsonParser(text).parse());
    }

    /** The object in the bytes of a file that messages call {@code name}; what is no strict JSON in UTF-8 is refused as INPUT. */
    public static JsonValue object(byte[] utf8, String name) {
        try {
            JsonValue json = parse(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString());
            json.keys();
            return json;
        } catch (CharacterCodingException | JsonException e) {
            String problem = e instanceof JsonException ? "is not JSON: " + e.getMessage() : "is not UTF-8";
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, name, problem, "export the bundle again", e);
        }
    }

    /** One line of JSON with the keys in the order of the map. Throws IllegalArgumentException for NaN, infinities and unknown classes. */
    public static String write(Object value) {
        StringBuilder out = new StringBuilder();
        append(out, value);
        return out.toString();
    }

    private static void append(StringBuilder out, Object value) {
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof Number) {
            appendNumber(out, (Number) value);
        } else if (value instanceof String) {
            appendString(out, (String) value);
        } else if (value instanceof Map) {
            appendObject(out, (Map<?, ?>) value);
        } else if (value instanceof Iterable) {
            String comma = "";
            out.append('[');
            for (Object item : (Iterable<?>) value) {
                append(out.append(comma), item);
                comma = ",";
            }
            out.append(']');
        } else if (value.getClass().isArray()) {
            out.append('[');
            for (int i = 0; i < java.lang.reflect.Array.getLength(value); i++) {
                append(out.append(i == 0 ? "" : ","), java.lang.reflect.Array.get(value, i));
            }
            out.append(']');
        } else {
            throw new IllegalArgumentException("not a JSON value: " + value.getClass().getName());
        }
    }

    private static void appendNumber(StringBuilder out, Number value) {
        double asDouble = value.doubleValue();
        if (Double.isNaN(asDouble) || Double.isInfinite(asDouble)) throw new IllegalArgumentException("JSON has no " + value);
        out.append(value);
    }

    private static void appendObject(StringBuilder out, Map<?, ?> map) {
        String comma = "";
        out.append('{');
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(comma);
            appendString(out, (String) entry.getKey());
            append(out.append(':'), entry.getValue());
            comma = ",";
        }
        out.append('}');
    }

    private static void appendString(StringBuilder out, String value) {
        out.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20 || c > 0x7e) {
                out.append("\\u").append(Character.forDigit(c >> 12, 16)).append(Character.forDigit(c >> 8 & 15, 16))
                    .append(Character.forDigit(c >> 4 & 15, 16)).append(Character.forDigit(c & 15, 16));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
