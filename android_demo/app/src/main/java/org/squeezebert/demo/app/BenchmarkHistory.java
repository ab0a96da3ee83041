package org.squeezebert.demo.app;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.JsonException;
import org.squeezebert.internal.JsonValue;

/** The last measurements in one small file, newest first. On the worker alone. */
public final class BenchmarkHistory {
    static final int MOST = 20;

    private final Path file;

    public BenchmarkHistory(Path file) {
        this.file = file;
    }

    /** Empty where there is none, and where the file is damaged: no figure is worth an app that does not start. */
    List<BenchmarkRecord> read() {
        List<BenchmarkRecord> records = new ArrayList<>();
        try {
            for (JsonValue record : Json.parse(new String(Files.readAllBytes(file), StandardCharsets.UTF_8)).items()) records.add(new BenchmarkRecord(record));
        } catch (IOException | JsonException e) {
            return Collections.emptyList();
        }
        return records;
    }

    /** What is kept with {@code newest} in front. */
    List<BenchmarkRecord> add(List<BenchmarkRecord> newest) {
        List<BenchmarkRecord> records = new ArrayList<>(newest);
        records.addAll(read());
        List<BenchmarkRecord> kept = records.subList(0, Math.min(MOST, records.size()));
        write(kept);
        return kept;
    }

    void clear() {
        write(Collections.emptyList());
    }

    private void write(List<BenchmarkRecord> records) {
        List<Object> json = new ArrayList<>();
        for (BenchmarkRecord record : records) json.add(record.toJson());
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        try {
            Files.write(temporary, Json.write(json).getBytes(StandardCharsets.UTF_8));
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, file.toString(), "cannot be written (" + e.getMessage() + ")", "free storage on the device", e);
        }
    }
}
