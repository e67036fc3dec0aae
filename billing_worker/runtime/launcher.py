"""Run in the child, between fork and the real program: tie its life to the parent's, then become that program.

A script, not an import: `python -I -S launcher.py PARENT_PID DEATH_SIGNAL ACCOUNT FOLDER PROGRAM [ARGUMENT...]`, where
ACCOUNT is `-` or `UID:GID`. It needs nothing but the standard library and starts in about 20 ms.

All modules are loaded before the account changes: the new account may not be able to read this interpreter.
"""

import os
import signal
import sys

try:
    import ctypes  # here, not where it is used: see above
except ImportError:  # a Python built without it: the guardian does the work
    ctypes = None  # type: ignore[assignment]

PR_SET_PDEATHSIG = 1
EXIT_CANNOT_RUN = 127  # as a shell does


def die_with_parent(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` to us when the parent ends in any way (Linux; elsewhere the guardian does).

    Called after the account changed, because changing credentials clears the setting.
    """
    if ctypes is None or not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses to signal the death of the parent")
    if os.getppid() != parent:  # it died before the setting took effect
        os._exit(EXIT_CANNOT_RUN)


def reset_signals() -> None:
    """Reset the signals that this interpreter, or a shell that ran us in the background, ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def main(arguments: list[str]) -> None:
    """Become the program, or report on stderr in one line why that failed."""
    parent, death_signal, account, directory, *command = arguments
    try:
        if account != "-":
            uid, gid = map(int, account.split(":"))
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        die_with_parent(int(parent), int(death_signal))
        os.chdir(directory)
        reset_signals()
        os.execvp(command[0], command)  # noqa: S606 - that there is no shell is the point
    except OSError as error:
        # os.write: the buffers of sys.stderr may need a codec that the new account cannot load.
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
        os._exit(EXIT_CANNOT_RUN)


if __name__ == "__main__":
    main(sys.argv[1:])
