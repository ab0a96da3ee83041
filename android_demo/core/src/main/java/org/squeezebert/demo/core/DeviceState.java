package org.squeezebert.demo.core;

import java.util.LinkedHashMap;
import java.util.Map;

/** What changes on a device while it is measured. */
public final class DeviceState {
    public static final int UNKNOWN = -1;
    private static final String[] THERMAL = {"none", "light", "moderate", "severe", "critical", "emergency", "shutdown"};

    /** PowerManager's thermal status, 0 to 6, or UNKNOWN before Android 10. */
    public final int thermalStatus;
    /** 0 to 100, or UNKNOWN. */
    public final int batteryPercent;
    public final boolean charging;
    public final boolean screenOn;

    public DeviceState(int thermalStatus, int batteryPercent, boolean charging, boolean screenOn) {
        this.thermalStatus = thermalStatus;
        this.batteryPercent = batteryPercent;
        this.charging = charging;
        this.screenOn = screenOn;
    }

    public String thermalName() {
        return thermalStatus < 0 || thermalStatus >= THERMAL.length ? "unknown" : THERMAL[thermalStatus];
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("thermal_status", thermalStatus == UNKNOWN ? null : thermalStatus);
        json.put("battery_percent", batteryPercent == UNKNOWN ? null : batteryPercent);
        json.put("charging", charging);
        json.put("screen_on", screenOn);
        return json;
    }
}
