package org.squeezebert.demo.app;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;

/** Results as files for the app that the user shares one with: read only, and only with the permission that goes with the share. */
public final class ResultProvider extends ContentProvider {
    static final String TYPE = "application/json";
    private static final String AUTHORITY = "org.squeezebert.demo.app.results";
    private static final String NAME = "[a-z0-9-]+\\.json";

    /** Where a shared file lies; another app sees this folder's files alone. On the worker. */
    static File folder(Context context) {
        File folder = new File(context.getCacheDir(), "shared");
        folder.mkdirs(); // writing the file says what is wrong
        return folder;
    }

    static Uri uri(String name) {
        return new Uri.Builder().scheme("content").authority(AUTHORITY).appendPath(name).build();
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    /** The name has no separators, so that no way leads out of the folder. */
    private File file(Uri uri) throws FileNotFoundException {
        String name = uri.getPathSegments().size() == 1 ? uri.getLastPathSegment() : "";
        File file = new File(folder(getContext()), name);
        if (!name.matches(NAME) || !file.isFile()) throw new FileNotFoundException(uri.toString());
        return file;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        if (!mode.equals("r")) throw new SecurityException("results are read only");
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY);
    }

    /** The name and the size, which is what apps ask of a shared file. */
    @Override
    public Cursor query(Uri uri, String[] projection, String selection, String[] arguments, String order) {
        File file;
        try {
            file = file(uri);
        } catch (FileNotFoundException e) {
            return null;
        }
        String[] columns = projection == null ? new String[] {OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE} : projection;
        MatrixCursor cursor = new MatrixCursor(columns, 1);
        MatrixCursor.RowBuilder row = cursor.newRow();
        for (String column : columns) {
            row.add(column.equals(OpenableColumns.DISPLAY_NAME) ? file.getName() : column.equals(OpenableColumns.SIZE) ? (Object) file.length() : null);
        }
        return cursor;
    }

    @Override
    public String getType(Uri uri) {
        return TYPE;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int delete(Uri uri, String selection, String[] arguments) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int update(Uri uri, ContentValues values, String selection, String[] arguments) {
        throw new UnsupportedOperationException();
    }
}
