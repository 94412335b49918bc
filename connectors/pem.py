"""Keys in PEM form, as people paste them."""

import re
import textwrap

PEM = re.compile(r"\s*-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----\s*", re.DOTALL)


def one_line_to_pem(text: str) -> str:
    """Give a PEM key its lines back, since a password field drops them; any other text stays as it is."""
    match = PEM.fullmatch(text)
    if not match:
        return text
    body = "".join(match[2].split())
    return f"-----BEGIN {match[1]}-----\n" + "\n".join(textwrap.wrap(body, 64)) + f"\n-----END {match[1]}-----\n"
