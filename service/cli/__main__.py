"""`python -m service.cli`: the same as `kindling`."""

from service.cli import main

main()
