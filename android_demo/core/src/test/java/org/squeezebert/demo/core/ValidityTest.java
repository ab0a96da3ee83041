package org.squeezebert.demo.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.List;
import org.junit.jupiter.api.Test;

class ValidityTest {
    @Test
    void judgesAsTheHostDoes() throws Exception {
        List<JsonValue> cases = Vectors.read("validity.json").items();
        assertFalse(cases.isEmpty());
        for (JsonValue one : cases) {
            BenchmarkProtocol protocol = new BenchmarkProtocol(1, 8, 0, one.get("min_runs").count(1), one.get("min_seconds").number());
            BenchmarkResult result = new BenchmarkResult(protocol, 1, 1, one.get("latencies_ns").longs(), one.get("seconds").number(),
                (long) one.get("clock_jump_ms").number(), state(one.get("before")), state(one.get("after")), one.get("cancelled").bool());
            assertEquals(one.get("want").strings(), result.invalid, one.path());
        }
    }

    private static DeviceState state(JsonValue state) throws Exception {
        return new DeviceState(known(state.get("thermal_status")), known(state.get("battery_percent")), state.get("charging").bool(), state.get("screen_on").bool());
    }

    private static int known(JsonValue value) throws Exception {
        return value.isNull() ? DeviceState.UNKNOWN : (int) value.whole();
    }
}
