"""`python -m ftcore [COMMAND] [OVERRIDES...] [FLAGS]`."""

import sys

from ftcore.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
