"""Thirty relations of many shapes, churned, for comparing the bloat estimate with pgstattuple."""

from __future__ import annotations

import psycopg2

EXTENSION = "create extension if not exists pgstattuple"
#: Each is a table with its rows and what happened to them; `{n}` is the number of rows.
TABLES = {
    "narrow": "create table narrow as select g as id, g % 7 as kind from generate_series(1, {n}) g",
    "narrow_gone_half": "create table narrow_gone_half as select g as id, g % 7 as kind from generate_series(1, {n}) g;"
                        "delete from narrow_gone_half where id % 2 = 0",
    "wide": "create table wide as select g as id, repeat(md5(g::text), 20) as note, now() as made from generate_series(1, {n} / 8) g",
    "wide_gone_most": "create table wide_gone_most as select g as id, repeat(md5(g::text), 12) as note from generate_series(1, {n} / 6) g;"
                      "delete from wide_gone_most where id % 10 > 0",
    "nullable": "create table nullable (id int, a int, b text, c timestamptz, d int, e text, f bool, g2 int, h text, i bigint);"
                "insert into nullable select g, nullif(g % 3, 0), case when g % 4 = 0 then md5(g::text) end,"
                " case when g % 5 < 3 then now() end, nullif(g % 2, 0), case when g % 7 = 0 then 'x' end, g % 2 = 0,"
                " null, null, case when g % 3 = 0 then g end from generate_series(1, {n}) g;"
                "delete from nullable where id % 10 < 3",
    "texts": "create table texts as select g as id, left(repeat(md5(g::text), 6), g % 180) as words from generate_series(1, {n}) g;"
             "delete from texts where id % 5 = 0",
    "jsonb_small": "create table jsonb_small as select g as id, jsonb_build_object('text', md5(g::text), 'n', g) as data,"
                   " '{{}}'::jsonb as meta from generate_series(1, {n} / 2) g;"
                   "update jsonb_small set data = data || '{{\"seen\": true}}' where id % 2 = 0",
    "jsonb_toasted": "create table jsonb_toasted as select g as id, (select jsonb_object_agg(k, md5((g * 1000 + k)::text))"
                     " from generate_series(1, 90) k) as data, now() as made from generate_series(1, {n} / 50) g;"
                     "delete from jsonb_toasted where id % 4 = 0",
    "uuids": "create table uuids as select gen_random_uuid() as id, gen_random_uuid() as other from generate_series(1, {n}) g;"
             "delete from uuids where left(id::text, 1) < '4'",
    "times": "create table times as select g as id, now() - g * interval '1 second' as made, now() as changed, g % 2 = 0 as done"
             " from generate_series(1, {n}) g; update times set changed = now() where id % 3 = 0",
    "roomy": "create table roomy (id int, note text) with (fillfactor = 70);"
             "insert into roomy select g, md5(g::text) from generate_series(1, {n}) g",
    "roomy_gone": "create table roomy_gone (id int, note text) with (fillfactor = 70);"
                  "insert into roomy_gone select g, md5(g::text) from generate_series(1, {n}) g;"
                  "delete from roomy_gone where id % 10 < 6",
    "updated": "create table updated (id int primary key, n int, note text);"
               "insert into updated select g, 0, md5(g::text) from generate_series(1, {n}) g;"
               "update updated set n = 1 where md5(id::text) < '8'; update updated set n = 2 where md5(id::text) > '6'",
    "dropped": "create table dropped (id int, gone text, note text); alter table dropped drop gone;"
               "insert into dropped select g, md5(g::text) from generate_series(1, {n}) g; delete from dropped where id % 5 < 2",
    "monotone": "create table monotone as select g as id, g / 3 as parent, now() + g * interval '1 s' as made"
                " from generate_series(1, {n}) g",
    "keyed": "create table keyed (id int, project_id int, task_id int, label text, token uuid, done bool, score numeric);"
             "create index keyed_random on keyed (token); create index keyed_project on keyed (project_id);"
             "create index keyed_multi on keyed (project_id, task_id); create index keyed_label on keyed (label);"
             "create unique index keyed_unique on keyed (id); create index keyed_flag on keyed (project_id, done);"
             "create index keyed_score on keyed (score); create index keyed_part on keyed (task_id) where done;"
             "create index keyed_size on keyed (project_id, octet_length(label) desc) include (id);"
             "insert into keyed select g, (g * 7919) % 40, g / 2, case when g % 9 > 0 then 'label ' || g % 900 end,"
             " gen_random_uuid(), g % 4 = 0, (g % 5000) / 7.0 from generate_series(1, {n}) g order by md5(g::text);"
             "delete from keyed where md5(id::text) < '5'",
}  # fmt: skip
INDEXES = (
    "create index monotone_id on monotone (id)",
    "create index monotone_parent on monotone (parent)",
    "create index monotone_made on monotone (made)",
    "create index texts_words on texts (words)",
    "create index narrow_half_id on narrow_gone_half (id)",
    "delete from narrow_gone_half where id % 3 > 0",
    "delete from monotone where id % 10 < 7",
    "select pg_stat_force_next_flush()",
    "vacuum analyze",
)


def make(url: str, rows: int) -> None:
    """Make them in this database, with vacuum and statistics up to date."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in (EXTENSION, *(table.format(n=rows) for table in TABLES.values()), *INDEXES):
                cursor.execute(statement)
    finally:
        connection.close()
