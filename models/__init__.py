"""Tables, queries and migrations of the store's database.

``models.tables`` has the tables, ``models.database`` connects and migrates, ``models.queries``
reads rows as plain tuples: one SQL statement for each function.
"""
