package org.squeezebert.internal;

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** The JSON files that android_demo/tools writes from the Python side. */
public final class Vectors {
    private Vectors() { }

    public static JsonValue read(String name) throws Exception {
        try (InputStream in = Vectors.class.getResourceAsStream("/vectors/" + name)) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            byte[] buffer = new byte[8192];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) out.write(buffer, 0, n);
            return Json.parse(new String(out.toByteArray(), StandardCharsets.UTF_8));
        }
    }
}
