"""Entry point for ``python -m tdsm.cli`` and ``accelerate launch -m tdsm.cli``."""

from tdsm.cli import main

if __name__ == "__main__":
    main()
