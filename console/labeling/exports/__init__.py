"""Tasks with all that belongs to them, as Label Studio exports them: selected, written out, flattened, converted.

`selection` says which tasks and annotations; `documents` writes each task as JSON from the text the database holds;
`stream` puts them together in bounded memory; `flat_rows` makes JSON_MIN, CSV and TSV of them; `converter` hands the
other formats to the official SDK in a process of its own.
"""
