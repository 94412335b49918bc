"""Members of dynamic lists; those of static lists stand in the profiles.

A dynamic list's rules are exposed nowhere: what is read is a snapshot of who fulfils them now.
"""

from collections.abc import Iterator
from datetime import datetime

from connectors import rawjson
from connectors.base import Finding, Reading, Slice
from connectors.http import HttpSession
from connectors.http_errors import NotConnected, Unreachable
from connectors.iterable.answers import is_number, no_page, opened


class ListMembers:
    """Who stands on each dynamic list: one call a list, five a minute."""

    def __init__(self, session: HttpSession) -> None:
        """session: its pace with the buckets `list_users` and `list_size`."""
        self._session = session

    def slices(self, now: datetime) -> list[Slice]:
        """One slice a dynamic list; of one without a number as its id nobody can be asked for."""
        lists = opened(self._session.request("GET", "api/lists", bucket="reads"), "lists")
        dynamic = [entry for entry in lists if isinstance(entry, dict) and entry.get("listType") == "Dynamic"]
        ids = dict.fromkeys(str(entry["id"]) for entry in dynamic if is_number(entry.get("id")))
        return [Slice(list_id, {"list": list_id}) for list_id in ids]

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """{"id": "<list>:<user>", "list": number, "user": user id or e-mail} for each member.

        A list that the API doesn't give, as big ones answer 503, is a finding and has no members.
        """
        list_id = int(piece.params["list"])
        try:
            content = self._session.download("api/lists/getUsers", params={"listId": list_id, "preferUserId": "true"}, bucket="list_users")
        except NotConnected:
            raise
        except Unreachable:
            reading.findings.append(self._withheld(list_id))
            return
        with no_page(content, f"What Iterable gives as the members of list {list_id}"):
            for line in content:
                if user := line.decode("utf-8", "replace").strip():
                    yield rawjson.write({"id": f"{list_id}:{user}", "list": list_id, "user": user})

    def _withheld(self, list_id: int) -> Finding:
        """What is known of a list whose members the API withholds. Raises Unreachable where it answers nothing at all."""
        answer = self._session.request("GET", f"api/lists/{list_id}/size", bucket="list_size")
        evidence = f"Iterable doesn't give the members of dynamic list {list_id}, as it does with big lists; it has {answer.text.strip()}."
        remedy = "Make static lists of it in Iterable, or leave the list behind."
        return Finding("list members withheld", "warning", evidence, remedy, subject=str(list_id))
