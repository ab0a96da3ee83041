package org.squeezebert.internal.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** What a device said of itself at one moment of a measurement. */
public final class DeviceState {
    public static final int UNKNOWN = -1;

    /** The values of a state; those that are not set are a quiet phone's, or unknown. */
    public static final class Builder {
        public int thermalStatus = UNKNOWN;
        public double thermalHeadroom = Double.NaN;
        public int batteryPercent = UNKNOWN;
        public double batteryCelsius = Double.NaN;
        public boolean charging;
        public boolean screenOn = true;
        public boolean inFront = true;
        public boolean locked;
        public boolean powerSave;
        public boolean emulator;
        public boolean clocksKnown = true;
        public String cpuset;

        public DeviceState build() {
            return new DeviceState(this);
        }
    }

    /** PowerManager's thermal status, 0 to 6, or UNKNOWN before Android 10. */
    public final int thermalStatus;
    /** PowerManager's thermal headroom, severe throttling from 1; NaN where unknown. */
    public final double thermalHeadroom;
    /** 0 to 100, or UNKNOWN. */
    public final int batteryPercent;
    /** NaN where unknown. */
    public final double batteryCelsius;
    public final boolean charging;
    public final boolean screenOn;
    /** Whether the app was in front without a break since the measurement began. */
    public final boolean inFront;
    public final boolean locked;
    public final boolean powerSave;
    public final boolean emulator;
    /** Whether the system tells each core's clocks. */
    public final boolean clocksKnown;
    /** The group of cores that the process may use, null where unknown. */
    public final String cpuset;

    private DeviceState(Builder from) {
        thermalStatus = from.thermalStatus;
        thermalHeadroom = from.thermalHeadroom;
        batteryPercent = from.batteryPercent;
        batteryCelsius = from.batteryCelsius;
        charging = from.charging;
        screenOn = from.screenOn;
        inFront = from.inFront;
        locked = from.locked;
        powerSave = from.powerSave;
        emulator = from.emulator;
        clocksKnown = from.clocksKnown;
        cpuset = from.cpuset;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("thermal_status", thermalStatus == UNKNOWN ? null : thermalStatus);
        json.put("thermal_headroom", Double.isNaN(thermalHeadroom) ? null : thermalHeadroom);
        json.put("battery_percent", batteryPercent == UNKNOWN ? null : batteryPercent);
        json.put("battery_celsius", Double.isNaN(batteryCelsius) ? null : batteryCelsius);
        json.put("charging", charging);
        json.put("screen_on", screenOn);
        json.put("in_front", inFront);
        json.put("locked", locked);
        json.put("power_save", powerSave);
        json.put("emulator", emulator);
        json.put("clocks_known", clocksKnown);
        json.put("cpuset", cpuset);
        return json;
    }
}
