"""What opens the simulators and nothing else: tenant, app registrations, keys, and a throwaway certificate authority."""

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path

import trustme

# The credentials are the same at every start, so that a client set up once still signs in; they open nothing but these servers.
TENANT = "6f1c1f4e-2f0b-4b53-9c0e-5f0f3d1a7a10"
CREDENTIALS: Mapping[str, str] = {
    "client_id": "b3a9c9d2-7d4e-4e3a-8f55-0c1f6f2f9e21",
    "client_secret": "simulated~client.secret-5WQ8dQ0ZC3w",
    "iterable": "simulated-key-0f6d2b7c9a1e4853b6d0",
}


def signing_key() -> bytes:
    """The key of the tokens, the same in every server and at every start."""
    return hashlib.sha256(CREDENTIALS["client_secret"].encode()).digest()


def registrations(count: int) -> list[tuple[str, str]]:
    """Client id and secret of so many app registrations, the same at every start."""
    first = CREDENTIALS["client_id"], CREDENTIALS["client_secret"]
    space = uuid.UUID(TENANT)
    return [first, *((str(uuid.uuid5(space, f"client {n}")), f"{first[1]}.{n}") for n in range(2, count + 1))]


def certificates(folder: Path) -> tuple[Path, Path]:
    """The certificate of a throwaway authority, and a server's key with its chain; kept where the folder has them already."""
    ca, server = folder.resolve() / "ca.pem", folder.resolve() / "server.pem"
    if not (ca.exists() and server.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="Simulated certificate authority")
        server.touch(mode=0o600)
        authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(str(server))
        authority.cert_pem.write_to_path(str(ca))
    return ca, server
