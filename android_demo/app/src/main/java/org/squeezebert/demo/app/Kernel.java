package org.squeezebert.demo.app;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.squeezebert.internal.bench.DeviceProbe;

/** What the kernel tells an app about cores and clocks; everything is null, empty or unknown where it hides them. */
final class Kernel {
    private static final Path POLICIES = Paths.get("/sys/devices/system/cpu/cpufreq");
    /** The place of the core in a thread's stat, counted from the field after the name in parentheses. */
    private static final int CORE_FIELD = 39 - 3;

    private Kernel() { }

    /** Each group of cores that share a clock: cores, governor, bounds in kHz; ordered by its first core. */
    static List<Map<String, Object>> clocks() {
        Map<Long, Map<String, Object>> found = new TreeMap<>();
        try (DirectoryStream<Path> policies = Files.newDirectoryStream(POLICIES, "policy*")) {
            for (Path policy : policies) {
                Map<String, Object> clock = new LinkedHashMap<>();
                List<Long> cores = numbers(text(policy.resolve("related_cpus")));
                clock.put("cores", cores);
                clock.put("governor", text(policy.resolve("scaling_governor")));
                clock.put("min_khz", number(policy.resolve("cpuinfo_min_freq")));
                clock.put("max_khz", number(policy.resolve("cpuinfo_max_freq")));
                if (cores.isEmpty() || clock.get("max_khz") == null) return Collections.emptyList(); // half of them would name the wrong cores
                found.put(cores.get(0), clock);
            }
        } catch (IOException e) {
            return Collections.emptyList();
        }
        return new ArrayList<>(found.values());
    }

    /** The group of cores that this process may use now, as the kernel names it. */
    static String cpuset() {
        return text(Paths.get("/proc/self/cpuset"));
    }

    /** The core that the calling thread ran on last. */
    static int core() {
        String stat = text(Paths.get("/proc/thread-self/stat"));
        String[] fields = stat == null ? new String[0] : stat.substring(stat.lastIndexOf(')') + 1).trim().split(" ");
        return fields.length > CORE_FIELD ? Integer.parseInt(fields[CORE_FIELD]) : DeviceProbe.UNKNOWN;
    }

    private static Long number(Path file) {
        List<Long> found = numbers(text(file));
        return found.isEmpty() ? null : found.get(0);
    }

    private static List<Long> numbers(String text) {
        List<Long> found = new ArrayList<>();
        for (String word : text == null ? new String[0] : text.split("\\s+")) {
            if (word.matches("[0-9]{1,18}")) found.add(Long.valueOf(word));
        }
        return found;
    }

    private static String text(Path file) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.US_ASCII).trim();
        } catch (IOException | SecurityException e) {
            return null;
        }
    }
}
