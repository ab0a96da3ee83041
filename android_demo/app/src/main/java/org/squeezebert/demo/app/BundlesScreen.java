package org.squeezebert.demo.app;

import android.app.Activity;
import android.app.AlertDialog;
import android.content.ActivityNotFoundException;
import android.content.ContentResolver;
import android.content.Intent;
import android.database.Cursor;
import android.net.Uri;
import android.provider.OpenableColumns;
import android.view.LayoutInflater;
import android.view.View;
import android.widget.Button;
import android.widget.LinearLayout;
import android.widget.TextView;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import org.squeezebert.internal.bench.RemoteRun;

/** Installed bundles: import, use, delete. */
final class BundlesScreen {
    static final int PICK_ZIP = 1;

    private final Activity activity;
    private final Words words;
    private final BundlesPresenter presenter;

    BundlesScreen(Activity activity, BundlesPresenter presenter) {
        this.activity = activity;
        this.presenter = presenter;
        words = new Words(activity.getResources());
        activity.findViewById(R.id.bundles_import).setOnClickListener(view -> pick());
        activity.findViewById(R.id.bundles_pushed).setOnClickListener(view -> {
            File external = activity.getExternalFilesDir(null);
            if (external != null) presenter.importPushed(new File(external, RemoteRun.PUSHED).toPath());
        });
    }

    private void pick() {
        try {
            // Some providers know zips only as bytes.
            activity.startActivityForResult(new Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*")
                .putExtra(Intent.EXTRA_MIME_TYPES, new String[] {"application/zip", "application/octet-stream"}), PICK_ZIP);
        } catch (ActivityNotFoundException e) {
            Screens.text(activity.findViewById(R.id.bundles_error), activity.getString(R.string.no_picker));
        }
    }

    /** The document that the user picked. */
    void picked(Uri document) {
        ContentResolver resolver = activity.getApplicationContext().getContentResolver();
        String name = document.getLastPathSegment();
        presenter.importZip(new Picked(resolver, document), name == null ? "document" : name, new File(activity.getCacheDir(), "import.zip"));
    }

    /** A document of a provider, which is asked on the worker. */
    private static final class Picked implements BundlesPresenter.Document {
        private final ContentResolver resolver;
        private final Uri uri;

        Picked(ContentResolver resolver, Uri uri) {
            this.resolver = resolver;
            this.uri = uri;
        }

        @Override
        public InputStream open() throws IOException {
            return resolver.openInputStream(uri);
        }

        @Override
        public long bytes() {
            try (Cursor cursor = resolver.query(uri, new String[] {OpenableColumns.SIZE}, null, null, null)) {
                return cursor == null || !cursor.moveToFirst() || cursor.isNull(0) ? -1 : cursor.getLong(0);
            } catch (RuntimeException e) { // whatever a provider of somebody else's throws
                return -1;
            }
        }
    }

    private void show(BundlesState state) {
        for (int id : new int[] {R.id.bundles_import, R.id.bundles_pushed}) activity.findViewById(id).setEnabled(!state.busy);
        activity.findViewById(R.id.bundles_busy).setVisibility(state.busy ? View.VISIBLE : View.INVISIBLE);
        Screens.text(activity.findViewById(R.id.bundles_error), state.error);
        LinearLayout lines = activity.findViewById(R.id.bundles_lines);
        lines.removeAllViews();
        Screens.visible(activity.findViewById(R.id.bundles_empty), !state.busy && state.lines.isEmpty());
        for (BundlesState.Line line : state.lines) lines.addView(view(line, lines, state.busy));
    }

    private View view(BundlesState.Line line, LinearLayout parent, boolean busy) {
        View view = LayoutInflater.from(activity).inflate(R.layout.bundle_line, parent, false);
        String title = title(line);
        view.<TextView>findViewById(R.id.line_title).setText(title);
        view.<TextView>findViewById(R.id.line_detail).setText(detail(line));
        Button open = view.findViewById(R.id.line_open);
        open.setText(line.active ? R.string.active : R.string.open);
        open.setEnabled(!line.active && !busy);
        open.setOnClickListener(button -> presenter.activate(line.digest));
        Button delete = view.findViewById(R.id.line_delete);
        delete.setEnabled(!busy);
        delete.setContentDescription(words.of(R.string.delete_named, title));
        delete.setOnClickListener(button -> new AlertDialog.Builder(activity).setMessage(R.string.delete_question)
            .setPositiveButton(R.string.delete, (dialog, which) -> presenter.delete(line.digest))
            .setNegativeButton(android.R.string.cancel, null).show());
        return view;
    }

    private String title(BundlesState.Line line) {
        if (line.manifest == null) return words.of(R.string.bundle_damaged);
        return words.of(R.string.bundle_title, words.task(line.manifest.task), line.manifest.sourceName);
    }

    private String detail(BundlesState.Line line) {
        if (line.manifest == null) return line.error;
        return words.of(R.string.bundle_detail, line.manifest.totalBytes() / 1e6, String.join(", ", Screens.titles(line.manifest.artifacts)),
            line.digest.substring(0, 12));
    }

    void start() {
        presenter.attach(this::show);
    }

    void stop() {
        presenter.detach();
    }
}
