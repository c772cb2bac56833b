"""``python -m fsp`` is the command ``fsp``."""

import sys

from fsp.cli import main

if __name__ == "__main__":
    sys.exit(main())
