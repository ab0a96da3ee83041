package org.squeezebert.demo.app;

import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.os.BatteryManager;
import android.os.Build;
import android.os.PowerManager;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.squeezebert.demo.core.DeviceProbe;
import org.squeezebert.demo.core.DeviceState;

/** What this phone is, and what state it is in. */
final class AndroidDevice implements DeviceProbe {
    private final Context context;

    AndroidDevice(Context context) {
        this.context = context;
    }

    @Override
    public Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("manufacturer", Build.MANUFACTURER);
        facts.put("model", Build.MODEL);
        facts.put("soc", Build.VERSION.SDK_INT >= 31 ? Build.SOC_MANUFACTURER + " " + Build.SOC_MODEL : Build.HARDWARE);
        facts.put("android", Build.VERSION.RELEASE);
        facts.put("api_level", Build.VERSION.SDK_INT);
        facts.put("abi", Build.SUPPORTED_ABIS.length == 0 ? "" : Build.SUPPORTED_ABIS[0]);
        facts.put("max_core_clocks_khz", coreClocks());
        facts.put("affinity", "not set"); // Java cannot pin threads; the scheduler chooses the cores
        return facts;
    }

    /** The maximum clock of each core in kHz, empty where the system hides them. */
    private static List<Long> coreClocks() {
        List<Long> clocks = new ArrayList<>();
        for (int core = 0; core < Runtime.getRuntime().availableProcessors(); core++) {
            Path file = Paths.get("/sys/devices/system/cpu/cpu" + core + "/cpufreq/cpuinfo_max_freq");
            try {
                clocks.add(Long.valueOf(new String(Files.readAllBytes(file), StandardCharsets.US_ASCII).trim()));
            } catch (IOException | NumberFormatException e) {
                return new ArrayList<>(); // a list with holes would name the wrong cores
            }
        }
        return clocks;
    }

    @Override
    public DeviceState state() {
        PowerManager power = context.getSystemService(PowerManager.class);
        BatteryManager battery = context.getSystemService(BatteryManager.class);
        int thermal = Build.VERSION.SDK_INT >= 29 ? power.getCurrentThermalStatus() : DeviceState.UNKNOWN;
        int percent = battery.getIntProperty(BatteryManager.BATTERY_PROPERTY_CAPACITY);
        boolean known = percent >= 0 && percent <= 100;
        return new DeviceState(thermal, known ? percent : DeviceState.UNKNOWN, charging(), power.isInteractive());
    }

    private boolean charging() {
        Intent status = context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
        return status != null && status.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0;
    }
}
