"""How long ago something was, in the words Label Studio shows as `created_ago`.

Source: Django's `utils/timesince.py timesince`, which `created_ago` of annotations, drafts and predictions calls: the
two largest adjacent units, calendar years and months, a no-break space inside each part.
"""

from __future__ import annotations

from datetime import UTC, datetime

_SECONDS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))
#: Days of each month as Django counts them; a leap day is not among them.
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def ago(moment: datetime, now: datetime) -> str:
    """`3 hours, 20 minutes` (with no-break spaces) between two aware times; `0 minutes` within the same minute."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    if (now - moment).total_seconds() < 60:
        return _told("minute", 0)
    months = (now.year - moment.year) * 12 + now.month - moment.month
    if (moment.day, moment.time()) > (now.day, now.time()):
        months -= 1
    since_month = _months_later(moment, months) if months else moment
    left = int((now - since_month).total_seconds())
    amounts = [("year", months // 12), ("month", months % 12)]
    for unit, seconds in _SECONDS:
        amounts.append((unit, left // seconds))
        left %= seconds
    first = next((place for place, (_, amount) in enumerate(amounts) if amount), None)
    if first is None:
        return _told("minute", 0)
    told = [_told(*amounts[first])]
    if first + 1 < len(amounts) and amounts[first + 1][1]:
        told.append(_told(*amounts[first + 1]))
    return ", ".join(told)


def _months_later(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1, day=min(_DAYS[month], moment.day))


def _told(unit: str, amount: int) -> str:
    return f"{amount}\u00a0{unit}{'' if amount == 1 else 's'}"
