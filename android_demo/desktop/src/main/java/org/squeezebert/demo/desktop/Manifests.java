package org.squeezebert.demo.desktop;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import org.squeezebert.demo.core.DemoException;
import org.squeezebert.demo.core.Manifest;

/** Reads the manifests in a folder and names those that the app takes, to compare with Python's reader. */
public final class Manifests {
    private Manifests() { }

    /** Argument: FOLDER. */
    public static void main(String[] arguments) throws IOException {
        for (File file : new File(arguments[0]).listFiles()) {
            try {
                Manifest.parse(Files.readAllBytes(file.toPath()));
                System.out.println(file.getName());
            } catch (DemoException e) {
                continue; // refused, as most are
            }
        }
    }
}
