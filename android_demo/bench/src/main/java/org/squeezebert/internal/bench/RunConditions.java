package org.squeezebert.internal.bench;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;

/** What the cases of one measurement share: the device before, during and after it, and the clock. */
final class RunConditions {
    final double seconds;
    final long clockJumpMillis;
    final boolean cancelled;
    /** At least one, the first from before and the last from after. */
    final List<DeviceState> states;
    /** The cores that the measuring thread was seen on. */
    final SortedSet<Integer> cores;
    final int priority;

    RunConditions(double seconds, long clockJumpMillis, boolean cancelled, List<DeviceState> states, SortedSet<Integer> cores, int priority) {
        this.seconds = seconds;
        this.clockJumpMillis = clockJumpMillis;
        this.cancelled = cancelled;
        this.states = Collections.unmodifiableList(states);
        this.cores = Collections.unmodifiableSortedSet(cores);
        this.priority = priority;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("seconds", seconds);
        json.put("clock_jump_ms", clockJumpMillis);
        json.put("cancelled", cancelled);
        Object[] told = states.stream().map(DeviceState::toJson).toArray();
        json.put("states", java.util.Arrays.asList(told));
        json.put("cores_used", java.util.Arrays.asList(cores.toArray()));
        json.put("priority", priority == DeviceProbe.UNKNOWN ? null : priority);
        return json;
    }
}
