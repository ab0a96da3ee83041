package org.squeezebert.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.squeezebert.SqueezeBertException;

class WordPieceTokenizerTest {
    private static final int MAX_LENGTH = 64;
    private static JsonValue vectors;
    private static Vocabulary vocabulary;
    private static List<WordPieceTokenizer> tokenizers;

    @BeforeAll
    static void readVectors() throws Exception {
        vectors = Vectors.read("tokenizer.json");
        List<String> words = vectors.get("vocabulary").strings();
        vocabulary = Vocabulary.parse((String.join("\n", words) + "\n").getBytes(StandardCharsets.UTF_8));
        tokenizers = new ArrayList<>();
        for (JsonValue flags : vectors.get("flags").items()) tokenizers.add(tokenizer(spec(flags)));
    }

    private static Map<String, Object> spec(JsonValue flags) throws Exception {
        Map<String, Object> spec = new LinkedHashMap<>();
        for (String key : flags.keys()) spec.put(key, flags.get(key).raw());
        spec.put("max_length", MAX_LENGTH);
        spec.put("vocab_size", vocabulary.size());
        String[] ids = {"pad", "unk", "cls", "sep", "mask"};
        for (int i = 0; i < ids.length; i++) spec.put(ids[i] + "_token_id", i);
        return spec;
    }

    private static WordPieceTokenizer tokenizer(Map<String, Object> spec) throws Exception {
        TokenizerSpec read = new TokenizerSpec(Json.parse(Json.write(spec)));
        return new WordPieceTokenizer(vocabulary, read, read.added);
    }

    @Test
    void addedTokensAndOtherRowsEqualTheLibrary() throws Exception {
        List<JsonValue> flags = vectors.get("flags").items();
        for (JsonValue row : vectors.get("added").items()) {
            Map<String, Object> spec = spec(flags.get(row.get("flags").count(0)));
            spec.put("truncation_side", row.get("truncation_side").raw());
            spec.put("added_tokens", row.get("added").raw());
            if (row.get("plain").bool()) {
                Object first = TestBundle.object("sequence", 0, "token_id", null, "type_id", 0);
                spec.put("single", Collections.singletonList(first));
                spec.put("pair", Arrays.asList(first, TestBundle.object("sequence", 1, "token_id", null, "type_id", 1)));
            }
            WordPieceTokenizer tokenizer = tokenizer(spec);
            for (JsonValue each : row.get("cases").items()) {
                String pair = each.get("pair").isNull() ? null : each.get("pair").string();
                requireEqual(each.get("row"), tokenizer.encode(each.get("text").string(), pair, each.get("max_length").count(4)));
            }
            for (JsonValue each : row.get("windows").items()) {
                List<Encoding> windows = tokenizer.windows("ab", each.get("context").string(), each.get("max_length").count(4), each.get("stride").count(0));
                List<JsonValue> want = each.get("rows").items();
                assertEquals(want.size(), windows.size(), each.path());
                for (int i = 0; i < want.size(); i++) requireEqual(want.get(i), windows.get(i));
            }
            for (JsonValue token : row.get("added").items()) {
                assertEquals(token.get("content").string(), tokenizer.vocabulary().token(token.get("id").count(0)));
            }
        }
    }

    @Test
    void everyCaseEqualsTheLibrary() throws Exception {
        for (JsonValue row : vectors.get("cases").items()) {
            String pair = row.get("pair").isNull() ? null : row.get("pair").string();
            Encoding encoding = tokenizers.get(row.get("flags").count(0)).encode(row.get("text").string(), pair, row.get("max_length").count(4));
            requireEqual(row.get("row"), encoding);
            assertEquals(row.get("truncated").bool(), encoding.truncated, row.path());
        }
    }

    @Test
    void windowsOverALongContextEqualTheLibrary() throws Exception {
        for (JsonValue row : vectors.get("windows").items()) {
            List<Encoding> windows = tokenizers.get(0).windows(row.get("question").string(), row.get("context").string(),
                row.get("max_length").count(4), row.get("stride").count(0));
            List<JsonValue> want = row.get("rows").items();
            assertEquals(want.size(), windows.size(), row.path());
            for (int i = 0; i < want.size(); i++) requireEqual(want.get(i), windows.get(i));
        }
    }

