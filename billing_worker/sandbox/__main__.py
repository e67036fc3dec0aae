"""`python -m billing_worker.sandbox`."""

import sys

from billing_worker.sandbox.command import main

sys.exit(main())
