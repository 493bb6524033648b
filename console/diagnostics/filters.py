"""Filters near a given one; see `deployment.filters`, which dry runs use as well."""

from ..deployment.filters import meant_by, nearest, variants

__all__ = ["meant_by", "nearest", "variants"]
