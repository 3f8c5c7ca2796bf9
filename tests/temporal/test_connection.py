"""How Temporal is reached, as its variables say; over mutual TLS, too."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from temporalio.client import Client

from cks.settings import BadSettings
from cks.temporal import connection

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def test_nothing_set_is_the_server_of_this_machine() -> None:
    assert connection.read({}) == {"target_host": "127.0.0.1:7233", "namespace": "cks"}


def test_the_variables_of_the_sdk_say_how() -> None:
    told = connection.read(
        {
            "TEMPORAL_ADDRESS": "acme.tmprl.example:7233",
            "TEMPORAL_NAMESPACE": "acme.prod",
            "TEMPORAL_API_KEY": "a-key",
            "TEMPORAL_TLS_SERVER_NAME": "inside",
            "TEMPORAL_TLS_CLIENT_CERT_DATA": "",
            "TEMPORAL_GRPC_META_X_TEAM": "cks",
        }
    )
    assert told["target_host"] == "acme.tmprl.example:7233"
    assert (told["namespace"], told["api_key"]) == ("acme.prod", "a-key")
    assert told["rpc_metadata"] == {"x-team": "cks"}
    assert not isinstance(told["tls"], bool)
    assert told["tls"].domain == "inside"


def test_a_key_alone_switches_tls_on_and_false_keeps_it_off() -> None:
    assert connection.read({"TEMPORAL_API_KEY": "k"})["tls"] is True
    assert connection.read({"TEMPORAL_API_KEY": "k", "TEMPORAL_TLS": "false"})["tls"] is False


def test_a_file_is_read_where_one_is_named_and_nobodys_home_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "temporalio" / "temporal.toml"
    file.parent.mkdir()
    file.write_text('[profile.default]\naddress = "there:1"\nnamespace = "theirs"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert connection.read({})["target_host"] == connection.ADDRESS
    named = {"TEMPORAL_CONFIG_FILE": str(file)}
    assert connection.read(named) == {"target_host": "there:1", "namespace": "theirs"}
    assert connection.read(named | {"TEMPORAL_NAMESPACE": "ours"})["namespace"] == "ours"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TEMPORAL_ADDRESS", "nonsense", "TEMPORAL_ADDRESS=nonsense: must be host:port"),
        ("TEMPORAL_ADDRESS", "host:port", "TEMPORAL_ADDRESS=host:port: must be host:port"),
        ("TEMPORAL_TLS", "maybe", "TEMPORAL_TLS=maybe: must be true or false"),
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", "/no/such", "/no/such: No such file"),
        ("TEMPORAL_CONFIG_FILE", __file__, "TOML"),
    ],
)
def test_what_cannot_be_meant_is_one_line(name: str, value: str, said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        connection.read({name: value})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@asynccontextmanager
async def guarded(address: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Stand before a server that knows no TLS, and ask for a certificate."""
    host, _, port = address.rpartition(":")
    pipes: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection(host, int(port))
        for pipe in ((reader, inner[1]), (inner[0], writer)):
            pipes.add(asyncio.create_task(copy(*pipe)))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)


async def test_whoever_has_a_certificate_is_let_in(temporal: Client, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("frontend.inside").configure_cert(context)
    ours = authority.issue_cert("worker.inside")
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
    ours.private_key_pem.write_to_path(str(tmp_path / "key"))

    async with guarded(temporal.service_client.config.target_host, context) as port:
        given = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{port}",
            "TEMPORAL_NAMESPACE": temporal.namespace,
            "TEMPORAL_TLS_SERVER_NAME": "frontend.inside",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(tmp_path / "ca"),
        }
        with pytest.raises(RuntimeError):
            await Client.connect(**connection.read(given))
        given["TEMPORAL_TLS_CLIENT_CERT_PATH"] = str(tmp_path / "cert")
        given["TEMPORAL_TLS_CLIENT_KEY_PATH"] = str(tmp_path / "key")
        client = await Client.connect(**connection.read(given))
        assert await client.service_client.check_health()
        await connection.prepare(client)
