"""Every measurement, one after the other, then a table and a chart of what was found: `make bench`.

    python -m bench [--quick] [NAME ...]

`--quick` takes small sizes, to see that everything runs. Results are kept in `bench/results/`.
"""

import argparse
import subprocess
import sys
import time

from bench.book import RESULTS, kept
from bench.report import write_report

MEASUREMENTS: dict[str, tuple[list[str], list[str]]] = {
    "fanout": (["--mails", "10000"], ["--mails", "200"]),
    "importing": (["--rows", "100000"], ["--rows", "2000"]),
    "intake": (["--events", "50000"], ["--events", "2000"]),
    "measures": (["--deliveries", "65000"], ["--deliveries", "2000"]),
    "rendering": (["--mails", "1000"], ["--mails", "100"]),
    "sync": (["--members", "100000"], ["--members", "2000"]),
    "starting": (["--times", "5", "--requests", "20000"], ["--times", "1", "--requests", "600"]),
}
"""Module of `bench/` -> its arguments, in full and quick."""


def main() -> int:
    """Run them all; the number of wanted ratios that were not met, and of measurements that broke off, is the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(MEASUREMENTS)}")
    options = parser.parse_args()
    broken: list[str] = []
    for number, name in enumerate(options.names or MEASUREMENTS, start=1):
        full, quick = MEASUREMENTS[name]
        print(f"\n[{number}/{len(options.names or MEASUREMENTS)}] {name}", flush=True)
        begun = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", f"bench.{name}", *(quick if options.quick else full)], check=False)
        broken += [name] if done.returncode else []
        print(f"      {time.perf_counter() - begun:.0f} s", flush=True)
    found = kept()
    write_report(found)
    missed = [figure for figures in found.values() for figure in figures if figure.is_met is False]
    print(f"\n{RESULTS / 'README.md'}: {len(missed)} of {sum(f.is_met is not None for fs in found.values() for f in fs)} targets missed")
    if broken:
        print(f"not measured, see above: {', '.join(broken)}")
    return len(missed) + len(broken)


if __name__ == "__main__":
    sys.exit(main())
