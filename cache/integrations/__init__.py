"""Adapters: what they need is imported here and nowhere else in the engine."""
