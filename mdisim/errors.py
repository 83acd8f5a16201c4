"""The errors that mdisim raises on purpose: one base class, and a kind for each of the two ways to fail.

The class says what a program needs to know, and attributes say the rest; the message is for people alone. The
command line prints the message of any `MdisimError`, and of no other exception, without a traceback.
"""

from __future__ import annotations


class MdisimError(Exception):
    """The base of every error that mdisim raises on purpose; its text is one message for a person."""


class InputError(MdisimError, ValueError):
    """Something given to mdisim cannot be used: the command line ends with exit code 2.

    `parameter` is the name of the parameter at fault; empty where it is no single one.
    """

    parameter: str = ""


class PolicyError(InputError):
    """A policy does not fit its world, or its parameters do not fit together.

    Where it names the `parameter` at fault, the message about a scenario points at that key.
    """

    def __init__(self, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter


class RunError(MdisimError, RuntimeError):
    """A run failed, though its input can be used: the command line ends with exit code 1."""
