package org.squeezebert.demo.app;

import android.content.res.AssetManager;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import org.squeezebert.internal.BundleSource;
import org.squeezebert.internal.Manifest;

/** The bundle that the build put into the app's assets. */
final class AssetSource implements BundleSource {
    private static final String FOLDER = "bundle/";

    private final AssetManager assets;

    private AssetSource(AssetManager assets) {
        this.assets = assets;
    }

    /** Null where the app was built without a bundle. */
    static BundleSource builtIn(AssetManager assets) {
        AssetSource source = new AssetSource(assets);
        try (InputStream manifest = source.open(Manifest.NAME)) {
            return source;
        } catch (FileNotFoundException e) {
            return null;
        } catch (IOException e) {
            throw new IllegalStateException("the app's own assets cannot be read", e);
        }
    }

    /** The build packs exactly the bundle, and only listed files are read. */
    @Override
    public void requireExactly(Manifest manifest) { }

    @Override
    public InputStream open(String path) throws IOException {
        return assets.open(FOLDER + path);
    }
}
