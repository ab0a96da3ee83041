package org.squeezebert.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @Test
    void writesWhatItReads() throws Exception {
        String text = "{\"a\":[1,-2.5,true,null,\"x\\\"\\\\\\u00e9\\ud83d\\ude00\"],\"b\":{},\"c\":[],\"d\":9007199254740993}";
        assertEquals(text, Json.write(Json.parse(text).raw()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "01", "1.", ".5", "+1", "NaN", "1e999", "\"\n\"", "\"\\x\"", "\"\\u12g4\"",
        "[1] 2", "\uFEFF{}", "tru", "'a'", "\"\\u\uff10\uff10\uff14\uff11\"", "\"\\u\u0660\u0660\u0664\u0661\"", "\u0661", "\"\\ud800\"", "\"\\udc00\\ud800\"", "{a:1}"})
    void refusesWhatIsNotJson(String text) {
        assertTrue(assertThrows(JsonException.class, () -> Json.parse(text)).getMessage().contains(" at line "));
    }

    @Test
    void readsWholeNumbersOfAnySizeButOnlyThoseOf64BitsAsOne() throws Exception {
        assertEquals(Long.MAX_VALUE, Json.parse("9223372036854775807").whole());
        assertEquals(1e30, Json.parse("1000000000000000000000000000000").number());
        assertEquals("$ is a number of over 64 bits, not a whole number", assertThrows(JsonException.class, () -> Json.parse("9223372036854775808").whole()).getMessage());
        String digits = String.join("", Collections.nCopies(4300, "1"));
        assertThrows(JsonException.class, () -> Json.parse(digits).number());
        assertThrows(JsonException.class, () -> Json.parse(digits + "1"));
    }

    @Test
    void nestsUpTo64Levels() throws Exception {
        String open = String.join("", Collections.nCopies(64, "["));
        Json.parse(open + open.replace('[', ']'));
        assertThrows(JsonException.class, () -> Json.parse("[" + open + open.replace('[', ']') + "]"));
    }

    @Test
    void refusesDeepNestingBeforeTheStackEnds() {
        String deep = String.join("", Collections.nCopies(100_000, "["));
        assertThrows(JsonException.class, () -> Json.parse(deep));
    }

    @Test
    void namesThePlaceOfAWrongType() throws Exception {
        JsonValue value = Json.parse("{\"a\":[{\"b\":\"x\"}]}");
        JsonException e = assertThrows(JsonException.class, () -> value.get("a").items().get(0).get("b").whole());
        assertEquals("$.a[0].b is text, not a whole number", e.getMessage());
        assertEquals("$ has unknown members [a]", assertThrows(JsonException.class, () -> value.allowOnly("z")).getMessage());
        assertEquals("$ lacks \"z\"", assertThrows(JsonException.class, () -> value.get("z")).getMessage());
    }

    @Test
    void namesLineAndColumn() {
        assertTrue(assertThrows(JsonException.class, () -> Json.parse("{\n  \"a\" 1}")).getMessage().endsWith("line 2, column 7"));
    }
}
