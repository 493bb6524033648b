"""The deployment under care: everything that is Label Studio's and not ours."""

from .attach import Deployment

__all__ = ["Deployment"]
