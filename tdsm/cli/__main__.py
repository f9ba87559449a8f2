"""``accelerate launch -m tdsm.cli``."""

from tdsm.cli import main

if __name__ == "__main__":
    main()
