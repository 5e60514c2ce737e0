"""What the end-to-end tests drive vibed with: the real programs, over real HTTP.

VIBED_BIN is the program `vibed` under test. VIBED_E2E_KEEP=1 keeps the data folder of a failed run.
"""

from .archives import from_folder, hostile, tar_gz
from .http import Answer, Connection, request
from .processes import Processes
from .server import APPS, EXAMPLES, Vibed, free_of, wait_for
from .suite import E2E, main

__all__ = [
    "APPS", "Answer", "Connection", "E2E", "EXAMPLES", "Processes", "Vibed", "free_of",
    "from_folder", "hostile", "main", "request", "tar_gz", "wait_for",
]
