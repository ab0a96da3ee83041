package org.squeezebert.internal;

/** A file of the bundle by path, digest and size. */
public class FileEntry {
    /** As on the Python side: the published models have 0.2 GB. No sum of such sizes overflows. */
    static final long MAX_BYTES = 16L << 30;

    public final String path;
    public final String sha256;
    public final long bytes;

    FileEntry(JsonValue json) throws JsonException {
        path = json.get("path").string();
        sha256 = json.get("sha256").sha256();
        bytes = json.get("bytes").size();
        if (bytes > MAX_BYTES) throw new JsonException(json.path() + ".bytes is " + bytes + ", over " + MAX_BYTES);
        if (path.isEmpty() || path.codePointCount(0, path.length()) > 255) throw new JsonException(json.path() + ".path has not 1 to 255 characters");
    }

    static FileEntry plain(JsonValue json) throws JsonException {
        json.allowOnly("path", "sha256", "bytes");
        return new FileEntry(json);
    }
}
