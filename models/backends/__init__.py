"""Tortoise's database clients, with transactions that neither lose a lock nor a connection."""
