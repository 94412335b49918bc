"""A simulated organisation on loopback and a plain HTTP client for it: what the tests of the simulator share."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import uvicorn
from starlette.applications import Starlette

from connectors.simulators.dataverse import build_app
from connectors.simulators.entra import issue_token

KEY = b"a key of this test run"
CLIENT_ID = "11111111-aaaa-4bbb-8ccc-222222222222"
NS = "Microsoft.Dynamics.CRM"


def token(*, client_id: str = CLIENT_ID, audience: str = "http://127.0.0.1", lifetime_s: float = 600, key: bytes = KEY) -> str:
    return issue_token({"aud": audience, "appid": client_id, "exp": time.time() + lifetime_s}, key)


class Organisation:
    """HTTP calls below the service root, with a valid token unless told otherwise."""

    def __init__(self, app: Starlette, address: str) -> None:
        self.app, self.address = app, address
        self.root = f"{address}/api/data/v9.2/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token()}"

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **options: Any) -> requests.Response:
        return self.session.request(method, self.root + path, json=body, headers=headers, timeout=30, **options)

    def get(self, path: str, **headers: str) -> Any:
        answer = self.call("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, entity_set: str, values: dict[str, Any]) -> str:
        answer = self.call("POST", entity_set, values)
        assert answer.status_code == 204, answer.text
        return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")

    def bulk(self, entity_set: str, table: str, message: str, rows: list[dict[str, Any]]) -> requests.Response:
        targets = [{"@odata.type": f"{NS}.{table}", **row} for row in rows]
        return self.call("POST", f"{entity_set}/{NS}.{message}", {"Targets": targets})

    def refusal(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        answer = self.call(method, path, body, headers)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["error"]["code"]

    def column(self, table: str, kind: str, name: str, **properties: Any) -> requests.Response:
        shape = {"@odata.type": f"{NS}.{kind}AttributeMetadata", "SchemaName": name, "DisplayName": label(name), **properties}
        return self.call("POST", f"EntityDefinitions(LogicalName='{table}')/Attributes", shape)

    def control(self, path: str, body: Any) -> requests.Response:
        return self.session.post(f"{self.address}/_simulator/{path}", json=body, timeout=30)

    def dump(self, table: str, *, canonical: bool = False) -> list[dict[str, Any]]:
        answer = self.session.get(f"{self.address}/_simulator/tables/{table}", params={"canonical": "1"} if canonical else {}, timeout=30)
        return [json.loads(line) for line in answer.text.splitlines()]


def label(text: str) -> dict[str, Any]:
    return {"@odata.type": f"{NS}.Label", "LocalizedLabels": [{"@odata.type": f"{NS}.LocalizedLabel", "Label": text, "LanguageCode": 1033}]}


def guid() -> str:
    return str(uuid.uuid4())


@contextmanager
def organisation(data: Path, **options: Any) -> Iterator[Organisation]:
    """Serve an organisation; options are those of build_app."""
    app = build_app(data, **({"sandbox": False, "signing_key": KEY, "client_id": CLIENT_ID} | options))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.005)
    try:
        with (served := Organisation(app, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")).session:
            yield served
    finally:
        server.should_exit = True
        thread.join()
        app.state.close()


def publisher(org: Organisation, prefix: str = "mwb") -> None:
    values = {"uniquename": prefix, "friendlyname": prefix, "customizationprefix": prefix, "customizationoptionvalueprefix": 72700}
    org.create("publishers", values)


def multipart(parts: list[tuple[str, str, Any]], *, root: str = "") -> bytes:
    """A batch body from (method, url, body) with boundary `b`."""
    text = ""
    for method, url, body in parts:
        text += "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        text += f"{method} {root}{url} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{'' if body is None else json.dumps(body)}\r\n"
    return f"{text}--b--\r\n".encode()
