package org.squeezebert.internal;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A strict recursive-descent reader of RFC 8259; every error names line and column. */
final class JsonParser {
    /** A bundle nests six levels; a hostile file must not exhaust the stack of a phone's worker thread. */
    private static final int MAX_DEPTH = 64;
    /** As Python's: the time to read a number grows with the square of its digits. */
    private static final int MAX_DIGITS = 4300;

    private final String text;
    private int at;

    JsonParser(String text) {
        this.text = text;
    }

    Object parse() throws JsonException {
        Object value = value(0);
        space();
        if (at != text.length()) throw error("text after the value");
        return value;
    }

    private Object value(int depth) throws JsonException {
        space();
        switch (peek()) {
            case '{': return object(depth);
            case '[': return array(depth);
            case '"': return string();
            case 't': return literal("true", Boolean.TRUE);
            case 'f': return literal("false", Boolean.FALSE);
            case 'n': return literal("null", null);
            default: return number();
        }
    }

    private Map<String, Object> object(int depth) throws JsonException {
        Map<String, Object> map = new LinkedHashMap<>();
        enter(depth);
        space();
        if (take('}')) return map;
        do {
            space();
            if (peek() != '"') throw error("expected a key");
            String key = string();
            if (map.containsKey(key)) throw error("duplicate key \"" + key + "\"");
            space();
            if (!take(':')) throw error("expected ':'");
            map.put(key, value(depth + 1));
            space();
        } while (take(','));
        if (!take('}')) throw error("expected ',' or '}'");
        return map;
    }

    private List<Object> array(int depth) throws JsonException {
        List<Object> list = new ArrayList<>();
        enter(depth);
        space();
        if (take(']')) return list;
        do {
            list.add(value(depth + 1));
            space();
        } while (take(','));
        if (!take(']')) throw error("expected ',' or ']'");
        return list;
    }

    private void enter(int depth) throws JsonException {
        if (depth >= MAX_DEPTH) throw error("nested deeper than " + MAX_DEPTH);
        at++;
    }

    private Object literal(String word, Object value) throws JsonException {
        if (!text.startsWith(word, at)) throw error("unknown word");
        at += word.length();
        return value;
    }

    private Object number() throws JsonException {
        int start = at;
        take('-');
        if (!take('0')) digits();
        boolean whole = true;
        if (take('.')) {
            whole = false;
            digits();
        }
        if (take('e') || take('E')) {
            whole = false;
            if (!take('+')) take('-');
            digits();
        }
        String number = text.substring(start, at);
        if (whole) return whole(number);
        Double value = Double.valueOf(number);
        if (value.isInfinite()) throw error("number out of range");
        return value;
    }

    /** A Long where 64 bits hold it, else a BigInteger: tokenizers write 1e30 in full for "no limit". */
    private Number whole(String number) throws JsonException {
        if (number.length() - (number.startsWith("-") ? 1 : 0) > MAX_DIGITS) throw error("number out of range");
        BigInteger value = new BigInteger(number);
        return value.bitLength() < Long.SIZE ? (Number) value.longValue() : value;
    }

    private void digits() throws JsonException {
        int start = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') at++;
        if (at == start) throw error("expected a value");
    }

    private String string() throws JsonException {
        StringBuilder out = new StringBuilder();
        at++;
        while (true) {
            if (at >= text.length()) throw error("text ends inside a string");
            char c = text.charAt(at++);
            if (c == '"') return paired(out);
            if (c < 0x20) throw error("control character inside a string");
            out.append(c == '\\' ? escape() : c);
        }
    }

    /** Half a surrogate pair, which only an escape can make, is no character. */
    private String paired(StringBuilder out) throws JsonException {
        if (out.codePoints().anyMatch(c -> c >= 0xD800 && c <= 0xDFFF)) throw error("half a surrogate pair");
        return out.toString();
    }

    private char escape() throws JsonException {
        char c = at < text.length() ? text.charAt(at++) : 0;
        switch (c) {
            case '"': case '\\': case '/': return c;
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'u': return hex();
            default: throw error("unknown escape");
        }
    }

    private char hex() throws JsonException {
        int value = 0;
        for (int i = 0; i < 4; i++) {
            char c = at < text.length() ? text.charAt(at++) : 0;
            int digit = c < 0x80 ? Character.digit(c, 16) : -1; // it knows the digits of every script
            if (digit < 0) throw error("expected four hexadecimal digits");
            value = value << 4 | digit;
        }
        return (char) value;
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private char peek() throws JsonException {
        if (at >= text.length()) throw error("text ends early");
        return text.charAt(at);
    }

    private boolean take(char c) {
        if (at >= text.length() || text.charAt(at) != c) return false;
        at++;
        return true;
    }

    private JsonException error(String what) {
        int line = 1;
        int column = 1;
        for (int i = 0; i < Math.min(at, text.length()); i++) {
            column++;
            if (text.charAt(i) == '\n') {
                line++;
                column = 1;
            }
        }
        return new JsonException(what + " at line " + line + ", column " + column);
    }
}
