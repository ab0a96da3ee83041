package org.squeezebert.demo.app;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.BundleSource;
import org.squeezebert.internal.Digests;
import org.squeezebert.internal.FolderSource;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.ZipSource;

/** Import, choose and delete bundles. */
public final class BundlesPresenter extends Presenter<BundlesState> {
    /** A picked document. */
    public interface Document {
        InputStream open() throws IOException;

        /** Its size, -1 where nobody says. */
        long bytes();
    }

    /** No bundle is larger; a document that never ends must not fill the phone. */
    private static final long MAX_ZIP_BYTES = 4L << 30;

    private final ClassifyPresenter classify;

    /** {@code classify} shows the new bundle after a change. */
    public BundlesPresenter(Session session, ClassifyPresenter classify) {
        super(session, new BundlesState(true, "", Collections.emptyList()));
        this.classify = classify;
    }

    public void refresh() {
        work(busy(), this::show);
    }

    /** Imports a zip from the file picker through a private copy at {@code cache}. */
    public void importZip(Document document, String name, File cache) {
        work(busy(), () -> {
            try {
                // The copy of the zip and the bundle out of it, at once.
                session.store.requireRoom(2 * Math.max(0, document.bytes()));
                copy(document, name, cache);
                try (BundleSource source = new ZipSource(cache, name)) {
                    session.activate(install(source));
                }
            } catch (IOException e) {
                throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, name, "cannot be read (" + e.getMessage() + ")", "choose another file", e);
            } finally {
                cache.delete();
            }
            changed();
        });
    }

    /** Imports what adb pushed into {@code folder}, one bundle per folder. */
    public void importPushed(Path folder) {
        work(busy(), () -> {
            List<Path> found = new ArrayList<>();
            if (Files.isDirectory(folder)) {
                try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
                    for (Path entry : entries) {
                        if (Manifest.read(new FolderSource(entry)).peer == null) found.add(entry);
                    }
                } catch (IOException e) {
                    throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, folder.toString(), "cannot be listed (" + e.getMessage() + ")", "push the bundle again", e);
                }
            }
            if (found.isEmpty()) {
                throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, folder.toString(), "holds no bundle", "adb push BUNDLE " + folder + "/NAME");
            }
            for (Path entry : found) session.activate(install(new FolderSource(entry)));
            changed();
        });
    }

    public void activate(String digest) {
        work(busy(), () -> {
            session.activate(digest);
            changed();
        });
    }

    public void delete(String digest) {
        work(busy(), () -> {
            boolean active = session.bundle() != null && session.bundle().manifest.digest.equals(digest);
            session.store.delete(digest);
            if (active) session.close();
            if (active && !session.store.digests().isEmpty()) session.activate(session.store.digests().get(0));
            changed();
        });
    }

    private String install(BundleSource source) {
        String peer = Manifest.read(source).peer;
        if (peer != null) throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, Manifest.NAME, "is of " + peer + ", which is measured and answers nothing", "choose a bundle that export wrote");
        return session.store.install(source);
    }

    private static void copy(Document document, String name, File cache) throws IOException {
        try (InputStream in = document.open(); OutputStream out = Files.newOutputStream(cache.toPath())) {
            if (in == null) throw new IOException("the file picker gave nothing");
            if (Digests.copy(in, out, MAX_ZIP_BYTES).bytes > MAX_ZIP_BYTES) {
                throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, name, "is too large", "over 4 GB", "a bundle", "choose a zipped bundle");
            }
        }
    }

    private void changed() {
        show();
        classify.start();
    }

    private void show() {
        publish(new BundlesState(false, "", lines()));
    }

    private List<BundlesState.Line> lines() {
        List<BundlesState.Line> lines = new ArrayList<>();
        String active = session.bundle() == null ? "" : session.bundle().manifest.digest;
        for (String digest : session.store.digests()) {
            try {
                lines.add(new BundlesState.Line(digest, session.store.manifest(digest), "", digest.equals(active)));
            } catch (SqueezeBertException e) {
                lines.add(new BundlesState.Line(digest, null, e.getMessage(), false));
            }
        }
        return lines;
    }

    private BundlesState busy() {
        return new BundlesState(true, "", state().lines);
    }

    @Override
    protected BundlesState failed(String message) {
        return new BundlesState(false, message, state().lines);
    }
}
