"""Where people work on field maps: decisions and their undoing, samples, value maps, what is still open, and the workbook."""
