"""``python -m debias_pt``: the command line."""

from debias_pt.cli.main import main

if __name__ == "__main__":
    main()
