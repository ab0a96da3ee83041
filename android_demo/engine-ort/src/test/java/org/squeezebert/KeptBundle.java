package org.squeezebert;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.stream.Stream;
import org.squeezebert.internal.Digests;

/** Copies of the bundles that the tests keep. */
final class KeptBundle {
    private static final String ZEROS = String.join("", Collections.nCopies(64, "0"));

    private KeptBundle() { }

    /** A copy in {@code target} whose manifest also has {@code member}, sealed anew. */
    static Path with(Path kept, String member, Path target) throws IOException {
        try (Stream<Path> files = Files.walk(kept)) {
            for (Path file : files.filter(Files::isRegularFile).toArray(Path[]::new)) {
                Path copy = target.resolve(kept.relativize(file).toString());
                Files.createDirectories(copy.getParent());
                Files.copy(file, copy);
            }
        }
        Path manifest = target.resolve("bundle.json");
        String text = new String(Files.readAllBytes(manifest), StandardCharsets.UTF_8)
            .replace("\n  \"postprocessing\":", "\n  " + member + ",\n  \"postprocessing\":")
            .replaceFirst("\"seal\": \"\\w+\"", "\"seal\": \"" + ZEROS + "\"");
        String seal = Digests.sha256(text.getBytes(StandardCharsets.UTF_8));
        Files.write(manifest, text.replace("\"seal\": \"" + ZEROS + "\"", "\"seal\": \"" + seal + "\"").getBytes(StandardCharsets.UTF_8));
        return target;
    }
}
