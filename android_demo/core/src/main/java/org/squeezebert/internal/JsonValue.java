package org.squeezebert.internal;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A parsed JSON value that knows its path, so that a wrong type is reported as {@code $.artifacts[1].bytes is text, not a whole number}. */
public final class JsonValue {
    private final String path;
    private final Object value;

    JsonValue(String path, Object value) {
        this.path = path;
        this.value = value;
    }

    public String path() {
        return path;
    }

    public boolean isNull() {
        return value == null;
    }

    /** The plain Java value: Map, List, String, Long, BigInteger where 64 bits are too few, Double, Boolean or null. */
    public Object raw() {
        return value;
    }

    /** The member {@code key}, which must be there. */
    public JsonValue get(String key) throws JsonException {
        if (!has(key)) throw new JsonException(path + " lacks \"" + key + "\"");
        return new JsonValue(path + "." + key, map().get(key));
    }

    public boolean has(String key) throws JsonException {
        return map().containsKey(key);
    }

    public Set<String> keys() throws JsonException {
        return map().keySet();
    }

    /** Refuses members other than {@code known}: a reader that skips what it does not know would misread a later format. */
    public void allowOnly(String... known) throws JsonException {
        Set<String> extra = new LinkedHashSet<>(keys());
        extra.removeAll(Arrays.asList(known));
        if (!extra.isEmpty()) throw new JsonException(path + " has unknown members " + extra);
    }

    /** Refuses each of these members. */
    void refuse(String... later) throws JsonException {
        for (String key : later) {
            if (has(key)) throw new JsonException(path + " has the member " + key + " of a later schema");
        }
    }

    public List<JsonValue> items() throws JsonException {
        if (!(value instanceof List)) throw wrong("a list");
        List<JsonValue> items = new ArrayList<>();
        for (Object item : (List<?>) value) items.add(new JsonValue(path + "[" + items.size() + "]", item));
        return Collections.unmodifiableList(items);
    }

    public String string() throws JsonException {
        if (!(value instanceof String)) throw wrong("text");
        return (String) value;
    }

    public List<String> strings() throws JsonException {
        List<String> out = new ArrayList<>();
        for (JsonValue item : items()) out.add(item.string());
        return Collections.unmodifiableList(out);
    }

    public boolean bool() throws JsonException {
        if (!(value instanceof Boolean)) throw wrong("true or false");
        return (Boolean) value;
    }

    public long whole() throws JsonException {
        if (!(value instanceof Long)) throw wrong("a whole number");
        return (Long) value;
    }

    /** A whole number from 0: bytes, parameters, FLOPs. */
    public long size() throws JsonException {
        if (whole() < 0) throw new JsonException(path + " is negative");
        return whole();
    }

    /** SHA-256 as 64 lower-case hexadecimal digits. */
    public String sha256() throws JsonException {
        if (!string().matches("[0-9a-f]{64}")) throw new JsonException(path + " is not 64 lower-case hexadecimal digits");
        return string();
    }

    /** A whole number of at least {@code least} that fits into an int. */
    public int count(int least) throws JsonException {
        long whole = whole();
        if (whole < least || whole > Integer.MAX_VALUE) throw new JsonException(path + " is " + whole + ", out of range");
        return (int) whole;
    }

    public double number() throws JsonException {
        if (!(value instanceof Number)) throw wrong("a number");
        double number = ((Number) value).doubleValue();
        if (Double.isInfinite(number)) throw new JsonException(path + " is out of range");
        return number;
    }

    public long[] longs() throws JsonException {
        List<JsonValue> items = items();
        long[] out = new long[items.size()];
        for (int i = 0; i < out.length; i++) out[i] = items.get(i).whole();
        return out;
    }

    @SuppressWarnings("unchecked") // JsonParser makes no map with other keys
    private Map<String, Object> map() throws JsonException {
        if (!(value instanceof Map)) throw wrong("an object");
        return (Map<String, Object>) value;
    }

    private JsonException wrong(String wanted) {
        String kind = value == null ? "null" : value instanceof String ? "text" : value instanceof List ? "a list"
            : value instanceof Map ? "an object" : value instanceof BigInteger ? "a number of over 64 bits" : value.toString();
        return new JsonException(path + " is " + kind + ", not " + wanted);
    }
}
