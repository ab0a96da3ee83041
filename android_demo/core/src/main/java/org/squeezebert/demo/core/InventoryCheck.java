package org.squeezebert.demo.core;

import java.util.Collections;
import java.util.List;

/** The app shows nothing of an artifact's inventory, but a manifest that is wrong anywhere is not trusted anywhere. */
final class InventoryCheck {
    private InventoryCheck() { }

    static void check(JsonValue json) throws JsonException {
        json.allowOnly("fast", "fallbacks", "quantized", "floating", "kept_float", "ranges");
        if (json.has("fast")) json.get("fast").strings();
        for (JsonValue item : items(json, "fallbacks")) checkKept(item);
        for (JsonValue item : items(json, "kept_float")) checkKept(item);
        for (String count : new String[] {"quantized", "floating"}) {
            if (!json.has(count)) continue;
            json.get(count).allowOnly("parameters", "flops");
            json.get(count).get("parameters").size();
            json.get(count).get("flops").size();
        }
        for (JsonValue item : items(json, "ranges")) {
            item.allowOnly("name", "low", "high");
            item.get("name").string();
            item.get("low").number();
            item.get("high").number();
        }
    }

    /** Every member of an inventory may be left out. */
    private static List<JsonValue> items(JsonValue json, String key) throws JsonException {
        return json.has(key) ? json.get(key).items() : Collections.<JsonValue>emptyList();
    }

    private static void checkKept(JsonValue item) throws JsonException {
        item.allowOnly("name", "reason");
        item.get("name").string();
        item.get("reason").string();
    }
}
