package org.squeezebert.internal.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.squeezebert.internal.JsonValue;
import org.squeezebert.internal.Vectors;

class PercentilesTest {
    @Test
    void interpolatesAsNumpyDoes() {
        long[] samples = {40, 10, 30, 20};
        assertEquals(10, Percentiles.of(samples, 0));
        assertEquals(25, Percentiles.of(samples, 50));
        assertEquals(37, Percentiles.of(samples, 90), 1e-12);
        assertEquals(39.7, Percentiles.of(samples, 99), 1e-12);
        assertEquals(40, Percentiles.of(samples, 100));
        assertEquals(7, Percentiles.of(new long[] {7}, 99));
    }

    @Test
    void isTheHosts() throws Exception {
        for (JsonValue row : Vectors.read("answers.json").get("percentiles").items()) {
            double found = Percentiles.of(row.get("samples").longs(), row.get("percent").number());
            assertEquals(row.get("want").number(), found, 1e-6, row.path());
        }
    }

    @Test
    void refusesNothingToMeasure() {
        assertThrows(IllegalArgumentException.class, () -> Percentiles.of(new long[0], 50));
        assertThrows(IllegalArgumentException.class, () -> Percentiles.of(new long[] {1}, Double.NaN));
    }
}
