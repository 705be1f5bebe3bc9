"""The HTTP API under `/api/`: scrapers push payloads, and analysts ask questions.

`site` has the API with all paths, answers errors, and documents itself under `/api/docs`. `pushes`
receives payloads for `marketplace.push`, and `questions` answers questions for accounts with a
token of `tokens`. All errors are JSON: the problem, the reason and the next step.
"""
