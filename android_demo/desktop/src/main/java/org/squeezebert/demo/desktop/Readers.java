package org.squeezebert.demo.desktop;

import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.BundleSource;
import org.squeezebert.internal.BundleStore;
import org.squeezebert.internal.FolderSource;
import org.squeezebert.internal.GoldenCase;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.JsonException;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.ZipSource;

/** What the app's readers make of a corpus of hostile and sound files, one line each, to compare with Python's. */
public final class Readers {
    /** A phone's worker thread must come back; the slowest case here takes a tenth of a second. */
    private static final int MAX_SECONDS = 10;

    private Readers() { }

    /**
     * Arguments: CORPUS SCRATCH KIND..., the cases of a kind being the entries of CORPUS/KIND. Prints each case, a tab and what became of
     * it: {@code ok} with what was read, the exit code of the refusal, or whatever else was thrown.
     */
    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        Path scratch = Paths.get(arguments[1]);
        ExecutorService worker = Executors.newCachedThreadPool();
        for (String kind : Arrays.asList(arguments).subList(2, arguments.length)) {
            for (File file : new File(arguments[0], kind).listFiles()) {
                out.println(kind + "/" + file.getName() + "\t" + verdict(worker, () -> read(kind, file, scratch)));
            }
        }
        out.flush();
        System.exit(0); // also where a case hangs
    }

    private static String verdict(ExecutorService worker, Callable<String> read) {
        try {
            return worker.submit(read).get(MAX_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            return cause instanceof SqueezeBertException ? String.valueOf(((SqueezeBertException) cause).kind().code()) : "crash: " + cause;
        } catch (TimeoutException e) {
            return "hangs";
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String read(String kind, File file, Path scratch) throws Exception {
        switch (kind) {
            case "json": return "ok " + json(Files.readAllBytes(file.toPath()));
            case "manifest": return "ok " + Manifest.parse(Files.readAllBytes(file.toPath())).digest;
            case "golden": return "ok " + golden(file.toPath());
            case "folder": return install(new FolderSource(file.toPath()), scratch);
            case "zip": return install(new ZipSource(file, file.getName()), scratch);
            default: throw new IllegalArgumentException(kind);
        }
    }

    /** The number of cases in a golden.json, which lies beside the manifest that it must fit. */
    private static int golden(Path folder) throws IOException {
        Manifest manifest = Manifest.parse(Files.readAllBytes(folder.resolve(Manifest.NAME)));
        return GoldenCase.parse(Files.readAllBytes(folder.resolve("golden.json")), manifest).size();
    }

    private static String json(byte[] utf8) throws JsonException {
        StringBuilder out = new StringBuilder();
        write(Json.object(utf8, "a case").raw(), out);
        return out.toString();
    }

    /** One way to write each value: keys in order, texts and doubles by their bits. */
    private static void write(Object value, StringBuilder out) {
        if (value instanceof Map) {
            out.append('{');
            for (Map.Entry<?, ?> entry : new TreeMap<>((Map<?, ?>) value).entrySet()) {
                write(entry.getKey(), out);
                write(entry.getValue(), out);
            }
            out.append('}');
        } else if (value instanceof List) {
            out.append('[');
            for (Object item : (List<?>) value) write(item, out);
            out.append(']');
        } else if (value instanceof Double) {
            out.append(Long.toHexString(Double.doubleToLongBits((Double) value))).append('d');
        } else if (value instanceof Long || value instanceof BigInteger) {
            out.append(value).append('i');
        } else if (value instanceof String) {
            out.append('\'');
            for (char unit : ((String) value).toCharArray()) out.append(Integer.toHexString(unit)).append(',');
        } else {
            out.append(value);
        }
    }

    private static String install(BundleSource source, Path scratch) throws Exception {
        try {
            BundleStore store = new BundleStore(scratch);
            String digest = store.install(source);
            store.open(digest);
            store.delete(digest);
            return "ok " + digest;
        } finally {
            source.close();
            String[] left = scratch.toFile().list();
            if (left.length > 0) throw new IllegalStateException("left " + Arrays.toString(left));
        }
    }
}
