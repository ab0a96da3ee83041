package org.squeezebert.demo.core;

/** The tokenizer section of a bundle's manifest. */
public final class TokenizerSpec {
    public final boolean lowercase;
    public final boolean stripAccents;
    public final boolean tokenizeChinese;
    public final int maxLength;
    public final int vocabSize;
    public final int pad;
    public final int unknown;
    public final int cls;
    public final int sep;
    public final int mask;

    TokenizerSpec(JsonValue json) throws JsonException {
        json.allowOnly("lowercase", "strip_accents", "tokenize_chinese_chars", "max_length", "vocab_size",
            "pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id", "mask_token_id");
        lowercase = json.get("lowercase").bool();
        stripAccents = json.get("strip_accents").bool();
        tokenizeChinese = json.get("tokenize_chinese_chars").bool();
        maxLength = json.get("max_length").count(2);
        vocabSize = json.get("vocab_size").count(1);
        pad = id(json, "pad_token_id");
        unknown = id(json, "unk_token_id");
        cls = id(json, "cls_token_id");
        sep = id(json, "sep_token_id");
        mask = id(json, "mask_token_id");
    }

    private int id(JsonValue json, String key) throws JsonException {
        int id = json.get(key).count(0);
        if (id >= vocabSize) throw new JsonException(json.path() + "." + key + " is " + id + ", beyond the vocabulary of " + vocabSize);
        return id;
    }
}
