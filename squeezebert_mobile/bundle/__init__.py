"""The bundle: its manifest, its folder or archive, and its proof."""
