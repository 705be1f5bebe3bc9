"""Least privilege: the roles of each database, what they may do, and putting that in order.

Each database has an owner, whose are its tables and whose migrations are; a loader, which writes
data; and an analyst, who reads. None of them may enter another of the databases.
"""
