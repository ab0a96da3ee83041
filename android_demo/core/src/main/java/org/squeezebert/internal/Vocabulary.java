package org.squeezebert.internal;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.squeezebert.SqueezeBertException;

/** The tokens by id: the lines of vocab.txt, which words are made of, and behind them the added tokens. */
public final class Vocabulary {
    private static final String FIX = "import a bundle whose vocab.txt is complete";

    private final List<String> tokens;
    private final Map<String, Integer> ids;

    private Vocabulary(List<String> tokens, Map<String, Integer> ids) {
        this.tokens = Collections.unmodifiableList(tokens);
        this.ids = ids;
    }

    /** Parses the bytes of vocab.txt; CRLF is accepted, a BOM, blank and duplicate lines and text that is not UTF-8 are not. */
    public static Vocabulary parse(byte[] utf8) {
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
        } catch (CharacterCodingException e) {
            throw refused("is not UTF-8");
        }
        if (text.startsWith("\uFEFF")) throw refused("starts with a byte order mark (line 1)");
        if (!text.endsWith("\n")) throw refused("has no final newline, it may be cut off");
        List<String> tokens = new ArrayList<>();
        Map<String, Integer> ids = new HashMap<>();
        for (int start = 0; start < text.length();) {
            int end = text.indexOf('\n', start);
            String token = text.substring(start, end > start && text.charAt(end - 1) == '\r' ? end - 1 : end);
            if (token.isEmpty()) throw refused("has a blank line " + (tokens.size() + 1));
            if (ids.put(token, tokens.size()) != null) throw refused("repeats \"" + token + "\" on line " + (tokens.size() + 1));
            tokens.add(token);
            start = end + 1;
        }
        return new Vocabulary(tokens, ids);
    }

    /** With the added tokens, in the order of their ids; one that is a line of vocab.txt has its number. */
    Vocabulary with(List<AddedToken> added) {
        List<String> all = new ArrayList<>(tokens);
        for (AddedToken token : added) {
            if (token.id == all.size()) all.add(token.content);
            if (token.id > all.size() || !all.get(token.id).equals(token.content)) {
                throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, Manifest.NAME, "has an added token \"" + token.content + "\" of another id", token.id,
                    "at most " + all.size(), "export the bundle again");
            }
        }
        return new Vocabulary(all, ids);
    }

    /** Tokens in all: every id is below. */
    public int size() {
        return tokens.size();
    }

    public String token(int id) {
        return tokens.get(id);
    }

    /** The line of a piece in vocab.txt, or null. */
    Integer id(String token) {
        return ids.get(token);
    }

    private static SqueezeBertException refused(String what) {
        return new SqueezeBertException(SqueezeBertException.Kind.INPUT, "vocab.txt", what, FIX);
    }
}
