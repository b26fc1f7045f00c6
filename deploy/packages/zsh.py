"""Types command lines and a TAB after each into an interactive zsh, and prints what they became, one a line.
Usage: zsh.py DIRECTORY LINE...; DIRECTORY has the completions, and zsh's own files go to HOME."""
import os
import pty
import re
import select
import sys

directory, lines = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", COLUMNS="500", ZDOTDIR=os.environ["HOME"])
    os.execvp("zsh", ["zsh", "-f", "-i"])


def ask(keys, pattern):
    """Types keys, and waits for what matches the pattern."""
    os.write(terminal, keys.encode())
    got = b""
    while select.select([terminal], [], [], 120)[0]:
        got += os.read(terminal, 4096)
        found = re.search(pattern, got)
        if found:
            return found
    sys.exit("zsh did not answer: " + repr(got))


ask(f"fpath=({directory} $fpath); autoload -Uz compinit; compinit -u -D; print RE''ADY\n", rb"\nREADY")
for line in lines:
    # ^A and ^E go to the ends of the line, of which a comment of print is made.
    print(ask(line + "\t\x01print -r -- '<'\"\x05\"'>'\n", rb"\n<([^>'\"]*)>")[1].decode())
