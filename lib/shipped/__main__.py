"""The commands of the package."""

import sys

from . import bring, ready

try:
    if sys.argv[1:] == ["ready"]:
        ready()
    elif sys.argv[1:] == ["solve"]:
        from .solved import solve_all  # prepare.py imports this package

        solve_all()
    else:
        bring()
except (ValueError, OSError, RuntimeError) as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:  # the notebook has said so
    sys.exit(130)
