"""What a load tells whoever wants to know; whoever connects needn't load the engine for it."""

from django.dispatch import Signal

measured = Signal()  # run: the data quality of what it staged
phase_closed = Signal()  # phase
run_finished = Signal()  # run
run_stands = Signal()  # run: nobody works on it any more, though it isn't done
