"""PostgreSQL: Django's backend, the embedded server, errors, catalog queries and text search.

The settings name this package as the database backend. A connection to a database without a host
starts the embedded server.
"""
