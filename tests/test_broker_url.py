"""The broker's URL is read once, in the spelling that Celery documents; what is not honoured is refused by name."""

import ssl

import pytest

from billing_worker.broker_url import BrokerURL
from billing_worker.cli.settings import without_password
from billing_worker.config import load_settings
from billing_worker.domain.errors import SettingsInvalid


def test_a_plain_server() -> None:
    read = BrokerURL.parse("redis://user:p%40ss@host:6380/3")
    assert (read.hosts, read.database, read.username, read.password) == ((("host", 6380),), 3, "user", "p@ss")
    assert (read.tls, read.master_name, read.celery_url) == (None, None, "redis://user:p%40ss@host:6380/3")
    assert read.where == "host:6380/3"
    assert "p@ss" not in repr(read)
    assert BrokerURL.parse("redis://host").hosts == (("host", 6379),)


@pytest.mark.parametrize(
    ("word", "verify"),
    [
        ("CERT_REQUIRED", ssl.CERT_REQUIRED),
        ("required", ssl.CERT_REQUIRED),
        ("CERT_OPTIONAL", ssl.CERT_OPTIONAL),
        ("optional", ssl.CERT_OPTIONAL),
        ("CERT_NONE", ssl.CERT_NONE),
        ("none", ssl.CERT_NONE),
    ],
)
def test_tls_in_both_spellings(word: str, verify: ssl.VerifyMode) -> None:
    read = BrokerURL.parse(f"rediss://:x@host/0?ssl_cert_reqs={word}&ssl_ca_certs=/a/ca.pem")
    checked = verify is not ssl.CERT_NONE
    assert read.tls == {"ssl_cert_reqs": verify, "ssl_check_hostname": checked, "ssl_ca_certs": "/a/ca.pem"}
    assert read.celery_url == "rediss://:x@host/0"


def test_tls_without_a_word_about_it_checks_the_certificate() -> None:
    assert BrokerURL.parse("rediss://host/0").tls == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}


def test_a_unix_socket() -> None:
    url = "redis+socket://:pw@/run/redis/redis.sock?virtual_host=2"
    read = BrokerURL.parse(url)
    assert (read.socket, read.database, read.password) == ("/run/redis/redis.sock", 2, "pw")
    assert (read.where, read.celery_url) == ("/run/redis/redis.sock", url)


@pytest.mark.parametrize("in_url", [True, False])
def test_sentinels(in_url: bool) -> None:  # noqa: FBT001
    query = "?master_name=main" if in_url else ""
    url = f"sentinel://:pw@a:26379/1{query};sentinel://:pw@b/1{query}"
    read = BrokerURL.parse(url, None if in_url else "main")
    assert (read.hosts, read.master_name, read.database) == ((("a", 26379), ("b", 26379)), "main", 1)
    assert read.celery_url == "sentinel://:pw@a:26379/1;sentinel://:pw@b/1"
    assert read.where == "master main of the Sentinels a:26379, b:26379"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://a:6379/0;redis://b:6379/0", "names 2 servers"),
        ("sentinel://a;redis://b", "names 2 servers"),
        ("sentinel://a/0;sentinel://b/1?master_name=m", "differ in more than host and port"),
        ("sentinel://a:26379", "no master; set BILLING_BROKER_MASTER_NAME"),
        ("sentinel:///0?master_name=m", "must name a Sentinel"),
        ("redis://host/0?ssl_cert_reqs=required", "write rediss://"),
        ("rediss://host/0?ssl_cert_reqs=maybe", "known are CERT_REQUIRED (or required)"),
        ("rediss://host/0?ssl_check_hostname=1", "neither true nor false"),
        ("redis://host/0?socket_timeout=5", "'socket_timeout' that is not understood"),
        ("redis+socket://host/run/x.sock", "must name the socket's path"),
        ("redis+socket:///", "must name the socket's path"),
        ("redis://host/zero", "by its number"),
        ("redis://host:x/0", "is not a URL such as"),
        ("redis://[host/0", "is not a URL such as"),
        ("amqp://host", "only Redis is supported"),
        ("rediss+sentinel://host", "only Redis is supported"),
        ("host:6379", "only Redis is supported"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(
    url: str, problem: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("BILLING_BROKER_URL", url)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert str(refused.value).startswith("BILLING_BROKER_URL: ")
    assert problem in str(refused.value)


def test_a_master_without_sentinels_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("BILLING_BROKER_URL", "redis://host/0")
    monkeypatch.setenv("BILLING_BROKER_MASTER_NAME", "mymaster")
    with pytest.raises(SettingsInvalid, match="names no Sentinel, but BILLING_BROKER_MASTER_NAME is set"):
        load_settings()


def test_no_password_of_any_sentinel_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(str(tmp_path))
    url = "sentinel://:long-secret@a:1/0;sentinel://:long-secret@b:2/0"
    monkeypatch.setenv("BILLING_BROKER_URL", url)
    monkeypatch.setenv("BILLING_BROKER_MASTER_NAME", "main")
    monkeypatch.setenv("BILLING_BROKER_SENTINEL_PASSWORD", "other-secret")
    loaded = load_settings()
    assert {"long-secret", "other-secret"} <= set(loaded.secrets)
    assert without_password(url) == "sentinel://:***@a:1/0;sentinel://:***@b:2/0"
    assert "long-secret" not in repr(loaded)
    assert "other-secret" not in repr(loaded)
