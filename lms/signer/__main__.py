"""`python -m lms.signer`."""

import sys

from lms.signer.commands import main

sys.exit(main())
