"""TLS to a Redis, and to Sentinels and the master that they name."""

import datetime as dt
import ipaddress
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.store.redis import StoreUnavailable, attempt, open_redis
from tests.cluster.programs import program, running, says
from tests.processes import free_port

pytestmark = pytest.mark.anyio

SERVICE, PASSWORD, THEIRS = "trading", "hunter2", "hunter3"


def _certificate(folder: Path) -> Path:
    """Write a certificate that signs itself, for 127.0.0.1, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "redis.crt"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class Secured:
    """Where server and Sentinel listen, by TLS alone and each with a password of its own."""

    def __init__(self, certificate: Path) -> None:
        self.trust = f"ssl_ca_certs={certificate}"
        self.server, self.sentinel = free_port(), free_port()

    @property
    def url(self) -> str:
        """The server's address, without whom to trust."""
        return f"rediss://:{PASSWORD}@127.0.0.1:{self.server}/0"

    @property
    def by_sentinel(self) -> str:
        """The address by way of the Sentinel, without whom to trust and its password."""
        return f"rediss+sentinel://:{PASSWORD}@127.0.0.1:{self.sentinel}/{SERVICE}/0"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    certificate = _certificate(tmp_path)
    made = Secured(certificate)
    tls = (
        f"port 0\nbind 127.0.0.1\ndir {tmp_path}\ntls-auth-clients no\ntls-replication yes\n"
        f"tls-cert-file {certificate}\ntls-key-file {certificate.with_suffix('.key')}\n"
        f"tls-ca-cert-file {certificate}\n"
    )
    server, sentinel = tmp_path / "server.conf", tmp_path / "sentinel.conf"
    server.write_text(f'{tls}tls-port {made.server}\nrequirepass {PASSWORD}\nsave ""\n')
    sentinel.write_text(
        f"{tls}tls-port {made.sentinel}\nrequirepass {THEIRS}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {made.server} 1\n"
        f"sentinel auth-pass {SERVICE} {PASSWORD}\n"
    )
    with ExitStack() as stack:
        for name, config, ready in (
            ("redis-server", server, "Ready to accept connections"),
            ("redis-sentinel", sentinel, "+monitor master"),
        ):
            log = tmp_path / f"{name}.log"
            stack.enter_context(running([program(name), config], log))
            assert says(log, ready), log.read_text()
        yield made


async def _is_reached(url: str) -> bool:
    async with open_redis(url, connect_timeout=5, command_timeout=5, max_connections=2) as redis:
        try:
            return bool(await attempt(redis.ping))
        except StoreUnavailable:
            return False


async def test_a_server_is_reached_whose_certificate_is_to_be_trusted_and_no_other(
    secured: Secured,
) -> None:
    assert await _is_reached(f"{secured.url}?{secured.trust}")
    assert not await _is_reached(secured.url)
    assert not await _is_reached(secured.url.replace("rediss", "redis"))


async def test_sentinels_and_their_master_speak_tls_and_each_has_its_own_password(
    secured: Secured,
) -> None:
    theirs = f"sentinel_password={THEIRS}"
    assert await _is_reached(f"{secured.by_sentinel}?{secured.trust}&{theirs}")
    assert not await _is_reached(f"{secured.by_sentinel}?{theirs}")
    assert not await _is_reached(f"{secured.by_sentinel}?{secured.trust}&sentinel_password=wrong")
