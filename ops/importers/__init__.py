"""Importers of files into the store. `docs/import.md` has the layouts and the rules."""
