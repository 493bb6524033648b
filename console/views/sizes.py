"""How sizes in bytes read on a page."""


def bytes_text(number: int | float | None) -> str:
    """`512 B`, `8.4 MB`, `31.4 GB`; a dash for None. Powers of 1024, as PostgreSQL and Redis count."""
    if number is None:
        return "–"
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TB"
