package org.squeezebert.internal.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.squeezebert.internal.JsonValue;
import org.squeezebert.internal.Vectors;

class ValidityTest {
    @Test
    void judgesAsTheHostDoes() throws Exception {
        List<JsonValue> cases = Vectors.read("validity.json").items();
        assertFalse(cases.isEmpty());
        for (JsonValue one : cases) {
            BenchmarkProtocol protocol = new BenchmarkProtocol(1, 8, 0, one.get("min_runs").count(1), one.get("min_seconds").number());
            List<DeviceState> states = new ArrayList<>();
            for (JsonValue told : one.get("states").items()) states.add(state(told));
            RunConditions conditions = new RunConditions(one.get("seconds").number(), (long) one.get("clock_jump_ms").number(),
                one.get("cancelled").bool(), states, new TreeSet<>(), 0);
            BenchmarkResult.Timed timed = new BenchmarkResult.Timed(1, 1, one.get("latencies_ns").longs(), new long[0], new long[0]);
            BenchmarkResult result = new BenchmarkResult("a file", protocol, timed, conditions);
            assertEquals(one.get("want").strings(), result.invalid, one.path());
        }
    }

    private static DeviceState state(JsonValue told) throws Exception {
        DeviceState.Builder state = new DeviceState.Builder();
        state.thermalStatus = known(told.get("thermal_status"));
        state.thermalHeadroom = told.get("thermal_headroom").isNull() ? Double.NaN : told.get("thermal_headroom").number();
        state.batteryPercent = known(told.get("battery_percent"));
        state.charging = told.get("charging").bool();
        state.screenOn = told.get("screen_on").bool();
        state.inFront = told.get("in_front").bool();
        state.locked = told.get("locked").bool();
        state.powerSave = told.get("power_save").bool();
        state.emulator = told.get("emulator").bool();
        state.clocksKnown = told.get("clocks_known").bool();
        return state.build();
    }

    private static int known(JsonValue value) throws Exception {
        return value.isNull() ? DeviceState.UNKNOWN : (int) value.whole();
    }
}
