from tests.api_client import api

__all__ = ["api"]
