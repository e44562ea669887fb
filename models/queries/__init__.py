"""Reads, as plain tuples and dictionaries: one SQL statement for each function.

Functions that take keys return a dictionary with the keys that were found. Only the columns that
are returned are selected.
"""
