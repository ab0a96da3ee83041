package org.squeezebert.demo.core;

/** The app shows nothing of an artifact's inventory, but a manifest that is wrong anywhere is not trusted anywhere. */
final class InventoryCheck {
    private InventoryCheck() { }

    static void check(JsonValue json) throws JsonException {
        json.allowOnly("fast", "fallbacks", "quantized", "floating", "kept_float", "ranges");
        json.get("fast").strings();
        for (String list : new String[] {"fallbacks", "kept_float"}) {
            for (JsonValue item : json.get(list).items()) {
                item.allowOnly("name", "reason");
                item.get("name").string();
                item.get("reason").string();
            }
        }
        for (String count : new String[] {"quantized", "floating"}) {
            json.get(count).allowOnly("parameters", "flops");
            json.get(count).get("parameters").whole();
            json.get(count).get("flops").whole();
        }
        for (JsonValue item : json.get("ranges").items()) {
            item.allowOnly("name", "low", "high");
            item.get("name").string();
            item.get("low").number();
            item.get("high").number();
        }
    }
}
