package org.squeezebert.demo.core;

/** A file of the bundle by path, digest and size. */
public class FileEntry {
    public final String path;
    public final String sha256;
    public final long bytes;

    FileEntry(JsonValue json) throws JsonException {
        path = json.get("path").string();
        sha256 = json.get("sha256").string();
        bytes = json.get("bytes").whole();
        if (path.isEmpty() || path.length() > 255) throw new JsonException(json.path() + ".path has not 1 to 255 characters");
        if (!sha256.matches("[0-9a-f]{64}")) throw new JsonException(json.path() + ".sha256 is not 64 lower-case hexadecimal digits");
        if (bytes < 0) throw new JsonException(json.path() + ".bytes is negative");
    }

    static FileEntry plain(JsonValue json) throws JsonException {
        json.allowOnly("path", "sha256", "bytes");
        return new FileEntry(json);
    }
}
