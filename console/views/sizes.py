"""How sizes in bytes read on a page."""

from ..amounts import bytes_text

__all__ = ["bytes_text"]
