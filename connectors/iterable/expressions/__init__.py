"""The Handlebars of Iterable's templates: `tags` cuts a text into tags, `grammar` reads one tag, `scopes` says what a path means where it
stands, `reading` puts them together; `helpers` knows Iterable's functions.

Iterable runs Handlebars.java with functions of its own, and data feeds in double square brackets.
Source: support.iterable.com articles 35601631606036 (overview), 205480365 (merge tags), 115003884806 (conditions), 39206002278932 (feeds),
360033215032 (catalogs), 4414807441556 and 4414796078868 (snippets); handlebarsjs.com (the language).
"""

from connectors.iterable.expressions.reading import scan

__all__ = ["scan"]
