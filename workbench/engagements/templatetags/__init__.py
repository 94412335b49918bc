"""Template tags that the admin and the portal share."""
