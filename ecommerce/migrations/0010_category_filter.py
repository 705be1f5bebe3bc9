"""Whether a category is meant by a user's input, for questions."""

from django.db import migrations

# Returns whether a category has this name or path, or is below this path. True if there is no input.
# The body is one expression without a subquery, so that the planner can inline it.
_IS_IN_CATEGORY = """
CREATE FUNCTION ecommerce_is_in_category(path_names text, name text, input text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT input IS NULL
        OR left(path_names || ' > ', length(input) + 3) = input || ' > '
        OR name = input;
END;
"""


class Migration(migrations.Migration):
    dependencies = [("ecommerce", "0009_same_product")]

    operations = [
        migrations.RunSQL(_IS_IN_CATEGORY, "DROP FUNCTION ecommerce_is_in_category"),
    ]
