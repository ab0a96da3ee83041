package org.squeezebert.demo.app;

import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.AdapterView;
import android.widget.ArrayAdapter;
import android.widget.ProgressBar;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import org.squeezebert.internal.Artifact;

/** What the screens share. */
final class Screens {
    /** A choice in a spinner. */
    interface Chosen {
        void at(int position);
    }

    private Screens() { }

    /** Shows text, or takes no room where there is none. */
    static void text(TextView view, CharSequence text) {
        view.setText(text);
        view.setVisibility(text.length() == 0 ? View.GONE : View.VISIBLE);
    }

    static void visible(View view, boolean visible) {
        view.setVisibility(visible ? View.VISIBLE : View.GONE);
    }

    /** A line with a label, a value and a bar; {@code fraction} is 0 to 1, negative where a bar would mean nothing. */
    static void addBar(ViewGroup parent, String label, String value, double fraction) {
        View view = LayoutInflater.from(parent.getContext()).inflate(R.layout.result_row, parent, false);
        view.<TextView>findViewById(R.id.row_label).setText(label);
        view.<TextView>findViewById(R.id.row_value).setText(value);
        view.setContentDescription(label + " " + value);
        ProgressBar bar = view.findViewById(R.id.row_bar);
        visible(bar, fraction >= 0);
        bar.setProgress((int) Math.round(1000 * Math.max(0, fraction)));
        parent.addView(view);
    }

    /** Fills a spinner unless it already holds these items, which would throw away the user's choice; true where it did. */
    static boolean fill(Spinner spinner, List<String> items) {
        List<String> now = new ArrayList<>();
        for (int i = 0; i < spinner.getCount(); i++) now.add((String) spinner.getItemAtPosition(i));
        if (now.equals(items)) return false;
        ArrayAdapter<String> adapter = new ArrayAdapter<>(spinner.getContext(), android.R.layout.simple_spinner_item, items);
        adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item);
        spinner.setAdapter(adapter);
        return true;
    }

    static List<String> titles(List<Artifact> artifacts) {
        List<String> titles = new ArrayList<>();
        for (Artifact artifact : artifacts) titles.add(artifact.title());
        return titles;
    }

    static void onChosen(Spinner spinner, Chosen chosen) {
        spinner.setOnItemSelectedListener(new AdapterView.OnItemSelectedListener() {
            @Override
            public void onItemSelected(AdapterView<?> parent, View view, int position, long id) {
                chosen.at(position);
            }

            @Override
            public void onNothingSelected(AdapterView<?> parent) { }
        });
    }
}
