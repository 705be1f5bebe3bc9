"""The document docs/questions.md, from the heads of the question files."""

from collections.abc import Iterator
from itertools import groupby

from marketplace.questions.definition import Question, read_questions
from marketplace.registry import get_database

_INTRODUCTION = """# Questions

A question is a file `<database>/questions/<name>.sql`: a head that declares its texts, parameters
and columns, and one SELECT. Each question has a page under `/questions/` in the admin site, with
a form, a table and exports. The command `ask` answers the same questions:

```shell
python manage.py ask
python manage.py ask procurement.pairs since=-1y --limit 10
python manage.py ask procurement.pairs --format csv --output pairs.csv
```

So does Python:

```python
from marketplace.questions import ask

for row in ask("procurement.pairs", since="2026-01-01"):
    print(row.customer, row.supplier, row.amount)
```

Programs ask them by HTTP, with a token: `GET /api/questions/procurement/pairs?since=-1y`. See
[Questions by HTTP](analysis.md#questions-by-http).

Formats of files are csv, json, jsonl, xlsx and parquet. A question is executed by the analyst role
of the database, in a read-only transaction, and stopped after `QUESTION_TIMEOUT` seconds. A page
and a table on the terminal show the first rows and say so; files have all rows, which may take
`ANALYST_STATEMENT_TIMEOUT` to compute. If the server of a database does not answer within two
seconds, the error names the database; questions about the others are answered.

Dates are written as 2026-11-30, 2026-11 (its first day), today, or relative to today: -7d, -2w,
-3m, -1y. A period includes the day of `until`. Products, offers, sellers, ads and organizations are
named by platform and `external_id`, as in `uzum:12345`. If a question has the parameter `currency`,
amounts are converted to it, at the rate of their day or the last one before.
"""


def document() -> str:
    """Return the text of docs/questions.md."""
    questions = read_questions()[0]
    lines = [_INTRODUCTION]
    for alias, group in groupby(questions.values(), key=lambda question: question.alias):
        lines.append(f"## {get_database(alias).title}\n")
        for question in group:
            lines += _describe(question)
    return "\n".join(lines).rstrip() + "\n"


def _describe(question: Question) -> Iterator[str]:
    yield f"### `{question.name}`\n"
    yield f"{question.title['en']}. {question.description['en']}\n"
    if question.parameters:
        yield "| parameter | type | default | meaning |"
        yield "|---|---|---|---|"
        for item in question.parameters:
            kind = f"{item.type}: {', '.join(item.choices)}" if item.choices else item.type
            default = item.default or ("required" if item.is_required else "")
            title = item.title.get("en", "")
            meaning = "" if title == item.name.replace("_", " ") else title
            yield f"| `{item.name}` | {kind} | {default} | {meaning} |"
        yield ""
