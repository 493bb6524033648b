"""Our own store; nothing here touches the deployment."""

from .store import Store, new_id

__all__ = ["Store", "new_id"]
