"""Command line of the sandbox: `python -m sandbox --port 9100 --data DIR`."""

import argparse
import gc
import sys

from sandbox.config import SandboxConfig
from sandbox.server import build_server


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="sandbox", description="A stand-in for Mailchimp on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--data", default="", help="folder for what it remembers; empty keeps it in memory")
    parser.add_argument("--seed", type=int, default=1, help="decides how recipients behave")
    parser.add_argument("--clock-file", default="", help='file with {"offset_seconds": N} that moves the clock')
    parser.add_argument("--public-url", default="", help="where links in mails point (default: http://HOST:PORT)")
    parser.add_argument("--list-id", default="sandbox01")
    parser.add_argument("--list-name", default="Sandbox community")
    parser.add_argument("--from-email", default="hello@example.org")
    parser.add_argument("--api-key", action="append", help="accepted Marketing key, repeatable; '*' takes any")
    parser.add_argument("--transactional-key", action="append", help="accepted Transactional key, repeatable")
    parser.add_argument("--silent", action="store_true", help="nobody opens, clicks or bounces unless pinned")
    parser.add_argument("--follow-links", action="store_true", help="scanners and unsubscribers really fetch loopback links")
    parser.add_argument("--double-optin", action="store_true")
    parser.add_argument("--webhook-retry-seconds", type=float, default=2.0)
    parser.add_argument("--webhook-batch-seconds", type=float, default=0.25)
    return parser.parse_args(arguments)


def config_from(options: argparse.Namespace) -> SandboxConfig:
    """Turn the command line into settings."""
    config = SandboxConfig(
        data_dir=options.data,
        seed=options.seed,
        clock_file=options.clock_file,
        public_url=options.public_url or f"http://{options.host}:{options.port}",
        list_id=options.list_id,
        list_name=options.list_name,
        from_email=options.from_email,
        recipients="silent" if options.silent else "people",
        follow_links=options.follow_links,
        double_optin=options.double_optin,
        webhook_retry_seconds=options.webhook_retry_seconds,
        webhook_batch_seconds=options.webhook_batch_seconds,
    )
    if options.api_key:
        config.api_keys = tuple(options.api_key)
    if options.transactional_key:
        config.transactional_keys = tuple(options.transactional_key)
    return config


def main(arguments: list[str] | None = None) -> None:
    """Run until Ctrl-C or SIGTERM."""
    options = parse(arguments)
    gc.set_threshold(100_000, 20, 20)  # large audiences are long-lived data
    server, _ = build_server(config_from(options), options.host, options.port)
    sys.stdout.write(f"Mailchimp sandbox on http://{options.host}:{options.port}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main()
