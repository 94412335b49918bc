"""Seams that no linter holds: one place speaks HTTP, and secrets never reach a task's arguments."""

import ast
from pathlib import Path

from django.conf import settings

SPEAKS = ("connectors/http.py", "connectors/retries.py", "connectors/http_errors.py", "connectors/pace.py")
CALLS = {"get", "post", "put", "patch", "delete", "request", "Session"}
OURS = ("connectors", "mapping", "loads", "reports", "workbench")


def product_files() -> list[Path]:
    root = Path(settings.BASE_DIR)
    files = [path for name in OURS for path in (root / name).rglob("*.py")]
    return [path for path in files if "simulators" not in path.parts and "migrations" not in path.parts]


def test_only_one_place_speaks_http():
    speaking = []
    for path in product_files():
        name = path.relative_to(settings.BASE_DIR).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS
            if called and isinstance(node.func.value, ast.Name) and node.func.value.id in ("requests", "urllib3", "httpx"):
                speaking.append(name)
    assert set(speaking) <= set(SPEAKS)


def test_tasks_take_ids_only():
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "async_task":
                assert not any("secret" in ast.dump(argument) or "connection" in ast.dump(argument) for argument in node.args), path
