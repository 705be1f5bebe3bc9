"""How fast questions are answered: `python -m bench.answers`, or `make bench-answers`.

Rows of the size of the whole market are generated in the databases. Each question is asked as the
analyst role asks it, with its defaults, or with 20 different rows if it is about one. Beside it
stands the time after all indexes but those of primary, unique and foreign keys are dropped.
"""
