"""Rollback: a run that takes back what another one did, in the reverse of the order that really happened.

It is planned first, by reads alone: what will be removed, what restored, what kept and why. Then somebody agrees, and it is carried out as
any run is: phases, chunks under leases, a ledger. Rows that people edited or built upon are kept and listed.
"""

from loads.rollback.closing import close, read
from loads.rollback.late import back_of
from loads.rollback.opening import agree, open_rollback
from loads.rollback.planning import plan_next, waits
from loads.rollback.undoing import jobs, ready, used

__all__ = ["agree", "back_of", "close", "jobs", "open_rollback", "plan_next", "read", "ready", "used", "waits"]
