"""An issuer of JWTs on a loopback port, whose answers are the test's."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.access.policy import Identity, Issuer, Member, Policy, Principal, PrincipalKind
from tests.oidc.keys import IssuerKey

AUDIENCE = "narkasa-gateway"
SUBJECT = "system:serviceaccount:trading:desk"
DESK = Principal("desk", PrincipalKind.APP)
DISCOVERY = "/.well-known/openid-configuration"


@dataclass
class IssuingServer:
    """Answers by path, with a body or with a status and headers; None hangs up."""

    url: str = ""
    answers: dict[str, bytes | tuple[int, str] | None] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, *keys: IssuerKey) -> None:
        """Publish these keys."""
        self.answers["/jwks"] = json.dumps({"keys": [key.jwk for key in keys]}).encode()

    def discoverable(self, **changes: Any) -> None:  # noqa: ANN401  # any JSON
        """Publish a discovery document, with changes."""
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **changes}
        self.answers[DISCOVERY] = json.dumps(document).encode()

    def issuer(self, **changes: Any) -> Issuer:  # noqa: ANN401  # any field
        """It, as a policy has it, with changes."""
        given = {"jwks_url": f"{self.url}/jwks", "algorithms": ("RS256", "ES256"), **changes}
        return Issuer("cluster", self.url, AUDIENCE, **given)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        shown = [line.split(": ")[1] for line in head if line.lower().startswith("authorization")]
        path = head[0].split()[1]
        self.asked.append((path, shown[0] if shown else None))
        await self.held.wait()
        match self.answers.get(path):
            case None:
                pass
            case (status, more):
                writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n{more}\r\n".encode())
            case body:
                assert isinstance(body, bytes)
                length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + length.encode() + body)
        writer.close()


@asynccontextmanager
async def issuing_server(
    *keys: IssuerKey, certificate: Path | None = None
) -> AsyncIterator[IssuingServer]:
    """Serve these keys, on request, for the length of the context; with a certificate, by TLS."""
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    made = IssuingServer()
    made.held.set()
    made.publish(*keys)
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    made.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.held.set()
        server.close()
        await server.wait_closed()


def write_certificate(file: Path) -> Path:
    """Write a certificate for 127.0.0.1 that is its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made up for a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


def policy_of(*issuers: Issuer, issued_after: int | None = None) -> Policy:
    """A policy that knows the desk by these issuers."""
    identities = tuple(Identity(issuer.id, SUBJECT, issued_after) for issuer in issuers)
    return Policy(
        revision="1",
        accounts=(),
        members=(Member(DESK, identities=identities),),
        wall_ms=lambda: 0,
        issuers=issuers,
    )
