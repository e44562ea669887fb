"""Test support, for our tests and for users': faults, a clock, and what every store must do.

`contract` needs pytest; nothing else does.
"""
