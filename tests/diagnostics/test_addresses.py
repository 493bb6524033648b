"""Addresses of objects, as providers and people write them."""

from __future__ import annotations

import pytest

from console.deployment.hosts import is_internal, is_loopback
from console.diagnostics.addresses import object_of
from console.diagnostics.places import name_and_folder


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("s3://photos/a/b c.jpg", "s3://photos/a/b c.jpg"),
        ("gcs://photos/a.jpg", "gs://photos/a.jpg"),
        ("azure://photos/a.jpg", "azure-blob://photos/a.jpg"),
        ("https://photos.s3.amazonaws.com/a%20b.jpg?X-Amz-Expires=60", "s3://photos/a b.jpg"),
        ("https://my.photos.s3.eu-west-1.amazonaws.com/a.jpg", "s3://my.photos/a.jpg"),
        ("https://s3-eu-west-1.amazonaws.com/photos/a.jpg", "s3://photos/a.jpg"),
        ("https://photos.s3.dualstack.us-west-2.amazonaws.com/a.jpg", "s3://photos/a.jpg"),
        ("https://s3.cn-north-1.amazonaws.com.cn/photos/a.jpg", "s3://photos/a.jpg"),
        ("https://storage.googleapis.com/photos/a.jpg?X-Goog-Expires=60", "gs://photos/a.jpg"),
        ("https://photos.storage.googleapis.com/a/b.jpg", "gs://photos/a/b.jpg"),
        ("https://account.blob.core.windows.net/photos/a/b.jpg?se=2024&sig=x", "azure-blob://photos/a/b.jpg"),
        ("http://minio:9000/photos/a/b.jpg?X-Amz-Expires=60", "s3://photos/a/b.jpg"),
    ],
)
def test_an_object(url: str, meant: str) -> None:
    assert str(object_of(url)) == meant


@pytest.mark.parametrize("url", ["", "photos", "http://minio:9000/photos", "http://[x/a/b", "ftp://a/b", "file:///a/b"])
def test_no_object(url: str) -> None:
    assert object_of(url) is None


@pytest.mark.parametrize(
    ("stored", "name", "folder"),
    [
        ("s3://photos", "photos", ""), ("s3://photos/", "photos", ""), ("s3://photos/2026/a", "photos", "2026/a"),
        (" photos\n", "photos", ""), ("photos/", "photos", ""), ("/photos", "photos", ""), ("photos/2026/", "photos", "2026"),
        ("arn:aws:s3:::photos", "photos", ""), ("arn:aws:s3:::photos/*", "photos", "*"),
        ("photos.s3.amazonaws.com", "photos", ""), ("https://photos.s3.eu-west-1.amazonaws.com", "photos", ""),
        ("https://s3.amazonaws.com/photos", "photos", ""), ("https://s3.amazonaws.com/photos/2026", "photos", "2026"),
        ("https://storage.googleapis.com/photos", "photos", ""), ("gs://photos", "photos", ""),
        ("https://account.blob.core.windows.net/photos", "photos", ""), ("http://minio:9000/photos", "photos", ""),
    ],
)  # fmt: skip
def test_what_was_meant_by_a_bucket(stored: str, name: str, folder: str) -> None:
    assert name_and_folder(stored) == (name, folder)


@pytest.mark.parametrize(
    "host", ["minio", "s3.storage.svc", "minio.local", "10.0.0.5", "192.168.1.1", "127.0.0.1", "fd00::1"]
)
def test_hosts_of_the_inside(host: str) -> None:
    assert is_internal(host) and is_loopback(host) is (host == "127.0.0.1")


@pytest.mark.parametrize("host", ["s3.amazonaws.com", "minio.example.com", "8.8.8.8", ""])
def test_hosts_of_the_outside(host: str) -> None:
    assert not is_internal(host) and not is_loopback(host)