    @Test
    void aQuestionWithoutRoomForTheContextIsRefused() {
        String question = String.join(" ", Collections.nCopies(80, "a"));
        SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> tokenizers.get(0).windows(question, "b", MAX_LENGTH, 0));
        assertTrue(e.getMessage().startsWith("question: "), e.getMessage());
    }

    @Test
    void aQuestionThatNearlyFillsTheWindowLeavesWindowsThatShareHalf() throws Exception {
        String question = String.join(" ", Collections.nCopies(MAX_LENGTH - 6, "a"));
        List<Encoding> windows = tokenizers.get(0).windows(question, "a a a a a a a", MAX_LENGTH, 128);
        assertEquals(3, windows.size());
        int first = MAX_LENGTH - 4;
        for (int i = 0; i < 3; i++) assertArrayEquals(new int[] {4 * i, 4 * i + 1}, windows.get(i).offsets[first]);
    }

    private static void requireEqual(JsonValue want, Encoding encoding) throws Exception {
        String where = want.path() + " " + Json.write(want.raw());
        assertArrayEquals(want.get("ids").longs(), encoding.ids, where);
        assertArrayEquals(want.get("type_ids").longs(), encoding.typeIds, where);
        assertEquals(Json.write(want.get("offsets").raw()), Json.write(encoding.offsets), where);
        assertEquals(Json.write(want.get("sequence_ids").raw()), Json.write(encoding.sequenceIds), where);
        assertEquals(want.get("unknown").count(0), encoding.unknown, where);
    }

    @Test
    void everyCodePointIsNormalizedAndCutAsTheLibraryDoes() throws Exception {
        List<JsonValue> flags = vectors.get("flags").items();
        int block = vectors.get("sweep").get("block").count(1);
        for (int f = 0; f < flags.size(); f++) {
            JsonValue flag = flags.get(f);
            BertNormalizer normalizer = new BertNormalizer(flag.get("lowercase").bool(), flag.get("strip_accents").bool(),
                flag.get("tokenize_chinese_chars").bool());
            List<String> want = vectors.get("sweep").get("words").items().get(f).strings();
            for (int b = 0; b < want.size(); b++) {
                assertEquals(want.get(b), digest(normalizer, b * block, (b + 1) * block), "flags " + f + ", code points from " + b * block);
            }
        }
    }

    private static String digest(BertNormalizer normalizer, int from, int to) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        for (int code = from; code < to; code++) {
            if (code >= 0xD800 && code <= 0xDFFF) continue;
            AlignedText text = normalizer.normalize(new int[] {'a', code, 'b'}, 0, 3);
            List<String> words = new ArrayList<>();
            for (int[] word : BertPreTokenizer.split(text)) words.add(text.substring(word[0], word[1]));
            digest.update((String.join(" ", words) + "\n").getBytes(StandardCharsets.UTF_8));
        }
        return Hex.encode(digest.digest()).substring(0, 16);
    }

    @Test
    void anAddedTokenWithoutItsIdIsRefused() throws Exception {
        for (Object[] row : new Object[][] {{vocabulary.size() + 1, "new"}, {7, "new"}}) {
            Map<String, Object> spec = spec(vectors.get("flags").items().get(0));
            spec.put("added_tokens", Collections.singletonList(TestBundle.object("id", row[0], "content", row[1], "special", false, "normalized", false,
                "single_word", false, "lstrip", false, "rstrip", false)));
            SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> tokenizer(spec));
            assertTrue(e.getMessage().contains("has an added token \"new\" of another id"), e.getMessage());
        }
    }

    @Test
    void hostileTextGivesAResult() {
        String megabyte = String.join("", Collections.nCopies(1_000_000, "x"));
        for (String text : new String[] {"\uD800", "a\uDC00b", megabyte, megabyte.replace("xx", "x "), "\0\0\0"}) {
            Encoding encoding = tokenizers.get(0).encode(text, null, MAX_LENGTH);
            assertTrue(encoding.length() <= MAX_LENGTH);
        }
        assertEquals(1.0, tokenizers.get(0).encode(megabyte, null, MAX_LENGTH).unknownShare());
        assertEquals(0.0, tokenizers.get(0).encode("", null, MAX_LENGTH).unknownShare());
    }

    @Test
    void vocabularyRefusesWhatWouldShiftIds() {
        String[][] cases = {{"\uFEFF[PAD]\n", "byte order mark"}, {"a\n\nb\n", "blank line 2"}, {"a\nb\na\n", "repeats \"a\" on line 3"}, {"a\nb", "final newline"}};
        for (String[] row : cases) {
            SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> Vocabulary.parse(row[0].getBytes(StandardCharsets.UTF_8)));
            assertTrue(e.getMessage().startsWith("vocab.txt: ") && e.getMessage().contains(row[1]), e.getMessage());
            assertEquals(SqueezeBertException.Kind.INPUT, e.kind());
        }
        assertThrows(SqueezeBertException.class, () -> Vocabulary.parse(new byte[] {(byte) 0xff, '\n'}));
    }

    @Test
    void vocabularyAcceptsCrLf() throws Exception {
        Vocabulary vocabulary = Vocabulary.parse("a\r\nb\r\n".getBytes(StandardCharsets.UTF_8));
        assertEquals(2, vocabulary.size());
        assertEquals("b", vocabulary.token(1));
    }
}
