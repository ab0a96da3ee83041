package org.squeezebert.demo.core;

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
        "[1] 2", "\uFEFF{}", "tru", "99999999999999999999", "'a'", "{a:1}"})
    void refusesWhatIsNotJson(String text) {
        assertTrue(assertThrows(JsonException.class, () -> Json.parse(text)).getMessage().contains(" at line "));
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
