package org.squeezebert.internal;

/** A token that is found in the text before WordPiece runs; the flags are those of Hugging Face's {@code AddedToken}. */
final class AddedToken {
    final int id;
    final String content;
    final boolean special;
    /** Found in the normalized text rather than in the text as it stands. */
    final boolean normalized;
    /** Found only where no letter, digit or underscore stands beside it. */
    final boolean singleWord;
    /** Takes the white space before it along. */
    final boolean stripLeft;
    /** Takes the white space after it along. */
    final boolean stripRight;

    /** A special token as BERT has them. */
    AddedToken(int id, String content) {
        this.id = id;
        this.content = content;
        special = true;
        normalized = singleWord = stripLeft = stripRight = false;
    }

    AddedToken(JsonValue json) throws JsonException {
        json.allowOnly("id", "content", "special", "normalized", "single_word", "lstrip", "rstrip");
        id = json.get("id").count(0);
        content = json.get("content").string();
        if (content.isEmpty()) throw new JsonException(json.path() + ".content is empty");
        special = json.get("special").bool();
        normalized = json.get("normalized").bool();
        singleWord = json.get("single_word").bool();
        stripLeft = json.get("lstrip").bool();
        stripRight = json.get("rstrip").bool();
    }
}
