from tests.runtime.jails import environment, isolation, runner

__all__ = ["environment", "isolation", "runner"]
