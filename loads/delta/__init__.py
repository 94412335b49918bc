"""What a further run meets: rows that people edited since, rows whose source records are gone, and environments that were copied anew."""
