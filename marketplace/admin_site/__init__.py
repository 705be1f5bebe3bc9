"""The admin site: base classes for the tables of the apps, and the pages around them.

The admin modules of the apps derive their classes from `read_only.ReadOnlyAdmin` and register
those of `common_tables`. `marketplace.settings` registers the middleware, the overview's
callbacks and the login throttle; `marketplace.urls` the error pages. The package reads the
databases; it writes only when a user reviews held runs and quarantined records.
"""
