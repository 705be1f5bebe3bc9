"""The parts of the settings that need more than a line: environment, databases, secrets, admin.

`marketplace.settings` imports these modules before Django is set up. They must not import models.
"""
