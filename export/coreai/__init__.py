"""Core AI, Apple's successor of Core ML for networks: the converter's lowering of the reference."""
