"""Questions: SQL files with a head, and every way to ask them.

A file `<app>/questions/<name>.sql` declares a question: its texts, parameters and columns, and one
SELECT. `definition` reads the files and `checks` validates them. `parameters` reads the values that
a user states, `columns` formats the values of rows. `engines` opens a read-only connection, logged
in as the analyst role of the database, and `answers` streams the rows. `exports` writes them to
files. The command `ask` and the function `ask` use all of these.

`views` has the pages: `forms` and `choices` make the form, `charts` and `tables` show the answer,
`plans` explains it, and `panels` places it on other pages. `access` says who may ask, and
`downloads` sends files, for pages and for the HTTP API.
"""

from marketplace.questions.answers import Answer, ask

__all__ = ["Answer", "ask"]
