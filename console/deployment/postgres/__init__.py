"""What PostgreSQL's catalogue and statistics tell about the attached database; no table is read through.

Every function takes an open read session (one short read-only transaction of the caller's) and answers under any role:
what the role may not see comes back as None, together with the statement that would grant it. `overview.read` reads
everything at once.
"""
