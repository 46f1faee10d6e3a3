"""What the scripts beside the bench share: clocks and memory of processes, and a text's place in docs/performance.md."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/performance.md"
# As Ctrl-C: what was started is ended, and folders are removed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class Failed(Exception):
    """Something did not happen that should have."""


def say(words):
    print(words, file=sys.stderr, flush=True)


def build():
    """The program, as `cargo build --release` makes it."""
    command = ["cargo", "build", "--release", "--locked", "--package", "launcher"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return ROOT / "target/release/fleet"


def cpu(process):
    """Seconds of user and system time, threads that are gone included: the process's CPU clock, as clock_getcpuclockid has it."""
    return time.clock_gettime((~process << 3) | 2)


def memory(process):
    """Resident and proportional KiB. From `smaps_rollup`, since `VmRSS` is only nearly true while threads run."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    value = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:3]}
    return value["Rss"], value["Pss"]


def circumstances():
    """When, what and where, in a few words."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=9"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True).stdout.strip() or "an unknown commit"
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    machine = f"{models[0] if models else 'an unknown CPU'}, {os.cpu_count()} cores, Linux {os.uname().release}"
    return f"Measured on {time.strftime('%Y-%m-%d')} at {commit}, on {machine}"


def write(name, text):
    """Puts a text between the two markers of this name."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = DOCUMENT.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise Failed(f"{DOCUMENT} has no {begin} … {end}")
    DOCUMENT.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
