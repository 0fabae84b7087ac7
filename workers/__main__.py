"""`python -m workers`: one worker over the settings of the environment."""

import asyncio
import logging
import sys

from redis.exceptions import RedisError

from service.embedded import redis_settings
from service.logs import configure_logs
from service.memory import be_modest, keep_what_is_loaded
from service.settings import SettingsProblem, load_settings
from workers.settings import run_worker

log = logging.getLogger(__name__)


def main() -> int:
    """Run until told to stop; 2 when a setting makes no sense, 1 when Redis is lost: whatever supervises it starts it again."""
    try:
        settings = load_settings()
    except SettingsProblem as why:
        sys.stderr.write(f"{why}\n")
        return 2
    configure_logs(settings)
    be_modest()
    keep_what_is_loaded()
    with redis_settings(settings.redis_url.get_secret_value(), settings.var_dir / "redis") as redis:
        try:
            asyncio.run(run_worker(settings, redis))
        except RedisError as why:
            log.critical("Redis can't be used; start it, or correct REDIS_URL: cause=%s", type(why).__name__)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
