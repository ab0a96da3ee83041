package androidx.test.internal.runner.lifecycle;

import android.app.Activity;
import androidx.test.runner.lifecycle.ActivityLifecycleCallback;
import androidx.test.runner.lifecycle.ActivityLifecycleMonitor;
import androidx.test.runner.lifecycle.Stage;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/** Robolectric signals each stage; activities are forgotten when they are destroyed. */
public final class ActivityLifecycleMonitorImpl implements ActivityLifecycleMonitor {
    private final Map<Activity, Stage> stages = new ConcurrentHashMap<>();
    private final Set<ActivityLifecycleCallback> callbacks = ConcurrentHashMap.newKeySet();

    public void signalLifecycleChange(Stage stage, Activity activity) {
        if (stage == Stage.DESTROYED) {
            stages.remove(activity);
        } else {
            stages.put(activity, stage);
        }
        callbacks.forEach(callback -> callback.onActivityLifecycleChanged(activity, stage));
    }

    @Override
    public Stage getLifecycleStageOf(Activity activity) {
        return stages.getOrDefault(activity, Stage.DESTROYED);
    }

    @Override
    public Collection<Activity> getActivitiesInStage(Stage stage) {
        return stages.keySet().stream().filter(activity -> stages.get(activity) == stage).collect(Collectors.toList());
    }

    @Override
    public void addLifecycleCallback(ActivityLifecycleCallback callback) {
        callbacks.add(callback);
    }

    @Override
    public void removeLifecycleCallback(ActivityLifecycleCallback callback) {
        callbacks.remove(callback);
    }
}
