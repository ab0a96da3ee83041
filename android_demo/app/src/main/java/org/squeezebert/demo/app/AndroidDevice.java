package org.squeezebert.demo.app;

import android.app.ActivityManager;
import android.app.KeyguardManager;
import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.content.pm.ApplicationInfo;
import android.content.pm.PackageManager;
import android.os.BatteryManager;
import android.os.Build;
import android.os.PowerManager;
import android.os.Process;
import android.system.Os;
import android.system.OsConstants;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.squeezebert.internal.bench.DeviceProbe;
import org.squeezebert.internal.bench.DeviceState;

/** What this phone is, and what state it is in. */
final class AndroidDevice implements DeviceProbe {
    private final Context context;
    private volatile boolean clocksKnown;
    private volatile boolean inFront;
    /** Whether the app was left since the measurement began. */
    private volatile boolean left;
    private int usualPriority;

    AndroidDevice(Context context) {
        this.context = context;
    }

    /** Called from the main thread as the app comes and goes. */
    void setInFront(boolean now) {
        inFront = now;
        if (!now) left = true;
    }

    @Override
    public Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("manufacturer", Build.MANUFACTURER);
        facts.put("model", Build.MODEL);
        facts.put("soc", Build.VERSION.SDK_INT >= 31 ? Build.SOC_MANUFACTURER + " " + Build.SOC_MODEL : Build.HARDWARE);
        facts.put("android", Build.VERSION.RELEASE);
        facts.put("api_level", Build.VERSION.SDK_INT);
        facts.put("security_patch", Build.VERSION.SECURITY_PATCH);
        facts.put("fingerprint", Build.FINGERPRINT);
        facts.put("kernel", System.getProperty("os.version"));
        facts.put("abi", Build.SUPPORTED_ABIS.length == 0 ? "" : Build.SUPPORTED_ABIS[0]);
        facts.put("cores", Runtime.getRuntime().availableProcessors());
        List<Map<String, Object>> clocks = Kernel.clocks();
        facts.put("clocks", clocks);
        facts.put("page_bytes", Os.sysconf(OsConstants._SC_PAGESIZE));
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        context.getSystemService(ActivityManager.class).getMemoryInfo(memory);
        facts.put("memory_bytes", memory.totalMem);
        facts.put("emulator", isEmulator());
        facts.put("app_version", appVersion());
        facts.put("debuggable", (context.getApplicationInfo().flags & ApplicationInfo.FLAG_DEBUGGABLE) != 0);
        facts.put("affinity", "not set"); // Java cannot pin threads; the scheduler chooses the cores
        facts.put("sustained_performance", context.getSystemService(PowerManager.class).isSustainedPerformanceModeSupported());
        return facts;
    }

    private static boolean isEmulator() {
        return Build.HARDWARE.equals("goldfish") || Build.HARDWARE.equals("ranchu") || Build.HARDWARE.startsWith("cutf")
            || Build.FINGERPRINT.startsWith("generic") || Build.FINGERPRINT.contains("emulator");
    }

    private String appVersion() {
        try {
            return context.getPackageManager().getPackageInfo(context.getPackageName(), 0).versionName;
        } catch (PackageManager.NameNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public DeviceState state() {
        PowerManager power = context.getSystemService(PowerManager.class);
        int percent = context.getSystemService(BatteryManager.class).getIntProperty(BatteryManager.BATTERY_PROPERTY_CAPACITY);
        Intent battery = context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
        DeviceState.Builder state = new DeviceState.Builder();
        if (Build.VERSION.SDK_INT >= 29) state.thermalStatus = power.getCurrentThermalStatus();
        if (Build.VERSION.SDK_INT >= 30) state.thermalHeadroom = power.getThermalHeadroom(0);
        if (percent >= 0 && percent <= 100) state.batteryPercent = percent;
        if (battery != null && battery.hasExtra(BatteryManager.EXTRA_TEMPERATURE)) {
            state.batteryCelsius = battery.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, 0) / 10.0;
        }
        state.charging = battery != null && battery.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0;
        state.screenOn = power.isInteractive();
        state.inFront = inFront && !left;
        state.locked = context.getSystemService(KeyguardManager.class).isKeyguardLocked();
        state.powerSave = power.isPowerSaveMode();
        state.emulator = isEmulator();
        state.clocksKnown = clocksKnown;
        state.cpuset = Kernel.cpuset();
        return state.build();
    }

    @Override
    public int begin() {
        left = false;
        clocksKnown = !Kernel.clocks().isEmpty();
        usualPriority = Process.getThreadPriority(Process.myTid());
        Process.setThreadPriority(Process.THREAD_PRIORITY_DISPLAY);
        return Process.getThreadPriority(Process.myTid());
    }

    @Override
    public int core() {
        return Kernel.core();
    }

    @Override
    public void end() {
        Process.setThreadPriority(usualPriority);
    }
}
