"""``python -m cks.cli`` is ``cks``."""

from cks.cli.main import main

main()
