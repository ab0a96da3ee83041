package org.squeezebert.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class KnownFaultsTest {
    @Test
    void aVersionHasTheFaultsFromTheirFirstToBeforeTheFixedOne() {
        assertTrue(KnownFaults.of("onnx", "1.25.1").endsWith(", take 1.27.0"));
        assertTrue(KnownFaults.of("onnx", "1.24.3").contains("illegal instruction"));
        assertTrue(KnownFaults.of("onnx", "1.24.3").contains("; known to be bad on "));
        assertTrue(KnownFaults.of("onnx", "1.27.0-rn.1").contains("differ from call to call"));
        for (String sound : new String[] {"1.20.0", "1.22.2", "1.28.0", "1.32", "1.100.0", "2.24.0"}) assertEquals("", KnownFaults.of("onnx", sound));
    }

    @Test
    void nothingIsSaidOfAnotherRuntimeOrOfAVersionThatIsNotKnown() {
        assertEquals("", KnownFaults.of("executorch", "1.25.1"));
        assertEquals("", KnownFaults.of("executorch", "of this build"));
        assertEquals("", KnownFaults.of("onnx", ""));
    }
}
