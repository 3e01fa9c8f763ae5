"""`python -m lms.certs.signer`."""

import sys

from lms.certs.signer.commands import main

sys.exit(main())
