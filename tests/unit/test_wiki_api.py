"""What the client of a wiki decides without asking it; the rest is tested against a real one."""

import pytest

from minillm.corpus.config import check_address, check_contact
from minillm.corpus.wiki_api import ADDRESS_BYTES, batches


@pytest.mark.parametrize(
    "address",
    [
        "https://es.wikipedia.org/w/",
        "https://wiki.example:8443/",
        "http://127.0.0.1:80/w/",
        "http://[::1]/",
        "http://localhost/",
    ],
)
def test_addresses_of_wikis(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("es.wikipedia.org", "is no address of a wiki"),
        ("ftp://es.wikipedia.org/w/", "is no address of a wiki"),
        ("https:///w/", "is no address of a wiki"),
        ("https://es.wikipedia.org:0/w/", "is no address of a wiki"),
        ("https://ana:secret@es.wikipedia.org/w/", "is no address of a wiki"),
        ("https://es.wikipedia.org", "is no address of a folder"),
        ("https://es.wikipedia.org/w/api.php", "is no address of a folder"),
        ("https://es.wikipedia.org/w/?x=1/", "is no address of a folder"),
        ("http://es.wikipedia.org/w/", "is not encrypted"),
        ("http://127.0.0.1.example/w/", "is not encrypted"),
        ("http://8.8.8.8/w/", "is not encrypted"),
    ],
)
def test_what_is_no_address_of_a_wiki(address: str, problem: str) -> None:
    with pytest.raises(ValueError, match=rf"{problem}.*; give the folder of api\.php"):
        check_address(address)


def test_a_port_out_of_range() -> None:
    with pytest.raises(ValueError, match="Port out of range"):
        check_address("https://es.wikipedia.org:99999/w/")


@pytest.mark.parametrize("contact", ["ana@example.org", "https://example.org/~ana?x=1"])
def test_contacts(contact: str) -> None:
    check_contact(contact)


@pytest.mark.parametrize("contact", ["", "ana", "a@b c", "a@b\r\nX: y", "a@b)", "a@{b}", "ñandú@example.org"])
def test_what_is_no_contact(contact: str) -> None:
    with pytest.raises(ValueError, match="is no contact"):
        check_contact(contact)


def test_a_request_has_fifty_values_at_most() -> None:
    values = [str(number) for number in range(101)]
    groups = list(batches(values))
    assert [len(group) for group in groups] == [50, 50, 1]
    assert [value for group in groups for value in group] == values
    assert list(batches([])) == []


def test_a_request_is_no_longer_than_servers_take() -> None:
    values = ["é" * 255] * 7  # six bytes each in an address, and three for what separates them
    assert [len(group) for group in batches(values)] == [ADDRESS_BYTES // (255 * 6 + 3), 3, 1]
