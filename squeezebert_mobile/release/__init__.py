"""From a bundle to what an app or the hub gets."""
