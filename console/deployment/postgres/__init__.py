"""What PostgreSQL's catalogue and statistics tell about the attached database. Nothing here reads Label Studio's rows.

Every function takes an open read session (one short read-only transaction of the caller's) and answers under any role:
what the role may not see comes back as None, together with the statement that would grant it.
"""
