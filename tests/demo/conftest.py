from tests.runtime.jails import environment, isolation

__all__ = ["environment", "isolation"]
