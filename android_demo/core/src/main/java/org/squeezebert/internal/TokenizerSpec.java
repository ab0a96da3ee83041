package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** The tokenizer section of a bundle's manifest. */
public final class TokenizerSpec {
    /** The id of a named token that the tokenizer does not have. */
    public static final int NONE = -1;

    public final boolean lowercase;
    public final boolean stripAccents;
    public final boolean tokenizeChinese;
    public final int maxLength;
    /** A text that is too long loses its beginning rather than its end. */
    public final boolean truncatesLeft;
    /** The lines of vocab.txt; added tokens may have ids beyond. */
    public final int vocabSize;
    public final int pad;
    public final int unknown;
    public final int cls;
    public final int sep;
    public final int mask;
    /** In the order of their ids; empty in bundles of schema 1, where {@link Bundle#tokenizer} finds them in tokenizer.json. */
    final List<AddedToken> added;
    /** The row for one text. */
    final List<Slot> single;
    /** The row for a text and its pair. */
    final List<Slot> pair;

    TokenizerSpec(JsonValue json) throws JsonException {
        json.allowOnly("lowercase", "strip_accents", "tokenize_chinese_chars", "max_length", "truncation_side", "vocab_size",
            "pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id", "mask_token_id", "added_tokens", "single", "pair");
        lowercase = json.get("lowercase").bool();
        stripAccents = json.get("strip_accents").bool();
        tokenizeChinese = json.get("tokenize_chinese_chars").bool();
        maxLength = json.get("max_length").count(2);
        truncatesLeft = json.has("truncation_side") && Artifact.oneOf(json.get("truncation_side"), "left", "right").equals("left");
        vocabSize = json.get("vocab_size").count(1);
        List<AddedToken> tokens = new ArrayList<>();
        for (JsonValue item : optional(json, "added_tokens")) tokens.add(new AddedToken(item));
        added = Collections.unmodifiableList(tokens);
        pad = id(json.get("pad_token_id"));
        unknown = id(json.get("unk_token_id"));
        cls = id(json.get("cls_token_id"));
        sep = id(json.get("sep_token_id"));
        mask = id(json.get("mask_token_id"));
        if (unknown == NONE) throw new JsonException(json.path() + ".unk_token_id is null");
        List<Slot> bert = Arrays.asList(Slot.token(cls, 0), Slot.text(0), Slot.token(sep, 0));
        List<Slot> bertPair = new ArrayList<>(bert);
        Collections.addAll(bertPair, Slot.text(1), Slot.token(sep, 1));
        single = row(json, "single", bert);
        pair = row(json, "pair", bertPair);
    }

    /** The items of a list that schema 1 does not have. */
    private static List<JsonValue> optional(JsonValue json, String key) throws JsonException {
        return json.has(key) ? json.get(key).items() : Collections.emptyList();
    }

    private List<Slot> row(JsonValue json, String key, List<Slot> bert) throws JsonException {
        List<Slot> slots = new ArrayList<>();
        for (JsonValue item : optional(json, key)) slots.add(slot(item));
        if (slots.isEmpty()) return bert;
        int[] texts = slots.stream().mapToInt(slot -> slot.sequence).filter(sequence -> sequence >= 0).toArray();
        int[] expected = bert.stream().mapToInt(slot -> slot.sequence).filter(sequence -> sequence >= 0).toArray();
        if (!Arrays.equals(texts, expected)) throw new JsonException(json.path() + "." + key + " does not hold each text once, in order");
        return Collections.unmodifiableList(slots);
    }

    private Slot slot(JsonValue json) throws JsonException {
        json.allowOnly("sequence", "token_id", "type_id");
        long sequence = json.get("sequence").whole();
        if (sequence < -1 || sequence > 1) throw new JsonException(json.path() + ".sequence is " + sequence + ", out of range");
        int token = id(json.get("token_id"));
        if (sequence < 0 == (token == NONE)) throw new JsonException(json.path() + " is neither a token nor a text");
        return new Slot((int) sequence, token, json.get("type_id").count(0));
    }

    private int id(JsonValue json) throws JsonException {
        if (json.isNull()) return NONE;
        int id = json.count(0);
        if (id >= vocabSize && added.stream().noneMatch(token -> token.id == id)) {
            throw new JsonException(json.path() + " is " + id + ", beyond the vocabulary of " + vocabSize);
        }
        return id;
    }

    /** A place in a row: a token, or all tokens of a text. */
    static final class Slot {
        /** -1 for a token, 0 for the text, 1 for its pair. */
        final int sequence;
        final int token;
        final int type;

        private Slot(int sequence, int token, int type) {
            this.sequence = sequence;
            this.token = token;
            this.type = type;
        }

        static Slot token(int id, int type) {
            return new Slot(-1, id, type);
        }

        static Slot text(int sequence) {
            return new Slot(sequence, NONE, sequence);
        }
    }
}
