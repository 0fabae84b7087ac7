"""`kindling demo`: a community's quarter in a minute or two, through the real parts."""

from service.cli.demo.run import run_demo

__all__ = ["run_demo"]
