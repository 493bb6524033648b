"""What a role lacks, as statements that give it."""

from console.deployment.postgres import grants


def asked(read):
    with read() as session:
        return grants.read(session)


def test_a_superuser_lacks_nothing(read):
    found = asked(read)
    assert found.superuser and found.needed() == []
    assert found.may_maintain("task") and found.may_drop_index("task") and found.may_signal("anybody")
    assert found.maintain_statement("task") == ""
    assert not found.may_maintain("no such table")


def test_each_statement_gives_what_it_says(admin, lowly):
    before = asked(lowly)
    parts = {item.part: item for item in before.needed()}
    assert set(parts) == {
        "sessions",
        "statistics of columns",
        "server",
        "bloat measured",
        "maintenance",
        "end sessions",
    }
    assert parts["statistics of columns"].statements == ('GRANT SELECT ON public.prediction TO "Only Looks";',)
    assert parts["maintenance"].statements == ('GRANT postgres TO "Only Looks";',)
    assert not before.may_maintain("task") and not before.may_signal("postgres") and before.may_signal("Only Looks")
    given = [statement for part, item in parts.items() if part != "maintenance" for statement in item.statements]
    admin(*given)
    try:
        assert [item.part for item in asked(lowly).needed()] == ["maintenance"]
        assert asked(lowly).may_signal("somebody")
    finally:
        admin(
            'revoke pg_read_all_stats, pg_read_all_settings, pg_stat_scan_tables, pg_signal_backend from "Only Looks"'
        )


def test_the_owner_of_one_table_may_maintain_it(admin, lowly):
    admin('alter table task owner to "Only Looks"')
    found = asked(lowly)
    assert found.may_maintain("task") and found.may_drop_index("task") and not found.may_maintain("project")
    assert found.owners["public", "task"] == "Only Looks"
    admin("alter table task owner to postgres")


def test_many_unreadable_tables_are_told_in_one_statement(admin, lowly):
    admin('revoke select on all tables in schema public from "Only Looks"')
    [needed] = [item for item in asked(lowly).needed() if item.part == "statistics of columns"]
    assert needed.statements == ('GRANT SELECT ON ALL TABLES IN SCHEMA public TO "Only Looks";',)
