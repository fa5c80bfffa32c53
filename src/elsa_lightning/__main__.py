"""`python -m elsa_lightning` is `elsa`."""

import sys

from elsa_lightning.cli import main

if __name__ == "__main__":
    sys.exit(main())
