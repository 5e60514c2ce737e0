"""vibed: from a source tree to a live URL."""

from vibed import _vibed
from vibed._vibed import *  # noqa: F403

__version__ = _vibed.__version__
__all__ = [name for name in dir(_vibed) if not name.startswith("_")]
