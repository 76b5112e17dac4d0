"""`python -m ftcore [COMMAND] [OVERRIDES...] [FLAGS]`."""

import sys

if __name__ == "__main__":
    try:
        from ftcore.cli.main import main

        code = main()
    except KeyboardInterrupt:  # while that was imported
        code = 1
    sys.exit(code)
