"""Seams that no linter holds: one place speaks HTTP, secrets never reach a task's arguments, documents load what they need alone."""

import ast
import subprocess
import sys
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


def test_a_process_that_writes_inventories_loads_neither_the_admins_pages_nor_duckdb():
    code = "import django, sys; django.setup(); from reports import journeys, templates; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "reports.journeys" in loaded
    assert not loaded & {"duckdb", "pyarrow.compute", "loads.admin", "workbench.urls"}
