"""Asks the registry's advisories about every locked package: `python .ci/audit.py requirements.lock`.

Ends with 1 when a package has a known hole, and says in one line what could not be asked (no way out to the registry, a new package).
"""

import json
import subprocess
import sys

SECONDS = 300


def main(lock: str) -> int:
    """The number of packages with a known hole, as exit status 0 or 1."""
    command = [sys.executable, "-m", "pip_audit", "-r", lock, "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        print("The advisories could not be asked:", done.stderr.strip().splitlines()[-1:] or "no answer")
        return 0
    asked = [package for package in packages if "skip_reason" not in package]
    holes = [(package, hole) for package in asked for hole in package["vulns"]]
    for package, hole in holes:
        print(f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version yet'}")
    print(f"Advisories: {len(asked)} of {len(packages)} packages asked, {len(holes)} known holes.")
    return int(bool(holes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
