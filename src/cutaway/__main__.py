"""`python -m cutaway`, for where the command isn't on the path."""

from cutaway.cli import main

if __name__ == "__main__":
    main()
