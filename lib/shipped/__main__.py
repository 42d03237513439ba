"""The commands of the package."""

import sys

from . import bring, ready

try:
    ready() if sys.argv[1:] == ["ready"] else bring()
except (ValueError, OSError) as error:
    sys.exit(f"error: {error}")
