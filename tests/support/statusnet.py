"""Databases as StatusNet has them on PostgreSQL: the tables of 0.8 and of 0.9, and what its workers left in them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.support.postgres import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Cluster, Database

OLD_FORM = """\
CREATE TABLE queue_item (
    notice_id integer NOT NULL, transport varchar(8) NOT NULL,
    created timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, claimed timestamp,
    PRIMARY KEY (notice_id, transport));
CREATE INDEX queue_item_created_idx ON queue_item USING btree (created);
"""
NEW_FORM = """\
CREATE TABLE queue_item (
    id serial PRIMARY KEY, frame bytea NOT NULL, transport varchar(8) NOT NULL,
    created timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, claimed timestamp);
CREATE INDEX queue_item_created_idx ON queue_item USING btree (created);
"""
# One second apart, and the newest first, so that only their times can be what puts them in order.
FILL_OLD = """\
INSERT INTO queue_item SELECT 1 + n / 2, CASE n % 2 WHEN 0 THEN 'jabber' ELSE 'omb' END,
    timestamp '2010-11-23 12:00:00' - make_interval(secs => n),
    CASE WHEN n % 100 = 0 THEN timestamp '2010-11-23 12:00:01' END
FROM generate_series(0, {rows} - 1) AS n;
"""
FILL_NEW = """\
INSERT INTO queue_item (frame, transport, created, claimed)
SELECT convert_to(CASE WHEN n % 10 < 7 THEN (1000 + n)::text
        WHEN n % 10 < 9 THEN '<message to="ada@example.net"><body>' || n || ' &amp; ä</body></message>'
        ELSE 'a:1:{s:2:"id";i:' || n || ';}' END, 'UTF8'),
    CASE WHEN n % 10 < 7 THEN 'distrib' WHEN n % 10 < 9 THEN 'xmppout' ELSE 'sms' END,
    timestamp '2010-11-23 12:00:00' - make_interval(secs => n),
    CASE WHEN n % 100 = 0 THEN timestamp '2010-11-23 12:00:01' END
FROM generate_series(0, {rows} - 1) AS n;
"""


@contextlib.contextmanager
def statusnet_database(cluster: Cluster, *scripts: str, rows: int = 0) -> Iterator[Database]:
    """A database of its own, made by these scripts."""
    with fresh_database(cluster, "template0") as database:
        with database.connect() as connection:
            for script in scripts:
                connection.execute(script.replace("{rows}", str(rows)).encode())
        yield database
